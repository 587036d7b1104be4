"""The console's pages in a real browser: what they show, what they change, by keyboard, on a phone and at a desk."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from selenium.webdriver.common.keys import Keys

from tests.support.background import repeated
from tests.support.browser import CHROMIUM, DESK, DRIVER, PHONE, Browser
from tests.support.console import ConsoleServer, basic
from tests.support.sample_data import fill
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.skipif(
    not (os.path.exists(CHROMIUM) and os.path.exists(DRIVER)), reason="needs Debian's chromium and chromium-driver"
)

EVIL = '<img src=x onerror="window.evil=1"><script>window.evil=1</script>'
PAGES = ("overview", "keys", "clients", "slowlog", "live", "info", "shell")

CONTRASTS = r"""
const parse = (text) => {
  const n = text.match(/[\d.]+/g).map(Number), full = text.startsWith("color(") ? 255 : 1;
  return [n[0] * full, n[1] * full, n[2] * full, n[3] ?? 1];
};
const over = (top, under) => [0, 1, 2].map((n) => top[n] * top[3] + under[n] * (1 - top[3])).concat(1);
const linear = (v) => (v / 255 <= .03928 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4);
const luminance = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
const ground = (node) => {
  const layers = [];
  for (let e = node; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
  return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
};
const bad = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  const words = walker.currentNode.textContent.trim().slice(0, 30);
  if (!words || !node.checkVisibility({ checkOpacity: true })) continue;
  if (node.closest(":disabled, svg, script, .skip, option")) continue;
  const under = ground(node), text = over(parse(getComputedStyle(node).color), under);
  const [a, b] = [luminance(text), luminance(under)].sort((x, y) => y - x);
  const ratio = (a + .05) / (b + .05);
  if (ratio < 4.5) bad.push(`${words} (${node.className || node.tagName}): ${ratio.toFixed(2)}`);
}
return bad;
"""

UNNAMED = """
const names = (e) => [e.getAttribute("aria-label"), e.innerText, e.closest("label"), e.title];
const named = (e) => names(e).some((text) => `${text || ""}`.trim());
return [...document.querySelectorAll("button, a, input, select, textarea, [role=img], [tabindex='0']")]
  .filter((e) => e.checkVisibility() && !named(e))
  .map((e) => e.outerHTML.slice(0, 120));
"""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleServer]:
    """Everybody may do everything; it looks like a recent Redis, so fields have a time to live."""
    options = ("--console-write", "--compat-version", "8.4", "--slowlog-log-slower-than", "0")
    one = ConsoleServer(tmp_path_factory.mktemp("console"), *options)
    yield one
    one.stop()


@pytest.fixture(scope="module")
def _chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    one = Browser(tmp_path_factory.mktemp("browser"))
    yield one
    one.close()


@pytest.fixture
def browser(_chromium: Browser) -> Iterator[Browser]:
    """At a desk, in light, with nothing remembered; in the end it has had nothing to complain of."""
    _chromium.look(DESK, "light")
    _chromium.problems()
    yield _chromium
    assert [text for text in _chromium.problems() if "401" not in text and "ERR_CONNECTION" not in text] == []


@pytest.fixture(autouse=True)
def _emptied(console: ConsoleServer) -> None:
    console.client.flushall()


def eventually(browser: Browser, condition: Callable[[], Any]) -> None:
    """Wait until something is true on the server, whatever the browser does meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never true\n{browser.text()[:1500]}"
        browser.driver.execute_async_script("setTimeout(arguments[0], 50)")


def key_page(key: Any) -> str:
    return f"/keys?key={quote(json.dumps(key))}"


def names(browser: Browser) -> list[str]:
    """The keys listed."""
    found: list[str] = browser.js("return [...document.querySelectorAll('.key-list .name')].map((e) => e.textContent)")
    return found


def answer(browser: Browser, *texts: str) -> None:
    """Fill the fields of the dialog that is open by keyboard, and confirm."""
    browser.wait("document.querySelector('dialog[open]')")
    for n, text in enumerate(texts):
        if n:
            browser.press(Keys.TAB)
        browser.js("document.activeElement.select && document.activeElement.select()")
        browser.type(text)
    if texts and browser.js("return document.activeElement.tagName") == "TEXTAREA":
        browser.tab_to(browser.text("dialog [type=submit]"))
    browser.press(Keys.ENTER)
    browser.wait("!document.querySelector('dialog[open]')")


def test_every_page_at_every_size(console: ConsoleServer, browser: Browser) -> None:
    """Figures are there, nothing sticks out, everything has a name and can be read, nothing comes from elsewhere."""
    fill(console.client)
    console.client.ping()
    for size, scheme in ((DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")):
        browser.look(size, scheme)
        browser.open(console.url)
        browser.wait_text("Overview")
        browser.wait("document.querySelectorAll('.bar').length > 0")
        for page in PAGES:
            browser.go(f"/{page}" if page != "keys" else key_page("orders") if size == DESK else "/keys")
            browser.wait("document.querySelector('#nav [aria-current]').dataset.page === arguments[0]", page)
            if page in ("clients", "slowlog", "info"):
                browser.wait("document.querySelectorAll('main tbody tr').length > 0")
            if page == "keys":
                browser.wait("document.querySelectorAll('.key-list button').length > 5")
            if page == "keys" and size == DESK:
                browser.wait_text("billing")
            where = f"{page} at {size[0]} in {scheme}"
            wide = browser.js("return document.scrollingElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{where}: {wide} pixels too wide"
            assert browser.js(CONTRASTS) == [], where
            assert browser.js(UNNAMED) == [], where
            assert len(browser.all("h1")) == 1 and len(browser.all("main")) == 1
    ground = "return getComputedStyle(document.body).backgroundColor"
    dark = browser.js(ground)
    browser.look(DESK, "light")
    assert browser.js(ground) != dark
    loaded = browser.js("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert loaded and all(name.startswith(console.url) for name in loaded)


def test_charts(console: ConsoleServer, browser: Browser) -> None:
    browser.open(console.url)

    def use() -> None:
        # Together, or there would be a second of all hits and one of none.
        console.client.pipeline().set("k", "v").get("k").get("none").execute()

    with repeated(use, 0.05):
        browser.wait("document.querySelectorAll('.chart').length === 8")
        titles = "return [...document.querySelectorAll('.chart')].map((e) => e.innerText.split('\\n')[0])"
        assert browser.js(titles) == [
            *("Commands per second", "Latency", "Memory", "Hit ratio"),
            *("Clients", "Replication lag", "Network", "Removed keys"),
        ]
        browser.wait("parseFloat(document.querySelectorAll('.chart-value')[0].innerText) > 0")
        browser.wait("/[µm]s/.test(document.querySelectorAll('.chart')[1].innerText)")
        browser.wait("document.querySelectorAll('.chart-value')[3].innerText.startsWith('50')")
        browser.wait("document.querySelectorAll('.chart')[5].innerText.includes('no replica')")
        browser.wait("[...document.querySelectorAll('td')].some((e) => e.innerText === 'SET')")
        browser.wait("""((c) => {
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            return new Set(Array.from({length: d.length / 4}, (_, n) => d.slice(4 * n, 4 * n + 3).join())).size;
        })(document.querySelector('canvas')) > 3""")
    browser.js("document.querySelector('canvas').focus()")
    browser.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    browser.wait("/· \\d\\d:\\d\\d:\\d\\d$/.test(document.querySelector('.chart-value').innerText)")
    assert "Commands per second: " in browser.focused()
    shifts = """const done = arguments[0]; let sum = 0;
        new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) sum += e.value; })
          .observe({ type: 'layout-shift', buffered: true }); setTimeout(() => done(sum), 300);"""
    assert browser.driver.execute_async_script(shifts) < 0.1


def test_values_of_every_type(console: ConsoleServer, browser: Browser) -> None:
    client = console.client
    fill(client)
    client.set(EVIL, EVIL)
    client.hset("hash:evil", EVIL, EVIL)
    client.set(b"\x00\xff raw", bytes(range(256)))
    client.hset("hash:ttl", "f", "1")
    client.execute_command("SETRANGE", "long", 40_000, "end")
    browser.open(f"{console.url}#/keys?match=*evil*")
    browser.wait("document.querySelectorAll('.key-list button').length === 2")
    assert sorted(names(browser)) == [EVIL, "hash:evil"]
    for key in (EVIL, "hash:evil"):
        browser.go(key_page(key))
        browser.wait_text(EVIL, ".value-body")
    assert browser.js(
        "return window.evil === undefined && document.querySelectorAll('main img, main script').length === 0"
    )
    browser.go(key_page({"b": "AP8gcmF3"}))
    browser.wait_text("\\x00\\xff raw", ".value-title")
    browser.wait_text("f0 f1 f2", ".text")
    browser.go(key_page("profile:1042"))
    browser.wait_text('"city": "London"', ".text")
    browser.go(key_page("long"))
    browser.wait_text("bytes 0 to 16,384 of 40,003")
    for shown in ("bytes 16,384 to 32,768 of 40,003", "to 40,003 of 40,003"):
        browser.js("[...document.querySelectorAll('.toolbar button')].find((e) => e.innerText === 'Next').click()")
        browser.wait_text(shown)
    browser.go(key_page("queue:mail"))
    browser.wait_text("0 to 99")
    browser.js("[...document.querySelectorAll('.toolbar button')].find((e) => e.innerText === 'Next').click()")
    browser.wait_text("user150@example.org", ".value-body")
    browser.go(key_page("leaderboard"))
    browser.wait("document.querySelectorAll('.value-body tbody tr').length === 100")
    low = client.zrange("leaderboard", 0, 0)[0].decode()
    assert low in browser.text(".value-body tbody tr")
    browser.go(key_page("tags:popular"))
    browser.wait_text("\\xff\\xfe raw", ".value-body")
    browser.wait_text("ünïcode", ".value-body")
    client.hexpire("hash:ttl", 84 * 60 - 1, "f")  # so it is 83 minutes and some seconds for a whole minute
    browser.go(key_page("hash:ttl"))
    browser.wait_text("83m", ".value-body")
    browser.go(key_page("orders"))
    browser.wait_text("billing", ".value-body")
    browser.wait("document.querySelectorAll('.value-body table')[0].tBodies[0].rows.length === 100")
    browser.go("/keys?type=zset")
    browser.wait("document.querySelectorAll('.key-list button').length === 1")
    browser.go(key_page("no such key"))
    browser.wait_text("There is no such key any more")
    browser.go("/keys?db=5")
    browser.wait_text("Database 5 is empty")


def test_changes_by_keyboard_alone(console: ConsoleServer, browser: Browser) -> None:
    client = console.client
    for n in range(5):
        client.set(f"item:{n}", n)

    def wait_until_back(label: str) -> None:
        """Until the value has been loaded anew and the button that was pressed has the focus again."""
        focus = "(document.activeElement.getAttribute('aria-label') || document.activeElement.innerText)"
        browser.wait(f"{focus} === arguments[0]", label)

    browser.open(f"{console.url}#/overview")
    browser.wait_text("Commands per second")
    browser.press(Keys.TAB)
    assert browser.focused() == "Skip to content"
    browser.press("?")
    browser.wait_text("Keyboard shortcuts", "dialog")
    browser.press(Keys.ESCAPE)
    browser.wait("!document.querySelector('dialog')")
    browser.press("2")
    browser.wait("document.querySelectorAll('.key-list button').length === 5")
    browser.press("/")
    browser.type("item:3" + Keys.ENTER)
    browser.wait("document.querySelectorAll('.key-list button').length === 1")
    browser.js("document.activeElement.select()")
    browser.type("item:*" + Keys.ENTER)
    browser.wait("document.querySelectorAll('.key-list button').length === 5")
    browser.tab_to("Search")
    browser.press(Keys.TAB, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    outline = browser.js("return getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "2px", "the focus can be seen"
    chosen = browser.js("return document.activeElement.querySelector('.name').textContent")
    browser.press(Keys.ENTER)
    browser.wait_text(chosen, ".value-title")

    browser.tab_to("Set the time to live")
    browser.press(Keys.ENTER)
    answer(browser, "100")
    eventually(browser, lambda: 100 - PATIENCE < client.ttl(chosen) <= 100)
    wait_until_back("Set the time to live")
    browser.wait("!document.querySelector('.facts').innerText.includes('none')")
    browser.tab_to("Edit")
    browser.press(Keys.ENTER)
    answer(browser, "changed ü")
    eventually(browser, lambda: client.get(chosen) == "changed ü".encode() and client.ttl(chosen) > 0)
    browser.wait_text("changed ü", ".text")
    wait_until_back("Edit")
    browser.tab_to("Delete the key")
    browser.press(Keys.ENTER)
    browser.wait("document.querySelector('dialog[open]')")
    browser.press(Keys.ESCAPE)
    browser.wait("!document.querySelector('dialog')")
    assert client.exists(chosen)
    browser.tab_to("Delete the key")
    browser.press(Keys.ENTER)
    answer(browser)
    eventually(browser, lambda: not client.exists(chosen))
    browser.wait("document.querySelectorAll('.key-list button').length === 4")

    browser.press("7")
    browser.wait("document.activeElement.getAttribute('aria-label') === 'Command'")
    for line in (
        'SET from:shell "two words\\x00"',
        "GET from:shell",
        "SELECT 3",
        "SET k 3",
        "LRANGE none 0 -1",
        "nosuch",
    ):
        browser.type(line + Keys.ENTER)
        browser.wait_text(line, ".shell-out")
    browser.wait_text('"two words\\x00"', ".shell-out")
    browser.wait_text("(error) ERR unknown command 'nosuch'", ".shell-out")
    browser.wait_text("(empty array)", ".shell-out")
    assert client.get("from:shell") == b"two words\x00"
    browser.press(Keys.ARROW_UP, Keys.ARROW_UP, Keys.ARROW_UP)
    assert browser.js("return document.activeElement.value") == "SET k 3"


def test_elements_are_changed(console: ConsoleServer, browser: Browser) -> None:
    client = console.client
    client.hset("h", mapping={"a": "1", "b": "2"})
    client.rpush("l", "x")
    client.zadd("z", {"m": 1})

    def press(label: str, at: int = 0) -> None:
        named = "(e) => (e.getAttribute('aria-label') || e.innerText) === arguments[0]"
        pick = f"[...document.querySelectorAll('main button')].filter({named})"
        browser.wait(f"{pick}.length > arguments[1]", label, at)
        browser.js(f"{pick}[arguments[1]].focus()", label, at)
        browser.press(Keys.ENTER)

    browser.open(f"{console.url}#{key_page('h')}")
    browser.js("""const place = document.getElementById('toasts');
        window.told = "";  // notes go by themselves
        new MutationObserver(() => window.told += place.innerText + "\\n").observe(place, { childList: true });""")
    browser.wait_text("2 elements")
    press("Edit", 0)
    answer(browser, "one")
    eventually(browser, lambda: client.hget("h", "a") == b"one")
    browser.wait_text("one", ".value-body")
    press("Remove", 1)
    answer(browser)
    eventually(browser, lambda: client.hkeys("h") == [b"a"])
    browser.wait_text("1 element")
    press("Add")
    answer(browser, "c", "3")
    eventually(browser, lambda: client.hget("h", "c") == b"3")
    browser.wait_text("2 elements")
    browser.go(key_page("l"))
    browser.wait_text("l", ".value-title")
    browser.wait_text("1 element")
    press("Add")
    answer(browser, "y")
    eventually(browser, lambda: client.lrange("l", 0, -1) == [b"x", b"y"])
    browser.wait_text("2 elements")
    browser.go(key_page("z"))
    browser.wait_text("z", ".value-title")
    press("Edit")
    answer(browser, "2.5")
    eventually(browser, lambda: client.zscore("z", "m") == 2.5)
    browser.wait_text("2.5", ".value-body")
    browser.wait("document.activeElement.getAttribute('aria-label') === 'Edit'")
    press("Rename")
    answer(browser, "zz")
    eventually(browser, lambda: client.exists("zz"))
    browser.wait_text("No key chosen")
    press("New key")
    answer(browser, "new", "text")
    eventually(browser, lambda: client.get("new") == b"text")
    client.client_setname("victim")
    mine = client.client_id()
    browser.go("/clients")
    press(f"End client {mine}")
    answer(browser)
    browser.wait("window.told.includes('was ended')")
    assert client.client_id() != mine
    browser.go("/slowlog")
    browser.wait("document.querySelectorAll('main tbody tr').length > 3")
    before = client.slowlog_get(1)[0]["id"]
    press("Reset")
    answer(browser)
    browser.wait("window.told.includes('The slow log is empty')")
    assert client.slowlog_get(128)[-1]["id"] > before


def test_live(console: ConsoleServer, browser: Browser) -> None:
    client = console.client
    browser.open(f"{console.url}#/live")
    browser.wait("document.querySelector('main [data-search]')")
    browser.press("/")
    browser.type("news other" + Keys.ENTER)
    eventually(browser, lambda: client.pubsub_numsub("other") == [(b"other", 1)])
    client.publish("news", EVIL)
    client.publish("other", b"\xff\x00")
    browser.wait_text(EVIL, ".live-row")
    browser.wait_text("\\xff\\x00", ".live-row")
    assert browser.js("return window.evil === undefined")
    browser.press(Keys.ENTER)
    eventually(browser, lambda: client.pubsub_numsub("news") == [(b"news", 0)])
    client.xadd("s", {"old": "1"})
    browser.open(f"{console.url}#/live?kind=streams&names=s&start=1")
    eventually(browser, lambda: any(c["cmd"] == "xread" for c in client.client_list()))
    entry = client.xadd("s", {"field": "value"}).decode()
    browser.wait_text(entry, ".live-row")
    assert "old" not in browser.text(".live-rows")
    browser.go("/info")
    eventually(browser, lambda: not any(c["cmd"] == "xread" for c in client.client_list()))
    browser.wait_text("redis_version")
    browser.press("/")
    browser.type("run_id")
    browser.wait("document.querySelectorAll('main tbody tr').length === 1")
    client.set("live", "1")
    browser.open(f"{console.url}#/live?kind=streams&names=live&start=1")
    browser.wait_text("WRONGTYPE")


def test_a_user_who_may_little_and_a_server_that_goes(tmp_path: Path, browser: Browser) -> None:
    console = ConsoleServer(tmp_path, password="secret")
    try:
        client = console.client
        rules = ("on", ">pw", "~public:*", "+@read", "+info", "+slowlog|get", "+memory|usage", "-client")
        client.execute_command("ACL", "SETUSER", "ann", *rules)
        client.mset({"public:1": "seen", "private:1": "unseen"})
        browser.open(console.url)
        assert browser.all("#nav a") == []
        browser.open(console.url + "#/keys", **basic("ann", "pw"))
        browser.wait("document.querySelectorAll('.key-list button').length === 2")
        assert browser.text("#user") == "ann" and browser.text("#mode") == "read-only"
        browser.go(key_page("public:1"))
        browser.wait_text("seen", ".text")
        assert browser.js("return document.querySelectorAll('.danger, [aria-label=Edit]').length") == 0
        browser.go(key_page("private:1"))
        browser.wait_text("NOPERM", ".value-side")
        browser.go("/clients")
        browser.wait_text("NOPERM")
        browser.go("/shell")
        browser.wait("document.activeElement.getAttribute('aria-label') === 'Command'")
        browser.wait_text("read-only")
        browser.type("GET public:1" + Keys.ENTER + "SET public:1 x" + Keys.ENTER)
        browser.wait_text('"seen"', ".shell-out")
        browser.js("document.activeElement.blur()")
        browser.press("t")
        assert browser.js("return document.documentElement.dataset.theme") == "light"
        browser.press("t")
        dark = browser.js("return getComputedStyle(document.body).backgroundColor")
        browser.js("location.reload()")
        browser.wait("document.documentElement.dataset.theme === 'dark'")
        assert browser.js("return getComputedStyle(document.body).backgroundColor") == dark
        browser.js("localStorage.clear()")
        browser.go("/overview")
        browser.wait("document.querySelectorAll('.bar').length > 0")
        assert client.get("public:1") == b"seen"
        console.server.stop()
        browser.wait_text("The server does not answer", "#banner")
        # Whichever way a request fails that was under way.
        assert [text for text in browser.problems() if "net::ERR_" not in text and "401" not in text] == []
    finally:
        browser.driver.get("about:blank")
        console.stop()

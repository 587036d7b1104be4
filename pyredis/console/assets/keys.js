// The keys of a database by SCAN, and the one that was chosen.

import { call, isError, runMany } from "./api.js";
import { asText, idOf, printable, splitWords } from "./bytes.js";
import { ask, toast } from "./dialog.js";
import { button, empty, h, problem } from "./dom.js";
import { bytes, count, ttl } from "./format.js";
import { valueView } from "./value.js";

const TYPES = ["string", "hash", "list", "set", "zset", "stream"];
const PAGE = 200;
const MOST_TURNS = 40;

/** The page. */
export function keys(context) {
  const { query } = context;
  let db = Number(query.get("db") || 0), cursor = "0", seen = new Set(), chosen = null, round = 0, total = 0, shown = null;
  const pattern = h("input", { class: "field grow mono", type: "search", placeholder: "Pattern, e.g. user:*", "aria-label": "Pattern of keys", "data-search": true, spellcheck: "false", autocomplete: "off", value: query.get("match") || "" });
  const type = h("select", { class: "field", "aria-label": "Type", onchange: () => search() }, h("option", { value: "" }, "All types"), TYPES.map((name) => h("option", { value: name }, name)));
  type.value = query.get("type") || "";
  const base = h("select", { class: "field", "aria-label": "Database", onchange: () => {
    db = Number(base.value);
    search();
  } }, Array.from({ length: context.me.databases }, (_, n) => h("option", { value: String(n) }, `db ${n}`)));
  base.value = String(db);
  const list = h("ul", { class: "key-list", "aria-label": "Keys", onkeydown: move });
  const note = h("span", { role: "status" });
  const more = button("Load more", "", () => load(), "small");
  const side = h("section", { class: "card value-side", "aria-label": "Value" }, empty("No key chosen", "Choose one from the list."));
  const browser = h("div", { class: "browser" });

  function remember() {
    context.remember({ db: db || "", match: pattern.value, type: type.value, key: chosen === null ? "" : idOf(chosen) });
  }

  function move(event) {
    const rows = [...list.querySelectorAll("button")];
    const at = rows.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const row = rows[Math.min(Math.max(to, 0), rows.length - 1)];
    rows[at].tabIndex = -1;
    row.tabIndex = 0;
    row.focus();
  }

  function row(key, kind, left, size) {
    const node = h("button", { type: "button", tabindex: list.children.length ? "-1" : "0", title: printable(key), "data-key": idOf(key), onclick: () => open(key, true) },
      h("span", { class: `type ${kind}` }, kind),
      h("span", { class: "name" }, printable(key) || '""'),
      h("span", { class: "ttl", title: "Time to live" }, ttl(left)),
      h("span", { class: "size", title: "Memory" }, size === null ? "–" : bytes(size)));
    return h("li", {}, node);
  }

  /** The next keys: SCAN goes on until there are enough for a page, or none are left. */
  async function load() {
    const mine = ++round;
    more.disabled = true;
    try {
      const fresh = [];
      for (let turn = 0; turn < MOST_TURNS; turn++) {
        const options = [...(pattern.value ? ["MATCH", matchOf(pattern.value)] : []), ...(type.value ? ["TYPE", type.value] : [])];
        const [next, found] = await call(db, "SCAN", cursor, ...options, "COUNT", 500);
        if (mine !== round) return;
        cursor = asText(next);
        for (const key of found) {
          if (seen.has(idOf(key))) continue;
          seen.add(idOf(key));
          fresh.push(key);
        }
        if (cursor === "0" || fresh.length >= PAGE) break;
      }
      const facts = await runMany(db, fresh.flatMap((key) => [["TYPE", key], ["PTTL", key], ["MEMORY", "USAGE", key]]));
      if (mine !== round) return;
      if (!shown) list.replaceChildren();
      shown = true;
      fresh.forEach((key, n) => {
        const [kind, left, size] = facts.slice(n * 3, n * 3 + 3);
        list.append(row(key, isError(kind) ? "?" : kind.s, isError(left) ? -1 : left, isError(size) ? null : size));
      });
      mark();
      if (!seen.size && cursor === "0") list.replaceChildren(h("li", {}, empty(pattern.value || type.value ? "No key matches" : `Database ${db} is empty`)));
      total = await call(db, "DBSIZE").catch(() => null);
      if (mine !== round) return;
      const of = total === null ? "" : ` of ${count(total, "key")}`;
      note.textContent = cursor === "0" ? (pattern.value || type.value ? `${count(seen.size, "key")} found${of}` : count(seen.size, "key")) : `${seen.size.toLocaleString("en")} shown${of}`;
    } catch (error) {
      list.replaceChildren(h("li", {}, problem(error.message)));
      note.textContent = "";
      cursor = "0";
    }
    more.hidden = cursor === "0";
    more.disabled = false;
  }

  /** A pattern may be any bytes: in quotes it is written as redis-cli does. */
  function matchOf(text) {
    const words = /^".*"$/.test(text) ? splitWords(text) : null;
    return words && words.length === 1 ? words[0] : text;
  }

  function mark() {
    for (const one of list.querySelectorAll("button")) {
      if (chosen !== null && one.dataset.key === idOf(chosen)) one.setAttribute("aria-current", "true");
      else one.removeAttribute("aria-current");
    }
  }

  async function open(key, focus) {
    chosen = key;
    remember();
    mark();
    browser.classList.add("open");
    await valueView(side, { db, key, write: context.me.write, gone, changed: () => refreshRow(key), back, context });
    if (focus && matchMedia("(max-width: 900px)").matches) side.querySelector("button, [tabindex]")?.focus();
  }

  function back() {
    const before = chosen;
    chosen = null;
    remember();
    browser.classList.remove("open");
    side.replaceChildren(empty("No key chosen", "Choose one from the list."));
    mark();
    const row = before !== null && list.querySelector(`[data-key="${CSS.escape(idOf(before))}"]`);
    if (row) row.focus();
  }

  function gone(key) {
    seen.delete(idOf(key));
    list.querySelector(`[data-key="${CSS.escape(idOf(key))}"]`)?.parentNode.remove();
    if (!list.querySelector("[tabindex='0']")) list.querySelector("button")?.setAttribute("tabindex", "0");
    back();
    list.querySelector("button")?.focus();
  }

  async function refreshRow(key) {
    const [kind, left, size] = await runMany(db, [["TYPE", key], ["PTTL", key], ["MEMORY", "USAGE", key]]);
    const old = list.querySelector(`[data-key="${CSS.escape(idOf(key))}"]`);
    if (!old || isError(kind) || kind.s === "none") return;
    old.parentNode.replaceWith(row(key, kind.s, left, isError(size) ? null : size));
    mark();
  }

  function search() {
    cursor = "0";
    seen = new Set();
    shown = null;
    if (chosen !== null) back();
    remember();
    return load();
  }

  async function create() {
    const answer = await ask({ title: "New key", text: "A string. Other types begin with their first element: HSET, RPUSH … in the shell.", fields: [{ name: "key", label: "Key" }, { name: "value", label: "Value", kind: "area" }], yes: "Create" });
    if (!answer) return;
    try {
      const reply = await call(db, "SET", answer.key, answer.value, "NX");
      toast(reply === null ? "There is such a key already." : "Created.");
      if (reply !== null) {
        await search();
        await open(answer.key, false);
      }
    } catch (error) {
      toast(error.message);
    }
  }

  context.refresh = search;
  browser.append(
    h("section", { class: "card keys-side", "aria-label": "List of keys" },
      h("form", { class: "filters toolbar", role: "search", onsubmit: (event) => {
        event.preventDefault();
        search();
      } }, base, pattern, type, h("button", { type: "submit", class: "button" }, "Search")),
      list, h("div", { class: "list-foot" }, note, more)),
    side);
  const start = query.get("key");
  list.append(h("li", {}, empty("Loading…")));
  load().then(() => {
    if (start && !context.closed) open(JSON.parse(start), false).catch(() => {});
  });
  const onEscape = (event) => {
    if (event.key === "Escape" && chosen !== null && !event.defaultPrevented && !document.querySelector("dialog[open]")) back();
  };
  document.addEventListener("keydown", onEscape);
  context.onClose(() => document.removeEventListener("keydown", onEscape));
  return h("div", { class: "page" },
    h("div", { class: "page-head" }, h("h1", {}, "Keys"), context.me.write && button("New key", "plus", create), button("Refresh", "refresh", search)), browser);
}

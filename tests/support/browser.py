"""A headless Chromium for tests of the console: one for each module, shown as a phone or a desk, light or dark."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Final

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM: Final = "/usr/bin/chromium"
DRIVER: Final = "/usr/bin/chromedriver"
PHONE: Final = (390, 844)
DESK: Final = (1440, 900)
_SECONDS: Final = 60
_FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--force-device-scale-factor=1",
    ),
    *("--no-proxy-server", "--disable-extensions", "--disable-features=Translate,MediaRouter,OptimizationHints"),
)


class Browser:
    """One browser with one page. ``directory`` holds its profile."""

    def __init__(self, directory: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*_FLAGS, f"--user-data-dir={directory}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.set_page_load_timeout(_SECONDS)
        self.driver.set_script_timeout(_SECONDS)

    def close(self) -> None:
        """End it."""
        self.driver.quit()

    def look(self, size: tuple[int, int], scheme: str = "light") -> None:
        """Be so large, in pixels, and prefer a colour scheme."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, url: str, **headers: str) -> None:
        """Load a page; ``headers`` go with this and all later requests."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": headers})
        self.driver.get("about:blank")
        self.driver.get(url)

    def go(self, address: str) -> None:
        """Another page of the console: what stands behind ``#``."""
        self.js("location.hash = arguments[0]", address)

    def js(self, script: str, *args: Any) -> Any:
        """Run JavaScript; ``return`` gives a result."""
        return self.driver.execute_script(script, *args)

    def all(self, selector: str) -> list[WebElement]:
        """What matches a CSS selector now."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str = "body") -> str:
        """The visible text of the first match; empty if there is none."""
        found = self.js("const e = document.querySelector(arguments[0]); return e ? e.innerText : ''", selector)
        return str(found)

    def wait(self, condition: str, *args: Any) -> Any:
        """Wait until a JavaScript expression is true; returns it."""
        script = f"return ({condition})"
        waiting = WebDriverWait(self.driver, _SECONDS, poll_frequency=0.05)
        try:
            return waiting.until(lambda driver: driver.execute_script(script, *args))
        except TimeoutException:
            seen = self.text() or self.driver.page_source
            raise AssertionError(f"never: {condition} {args}\n{self.problems()}\n{seen[:1500]}") from None

    def wait_text(self, text: str, selector: str = "main") -> None:
        """Wait until something is to be read."""
        condition = "[...document.querySelectorAll(arguments[1])].some((e) => e.innerText.includes(arguments[0]))"
        self.wait(condition, text, selector)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def type(self, text: str) -> None:
        """Type text where the focus is."""
        ActionChains(self.driver).send_keys(text).perform()

    def focused(self) -> str:
        """What has the focus: its label or its text."""
        script = "const e = document.activeElement; return e.getAttribute('aria-label') || e.innerText || e.tagName"
        return str(self.js(script)).strip()

    def tab_to(self, label: str, most: int = 60) -> None:
        """Press Tab until something of that label has the focus."""
        seen = []
        for _ in range(most):
            self.press(Keys.TAB)
            seen.append(self.focused())
            if seen[-1] == label:
                return
        raise AssertionError(f"{label!r} cannot be reached by Tab: {seen}")

    def problems(self) -> list[str]:
        """What the browser's console has complained of since the last call."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]

    def picture(self, path: Path) -> None:
        """A PNG of what is seen."""
        data = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": False})
        path.write_bytes(base64.b64decode(data["data"]))

// The frame: which page is shown, the header, the theme, the keyboard.

import { onLost, run, session, parseInfo } from "./api.js";
import { clients } from "./clients.js";
import { shortcuts } from "./dialog.js";
import { h, icon } from "./dom.js";
import { duration } from "./format.js";
import { info } from "./info.js";
import { keys } from "./keys.js";
import { live } from "./live.js";
import { overview } from "./overview.js";
import { shell } from "./shell.js";
import { slowlog } from "./slowlog.js";

const PAGES = [
  ["overview", "Overview", "overview", overview],
  ["keys", "Keys", "keys", keys],
  ["clients", "Clients", "clients", clients],
  ["slowlog", "Slow log", "slow", slowlog],
  ["live", "Live", "live", live],
  ["info", "Info", "info", info],
  ["shell", "Shell", "shell", shell],
];
const THEMES = ["auto", "light", "dark"];
const main = document.getElementById("main");
let me = null;
let page = null;

/** What a page is given: who looks, its address, timers and listeners that end with it. */
class Context {
  constructor(name, query) {
    this.name = name;
    this.query = query;
    this.me = me;
    this.closed = false;
    this.closers = [];
    this.themed = [];
    this.refresh = null;
  }

  onClose(callback) {
    this.closers.push(callback);
  }

  onTheme(callback) {
    this.themed.push(callback);
  }

  told(sections) {
    showServer(sections);
  }

  /** Call now and every so many milliseconds while the page is shown and can be seen; never twice at a time. */
  every(ms, callback) {
    let timer = null;
    const turn = async () => {
      if (!document.hidden) {
        try {
          await callback();
        } catch {
          // the banner says so
        }
      }
      if (!this.closed) timer = setTimeout(turn, ms);
    };
    turn();
    this.onClose(() => clearTimeout(timer));
  }

  /** Change the address without loading the page anew, unless another page was asked for meanwhile. */
  remember(query) {
    const here = location.hash.replace(/^#\/?/, "").split("?")[0] || PAGES[0][0];
    if (this.closed || here !== this.name) return;
    const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value !== null)).toString();
    history.replaceState(null, "", `#/${this.name}${text ? `?${text}` : ""}`);
  }

  close() {
    this.closed = true;
    for (const callback of this.closers) callback();
  }
}

function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const entry = PAGES.find(([name]) => name === path) || PAGES[0];
  if (location.hash && !location.hash.startsWith("#/")) return;
  if (page) page.close();
  page = new Context(entry[0], new URLSearchParams(query));
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.page === entry[0]) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${entry[1]} · pyredis console`;
  main.replaceChildren(entry[3](page));
  window.scrollTo(0, 0);
}

function showServer(sections) {
  const server = sections.Server || {}, replication = sections.Replication || {};
  const role = replication.role === "slave" ? "replica" : replication.role || me.mode;
  document.getElementById("server").replaceChildren(
    h("span", { class: replication.master_link_status === "down" ? "dot bad" : "dot" }),
    h("strong", {}, `${location.hostname}:${me.port}`),
    h("span", { class: "badge" }, role),
    h("span", { class: "extra" }, `Redis ${me.redis}`),
    server.uptime_in_seconds ? h("span", { class: "extra" }, `up ${duration(Number(server.uptime_in_seconds))}`) : null);
}

// --- theme -----------------------------------------------------------------------------------------------------------

function theme() {
  return document.documentElement.dataset.theme || "auto";
}

function nextTheme() {
  const chosen = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  if (chosen === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    localStorage.setItem("pyredis-theme", chosen);
  } catch {
    // storage may be forbidden
  }
  themeChanged();
}

function themeChanged() {
  const label = `Theme: ${theme()}`;
  const button = document.getElementById("theme");
  button.setAttribute("aria-label", label);
  button.title = label;
  for (const callback of page ? page.themed : []) callback();
}

// --- keyboard --------------------------------------------------------------------------------------------------------

const SHORTCUTS = [
  ...PAGES.map(([, title], at) => [String(at + 1), title]),
  ["/", "Search or filter on this page"],
  ["r", "Load this page's data again"],
  ["t", "Theme: auto, light, dark"],
  ["↑ ↓", "Move in the list of keys, or in the shell's history"],
  ["← →", "Move along a chart that has the focus"],
  ["Esc", "Close a dialog; back to the list of keys"],
  ["?", "This list"],
];

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]") || event.target.closest("input, textarea, select")) return;
  const at = Number(event.key) - 1;
  if (at >= 0 && at < PAGES.length) {
    location.hash = `#/${PAGES[at][0]}`;
    main.focus();
  } else if (event.key === "/") {
    const field = main.querySelector("[data-search]");
    if (field) field.focus();
  } else if (event.key === "r" && page && page.refresh) page.refresh();
  else if (event.key === "t") nextTheme();
  else if (event.key === "?") shortcuts(SHORTCUTS);
  else return;
  event.preventDefault();
}

// --- start -----------------------------------------------------------------------------------------------------------

async function start() {
  const banner = document.getElementById("banner");
  onLost((text) => {
    banner.textContent = text;
    banner.hidden = !text;
  });
  document.getElementById("nav").replaceChildren(...PAGES.map(([name, title, sign], at) =>
    h("a", { href: `#/${name}`, "data-page": name, "aria-keyshortcuts": String(at + 1) }, icon(sign), h("span", {}, title), h("kbd", { "aria-hidden": "true" }, String(at + 1)))));
  document.getElementById("theme").addEventListener("click", nextTheme);
  document.getElementById("help").addEventListener("click", () => shortcuts(SHORTCUTS));
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  document.addEventListener("keydown", onKey);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);
  while (!me) {
    try {
      me = await session();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
  const [major, minor] = me.redis.split(".").map(Number);
  me.fieldTtl = major > 7 || (major === 7 && minor >= 4);
  document.getElementById("user").textContent = me.user;
  const mode = document.getElementById("mode");
  mode.textContent = me.write ? "may write" : "read-only";
  mode.classList.toggle("write", me.write);
  themeChanged();
  showServer({});
  window.addEventListener("hashchange", route);
  route();
  if (page.name !== "overview") {
    const [reply] = await run(0, ["INFO"]).catch(() => [null]);
    if (typeof reply === "string") showServer(parseInfo(reply));
  }
}

start();

// Who is connected.

import { call } from "./api.js";
import { ask, toast } from "./dialog.js";
import { button, empty, h, iconButton, problem, table } from "./dom.js";
import { bytes, count, duration } from "./format.js";

const COLUMNS = [
  { title: "ID", class: "number", sort: (c) => Number(c.id) },
  { title: "Address", sort: (c) => c.addr },
  { title: "Name", sort: (c) => c.name },
  { title: "User", sort: (c) => c.user },
  { title: "DB", class: "number", sort: (c) => Number(c.db) },
  { title: "Last command", sort: (c) => c.cmd },
  { title: "Connected", class: "number", sort: (c) => Number(c.age) },
  { title: "Idle", class: "number", sort: (c) => Number(c.idle) },
  { title: "Memory", class: "number", sort: (c) => Number(c["tot-mem"]) },
  { title: "What it is", sort: (c) => c.flags },
];
const FLAGS = { S: "replica", M: "master", O: "monitor", P: "pub/sub", x: "MULTI", b: "blocked", t: "tracking", R: "tracking, redirect lost", B: "tracking, broadcast", d: "watched key changed", c: "closing", u: "unblocked", U: "unix socket", e: "no evict" };

/** A line of CLIENT LIST: names and values. */
function parse(line) {
  return Object.fromEntries(line.split(" ").map((part) => [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)]));
}

function kind(client) {
  const words = [...client.flags].map((flag) => FLAGS[flag]).filter(Boolean);
  const listening = Number(client.sub) + Number(client.psub) + Number(client.ssub || 0);
  if (listening) words.push(count(listening, "subscription"));
  return words.join(", ") || "–";
}

/** The page. */
export function clients(context) {
  const list = h("div", {});
  const note = h("span", { class: "note", role: "status" });
  const filter = h("input", { class: "field", type: "search", placeholder: "Filter", "aria-label": "Filter clients", "data-search": true, oninput: () => show() });
  const sorting = { column: 0, down: false, choose(column) {
    this.down = this.column === column && !this.down;
    this.column = column;
    show();
    list.querySelectorAll("thead th")[column].querySelector("button").focus();
  } };
  let found = [], text = "";

  async function kill(client) {
    if (!(await ask({ title: `End the connection of client ${client.id}?`, text: `${client.addr}, user ${client.user}. A program that still wants the server will connect again.`, yes: "End it" }))) return;
    try {
      const ended = await call(0, "CLIENT", "KILL", "ID", client.id);
      toast(ended ? `Client ${client.id} was ended.` : `Client ${client.id} had gone already.`);
    } catch (error) {
      toast(error.message);
    }
    await load();
  }

  function show() {
    const words = filter.value.toLowerCase();
    const key = COLUMNS[sorting.column].sort;
    const shown = found.filter((client) => !words || client.line.toLowerCase().includes(words));
    shown.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0) * (sorting.down ? -1 : 1));
    note.textContent = words ? `${shown.length} of ${count(found.length, "client")}` : count(found.length, "client");
    const columns = context.me.write ? [...COLUMNS, { title: "", class: "tight" }] : COLUMNS;
    const rows = shown.slice(0, 500).map((client) => h("tr", {},
      h("td", { class: "number" }, client.id), h("td", { class: "mono tight" }, client.addr),
      h("td", { class: "wrap-name" }, client.name || "–"), h("td", {}, client.user), h("td", { class: "number" }, client.db),
      h("td", { class: "mono" }, client.cmd.replace("|", " ")), h("td", { class: "number" }, duration(Number(client.age))),
      h("td", { class: "number" }, duration(Number(client.idle))), h("td", { class: "number" }, bytes(Number(client["tot-mem"]))), h("td", {}, kind(client)),
      context.me.write && h("td", { class: "tight" }, iconButton(`End client ${client.id}`, "close", () => kill(client), "small danger"))));
    const box = list.firstChild, left = box ? box.scrollLeft : 0;
    list.replaceChildren(rows.length ? table("Clients", columns, rows, sorting) : empty("No client matches"));
    list.firstChild.scrollLeft = left;
  }

  async function load() {
    try {
      const reply = await call(0, "CLIENT", "LIST");
      const own = (client) => client.name === "pyredis-console" && client.cmd === "client|list";
      const lines = String(reply).split("\n").filter(Boolean);
      if (lines.join() === text) return;
      text = lines.join();
      found = lines.map((line) => ({ ...parse(line), line })).filter((client) => !own(client));
      if (!list.contains(document.activeElement) || list.firstChild === document.activeElement) show();
    } catch (error) {
      list.replaceChildren(h("div", { class: "toolbar" }, problem(error.message)));
    }
  }

  context.refresh = () => {
    text = "";
    return load();
  };
  context.every(2000, load);
  return h("div", { class: "page" },
    h("div", { class: "page-head" }, h("h1", {}, "Clients"), filter, button("Refresh", "refresh", context.refresh)),
    h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "Connected now"), note), list));
}

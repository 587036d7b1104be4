// The slow log.

import { call } from "./api.js";
import { asText, printable } from "./bytes.js";
import { ask, toast } from "./dialog.js";
import { button, empty, h, problem, table } from "./dom.js";
import { count, micros, moment } from "./format.js";

/** The page. */
export function slowlog(context) {
  const list = h("div", {});
  const note = h("span", { class: "note", role: "status" });
  const columns = [{ title: "When" }, { title: "Took", class: "number" }, { title: "" , label: "Compared with the longest" }, { title: "Command" }, { title: "Client" }];
  let last = "";

  async function load() {
    try {
      const entries = await call(0, "SLOWLOG", "GET", 128);
      const now = JSON.stringify(entries);
      if (now === last) return;
      last = now;
      const longest = Math.max(...entries.map((entry) => entry[2]), 1);
      note.textContent = `${count(entries.length, "entry", "entries")}, the newest first`;
      const rows = entries.map(([, seconds, usec, words, address, name]) => {
        const bar = h("span", { class: "bar" });
        bar.style.width = `${Math.max(usec / longest * 100, 1)}%`;
        return h("tr", {},
          h("td", { class: "tight" }, moment(seconds * 1000)), h("td", { class: "number" }, micros(usec)),
          h("td", { class: "slow-bar" }, bar), h("td", { class: "wrap cell" }, words.map(printable).join(" ")),
          h("td", { class: "tight" }, [asText(address), asText(name)].filter(Boolean).join(" · ")));
      });
      list.replaceChildren(rows.length ? table("Slow log", columns, rows)
        : empty("Nothing was slow", "slowlog-log-slower-than says from how many microseconds on a command is noted."));
    } catch (error) {
      list.replaceChildren(h("div", { class: "toolbar" }, problem(error.message)));
    }
  }

  async function reset() {
    if (!(await ask({ title: "Forget all entries of the slow log?", yes: "Forget them" }))) return;
    try {
      await call(0, "SLOWLOG", "RESET");
      toast("The slow log is empty.");
    } catch (error) {
      toast(error.message);
    }
    await load();
  }

  context.refresh = load;
  context.every(5000, load);
  return h("div", { class: "page" },
    h("div", { class: "page-head" }, h("h1", {}, "Slow log"), context.me.write && button("Reset", "trash", reset, "danger"), button("Refresh", "refresh", load)),
    h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "Commands that took long"), note), list));
}

// INFO, section by section.

import { call, parseInfo } from "./api.js";
import { button, empty, h, problem } from "./dom.js";

/** Text with what was searched for marked in it. */
function marked(text, words) {
  const at = words ? text.toLowerCase().indexOf(words) : -1;
  return at < 0 ? text.split(/(?<=[_,])/).flatMap((part) => [part, h("wbr")]) : [text.slice(0, at), h("mark", {}, text.slice(at, at + words.length)), text.slice(at + words.length)];
}

/** The page. */
export function info(context) {
  const list = h("div", { class: "sections" });
  const filter = h("input", { class: "field", type: "search", placeholder: "Filter", "aria-label": "Filter fields", "data-search": true, oninput: () => show() });
  let sections = {};

  function show() {
    const words = filter.value.trim().toLowerCase();
    const cards = Object.entries(sections).map(([title, fields]) => {
      const rows = Object.entries(fields).filter(([name, value]) => !words || name.toLowerCase().includes(words) || value.toLowerCase().includes(words));
      return rows.length && h("section", { class: "card", "aria-label": title },
        h("div", { class: "card-head" }, h("h2", {}, title), h("span", { class: "note" }, rows.length)),
        h("table", {}, h("tbody", {}, rows.map(([name, value]) => h("tr", {}, h("td", {}, marked(name, words)), h("td", {}, marked(value || "–", words)))))));
    }).filter(Boolean);
    list.replaceChildren(...(cards.length ? cards : [empty("No field matches")]));
  }

  async function load() {
    try {
      sections = parseInfo(await call(0, "INFO", "everything"));
      context.told(sections);
      show();
    } catch (error) {
      list.replaceChildren(problem(error.message));
    }
  }

  context.refresh = load;
  context.every(5000, load);
  return h("div", { class: "page" },
    h("div", { class: "page-head" }, h("h1", {}, "Info"), filter, button("Refresh", "refresh", load)), list);
}

// Messages of channels and new entries of streams as they come.

import { events } from "./api.js";
import { printable, splitWords } from "./bytes.js";
import { button, h, icon, problem, segments } from "./dom.js";
import { clock, count } from "./format.js";

const KEPT = 500;
const HINTS = { channels: "Channels, e.g. news orders", patterns: "Patterns, e.g. news.*", streams: "Keys of streams, e.g. orders" };

/** The page. */
export function live(context) {
  let kind = context.query.get("kind") || "channels", stop = null, seen = 0, skipped = 0, paused = false;
  const names = h("input", { class: "field grow mono", "aria-label": "What to listen to", "data-search": true, spellcheck: "false", autocomplete: "off", value: context.query.get("names") || "" });
  const db = h("select", { class: "field", "aria-label": "Database" }, Array.from({ length: context.me.databases }, (_, n) => h("option", { value: String(n) }, `db ${n}`)));
  db.value = context.query.get("db") || "0";
  const rows = h("div", { class: "live-rows", role: "log", "aria-live": "off", tabindex: "0", "aria-label": "Messages" });
  const note = h("span", { class: "note", role: "status" });
  const wrong = h("div", {});
  const toggle = h("button", { type: "submit", class: "button primary" });
  const hold = h("label", { class: "check" }, h("input", { type: "checkbox", onchange: (event) => (paused = event.target.checked) }), "Hold");

  function show() {
    names.placeholder = HINTS[kind];
    db.hidden = kind !== "streams";
    toggle.replaceChildren(icon(stop ? "stop" : "play"), stop ? "Stop" : "Start");
    note.textContent = `${stop ? "Listening" : "Not listening"} · ${count(seen, "message")}${skipped ? ` · ${count(skipped, "more")} came too fast to be shown` : ""}`;
  }

  function add(...cells) {
    seen++;
    if (!paused) {
      const atEnd = rows.scrollHeight - rows.scrollTop - rows.clientHeight < 40;
      rows.append(h("div", { class: "live-row" }, h("time", {}, clock(Date.now(), true)), ...cells));
      while (rows.children.length > KEPT) rows.firstChild.remove();
      if (atEnd) rows.scrollTop = rows.scrollHeight;
    }
    show();
  }

  function end(text = "") {
    if (stop) stop();
    stop = null;
    if (text) wrong.replaceChildren(problem(text));
    show();
  }

  function begin() {
    wrong.replaceChildren();
    const words = splitWords(names.value);
    if (!words || !words.length) {
      wrong.replaceChildren(problem(words ? `Say what to listen to. ${HINTS[kind]}.` : "A quote is not closed."));
      names.focus();
      return;
    }
    const common = {
      ready: () => show(),
      skipped: (number) => {
        skipped += number;
        show();
      },
      problem: (text) => end(text),
      error: (over) => over && end("The server has ended the connection, or does not let you listen."),
    };
    context.remember({ kind, names: names.value, db: kind === "streams" ? db.value : "" });
    if (kind === "streams") {
      stop = events("tail", { db: Number(db.value), keys: words }, { ...common, entry: ({ key, id, fields }) => {
        const parts = [];
        for (let at = 0; at < fields.length; at += 2) parts.push(at ? " " : "", h("span", { class: "field-name" }, printable(fields[at])), "=", printable(fields[at + 1]));
        add(h("b", {}, `${words.length > 1 ? `${printable(key)} ` : ""}${id}`), h("span", {}, parts));
      } });
    } else {
      stop = events("listen", { [kind]: words }, { ...common, message: ({ channel, data }) => add(h("b", {}, printable(channel)), h("span", {}, printable(data))) });
    }
    show();
  }

  const form = h("form", { class: "filters", onsubmit: (event) => {
    event.preventDefault();
    if (stop) end();
    else begin();
  } },
  segments("Kind", [["channels", "Channels"], ["patterns", "Patterns"], ["streams", "Streams"]], kind, (value) => {
    kind = value;
    end();
  }), names, db, toggle);
  context.onClose(() => stop && stop());
  show();
  if (context.query.get("start")) begin();
  return h("div", { class: "page" },
    h("div", { class: "page-head" }, h("h1", {}, "Live")), form, wrong,
    h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "Messages"), note, hold, button("Clear", "", () => {
      rows.replaceChildren();
      seen = skipped = 0;
      show();
    }, "small")), rows));
}

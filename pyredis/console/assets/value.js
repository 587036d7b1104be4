// One key: what it is, how long it lives, and its value by type.

import { call, isError, run } from "./api.js";
import { asText, byteLength, fromBytes, hexDump, isCut, printable, splitWords, toBytes } from "./bytes.js";
import { ask, toast } from "./dialog.js";
import { button, empty, h, iconButton, problem, segments } from "./dom.js";
import { bytes, count, duration, ttl } from "./format.js";
import { elements } from "./elements.js";

const PIECE = 16384;

/** Show a key in `place`. view: {db, key, write, gone, changed, back, context}. */
export async function valueView(place, view) {
  const { db, key } = view;
  const mine = (place.dataset.turn = String(Number(place.dataset.turn || 0) + 1));
  const current = () => place.dataset.turn === mine;
  let facts;
  try {
    facts = await run(db, ["TYPE", key], ["PTTL", key], ["MEMORY", "USAGE", key], ["OBJECT", "ENCODING", key]);
  } catch (error) {
    if (current()) place.replaceChildren(h("div", { class: "toolbar" }, problem(error.message)));
    return;
  }
  if (!current()) return;
  const [type, left, size, encoding] = facts;
  const again = () => keepFocus(place, () => valueView(place, view));
  if (isError(type) || type.s === "none") {
    place.replaceChildren(head(view, "", again), isError(type) ? problem(type.e) : empty("There is no such key any more"));
    return;
  }
  const body = h("div", { class: "value-body" });
  const length = h("dd", {}, "–");
  place.replaceChildren(head(view, type.s, again), h("dl", { class: "facts" },
    fact("Time to live", isError(left) ? "–" : left === -1 ? "none" : `${ttl(left)}${left > 120000 ? ` (${duration(left / 1000)})` : ""}`),
    fact("Memory", isError(size) ? "–" : bytes(size)),
    h("div", {}, h("dt", {}, "Length"), length),
    fact("Encoding", isError(encoding) || encoding === null ? "–" : asText(encoding))), body);
  const told = { ...view, type: type.s, again, current, length: (text) => (length.textContent = text) };
  try {
    if (type.s === "string") await stringView(body, told);
    else await elements(body, told);
  } catch (error) {
    if (current()) body.replaceChildren(h("div", { class: "toolbar" }, problem(error.message)));
  }
}

/** Do what makes the buttons anew, and give the focus back to the one that had it, or took its place. */
async function keepFocus(place, act) {
  const label = (node) => node.getAttribute("aria-label") || node.innerText;
  const active = document.activeElement;
  const had = active && place.contains(active) ? label(active) : null;
  const at = had === null ? 0 : [...place.querySelectorAll("button")].filter((one) => label(one) === had).indexOf(active);
  await act();
  const now = document.activeElement;
  if (had === null || (now && now !== document.body)) return;
  const alike = [...place.querySelectorAll("button")].filter((one) => label(one) === had && !one.disabled);
  (alike[at] || alike.at(-1) || place.querySelector("button:not(.back)"))?.focus();
}

function fact(name, text) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, text));
}

/** Text into the clipboard, where the browser allows that. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser does not allow copying here.");
  }
}

function head(view, type, again) {
  const { key, write, back } = view;
  return h("div", { class: "card-head" },
    iconButton("Back to the list", "back", back, "back"),
    type && h("span", { class: `type ${type}` }, type),
    h("h2", { class: "value-title" }, printable(key) || '""'),
    h("span", { class: "rows-actions" },
      iconButton("Copy the key's name", "copy", () => copy(printable(key)), "small"),
      iconButton("Load again", "refresh", again, "small"),
      write && type && iconButton("Set the time to live", "clock", () => setTtl(view, again), "small"),
      write && type && iconButton("Rename", "edit", () => rename(view), "small"),
      write && type && iconButton("Delete the key", "trash", () => remove(view), "small danger")));
}

async function setTtl({ db, key, changed }, again) {
  const answer = await ask({ title: "Time to live", text: "In seconds; empty for none, so that the key stays.", fields: [{ name: "seconds", label: "Seconds", kind: "number" }], yes: "Set" });
  if (!answer) return;
  const text = answer.seconds.trim();
  try {
    if (text && !(Number(text) > 0)) throw new Error("That is no number of seconds.");
    if (text) await call(db, "PEXPIRE", key, String(Math.round(Number(text) * 1000)));
    else await call(db, "PERSIST", key);
    toast(text ? "The time to live is set." : "The key stays.");
  } catch (error) {
    toast(error.message);
  }
  await Promise.all([again(), changed()]);
}

async function rename({ db, key, gone }) {
  const answer = await ask({ title: "Rename the key", text: "An existing key of that name is not overwritten.", fields: [{ name: "name", label: "New name (in quotes: \\xHH and \\n as in redis-cli)", value: asText(key) === null ? `"${printable(key)}"` : asText(key) }], yes: "Rename" });
  if (!answer) return;
  const words = /^".*"$/.test(answer.name) ? splitWords(answer.name) : null;
  try {
    const done = await call(db, "RENAMENX", key, words && words.length === 1 ? words[0] : answer.name);
    toast(done ? "Renamed." : "There is a key of that name already.");
    if (done) gone(key);
  } catch (error) {
    toast(error.message);
  }
}

async function remove({ db, key, gone }) {
  if (!(await ask({ title: "Delete this key?", text: printable(key), yes: "Delete", danger: true }))) return;
  try {
    await call(db, "UNLINK", key);
    toast("Deleted.");
    gone(key);
  } catch (error) {
    toast(error.message);
  }
}

// --- strings ---------------------------------------------------------------------------------------------------------

/** Whether text is JSON of several parts, and that with line ends. */
function pretty(text) {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

async function stringView(body, view) {
  const { db, key, write, again, changed, current } = view;
  let start = 0, length = 0, mode = "", data = new Uint8Array();
  const text = h("pre", { class: "text", tabindex: "0", "aria-label": "Value" });
  const place = h("span", { class: "note" });
  const previous = button("Previous", "", () => load(start - PIECE), "small");
  const next = button("Next", "", () => load(start + PIECE), "small");
  const modes = h("span", {});
  const editor = write && button("Edit", "edit", edit, "small");

  async function load(from) {
    const [total, piece] = await run(db, ["STRLEN", key], ["GETRANGE", key, from, from + PIECE - 1]);
    if (!current()) return;
    if (isError(piece)) throw new Error(piece.e);
    start = from;
    length = total;
    data = toBytes(piece);
    view.length(bytes(length));
    show();
  }

  function show() {
    const whole = length <= PIECE;
    const decoded = asText({ ...fromBytes(data), n: whole ? data.length : data.length + 1 });
    const json = whole && decoded !== null ? pretty(decoded) : null;
    const choices = [...(json === null ? [] : [["json", "JSON"]]), ...(decoded === null ? [] : [["text", "Text"]]), ["hex", "Hex"]];
    if (!choices.some(([name]) => name === mode)) mode = choices[0][0];
    modes.replaceChildren(segments("How to show it", choices, mode, (value) => {
      mode = value;
      show();
      modes.querySelector("[aria-pressed=true]")?.focus();
    }));
    text.textContent = mode === "hex" ? hexDump(data, start) : mode === "json" ? json : decoded;
    place.textContent = whole ? "" : `bytes ${start.toLocaleString("en")} to ${(start + data.length).toLocaleString("en")} of ${length.toLocaleString("en")}`;
    previous.hidden = next.hidden = whole;
    previous.disabled = start === 0;
    next.disabled = start + data.length >= length;
    if (editor) {
      editor.hidden = decoded === null || !whole;
    }
  }

  async function edit() {
    const answer = await ask({ title: "Edit the value", text: "The time to live is kept.", fields: [{ name: "value", label: printable(key), kind: "area", value: asText(fromBytes(data)) }], yes: "Save" });
    if (!answer) return;
    try {
      await call(db, "SET", key, answer.value, "XX", "KEEPTTL");
      toast("Saved.");
    } catch (error) {
      toast(error.message);
    }
    await Promise.all([again(), changed()]);
  }

  body.replaceChildren(h("div", { class: "toolbar" }, modes, place, h("span", { class: "push" }), previous, next, editor), text);
  await load(0);
}

/** A string in a cell: cut where it is very long, with what cannot be seen written out. */
export function cell(value) {
  const text = printable(value);
  const long = text.length > 2000 || isCut(value);
  return h("div", { class: "cell" }, long ? text.slice(0, 2000) : text || '""', long && h("span", { class: "more" }, ` … ${count(byteLength(value), "byte")}`));
}

// Questions, and notes that go by themselves.

import { button, h } from "./dom.js";

/** A note at the edge of the page. */
export function toast(text) {
  const node = h("div", { class: "toast" }, text);
  const place = document.getElementById("toasts");
  place.append(node);
  while (place.children.length > 3) place.firstChild.remove();
  setTimeout(() => node.remove(), 5000);
}

/** Open a dialog; `oncancel` is what Esc does. Returns what closes it and gives the focus back. */
function open(title, oncancel, content) {
  const before = document.activeElement;
  const dialog = h("dialog", { "aria-labelledby": title, oncancel: (event) => {
    event.preventDefault();
    oncancel();
  } }, content);
  document.body.append(dialog);
  dialog.showModal();
  return () => {
    dialog.close();
    dialog.remove();
    if (before && before.isConnected) before.focus();
  };
}

/** A dialog with fields: [{name, label, value, kind: "text" | "area" | "number", hint}]. Resolves to their values, or null. */
export function ask({ title, text = "", fields = [], yes = "OK", danger = false }) {
  return new Promise((resolve) => {
    const inputs = Object.fromEntries(fields.map((one) => [one.name,
      one.kind === "area" ? h("textarea", { class: "field", rows: "8", spellcheck: "false", value: one.value ?? "" })
        : h("input", { class: "field", value: one.value ?? "", inputmode: one.kind === "number" ? "decimal" : null, placeholder: one.hint, autocomplete: "off", spellcheck: "false" })]));
    const done = (value) => {
      close();
      resolve(value);
    };
    const form = h("form", { method: "dialog", onsubmit: (event) => {
      event.preventDefault();
      done(Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value])));
    } },
    h("h2", { id: "dialog-title" }, title), text && h("p", {}, text),
    fields.map((one) => h("label", { class: "labelled" }, one.label, inputs[one.name])),
    h("div", { class: "actions" }, button("Cancel", "", () => done(null)), h("button", { type: "submit", class: `button primary ${danger ? "danger-fill" : ""}` }, yes)));
    const close = open("dialog-title", () => done(null), form);
    if (!fields.length) form.querySelector("[type=submit]").focus();
  });
}

/** The list of shortcuts. */
export function shortcuts(list) {
  if (document.querySelector("dialog[open]")) return;
  const close = open("shortcuts-title", () => close(), h("div", { class: "body" },
    h("h2", { id: "shortcuts-title" }, "Keyboard shortcuts"),
    h("dl", { class: "shortcuts" }, list.map(([keys, what]) => [h("dt", {}, keys.split(" ").map((key) => [h("kbd", {}, key), " "])), h("dd", {}, what)])),
    h("div", { class: "actions" }, button("Close", "", () => close(), "primary"))));
}

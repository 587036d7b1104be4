// Making elements. Text is always set as text, never parsed: what stands in a database is nobody's markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: attributes (on… are listeners, class and data as they are called), then children or text. */
export function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else if (name === "checked" || name === "disabled" || name === "hidden") node[name] = Boolean(value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** One of the signs of index.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button with a sign and a label. */
export function button(label, sign, onclick, kind = "") {
  return h("button", { type: "button", class: `button ${kind}`, onclick }, sign && icon(sign), label);
}

/** A button that is only a sign; the label is for those who do not see it. */
export function iconButton(label, sign, onclick, kind = "") {
  return h("button", { type: "button", class: `icon-button ${kind}`, "aria-label": label, title: label, onclick }, icon(sign));
}

/** Buttons of which one is pressed: pairs of value and label. */
export function segments(label, choices, chosen, onchoose) {
  const buttons = choices.map(([value, text]) =>
    h("button", {
      type: "button",
      "aria-pressed": String(value === chosen),
      onclick: () => {
        for (const [at, one] of buttons.entries()) one.setAttribute("aria-pressed", String(choices[at][0] === value));
        onchoose(value);
      },
    }, text));
  return h("div", { class: "segments", role: "group", "aria-label": label }, buttons);
}

/** A table in a box that scrolls sideways, also by keyboard. Columns: {title, class, sort}. */
export function table(label, columns, rows, sorting) {
  const heads = columns.map((column, at) => {
    const sorted = sorting && sorting.column === at;
    const attributes = { scope: "col", class: column.class, "aria-sort": sorted ? (sorting.down ? "descending" : "ascending") : null };
    if (!sorting || !column.sort) return h("th", attributes, column.title || h("span", { class: "visually-hidden" }, column.label || "Actions"));
    return h("th", attributes, h("button", { type: "button", onclick: () => sorting.choose(at) }, column.title));
  });
  return h("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": label },
    h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows)));
}

/** What a list shows that has nothing in it. */
export function empty(title, text = "") {
  return h("div", { class: "empty" }, h("strong", {}, title), text);
}

/** An error. */
export function problem(text) {
  return h("div", { class: "problem", role: "alert" }, text);
}

// The elements of lists, sets, sorted sets, hashes and streams, page by page.

import { call, isError, pairs, run } from "./api.js";
import { asText, byteLength, isCut, printable } from "./bytes.js";
import { ask, toast } from "./dialog.js";
import { button, empty, h, iconButton, table } from "./dom.js";
import { count, moment, short, ttl } from "./format.js";
import { cell } from "./value.js";

const PAGE = 100;

/** What differs by type. `load(state)` gives {total, rows, next}; a row is {cells, edit, remove}. */
const KINDS = {
  list: {
    columns: [{ title: "Index", class: "number tight" }, { title: "Element" }],
    byOffset: true,
    async load({ db, key }, at) {
      const [total, found] = await all(run(db, ["LLEN", key], ["LRANGE", key, at, at + PAGE - 1]));
      return { total, rows: found.map((value, n) => ({ cells: [at + n, cell(value)], edit: editable(value) && ((text) => ["LSET", key, at + n, text]), value })) };
    },
    add: { fields: [["value", "Element, added at the end", "area"]], command: (key, a) => ["RPUSH", key, a.value] },
  },
  set: {
    columns: [{ title: "Member" }],
    async load({ db, key }, cursor) {
      const [total, [next, found]] = await all(run(db, ["SCARD", key], ["SSCAN", key, cursor, "COUNT", PAGE]));
      return { total, next: asText(next), rows: found.map((value) => ({ cells: [cell(value)], remove: ["SREM", key, value] })) };
    },
    add: { fields: [["value", "Member", "area"]], command: (key, a) => ["SADD", key, a.value] },
  },
  zset: {
    columns: [{ title: "Rank", class: "number tight" }, { title: "Score", class: "number tight" }, { title: "Member" }],
    byOffset: true,
    async load({ db, key }, at) {
      const [total, found] = await all(run(db, ["ZCARD", key], ["ZRANGE", key, at, at + PAGE - 1, "WITHSCORES"]));
      const rows = [];
      for (let n = 0; n < found.length; n += 2) {
        const member = found[n];
        rows.push({ cells: [at + n / 2, asText(found[n + 1]), cell(member)], value: found[n + 1], what: "Score", edit: (text) => ["ZADD", key, "XX", text, member], remove: ["ZREM", key, member] });
      }
      return { total, rows };
    },
    add: { fields: [["score", "Score", "number"], ["value", "Member", "area"]], command: (key, a) => ["ZADD", key, a.score, a.value] },
  },
  hash: {
    columns: [{ title: "Field" }, { title: "Value" }, { title: "TTL", class: "number tight" }],
    async load({ db, key, context }, cursor) {
      const [total, [next, found]] = await all(run(db, ["HLEN", key], ["HSCAN", key, cursor, "COUNT", PAGE]));
      const fields = found.filter((_, n) => n % 2 === 0);
      const [left] = fields.length && context.me.fieldTtl ? await run(db, ["HPTTL", key, "FIELDS", fields.length, ...fields]) : [{ e: "" }];
      const rows = fields.map((field, n) => {
        const value = found[2 * n + 1];
        const rest = isError(left) ? "" : left[n] < 0 ? "–" : ttl(left[n]);
        return { cells: [cell(field), cell(value), rest], value, edit: editable(value) && ((text) => ["HSET", key, field, text]), remove: ["HDEL", key, field] };
      });
      return { total, next: asText(next), rows };
    },
    add: { fields: [["field", "Field", "text"], ["value", "Value", "area"]], command: (key, a) => ["HSET", key, a.field, a.value] },
  },
  stream: {
    columns: [{ title: "ID", class: "tight" }, { title: "Fields" }],
    async load({ db, key }, before) {
      const end = before === "0" ? "+" : `(${before}`;
      const [total, found] = await all(run(db, ["XLEN", key], ["XREVRANGE", key, end, "-", "COUNT", PAGE]));
      const rows = found.map(([id, fields]) => {
        const parts = [];
        for (let n = 0; n < fields.length; n += 2) parts.push(h("div", { class: "cell" }, h("span", { class: "field-name" }, printable(fields[n])), " = ", cellText(fields[n + 1])));
        return { cells: [h("div", { class: "cell" }, id, h("div", { class: "cut" }, moment(Number(id.split("-")[0])))), h("div", {}, parts)], remove: ["XDEL", key, id] };
      });
      return { total, next: found.length < PAGE ? "0" : found.at(-1)[0], rows };
    },
    add: { fields: [["field", "Field", "text"], ["value", "Value", "area"]], command: (key, a) => ["XADD", key, "*", a.field, a.value] },
  },
};

/** Replies of which none is an error. */
async function all(asked) {
  const replies = await asked;
  const wrong = replies.find(isError);
  if (wrong) throw new Error(wrong.e);
  return replies;
}

/** Whether a value can be edited as text without loss. */
function editable(value) {
  return asText(value) !== null && !isCut(value) && byteLength(value) <= 16384;
}

function cellText(value) {
  const text = printable(value);
  return text.length > 2000 ? `${text.slice(0, 2000)} … ${count(byteLength(value), "byte")}` : text || '""';
}

/** Show the elements of a key in `body`. */
export async function elements(body, view) {
  const kind = KINDS[view.type];
  if (!kind) {
    body.replaceChildren(empty(`Values of type ${view.type} cannot be shown`));
    return;
  }
  const { db, key, write, again, changed, current } = view;
  let at = 0, next = "0", total = 0, rows = [];
  const list = h("div", {});
  const place = h("span", { class: "note", role: "status" });
  const previous = button("Previous", "", () => load(at - PAGE), "small");
  const following = button(kind.byOffset ? "Next" : "Load more", "", () => load(kind.byOffset ? at + PAGE : next), "small");

  async function change(command, text) {
    try {
      await call(db, ...command);
      toast(text);
    } catch (error) {
      toast(error.message);
    }
    await Promise.all([again(), changed()]);
  }

  async function edit(row) {
    const answer = await ask({ title: "Edit", fields: [{ name: "value", label: row.what || "Value", kind: row.what ? "number" : "area", value: asText(row.value) }], yes: "Save" });
    if (answer) await change(row.edit(answer.value), "Saved.");
  }

  async function remove(row) {
    if (await ask({ title: "Remove this element?", yes: "Remove", danger: true })) await change(row.remove, "Removed.");
  }

  async function add() {
    const fields = kind.add.fields.map(([name, label, sort]) => ({ name, label, kind: sort }));
    const answer = await ask({ title: "Add an element", fields, yes: "Add" });
    if (answer) await change(kind.add.command(key, answer), "Added.");
  }

  async function load(from) {
    following.disabled = previous.disabled = true;
    const page = await kind.load(view, from);
    if (!current()) return;
    if (kind.byOffset) {
      at = from;
      rows = page.rows;
    } else {
      rows = [...rows, ...page.rows];
      next = page.next;
    }
    total = page.total;
    show();
  }

  function show() {
    view.length(count(total, "element"));
    const columns = write ? [...kind.columns, { title: "", class: "tight" }] : kind.columns;
    const lines = rows.map((row) => h("tr", {},
      row.cells.map((one, n) => h("td", { class: kind.columns[n].class }, typeof one === "number" ? one.toLocaleString("en") : one)),
      write && h("td", { class: "tight" }, h("span", { class: "rows-actions" },
        row.edit && iconButton("Edit", "edit", () => edit(row), "small"),
        row.remove && iconButton("Remove", "trash", () => remove(row), "small danger")))));
    list.replaceChildren(lines.length ? table("Elements", columns, lines) : empty("Nothing here"));
    const last = kind.byOffset ? at + rows.length : rows.length;
    place.textContent = total > rows.length ? (kind.byOffset ? `${short(at)} to ${short(last - 1)}` : `${rows.length.toLocaleString("en")} shown`) : "";
    previous.hidden = !kind.byOffset || total <= PAGE;
    following.hidden = kind.byOffset ? total <= PAGE : next === "0";
    previous.disabled = at === 0;
    following.disabled = kind.byOffset && last >= total;
  }

  const follow = view.type === "stream" && asText(key) !== null &&
    h("a", { class: "button small", href: `#/live?${new URLSearchParams({ kind: "streams", names: `"${printable(asText(key).replace(/[\\"]/g, "\\$&"))}"`, db: String(db), start: "1" })}` }, "Follow");
  body.replaceChildren(h("div", { class: "toolbar" }, place, h("span", { class: "push" }), follow, previous, following, write && button("Add", "plus", add, "small")), list);
  if (view.type === "stream") await groups(body, view);
  await load(kind.byOffset ? 0 : "0");
}

/** The consumer groups of a stream. */
async function groups(body, { db, key, current }) {
  const [found] = await run(db, ["XINFO", "GROUPS", key]);
  if (isError(found) || !found.length || !current()) return;
  const rows = found.map((one) => {
    const fields = pairs(one);
    const text = (value) => (value === null || value === undefined ? "–" : typeof value === "number" ? value.toLocaleString("en") : printable(value));
    return h("tr", {}, h("td", {}, text(fields.name)), h("td", { class: "number" }, text(fields.consumers)), h("td", { class: "number" }, text(fields.pending)), h("td", { class: "number" }, text(fields.lag)), h("td", { class: "mono" }, text(fields["last-delivered-id"])));
  });
  body.append(h("div", { class: "card-head" }, h("h2", {}, "Consumer groups")),
    table("Consumer groups", [{ title: "Group" }, { title: "Consumers", class: "number" }, { title: "Pending", class: "number" }, { title: "Lag", class: "number" }, { title: "Last delivered" }], rows));
}

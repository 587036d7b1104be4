// A simple command line.

import { isError, run } from "./api.js";
import { asText, printable, splitWords } from "./bytes.js";
import { h } from "./dom.js";

const past = [];
const KEPT = 400;

/** A reply as redis-cli shows it to people. */
export function formatReply(reply, prefix = "") {
  if (reply === null) return "(nil)";
  if (typeof reply === "number") return `(integer) ${reply}`;
  if (Array.isArray(reply)) {
    if (!reply.length) return "(empty array)";
    const width = String(reply.length).length;
    const inner = `${prefix}${" ".repeat(width + 2)}`;
    return reply.map((one, at) => `${at ? prefix : ""}${String(at + 1).padStart(width)}) ${formatReply(one, inner)}`).join("\n");
  }
  if (typeof reply === "object") {
    if ("i" in reply) return `(integer) ${reply.i}`;
    if ("s" in reply) return reply.s;
    if (isError(reply)) return `(error) ${reply.e}`;
  }
  const text = asText(reply);
  return `"${(text === null ? printable(reply) : printable(text.replace(/[\\"]/g, "\\$&")))}"${reply.n > 65536 ? ` … ${reply.n} bytes` : ""}`;
}

/** The page. */
export function shell(context) {
  let db = 0, at = past.length, turn = Promise.resolve();
  const out = h("div", { class: "shell-out", role: "log", tabindex: "0", "aria-label": "Replies" });
  const prompt = h("span", { class: "prompt", "aria-hidden": "true" });
  const input = h("input", { class: "field", "aria-label": "Command", "data-search": true, autocomplete: "off", autocapitalize: "off", spellcheck: "false", placeholder: "GET key" });

  function say(kind, text) {
    out.append(h("div", { class: kind }, text));
    while (out.children.length > KEPT) out.firstChild.remove();
    out.scrollTop = out.scrollHeight;
  }

  function showPrompt() {
    prompt.textContent = `${location.hostname}:${context.me.port}${db ? `[${db}]` : ""}>`;
  }

  function enter(line) {
    if (!line.trim()) return;
    past.push(line);
    at = past.length;
    input.value = "";
    turn = turn.then(() => execute(line));
  }

  async function execute(line) {
    say("said", `${prompt.textContent} ${line}`);
    const words = splitWords(line);
    if (!words) return say("wrong", "Invalid argument(s)");
    const name = asText(words[0]).toLowerCase();
    if (name === "clear") return out.replaceChildren();
    if (name === "help") return say("aside", "Any command that needs no connection of its own; SELECT n for another database; clear.");
    if (name === "select" && words.length === 2) {
      const number = Number(asText(words[1]));
      if (!Number.isInteger(number) || number < 0 || number >= context.me.databases) return say("wrong", "(error) ERR DB index is out of range");
      db = number;
      showPrompt();
      return say("", "OK");
    }
    try {
      const [reply] = await run(db, words);
      const text = name === "info" || (name === "client" && typeof reply === "string") ? String(reply) : formatReply(reply);
      say(isError(reply) ? "wrong" : "", text);
    } catch (error) {
      say("wrong", error.message);
    }
  }

  input.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    at = Math.min(Math.max(at + step, 0), past.length);
    input.value = past[at] ?? "";
  });
  showPrompt();
  say("aside", context.me.write ? `Commands run as the user ${context.me.user}, one at a time.` : `Commands run as the user ${context.me.user}. This console is read-only: what changes data is refused.`);
  setTimeout(() => matchMedia("(min-width: 761px)").matches && input.focus());
  return h("div", { class: "page" },
    h("div", { class: "page-head" }, h("h1", {}, "Shell")),
    h("section", { class: "card shell" }, out, h("form", { onsubmit: (event) => {
      event.preventDefault();
      enter(input.value);
    } }, prompt, input, h("button", { type: "submit", class: "button" }, "Run"))));
}

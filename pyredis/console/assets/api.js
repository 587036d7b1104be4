// What the page asks of the server.

import { asText } from "./bytes.js";

let lost = () => {};

/** Who is told when the server cannot be reached (with a text), and when it can again (with ""). */
export function onLost(callback) {
  lost = callback;
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(`/console/api/${path}`, { cache: "no-store", ...options });
  } catch {
    lost("The server does not answer. Trying again…");
    throw new Error("The server does not answer.");
  }
  if (!response.ok) {
    const text = (await response.text()).trim();
    if (response.status === 401) lost("You are not signed in any more: load the page again.");
    throw new Error(text || `HTTP ${response.status}`);
  }
  lost("");
  return response.json();
}

/** Who asks, and whom. */
export function session() {
  return ask("session");
}

/** The figures of charts later than a time. */
export function samples(since) {
  return ask(`samples?since=${since}`);
}

/** Run commands one after the other: their replies, of which an error is {e: text}. */
export async function run(db, ...commands) {
  const headers = { "Content-Type": "application/json", "X-Pyredis-Console": "1" };
  const answer = await ask("run", { method: "POST", headers, body: JSON.stringify({ db, commands }) });
  return answer.replies;
}

/** Run one command; throws what it answers with, if that is an error. */
export async function call(db, ...command) {
  const [reply] = await run(db, command);
  if (isError(reply)) throw new Error(reply.e);
  return reply;
}

/** Run many commands, in as many requests as that takes. */
export async function runMany(db, commands) {
  const replies = [];
  for (let at = 0; at < commands.length; at += 250) replies.push(...(await run(db, ...commands.slice(at, at + 250))));
  return replies;
}

/** Whether a reply is an error. */
export function isError(reply) {
  return reply !== null && typeof reply === "object" && "e" in reply;
}

/** An array of names and values as an object. */
export function pairs(reply) {
  const found = {};
  for (let at = 0; at + 1 < reply.length; at += 2) found[asText(reply[at])] = reply[at + 1];
  return found;
}

/** Events as they come: {name: callback}. Returns what ends it. */
export function events(path, wanted, handlers) {
  const source = new EventSource(`/console/api/${path}?q=${encodeURIComponent(JSON.stringify(wanted))}`);
  for (const [name, handler] of Object.entries(handlers)) {
    if (name === "error") source.onerror = () => handler(source.readyState === EventSource.CLOSED);
    else source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
  }
  return () => source.close();
}

/** The lines of INFO: section → {name: value}. */
export function parseInfo(text) {
  const sections = {};
  let section = {};
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("# ")) section = sections[line.slice(2)] = {};
    else if (line.includes(":")) section[line.slice(0, line.indexOf(":"))] = line.slice(line.indexOf(":") + 1);
  }
  return sections;
}

/** A line of INFO that has several fields: name=value,name=value. */
export function fieldsOf(text) {
  return Object.fromEntries(text.split(",").map((part) => part.split("=")));
}

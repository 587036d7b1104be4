// Strings of the database. From the server they come as text, or, if they are no UTF-8 or long, as {b: base64, n: bytes}.

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true });

/** The bytes of a string (of a long one, those that were sent). */
export function toBytes(value) {
  if (typeof value === "string") return encoder.encode(value);
  return Uint8Array.from(atob(value.b), (char) => char.charCodeAt(0));
}

/** Bytes as the server takes them. */
export function fromBytes(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return { b: btoa(binary) };
}

/** How long a string is, in bytes. */
export function byteLength(value) {
  return typeof value === "string" ? encoder.encode(value).length : (value.n ?? toBytes(value).length);
}

/** Whether there is more of it than was sent. */
export function isCut(value) {
  return typeof value === "object" && value.n > toBytes(value).length;
}

/** A string as text, or null if it is none. Of a long one the end may be within a character, which is left out. */
export function asText(value) {
  if (typeof value === "string") return value;
  const bytes = toBytes(value);
  for (let short = 0; short < (isCut(value) ? 4 : 1); short++) {
    try {
      return strict.decode(bytes.subarray(0, bytes.length - short));
    } catch {
      // the next shorter one
    }
  }
  return null;
}

const ESCAPES = { 7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 13: "\\r", 92: "\\\\", 34: '\\"' };

/** A string as one line of visible characters, as redis-cli quotes: \xHH and \n. */
export function printable(value) {
  const text = asText(value);
  // eslint-disable-next-line no-control-regex
  if (text !== null) return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, escaped);
  let out = "";
  for (const byte of toBytes(value)) out += byte >= 32 && byte < 127 && byte !== 92 ? String.fromCharCode(byte) : ESCAPES[byte] || hexByte(byte);
  return out;
}

function escaped(char) {
  const code = char.charCodeAt(0);
  return ESCAPES[code] || (code < 256 ? hexByte(code) : `\\u${code.toString(16).padStart(4, "0")}`);
}

function hexByte(byte) {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

/** A dump: offset, sixteen bytes, their characters. */
export function hexDump(bytes, start = 0) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const hex = Array.from(row, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = Array.from(row, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${(start + at).toString(16).padStart(8, "0")}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines.join("\n");
}

/** The words of a command line, with redis-cli's quotes; null if a quote is not closed. */
export function splitWords(line) {
  const words = [];
  let at = 0;
  while (true) {
    while (at < line.length && /\s/.test(line[at])) at++;
    if (at >= line.length) return words;
    let bytes = [];
    let quote = "";
    while (at < line.length && (quote || !/\s/.test(line[at]))) {
      const char = line[at];
      if (quote === '"' && char === "\\" && /^\\x[0-9a-f]{2}/i.test(line.slice(at, at + 4))) {
        bytes.push(parseInt(line.slice(at + 2, at + 4), 16));
        at += 4;
        continue;
      }
      if (quote && char === "\\" && at + 1 < line.length && (quote === '"' || line[at + 1] === "'")) {
        const next = line[at + 1];
        const codes = { n: 10, r: 13, t: 9, b: 8, a: 7 };
        if (quote === '"' && next in codes) bytes.push(codes[next]);
        else bytes.push(...encoder.encode(next));
        at += 2;
        continue;
      }
      if (quote === char) {
        if (at + 1 < line.length && !/\s/.test(line[at + 1])) return null;
        quote = "";
        at++;
        break;
      }
      if (!quote && (char === '"' || char === "'") && !bytes.length) quote = char;
      else {
        const point = String.fromCodePoint(line.codePointAt(at));
        bytes.push(...encoder.encode(point));
        at += point.length - 1;
      }
      at++;
    }
    if (quote) return null;
    words.push(fromBytes(Uint8Array.from(bytes)));
  }
}

/** A string that stands for a value in addresses and comparisons. */
export function idOf(value) {
  return JSON.stringify(typeof value === "string" ? value : { b: value.b });
}

// Numbers, sizes and times as people read them.

/** 12 345 as 12.3k. */
export function short(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  for (const [limit, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= limit) return `${trim(value / (limit === 1e4 ? 1e3 : limit))}${unit}`;
  }
  return size >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString("en") : trim(value);
}

function trim(value) {
  const size = Math.abs(value);
  return String(Number(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)));
}

/** Bytes. */
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1024;
    at++;
  }
  return `${at ? trim(value) : Math.round(value)} ${units[at]}`;
}

/** Microseconds. */
export function micros(value) {
  if (value === null || value === undefined) return "–";
  if (value < 1000) return `${trim(value)} µs`;
  return value < 1e6 ? `${trim(value / 1e3)} ms` : `${trim(value / 1e6)} s`;
}

/** Seconds as two units: 3 h 12 min. */
export function duration(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const at = parts.findIndex(([size]) => seconds >= size);
  if (at < 0) return "0 s";
  const [size, unit] = parts[at];
  const whole = Math.floor(seconds / size);
  const rest = parts[at + 1] ? Math.floor((seconds - whole * size) / parts[at + 1][0]) : 0;
  return rest ? `${whole} ${unit} ${rest} ${parts[at + 1][1]}` : `${whole} ${unit}`;
}

/** The same in one unit, for narrow columns; for a TTL in milliseconds (-1: none, -2: no such key). */
export function ttl(ms) {
  if (ms === -1) return "∞";
  if (ms < 0) return "gone";
  const seconds = ms / 1000;
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "m"]]) {
    if (seconds >= size * 2) return `${Math.floor(seconds / size)}${unit}`;
  }
  return `${Math.ceil(seconds)}s`;
}

/** A time of day, from milliseconds. */
export function clock(ms, millis = false) {
  const date = new Date(ms);
  const two = (n) => String(n).padStart(2, "0");
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return millis ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

/** Date and time of day. */
export function moment(ms) {
  const date = new Date(ms);
  const two = (n) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(ms)}`;
}

/** One thing or several. */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

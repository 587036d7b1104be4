// Charts of the last minutes, what the commands cost, and what the databases hold.

import { call, fieldsOf, parseInfo, samples } from "./api.js";
import { Chart } from "./chart.js";
import { empty, h, problem, segments, table } from "./dom.js";
import { bytes, count, duration, micros, short } from "./format.js";

const KEPT = 900;
let history = [];
let span = 300;

function makeCharts() {
  return [
    new Chart({ title: "Commands per second", series: [{ name: "ops", label: "commands", tone: 1 }], format: short, value: (s) => [short(s.ops), `${short(s.errors)} errors/s`] }),
    new Chart({
      title: "Latency", log: true, format: micros, none: "no calls in this second",
      series: [{ name: "p50", label: "p50", tone: 3 }, { name: "p99", label: "p99", tone: 1 }, { name: "p999", label: "p99.9", tone: 2 }],
      value: (s) => s.p50 !== null && [micros(s.p99), `p99 · ${micros(s.p50)} to ${micros(s.p999)}`],
    }),
    new Chart({
      title: "Memory", format: bytes, byTwo: true,
      series: [{ name: "memory", label: "used", tone: 1 }, { name: "rss", label: "resident", tone: 4 }],
      value: (s) => [bytes(s.memory), `used · ${bytes(s.rss)} resident`],
    }),
    new Chart({
      title: "Hit ratio", most: 100, format: (n) => `${Math.round(n)} %`, none: "no lookups in this second",
      series: [{ name: "ratio", label: "hits", tone: 3 }],
      value: (s) => s.ratio !== null && [`${s.ratio.toFixed(1)} %`, `${short(s.hits)} hits/s · ${short(s.misses)} misses/s`],
    }),
    new Chart({
      title: "Clients", format: short, most: 2,
      series: [{ name: "clients", label: "connected", tone: 1 }, { name: "blocked", label: "blocked", tone: 2 }],
      value: (s) => [short(s.clients), `connected · ${short(s.blocked)} blocked`],
    }),
    new Chart({
      title: "Replication lag", format: (n) => `${short(n)} s`, most: 1, none: "no replica, and no master",
      series: [{ name: "lag", label: "lag", tone: 2 }],
      value: (s) => s.lag !== null && [`${short(s.lag)} s`, s.behind === null ? "since the master was heard" : `furthest replica · ${bytes(s.behind)} behind`],
    }),
    new Chart({
      title: "Network", format: bytes, byTwo: true,
      series: [{ name: "in", label: "in", tone: 3 }, { name: "out", label: "out", tone: 4 }],
      value: (s) => [`${bytes(s.out)}/s`, `out · ${bytes(s.in)}/s in`],
    }),
    new Chart({
      title: "Removed keys", format: short, most: 1,
      series: [{ name: "expired", label: "expired", tone: 1 }, { name: "evicted", label: "evicted", tone: 2 }],
      value: (s) => [short(s.expired), `expired/s · ${short(s.evicted)} evicted/s`],
    }),
  ];
}

function take(fresh) {
  for (const sample of fresh) {
    const looked = sample.hits + sample.misses;
    sample.ratio = looked > 0 ? sample.hits * 100 / looked : null;
    history.push(sample);
  }
  if (history.length > KEPT) history = history.slice(-KEPT);
}

/** Rows of INFO's Commandstats with the percentiles of Latencystats, the most frequent first. */
function commandRows(info) {
  const stats = Object.entries(info.Commandstats || {}).map(([name, text]) => {
    const fields = fieldsOf(text);
    const command = name.replace(/^cmdstat_/, "");
    const latency = (info.Latencystats || {})[`latency_percentiles_usec_${command}`] || "";
    const times = fieldsOf(latency);
    return { command, calls: Number(fields.calls), usec: Number(fields.usec), each: Number(fields.usec_per_call), failed: Number(fields.failed_calls) + Number(fields.rejected_calls), times };
  });
  stats.sort((a, b) => b.calls - a.calls);
  const all = stats.reduce((sum, one) => sum + one.usec, 0) || 1;
  return stats.slice(0, 15).map((one) => {
    const bar = h("span", { class: "bar" });
    bar.style.width = `${Math.max(one.usec / all * 100, 1)}%`;
    return h("tr", {},
      h("td", { class: "mono" }, one.command.replace("|", " ").toUpperCase()),
      h("td", { class: "number" }, one.calls.toLocaleString("en")),
      h("td", { class: "number" }, micros(one.each)),
      h("td", { class: "number" }, micros(one.times.p50 === undefined ? null : Number(one.times.p50))),
      h("td", { class: "number" }, micros(one.times.p99 === undefined ? null : Number(one.times.p99))),
      h("td", { class: "number" }, one.failed.toLocaleString("en")),
      h("td", {}, `${(one.usec / all * 100).toFixed(1)} %`, bar));
  });
}

function databaseRows(info) {
  return Object.entries(info.Keyspace || {}).map(([name, text]) => {
    const fields = fieldsOf(text);
    return h("tr", {},
      h("td", {}, h("a", { href: `#/keys?db=${name.slice(2)}` }, name)),
      h("td", { class: "number" }, Number(fields.keys).toLocaleString("en")),
      h("td", { class: "number" }, Number(fields.expires).toLocaleString("en")),
      h("td", { class: "number" }, Number(fields.avg_ttl) ? duration(Number(fields.avg_ttl) / 1000) : "–"));
  });
}

/** The page. */
export function overview(context) {
  const charts = makeCharts();
  const note = h("div", {});
  const commands = h("div", {}), databases = h("div", {});
  const show = () => {
    const from = history.length ? history.at(-1).t - span * 1000 : 0;
    const shown = history.filter((sample) => sample.t >= from);
    for (const chart of charts) chart.update(shown, span);
  };
  const node = h("div", { class: "page" },
    h("div", { class: "page-head" }, h("h1", {}, "Overview"),
      segments("Time shown", [[60, "1 min"], [300, "5 min"], [900, "15 min"]], span, (value) => {
        span = value;
        show();
      })),
    note,
    h("div", { class: "charts" }, charts.map((chart) => chart.node)),
    h("div", { class: "two" },
      h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "Commands"), h("span", { class: "note" }, "since the start, the most frequent first")), commands),
      h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "Databases")), databases)));
  const columns = [{ title: "Command" }, { title: "Calls", class: "number" }, { title: "Mean", class: "number" }, { title: "p50", class: "number" }, { title: "p99", class: "number" }, { title: "Failed", class: "number" }, { title: "Share of time" }];
  const keyColumns = [{ title: "Database" }, { title: "Keys", class: "number" }, { title: "Expire", class: "number" }, { title: "Mean TTL", class: "number" }];
  let ticks = 0;

  async function tick() {
    const answer = await samples(history.length ? history.at(-1).t : 0);
    take(answer.samples);
    note.replaceChildren(...(answer.error ? [problem(answer.error)] : []));
    show();
    if (ticks++ % 5 === 0 && !answer.error) {
      const info = parseInfo(await call(0, "INFO", "everything"));
      context.told(info);
      const rows = commandRows(info), dbs = databaseRows(info);
      commands.replaceChildren(rows.length ? table("Commands", columns, rows) : empty("No command yet"));
      databases.replaceChildren(dbs.length ? table("Databases", keyColumns, dbs) : empty("All databases are empty"));
    }
  }

  show();
  context.every(1000, tick);
  context.onTheme(() => charts.forEach((chart) => chart.draw()));
  context.onClose(() => charts.forEach((chart) => chart.close()));
  return node;
}

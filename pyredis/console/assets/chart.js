// A chart of lines over time on a canvas; the pointer or the arrow keys show the figures of a moment.

import { clock } from "./format.js";
import { h } from "./dom.js";

const LEFT = 46, RIGHT = 6, TOP = 8, BOTTOM = 18;

/** Round steps from 0: about three of them reach the value. */
function steps(most, byTwo) {
  if (!(most > 0)) return [0, 1];
  const rough = most / 3;
  const base = byTwo ? 1024 ** Math.floor(Math.log(rough) / Math.log(1024)) : 1;
  const size = 10 ** Math.floor(Math.log10(Math.max(rough / base, 1e-9)));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * size * base).find((n) => n >= rough);
  const found = [0];
  while (found.at(-1) < most) found.push(found.at(-1) + step);
  return found;
}

export class Chart {
  /** series: [{name, label, tone (1 to 4)}]; format: how a figure is written; log: a scale of powers of ten. */
  constructor({ title, series, format, log = false, byTwo = false, most = 0, value, none = "no data yet" }) {
    Object.assign(this, { title, series, format, log, byTwo, most, value, none });
    this.samples = [];
    this.span = 300;
    this.at = null;
    this.canvas = h("canvas", { tabindex: "0", role: "img", "aria-label": title });
    this.figure = h("div", { class: "chart-value" }, "–");
    const legend = series.length > 1 && h("div", { class: "legend" }, series.map((one) => h("span", {}, h("i", { class: `s${one.tone}` }), one.label)));
    this.node = h("figure", { class: "card chart" }, h("div", { class: "chart-head" }, h("h2", {}, title), legend), this.figure, this.canvas);
    this.canvas.addEventListener("pointermove", (event) => this.point(event.offsetX));
    this.canvas.addEventListener("pointerleave", () => this.show(null));
    this.canvas.addEventListener("blur", () => this.show(null));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.canvas);
  }

  close() {
    this.observer.disconnect();
  }

  update(samples, span) {
    this.samples = samples;
    this.span = span;
    if (this.at !== null && this.at >= samples.length) this.at = null;
    this.draw();
    this.tell();
  }

  key(event) {
    const last = this.samples.length - 1;
    const from = this.at ?? last;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last, PageUp: from - 10, PageDown: from + 10 }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.show(Math.min(Math.max(to, 0), last));
  }

  point(x) {
    if (!this.samples.length) return;
    const t = this.end() - this.span * 1000 * (1 - (x - LEFT) / (this.canvas.clientWidth - LEFT - RIGHT));
    let best = 0;
    for (let n = 0; n < this.samples.length; n++) if (Math.abs(this.samples[n].t - t) < Math.abs(this.samples[best].t - t)) best = n;
    this.show(best);
  }

  show(at) {
    this.at = at;
    this.draw();
    this.tell();
  }

  end() {
    return this.samples.length ? this.samples.at(-1).t : 0;
  }

  /** The figures of the moment pointed at, else of the last one. */
  tell() {
    const sample = this.samples[this.at ?? this.samples.length - 1];
    const parts = sample ? this.value(sample) : null;
    if (!parts) {
      this.figure.replaceChildren(h("small", {}, this.none));
      this.canvas.setAttribute("aria-label", `${this.title}: ${this.none}`);
      return;
    }
    const [main, rest] = parts;
    const when = this.at === null ? "" : ` · ${clock(sample.t)}`;
    this.figure.replaceChildren(main, " ", h("small", {}, rest + when));
    this.canvas.setAttribute("aria-label", `${this.title}: ${main} ${rest}${when}`);
  }

  scale() {
    let most = this.most, least = Infinity;
    const from = this.end() - this.span * 1000;
    for (const sample of this.samples) {
      if (sample.t < from) continue;
      for (const { name } of this.series) {
        const value = sample[name];
        if (value === null || value === undefined) continue;
        if (value > most) most = value;
        if (value > 0 && value < least) least = value;
      }
    }
    if (!this.log) return { ticks: steps(most, this.byTwo), log: false };
    const low = Math.floor(Math.log10(Number.isFinite(least) ? least : 1));
    const high = Math.max(Math.ceil(Math.log10(Math.max(most, 1))), low + 1);
    const gap = Math.ceil((high - low) / 4);
    const ticks = [];
    for (let power = low; power < high + gap; power += gap) ticks.push(10 ** power);
    return { ticks, log: true };
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width) return;
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const g = this.canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    const { ticks, log } = this.scale();
    const [bottom, top] = [ticks[0], ticks.at(-1)];
    const span = log ? Math.log10(top / bottom) : top - bottom;
    const y = (value) => height - BOTTOM - (log ? Math.log10(Math.max(value, bottom) / bottom) : value - bottom) / span * (height - TOP - BOTTOM);
    const x = (t) => width - RIGHT - (this.end() - t) / 1000 / this.span * (width - LEFT - RIGHT);
    this.drawGrid(g, width, height, ticks, y, colour);
    g.save();
    g.beginPath();
    g.rect(LEFT, 0, width - LEFT, height);
    g.clip();
    for (const [at, one] of this.series.entries()) this.drawLine(g, one, x, y, colour(`--c${one.tone}`), at === 0 && this.series.length === 1 ? height - BOTTOM : null);
    g.restore();
    if (this.at !== null && this.samples[this.at]) this.drawMoment(g, this.samples[this.at], x, y, height, colour);
  }

  drawGrid(g, width, height, ticks, y, colour) {
    g.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    g.lineWidth = 1;
    g.textBaseline = "middle";
    g.textAlign = "right";
    for (const tick of ticks) {
      const at = Math.round(y(tick)) + 0.5;
      g.strokeStyle = colour("--line");
      g.beginPath();
      g.moveTo(LEFT, at);
      g.lineTo(width - RIGHT, at);
      g.stroke();
      g.fillStyle = colour("--muted");
      g.fillText(this.format(tick), LEFT - 6, at);
    }
    g.textBaseline = "alphabetic";
    const label = (seconds) => (seconds < 60 ? `${seconds} s` : `${seconds / 60} min`);
    g.textAlign = "left";
    g.fillText(`−${label(this.span)}`, LEFT, height - 4);
    g.textAlign = "center";
    g.fillText(`−${label(this.span / 2)}`, LEFT + (width - LEFT - RIGHT) / 2, height - 4);
    g.textAlign = "right";
    g.fillText("now", width - RIGHT, height - 4);
  }

  drawLine(g, { name }, x, y, colour, floor) {
    const runs = [];
    let run = null, before = 0;
    for (const sample of this.samples) {
      const value = sample[name];
      if (value === null || value === undefined) {
        run = null;
        continue;
      }
      if (!run || sample.t - before > 5000) runs.push((run = []));
      run.push([x(sample.t), y(value)]);
      before = sample.t;
    }
    for (const points of runs) {
      g.beginPath();
      points.forEach(([px, py], n) => (n ? g.lineTo(px, py) : g.moveTo(px, py)));
      if (points.length === 1) g.arc(points[0][0], points[0][1], 1, 0, 7);
      g.strokeStyle = colour;
      g.lineWidth = 1.6;
      g.lineJoin = "round";
      g.stroke();
      if (floor !== null && points.length > 1) {
        g.lineTo(points.at(-1)[0], floor);
        g.lineTo(points[0][0], floor);
        g.globalAlpha = 0.1;
        g.fillStyle = colour;
        g.fill();
        g.globalAlpha = 1;
      }
    }
  }

  drawMoment(g, sample, x, y, height, colour) {
    const at = Math.round(x(sample.t)) + 0.5;
    g.strokeStyle = colour("--line-strong");
    g.beginPath();
    g.moveTo(at, TOP);
    g.lineTo(at, height - BOTTOM);
    g.stroke();
    for (const { name, tone } of this.series) {
      if (sample[name] === null || sample[name] === undefined) continue;
      g.fillStyle = colour(`--c${tone}`);
      g.beginPath();
      g.arc(at, y(sample[name]), 3, 0, 7);
      g.fill();
    }
  }
}

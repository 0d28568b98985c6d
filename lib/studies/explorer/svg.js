// What the explorer's pictures share: SVG in the colours of the page, axes, and lines.
const STYLE = `
.pictures { max-width: 100%; color: var(--jp-content-font-color1, currentColor); line-height: 1.4; }
.pictures svg { display: block; max-width: 100%; }
.pictures svg text { font-size: 12px; fill: currentColor; }
.pictures .title { font-weight: bold; font-size: 12px; }
.pictures .axis, .pictures .tick { stroke: currentColor; fill: none; }
.pictures .line { fill: none; }
.pictures .zero, .pictures .now { stroke: currentColor; stroke-dasharray: 2 3; }
.pictures .row { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; }
.pictures label { display: inline-flex; gap: 6px; align-items: center; }
.pictures select, .pictures input, .pictures button, .pictures [role=listbox] { font: inherit; color: inherit; border: 1px solid #8889;
  background: var(--jp-layout-color1, Canvas); }
.pictures :focus-visible { outline: 3px solid #0173b2; outline-offset: 2px; }`;
const SVG = "http://www.w3.org/2000/svg";
const DRAWN = ["svg", "g", "path", "text", "line", "circle", "image", "rect"];

const make = (name, attributes = {}, parent = null, text = "") => {
  const tag = DRAWN.includes(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) tag.setAttribute(key, value);
  if (text !== "") tag.textContent = text;
  if (parent) parent.append(tag);
  return tag;
};
const span = (values, share = 0.05) => {
  let low = Infinity, high = -Infinity;
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const margin = (high - low || 1) * share;
  return [low - margin, high + margin];
};
const ticks = ([low, high], n = 5) => {
  const raw = (high - low) / n, unit = 10 ** Math.floor(Math.log10(raw));
  const step = unit * ([1, 2, 5].find((factor) => factor * unit >= raw) || 10);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(+(i * step).toPrecision(6));
  return found;
};
const number = (value) => `${value}`.replace("-", "−");

// An SVG with axes; `xs` and `ys` are what they reach over, `marks` what stands along the horizontal one if not numbers.
const axes = (box, { width, height, xs, ys, x, y, title, about, marks }) => {
  const left = 48, right = 10, top = title ? 22 : 8, bottom = 38;
  const svg = make("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": about }, box);
  const across = (value) => left + (width - left - right) * (value - xs[0]) / (xs[1] - xs[0]);
  const up = (value) => height - bottom - (height - bottom - top) * (value - ys[0]) / (ys[1] - ys[0]);
  for (const [value, text] of marks || ticks(xs).map((one) => [one, number(one)])) {
    make("line", { class: "tick", x1: across(value), x2: across(value), y1: height - bottom, y2: height - bottom + 4 }, svg);
    make("text", { x: across(value), y: height - bottom + 16, "text-anchor": "middle" }, svg, text);
  }
  for (const value of ticks(ys, height < 180 ? 3 : 5)) {
    make("line", { class: "tick", x1: left - 4, x2: left, y1: up(value), y2: up(value) }, svg);
    make("text", { x: left - 6, y: up(value) + 4, "text-anchor": "end" }, svg, number(value));
  }
  make("path", { class: "axis", d: `M${left} ${top}V${height - bottom}H${width - right}` }, svg);
  make("text", { x: (left + width - right) / 2, y: height - 5, "text-anchor": "middle" }, svg, x);
  make("text", { transform: `translate(12 ${(top + height - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, svg, y);
  if (title) make("text", { class: "title", x: 4, y: 14 }, svg, title);
  return { svg, across, up, left, right: width - right, top, bottom: height - bottom };
};

// Lines over shared places, with a legend below: series [{name, values, colour, dashed, wide}]
const lines = (box, { at, series, log, now, zero, ...look }) => {
  const scale = (value) => log ? Math.log2(value) : value;
  const all = series.flatMap((one) => one.values);
  const plot = axes(box, { ...look, xs: span(at.map(scale), 0.02), ys: span(zero ? [...all, 0] : all, 0.08) });
  if (zero) make("line", { class: "zero", x1: plot.left, x2: plot.right, y1: plot.up(0), y2: plot.up(0) }, plot.svg);
  if (now !== undefined) {
    const x = plot.across(scale(at[now]));
    make("line", { class: "now", x1: x, x2: x, y1: plot.top, y2: plot.bottom }, plot.svg);
  }
  const drawn = (one) => ({ class: "line", stroke: one.colour, "stroke-width": one.wide ? 5 : 2, "stroke-opacity": one.wide ? 0.4 : 1,
    "stroke-dasharray": one.dashed ? "6 3" : "none" });
  const key = make("div", { class: "row" }, box);
  for (const one of series) {
    const d = one.values.map((value, i) => `${i ? "L" : "M"}${plot.across(scale(at[i])).toFixed(1)} ${plot.up(value).toFixed(1)}`);
    make("path", { ...drawn(one), d: d.join("") }, plot.svg);
    const entry = make("label", {}, key);
    const swatch = make("svg", { width: 24, height: 8, "aria-hidden": "true" }, entry);
    make("path", { ...drawn(one), d: "M0 4H24" }, swatch);
    make("span", {}, entry, one.name);
  }
  return plot;
};

// Plots to point at, drawn from the data beside their picture, which stays for print and for those who hear the page.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const SHAPES = [ // as in the pictures, radius about 1
    "m-.9 0c0-.5.4-.9.9-.9s.9.4.9.9-.4.9-.9.9-.9-.4-.9-.9z", "m-.8-.8h1.6v1.6h-1.6z", "m0-1.1 1.1 1.1-1.1 1.1-1.1-1.1z", "m0-1.1 1 1.9h-2z",
    "m0 1.1 1-1.9h-2z", "m-.35-1h.7v.65h.65v.7h-.65v.65h-.7v-.65h-.65v-.7h.65z", "m0-1.2 .35.8.85.1-.65.6.2.85-.75-.45-.75.45.2-.85-.65-.6.85-.1z",
    "m0-.5 .5-.5.5.5-.5.5.5.5-.5.5-.5-.5-.5.5-.5-.5.5-.5-.5-.5.5-.5z", "m0-1 1 .73-.38 1.17h-1.24l-.38-1.17z", "m-.5-.9h1l.5.9-.5.9h-1l-.5-.9z",
  ];
  const make = (name, attributes = {}, parent = null, text = "") => {
    const tag = ["svg", "g", "path", "text", "line", "circle"].includes(name)
      ? document.createElementNS(SVG, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) tag.setAttribute(key, value);
    if (text) tag.textContent = text;
    if (parent) parent.append(tag);
    return tag;
  };
  const span = (values) => {
    const low = Math.min(...values), high = Math.max(...values), margin = (high - low || 1) * 0.05;
    return [low - margin, high + margin];
  };
  const ticks = ([low, high]) => {
    const raw = (high - low) / 5, unit = 10 ** Math.floor(Math.log10(raw));
    const step = unit * ([1, 2, 5].find((factor) => factor * unit >= raw) || 10);
    const found = [];
    for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(+(i * step).toPrecision(6));
    return found;
  };

  // One panel, `width` pixels wide: its points, and what happens when they are pointed at or walked through.
  const draw = (panel, box, width, shown, say) => {
    box.replaceChildren();
    const height = Math.min(0.72 * width, 460), left = 44, bottom = 40, top = panel.title ? 24 : 8, right = 8;
    const all = panel.groups.flatMap((group, g) => group.points.map(([x, y], i) => ({ x, y, g, name: (group.names || [])[i] })));
    const xs = span(all.map((point) => point.x)), ys = span(all.map((point) => point.y));
    const across = (x) => left + (width - left - right) * (x - xs[0]) / (xs[1] - xs[0]);
    const up = (y) => height - bottom - (height - bottom - top) * (y - ys[0]) / (ys[1] - ys[0]);
    const svg = make("svg", { width, height, viewBox: `0 0 ${width} ${height}`, tabindex: 0, role: "img",
      "aria-label": `${panel.title || "Points"}: ${all.length} points. Arrow keys go from point to point.` }, box);
    for (const x of ticks(xs)) {
      make("line", { class: "tick", x1: across(x), x2: across(x), y1: height - bottom, y2: height - bottom + 4 }, svg);
      make("text", { x: across(x), y: height - bottom + 16, "text-anchor": "middle" }, svg, `${x}`.replace("-", "−"));
    }
    for (const y of ticks(ys)) {
      make("line", { class: "tick", x1: left - 4, x2: left, y1: up(y), y2: up(y) }, svg);
      make("text", { x: left - 7, y: up(y) + 4, "text-anchor": "end" }, svg, `${y}`.replace("-", "−"));
    }
    make("path", { class: "axis", d: `M${left} ${top}V${height - bottom}H${width - right}` }, svg);
    make("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, svg, panel.x);
    make("text", { transform: `translate(12 ${(top + height - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, svg, panel.y);
    make("text", { class: "title", x: left, y: 15 }, svg, panel.title);
    const size = Math.max(2, Math.min(3.4, width / 190));
    const groups = panel.groups.map((group, g) => {
      const d = group.points.map(([x, y]) => `M${across(x).toFixed(1)} ${up(y).toFixed(1)}` + scaled(SHAPES[g % SHAPES.length], size)).join("");
      return make("path", { d, fill: group.colour, "fill-opacity": 0.8 }, svg);
    });
    const ring = make("circle", { r: size + 3, class: "ring" }, svg);
    const tip = make("text", { class: "tip" }, svg);
    let current = null;
    const point = (one) => {
      current = one;
      ring.style.display = tip.style.display = one ? "" : "none";
      if (!one) return;
      const x = across(one.x), y = up(one.y), group = panel.groups[one.g];
      for (const [key, value] of [["cx", x], ["cy", y]]) ring.setAttribute(key, value);
      tip.textContent = [one.name, group.name, `${one.x}, ${one.y}`].filter(Boolean).join(" · ").replaceAll("-", "−");
      const far = x > width / 2;
      tip.setAttribute("text-anchor", far ? "end" : "start");
      tip.setAttribute("x", x + (far ? -9 : 9));
      tip.setAttribute("y", Math.max(y - 7, 14));
    };
    const seen = () => all.filter((one) => shown[panel.groups[one.g].name]);
    svg.addEventListener("pointermove", (event) => {
      const area = svg.getBoundingClientRect(), x = event.clientX - area.left, y = event.clientY - area.top;
      let best = null, nearest = 14 ** 2;
      for (const one of seen()) {
        const distance = (across(one.x) - x) ** 2 + (up(one.y) - y) ** 2;
        if (distance < nearest) [best, nearest] = [one, distance];
      }
      point(best);
    });
    svg.addEventListener("pointerleave", () => point(null));
    svg.addEventListener("blur", () => point(null));
    svg.addEventListener("keydown", (event) => {
      const key = { ArrowRight: ["x", 1], ArrowLeft: ["x", -1], ArrowUp: ["y", 1], ArrowDown: ["y", -1] }[event.key];
      if (event.key === "Escape") point(null);
      if (!key) return;
      event.preventDefault();
      const order = seen().sort((a, b) => a[key[0]] - b[key[0]]);
      if (!order.length) return;
      const at = order.indexOf(current);
      point(at < 0 ? order[0] : order[Math.max(0, Math.min(order.length - 1, at + key[1]))]);
      say(tip.textContent);
    });
    point(null);
    return () => { groups.forEach((path, g) => { path.style.display = shown[panel.groups[g].name] ? "" : "none"; }); point(null); };
  };
  const scaled = (shape, size) => shape.replace(/-?\d*\.?\d+/g, (number) => ` ${(number * size).toFixed(2)}`);

  const start = (data) => {
    const figure = data.parentElement, image = figure.querySelector("img, .chart"), panels = JSON.parse(data.textContent);
    const box = make("div", { class: "plots" }), legend = make("div", { class: "legend", role: "group", "aria-label": "Groups shown" });
    const spoken = make("output", { class: "unseen" });
    const holders = panels.map(() => make("div", {}, box));
    image.before(box);
    box.after(legend, spoken);
    image.classList.add("on-paper");
    const shown = {};
    let refresh = [];
    for (const panel of panels) panel.groups.forEach((group, g) => {
      if (group.name in shown) return;
      shown[group.name] = true;
      const button = make("button", { type: "button", "aria-pressed": "true" }, legend);
      const swatch = make("svg", { width: 12, height: 12, viewBox: "-1.5 -1.5 3 3", "aria-hidden": "true" }, button);
      make("path", { d: `M0 0${SHAPES[g % SHAPES.length]}`, fill: group.colour }, swatch);
      make("span", {}, button, group.name);
      button.addEventListener("click", () => {
        shown[group.name] = !shown[group.name];
        button.setAttribute("aria-pressed", shown[group.name]);
        refresh.forEach((again) => again());
      });
    });
    const layout = () => {
      const room = figure.clientWidth, beside = room > 560 ? panels.length : 1;
      const width = Math.floor(Math.min(room / beside, 640)) - (beside > 1 ? 8 : 0);
      if (width < 100) return;
      refresh = panels.map((panel, i) => draw(panel, holders[i], width, shown, (text) => { spoken.textContent = text; }));
      refresh.forEach((again) => again());
    };
    layout();
    let last = figure.clientWidth;
    new ResizeObserver(() => { if (figure.clientWidth !== last) { last = figure.clientWidth; layout(); } }).observe(figure);
  };
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("figure > script.points").forEach(start));
})();

// Linked pictures of the tracks, one for each model. Colours, highlights, the list of tracks and the slider work here
// alone; the kernel is told only which track is picked, and with it, or when the focus leaves, the colour.
const LOOK = `
.pictures svg[tabindex] { cursor: crosshair; touch-action: none; }
.pictures .ring { fill: none; stroke: currentColor; stroke-width: 2; pointer-events: none; }
.pictures .ring.next { stroke-dasharray: 3 2; }
.pictures .brush { fill: currentColor; fill-opacity: .08; stroke: currentColor; stroke-dasharray: 3 2; }
.pictures .dots { stroke: currentColor; stroke-width: .4; stroke-opacity: .5; fill-opacity: .85; }
.pictures .dots.dim { fill-opacity: .1; stroke-opacity: .06; }
.pictures .row > label { max-width: 100%; flex-wrap: wrap; }
.pictures :is(select, input) { min-width: 0; max-width: 100%; }
.pictures .named { min-height: 1.4em; }
.pictures .legend button { display: inline-flex; align-items: center; gap: 4px; padding: 1px 6px; border-radius: 3px; }
.pictures .legend button[aria-pressed=true] { outline: 2px solid currentColor; }
.pictures .shades { width: 160px; height: 10px; }
.pictures .finder { position: relative; }
.pictures [role=listbox] { position: absolute; z-index: 9; left: 0; top: 100%; margin: 0; padding: 0; list-style: none; white-space: nowrap; }
.pictures [role=option] { padding: 1px 8px; }
.pictures [role=option][aria-selected=true] { background: #0173b2; color: white; }`;
const SHAPES = [ // radius about 1
  "m-.9 0c0-.5.4-.9.9-.9s.9.4.9.9-.4.9-.9.9-.9-.4-.9-.9z", "m-.8-.8h1.6v1.6h-1.6z", "m0-1.1 1.1 1.1-1.1 1.1-1.1-1.1z", "m0-1.1 1 1.9h-2z",
  "m0 1.1 1-1.9h-2z", "m-.35-1h.7v.65h.65v.7h-.65v.65h-.7v-.65h-.65v-.7h.65z", "m0-1 1 .73-.38 1.17h-1.24l-.38-1.17z",
].map((shape) => (size) => shape.replace(/-?\d*\.?\d+/g, (value) => ` ${(value * size).toFixed(2)}`));
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const NEAR = 5, MOST = 12; // pixels that a pointer moves in a click; tracks in the list
const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;

function render({ model, el }) {
  make("style", {}, el, STYLE + LOOK);
  const box = make("div", { class: "pictures", "data-lm-suppress-shortcuts": "true" }, el);
  const top = make("div", { class: "row" }, box);
  const colours = make("select", { "aria-label": "Colour by" }, make("label", {}, top, "Colour by"));
  const finder = make("div", { class: "finder" }, top);
  const name = make("input", { "aria-label": "Track", role: "combobox", autocomplete: "off", "aria-expanded": "false", "aria-autocomplete": "list", size: 26 },
    make("label", {}, finder, "Track"));
  const found = make("ul", { role: "listbox", "aria-label": "Tracks", id: `tracks-${Math.random().toString(36).slice(2)}` }, finder);
  name.setAttribute("aria-controls", found.id);
  const holder = make("div", { class: "row panels" }, box);
  const said = make("div", { class: "named", role: "status" }, box);
  const legend = make("div", { class: "row legend", role: "group", "aria-label": "Highlight" }, box);
  const sliding = make("div", { class: "row sliding" }, box);

  let tracks, panels, plots = [], order = [], frame = 0, cursor = -1, lit = new Set(), pressed = new Set(), paint = () => {};
  const now = (panel) => panel.frames[Math.min(frame, panel.frames.length - 1)];

  // --- colours: a code for each track, and what each code is called and looks like
  const clusters = (k) => {
    const codes = now(panels[k]).clusters;
    return { name: "cluster", codes, levels: [...Array(Math.max(...codes) + 1).keys()].map((i) => `${i}`) };
  };
  const column = () => {
    const id = model.get("colour"), own = /^cluster:(\d)$/.exec(id);
    return own ? clusters(Math.min(+own[1], panels.length - 1)) : tracks.columns.find((one) => one.id === id) || tracks.columns[0];
  };
  const shaded = ({ values, low, high }) => {
    const shades = model.get("palette").shades;
    return values.map((v) => v === null ? -1 : Math.max(0, Math.min(shades.length - 1, Math.floor((v - low) / (high - low || 1) * shades.length))));
  };
  const look = (one, code) => {
    const { groups, shades } = model.get("palette");
    if (code < 0) return ["#999999", SHAPES[0]];
    return one.levels ? [groups[code % groups.length], SHAPES[(Math.floor(code / groups.length) + code) % SHAPES.length]] : [shades[code], SHAPES[0]];
  };
  const title = (i) => [tracks.names[i], tracks.columns[0].levels[tracks.columns[0].codes[i]],
    ...panels.map((panel) => `cluster ${now(panel).clusters[i]}`)].join(" · ");

  // --- what is highlighted, in all pictures
  const highlight = (some) => {
    lit = new Set(some);
    paint();
    const { codes, levels } = tracks.columns[0], counts = new Map();
    for (const i of lit) counts.set(codes[i], (counts.get(codes[i]) || 0) + 1);
    const parts = [...counts].sort((a, b) => b[1] - a[1]).map(([code, n]) => `${levels[code]} ${n}`);
    said.textContent = lit.size ? `${lit.size} of ${tracks.names.length} tracks: ${parts.join(", ")}` : "";
    legend.querySelector(".clear")?.toggleAttribute("hidden", !lit.size);
  };
  const key = () => {
    const one = column();
    legend.replaceChildren(make("span", {}, null, one.name));
    pressed = new Set();
    if (one.levels) one.levels.forEach((level, code) => {
      if (!one.codes.includes(code)) return;
      const button = make("button", { type: "button", "aria-pressed": "false" }, legend), [fill, shape] = look(one, code);
      make("path", { d: `M0 0${shape(1)}`, fill }, make("svg", { width: 12, height: 12, viewBox: "-1.5 -1.5 3 3", "aria-hidden": "true" }, button));
      make("span", {}, button, level);
      button.addEventListener("click", () => {
        pressed.delete(code) || pressed.add(code);
        button.setAttribute("aria-pressed", pressed.has(code));
        highlight(column().codes.flatMap((other, i) => pressed.has(other) ? [i] : []));
      });
    });
    else {
      make("span", {}, legend, number(one.low));
      make("div", { class: "shades", style: `background: linear-gradient(to right, ${model.get("palette").shades})` }, legend);
      make("span", {}, legend, number(one.high));
    }
    const clear = make("button", { type: "button", class: "clear", ...(lit.size ? {} : { hidden: "" }) }, legend, "Clear the highlight");
    clear.addEventListener("click", () => { highlight([]); key(); });
  };

  // --- the pictures
  const show = (i, where = null) => {
    cursor = i;
    plots.forEach((plot) => plot.put(plot.next, i));
    if (i >= 0) said.textContent = title(i);
    if (where) where.svg.setAttribute("aria-description", i >= 0 ? title(i) : "");
  };
  const pick = (i) => {
    if (i < 0) return;
    model.set("picked", i);
    model.save_changes();
  };
  const layout = () => {
    const room = Math.floor(el.clientWidth);
    if (room < 100) return;
    const beside = room > 620 ? panels.length : 1, width = Math.min(Math.floor(room / beside) - 14, beside > 1 ? 520 : 580);
    const focused = plots.findIndex((plot) => plot.svg === document.activeElement);
    holder.replaceChildren();
    plots = panels.map((panel) => picture(panel, width));
    paint = () => {
      const one = column(), codes = one.levels ? one.codes : shaded(one);
      plots.forEach((plot) => plot.paint(one, codes));
    };
    paint();
    slider();
    plots[focused]?.svg.focus();
  };
  const picture = (panel, width) => {
    const all = panel.frames.flatMap((one) => one.points);
    const part = make("div", { style: `width: ${width}px; align-self: end` }, holder);
    make("div", { class: "title" }, part, panel.title);
    const plot = axes(part, { width, height: Math.round(0.74 * width), x: panel.x, y: panel.y,
      xs: span(all.map((point) => point[0])), ys: span(all.map((point) => point[1])), about: `${panel.title}: ${all.length / panel.frames.length} tracks` });
    const { svg } = plot, size = Math.max(1.6, Math.min(4, 110 / Math.sqrt(tracks.names.length)));
    svg.setAttribute("role", "application");
    svg.setAttribute("tabindex", 0);
    svg.setAttribute("aria-label", `${panel.title}, ${tracks.names.length} tracks. Arrow keys move between tracks, Enter picks one, `
      + "space highlights it in all pictures, Escape ends the highlight.");
    const dots = make("g", {}, svg), brush = make("rect", { class: "brush" }, svg);
    plot.ring = make("circle", { class: "ring", r: 8 }, svg);
    plot.next = make("circle", { class: "ring next", r: 8 }, svg);
    let points = now(panel).points;
    plot.put = (mark, i) => {
      mark.style.display = i >= 0 && i < points.length ? "" : "none";
      if (i >= 0 && i < points.length) mark.setAttribute("transform", `translate(${plot.across(points[i][0])} ${plot.up(points[i][1])})`);
    };
    plot.paint = (one, codes) => {
      points = now(panel).points;
      const drawn = new Map();
      points.forEach(([x, y], i) => {
        const dim = lit.size > 0 && !lit.has(i), id = 2 * (codes[i] + 1) + !dim;
        if (!drawn.has(id)) {
          const [fill, shape] = look(one, codes[i]);
          drawn.set(id, { fill, dim, shape: shape(dim || !lit.size ? size : 1.3 * size), parts: [] });
        }
        const into = drawn.get(id);
        into.parts.push(`M${plot.across(x).toFixed(1)} ${plot.up(y).toFixed(1)}${into.shape}`);
      });
      dots.replaceChildren(...[...drawn].sort((a, b) => (a[0] % 2) - (b[0] % 2)).map(([, { fill, dim, parts }]) =>
        make("path", { class: dim ? "dots dim" : "dots", fill, d: parts.join("") })));
      plot.put(plot.ring, model.get("picked"));
      plot.put(plot.next, cursor);
    };
    // The point with the smallest cost(dx, dy), where dx and dy are pixels from (x, y)
    const best = (x, y, cost) => {
      let least = Infinity, which = -1;
      points.forEach(([px, py], i) => {
        const value = cost(plot.across(px) - x, plot.up(py) - y);
        if (value < least) [which, least] = [i, value];
      });
      return which;
    };
    const place = (event) => {
      const area = svg.getBoundingClientRect(), scale = width / area.width;
      return [(event.clientX - area.left) * scale, (event.clientY - area.top) * scale];
    };
    const nearest = (event) => best(...place(event), (dx, dy) => dx * dx + dy * dy);
    let from = null;
    const box = (event) => {
      const to = place(event), [x, y] = [0, 1].map((k) => Math.min(from[k], to[k]));
      return { x, y, width: Math.abs(to[0] - from[0]), height: Math.abs(to[1] - from[1]) };
    };
    const hide = () => { from = null; brush.style.display = "none"; };
    hide();
    svg.addEventListener("pointerdown", (event) => { from = place(event); svg.setPointerCapture(event.pointerId); });
    svg.addEventListener("pointermove", (event) => {
      if (!from) return show(nearest(event), plot);
      brush.style.display = "";
      for (const [key, value] of Object.entries(box(event))) brush.setAttribute(key, value);
    });
    svg.addEventListener("pointerup", (event) => {
      if (!from) return;
      const area = box(event);
      hide();
      if (area.width < NEAR && area.height < NEAR) return pick(nearest(event));
      key();
      highlight(points.flatMap(([px, py], i) => {
        const dx = plot.across(px) - area.x, dy = plot.up(py) - area.y;
        return dx >= 0 && dy >= 0 && dx <= area.width && dy <= area.height ? [i] : [];
      }));
    });
    svg.addEventListener("pointercancel", hide);
    svg.addEventListener("pointerleave", () => { if (!from) show(-1, plot); });
    svg.addEventListener("keydown", (event) => {
      if (event.key === "Enter") pick(cursor);
      else if (event.key === " " && cursor >= 0) { const some = new Set(lit); some.delete(cursor) || some.add(cursor); key(); highlight(some); }
      else if (event.key === "Escape") { highlight([]); key(); }
      else if (event.key in STEPS) {
        const [sx, sy] = STEPS[event.key], start = cursor >= 0 ? cursor : model.get("picked");
        const [x, y] = start >= 0 ? [plot.across(points[start][0]), plot.up(points[start][1])] : [width / 2, width / 3];
        const reached = best(x, y, (dx, dy) => {
          const along = dx * sx + dy * sy, aside = Math.abs(dx * sy) + Math.abs(dy * sx);
          return along > 0.5 && aside <= along ? along * along + aside * aside : Infinity;
        });
        if (reached >= 0) show(reached, plot);
      } else return;
      event.preventDefault();
      event.stopPropagation(); // JupyterLab would run the cell or move to another
    });
    return plot;
  };
  const slider = () => {
    sliding.replaceChildren();
    const betas = Math.max(0, ...panels.map((panel) => panel.frames.length)) > 1 ? panels[0].frames.map((one) => one.beta) : [];
    if (!betas.length) return;
    const range = make("input", { "aria-label": "Beta", type: "range", min: 0, max: betas.length - 1, step: 1, value: frame }, make("label", {}, sliding, "Beta"));
    const shown = make("output", {}, sliding), curves = make("div", { class: "row" }, sliding);
    curves.style.flexBasis = "100%";
    const move = () => {
      frame = +range.value;
      shown.textContent = betas[frame];
      range.setAttribute("aria-valuetext", `beta ${betas[frame]}`);
      if (colours.value.startsWith("cluster")) key();
      paint();
      curves.replaceChildren();
      const colour = model.get("palette").groups;
      for (const panel of panels) {
        const each = (key) => panel.frames.map((one) => one[key]), { silhouette, silhouette_null: null_, nmi, active } = panel.frames[frame];
        const about = `${panel.title}, beta ${betas[frame]}: silhouette ${silhouette.toFixed(2)}, of clouds ${null_.toFixed(2)}, `
          + `NMI ${nmi.toFixed(2)}, ${active} active dimensions`;
        const look = { width: Math.min(el.clientWidth - 10, 300), at: betas, log: true, now: frame, x: "beta",
          marks: betas.map((beta) => [Math.log2(beta), `${beta}`]), about };
        const holder = make("div", {}, curves);
        make("div", {}, holder, about);
        const pair = make("div", { class: "row" }, holder), [scores, dimensions] = [make("div", {}, pair), make("div", {}, pair)];
        lines(scores, { ...look, height: 130, y: "0 to 1", zero: true, series: [{ name: "silhouette", values: each("silhouette"), colour: colour[0] },
          { name: "of clouds", values: each("silhouette_null"), colour: colour[7], dashed: true },
          { name: "NMI", values: each("nmi"), colour: colour[1] }] });
        lines(dimensions, { ...look, height: 130, y: "number", zero: true, series: [{ name: "active dimensions", values: each("active"), colour: colour[2] }] });
      }
    };
    range.addEventListener("input", move);
    move();
  };

  // --- the list of tracks
  const matches = () => {
    const typed = name.value.trim().toLowerCase();
    const good = order.filter((i) => tracks.names[i].toLowerCase().includes(typed));
    const start = (i) => { const one = tracks.names[i].toLowerCase(); return one === typed ? 0 : one.startsWith(typed) ? 1 : 2; };
    return typed ? good.sort((a, b) => start(a) - start(b)) : good; // the sort is stable
  };
  const open = (some, active = -1) => {
    found.replaceChildren(...some.slice(0, MOST).map((i, k) => {
      const option = make("li", { role: "option", id: `${found.id}-${k}`, "aria-selected": k === active }, null, title(i));
      option.addEventListener("pointerdown", (event) => { event.preventDefault(); take(i); });
      return option;
    }));
    found.hidden = !some.length;
    found.style.display = some.length ? "" : "none";
    name.setAttribute("aria-expanded", some.length > 0);
    if (active >= 0) name.setAttribute("aria-activedescendant", `${found.id}-${active}`);
    else name.removeAttribute("aria-activedescendant");
  };
  const close = () => open([]);
  const take = (i) => { close(); name.value = tracks.names[i]; pick(i); };
  let active = -1;
  name.addEventListener("input", () => { active = -1; open(matches()); });
  name.addEventListener("focus", () => name.select());
  name.addEventListener("blur", close);
  name.addEventListener("keydown", (event) => {
    const some = matches(), shown = Math.min(some.length, MOST);
    if (event.key === "Enter") {
      if (some.length) take(some[Math.max(active, 0)]);
      else { close(); said.textContent = `No track here is called "${name.value}": type part of a name, or pick a point.`; }
    } else if (event.key === "Escape") close();
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      active = shown ? (active + step + shown) % shown : -1;
      open(some, active);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });

  // --- what comes from the kernel
  const read = () => {
    [tracks, panels] = [model.get("tracks"), model.get("panels")];
    const own = panels.map((_, k) => [`cluster:${k}`, panels.length > 1 ? `cluster, ${["left", "right"][k]} model` : "cluster"]);
    const options = [...tracks.columns.map((one) => [one.id, one.name])];
    options.splice(1, 0, ...own);
    colours.replaceChildren(...options.map(([value, text]) => make("option", { value }, null, text)));
    if (!options.some(([value]) => value === model.get("colour"))) model.set("colour", options[0][0]);
    colours.value = model.get("colour");
    order = [...tracks.names.keys()].sort((a, b) => byName(tracks.names[a], tracks.names[b]));
    frame = Math.max(0, ...panels.map((panel) => panel.at));
    cursor = -1;
    picked();
    key();
    layout();
  };
  const picked = () => {
    if (document.activeElement !== name || tracks.names[model.get("picked")] !== name.value) name.value = tracks.names[model.get("picked")] || "";
    plots.forEach((plot) => plot.put(plot.ring, model.get("picked")));
  };
  colours.addEventListener("change", () => {
    model.set("colour", colours.value); // goes to the kernel with the next message
    key();
    paint();
  });
  box.addEventListener("keydown", (event) => { // JupyterLab would move to another cell
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
  box.addEventListener("focusout", (event) => { if (!box.contains(event.relatedTarget)) model.save_changes(); });
  model.on("change:tracks", () => { lit = new Set(); });
  model.on("change:panels", read);
  model.on("change:picked", picked);
  close();
  read();
  let last = 0;
  const sizes = new ResizeObserver(() => { if (Math.abs(el.clientWidth - last) > 2) { last = el.clientWidth; layout(); } });
  sizes.observe(el);
  return () => sizes.disconnect();
}

export default { render };

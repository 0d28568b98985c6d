// The picture of lib/explorer.py's `Picker`: click a point, or walk with the arrow keys and press Enter.
const STYLE = `
.picker { max-width: 100%; }
.picker .frame { position: relative; display: inline-block; line-height: 0; max-width: 100%; cursor: crosshair; }
.picker:focus-visible { outline: 3px solid #0173b2; outline-offset: 2px; }
.picker img { max-width: 100%; background: white; }
.picker .ring { position: absolute; width: 14px; height: 14px; margin: -9px 0 0 -9px; border: 2px solid black;
  border-radius: 50%; box-shadow: 0 0 0 2px white; pointer-events: none; }
.picker .ring.next { border-style: dashed; }
.picker .named { min-height: 1.5em; line-height: 1.5; }`;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function render({ model, el }) {
  const style = document.createElement("style");
  style.textContent = STYLE;
  const box = document.createElement("div");
  box.className = "picker";
  box.tabIndex = 0;
  box.setAttribute("role", "application");
  const picture = document.createElement("img");
  const [ring, next] = ["ring", "ring next"].map((name) => Object.assign(document.createElement("div"), { className: name }));
  const said = document.createElement("div");
  said.className = "named";
  said.setAttribute("role", "status");
  const frame = document.createElement("div");
  frame.className = "frame";
  frame.append(picture, ring, next);
  box.append(frame, said);
  el.append(style, box);

  let places = new Float32Array();
  let at = -1; // the point under the mouse, or reached with the arrow keys

  const put = (mark, i) => {
    const shown = i >= 0 && 2 * i < places.length;
    mark.hidden = !shown;
    mark.style.display = shown ? "" : "none";
    if (shown) Object.assign(mark.style, { left: `${100 * places[2 * i]}%`, top: `${100 * places[2 * i + 1]}%` });
  };
  const look = (i) => {
    at = i;
    put(next, i);
    said.textContent = i >= 0 ? model.get("titles")[i] : "";
  };
  // The point with the smallest cost(dx, dy), where dx and dy are CSS pixels from (x, y)
  const best = (x, y, cost) => {
    const { width, height } = picture.getBoundingClientRect();
    let found = -1, least = Infinity;
    for (let i = 0; 2 * i < places.length; i++) {
      const value = cost(places[2 * i] * width - x, places[2 * i + 1] * height - y);
      if (value < least) [found, least] = [i, value];
    }
    return found;
  };
  const pick = (i) => {
    if (i < 0) return;
    model.set("picked", i);
    model.save_changes();
  };
  const under = (event) => {
    const { left, top } = picture.getBoundingClientRect();
    return best(event.clientX - left, event.clientY - top, (dx, dy) => dx * dx + dy * dy);
  };

  frame.addEventListener("mousemove", (event) => look(under(event)));
  frame.addEventListener("mouseleave", () => look(-1));
  frame.addEventListener("click", (event) => pick(under(event)));
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") pick(at);
    else if (event.key in STEPS) {
      const [sx, sy] = STEPS[event.key];
      const { width, height } = picture.getBoundingClientRect();
      const from = at >= 0 ? at : model.get("picked");
      const [x, y] = from >= 0 ? [places[2 * from] * width, places[2 * from + 1] * height] : [width / 2, height / 2];
      const reached = best(x, y, (dx, dy) => {
        const along = dx * sx + dy * sy, across = Math.abs(dx * sy) + Math.abs(dy * sx);
        return along > 0.5 && across <= along ? along * along + across * across : Infinity;
      });
      if (reached >= 0) look(reached);
    } else return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would run the cell or move to another
  });

  let url = "";
  const drawn = () => {
    URL.revokeObjectURL(url);
    url = URL.createObjectURL(new Blob([model.get("png")], { type: "image/png" }));
    picture.src = url;
    picture.alt = model.get("alt");
    picture.width = model.get("width");
    box.setAttribute("aria-label", `${model.get("alt")} Arrow keys move between tracks, Enter picks one.`);
  };
  const placed = () => {
    const bytes = model.get("places"); // a DataView, not always aligned
    places = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    look(-1);
    put(ring, model.get("picked"));
  };
  model.on("change:png", drawn);
  model.on("change:places", placed);
  model.on("change:picked", () => put(ring, model.get("picked")));
  drawn();
  placed();
  return () => URL.revokeObjectURL(url);
}

export default { render };

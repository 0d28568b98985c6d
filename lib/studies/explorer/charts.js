// A track: its spectrogram, and its average spectrum with what a model decodes.
function render({ model, el }) {
  make("style", {}, el, STYLE + ".pictures image { image-rendering: pixelated; }");
  const box = make("div", { class: "pictures" }, el);
  let url = "";
  const draw = () => {
    const width = Math.min(Math.floor(el.clientWidth), 460), { spectrogram, spectrum } = model.get("track");
    if (width < 100 || !spectrum) return;
    box.replaceChildren();
    URL.revokeObjectURL(url);
    url = URL.createObjectURL(new Blob([spectrogram.png], { type: "image/png" }));
    const { seconds, bands, low, high } = spectrogram;
    const plot = axes(box, { width, height: 170, xs: [0, seconds], ys: [0, bands], x: "time, s", y: "mel band",
      title: `log-mel spectrogram, ${number(low)} to ${number(high)} dB`, about: spectrogram.about });
    make("image", { href: url, x: plot.left, y: plot.top, width: plot.right - plot.left, height: plot.bottom - plot.top,
      preserveAspectRatio: "none" }, plot.svg);
    const look = { width, at: spectrum.hz, log: true, x: "frequency, Hz", y: "dB",
      marks: [100, 300, 1000, 3000, 10000].filter((hz) => hz < Math.max(...spectrum.hz)).map((hz) => [Math.log2(hz), `${hz}`]) };
    lines(box, { ...look, height: 200, series: spectrum.lines, title: "average spectrum", about: spectrum.about });
    if (spectrum.difference) lines(box, { ...look, height: 140, series: [spectrum.difference], title: "difference", zero: true,
      about: spectrum.about });
  };
  model.on("change:track", draw);
  draw();
  const sizes = new ResizeObserver(draw);
  sizes.observe(el);
  return () => { sizes.disconnect(); URL.revokeObjectURL(url); };
}

export default { render };

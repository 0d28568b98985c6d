// Search over all pages: their sections stand as data in the search page, since a page that is a file may fetch nothing.
document.addEventListener("DOMContentLoaded", () => {
  const data = document.getElementById("sections");
  if (!data) return;
  const sections = JSON.parse(data.textContent), box = document.querySelector("main input"), status = document.querySelector("main output");
  const list = document.querySelector("main ol.results"), MOST = 40;
  const count = (text, word) => text.toLowerCase().split(word).length - 1;
  const add = (parent, name, text) => { const tag = document.createElement(name); tag.textContent = text; parent.append(tag); return tag; };
  const quote = (parent, text, words) => {
    const low = text.toLowerCase(), first = Math.min(...words.map((word) => low.indexOf(word)).filter((at) => at >= 0), text.length);
    let at = Math.max(0, Math.min(first, text.length - 200) - 60);
    const end = Math.min(text.length, at + 260);
    if (at) parent.append("… ");
    while (at < end) {
      const hits = words.map((word) => [low.indexOf(word, at), word]).filter(([place]) => place >= 0 && place < end).sort((a, b) => a[0] - b[0]);
      const [place, word] = hits[0] || [end, ""];
      parent.append(text.slice(at, place));
      if (word) add(parent, "mark", text.slice(place, place + word.length));
      at = place + word.length;
    }
    if (end < text.length) parent.append(" …");
  };
  const find = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = !words.length ? [] : sections.map((section) => {
      const hits = words.map((word) => 10 * count(section.heading, word) + count(section.text, word));
      return { section, hits: hits.every(Boolean) ? hits.reduce((a, b) => a + b, 0) : 0 };
    }).filter((one) => one.hits).sort((a, b) => b.hits - a.hits);
    status.textContent = words.length ? `${found.length || "no"} section${found.length === 1 ? "" : "s"}` : "";
    list.replaceChildren(...found.slice(0, MOST).map(({ section }) => {
      const item = document.createElement("li"), link = add(item, "a", section.heading);
      link.href = section.at;
      if (section.page !== section.heading) add(item, "small", ` ${section.page}`);
      quote(add(item, "p", ""), section.text, words);
      return item;
    }));
  };
  box.value = new URLSearchParams(location.search).get("q") || "";
  box.addEventListener("input", find);
  find();
});

// Light or dark, folding of code, and the current section. The pages read well without any of it.
(() => {
  const root = document.documentElement;
  const remember = (key, value) => { try { localStorage.setItem("latent-genre-" + key, value); } catch { /* private */ } };
  const recall = (key) => { try { return localStorage.getItem("latent-genre-" + key); } catch { return null; } };

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => { root.dataset.theme = recall("theme") || (dark.matches ? "dark" : "light"); };
  paint();
  dark.addEventListener("change", paint);

  // Headings sort their column; numbers by their value (of an interval by its mean), what is no number last.
  const sortable = (table) => {
    const body = table.tBodies[0], heads = [...(table.tHead ? table.tHead.rows[0].cells : [])];
    if (!body || body.rows.length < 3) return;
    const number = (text) => parseFloat(text.replace(/[−]/g, "-").replace(/[<>≤≥≈,\s]/g, ""));
    heads.forEach((head, column) => {
      const button = document.createElement("button"), text = (row) => row.cells[column].textContent.trim();
      Object.assign(button, { type: "button", className: "sort", title: "Sort by this column" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending", numeric = head.classList.contains("number");
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const order = (a, b) => {
          if (!numeric) return text(a).localeCompare(text(b), undefined, { numeric: true }) * (up ? 1 : -1);
          const [x, y] = [a, b].map((row) => number(text(row)));
          return Number.isNaN(x) || Number.isNaN(y) ? Number.isNaN(x) - Number.isNaN(y) : (x - y) * (up ? 1 : -1);
        };
        body.append(...[...body.rows].sort(order));
      });
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
      remember("theme", root.dataset.theme);
    });

    document.querySelectorAll("button.copy").forEach((copy) => copy.addEventListener("click", async () => {
      const said = copy.textContent;
      try { await navigator.clipboard.writeText(copy.dataset.copy); copy.textContent = "copied"; }
      catch { prompt("Copy:", copy.dataset.copy); } // where pages may not use the clipboard
      setTimeout(() => { copy.textContent = said; }, 2000);
    }));

    document.querySelectorAll("button.rows").forEach((rows) => rows.addEventListener("click", () => {
      const all = rows.parentElement.querySelector("table").classList.toggle("all"), said = rows.textContent;
      rows.setAttribute("aria-expanded", all);
      rows.textContent = all ? said.replace("Show all", "Hide rows of") : said.replace("Hide rows of", "Show all");
    }));
    document.querySelectorAll("figure.table table").forEach(sortable);

    const button = document.getElementById("code");
    const blocks = [...document.querySelectorAll("details.code")];
    const fold = (open) => {
      blocks.forEach((block) => { block.open = open; });
      button.textContent = open ? "Hide code" : "Show code";
      button.setAttribute("aria-pressed", open);
    };
    if (button) {
      button.addEventListener("click", () => {
        const open = button.getAttribute("aria-pressed") !== "true";
        fold(open);
        remember("code", open ? "open" : "");
      });
      if (recall("code")) fold(true);
      button.hidden = blocks.length === 0;
    }

    const contents = [...document.querySelectorAll(".toc details")];
    const narrow = matchMedia("(max-width: 62rem)");
    if (!contents.length) return;
    const fit = () => { contents.forEach((block) => { block.open = !narrow.matches; }); };
    fit();
    narrow.addEventListener("change", fit);

    const links = [...document.querySelectorAll(".toc a")];
    const headings = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
    let waiting = false;
    const mark = () => {
      waiting = false;
      let current = headings.findLastIndex((heading) => heading.getBoundingClientRect().top < 120);
      if (scrollY > 0 && innerHeight + scrollY >= document.body.scrollHeight - 2) current = headings.length - 1;
      links.forEach((link, i) => {
        if (i === Math.max(current, 0)) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      });
    };
    addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(mark); } }, { passive: true });
    mark();
  });
})();

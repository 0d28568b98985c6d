// Light or dark, folding of code, and the current section. The pages read well without any of it.
(() => {
  const root = document.documentElement;
  const remember = (key, value) => { try { localStorage.setItem("latent-genre-" + key, value); } catch { /* private */ } };
  const recall = (key) => { try { return localStorage.getItem("latent-genre-" + key); } catch { return null; } };

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => { root.dataset.theme = recall("theme") || (dark.matches ? "dark" : "light"); };
  paint();
  dark.addEventListener("change", paint);

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
      remember("theme", root.dataset.theme);
    });

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

    const contents = document.querySelector(".toc details");
    const narrow = matchMedia("(max-width: 62rem)");
    if (!contents) return;
    const fit = () => { contents.open = !narrow.matches; };
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

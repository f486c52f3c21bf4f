// Every page: keys, help, moving through hits. Searching works without it.
"use strict";
document.documentElement.classList.add("js");

document.addEventListener("DOMContentLoaded", () => {
  const $ = (id) => document.getElementById(id);
  const reduced = matchMedia("(prefers-reduced-motion: reduce)").matches;

  let silence;
  window.say = (text) => {
    const said = $("said");
    said.textContent = text;
    clearTimeout(silence);
    silence = setTimeout(() => { said.textContent = ""; }, 2500);
  };

  const help = $("help");
  const showHelp = () => { if (!help.open) help.showModal(); };
  $("help-open").addEventListener("click", showHelp);
  $("help-close").addEventListener("click", () => help.close());
  help.addEventListener("click", (event) => { if (event.target === help) help.close(); });

  // A chip acts at once; what is empty does not clutter the address.
  const form = $("search");
  if (form) {
    const drop = () => {
      for (const field of form.elements) {
        if (field.name && field.name !== "q" && !field.value) field.disabled = true;
      }
      setTimeout(() => { for (const field of form.elements) field.disabled = false; }, 500);
    };
    form.addEventListener("submit", drop);
    for (const field of form.elements) {
      const chip = field.type === "checkbox" || field.type === "date";
      if (chip) field.addEventListener("change", () => {
        if (field.type === "checkbox" || document.activeElement !== field || !field.value) form.requestSubmit();
      });
      if (field.type === "date") field.addEventListener("blur", () => {
        if (field.value !== field.defaultValue) form.requestSubmit();
      });
    }
  }
  // After going back, the browser would show chips as they were clicked, not as they are.
  addEventListener("pageshow", (event) => { if (event.persisted && form) form.reset(); });

  const hits = [...document.querySelectorAll("#hits .hit")];
  let at = -1;
  const go = (step) => {
    const focused = hits.indexOf(document.activeElement);
    at = Math.min(hits.length - 1, Math.max(0, (focused >= 0 ? focused : at) + step));
    hits.forEach((hit, index) => hit.classList.toggle("lit", index === at));
    hits[at].focus({ preventScroll: true });
    hits[at].scrollIntoView({ block: "center", behavior: reduced ? "auto" : "smooth" });
  };

  window.typing = (event) => {
    const where = event.target;
    return event.ctrlKey || event.metaKey || event.altKey || help.open
      || where.isContentEditable || (/^(INPUT|TEXTAREA|SELECT)$/.test(where.tagName) && where.type !== "checkbox");
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.type === "search") event.target.blur();
    if (window.typing(event)) return;
    if (event.key === "/") {
      event.preventDefault();
      const box = $("q") || $("within");
      box.focus();
      box.select();
    } else if (event.key === "?") {
      event.preventDefault();
      showHelp();
    } else if (hits.length && (event.key === "n" || event.key === "p")) {
      event.preventDefault();
      go(event.key === "n" ? 1 : -1);
    }
  });

  // The status page keeps itself up to date while work goes on and somebody looks.
  const status = $("status");
  if (status && status.dataset.pending) {
    setInterval(async () => {
      if (document.hidden || status.contains(document.activeElement)) return;
      try {
        const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
        if (!answer.ok) return;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById("status");
        if (fresh) status.replaceChildren(...fresh.childNodes);
      } catch { /* the server is away for a moment; the next round tries again */ }
    }, 8000);
  }
});

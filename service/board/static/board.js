// The board without this file: pages, links and forms. With it: the page renews itself, and has keys.
(() => {
  "use strict";
  const EVERY = 5000, $ = (id) => document.getElementById(id);
  let paused = false, went = "", wentAt = 0;

  const clock = () => {
    const parts = new Intl.DateTimeFormat("en-GB", {timeZone: "Asia/Seoul", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23"}).formatToParts(new Date());
    const of = (kind) => parts.find((each) => each.type === kind).value;
    if ($("clock")) { $("clock").textContent = `${of("hour")}:${of("minute")}`; $("date").textContent = `${of("month")}-${of("day")}`; }
  };

  const lost = (is) => {
    const bar = $("lost");
    if (!bar) return;
    if (is && bar.hidden) bar.textContent = bar.dataset.text.replace("{time}", ($("taken").textContent.match(/[\d:]{8}/) || ["?"])[0] + " KST");
    bar.hidden = !is;
  };

  const busy = () => document.querySelector("details.more[open]") || $("keys")?.open;

  const renew = () => {
    if (paused || document.hidden || busy() || !$("board")) return;
    if ($("board").classList.contains("none")) { location.reload(); return; }
    htmx.ajax("GET", location.pathname + location.search, {target: "#board", swap: "outerMorph"}).catch(() => lost(true));
  };

  document.addEventListener("htmx:before:response", (event) => {
    const response = event.detail.ctx.response, taken = response.headers.get("X-Taken-At");
    lost(response.status >= 400);
    if (response.status >= 400) { event.preventDefault(); return; }
    if (taken && $("taken")) $("taken").textContent = $("taken").textContent.replace(/\d\d:\d\d:\d\d/, taken);
  });
  document.addEventListener("htmx:error", () => lost(true));
  document.addEventListener("htmx:after:swap", () => {
    const board = $("board"), act = document.querySelector("#h-act .number");
    for (const each of ["fresh", "aging", "stale"]) $("taken").classList.toggle(each, board.classList.contains(each));
    if (act) document.title = document.title.replace(/^(\(\d+\) )?/, act.textContent === "0" ? "" : `(${act.textContent}) `);
  });

  const cases = () => [...document.querySelectorAll("a.case")].filter((each) => each.offsetParent);
  const here = () => document.activeElement?.closest?.("a.case") || document.activeElement?.closest?.("article, tr")?.querySelector("a.case") || document.querySelector("a.case[aria-current]");
  const move = (by) => {
    const every = cases(), at = every.indexOf(here());
    const next = every[at < 0 ? 0 : Math.min(Math.max(at + by, 0), every.length - 1)];
    if (next) { next.focus(); next.scrollIntoView({block: "nearest"}); }
  };
  const open = (verb) => {
    const found = here();
    if (found) location.assign(`/do/${verb}?` + new URLSearchParams({feed: found.dataset.feed, day: found.dataset.day}));
  };
  const go = (page) => document.querySelector(`nav a[data-page="${page}"]`)?.click();
  const pause = () => { paused = !paused; if ($("paused")) $("paused").hidden = !paused; };

  const KEYS = {
    j: () => move(1), k: () => move(-1), "/": () => $("search")?.focus(), p: pause, "?": () => $("keys")?.showModal(),
    h: () => open("hold"), f: () => open("free"), r: () => open("rerun"), x: () => open("kill"),
  };
  const PAGES = {t: "tonight", q: "quarantine", a: "audit", c: "calendar"};
  const off = () => localStorage.getItem("feedfall-keys") === "off";

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || $("keys")?.open) return;
    if (event.target.closest("input, textarea, select")) { if (event.key === "Escape") event.target.blur(); return; }
    if (off()) return;
    const second = went === "g" && Date.now() - wentAt < 1500;
    went = event.key; wentAt = Date.now();
    if (second && PAGES[event.key]) { event.preventDefault(); go(PAGES[event.key]); return; }
    const act = KEYS[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  document.addEventListener("DOMContentLoaded", () => {
    const say = () => { const t = $("keys-toggle"); if (t) t.textContent = off() ? t.dataset.on : t.dataset.off; };
    if ($("keys-open")) { $("keys-open").hidden = false; $("keys-open").addEventListener("click", () => $("keys").showModal()); }
    $("keys-toggle")?.addEventListener("click", () => { localStorage.setItem("feedfall-keys", off() ? "on" : "off"); say(); });
    const now = document.querySelector("line.now"), lanes = now?.closest(".scroll");
    if (lanes) lanes.scrollLeft = Number(now.getAttribute("x1")) - lanes.clientWidth / 2;
    say(); clock(); setInterval(clock, 1000); setInterval(renew, EVERY);
  });
})();

// What the pages do beside being read: count down by the shop's clock, show what is left as it changes, and look again when
// something is to be decided. Everything else works without.
(() => {
  "use strict";
  const all = (selector, of = document) => of.querySelectorAll(selector);
  // The page's language, as this shopper's country writes it where that is known.
  const language = navigator.languages.find((l) => l.split("-")[0] === document.documentElement.lang) || document.documentElement.lang;

  // How far the shop's clock is ahead of this machine's: a page made for one shopper says it by its Server-Timing, and the
  // live line of a sale before anything else.
  const navigation = performance.getEntriesByType("navigation")[0];
  const stamp = navigation && navigation.serverTiming && [...navigation.serverTiming].find((t) => t.name === "now");
  let ahead = stamp ? stamp.duration - (performance.timeOrigin + navigation.responseStart) : 0;
  const now = () => Date.now() + ahead;

  const twoDigits = (n) => String(n).padStart(2, "0");
  const span = (ms) => {
    const s = Math.max(0, Math.ceil(ms / 1000));
    const days = Math.floor(s / 86400);
    const parts = [Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60, s % 60].map(twoDigits);
    const rest = (s < 3600 ? parts.slice(1) : parts).join(":");
    return days > 0 ? new Intl.NumberFormat(language, { style: "unit", unit: "day", unitDisplay: "narrow" }).format(days) + " " + rest : rest;
  };

  // Moments are written in the shop's zone, and in the reader's own where they have chosen it: the zone is always named.
  const shopZone = document.body.dataset.zone;
  const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  let own = false;
  try { own = localStorage.getItem("zone") === "own" && ownZone !== shopZone; } catch { /* nothing is kept here */ }
  const localise = (of) => {
    for (const t of all("time[datetime]", of)) t.dataset.shop ??= t.textContent;
    if (!own) {
      for (const t of all("time[datetime]", of)) t.textContent = t.dataset.shop;
      return;
    }
    const day = { day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", hour12: false, timeZoneName: "short" };
    const whole = new Intl.DateTimeFormat(language, day);
    const exact = new Intl.DateTimeFormat(language, { ...day, second: "2-digit" });
    const short = new Intl.DateTimeFormat(language, { ...day, month: "short" });
    for (const t of all("time[datetime]", of)) {
      const at = new Date(t.dateTime);
      t.textContent = ("short" in t.dataset ? short : at.getSeconds() ? exact : whole).format(at);
    }
  };

  const zones = document.querySelector("[data-zones]");
  if (zones && ownZone !== shopZone) {
    const button = zones.querySelector("button");
    const name = () => { button.textContent = own ? button.dataset.own : button.dataset.shop; };
    button.addEventListener("click", () => {
      own = !own;
      try { localStorage.setItem("zone", own ? "own" : "shop"); } catch { /* for this page alone, then */ }
      name();
      localise(document);
      document.dispatchEvent(new Event("zone"));
    });
    name();
    zones.hidden = false;
  }

  // A sale: its phase is the clock's to say between two messages.
  const sale = document.querySelector("[data-sale]");
  const items = sale ? [...all("[data-item]", sale)] : [];
  let paused = sale && sale.dataset.phase === "paused";
  let over = sale && sale.dataset.phase === "ended";
  const phaseNow = () => {
    if (over || now() >= Number(sale.dataset.ends)) return "ended";
    if (now() < Number(sale.dataset.starts)) return "scheduled";
    return paused ? "paused" : "live";
  };
  const show = () => {
    const phase = phaseNow();
    if (phase !== sale.dataset.phase) {
      sale.dataset.phase = phase;
      const say = sale.querySelector("[data-say]");
      if (say && say.dataset[phase]) say.textContent = say.dataset[phase];
    }
    for (const item of items) {
      const mine = item.dataset.mine;
      let state = phase;
      if (mine === "waiting") state = mine;
      else if (phase === "live") state = mine || ("sold" in item.dataset ? "soldout" : "live");
      const act = item.querySelector("[data-state]");
      if (act.dataset.state !== state) act.dataset.state = state;
    }
  };
  const hear = (text) => {
    const m = JSON.parse(text);
    paused = m.phase === "paused";
    over = m.phase === "ended";
    sale.dataset.heard = "";
    sale.toggleAttribute("data-gone", Boolean(m.gone)); // a process of the version before does not say it
    sale.dataset.starts = m.starts;
    sale.dataset.ends = m.ends;
    for (const item of items) {
      const left = m.items[item.dataset.item];
      if (!left) continue;
      item.querySelector("[data-left]").textContent = left.text;
      item.querySelector("progress").value = left.share;
      if (left.sold) item.dataset.sold = "";
      else delete item.dataset.sold;
    }
    show();
  };
  const listen = (address) => {
    const source = new EventSource(address + "/live");
    source.addEventListener("clock", (e) => { ahead = Number(e.data) - Date.now(); });
    source.onmessage = (e) => hear(e.data);
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return; // it comes back by itself
      const ask = async () => {
        try {
          const answer = await fetch(address + "/now");
          if (answer.ok) {
            ahead = Number((answer.headers.get("Server-Timing") || "").split("dur=")[1]) - Date.now() || ahead;
            hear(await answer.text());
          }
        } catch { /* away for the moment: asked again */ }
        setTimeout(ask, 4000 + Math.random() * 4000);
      };
      ask();
    };
  };

  // An order that is not decided yet: asked after soon at first, then less often, and at once when its time is over.
  const opened = Date.now();
  let asked = Date.now();
  const watchOrder = () => {
    const order = document.querySelector("[data-order]");
    if (!order || !window.htmx || !["pending", "undecided", "queued"].includes(order.dataset.status)) return;
    const timer = order.querySelector("[data-until]");
    const due = timer && now() >= Number(timer.dataset.until);
    const every = due || Date.now() - opened < 20000 ? 1000 : 10000;
    if (document.hidden || Date.now() - asked < every) return;
    asked = Date.now();
    window.htmx.trigger(order, "look");
  };

  const tick = () => {
    if (sale) show();
    for (const t of all("[data-until], [data-until-phase]")) {
      let until = Number(t.dataset.until);
      if ("untilPhase" in t.dataset) until = Number(sale.dataset.phase === "scheduled" ? sale.dataset.starts : sale.dataset.ends);
      const text = span(until - now());
      if (t.textContent !== text) t.textContent = text;
    }
    // A sale on another page has opened or ended: that page is made anew.
    for (const drop of all("[data-drop]")) {
      const next = Number(drop.dataset.phase === "scheduled" ? drop.dataset.starts : drop.dataset.ends);
      if (now() >= next && !drop.dataset.gone) {
        drop.dataset.gone = "1";
        setTimeout(() => { leaving ? delete drop.dataset.gone : location.reload(); }, 300 + Math.random() * 1500);
      }
    }
    watchOrder();
    setTimeout(tick, 1000 - ((now() % 1000) + 1000) % 1000 + 5);
  };

  // Whoever has pressed something is on their way: the page does not go elsewhere under their hand.
  let leaving = false;
  document.addEventListener("click", (e) => {
    if (!e.target.closest("a[href], button")) return;
    leaving = true;
    setTimeout(() => { leaving = false; }, 10000); // it may have been for another tab
  });

  // A form that is on its way is not sent twice; where it is all the same, its key makes it one order.
  document.addEventListener("submit", (e) => {
    const form = e.target;
    if (!("once" in form.dataset)) return;
    if ("busy" in form.dataset) e.preventDefault();
    else form.dataset.busy = "";
  });
  window.addEventListener("pageshow", (e) => {
    leaving = false;
    for (const form of all("[data-busy]")) delete form.dataset.busy;
    // A page out of the browser's memory may be older than what was done since.
    if (e.persisted) location.reload();
  });
  document.addEventListener("htmx:afterSwap", (e) => { localise(e.detail.target || document); localise(document); });

  localise(document);
  tick();
  if (sale && sale.dataset.phase !== "ended") listen("/sales/" + sale.dataset.sale);
})();

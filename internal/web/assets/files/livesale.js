// The page of a live sale: draws each second that the server sends.
(() => {
  "use strict";
  const page = document.querySelector("[data-live-sale]");
  if (!page) return;
  const keep = 3600; // points in the plots; of more, every other old one goes
  const language = document.documentElement.lang;
  const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
  const fine = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const time = new Intl.NumberFormat(language, { maximumSignificantDigits: 3 });
  let clock;
  const setClock = () => {
    let own = false;
    try { own = localStorage.getItem("zone") === "own"; } catch { /* nothing is kept here */ }
    const timeZone = own ? undefined : document.body.dataset.zone;
    const form = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
    try { clock = new Intl.DateTimeFormat(language, { ...form, timeZone }); }
    catch { clock = new Intl.DateTimeFormat(language, { ...form, timeZone: "UTC" }); } // a zone that this browser does not know
  };
  setClock();
  const moneys = {};
  const money = (currency) => (moneys[currency] ||= new Intl.NumberFormat(language, { style: "currency", currency }));
  const $ = (s) => page.querySelector(s);
  const at = (m, path) => path.split(".").reduce((o, k) => o[k], m);
  const orders = $("[data-last]").dataset.orders; // where orders are, for who may see them
  const words = Object.fromEntries($("[data-last]").dataset.statuses.split("|").map((s) => s.split("=")));

  // Plots, in the colours of the scheme that is on.
  const rows = [];
  const series = {
    stock: (m) => [m.sold, m.reserved, m.left],
    rates: (m) => [m.rates.created, m.rates.sold_out, m.rates.failed],
    latency: (m) => [m.rates.p50_ms, m.rates.p99_ms],
    commit: (m) => [m.rates.batch_orders, m.rates.commit_ms],
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let plots = [];
  // Axes: at least a minute, so that a first second is not a row of equal times; counts in whole steps.
  const atLeastAMinute = (u, from, to) => to == null ? [0, 60] : [Math.min(from, to - 60), to];
  const wholeSteps = [];
  for (let n = 1; n <= 1e12; n *= 10) wholeSteps.push(n, 2 * n, 5 * n);
  const draw = () => {
    for (const p of plots) p.plot.destroy();
    const d = dark.matches;
    const ink = d ? "#a3ada7" : "#5b6560", line = d ? "#2e3733" : "#e2dfd5";
    const [tide, sand, alarm] = d ? ["#5fcdbd", "#d9b36c", "#ffab8a"] : ["#0d6b63", "#a0741a", "#9c3415"];
    plots = [...page.querySelectorAll("[data-plot]")].map((box) => {
      const names = box.dataset.names.split("|");
      const colours = [tide, sand, box.dataset.plot === "rates" ? alarm : ink]; // what is left is no failure
      const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
      // What the lines are, and how much: where somebody points, or else now.
      const legend = document.createElement("ul");
      legend.className = "legend";
      const values = names.map((name, i) => {
        const item = document.createElement("li"), mark = document.createElement("i"), value = document.createElement("b");
        mark.style.background = colours[i];
        item.append(mark, name + " ", value);
        legend.append(item);
        return value;
      });
      const tell = (u) => {
        const at = u.cursor.left >= 0 ? u.cursor.idx : u.data[0].length - 1;
        values.forEach((value, i) => {
          const n = u.data[i + 1][at];
          const text = n == null ? "–" : fine.format(n);
          if (value.textContent !== text) value.textContent = text;
        });
      };
      const plot = new uPlot({
        width: Math.max(200, box.clientWidth), height: 190, cursor: { points: { show: false } }, legend: { show: false },
        scales: { x: { range: atLeastAMinute }, y: { range: (u, lo, hi) => [0, Math.max(1, hi * 1.1)] } },
        axes: [{ ...axis, size: 32, values: (u, v) => v.map((s) => clock.format(s * 1000)), space: 90 }, box.dataset.plot === "latency" || box.dataset.plot === "commit"
          ? { ...axis, size: 56, values: (u, v) => v.map((n) => fine.format(n)) }
          : { ...axis, size: 56, incrs: wholeSteps, values: (u, v) => v.map((n) => whole.format(n)) }],
        series: [{}].concat(names.map((label, i) => ({ label, stroke: colours[i], width: 2, points: { show: false } }))),
        hooks: { setCursor: [tell] },
      }, [[], ...names.map(() => [])], box);
      box.querySelector(".legend")?.remove();
      box.append(legend);
      return { of: series[box.dataset.plot], plot, tell };
    });
    fill();
  };
  const fill = () => {
    for (const p of plots) {
      const columns = rows.map(p.of);
      p.plot.setData([rows.map((m) => m.at / 1000), ...p.plot.series.slice(1).map((_, i) => columns.map((c) => c[i]))]);
      p.tell(p.plot);
    }
  };

  const cell = (row, text, number) => {
    const c = row.insertCell();
    c.textContent = text;
    if (number) c.className = "n";
  };
  const show = (m) => {
    // The page may know better than the second before it: right after the operator's hand it does.
    if (m.at >= Number(page.dataset.at)) {
      page.dataset.phase = m.phase;
      const timer = $("[data-clock]");
      timer.dataset.starts = m.starts;
      timer.dataset.ends = m.ends;
    }
    m.drift = m.gate === null ? null : m.gate - m.left; // null: the gate does not know
    for (const n of page.querySelectorAll("[data-n]")) {
      const value = at(m, n.dataset.n);
      const text = value === null ? "–" : "ms" in n.dataset ? (value > 0 ? time.format(value) + " ms" : "–") : whole.format(value);
      if (n.textContent !== text) n.textContent = text;
      if ("alarm" in n.dataset) n.classList.toggle("on", value > 0);
    }
    const items = document.createElement("tbody"), last = document.createElement("tbody");
    for (const i of m.items) {
      const r = items.insertRow();
      cell(r, i.name);
      r.cells[0].title = i.code;
      for (const n of [i.sold, i.reserved, i.left]) cell(r, whole.format(n), true);
    }
    for (const o of m.last) {
      const r = last.insertRow();
      cell(r, clock.format(o.at));
      cell(r, o.id);
      if (orders) {
        const link = document.createElement("a");
        link.href = orders + o.id;
        link.append(...r.cells[1].childNodes);
        r.cells[1].append(link);
      }
      cell(r, whole.format(o.units), true);
      cell(r, money(o.currency).format(o.total), true);
      cell(r, words[o.status] || o.status);
    }
    $("[data-items]").replaceChildren(...items.rows);
    $("[data-last]").replaceChildren(...last.rows);
  };

  const two = (n) => String(n).padStart(2, "0");
  setInterval(() => {
    const timer = $("[data-clock]"), now = Date.now();
    const until = Number(now < Number(timer.dataset.starts) ? timer.dataset.starts : timer.dataset.ends);
    const s = Math.max(0, Math.round((until - now) / 1000));
    timer.textContent = (s >= 3600 ? two(Math.floor(s / 3600)) + ":" : "") + two(Math.floor(s / 60) % 60) + ":" + two(s % 60);
  }, 1000);

  draw();
  dark.addEventListener("change", draw);
  document.addEventListener("zone", () => { setClock(); draw(); });
  let resizing;
  addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(draw, 200); });
  const source = new EventSource("/console/live-sales/" + page.dataset.liveSale + "/live");
  let waiting;
  // The sale so far, at every connection: nothing is lost by leaving the page, or the network.
  source.addEventListener("history", (e) => {
    rows.length = 0;
    for (const [at, sold, reserved, left, created, sold_out, failed, p50_ms, p99_ms, batch_orders, commit_ms] of JSON.parse(e.data) || [])
      rows.push({ at, sold, reserved, left, rates: { created, sold_out, failed, p50_ms, p99_ms, batch_orders, commit_ms } });
    $("[data-away]").hidden = true;
    fill();
    page.dataset.points = rows.length;
  });
  source.onmessage = (e) => {
    const m = JSON.parse(e.data);
    if (!rows.length || m.at > rows[rows.length - 1].at) rows.push(m);
    if (rows.length > keep) rows.splice(0, rows.length, ...rows.filter((_, i) => i % 2 || i > keep / 2));
    $("[data-away]").hidden = true;
    // What is told at once is drawn once.
    clearTimeout(waiting);
    waiting = setTimeout(() => { show(m); fill(); page.dataset.heard = ""; }, 20);
  };
  source.onerror = () => { $("[data-away]").hidden = false; };
})();

"use strict";
// Draws what jobs.json says, once a second. Names come from jobs: they are only ever
// set as text.
const cards = new Map();

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const number = (v) => v.toLocaleString("en", { maximumFractionDigits: 0 });
const percent = (v) => (100 * v).toFixed(1) + "%";

function facts(list, pairs) {
  list.replaceChildren(...pairs.map(([name, value]) => {
    const div = document.createElement("div");
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name;
    dd.textContent = value;
    div.append(dt, dd);
    return div;
  }));
}

// canvas prepares a canvas for drawing in CSS pixels.
function canvas(card, name, label) {
  const c = card.querySelector("canvas." + name);
  const scale = window.devicePixelRatio || 1, width = c.clientWidth, height = c.clientHeight;
  c.width = width * scale;
  c.height = height * scale;
  c.setAttribute("aria-label", label);
  const g = c.getContext("2d");
  g.scale(scale, scale);
  g.font = "11px system-ui, sans-serif";
  return { g, width, height };
}

function drawBusy(card, job) {
  const known = job.busy.filter((b) => b !== null);
  const { g, width, height } = canvas(card, "busy", `${known.length} of ${job.workers} workers measured, busiest ${percent(Math.max(0, ...known))}`);
  const left = 34, bottom = 16, step = (width - left) / job.workers, tall = height - bottom - 4;
  g.fillStyle = color("--dim");
  g.textAlign = "right";
  for (const v of [0, 0.5, 1]) g.fillText(percent(v).replace(".0", ""), left - 4, height - bottom - v * tall + 4);
  g.textAlign = "left";
  g.fillText("worker 0", left, height - 3);
  g.textAlign = "right";
  g.fillText(String(job.workers - 1), width, height - 3);
  job.busy.forEach((b, i) => {
    g.fillStyle = b === null ? color("--none") : b >= 0.95 ? color("--hot") : color("--bar");
    const h = b === null ? 2 : Math.max(1, b * tall);
    g.fillRect(left + i * step, height - bottom - h, Math.max(1, step - (step > 4 ? 1 : 0)), h);
    if (job.cpu[i] !== null) { // of the time that it was busy, its thread was on a core
      g.fillStyle = color("--text");
      g.fillRect(left + i * step, height - bottom - Math.min(1, job.cpu[i]) * tall, Math.max(1, step - 1), 1.5);
    }
  });
  if (known.length > 0) {
    const mean = height - bottom - tall * known.reduce((sum, b) => sum + b, 0) / known.length;
    g.strokeStyle = color("--text");
    g.setLineDash([4, 3]);
    g.beginPath();
    g.moveTo(left, mean);
    g.lineTo(width, mean);
    g.stroke();
    g.setLineDash([]);
  }
}

// recent is how many windows the scale of imbalances goes by.
const recent = 60;

function drawImbalance(card, job) {
  const values = job.imbalance, last = values.at(-1) ?? 0;
  const { g, width, height } = canvas(card, "imbalance", `imbalance ${last.toFixed(3)}`);
  const left = 34, bottom = 16, tall = height - bottom - 8, peak = Math.max(0, ...values);
  // The latest windows make the scale: a job's first ones may be worse by far.
  const top = Math.max(0.1, 1.2 * Math.max(...values.slice(-recent)));
  g.fillStyle = color("--dim");
  g.textAlign = "right";
  g.fillText(top.toFixed(2), left - 4, 14);
  g.fillText("0", left - 4, height - bottom + 4);
  g.textAlign = "left";
  g.fillText(`last ${values.length} windows; now ${last.toFixed(3)}, at most ${peak.toFixed(2)}`, left, height - 3);
  g.strokeStyle = color("--line");
  g.strokeRect(left, 8, width - left - 1, tall);
  g.strokeStyle = color("--bar");
  g.lineWidth = 1.5;
  g.beginPath();
  values.forEach((v, i) => {
    const x = left + (width - left - 1) * (values.length > 1 ? i / (values.length - 1) : 1);
    g.lineTo(x, 8 + tall * (1 - Math.min(1, v / top)));
  });
  g.stroke();
}

function drawRoute(card, job) {
  const most = Math.max(...job.slot_share, 1e-9);
  const rows = job.hot.map((k) => [k.name, k.route]).concat([["others", job.slot_share.map((v) => v / most)]]);
  const { g, width, height } = canvas(card, "route", `version ${job.version}, ${job.hot.length} hot keys over ${job.workers} workers`);
  const left = Math.min(120, width / 4), high = (height - 14) / rows.length, step = (width - left) / job.workers;
  rows.forEach(([name, shares], y) => {
    g.fillStyle = color("--dim");
    g.textAlign = "right";
    g.fillText(name.length > 16 ? name.slice(0, 15) + "…" : name, left - 6, y * high + high / 2 + 4);
    shares.forEach((v, x) => {
      g.globalAlpha = 1;
      g.fillStyle = color("--line");
      g.fillRect(left + x * step, y * high, step, high - 1);
      g.globalAlpha = v > 0 ? 0.25 + 0.75 * Math.min(1, v) : 0;
      g.fillStyle = y === rows.length - 1 ? color("--bar") : color("--hot");
      g.fillRect(left + x * step, y * high, Math.max(1, step - (step > 4 ? 1 : 0)), high - 1);
    });
    g.globalAlpha = 1;
  });
  g.fillStyle = color("--dim");
  g.textAlign = "left";
  g.fillText("worker 0", left, height - 2);
  g.textAlign = "right";
  g.fillText(String(job.workers - 1), width, height - 2);
}

function drawKeys(card, job) {
  card.querySelector("tbody").replaceChildren(...job.hot.map((k) => {
    const row = document.createElement("tr");
    for (const text of [k.name, percent(k.share), k.fan_out === 0 ? "-" : String(k.fan_out)]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    return row;
  }));
}

function draw(card, job) {
  card.querySelector("h2").textContent = job.job;
  card.classList.toggle("left", job.streams === 0);
  const model = card.querySelector(".model");
  model.classList.toggle("analytic", job.analytic !== "");
  model.textContent = job.analytic === "" ? `decided by ${job.model}, generation ${job.generation}` : `routes are analytic: ${job.analytic}`;
  if (job.streams === 0) model.textContent = "nobody is attached any more; " + model.textContent;
  facts(card.querySelector(".facts"), [
    ["workers", number(job.workers)], ["streams", number(job.streams)], ["records/s", number(job.rate)],
    ["windows", number(job.windows)], ["new routes", number(job.routes)], ["route version", number(job.version)],
    ["blocked", `${(100 * job.blocked).toFixed(1)} %`], ["fallbacks", number(job.fallbacks)], ["late decisions", number(job.late)], ["lost policies", number(job.lost)], ["incomplete", number(job.incomplete)],
    ["late reports", number(job.reports.late)], ["imbalance", (job.imbalance.at(-1) ?? 0).toFixed(3)],
  ]);
  drawBusy(card, job);
  drawImbalance(card, job);
  drawRoute(card, job);
  drawKeys(card, job);
}

function show(state) {
  facts(document.getElementById("server"), [
    ["server", state.server], ["model", `${state.model} ${state.digest} (generation ${state.generation})`],
    ["jobs", state.all_jobs > state.jobs.length ? `the first ${state.jobs.length} of ${number(state.all_jobs)}` : number(state.all_jobs)], ["up", number(state.uptime) + " s"], ["state", state.ready ? "ready" : "draining"],
  ]);
  const main = document.getElementById("jobs"), seen = new Set();
  for (const job of state.jobs) {
    seen.add(job.job);
    if (!cards.has(job.job)) {
      const card = document.getElementById("job").content.firstElementChild.cloneNode(true);
      cards.set(job.job, card);
      main.append(card);
    }
    draw(cards.get(job.job), job);
  }
  for (const [name, card] of cards) {
    if (!seen.has(name)) {
      card.remove();
      cards.delete(name);
    }
  }
  main.querySelector(".none").hidden = seen.size > 0;
}

async function refresh() {
  const lost = document.getElementById("lost");
  try {
    const answer = await fetch("jobs.json", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    show(await answer.json());
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
  setTimeout(refresh, 1000);
}

refresh();

// Arrived against expected, and the curve of today beside yesterday's.

import { bar, byId, el, keyed, setText, show } from "./dom.js";
import { isKnown, minute, number, percent } from "./format.js";
import { onLanguage, t } from "./words.js";

const ROWS = 5;
const WIDTH = 400;
const HEIGHT = 100;
const FOOT = 16;

function group() {
  const name = el("span", { class: "group-name", dir: "auto" });
  // Arrived stands before expected in both languages, as lanes do.
  const counts = el("bdi", { dir: "ltr" });
  const load = bar();
  const node = el("li", {}, name, el("span", { class: "counts" }, counts), load.node);
  function update(row) {
    setText(name, row.name || t("no-name"));
    setText(counts, `${number(row.arrived)} / ${number(row.expected)}`);
    load.fill(row.expected > 0 ? row.arrived / row.expected : 0);
  }
  return { node, update };
}

/** The largest groups; the others in one row. */
function largest(rows) {
  const sorted = [...(rows ?? [])].sort((a, b) => (b.expected ?? 0) - (a.expected ?? 0));
  if (sorted.length <= ROWS) return sorted;
  const rest = sorted.slice(ROWS - 1);
  const sum = (key) => rest.reduce((total, row) => total + (row[key] ?? 0), 0);
  const other = { name: t("more", { n: number(rest.length) }), arrived: sum("arrived"), expected: sum("expected") };
  return [...sorted.slice(0, ROWS - 1), other];
}

/** Draws groups by their place: several passes may have no name. Groups that all have none say nothing. */
function drawGroups(id, rows) {
  keyed(byId(id), rows.map((row, index) => ({ ...row, index })), (row) => row.index, group);
  show(byId(id).parentNode, rows.some((row) => row.name));
}

let chart = null;

function makeChart() {
  const area = el("path", { class: "today" });
  const before = el("polyline", { class: "yesterday" });
  const peak = el("circle", { class: "peak", r: 4 });
  const base = el("line", { class: "base", x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT });
  const hours = el("g", { class: "hours" });
  const node = el(
    "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + FOOT}`, role: "img", dir: "ltr", class: "curve" },
    base, area, before, peak, hours,
  );
  byId("curve").append(node);
  onLanguage(() => node.setAttribute("aria-label", t("curve")));
  return { node, area, before, peak, hours };
}

function drawCurve(part, state) {
  chart ??= makeChart();
  const today = part.today ?? [];
  const yesterday = part.yesterday ?? [];
  // The whole day is drawn: the part without a curve is still to come.
  const dayS = (Date.parse(state.event?.day_end) - Date.parse(state.event?.day_start)) / 1000;
  const steps = Math.max(today.length, yesterday.length, Math.round(dayS / part.step_s) || 0, 2);
  const top = Math.max(1, ...today.map((n) => n ?? 0), ...yesterday.map((n) => n ?? 0));
  const x = (index) => ((index * WIDTH) / steps).toFixed(1);
  const y = (count) => (HEIGHT - ((HEIGHT - 8) * count) / top).toFixed(1);
  let path = "";
  let last = -1;
  today.forEach((count, index) => {
    if (!isKnown(count)) return;
    path += `${path ? "L" : `M${x(index)},${HEIGHT}L`}${x(index)},${y(count)}L${x(index + 1)},${y(count)}`;
    last = index;
  });
  chart.area.setAttribute("d", path ? `${path}L${x(last + 1)},${HEIGHT}Z` : "");
  const middle = 0.5;
  const line = yesterday.map((count, index) => (isKnown(count) ? `${x(index + middle)},${y(count)}` : null));
  chart.before.setAttribute("points", line.filter(Boolean).join(" "));
  const place = part.peak ? (Date.parse(part.peak.at) - Date.parse(state.event?.day_start)) / 1000 / part.step_s : NaN;
  const index = Math.floor(place);
  show(chart.peak, isKnown(today[index]));
  chart.peak.style.display = isKnown(today[index]) ? "" : "none";
  if (isKnown(today[index])) {
    chart.peak.setAttribute("cx", x(index + middle));
    chart.peak.setAttribute("cy", y(today[index]));
  }
  drawHours(part, state, steps, x);
}

function drawHours(part, state, steps, x) {
  const start = Date.parse(state.event?.day_start);
  const hour = 3600 / (part.step_s ?? 900);
  const every = hour * (steps > 12 * hour ? 4 : 2);
  const marks = [];
  if (!Number.isNaN(start) && part.step_s > 0) {
    for (let index = 0; index < steps; index += every) {
      marks.push({ x: x(index), text: minute(new Date(start + index * part.step_s * 1000).toISOString()) });
    }
  }
  keyed(chart.hours, marks, (mark) => mark.x, () => {
    const node = el("text", { y: HEIGHT + FOOT - 3 });
    return { node, update: (mark) => (node.setAttribute("x", mark.x), setText(node, mark.text)) };
  });
}

export function drawArrivals(part, state) {
  setText(byId("arrived"), number(part.arrived));
  setText(byId("expected"), isKnown(part.expected) ? t("arrived-of", { n: number(part.expected) }) : "");
  setText(byId("arrived-percent"), part.expected > 0 ? percent((100 * part.arrived) / part.expected) : "");
  drawGroups("by-category", largest(part.by_category));
  drawGroups("by-pass", largest(part.by_pass));
  drawCurve(part, state);
  const words = [];
  if (part.peak) words.push(t("peak", { n: number(part.peak.per_hour), at: minute(part.peak.at) }));
  words.push(t("re-entries"), `▬\u00a0${t("today")}`, `┄\u00a0${t("yesterday")}`);
  setText(byId("curve-words"), words.join(" · "));
}

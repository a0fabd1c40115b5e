// The gates: in, out and refused a minute, lanes, last tap, the last hour, and a sudden drop.

import { byId, el, keyed, setAttribute, setText, show } from "./dom.js";
import { age, duration, isKnown, number } from "./format.js";
import { onLanguage, t } from "./words.js";

// More gates stand in two tables side by side, where the screen is wide enough.
const TWO_TABLES = 12;
const wide = matchMedia("(min-width: 901px)");
const WIDTH = 120;
const HEIGHT = 24;
const HEADS = ["gate", "in", "out", "refused-long", "in-today", "lanes", "last-tap", "last-hour"];

let tables = [];

function table() {
  const body = el("tbody");
  const heads = HEADS.map((key) => el("th", { scope: "col", class: `c-${key}` }));
  const units = el("caption", { class: "unseen" });
  const node = el("table", { class: "gates" }, units, el("thead", {}, el("tr", {}, ...heads)), body);
  onLanguage(() => {
    heads.forEach((head, index) => {
      const key = HEADS[index];
      head.replaceChildren(t(key));
      if (index >= 1 && index <= 3) head.append(el("small", { text: t("per-min") }));
    });
    setText(units, t("gates"));
  });
  return { node, body };
}

function row() {
  const name = el("span", { class: "gate-name", dir: "auto" });
  const note = el("small", { dir: "auto" });
  const cells = HEADS.slice(1).map((key) => el("td", { class: `c-${key}` }));
  const [entered, left, refused, day, lanes, tap, hour] = cells;
  const line = el("polyline", { class: "spark" });
  const drop = el("strong", { class: "drop" });
  const box = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" };
  const chart = el("svg", box, line);
  hour.append(el("div", {}, drop, chart));
  const node = el("tr", {}, el("th", { scope: "row" }, name, note), ...cells);
  function update(gate) {
    setText(name, gate.name);
    setAttribute(name, "title", gate.name);
    const isDrop = isKnown(gate.drop) && gate.drop;
    setAttribute(node, "data-drop", isDrop ? "" : null);
    setText(drop, isDrop ? t("drop", { percent: number(gate.drop.percent) }) : "");
    const trouble = notes(gate);
    setText(note, trouble || (gate.zone !== gate.name ? gate.zone : ""));
    setAttribute(note, "class", trouble ? "bad" : "dim");
    setText(entered, number(gate.in_min));
    setText(left, number(gate.out_min));
    setText(refused, number(gate.refused_min));
    setAttribute(refused, "data-some", gate.refused_min > 0 ? "" : null);
    setText(day, number(gate.in_day));
    setText(lanes, `${number(gate.open)}/${number(gate.lanes)}`);
    setAttribute(lanes, "data-some", gate.open < gate.lanes ? "" : null);
    setText(tap, gate.last_tap ? duration(age(gate.last_tap, gate.at)) : t("never"));
    const shape = points(gate.spark, gate.top);
    if (line.getAttribute("points") !== shape) line.setAttribute("points", shape);
  }
  return { node, update };
}

/** What is wrong with the lanes of a gate, in words. Without trouble its second line says where it leads. */
function notes(gate) {
  const list = [];
  if (gate.silent > 0) list.push(t("n-silent", { n: number(gate.silent) }));
  if (gate.closed > 0) list.push(t("n-closed", { n: number(gate.closed) }));
  if (gate.free > 0) list.push(t("n-free", { n: number(gate.free) }));
  if (gate.drop) list.push(t("drop-long", { before: number(gate.drop.before), now: number(gate.drop.now) }));
  return list.join(" · ");
}

/** The points of an hour, scaled to the busiest minute of all gates, so that gates can be compared. */
function points(counts, top) {
  if (!counts?.length) return "";
  const step = WIDTH / Math.max(1, counts.length - 1);
  const y = (count) => (HEIGHT - 2 - ((HEIGHT - 4) * (count ?? 0)) / Math.max(1, top)).toFixed(1);
  return counts.map((count, index) => `${(index * step).toFixed(1)},${y(count)}`).join(" ");
}

export function drawGates(part, state) {
  const rows = part.rows ?? [];
  const wanted = rows.length > TWO_TABLES && wide.matches ? 2 : 1;
  const place = byId("gate-tables");
  if (tables.length === 0) {
    tables = [table(), table()];
    place.append(...tables.map((one) => one.node));
  }
  show(tables[1].node, wanted === 2);
  show(tables[0].node, rows.length > 0);
  setAttribute(place, "data-tables", wanted);
  setAttribute(place, "data-many", rows.length > 28 ? "" : null);
  setAttribute(place, "data-few", rows.length <= 8 ? "" : null);
  const sparks = state.sparks?.rows ?? {};
  const top = Math.max(1, ...Object.values(sparks).flat().map((count) => count ?? 0));
  const full = rows.map((gate) => ({ ...gate, at: state.at, spark: sparks[gate.id], top }));
  const half = wanted === 2 ? Math.ceil(full.length / 2) : full.length;
  keyed(tables[0].body, full.slice(0, half), (gate) => gate.id, row);
  keyed(tables[1].body, full.slice(half), (gate) => gate.id, row);
  show(byId("gates-none"), part.rows?.length === 0);
}

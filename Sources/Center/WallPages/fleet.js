// The scanners: counts by state, one cell a scanner, and the worst by name.

import { byId, el, keyed, setAttribute, setText, show } from "./dom.js";
import { duration, isKnown, number } from "./format.js";
import { hasWords, t } from "./words.js";

// Letters of `cells`, the worst state first. The letter is a shape and a colour: see `draw`.
const LETTERS = {
  n: "never-heard", s: "silent", z: "no-center", a: "awaited", d: "lane-down", r: "reader", t: "turnstile", c: "closed",
  f: "free", k: "disk", w: "clock", m: "alarm", g: "gaps", o: "old-list", u: "catching-up", q: "unreported", l: "live",
  x: "disabled",
};
const ORDER = Object.values(LETTERS);
// How a state looks. `alarm`: a lane does not work; `warn`: it works, and something is wrong with it.
const ALARM = ["never-heard", "silent", "no-center", "lane-down", "reader", "turnstile", "disk"];
const QUIET = ["live", "disabled", "unreported"];
const ROWS = 8;
const SIZE = 8;
const STEP = 10;

export const severity = (state) => (ALARM.includes(state) ? "alarm" : QUIET.includes(state) ? state : "warn");
const stateWords = (state) => (hasWords(`f-${state}`) ? t(`f-${state}`) : (state ?? "–"));

let names = { list: null, scanners: [] };
let isAsking = false;
let drawn = null;
let grid = null;

/** Fetches the names of the scanners, in the order of the cells, when the list has changed. */
async function fetchNames(list) {
  if (isAsking || !list || names.list === list) return;
  isAsking = true;
  try {
    const answer = await fetch("/api/fleet", { cache: "no-store" });
    if (answer.ok) names = { ...(await answer.json()), list };
  } catch {
    // The names are asked for again with the next state.
  }
  isAsking = false;
}

function makeGrid() {
  const shapes = {};
  const node = el("svg", { role: "img", class: "cells" });
  for (const name of ["live", "disabled", "unreported", "warn", "alarm"]) {
    shapes[name] = el("path", { class: `cell-${name}` });
    node.append(shapes[name]);
  }
  byId("cells").append(node);
  return { node, shapes };
}

/** Draws all cells with five paths. More scanners get more columns, so that the grid stays low. */
function draw(cells) {
  grid ??= makeGrid();
  const columns = cells.length > 400 ? 56 : cells.length > 60 ? 40 : 20;
  const key = `${columns} ${cells}`;
  if (drawn === key) return;
  drawn = key;
  const paths = { live: "", disabled: "", unreported: "", warn: "", alarm: "" };
  [...cells].forEach((letter, index) => {
    const x = (index % columns) * STEP;
    const y = Math.floor(index / columns) * STEP;
    const kind = severity(LETTERS[letter] ?? "unreported");
    // A scanner in order is a small square, a warning a triangle, an alarm a large diamond: the shape tells them apart.
    if (kind === "alarm") paths.alarm += `M${x + 4} ${y - 1}l5 5l-5 5l-5 -5z`;
    else if (kind === "warn") paths.warn += `M${x + 4} ${y}l4 8h-8z`;
    else paths[kind] += `M${x + 1} ${y + 1}h6v6h-6z`;
  });
  for (const [name, path] of Object.entries(paths)) grid.shapes[name].setAttribute("d", path);
  const rows = Math.max(1, Math.ceil(cells.length / columns));
  grid.columns = columns;
  grid.node.setAttribute("viewBox", `-1 -1 ${columns * STEP - STEP + SIZE + 2} ${rows * STEP - STEP + SIZE + 2}`);
}

/** Shows the name of the scanner below the pointer. The names of the worst are in the table for all others. */
export function startFleet() {
  byId("cells").addEventListener("pointermove", (event) => {
    if (!grid) return;
    const box = grid.node.getBoundingClientRect();
    const scale = grid.node.viewBox.baseVal.width / box.width;
    const column = Math.floor(((event.clientX - box.left) * scale) / STEP);
    const index = Math.floor(((event.clientY - box.top) * scale) / STEP) * grid.columns + column;
    const scanner = column < grid.columns ? names.scanners?.[index] : null;
    const state = stateWords(LETTERS[drawn.split(" ")[1]?.[index]]);
    setText(byId("cell-name"), scanner ? `${scanner.id} · ${scanner.gate ?? "–"} · ${state}` : "");
  });
  byId("cells").addEventListener("pointerleave", () => setText(byId("cell-name"), ""));
}

function count() {
  const value = el("b");
  const name = el("span");
  const node = el("li", {}, value, " ", name);
  function update(row) {
    setText(value, number(row.count));
    setText(name, stateWords(row.state));
    setAttribute(node, "data-is", severity(row.state));
  }
  return { node, update };
}

function worst() {
  const name = el("bdi");
  const gate = el("small", { class: "dim" });
  const state = el("td");
  const backlog = el("td");
  const heard = el("td");
  const node = el("tr", {}, el("th", { scope: "row" }, name, " ", gate), state, backlog, heard);
  function update(row) {
    setText(name, row.id);
    setText(gate, row.gate ?? "");
    setText(state, stateWords(row.state));
    setAttribute(state, "data-is", severity(row.state));
    const estimate = isKnown(row.catch_up_s) && row.backlog > 0;
    const n = number(row.backlog);
    setText(backlog, estimate ? t("catch-up", { n, age: duration(row.catch_up_s) }) : n);
    setText(heard, duration(row.heard_s));
  }
  return { node, update };
}

export function drawFleet(part) {
  const counts = Object.entries(part.counts ?? {}).map(([state, value]) => ({ state, count: value }));
  const place = (row) => (ORDER.includes(row.state) ? ORDER.indexOf(row.state) : ORDER.length);
  const some = counts.filter((row) => row.count > 0).sort((a, b) => place(a) - place(b));
  keyed(byId("fleet-counts"), some, (row) => row.state, count);
  draw(part.cells ?? "");
  const list = some.map((row) => `${number(row.count)} ${stateWords(row.state)}`).join(", ");
  setAttribute(grid.node, "aria-label", t("cells", { list: list || "–" }));
  show(byId("cells"), Boolean(part.cells));
  const backlog = { n: number(part.backlog), age: duration(part.oldest_unsent_s) };
  const unknown = part.backlog_unknown ?? 0;
  const words = [];
  if (part.backlog > 0) words.push(t("fleet-backlog", backlog));
  else if (part.backlog === 0 && unknown === 0) words.push(t("fleet-complete"));
  if (unknown > 0) words.push(t("fleet-unknown", { n: number(unknown) }));
  setText(byId("fleet-backlog"), words.join(" · "));
  const rows = (part.worst ?? []).slice(0, ROWS);
  keyed(byId("worst").tBodies[0], rows, (row) => row.id, worst);
  show(byId("worst"), rows.length > 0);
  fetchNames(part.list);
}

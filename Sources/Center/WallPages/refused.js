// Refused scans by reason, and double admissions.

import { byId, el, keyed, setText, show } from "./dom.js";
import { clock, isKnown, number } from "./format.js";
import { hasWords, t } from "./words.js";

/** A verdict in words; `reason` is its name in the contract. */
export const verdictWords = (name) => (hasWords(`v-${name}`) ? t(`v-${name}`) : (name ?? "–"));

function reasonRow() {
  const name = el("th", { scope: "row" });
  const hour = el("td");
  const day = el("td");
  function update(row) {
    setText(name, row.isTotal ? t("total") : verdictWords(row.reason));
    setText(hour, number(row.hour));
    setText(day, number(row.day));
  }
  return { node: el("tr", {}, name, hour, day), update };
}

export function drawRefused(part) {
  const rows = [...(part.rows ?? [])].sort((a, b) => (b.day ?? 0) - (a.day ?? 0));
  const sum = (key) => (rows.every((row) => isKnown(row[key])) ? rows.reduce((n, row) => n + row[key], 0) : null);
  if (rows.length > 1) rows.push({ verdict: "total", isTotal: true, hour: sum("hour"), day: sum("day") });
  keyed(byId("refused-table").tBodies[0], rows, (row) => row.verdict, reasonRow);
  show(byId("refused-table"), rows.length > 0);
  show(byId("refused-none"), part.rows?.length === 0);
}

function double() {
  const time = el("time");
  const words = el("span");
  function update(row) {
    setText(time, clock(row.at));
    setText(words, t("double-at", { zone: row.zone, first: row.first_gate, second: row.second_gate }));
  }
  return { node: el("li", {}, time, " ", words), update };
}

export function drawDoubles(part) {
  const { settled, unsettled } = part;
  const isNone = settled === 0 && unsettled === 0;
  const counts = { settled: number(settled), unsettled: number(unsettled) };
  const isKnownPart = isKnown(settled) || isKnown(unsettled);
  setText(byId("doubles-count"), !isKnownPart ? "–" : isNone ? t("no-doubles") : t("doubles-count", counts));
  const latest = (part.latest ?? []).slice(0, 3);
  keyed(byId("doubles-list"), latest, (row) => `${row.at} ${row.zone} ${row.first_gate} ${row.second_gate}`, double);
}

// The way of the scans into the database, and the published list.

import { byId, el, keyed, setAttribute, setText } from "./dom.js";
import { duration, isKnown, number } from "./format.js";
import { t } from "./words.js";

const LATE_MS = 5000;
const QUEUE_MANY = 1000;

function line() {
  const name = el("dt");
  const value = el("dd");
  function update(row) {
    setText(name, t(row.key));
    setText(value, row.text);
    setAttribute(value, "data-is", row.is);
  }
  return { node: el("div", {}, name, value), update };
}

/** The published list: its version, age and end, or why it cannot be published. */
function list(snapshot) {
  if (!snapshot) return ["–", null];
  if (snapshot.problem) return [snapshot.problem, "alarm"];
  if (!isKnown(snapshot.version)) return [t("no-list"), "warn"];
  const parts = [t("list-age", { version: snapshot.version, age: duration(snapshot.age_s) })];
  if (isKnown(snapshot.expires_s)) {
    parts.push(snapshot.expires_s > 0 ? t("list-ends", { age: duration(snapshot.expires_s) }) : t("list-ended"));
  }
  return [parts.join(" · "), snapshot.expires_s <= 0 ? "alarm" : null];
}

export function drawIngest(part) {
  const queue = { ready: number(part.queue_ready), unacked: number(part.queue_unacked) };
  const [listText, listIs] = list(part.snapshot);
  const some = (count, level) => (count > 0 ? level : null);
  const stuck = Boolean(part.quarantine_full);
  const kept = t("batches", { n: number(part.quarantine_batches) });
  const lag = part.tracking_lag_ms;
  const rows = [
    { key: "scans-s", text: t("a-second", { n: number(part.scans_s) }) },
    { key: "queue", text: t("queue-of", queue), is: part.queue_ready > QUEUE_MANY ? "warn" : null },
    { key: "lag", text: t("ms", { n: number(lag) }), is: lag > LATE_MS ? "warn" : null },
    { key: "dead", text: number(part.dead), is: some(part.dead, "alarm") },
    {
      key: "quarantine", text: stuck ? `${kept} · ${t("quarantine-is-full")}` : kept,
      is: stuck ? "alarm" : some(part.quarantine_batches, "warn"),
    },
    { key: "gaps", text: number(part.gaps), is: some(part.gaps, "warn") },
    { key: "list", text: listText, is: listIs },
  ];
  keyed(byId("ingest-list"), rows, (row) => row.key, line);
}

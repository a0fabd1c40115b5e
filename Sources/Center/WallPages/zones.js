// The zones: inside against capacity, and how complete and fresh the number is.

import { bar, byId, el, keyed, setAttribute, setText, show } from "./dom.js";
import { age, clock, duration, isKnown, number, percent, signed } from "./format.js";
import { t } from "./words.js";

const QUIET_S = 60;
// Messages in the queue above which counts may lack some. A few are always under way.
const QUEUE_LIMIT = 500;
// Age of the oldest known tap up to which unsent scans are under way: a quiet lane is heard every 15 s.
const UNDER_WAY_S = 20;
// Losses that a tile names.
const LOSSES_LIMIT = 3;
const LEVELS = ["go", "busy", "full", "uncapped"];

/** The name of a level in words; the colour only repeats it. */
export const levelWords = (level) => t(`level-${LEVELS.includes(level) ? level : "unknown"}`);

/** What is missing in the number of a zone, in words, the worst first. */
function losses(zone, queued, unsent) {
  const parts = zone.lanes_silent > 0 ? [["lanes-some", zone.lanes_silent]] : [];
  parts.push(
    ["lanes-late", zone.lanes_late], ["unsent", unsent], ["n-missing", zone.missing],
    ["quarantined", zone.quarantined], ["untracked", zone.untracked], ["queued", queued > QUEUE_LIMIT ? queued : 0],
  );
  const found = parts.filter(([, n]) => n > 0).map(([key, n]) => t(key, { n: number(n), all: number(zone.lanes) }));
  return found.length > LOSSES_LIMIT ? [...found.slice(0, LOSSES_LIMIT), "…"] : found;
}

/**
 * How complete the number of a zone is: [text, whether something is missing]. `queued`: messages that wait in the
 * broker, of any lane.
 */
export function completeness(zone, at, queued) {
  const seconds = age(zone.heard, at);
  const isUnderWay = seconds !== null && seconds <= UNDER_WAY_S && !(zone.lanes_silent > 0);
  const parts = losses(zone, queued, isUnderWay ? 0 : zone.unsent);
  const isMissing = parts.length > 0 || (zone.lanes > 0 && (seconds === null || seconds > QUIET_S));
  if (zone.lanes === 0) parts.push(t("no-lanes"));
  else if (!isMissing) parts.push(t("lanes-all", { n: number(zone.lanes) }));
  if (isUnderWay && zone.unsent > 0) parts.push(t("unsent", { n: number(zone.unsent) }));
  if (zone.heard) parts.push(t("heard", { at: clock(zone.heard) }));
  return [parts.join(" · "), isMissing];
}

/** How the zone changes: [net rate, time until full]. */
export function trend(zone) {
  const rate = isKnown(zone.net_hour) ? t("net-hour", { n: signed(zone.net_hour) }) : "";
  const full = zone.full_in_min > 0 ? t("full-in", { age: duration(zone.full_in_min * 60) }) : "";
  return [rate, full];
}

function tile() {
  const name = el("a");
  const level = el("span", { class: "level" });
  const share = el("span", { class: "share" });
  const inside = el("span", { class: "inside" });
  const capacity = el("span", { class: "capacity" });
  const parent = el("small", { class: "dim" });
  const load = bar(2);
  const rate = el("p", { class: "trend" });
  const complete = el("p", { class: "complete" });
  const head = el("h3", {}, el("bdi", {}, name), parent);
  const node = el(
    "li", {},
    el("div", { class: "tile-head" }, head, level),
    el("p", { class: "load" }, share, el("span", { class: "people" }, inside, capacity)),
    load.node, rate, complete,
  );
  function update(zone) {
    setText(name, zone.name);
    setAttribute(name, "href", `/zone/${encodeURIComponent(zone.name)}`);
    setText(parent, zone.depth > 1 ? ` ${t("in-zone", { zone: zone.parent })}` : "");
    setAttribute(node, "data-level", zone.level ?? "unknown");
    setText(level, levelWords(zone.level));
    const isCapped = isKnown(zone.percent);
    setText(share, isCapped ? percent(zone.percent) : number(zone.inside_total));
    setText(inside, isCapped ? number(zone.inside_total) : t("inside"));
    setText(capacity, isKnown(zone.capacity) ? t("of", { n: number(zone.capacity) }) : "");
    show(load.node, isCapped);
    if (isCapped) {
      load.fill(zone.percent / 100);
      load.mark(0, zone.busy_at / 100);
      load.mark(1, zone.full_at / 100);
    }
    const [net, full] = trend(zone);
    setText(rate, [net, full].filter(Boolean).join(" · ") || " ");
    const [words, isMissing] = completeness(zone, zone.at, zone.queued);
    setText(complete, words);
    setAttribute(complete, "data-missing", isMissing ? "" : null);
  }
  return { node, update };
}

/** The zones with the name of the zone around each, and `more`: rows come as a tree, depth first. */
export function withParents(rows, more) {
  const path = [];
  return rows.map((zone) => {
    path.length = zone.depth ?? 0;
    const parent = path.at(-1) ?? null;
    path.push(zone.name);
    return { ...zone, parent, ...more };
  });
}

export function drawZones(part, state) {
  const rows = withParents(part.rows ?? [], { at: state.at, queued: state.ingest?.queue_ready });
  const list = byId("zone-list");
  keyed(list, rows, (zone) => zone.id, tile);
  setAttribute(list, "data-many", rows.length > 12 ? "very" : rows.length > 6 ? "" : null);
  setAttribute(list, "data-few", rows.length <= 4 ? "" : null);
  show(byId("zones-none"), part.rows?.length === 0);
}

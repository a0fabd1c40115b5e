// The sign of a zone: GO, BUSY or FULL, readable from ten metres. Old numbers are no sign: it then says NO DATA.

import { bar, byId, setAttribute, setText, show } from "./dom.js";
import { age, clock, duration, isKnown, number, percent } from "./format.js";
import { startPage } from "./page.js";
import { onLanguage, t } from "./words.js";
import { completeness, levelWords, trend } from "./zones.js";

// Age above which the sign says nothing more, in seconds.
const LIMIT_S = 10;

const wanted = zoneOfAddress();
const load = bar(2);
let zone = null;
let partAgeS = 0;
let asOf = null;
let isOld = false;
let isFound = true;

function zoneOfAddress() {
  const name = location.pathname.replace(/^\/zone\//, "");
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function draw(state) {
  const rows = state.zones?.rows;
  zone = rows?.find((row) => row.name === wanted) ?? null;
  isFound = !rows || zone !== null;
  partAgeS = state.zones ? (age(state.zones.as_of, state.at) ?? Infinity) : Infinity;
  asOf = state.zones?.as_of;
  document.title = `${wanted} · Tapline`;
  drawSign();
  if (!zone) return;
  const isCapped = isKnown(zone.percent);
  setText(byId("share"), isCapped ? percent(zone.percent) : number(zone.inside_total));
  show(load.node, isCapped);
  if (isCapped) {
    load.fill(zone.percent / 100);
    load.mark(0, zone.busy_at / 100);
    load.mark(1, zone.full_at / 100);
  }
  const people = `${number(zone.inside_total)} ${t("of", { n: number(zone.capacity) })}`;
  setText(byId("people"), isKnown(zone.capacity) ? people : t("inside"));
  setText(byId("trend"), trend(zone).filter(Boolean).join(" · "));
  const [words, isMissing] = completeness(zone, state.at, state.ingest?.queue_ready);
  setText(byId("complete"), words);
  setAttribute(byId("complete"), "data-missing", isMissing ? "" : null);
  drawOld();
}

/** Numbers below NO DATA say how old they are. */
function drawOld() {
  if (!zone || !isOld) return;
  const seconds = stream.ageMs / 1000 + partAgeS;
  setText(byId("complete"), t("old", { at: clock(asOf), age: duration(seconds) }));
  setAttribute(byId("complete"), "data-missing", "");
}

/** The level, which needs a state that is new and a count that is new in it. */
function drawSign() {
  isOld = stream.ageMs > LIMIT_S * 1000 || partAgeS > LIMIT_S || stream.isRefused;
  const level = !zone || isOld ? "unknown" : (zone.level ?? "unknown");
  setAttribute(byId("sign"), "data-level", level);
  setAttribute(byId("sign"), "data-old", isOld ? "" : null);
  setText(byId("level"), level === "unknown" ? t("sign-none") : levelWords(level));
  show(byId("numbers"), zone !== null);
  show(byId("missing"), !isFound);
  setText(byId("missing"), t("zone-none", { zone: wanted }));
}

setText(byId("zone-name"), wanted);
byId("load").append(load.node);
const stream = startPage(draw);
onLanguage(drawSign);
setInterval(() => {
  drawSign();
  drawOld();
}, 500);

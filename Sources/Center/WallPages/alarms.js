// The alarms: a list, the worst first, and a sound on request. Each can be marked as seen in this browser.

import { byId, el, keyed, setAttribute, setText, show } from "./dom.js";
import { clock, duration, number } from "./format.js";
import { hasWords, onLanguage, t } from "./words.js";

const ROWS = 6;
const REPEAT_MS = 20_000;
const SILENT_MS = 10_000;
// Arguments that are lengths of time, with their unit in milliseconds.
const TIMES = { interval_s: 1000, oldest_s: 1000, age_s: 1000, lag_ms: 1 };

let isOn = false;
let context = null;
let soundedAt = -Infinity;
let seen = new Set();
let known = new Set();
let newest = [];

/** The arguments of an alarm as words: numbers with their groups, times with their units. */
function values(alarm) {
  const result = {};
  for (const [key, value] of Object.entries(alarm.args ?? {})) {
    if (key in TIMES) result[key.replace(/_\w+$/, "")] = duration(value === null ? null : (value * TIMES[key]) / 1000);
    else result[key] = typeof value === "number" ? number(Math.floor(value)) : value;
  }
  return result;
}

/** An alarm in words. One without words of this page shows its key and its arguments. */
export function alarmWords(alarm) {
  // People are in a zone with the capacity 0.
  const isClosed = alarm.key === "zone-full" && alarm.args?.capacity === 0;
  const key = isClosed ? "a-zone-closed" : `a-${alarm.key}`;
  if (hasWords(key)) return t(key, values(alarm));
  const details = Object.entries(values(alarm)).map(([key, value]) => `${key} ${value}`);
  return [alarm.key, ...details].join(" · ");
}

function row() {
  const level = el("strong", { class: "level" });
  const words = el("span", { class: "what" });
  const since = el("small", { class: "dim" });
  let id = "";
  const button = el("button", {
    type: "button",
    onclick: () => {
      seen.add(id);
      drawList();
    },
  });
  const node = el("li", {}, level, words, since, button);
  function update(alarm) {
    id = alarm.id;
    setText(level, t(`level-${alarm.level === "alarm" ? "alarm" : "warn"}`));
    setText(words, alarmWords(alarm));
    setText(since, t("since", { at: clock(alarm.since) }));
    setText(button, t("seen"));
    setAttribute(button, "aria-label", t("seen-label", { what: alarmWords(alarm) }));
    setAttribute(node, "data-level", alarm.level);
    setAttribute(node, "data-seen", seen.has(id) ? "" : null);
    show(button, !seen.has(id));
  }
  return { node, update };
}

/** New alarms stand above seen ones of the same level. */
function drawList() {
  const place = (alarm) => (alarm.level === "alarm" ? 0 : 2) + (seen.has(alarm.id) ? 1 : 0);
  const rows = newest.map((alarm, index) => ({ alarm, index }));
  rows.sort((a, b) => place(a.alarm) - place(b.alarm) || a.index - b.index);
  keyed(byId("alarm-list"), rows.slice(0, ROWS).map(({ alarm }) => alarm), (alarm) => alarm.id, row);
  show(byId("alarms-none"), rows.length === 0);
  show(byId("alarms-more"), rows.length > ROWS);
  setText(byId("alarms-more"), t("alarms-more", { n: number(rows.length - ROWS) }));
  const worst = newest.some((alarm) => alarm.level === "alarm") ? "alarm" : newest.length > 0 ? "warn" : "none";
  setAttribute(byId("alarms"), "data-worst", worst);
}

/** The servers are said as alarms even if the center has not made one of it yet. */
function withServers(state) {
  const list = [...(state.alarms ?? [])];
  for (const name of ["broker", "database"]) {
    const server = state.servers?.[name];
    const key = `${name}-away`;
    if (server?.ok === false && !list.some((alarm) => alarm.key === key)) {
      list.unshift({ id: key, level: "alarm", since: server.since, key, args: {} });
    }
  }
  return list;
}

export function drawAlarms(state) {
  // Without counts there are no alarms of counts: their absence is then no good news.
  const isSure = state.zones && state.fleet;
  setAttribute(byId("alarms-none"), "data-unsure", isSure ? null : "");
  setText(byId("alarms-none"), t(isSure ? "no-alarms" : "alarms-unsure"));
  newest = withServers(state);
  const ids = new Set(newest.map((alarm) => alarm.id));
  seen = new Set([...seen].filter((id) => ids.has(id)));
  if (newest.some((alarm) => alarm.level === "alarm" && !known.has(alarm.id))) soundedAt = -Infinity;
  known = ids;
  drawList();
}

// Sound

function tone(atS, hertz) {
  const oscillator = context.createOscillator();
  const volume = context.createGain();
  oscillator.frequency.value = hertz;
  volume.gain.setValueAtTime(0.0001, atS);
  volume.gain.exponentialRampToValueAtTime(0.3, atS + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.0001, atS + 0.35);
  oscillator.connect(volume).connect(context.destination);
  oscillator.start(atS);
  oscillator.stop(atS + 0.4);
}

function sound() {
  const atS = context.currentTime + 0.05;
  tone(atS, 880);
  tone(atS + 0.4, 660);
  soundedAt = performance.now();
  const button = byId("sound");
  button.dataset.sounded = Number(button.dataset.sounded ?? 0) + 1;
}

function drawButton() {
  setText(byId("sound"), t(isOn ? "sound-on" : "sound-off"));
  setAttribute(byId("sound"), "aria-pressed", String(isOn));
}

/** A browser plays sound only after a click, so the sound is off until the button is pressed. */
export function startAlarms(stream) {
  onLanguage(drawButton);
  byId("sound").addEventListener("click", () => {
    isOn = !isOn;
    context ??= new AudioContext();
    if (isOn) {
      context.resume();
      sound();
      soundedAt = -Infinity;
    }
    drawButton();
  });
  setInterval(() => {
    const isWanted = newest.some((alarm) => alarm.level === "alarm" && !seen.has(alarm.id)) || stream.ageMs > SILENT_MS;
    if (isOn && isWanted && performance.now() - soundedAt > REPEAT_MS) sound();
  }, 500);
}

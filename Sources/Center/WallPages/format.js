// Numbers, times and durations as people read them. An unknown value is a dash, never 0.

import { language, t } from "./words.js";

const DASH = "–";
let offsetS = 0;
let numbers = new Intl.NumberFormat("en-GB");

/** Western digits in both languages: times, scanner names and counts then look the same on all screens of the site. */
export function useLanguage() {
  numbers = new Intl.NumberFormat(language() === "ar" ? "ar-AE-u-nu-latn" : "en-GB");
}

/** Sets the offset of the event's local time to UTC, in seconds. */
export function useOffset(seconds) {
  offsetS = seconds ?? 0;
}

export const isKnown = (value) => value !== null && value !== undefined && !Number.isNaN(value);

/** 40000 as 40,000. */
export const number = (value) => (isKnown(value) ? numbers.format(value) : DASH);

/** +1,240 or −80. */
export const signed = (value) =>
  !isKnown(value) ? DASH : value > 0 ? `+${number(value)}` : value < 0 ? `−${number(-value)}` : "0";

/** Whole per cent, rounded down: 100 % only when it is reached. */
export const percent = (value) => (isKnown(value) ? `${number(Math.floor(value))} %` : DASH);

const local = (time) => new Date(Date.parse(time) + offsetS * 1000).toISOString();

/** Local time of the event, with seconds. */
export const clock = (time) => (time && !Number.isNaN(Date.parse(time)) ? local(time).slice(11, 19) : DASH);

/** Local time of the event in hours and minutes. */
export const minute = (time) => clock(time).slice(0, 5);

/** Day of the event in words. */
export function day(date) {
  if (!date || Number.isNaN(Date.parse(date))) return DASH;
  const options = { weekday: "long", day: "numeric", month: "long", timeZone: "UTC" };
  return new Intl.DateTimeFormat(language() === "ar" ? "ar-AE-u-nu-latn" : "en-GB", options).format(Date.parse(date));
}

/** Seconds between two times of a frame; `null` if one is unknown. The clock of this browser is not used. */
export function age(time, at) {
  const seconds = (Date.parse(at) - Date.parse(time)) / 1000;
  return Number.isNaN(seconds) ? null : Math.max(0, Math.floor(seconds));
}

/** 7 s, 4 min, 2 h 10 min, 3 d. */
export function duration(seconds) {
  if (!isKnown(seconds)) return DASH;
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} ${t("s")}`;
  if (s < 3600) return `${Math.floor(s / 60)} ${t("min")}`;
  if (s >= 172800) return `${Math.floor(s / 86400)} ${t("d")}`;
  const rest = Math.floor((s % 3600) / 60);
  return `${Math.floor(s / 3600)} ${t("h")}${rest ? ` ${rest} ${t("min")}` : ""}`;
}

// What all pages with a state share: header, stale notice, one stream, one state a frame of the screen.

import { byId, setAttribute, setText, show } from "./dom.js";
import { age, clock, day, duration, useLanguage, useOffset } from "./format.js";
import { Stream } from "./stream.js";
import { onLanguage, startWords, t } from "./words.js";

const NOTICE_MS = 250;

/**
 * Starts the page. `draw(state)` is called for each state, at most once a frame of the screen, and after a change of
 * language.
 */
export function startPage(draw) {
  let state = null;
  let isDrawing = false;

  const redraw = () => {
    if (!state || isDrawing) return;
    isDrawing = true;
    // A hidden tab gets no frames: it is drawn when it is seen again.
    requestAnimationFrame(() => {
      isDrawing = false;
      drawHeader(state);
      draw(state);
      notice();
    });
  };
  const stream = new Stream((next) => {
    state = next;
    useOffset(next.event?.utc_offset_s);
    redraw();
  }, notice);

  function notice() {
    const isStale = stream.isStale || (!stream.hasFrame && stream.ageMs > 3000);
    const isNew = !stream.hasFrame && !isStale;
    const root = document.documentElement;
    setAttribute(root, "data-data", stream.isRefused ? "refused" : isNew ? "waiting" : isStale ? "stale" : "live");
    const seconds = Math.floor(stream.ageMs / 1000);
    const words = stream.isRefused ? t("refused") : isNew ? t("waiting") : t("no-data", { age: duration(seconds) });
    show(byId("notice"), stream.isRefused || isStale);
    setText(byId("notice-words"), stream.isRefused || isStale ? words : "");
    show(byId("notice-login"), stream.isRefused);
    const help = stream.isRefused ? t("login-help") : state ? t("stale-help", { at: clock(state.at) }) : "";
    setText(byId("notice-help"), help);
    const pulse = byId("pulse");
    if (pulse) setText(pulse, isStale || stream.isRefused ? words : isNew ? t("waiting") : t("live"));
    // Read aloud once when the data stop and once when they are back, not each second.
    const spoken = stream.isRefused ? "refused" : isStale ? "data-stopped" : isNew ? null : "data-runs";
    setText(byId("spoken"), spoken ? t(spoken) : "");
  }

  // The log-in leads back to this address, the query of a screen included.
  const login = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
  for (const link of document.querySelectorAll('a[href^="/login"]')) link.href = login;
  startWords();
  onLanguage(() => {
    useLanguage();
    redraw();
    notice();
  });
  setInterval(notice, NOTICE_MS);
  stayAwake();
  return stream;
}

function drawHeader(state) {
  const { event, servers } = state;
  if (byId("event")) {
    setText(byId("event"), event?.name ?? "Tapline");
    setText(byId("date"), day(event?.day));
    document.title = `${event?.name ?? ""} · Tapline`;
  }
  setText(byId("clock"), clock(state.at));
  if (!byId("broker")) return;
  server("broker", servers?.broker);
  server("database", servers?.database);
  const centers = servers?.centers;
  // Without the database the number of centers is not known.
  setText(byId("center"), centers ? t(`centers-${centers.state}`, { n: centers.running }) : "–");
  setAttribute(byId("center"), "data-is", !centers ? "unknown" : centers.state === "running" ? "ok" : "away");
}

function server(id, value) {
  const isKnown = value !== undefined && value !== null;
  setText(byId(id), !isKnown ? "–" : value.ok ? t("ok") : t("away-since", { at: clock(value.since) }));
  setAttribute(byId(id), "data-is", !isKnown ? "unknown" : value.ok ? "ok" : "away");
}

/** Marks a part of the page whose numbers are older than they should be, and says since when. */
export function markAge(section, part, state, limitS) {
  const seconds = part ? age(part.as_of, state.at) : null;
  const isOld = !part || seconds === null || seconds > limitS;
  setAttribute(section, "data-old", isOld ? "" : null);
  const label = section.querySelector(".as-of");
  if (!label) return;
  if (!isOld) setText(label, "");
  else setText(label, part?.as_of ? t("old", { at: clock(part.as_of), age: duration(seconds) }) : t("unknown"));
}

/** Keeps the screen of a wall or a sign on, where the browser permits it. */
function stayAwake() {
  const ask = () => {
    if (!document.hidden) navigator.wakeLock?.request("screen").catch(() => {});
  };
  document.addEventListener("visibilitychange", ask);
  ask();
}

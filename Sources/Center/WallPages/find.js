// Search for a person: matches, then the place now, the track of the day and why scans were refused.

import { byId, el, keyed, setText, show } from "./dom.js";
import { clock, number } from "./format.js";
import { verdictWords } from "./refused.js";
import { hasWords, onLanguage, t } from "./words.js";

const PAUSE_MS = 120;
let asked = 0;
let timer = 0;
let status = null;
let person = null;
let opener = null;

/** Asks the center. An answer that a later question has overtaken is `null`. */
async function ask(path) {
  const mine = ++asked;
  let answer = null;
  try {
    const response = await fetch(path, { cache: "no-store" });
    answer = response.ok ? { body: await response.json() } : { error: response.status };
  } catch {
    answer = { error: "error" };
  }
  return mine === asked ? answer : null;
}

function say(key, values) {
  status = key ? { key, values } : null;
  setText(byId("find-status"), key ? t(key, values) : "");
}

function fail(error) {
  const key = `find-${error}`;
  say(hasWords(key) ? key : "find-error");
  show(byId("find-login"), error === 401 || error === 403);
  show(byId("sign-out"), error === 403);
  keyed(byId("find-list"), [], String, match);
  return false;
}

function works() {
  show(byId("find-login"), false);
  show(byId("sign-out"), true);
  return true;
}

const statusWords = (name) => (hasWords(`s-${name}`) ? t(`s-${name}`) : (name ?? "–"));

function match() {
  const name = el("bdi", { class: "name" });
  const details = el("small");
  let id = null;
  let tag = null;
  const onclick = (event) => (tag === null ? open(id, event.currentTarget) : openTag(tag, event.currentTarget));
  const node = el("li", {}, el("button", { type: "button", onclick }, name, details));
  function update(row) {
    id = row.id;
    tag = row.tag ?? null;
    if (tag !== null) {
      setText(name, t("find-tag", { tag }));
      setText(details, t("find-stray", { n: number(row.refusals) }));
      return;
    }
    setText(name, row.name || "–");
    const parts = [row.category, row.external_ref, row.status === "active" ? null : statusWords(row.status)];
    setText(details, parts.filter(Boolean).join(" · "));
  }
  return { node, update };
}

async function search() {
  const text = byId("find-text").value.trim();
  person = null;
  show(byId("find-person"), false);
  show(byId("find-list"), true);
  if (text === "") {
    asked++;
    say(null);
    keyed(byId("find-list"), [], String, match);
    return;
  }
  const answer = await ask(`/api/people?q=${encodeURIComponent(text)}`);
  if (!answer) return;
  if (answer.error) return fail(answer.error);
  works();
  const { matches, more, tags, codes } = answer.body;
  const strays = (tags ?? []).map((row) => ({ ...row, id: `tag ${row.tag}` }));
  const rows = [...matches, ...strays];
  keyed(byId("find-list"), rows, (row) => row.id, match);
  if (rows.length === 0) say(codes === false ? "find-no-codes" : "find-none", { text });
  else say(more ? "find-more" : "find-some", { n: number(rows.length) });
}

/** Why a tag was refused that no person has. */
async function openTag(tag, button) {
  opener = button;
  clearTimeout(timer);
  const answer = await ask(`/api/people/tags/${encodeURIComponent(tag)}/refusals`);
  if (!answer) return;
  if (answer.error) return fail(answer.error);
  person = { tag, refusals: answer.body.refusals };
  say(null);
  drawPerson();
}

async function open(id, button) {
  opener = button;
  // A search that waits for the end of typing would replace the person.
  clearTimeout(timer);
  const answer = await ask(`/api/people/${encodeURIComponent(id)}`);
  if (!answer) return;
  if (answer.error) return fail(answer.error);
  const more = await ask(`/api/people/${encodeURIComponent(id)}/refusals`);
  if (!more) return;
  person = { ...answer.body, refusals: more.error ? null : (more.body.refusals ?? []) };
  say(null);
  drawPerson();
}

function table(title, heads, rows, none) {
  const head = el("h3", { text: title });
  if (rows.length === 0) return [head, el("p", { class: "dim", text: none })];
  const cell = (value, index) =>
    index === 0 ? el("th", { scope: "row" }, el("bdi", { text: value })) : el("td", {}, el("bdi", { text: value }));
  const body = rows.map((row) => el("tr", {}, ...row.map(cell)));
  const top = el("tr", {}, ...heads.map((key) => el("th", { scope: "col", text: t(key) })));
  const region = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title });
  region.append(el("table", {}, el("thead", {}, top), el("tbody", {}, ...body)));
  return [head, region];
}

/** Why an admission does not count: no passage followed it, its scanner was stolen, or it was an inspection. */
function trackNote(row) {
  if (row.annulled) return verdictWords("annulled");
  if (row.void) return t("void-scan");
  return row.counts === false && row.verdict === "admitted" ? t("not-counted") : null;
}

/** What is known of a person: facts, and the track of the day. */
function personParts() {
  const since = person.since ? ` · ${t("since", { at: clock(person.since) })}` : "";
  const zone = !person.since ? t("not-seen") : `${person.zone ?? t("off")}${since}`;
  const facts = [
    ["category", person.category], ["reference", person.external_ref], ["pass", person.pass],
    ["status", statusWords(person.status)], ["place", zone],
  ];
  const list = el("dl");
  for (const [key, value] of facts) {
    list.append(el("div", {}, el("dt", { text: t(key) }), el("dd", {}, el("bdi", { text: value || "–" }))));
  }
  const way = (row) => t(row.direction === "out" ? "way-out" : "way-in");
  const track = (person.track ?? []).map((row) => [
    clock(row.time), row.gate ?? "–", way(row),
    [verdictWords(row.verdict), trackNote(row)].filter(Boolean).join(" · "),
  ]);
  return [list, ...table(t("track"), ["time", "gate", "way", "verdict"], track, t("no-track"))];
}

function drawPerson() {
  const place = byId("find-person");
  const isTag = person.tag !== undefined;
  const name = isTag ? t("find-tag", { tag: person.tag }) : person.erased_at ? t("erased") : person.name || "–";
  const refusals = (person.refusals ?? []).map((row) => [
    clock(row.time), row.gate ?? "–", verdictWords(row.verdict), row.reason ?? row.rule ?? "–",
    row.snapshot ?? "–",
  ]);
  const back = el("button", { type: "button", onclick: closePerson, text: t("back-list") });
  const title = el("h3", { tabindex: "-1", class: "name", id: "person-name" }, el("bdi", { text: name }));
  const why = person.refusals
    ? table(t("refusals"), ["time", "gate", "verdict", "reason", "version"], refusals, t("no-refusals"))
    : [el("p", { text: t("find-error") })];
  const note = person.refusals?.some((row) => row.is_replayed) ? [el("p", { class: "dim", text: t("replayed") })] : [];
  const parts = isTag ? [el("p", { class: "dim", text: t("find-stray-help") })] : personParts();
  place.replaceChildren(back, title, ...parts, ...why, ...note);
  show(byId("find-list"), false);
  show(place, true);
  title.focus();
}

function closePerson() {
  person = null;
  show(byId("find-person"), false);
  show(byId("find-list"), true);
  (opener?.isConnected ? opener : byId("find-text")).focus();
}

export function startFind() {
  const dialog = byId("find");
  const start = () => {
    if (dialog.open) return;
    dialog.showModal();
    byId("find-text").focus();
    byId("find-text").select();
    search();
  };
  byId("find-open").addEventListener("click", start);
  byId("find-close").addEventListener("click", () => dialog.close());
  document.addEventListener("keydown", (event) => {
    if (event.key === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      start();
    }
  });
  byId("find-text").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, PAUSE_MS);
  });
  byId("find-text").addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      clearTimeout(timer);
      search();
    }
  });
  // Names do not stay on a screen that everybody sees.
  dialog.addEventListener("close", () => {
    clearTimeout(timer);
    asked++;
    person = null;
    // "No match for NAME" has the name, too.
    say(null);
    byId("find-text").value = "";
    byId("find-person").replaceChildren();
    keyed(byId("find-list"), [], String, match);
  });
  onLanguage(() => {
    if (status) say(status.key, status.values);
    if (person) drawPerson();
  });
}

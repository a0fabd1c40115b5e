// The languages of the page, and its theme. Both are kept in this browser. An address may set them:
// ?lang=ar&theme=light

import ar from "./words-ar.js";
import arMore from "./words-ar-more.js";
import en from "./words-en.js";

const LANGUAGES = { en, ar: { ...ar, ...arMore } };
const THEMES = ["auto", "dark", "light"];
const query = new URLSearchParams(location.search);
const listeners = [];

function kept(name, allowed) {
  const asked = query.get(name);
  if (allowed.includes(asked)) return asked;
  try {
    const value = localStorage.getItem(`tapline-${name}`);
    if (allowed.includes(value)) return value;
  } catch {
    // Storage is forbidden in this browser: the choice lasts until the page is closed.
  }
  return null;
}

function keep(name, value) {
  try {
    localStorage.setItem(`tapline-${name}`, value);
  } catch {
    // As above.
  }
}

let current = kept("lang", Object.keys(LANGUAGES)) ?? (navigator.language.startsWith("ar") ? "ar" : "en");
let theme = kept("theme", THEMES) ?? "auto";

export const language = () => current;

// Letters that are read from the right, and marks that turn the direction.
const TURNS = /[\u0590-\u08ff\u200f\u202a-\u202e\u2066-\u2069]/;

/** A value of the other direction is isolated: a name must not change the order of the words around it. */
const isolated = (value) => (current === "ar" || TURNS.test(value) ? `\u2068${value}\u2069` : value);

/** The words for a key, with `{name}` replaced. An unknown key is shown as it is. */
export function t(key, values = {}) {
  const text = LANGUAGES[current][key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => isolated(values[name] ?? "–"));
}

export const hasWords = (key) => key in en;

/** Calls `listener` now and after each change of the language. */
export function onLanguage(listener) {
  listeners.push(listener);
  listener();
}

function apply() {
  const root = document.documentElement;
  root.lang = current;
  root.dir = current === "ar" ? "rtl" : "ltr";
  if (theme === "auto") root.removeAttribute("data-theme");
  else root.dataset.theme = theme;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
  for (const button of document.querySelectorAll("[data-do=theme]")) button.textContent = t(`theme-${theme}`);
}

/** Connects the buttons for language and theme of the page. */
export function startWords() {
  for (const button of document.querySelectorAll("[data-do=language]")) {
    button.addEventListener("click", () => {
      current = current === "ar" ? "en" : "ar";
      keep("lang", current);
      apply();
      for (const listener of listeners) listener();
    });
  }
  for (const button of document.querySelectorAll("[data-do=theme]")) {
    button.addEventListener("click", () => {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
      keep("theme", theme);
      apply();
    });
  }
  apply();
}

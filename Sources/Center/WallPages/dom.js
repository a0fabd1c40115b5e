// Elements: made once, changed only where a value differs. Text is set as text, never as markup.

const SVG = new Set(["svg", "path", "polyline", "line", "rect", "circle", "text", "g", "title"]);

/** Creates an element. `attributes` may hold `class`, `text` and functions as `on...` listeners. */
export function el(name, attributes = {}, ...children) {
  const node = SVG.has(name)
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (key === "text") node.textContent = value;
    else if (typeof value === "function") node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

/** The element with an ID. */
export const byId = (id) => document.getElementById(id);

/** Sets the text of an element if it differs, so that an unchanged state costs no layout. */
export function setText(node, value) {
  const text = value === null || value === undefined ? "" : String(value);
  if (node.firstChild?.nodeType === 3 && !node.firstChild.nextSibling) {
    if (node.firstChild.data !== text) node.firstChild.data = text;
  } else if (node.firstChild || text !== "") node.textContent = text;
}

/** Sets an attribute if it differs; `null` removes it. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Hides or shows an element. */
export function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

const rowsOf = new WeakMap();

/**
 * Makes the children of `parent` follow `rows`. A child is created once for each key by `make(row)`, which returns
 * `{node, update}`, and is changed by `update(row)`. Children whose row is gone are removed.
 */
export function keyed(parent, rows, key, make) {
  const old = rowsOf.get(parent) ?? new Map();
  const kept = new Map();
  let place = parent.firstChild;
  for (const row of rows) {
    const name = String(key(row));
    if (kept.has(name)) continue;
    const child = old.get(name) ?? make(row);
    kept.set(name, child);
    child.update(row);
    if (child.node === place) place = place.nextSibling;
    else parent.insertBefore(child.node, place);
  }
  for (const [name, child] of old) if (!kept.has(name)) child.node.remove();
  rowsOf.set(parent, kept);
}

/** Creates a bar whose filled part is set by `fill(part)`, 0 to 1. It is decoration: the number stands beside it. */
export function bar(marks = 0) {
  const node = el("div", { class: "bar", "aria-hidden": "true" }, el("div", { class: "fill" }));
  for (let mark = 0; mark < marks; mark++) node.append(el("i", { class: "mark" }));
  const set = (name, part, of = node) => {
    const value = `${(100 * Math.max(0, Math.min(1, part || 0))).toFixed(1)}%`;
    if (of.style.getPropertyValue(name) !== value) of.style.setProperty(name, value);
  };
  return {
    node,
    fill: (part) => set("--part", part),
    mark: (index, part) => set("--at", part, node.querySelectorAll(".mark")[index]),
  };
}

// Small pictures for buttons, as what a font has of them differs.

import { html } from "./html.js";

const PATHS = {
  copy: "M5.5 5.5h7v8h-7z M3.5 10.5v-8h7",
  one: "M2.5 3.5h11v9h-11z",
  two: "M2.5 3.5h11v9h-11z M8 3.5v9",
  all: "M2.5 3.5h11v9h-11z M8 3.5v9 M2.5 8h11",
  eye: "M1.5 8s2.5-4 6.5-4 6.5 4 6.5 4-2.5 4-6.5 4-6.5-4-6.5-4z M8 6.2a1.8 1.8 0 100 3.6 1.8 1.8 0 000-3.6z",
  bolt: "M9 1.5L3.5 9H7l-1 5.5L12.5 7H9z",
};

/** @param {keyof typeof PATHS} name */
export function icon(name) {
  return html`<svg class="icon" viewBox="0 0 16 16" width="15" height="15" aria-hidden="true"><path d=${PATHS[name]}></path></svg>`;
}

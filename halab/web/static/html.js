// What templates are made of, from one place.

export { html, nothing, render, svg } from "/modules/lit-html/lit-html.js";
export { keyed } from "/modules/lit-html/directives/keyed.js";
export { live } from "/modules/lit-html/directives/live.js";
export { repeat } from "/modules/lit-html/directives/repeat.js";

/** Return an empty place in an element, in which nothing was rendered before. @param {HTMLElement} element */
export function fresh(element) {
  const place = document.createElement("div");
  place.className = "whole";
  element.replaceChildren(place);
  return place;
}

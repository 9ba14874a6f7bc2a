// Keys of the page, and the card that tells them.

import { html } from "./html.js";

const TOLD = [
  ["F6, Shift+F6", "go to the next or previous part of the page, also out of a terminal"],
  ["Shift+Tab", "leave a terminal, to its tabs"],
  ["Alt+Shift+1 … 9", "go to a terminal"],
  ["Alt+Shift+C", "check what you did"],
  ["Alt+Shift+H", "one more hint"],
  ["Alt+Shift+N", "perform the next step"],
  ["Alt+Shift+R, B, L", "show results, break it, or the log of commands"],
  ["Ctrl+C", "copy what is selected in a terminal; else it goes to the shell"],
  ["Ctrl+Shift+C, V", "copy from and paste into a terminal"],
  ["?", "show this card, outside a terminal"],
];

export function drawKeys() {
  return html`<div id="keys" popover class="card" role="dialog" aria-label="Keys"><h2>Keys</h2>
    <dl>${TOLD.map(([keys, does]) => html`<dt><kbd>${keys}</kbd></dt><dd>${does}</dd>`)}</dl>
    <button type="button" popovertarget="keys" popovertargetaction="hide" autofocus>Close</button></div>`;
}

/**
 * Listen to keys, until the function that is returned is called.
 * @param {object} does
 * @param {(action: string) => void} does.act
 * @param {(tab: string) => void} does.show
 * @param {(number: number) => void} does.terminal
 * @param {() => HTMLElement[]} does.regions
 * @param {(region: HTMLElement) => void} does.focus
 */
export function addKeys({ act, show, terminal, regions, focus }) {
  const actions = { KeyC: "check", KeyH: "hint", KeyN: "next" };
  const tabs = { KeyR: "checks", KeyB: "break", KeyL: "log" };

  /** @param {KeyboardEvent} event */
  function take(event) {
    const { code, key, altKey, shiftKey, ctrlKey } = event;
    if (key === "F6" && !altKey && !ctrlKey) {
      const all = regions();
      const at = all.findIndex((region) => region.contains(document.activeElement));
      focus(all[(at + (shiftKey ? -1 : 1) + all.length) % all.length] ?? all[0]);
    } else if (altKey && shiftKey && !ctrlKey && code in actions)
      act(actions[/** @type {keyof typeof actions} */ (code)]);
    else if (altKey && shiftKey && !ctrlKey && code in tabs) show(tabs[/** @type {keyof typeof tabs} */ (code)]);
    else if (altKey && shiftKey && /^Digit[1-9]$/.test(code)) terminal(Number(code.slice(5)));
    else if (key === "?" && !writes(event.target))
      /** @type {HTMLElement} */ (document.getElementById("keys")).togglePopover();
    else return;
    event.preventDefault();
  }

  addEventListener("keydown", take);
  return () => removeEventListener("keydown", take);
}

/** @param {EventTarget | null} target */
function writes(target) {
  return target instanceof HTMLElement && Boolean(target.closest("input, textarea, select, .screen"));
}

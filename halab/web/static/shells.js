// The docked terminals of a page: one for each node and the workstation, as tabs, and up to all of them side by side.

import { html, nothing, render } from "./html.js";
import { icon } from "./icons.js";
import { Terminal } from "./terminal.js";

const LAYOUTS = /** @type {const} */ (["one", "two", "all"]);
const TITLES = { one: "One terminal", two: "Two terminals side by side", all: "All terminals" };

/** @typedef {{place: string, terminal: Terminal | null, cell: HTMLElement}} Pane */

export class Shells {
  /**
   * @param {HTMLElement} bar where the tabs are
   * @param {HTMLElement} room where the terminals are
   * @param {string} instance
   * @param {(line: string) => void} announce
   */
  constructor(bar, room, instance, announce) {
    this.bar = bar;
    this.room = room;
    this.instance = instance;
    this.announce = announce;
    /** @type {Pane[]} */
    this.panes = [];
    /** @type {string[]} places that are shown, the one that was used last first */
    this.used = [];
    /** @type {Record<string, boolean>} */
    this.power = {};
    /** @type {Set<string>} places whose node has had no power since a shell was opened there */
    this.cut = new Set();
    /** @type {any} the map that the power is known of */
    this.map = null;
    const kept = this.#kept();
    /** @type {Record<string, string>} */
    this.ids = kept.ids;
    /** @type {"one"|"two"|"all"} */
    this.layout = kept.layout;
    this.wanted = kept.active;
  }

  get #key() {
    return `halab.shells.${this.instance}`;
  }

  #kept() {
    try {
      const { ids = {}, layout = "one", active = "" } = JSON.parse(localStorage.getItem(this.#key) ?? "{}");
      return { ids, layout: LAYOUTS.includes(layout) ? layout : "one", active };
    } catch {
      return { ids: {}, layout: /** @type {"one"} */ ("one"), active: "" };
    }
  }

  #keep() {
    localStorage.setItem(this.#key, JSON.stringify({ ids: this.ids, layout: this.layout, active: this.used[0] ?? "" }));
  }

  /** Have a pane for each place. @param {string[]} places */
  offer(places) {
    if (places.join() === this.panes.map((pane) => pane.place).join()) return;
    for (const pane of this.panes.filter(({ place }) => !places.includes(place))) {
      pane.terminal?.close();
      pane.cell.remove();
    }
    this.panes = places.map((place) => this.panes.find((pane) => pane.place === place) ?? this.#pane(place));
    this.used = [...this.used, ...places].filter(
      (place, at, all) => places.includes(place) && all.indexOf(place) === at,
    );
    if (places.includes(this.wanted)) this.used = [this.wanted, ...this.used.filter((place) => place !== this.wanted)];
    this.draw();
  }

  /** @param {string} place @returns {Pane} */
  #pane(place) {
    const cell = document.createElement("section");
    cell.className = "pane";
    cell.setAttribute("aria-label", `Terminal on ${place}`);
    cell.id = `pane-${place}`;
    const [title, screen, notice] = ["header", "div", "div"].map((name) => document.createElement(name));
    title.textContent = place;
    screen.className = "holder";
    notice.className = "over";
    cell.append(title, screen, notice);
    cell.addEventListener("focusin", () => this.#use(place));
    this.room.append(cell);
    return { place, terminal: null, cell };
  }

  /** @param {string} place */
  #use(place) {
    if (this.used[0] === place) return;
    this.used = [place, ...this.used.filter((one) => one !== place)];
    this.#keep();
    this.draw();
  }

  /** @returns {string[]} the places that are shown, in the order of the tabs */
  get shown() {
    const count = this.layout === "one" ? 1 : this.layout === "two" ? 2 : this.panes.length;
    const shown = this.used.slice(0, count);
    return this.panes.map((pane) => pane.place).filter((place) => shown.includes(place));
  }

  draw() {
    const { shown } = this;
    this.room.dataset.count = String(shown.length);
    for (const pane of this.panes) {
      pane.cell.hidden = !shown.includes(pane.place);
      pane.cell.classList.toggle("used", shown.length > 1 && pane.place === this.used[0]);
      if (!pane.cell.hidden && !pane.terminal) this.#open(pane);
      else if (!pane.cell.hidden) pane.terminal?.resize();
      this.#drawNotice(pane);
    }
    render(this.#tabs(shown), this.bar);
  }

  /** @param {string[]} shown */
  #tabs(shown) {
    return html`
      <div class="tabs" role="group" aria-label="Terminals">
        ${this.panes.map(
          (pane, at) => html`
          <button type="button" class="tab ${shown.includes(pane.place) ? "chosen" : ""}" aria-pressed=${shown.includes(pane.place)}
            aria-controls="pane-${pane.place}" aria-keyshortcuts="Alt+Shift+${at + 1}" title="Alt+Shift+${at + 1}"
            @click=${() => this.choose(pane.place)}>${this.#sign(pane)}${pane.place}</button>`,
        )}
      </div>
      <div class="layouts" role="group" aria-label="Layout of terminals">
        ${LAYOUTS.map(
          (layout) => html`
          <button type="button" class="plain ${layout === this.layout ? "chosen" : ""}" aria-pressed=${layout === this.layout}
            title=${TITLES[layout]} aria-label=${TITLES[layout]} @click=${() => this.lay(layout)}>${icon(layout)}</button>`,
        )}
      </div>`;
  }

  /** @param {Pane} pane */
  #sign(pane) {
    const told = pane.terminal?.told;
    if (this.power[pane.place] === false) return html`<span class="dot off" title="without power"></span>`;
    if (told?.recorded) return html`<span class="dot rec" title="recorded"></span>`;
    if (told?.is === "lost") return html`<span class="dot wait" title="connecting"></span>`;
    return nothing;
  }

  /** Show a terminal, and go there. @param {string} place */
  choose(place) {
    this.#use(place);
    this.draw();
    this.panes.find((pane) => pane.place === place)?.terminal?.focus();
  }

  /** @param {number} number counts from 1 */
  chooseNumber(number) {
    const pane = this.panes[number - 1];
    if (pane) this.choose(pane.place);
  }

  focus() {
    if (this.used[0]) this.choose(this.used[0]);
  }

  /** @param {"one"|"two"|"all"} layout */
  lay(layout) {
    this.layout = layout;
    this.#keep();
    this.draw();
  }

  /** @param {Pane} pane */
  #open(pane) {
    this.ids[pane.place] ??= newId();
    pane.terminal = new Terminal(this.instance, pane.place, this.ids[pane.place], {
      tell: (was) => this.#told(pane, was),
    });
    this.#keep();
    pane.terminal.attach(/** @type {HTMLElement} */ (pane.cell.querySelector(".holder")));
  }

  /** @param {Pane} pane @param {string} was what the terminal was before */
  #told({ place, terminal }, was) {
    const told = terminal?.told;
    if (told?.is === "ended" && was !== "ended") {
      this.announce(`${place}: ${told.because}`);
      if (told.power) this.power[place] = false; // the next map says more
      if (told.power) this.cut.add(place);
      this.#reopenCut();
    } else if (told?.is === "open" && was === "opening") this.cut.delete(place);
    queueMicrotask(() => this.draw());
  }

  /** @param {Pane} pane */
  #drawNotice(pane) {
    const over = /** @type {HTMLElement} */ (pane.cell.querySelector(".over"));
    const told = pane.terminal?.told;
    const off = this.power[pane.place] === false;
    over.hidden = !told || (told.is === "open" && told.types);
    if (!told) return;
    pane.cell.classList.toggle("recorded", told.recorded);
    const text = {
      opening: "Opening a shell …",
      lost: "Connecting again …",
      open: "Another window types in this shell now.",
      ended: told.because,
    }[told.is];
    const later =
      told.is === "ended" && off ? `${text.endsWith(".") ? "" : "."} It opens again when the node has power.` : "";
    render(
      html`<span>${text}${later}</span>
      ${
        told.is === "ended" && !off
          ? html`<button type="button" @click=${() => this.reopen(pane.place)}>Open again</button>`
          : nothing
      }`,
      over,
    );
  }

  /** @param {string} place */
  reopen(place) {
    const pane = this.panes.find((one) => one.place === place);
    if (!pane?.terminal) return;
    pane.terminal.openAgain();
    if (this.used[0] === place) pane.terminal.focus();
  }

  /** Take note of the power of nodes: a shell that ended with it is opened again. @param {any} map */
  note(map) {
    if (map === this.map) return;
    this.map = map;
    this.power = Object.fromEntries(
      map.nodes.map((/** @type {any} */ node) => [node.name, ["on", "frozen"].includes(node.power)]),
    );
    for (const [place, on] of Object.entries(this.power)) if (!on) this.cut.add(place);
    this.#reopenCut();
    this.draw();
  }

  /** Open shells again that ended with the power of a node which has it back. */
  #reopenCut() {
    for (const { place, terminal } of this.panes) {
      if (terminal?.told.is === "ended" && this.power[place] && this.cut.has(place)) this.reopen(place);
    }
  }

  /** Whether something was typed into a shell, which closing the page would leave behind. */
  get inUse() {
    return this.panes.some(({ terminal }) => terminal?.typed && terminal.told.is !== "ended");
  }
}

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => (byte % 36).toString(36)).join("");
}

// What the board shows of the one instance that is chosen: what to do there, whom to watch, what to read.

import { html, nothing, render } from "./html.js";
import { ofInstance } from "./server.js";
import { clock } from "./words.js";

/**
 * @param {import("./board_state.js").BoardState} state
 * @param {import("./board_state.js").Row} row
 * @param {any} board
 * @param {(name: string) => HTMLElement} part
 */
export function drawOne(state, row, board, part) {
  render(drawHead(state, row, board), part("about"));
  render(drawFiles(state, row, board), part("files"));
}

/** @param {import("./board_state.js").BoardState} state @param {import("./board_state.js").Row} row @param {any} board */
function drawHead(state, row, board) {
  const { tell } = board.store;
  const done = row.steps.filter((step) => step.outcome === "passed").map((step) => step.name);
  return html`
    <div class="row head"><h2>${row.learner}</h2><span class="faint">${row.title}</span>
      <button type="button" @click=${() => board.visit(row.instance)}>Open the page</button>
      <button type="button" class="plain" aria-label="Close" @click=${() => tell({ kind: "choose", instance: "" })}>✕</button></div>
    ${row.failing ? html`<p class="problem failed">${row.failing}</p>` : nothing}
    <form class="row" @submit=${(/** @type {any} */ event) => (event.preventDefault(), board.act(row.instance, "reset", { to: event.target.elements.to.value }))}>
      <label class="hidden" for="board-reset">Reset to</label>
      <select id="board-reset" name="to">${["start", ...done].toReversed().map((name) => html`<option value=${name}>${name}</option>`)}</select>
      <button type="submit" ?disabled=${Boolean(row.holder)} title=${row.holder ?? "Bring the whole cluster back"}>Reset</button>
      <button type="button" ?disabled=${!row.faults.length || Boolean(row.holder)} @click=${() => board.act(row.instance, "heal", {})}>Heal ${row.faults.length || ""}</button>
      ${row.asks_for_help ? html`<button type="button" @click=${() => board.act(row.instance, "help", { asked: false })}>Help was given</button>` : nothing}
    </form>
    ${state.refused ? html`<p class="problem">${state.refused}</p>` : nothing}
    <h3>Terminals <small>read-only; the learner is told that you watch</small></h3>
    <div class="tabs" role="group" aria-label="Terminals to watch">${state.shells.map(
      ({ place, id }) => html`
      <button type="button" class="tab ${state.watched === `${place}/${id}` ? "chosen" : ""}" aria-pressed=${state.watched === `${place}/${id}`}
        @click=${() => tell({ kind: "watch", shell: `${place}/${id}` })}>${place}</button>`,
    )}
      ${state.shells.length ? nothing : html`<p class="empty">No terminal is open.</p>`}</div>`;
}

/** @param {import("./board_state.js").BoardState} state @param {import("./board_state.js").Row} row @param {any} board */
function drawFiles({ recordings }, { instance, attempts = [], measurements = [] }, board) {
  const link = (/** @type {string} */ path, /** @type {string} */ words) => html`<li>
    <a href=${ofInstance(instance, path)} target="_blank" rel="noopener">${words}</a></li>`;
  return html`
    ${attempts.length ? html`<h3>Reports</h3><ul class="links">${attempts.map((number) => link(`/attempts/${number}/report.html`, `Attempt ${number}`))}</ul>` : nothing}
    ${measurements.length ? html`<h3>Measurements</h3><ul class="links">${measurements.map((name) => link(`/measurements/${encodeURIComponent(name)}/run-1.svg`, name))}</ul>` : nothing}
    ${
      recordings.length
        ? html`<h3>Recordings</h3><ul class="links">${recordings.map(
            ({ name, at }) => html`<li>
      <button type="button" class="plain" @click=${() => board.play(instance, name)}>▶ ${name.replace(/\.cast$/, "")}</button> <small>${clock(at)}</small></li>`,
          )}</ul>`
        : nothing
    }`;
}

// Break it: faults with their options, healing, and measuring, which is watched as it happens.

import { html, keyed, nothing } from "./html.js";
import { icon } from "./icons.js";
import { growing } from "./lanes.js";
import { drawReport, drawTimeline, inWords } from "./timeline.js";
import { precise } from "./words.js";

/**
 * @param {import("./page_state.js").PageState} state
 * @param {import("./page_state.js").Tools} tools
 * @param {number} width of the part where timelines are, in pixels
 */
export function drawBreak(state, tools, width) {
  const { lesson } = state;
  if (!lesson) return html`<p class="empty">Loading …</p>`;
  return html`<div class="columns break">
    <section class="aside" aria-label="Faults">${drawForm(state, tools)}${drawInjected(state, tools)}${drawEarlier(state, tools)}${drawPower(state, tools)}</section>
    <section aria-label="Measurements" class="measured">${drawMeasured(state, width)}</section>
  </div>`;
}

/** @param {import("./page_state.js").PageState} state @param {import("./page_state.js").Tools} tools */
function drawForm(state, tools) {
  const { lesson, fault } = state;
  const known = lesson.faults_known;
  const chosen = known.find((/** @type {any} */ one) => one.name === fault) ?? known[0];
  if (!chosen) return html`<p class="empty">This instance offers no faults.</p>`;
  const send = (/** @type {string} */ action) => (/** @type {any} */ form) =>
    tools.act(action, asked(form, chosen, action));
  return html`<form class="fault" @submit=${(/** @type {any} */ event) => tools.submit(event, send(event.submitter?.value ?? "fault"))}>
    <label>Fault <select name="name" .value=${chosen.name} @change=${(/** @type {any} */ event) => tools.tell({ kind: "fault_chosen", name: event.target.value })}>
      ${known.map((/** @type {any} */ one) => html`<option value=${one.name} ?selected=${one.name === chosen.name}>${one.name}</option>`)}</select></label>
    <p class="does">${chosen.does}</p>
    ${keyed(
      chosen.name,
      html`
      ${
        chosen.on === "nodes"
          ? nothing
          : html`<label>Node <select name="node"><option value="active">the one with the address</option>
        ${lesson.nodes.map((/** @type {string} */ node) => html`<option value=${node}>${node}</option>`)}</select></label>`
      }
      ${chosen.options.map(drawOption)}`,
    )}
    <div class="row">
      <button type="submit" name="action" value="fault" ?disabled=${tools.locked}>Inject</button>
      <button type="submit" name="action" value="measure" class="primary" ?disabled=${tools.locked}>Measure</button>
      <label class="inline">runs <input name="repeat" type="number" min="1" max="100" value="1"></label>
    </div>
  </form>`;
}

/** @param {any} option */
function drawOption({ name, values, help, value }) {
  const words = name[0].toUpperCase() + name.slice(1);
  return html`<label>${words} ${
    values
      ? html`<select name=${name}>${values.map((/** @type {string} */ one) => html`<option value=${one} ?selected=${one === value}>${one}</option>`)}</select>`
      : html`<input name=${name} placeholder=${help ?? value ?? ""} title=${help ?? ""} autocomplete="off">`
  }</label>`;
}

/** @param {any} form @param {any} fault @param {string} action */
function asked(form, fault, action) {
  const options = { name: fault.name };
  for (const name of ["node", ...fault.options.map((/** @type {any} */ one) => one.name)]) {
    if (form[name]) Object.assign(options, { [name]: form[name] });
  }
  return action === "measure" ? { ...options, repeat: Number(form.repeat) || 1 } : options;
}

/** @param {import("./page_state.js").PageState} state @param {import("./page_state.js").Tools} tools */
function drawInjected({ map, lesson }, tools) {
  const faults = map?.faults.length ? map.faults : (lesson.faults ?? []);
  if (!faults.length) return nothing;
  return html`<h3>Broken now</h3><ul class="broken">${faults.map(
    (/** @type {any} */ fault) => html`<li><span>${icon("bolt")} ${fault.words}</span>
    <button type="button" ?disabled=${tools.locked} @click=${() => tools.act("heal", { fault: fault.name })}>Heal</button></li>`,
  )}</ul>
    ${faults.length > 1 ? html`<button type="button" ?disabled=${tools.locked} @click=${() => tools.act("heal", {})}>Heal all</button>` : nothing}`;
}

/** @param {import("./page_state.js").PageState} state @param {import("./page_state.js").Tools} tools */
function drawEarlier({ lesson, compared }, tools) {
  const earlier = lesson.measurements;
  if (!earlier.length) return nothing;
  return html`<fieldset class="earlier"><legend>Measurements to compare</legend>
    ${earlier.toReversed().map(
      (
        /** @type {any} */ one,
      ) => html`<label class="inline"><input type="checkbox" .checked=${compared.includes(one.name)}
      @change=${() => tools.tell({ kind: "compare", name: one.name })}> ${one.fault} <small>${one.seconds.map(precise).join(", ")}</small></label>`,
    )}
  </fieldset>`;
}

/** What BMCs are told, which needs no lock. @param {import("./page_state.js").PageState} state @param {import("./page_state.js").Tools} tools */
function drawPower({ lesson, link }, tools) {
  if (!lesson.nodes.length) return nothing;
  const options = (/** @type {string[]} */ words) => words.map((word) => html`<option value=${word}>${word}</option>`);
  return html`<form class="row power" aria-label="Power" @submit=${(/** @type {any} */ event) => tools.submit(event, (form) => tools.act("bmc", form))}>
    <span>Power of</span><select name="node" aria-label="Node whose power is switched">${options(lesson.nodes)}</select>
    <select name="action" aria-label="What its BMC does">${options(["on", "off", "cycle", "reset", "soft"])}</select>
    <button type="submit" ?disabled=${!link.open}>Do</button></form>`;
}

/** @param {import("./page_state.js").PageState} state @param {number} width */
function drawMeasured(state, width) {
  const live = state.commands.findLast((command) => command.samples.length > 0);
  const shown = live && !live.measured && live.ended === null ? growing(live, state.glances, state.lesson.nodes) : null;
  const names = state.compared;
  if (!shown && !names.length) {
    return html`<p class="empty">Measure a fault, and watch the outage while it happens: who answers, who has the address, who is a member, and what runs where.</p>`;
  }
  return html`${shown ? html`<div class="live"><p class="headline" role="status"><b>${live?.doing[0] ?? ""}</b>${(live?.runs.length ?? 0) > 1 ? `, run ${live?.runs.length}` : ""}: ${inWords(shown)}</p>${drawTimeline(shown, width)}</div>` : nothing}
    <div class="reports">${names.map((name) => drawReport(state.instance, name, state.reports[name] ?? null))}</div>`;
}

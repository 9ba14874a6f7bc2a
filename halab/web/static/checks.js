// What commands found: the checks of the last one as they come, hints, checkpoints, and what commands printed.

import { html, nothing, repeat } from "./html.js";
import { hintsIn, lastChecked, running } from "./commands.js";
import { clock, counted, duration, OUTCOMES } from "./words.js";

/**
 * @param {import("./page_state.js").PageState} state
 * @param {import("./page_state.js").Tools} tools
 */
export function drawChecks(state, tools) {
  const command = lastChecked(state.commands);
  const hints = hintsIn(state.commands);
  return html`<div class="columns">
    <section aria-labelledby="results"><h3 id="results">${command ? summary(command) : "Checks"}</h3>
      ${command ? drawResults(command) : html`<p class="empty">Nothing was checked yet. Do the step in the terminals, then press Check.</p>`}
      ${drawProblem(state.commands)}
    </section>
    <section class="aside" aria-labelledby="hints"><h3 id="hints">Hints</h3>
      ${hints.length ? hints.map(drawHint) : html`<p class="empty">${state.lesson?.exam ? "An exam gives hints only when it is practice." : "Press Hint for one more about what fails now."}</p>`}
      ${drawCheckpoints(state, tools)}
    </section>
  </div>`;
}

/** @param {import("./commands.js").Command} command */
function summary(command) {
  const passed = command.checks.filter((check) => check.outcome === "passed").length;
  const of = command.checks.length;
  const goesOn = command.ended === null;
  if (command.graded)
    return `Graded: ${command.graded.points} of ${command.graded.of} points, ${command.graded.verdict}`;
  if (!of) return goesOn ? "Checking …" : "Checks";
  return `${passed} of ${counted(of, "check")} passed${goesOn ? " so far" : ""}`;
}

/** @param {import("./commands.js").Command} command */
function drawResults(command) {
  const titled = new Set(command.checks.map((check) => check.step)).size > 1;
  let step = "";
  return html`<ul class="results">${repeat(
    command.checks,
    (_, number) => number,
    (check) => {
      const heading = titled && check.step !== step ? html`<li class="of">${(step = check.step)}</li>` : nothing;
      return html`${heading}${drawCheck(check)}`;
    },
  )}</ul>`;
}

/** @param {import("./commands.js").Check} check */
function drawCheck(check) {
  const { sign, word } = OUTCOMES[check.outcome] ?? OUTCOMES.unknown;
  return html`<li class="check ${check.outcome}"><span class="sign" aria-hidden="true">${sign}</span>
    <div><span class="hidden">${word}: </span>${check.sentence}${check.points ? html` <small>${check.earned ?? 0} of ${check.points}</small>` : nothing}
      ${
        check.outcome === "passed"
          ? nothing
          : html`<dl>
        ${check.expected ? html`<dt>expected</dt><dd>${check.expected}</dd>` : nothing}
        ${check.seen ? html`<dt>seen</dt><dd>${check.seen}</dd>` : nothing}
        ${check.look?.length ? html`<dt>look</dt><dd>${check.look.join(" ")}</dd>` : nothing}
      </dl>`
      }</div></li>`;
}

/** @param {{sentence: string, hints: string[]}} hint */
function drawHint({ sentence, hints }) {
  return html`<div class="hint"><p>${sentence}</p>${hints.length ? html`<ol>${hints.map((one) => html`<li>${one}</li>`)}</ol>` : nothing}</div>`;
}

/** Say why the last command ended, unless it ended well. @param {import("./commands.js").Command[]} commands */
function drawProblem(commands) {
  const last = commands.at(-1);
  if (!last || last.ended === null || !last.reason || last.status === 0) return nothing;
  const bad = last.status === 1 ? "failed" : "unknown";
  return html`<p class="problem ${bad}"><b>${last.name}</b> ${last.reason}</p>`;
}

/** @param {import("./page_state.js").PageState} state @param {import("./page_state.js").Tools} tools */
function drawCheckpoints(state, tools) {
  const checkpoints = state.lesson?.checkpoints ?? [];
  if (state.lesson?.exam || !checkpoints.length) return nothing;
  return html`<h3>Checkpoints</h3>
    <form class="row" @submit=${(/** @type {any} */ event) => tools.submit(event, (form) => tools.act("reset", { to: form.to }))}>
      <label class="hidden" for="reset-to">Go back to</label>
      <select id="reset-to" name="to">${checkpoints.map((/** @type {any} */ one) => html`<option value=${one.name}>${one.name}</option>`)}</select>
      <button type="submit" ?disabled=${tools.locked}>Reset</button>
    </form>
    <form class="row" @submit=${(/** @type {any} */ event) => tools.submit(event, (form) => tools.act("save", { name: form.name }))}>
      <label class="hidden" for="save-as">Name of a checkpoint of your own</label>
      <input id="save-as" name="name" placeholder="my-work" required pattern="[A-Za-z0-9][A-Za-z0-9_\\-]{0,59}" autocomplete="off">
      <button type="submit" ?disabled=${tools.locked}>Save</button>
    </form>`;
}

/** @param {import("./page_state.js").PageState} state */
export function drawLog(state) {
  if (!state.commands.length)
    return html`<p class="empty">No command has changed this instance yet, neither here nor in another terminal.</p>`;
  return html`<ol class="log" aria-label="Commands, the latest first">${repeat(
    state.commands.toReversed(),
    (one) => `${one.pid} ${one.began}`,
    (command) => html`<li>
    <p class="head"><b>inv ${command.name}</b> <time>${clock(command.began)}</time> ${ended(command)}</p>
    ${command.said.map(({ text }) => html`<p class="said">${text}</p>`)}
    ${command.reason && command.status ? html`<p class="said">${command.reason}</p>` : nothing}
    ${command.typed ? html`<details ?open=${command.ended === null}><summary>its terminal</summary><pre tabindex="0">${command.typed.slice(-20_000)}</pre></details>` : nothing}
  </li>`,
  )}</ol>`;
}

/** @param {import("./commands.js").Command} command */
function ended(command) {
  if (command.ended === null) return html`<span class="running">${command.doing.at(-1) ?? "goes on"} …</span>`;
  const words = { 0: "done", 1: "a check failed", 2: "nothing to do", 130: "interrupted" };
  return `${words[/** @type {keyof typeof words} */ (command.status)] ?? `exit status ${command.status}`}, ${duration(command.ended - command.began)}`;
}

/** The sentence about what goes on now. @param {import("./page_state.js").PageState} state */
export function progress(state) {
  const command = running(state.commands);
  return command ? (command.doing.at(-1) ?? `inv ${command.name} goes on`) : "";
}

// What the learner reads: the steps done and to come, the prose of the present one, and its commands.

import { html, nothing } from "./html.js";
import { icon } from "./icons.js";
import { ofInstance } from "./server.js";
import { clock, duration, OUTCOMES } from "./words.js";

/** @param {any} lesson @param {{copy: (text: string, button: HTMLElement) => void, now: number}} tools */
export function drawLesson(lesson, tools) {
  if (!lesson) return html`<p class="empty">Loading the lesson …</p>`;
  return html`
    ${lesson.exam_clock ? drawClock(lesson.exam_clock, tools.now) : nothing}
    ${lesson.reason ? html`<p class="problem">${lesson.reason}</p>` : nothing}
    ${drawSteps(lesson.steps)}
    ${lesson.exam ? drawSheet(lesson, tools) : drawStep(lesson, tools)}`;
}

/** @param {any[]} steps */
function drawSteps(steps) {
  const done = steps.filter((step) => step.outcome === "passed").length;
  if (!steps.length) return nothing;
  return html`<details class="steps" ?open=${false}>
    <summary><span>Step ${Math.min(done + 1, steps.length)} of ${steps.length}</span>
      <span class="progress" aria-hidden="true">${steps.map((step) => html`<i class="${step.outcome ?? ""} ${step.current ? "current" : ""}"></i>`)}</span>
    </summary>
    <ol>${steps.map(
      (
        step,
      ) => html`<li class="${step.outcome ?? ""} ${step.current ? "current" : ""}" aria-current=${step.current ? "step" : nothing}>
      <span class="sign" aria-hidden="true">${sign(step)}</span>${step.title}
      <span class="hidden">${step.outcome ? (OUTCOMES[/** @type {keyof typeof OUTCOMES} */ (step.outcome)]?.word ?? step.outcome) : step.current ? "now" : "to come"}</span></li>`,
    )}</ol>
  </details>`;
}

/** @param {any} step */
function sign(step) {
  return OUTCOMES[/** @type {keyof typeof OUTCOMES} */ (step.outcome)]?.sign ?? (step.current ? "▸" : "·");
}

/** @param {any} lesson @param {any} tools */
function drawStep(lesson, tools) {
  const { step } = lesson;
  if (!lesson.steps.length) return html`<h2>${lesson.title || lesson.instance || ""}</h2>`;
  if (!step)
    return html`<h2>${lesson.title}</h2><p class="done">All steps are passed. Break it on purpose now, below, and watch what the cluster does.</p>`;
  const commands = step.entries.filter((/** @type {any} */ entry) => entry.kind === "command");
  const checks = step.entries.filter((/** @type {any} */ entry) => entry.kind === "check");
  return html`<article aria-labelledby="step-title">
    <h2 id="step-title">${step.title}</h2>
    ${step.blocks.map((/** @type {any} */ block) => drawBlock(block, tools))}
    ${
      commands.length
        ? html`<h3>Commands</h3>${grouped(commands).map(
            ([where, group]) => html`
      <p class="where">On ${where}:</p>${group.map((entry) => drawCommand(entry.text, tools))}`,
          )}`
        : nothing
    }
    ${
      checks.length
        ? html`<h3>Then these must hold</h3>
      <ul class="musts">${checks.map((/** @type {any} */ entry) => html`<li>${entry.text}</li>`)}</ul>`
        : nothing
    }
  </article>`;
}

/** @param {any[]} entries @returns {[string, any[]][]} those that follow each other at one place, together */
function grouped(entries) {
  /** @type {[string, any[]][]} */
  const groups = [];
  for (const entry of entries) {
    if (groups.at(-1)?.[0] === entry.where) groups.at(-1)?.[1].push(entry);
    else groups.push([entry.where, [entry]]);
  }
  return groups;
}

/** @param {any} lesson @param {any} tools */
function drawSheet(lesson, tools) {
  const facts = lesson.exam_facts;
  return html`<article aria-label="Task sheet"><h2>${lesson.title}</h2>
    ${facts ? html`<p class="where">${facts.points} points in ${facts.minutes} minutes; ${facts.pass_mark} % pass.</p>` : nothing}
    ${(lesson.attempts ?? []).map(
      (
        /** @type {any} */ one,
      ) => html`<p class="attempt"><b>Attempt ${one.attempt}</b>: ${one.points} of ${one.of} points, ${one.verdict}.
      <a href=${ofInstance(lesson.instance, `/attempts/${one.attempt}/report.html`)} target="_blank" rel="noopener">Report</a></p>`,
    )}
    ${(lesson.sheet ?? []).map((/** @type {any} */ block) => drawBlock(block, tools))}</article>`;
}

/** @param {any} block @param {any} tools */
export function drawBlock(block, tools) {
  switch (block.kind) {
    case "heading":
      return html`<h3>${runs(block)}</h3>`;
    case "code":
      return html`<pre class="code" tabindex="0">${block.text}</pre>`;
    case "table":
      return html`<table class="plain">${block.rows.map((/** @type {any[]} */ row) => html`<tr>${row.map((cell) => html`<td>${runs(cell)}</td>`)}</tr>`)}</table>`;
    case "command":
      return drawCommand(block.text, tools);
    case "list":
      return html`<ul>${(block.items ?? [block]).map((/** @type {any} */ item) => html`<li>${runs(item)}</li>`)}</ul>`;
    default:
      return html`<p>${runs(block)}</p>`;
  }
}

/** @param {any} block */
function runs(block) {
  if (typeof block === "string") return block;
  return block.runs
    ? block.runs.map((/** @type {any} */ run) => (run.code ? html`<code>${run.text}</code>` : run.text))
    : block.text;
}

/** @param {string} text @param {any} tools */
function drawCommand(text, tools) {
  return html`<button type="button" class="command" title="Copy"
    @click=${(/** @type {any} */ event) => tools.copy(text, event.currentTarget)}><code>${text}</code><span class="copied" aria-hidden="true">${icon("copy")}</span><span class="hidden">Copy this command</span></button>`;
}

/** @param {{began: number, minutes: number, ends: number, finished?: number | null}} clock @param {number} now */
function drawClock({ ends, minutes, finished }, now) {
  if (finished) return html`<p class="clock">Handed in at ${clock(finished)}</p>`;
  const left = ends - now;
  return html`<p class="clock ${left < 300 ? "soon" : ""}" role="timer">${left > 0 ? html`<b>${duration(left)}</b> left of ${minutes} min` : "The time is over"}</p>`;
}

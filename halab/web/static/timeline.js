// A timeline that grows, as a picture, and the report that it becomes.

import { html, nothing, svg } from "./html.js";
import { ofInstance } from "./server.js";
import { counted, precise } from "./words.js";

const LANE = 19; // pixels
const LABEL = 118;
const STEPS = [1, 2, 5, 10, 20, 30, 60, 120, 300];

/**
 * @param {ReturnType<typeof import("./lanes.js").growing>} shown
 * @param {number} width in pixels
 */
export function drawTimeline(shown, width) {
  const { lanes, start, end } = shown;
  const scale = (width - LABEL - 10) / (end - start);
  const x = (/** @type {number} */ at) => LABEL + (at - start) * scale;
  const height = lanes.length * LANE + 24;
  const step = STEPS.find((one) => one * scale > 44) ?? 600;
  const ticks = Array.from(
    { length: Math.floor(end / step) - Math.ceil(start / step) + 1 },
    (_, number) => (Math.ceil(start / step) + number) * step,
  );
  return html`<svg class="timeline" role="img" aria-label=${inWords(shown)} width=${width} height=${height} viewBox="0 0 ${width} ${height}">
    ${ticks.map(
      (at) => svg`<line class="tick" x1=${x(at)} x2=${x(at)} y1="0" y2=${height - 18}></line>
      <text class="faint" x=${x(at)} y=${height - 5} text-anchor="middle">${at} s</text>`,
    )}
    ${lanes.map(
      (lane, row) => svg`<g transform="translate(0 ${row * LANE})">
      <text class="lane" x=${LABEL - 8} y="13" text-anchor="end">${lane.title}</text>
      ${lane.bars.map(
        (
          bar,
        ) => svg`<rect class="bar ${bar.kind}" x=${x(bar.start)} y="2" width=${Math.max(1, (bar.end - bar.start) * scale)} height=${LANE - 5}></rect>
        ${bar.word && (bar.end - bar.start) * scale > bar.word.length * 6.4 + 8 ? svg`<text class="word ${bar.kind}" x=${x(bar.start) + 4} y="13">${bar.word}</text>` : nothing}`,
      )}
      ${lane.marks.map(
        (mark) => svg`<line class="mark" x1=${x(mark.at)} x2=${x(mark.at)} y1="1" y2=${LANE - 2}></line>
        <text class="faint" x=${x(mark.at) + 3} y="13">${mark.word}</text>`,
      )}
    </g>`,
    )}
    ${shown.injected ? svg`<line class="fault" x1=${x(0)} x2=${x(0)} y1="0" y2=${height - 18}></line>` : nothing}
  </svg>`;
}

/** @param {ReturnType<typeof import("./lanes.js").growing>} shown */
export function inWords({ outage, injected }) {
  if (!injected) return "The service is watched; nothing is broken yet.";
  if (!outage.seconds) return "The fault is injected; the service answers.";
  return outage.ended
    ? `The service was away for ${precise(outage.seconds)}.`
    : `The service has been away for ${outage.seconds.toFixed(1)} s.`;
}

/**
 * The report of a measurement: its pictures, and the parts of each outage.
 * @param {string} instance
 * @param {string} name the measurement's own
 * @param {any} report report.json, or null while it is asked for
 */
export function drawReport(instance, name, report) {
  if (!report) return html`<p class="empty">Reading the report …</p>`;
  const address = (/** @type {string} */ file) =>
    ofInstance(instance, `/measurements/${encodeURIComponent(name)}/${file}`);
  return html`<article class="report" aria-label="Measurement of ${report.fault}">
    <h4>${report.fault} <small>${new Date(report.at).toLocaleString()} · fencing ${report.fencing ? "on" : "off ⚠"}</small></h4>
    <table class="phases">
      <thead><tr><th scope="col">run</th><th scope="col">outage</th><th scope="col">detect</th><th scope="col">fence</th><th scope="col">recover</th></tr></thead>
      <tbody>${report.runs.map((/** @type {any} */ run, /** @type {number} */ number) =>
        run.outages.length
          ? run.outages.map(
              (/** @type {any} */ one) => html`<tr><th scope="row">${number + 1}</th>
            <td><b>${precise(one.span.end - one.span.start)}</b>${one.ended ? "" : " (did not end)"}</td>
            <td>${precise(one.phases.detect)}</td><td>${precise(one.phases.fence)}</td><td>${precise(one.phases.recover)}</td></tr>`,
            )
          : html`<tr><th scope="row">${number + 1}</th><td colspan="4">no outage</td></tr>`,
      )}</tbody>
    </table>
    ${report.runs.map(
      (/** @type {any} */ _, /** @type {number} */ number) => html`
      <a href=${address(`run-${number + 1}.svg`)} target="_blank" rel="noopener"><img class="picture" src=${address(`run-${number + 1}.svg`)}
        alt="Timeline of run ${number + 1}: ${counted(report.runs[number].outages.length, "outage")}"></a>`,
    )}
  </article>`;
}

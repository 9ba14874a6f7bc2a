// Everybody's marks of each exam, as a table, and as CSV for another program.

import { html } from "./html.js";

/** @param {{exam: string, title: string, tasks: string[], learners: any[]}[] | null} marks */
export function drawMarks(marks) {
  if (!marks) return html`<p class="empty pad">Asking for the marks …</p>`;
  if (!marks.length) return html`<p class="empty pad">No instance on this machine is an exam.</p>`;
  return html`<div class="pad">${marks.map(
    ({ exam, title, tasks, learners }) => html`
    <div class="row head"><h2>${title}</h2><span class="faint">${exam}</span>
      <a href="/marks/${exam}.csv" download="${exam}.csv">CSV</a> <a href="/marks/${exam}-failed.csv" download="${exam}-failed.csv">CSV of failed checks</a></div>
    <table class="rows marks"><thead><tr>${["Learner", "Verdict", "Points", "Percent", ...tasks].map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
      <tbody>${learners.map(
        (one) => html`<tr><th scope="row">${one.learner}</th><td>${one.verdict}</td>
        ${[one.points, one.percent, ...tasks.map((task) => one.tasks[task])].map((cell) => html`<td class="number">${cell ?? "–"}</td>`)}</tr>`,
      )}</tbody></table>`,
  )}</div>`;
}

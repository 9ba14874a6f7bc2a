// The instructor's board: every instance of the machine, and a look over the shoulder of whoever sits at one.

import { fresh, html, nothing, render, repeat } from "./html.js";
import { blank, change, passed, shownRows } from "./board_state.js";
import { drawOne } from "./board_one.js";
import { drawMarks } from "./marks.js";
import { addKeys } from "./keys.js";
import { get, Line, ofInstance, post } from "./server.js";
import { makeStore } from "./store.js";
import { Playing } from "./playing.js";
import { Watched } from "./watched.js";
import { ago, counted, duration } from "./words.js";

const COLUMNS = [
  ["learner", "Learner"],
  ["asks_for_help", "Help"],
  ["lab", "Lab"],
  ["progress", "Steps"],
  ["failing", "Fails now"],
  ["faults", "Faults"],
  ["time_left", "Time left"],
  ["points", "Points"],
  ["last_activity", "Last active"],
];
const ONLY = [
  ["all", "everybody"],
  ["help", "who asks for help"],
  ["failing", "where a check fails"],
  ["broken", "with faults"],
  ["locked", "with a command that goes on"],
];
const LOOK_EVERY = 5; // seconds, for shells that were opened since

/** @param {HTMLElement} app */
export function showBoard(app) {
  document.title = "Board – halab";
  const store = makeStore(blank(), change);
  render(frame(), fresh(app));
  const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (app.querySelector(`#${name}`));
  const board = new Board(store, part, app);
  store.show(() => board.draw());
}

function frame() {
  return html`
    <header id="top"><h1>halab</h1><span class="instance">Board</span><div id="status"></div></header>
    <main class="board">
      <section id="rows" tabindex="-1" aria-label="Instances"></section>
      <aside id="one" tabindex="-1" aria-label="One instance" hidden><div id="about"></div><div id="watched"></div><div id="played"></div><div id="files"></div></aside>
    </main>
    <div id="news" class="hidden" role="status" aria-live="polite"></div>`;
}

class Board {
  /**
   * @param {{state: import("./board_state.js").BoardState, tell: (message: any) => void}} store
   * @param {(name: string) => HTMLElement} part
   * @param {HTMLElement} app
   */
  constructor(store, part, app) {
    this.store = store;
    this.part = part;
    this.app = app;
    this.watched = new Watched(part("watched"));
    this.player = new Playing(part("played"));
    this.line = new Line({
      address: () => "/board",
      said: (message) => store.tell(message),
      link: (link) => store.tell({ kind: "link", link }),
    });
    this.ticking = setInterval(() => store.tell({ kind: "tick" }), 1000);
    this.looking = setInterval(() => this.lookAtShells(), LOOK_EVERY * 1000);
    this.removeKeys = addKeys({
      act: () => {},
      show: () => {},
      terminal: () => {},
      regions: () => [part("rows"), part("one")].filter((region) => !region.hidden),
      focus: (region) => region.focus(),
    });
  }

  close() {
    this.line.close();
    this.watched.close();
    clearInterval(this.ticking);
    clearInterval(this.looking);
    this.removeKeys();
  }

  draw() {
    const { state } = this.store;
    const { part } = this;
    render(this.status(state), part("status"));
    render(state.tab === "marks" ? drawMarks(state.marks) : this.table(state), part("rows"));
    const row = state.rows?.find((one) => one.instance === state.chosen);
    part("one").hidden = !row;
    if (row) drawOne(state, row, this, part);
    this.watched.show(row ? row.instance : "", state.watched);
    this.player.show(row ? state.played : null);
    if (part("news").textContent !== state.news) part("news").textContent = state.news;
  }

  /** @param {import("./board_state.js").BoardState} state */
  status({ link, tab, text, only, rows }) {
    const { tell } = this.store;
    return html`
      <div class="tabs" role="group" aria-label="What is shown">
        ${[
          ["learners", "Learners"],
          ["marks", "Marks"],
        ].map(
          ([name, words]) => html`<button type="button" class="tab ${tab === name ? "chosen" : ""}"
          aria-pressed=${tab === name} @click=${() => this.open(name)}>${words}</button>`,
        )}</div>
      ${link.open ? nothing : html`<span class="chip ${link.refused ? "bad" : "warn"}" role="alert">${link.refused ? "Your link has ended" : link.retryAt ? "No connection; trying again" : "Connecting …"}</span>`}
      ${
        tab === "learners"
          ? html`
        <span class="faint">${rows ? counted(rows.length, "instance") : ""}</span>
        <label class="hidden" for="only">Show</label>
        <select id="only" @change=${(/** @type {any} */ event) => tell({ kind: "filter", filter: { only: event.target.value } })}>
          ${ONLY.map(([name, words]) => html`<option value=${name} ?selected=${name === only}>${words}</option>`)}</select>
        <input type="search" aria-label="Filter" placeholder="Filter" .value=${text}
          @input=${(/** @type {any} */ event) => tell({ kind: "filter", filter: { text: event.target.value } })}>`
          : nothing
      }`;
  }

  /** @param {import("./board_state.js").BoardState} state */
  table(state) {
    if (!state.rows) return html`<p class="empty pad">Asking for the instances …</p>`;
    const rows = shownRows(state);
    const exams = state.rows.some((row) => row.time_left !== null || row.points !== null);
    const columns = COLUMNS.filter(([by]) => exams || !["time_left", "points"].includes(by));
    if (!state.rows.length)
      return html`<p class="empty pad">There is no instance on this machine. “inv lab --instance NAME up” makes one, and “inv page --for NAME” a link for its learner.</p>`;
    return html`<table class="rows"><caption class="hidden">Instances on this machine; a button in the head of a column sorts by it</caption>
      <thead><tr>${columns.map(
        ([
          by,
          words,
        ]) => html`<th scope="col" class=${by} aria-sort=${state.by === by ? (state.down ? "descending" : "ascending") : "none"}>
        <button type="button" class="plain" @click=${() => this.store.tell({ kind: "sort", by })}>${words}<span aria-hidden="true">${state.by === by ? (state.down ? " ↓" : " ↑") : ""}</span></button></th>`,
      )}</tr></thead>
      <tbody>${repeat(
        rows,
        (row) => row.instance,
        (row) => this.row(row, state, exams),
      )}</tbody></table>
      ${rows.length ? nothing : html`<p class="empty pad">No instance is like that.</p>`}`;
  }

  /** @param {import("./board_state.js").Row} row @param {import("./board_state.js").BoardState} state @param {boolean} exams */
  row(row, { chosen, heard }, exams) {
    const done = passed(row);
    const current = row.steps.find((step) => step.outcome !== "passed");
    const left = row.time_left === null ? null : row.time_left - (Date.now() / 1000 - heard);
    return html`<tr class="${row.instance === chosen ? "chosen" : ""} ${row.up ? "" : "down"}" @click=${() => this.choose(row.instance)}>
      <th scope="row"><button type="button" class="plain" aria-expanded=${row.instance === chosen}
        @click=${(/** @type {Event} */ event) => (event.stopPropagation(), this.choose(row.instance))}>${row.learner}</button></th>
      <td>${row.asks_for_help ? html`<span class="chip bad">asks</span>` : "–"}</td>
      <td class="lab">${row.lab}${row.up ? nothing : html` <small>not up</small>`}${row.holder ? html`<br><small class="running">${row.holder}</small>` : nothing}</td>
      <td class="steps">${
        row.steps.length
          ? html`<span class="progress" aria-hidden="true">${row.steps.map((step) => html`<i class=${step.outcome ?? ""} title=${step.title}></i>`)}</span>
        <small>${done} of ${row.steps.length}${current ? `: ${current.name}` : ""}</small>`
          : "–"
      }</td>
      <td class="failing">${row.failing || "–"}</td>
      <td class="faults">${row.faults.length ? row.faults.map((fault) => html`<span class="chip warn">${fault}</span> `) : "–"}</td>
      ${
        exams
          ? html`<td class="number ${left !== null && left < 300 ? "soon" : ""}">${left === null ? "–" : left > 0 ? duration(left) : "over"}</td>
      <td class="number">${row.points ?? "–"}${row.verdict ? html` <small>${row.verdict}</small>` : nothing}</td>`
          : nothing
      }
      <td class="number">${ago(row.last_activity)}</td>
    </tr>`;
  }

  /** @param {string} instance */
  choose(instance) {
    const { state, tell } = this.store;
    const same = state.chosen === instance;
    tell({ kind: "choose", instance: same ? "" : instance });
    if (same) return;
    this.lookAtShells();
    get(ofInstance(instance, "/recordings")).then((found) =>
      tell({ kind: "recordings", instance, recordings: found?.recordings ?? [] }),
    );
  }

  async lookAtShells() {
    const { state, tell } = this.store;
    const instance = state.chosen;
    if (!instance) return;
    const shells = (await get(ofInstance(instance, "/shells"))) ?? [];
    tell({ kind: "shells", instance, shells });
    if (!state.watched && !state.played && shells.length)
      tell({ kind: "watch", shell: `${shells[0].place}/${shells[0].id}` });
  }

  /** @param {string} tab */
  async open(tab) {
    this.store.tell({ kind: "tab", tab });
    if (tab !== "marks") return;
    const labs = [...new Set((this.store.state.rows ?? []).map((row) => row.lab))].filter(Boolean).sort();
    const found = await Promise.all(labs.map((lab) => get(`/marks/${encodeURIComponent(lab)}`)));
    this.store.tell({ kind: "marks", marks: found.filter(Boolean) }); // a lab that is no exam has none
  }

  /** Play a recording back. @param {string} instance @param {string} name */
  async play(instance, name) {
    const recording = await get(ofInstance(instance, `/recordings/${encodeURIComponent(name)}.json`));
    this.store.tell({ kind: "play", recording });
  }

  /** @param {string} instance @param {string} action @param {object} options */
  async act(instance, action, options) {
    const { status, answer } = await post(ofInstance(instance, "/actions"), { action, options });
    this.store.tell({
      kind: "refused",
      sentence:
        status === 202
          ? ""
          : (answer.error ?? (answer.holder ? `${answer.holder} is changing it.` : "The server did not do that.")),
    });
  }

  /** Show the learner's own page. @param {string} instance */
  async visit(instance) {
    const { showPage } = await import("./page.js");
    this.close();
    const leave = showPage(this.app, instance, {
      watching: true,
      back: () => {
        leave();
        showBoard(this.app);
      },
    });
  }
}

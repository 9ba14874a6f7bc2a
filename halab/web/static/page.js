// The learner's page: one instance, with its lesson, terminals, map, checks and faults.

import { fresh, html, nothing, render } from "./html.js";
import { drawBreak } from "./break.js";
import { drawChecks, drawLog, progress } from "./checks.js";
import { drawLesson } from "./lesson.js";
import { drawMap } from "./map.js";
import { icon } from "./icons.js";
import { blank, change, lockedBecause } from "./page_state.js";
import { get, Line, ofInstance, post } from "./server.js";
import { addKeys, drawKeys } from "./keys.js";
import { makeStore } from "./store.js";
import { addSplitters } from "./splitters.js";
import { counted } from "./words.js";

/**
 * Show the page of an instance.
 * @param {HTMLElement} app @param {string} instance @param {{watching: boolean, back?: () => void}} options
 */
export function showPage(app, instance, { watching, back }) {
  document.title = `${instance} – halab`;
  render(frame(instance, back), fresh(app));
  const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (app.querySelector(`#${name}`));
  const store = makeStore(blank(instance, watching), change);
  const { state } = store;
  const live = new Line({
    address: () => ofInstance(instance, `/live${state.at ? `?after=${state.at}` : ""}`),
    said: (message) => store.tell(message),
    link: (link) => store.tell({ kind: "link", link }),
  });
  const page = new Page(store, part, instance);
  const ticking = setInterval(() => store.tell({ kind: "tick" }), 1000);
  store.show(() => page.draw());
  page.watchSizes();
  if (!watching) page.openShells();
  return () => {
    live.close();
    clearInterval(ticking);
    page.close();
  };
}

/** @param {string} instance @param {(() => void) | undefined} back */
function frame(instance, back) {
  return html`
    <a class="skip" href="#terminals">To the terminals</a>
    <header id="top"><h1>halab</h1>${back ? html`<button type="button" class="plain" @click=${back}>‹ Board</button>` : nothing}
      <span class="instance">${instance}</span><div id="status"></div></header>
    <main class="page" id="page">
      <aside id="lesson" tabindex="-1" aria-label="Lesson"><div id="prose" tabindex="0" role="region" aria-label="What to do"></div><div id="actions"></div></aside>
      <section id="terminals" tabindex="-1" aria-label="Terminals"><div id="tabs" class="strip"></div><div id="shells"></div></section>
      <section id="cluster" tabindex="-1" aria-label="Cluster"><div id="map" tabindex="0" role="region" aria-label="Map"></div></section>
      <section id="bottom" tabindex="-1" aria-label="Checks and faults"><div id="views" class="strip"></div><div id="view" tabindex="0" role="region" aria-label="Results"></div></section>
    </main>
    <div id="news" class="hidden" role="status" aria-live="polite"></div>
    ${drawKeys()}`;
}

class Page {
  /**
   * @param {{state: import("./page_state.js").PageState, tell: (message: any) => void}} store
   * @param {(name: string) => HTMLElement} part
   * @param {string} instance
   */
  constructor(store, part, instance) {
    this.store = store;
    this.part = part;
    this.instance = instance;
    /** @type {import("./shells.js").Shells | null} */
    this.shells = null;
    this.asked = new Set();
    this.removeKeys = addKeys({
      act: (action) => this.act(action),
      show: (tab) => store.tell({ kind: "tab", tab }),
      terminal: (number) => this.shells?.chooseNumber(number),
      regions: () => ["lesson", "terminals", "cluster", "bottom"].map(part),
      focus: (region) => (region.id === "terminals" && this.shells ? this.shells.focus() : region.focus()),
    });
    addSplitters(part("page"));
    addEventListener("beforeunload", this.guard);
  }

  guard = (/** @type {BeforeUnloadEvent} */ event) => {
    if (this.shells?.inUse) event.preventDefault();
  };

  async openShells() {
    const { Shells } = await import("./shells.js"); // after the first paint, as xterm is most of the page
    this.shells = new Shells(this.part("tabs"), this.part("shells"), this.instance, (text) =>
      this.store.tell({ kind: "news", text }),
    );
    this.draw();
  }

  watchSizes() {
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.part("map"));
    this.sizes.observe(this.part("view"));
  }

  close() {
    this.sizes?.disconnect();
    this.removeKeys();
    removeEventListener("beforeunload", this.guard);
    for (const { terminal } of this.shells?.panes ?? []) terminal?.close();
  }

  /** @param {string} action @param {object} [options] */
  async act(action, options = {}) {
    const { status, answer } = await post(ofInstance(this.instance, "/actions"), { action, options });
    const sentence =
      status === 202 || status === 200
        ? ""
        : status === 0
          ? "The server does not answer."
          : status === 409
            ? `${answer.holder ?? "Another command"} is changing this instance.`
            : (answer.error ?? `The server refused that (${status}).`);
    this.store.tell({ kind: "refused", sentence });
    if (sentence) this.store.tell({ kind: "news", text: sentence });
  }

  /** @returns {import("./page_state.js").Tools} */
  tools() {
    return {
      locked: Boolean(lockedBecause(this.store.state)),
      act: (action, options) => this.act(action, options),
      tell: (message) => this.store.tell(message),
      submit: (event, then) => {
        event.preventDefault();
        then(Object.fromEntries(new FormData(/** @type {HTMLFormElement} */ (event.target))));
      },
    };
  }

  draw() {
    const { state } = this.store;
    const tools = this.tools();
    const { part } = this;
    const now = Date.now() / 1000;
    render(drawStatus(state, tools), part("status"));
    render(drawLesson(state.lesson, { copy, now }), part("prose"));
    render(drawActions(state, tools), part("actions"));
    render(drawMap(state.map, Math.max(200, part("map").clientWidth - 4)), part("map"));
    render(drawViews(state, tools), part("views"));
    const width = timelineWidth(part("view").clientWidth);
    const views = {
      checks: () => drawChecks(state, tools),
      break: () => drawBreak(state, tools, width),
      log: () => drawLog(state),
    };
    render(views[state.tab](), part("view"));
    if (part("news").textContent !== state.news) part("news").textContent = state.news;
    if (this.shells && state.lesson) {
      this.shells.offer(state.lesson.up === false ? [] : [...state.lesson.nodes, "workstation"]);
      if (state.map) this.shells.note(state.map);
    }
    this.askReports(state.compared);
  }

  /** @param {string[]} names */
  async askReports(names) {
    for (const name of names.filter((one) => !this.asked.has(one))) {
      this.asked.add(name);
      const report = await get(ofInstance(this.instance, `/measurements/${encodeURIComponent(name)}/report.json`));
      if (report) this.store.tell({ kind: "report", name, report });
      else this.asked.delete(name);
    }
  }
}

/** @param {import("./page_state.js").PageState} state @param {import("./page_state.js").Tools} tools */
function drawStatus({ lesson, link, watchedBy, helpAsked, watching }, tools) {
  return html`<span class="labtitle">${lesson?.title ?? ""}</span>
    ${watchedBy ? html`<span class="chip watched">${icon("eye")} ${watchedBy === 1 ? "An instructor watches" : `${watchedBy} instructors watch`} your terminals</span>` : nothing}
    ${
      link.refused
        ? html`<span class="chip bad" role="alert">Your link has ended. Ask for another one.</span>`
        : link.open
          ? nothing
          : html`<span class="chip warn" role="alert">${link.retryAt ? `No connection; trying again in ${counted(Math.max(1, Math.ceil((link.retryAt - Date.now()) / 1000)), "second")}` : "Connecting …"}</span>`
    }
    ${
      watching
        ? nothing
        : html`<button type="button" class="plain ${helpAsked ? "chosen" : ""}" aria-pressed=${helpAsked} ?disabled=${!link.open}
      @click=${() => tools.act("help", { asked: !helpAsked })}>${helpAsked ? "Help is asked for" : "Ask for help"}</button>`
    }
    <button type="button" class="plain" popovertarget="keys" title="Keys (?)">Keys</button>`;
}

/** @param {import("./page_state.js").PageState} state @param {import("./page_state.js").Tools} tools */
function drawActions(state, tools) {
  const because = lockedBecause(state);
  const doing = progress(state);
  const button = (
    /** @type {string} */ action,
    /** @type {string} */ words,
    /** @type {string} */ title,
    main = false,
  ) => html`
    <button type="button" class=${main ? "primary" : ""} ?disabled=${tools.locked} title=${because || title} @click=${() => tools.act(action)}>${words}</button>`;
  const { exam, exam_facts: facts, practice, up, exam_clock: began } = state.lesson ?? {};
  const absent = state.map?.nodes.some((/** @type {any} */ node) => node.power === "absent");
  const down = state.lesson && (up === false || absent);
  return html`
    <p class="doing ${because || doing || state.refused ? "" : "quiet"} ${state.refused ? "refused" : ""}">${state.refused || (state.holder ? because : doing ? `${doing} …` : because)}
      ${state.holder && doing ? html`<span>${doing} …</span>` : nothing}
      ${doing && state.link.open ? html`<button type="button" class="small" @click=${() => tools.act("interrupt")}>Stop</button>` : nothing}</p>
    <div class="buttons" role="group" aria-label="Actions">
      ${
        down
          ? button("up", "Bring it up", "Make the instance, or complete it", true)
          : exam && !began
            ? button("up", "Begin", "Begin the exam; its time runs from then on", true)
            : exam
              ? html`${button("grade", "Grade", "Grade it; this breaks things and puts them back", true)}
        ${facts?.hints || practice ? button("hint", "Hint", "One more hint") : nothing}${button("finish", "Hand in", "Hand in the exam")}`
              : html`${button("check", "Check", "Verify what you did (Alt+Shift+C)", true)}${button("hint", "Hint", "One more hint for what fails now (Alt+Shift+H)")}
        ${button("solve", "Solve", "Perform this step for you")}${button("next", "Next", "Perform and verify the next step (Alt+Shift+N)")}`
      }
    </div>`;
}

/** @param {import("./page_state.js").PageState} state @param {import("./page_state.js").Tools} tools */
function drawViews(state, tools) {
  const tabs = /** @type {const} */ ([
    ["checks", "Checks"],
    ["break", "Break it"],
    ["log", "Commands"],
  ]);
  return html`<div class="tabs" role="group" aria-label="What is below">${tabs.map(
    ([tab, words]) => html`
    <button type="button" class="tab ${state.tab === tab ? "chosen" : ""}" aria-pressed=${state.tab === tab} aria-controls="view"
      @click=${() => tools.tell({ kind: "tab", tab })}>${words} ${tab === "break" && state.map?.faults.length ? icon("bolt") : nothing}</button>`,
  )}</div>`;
}

/** Return how wide a timeline may be: beside the faults, or below them. @param {number} view */
function timelineWidth(view) {
  return view < 652 ? Math.max(280, view - 32) : view - 340;
}

/** @param {string} text @param {HTMLElement} button */
async function copy(text, button) {
  await navigator.clipboard.writeText(text);
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), 1200);
}

// The state of a learner's page, and how messages change it.

import { follow, running } from "./commands.js";
import { changes } from "./map_text.js";

const MOST_GLANCES = 600;
const MOST_COMPARED = 3;

/**
 * @typedef {object} PageState
 * @property {string} instance
 * @property {boolean} watching whether an instructor looks at the page of a learner
 * @property {{open: boolean, retryAt: number, refused: boolean}} link
 * @property {any} lesson
 * @property {any} map
 * @property {import("./lanes.js").Glance[]} glances maps that were, while something is measured
 * @property {string | null} holder of the lock, in words
 * @property {number} watchedBy
 * @property {boolean} helpAsked
 * @property {number} at bytes of the event log that were taken in
 * @property {import("./commands.js").Command[]} commands
 * @property {"checks"|"break"|"log"} tab
 * @property {string} fault that is chosen
 * @property {string[]} compared names of measurements
 * @property {Record<string, any>} reports by name
 * @property {string} refused why the last action was not begun
 * @property {string} news for those who listen
 * @typedef {object} Tools what views act with
 * @property {boolean} locked
 * @property {(action: string, options?: object) => void} act
 * @property {(message: any) => void} tell
 * @property {(event: SubmitEvent, then: (form: any) => void) => void} submit
 */

/** @param {string} instance @param {boolean} watching @returns {PageState} */
export function blank(instance, watching) {
  return {
    instance,
    watching,
    link: { open: false, retryAt: 0, refused: false },
    lesson: null,
    map: null,
    glances: [],
    holder: null,
    watchedBy: 0,
    helpAsked: false,
    at: 0,
    commands: [],
    tab: "checks",
    fault: "",
    compared: [],
    reports: {},
    refused: "",
    news: "",
  };
}

/** @param {PageState} state @param {any} message */
export function change(state, message) {
  switch (message.kind) {
    case "link":
      state.link = message.link;
      break;
    case "lesson":
      state.lesson = message;
      break;
    case "map":
      takeMap(state, message);
      break;
    case "event":
      takeEvent(state, message);
      break;
    case "lock":
      state.holder = message.holder;
      break;
    case "watched":
      takeWatched(state, message.by);
      break;
    case "help":
      state.helpAsked = message.asked;
      break;
    case "tab":
      state.tab = message.tab;
      break;
    case "fault_chosen":
      state.fault = message.name;
      break;
    case "compare":
      toggle(state, message.name);
      break;
    case "report":
      state.reports[message.name] = message.report;
      break;
    case "refused":
      state.refused = message.sentence;
      break;
    case "news":
      state.news = message.text;
      break;
  }
}

/** @param {PageState} state @param {any} map */
function takeMap(state, map) {
  const told = changes(state.map, map);
  if (told.length) state.news = told.join(". ");
  state.map = map;
  state.glances.push({ at: map.time, map });
  const measuring = state.commands.some((command) => command.name === "measure" && command.ended === null);
  const most = measuring ? MOST_GLANCES : 2; // the last one says how it was when a measurement begins
  if (state.glances.length > most) state.glances.splice(0, state.glances.length - most);
}

/** @param {PageState} state @param {{event: any, at: number}} message */
function takeEvent(state, { event, at }) {
  state.at = at;
  follow(state.commands, event);
  if (event.kind === "command_begins") state.refused = "";
  if (
    ["check", "hint", "grade", "next", "solve", "walk", "reset"].includes(event.command) &&
    event.kind === "command_begins"
  )
    state.tab = "checks";
  if (event.command === "measure" && event.kind === "command_begins") [state.tab, state.compared] = ["break", []];
  if (event.kind === "checked" || event.kind === "marked") state.news = `${event.outcome}: ${event.sentence}`;
  if (event.kind === "said") state.news = event.text;
  if (event.kind === "command_ends" && event.reason) state.news = event.reason;
  if (event.kind === "measured") {
    const name = event.directory.split("/").filter(Boolean).at(-1);
    state.compared = [name, ...state.compared.filter((one) => one !== name)].slice(0, MOST_COMPARED);
  }
}

/** @param {PageState} state @param {number} by */
function takeWatched(state, by) {
  if (by && !state.watchedBy) state.news = "An instructor watches your terminals now.";
  state.watchedBy = by;
}

/** @param {PageState} state @param {string} name */
function toggle(state, name) {
  const { compared } = state;
  state.compared = compared.includes(name)
    ? compared.filter((one) => one !== name)
    : [...compared, name].slice(-MOST_COMPARED);
}

/** Return why nothing can be changed now, or nothing. @param {PageState} state */
export function lockedBecause(state) {
  if (!state.link.open) return "There is no connection to the server.";
  if (state.holder) return `${state.holder} is changing this instance.`;
  const command = running(state.commands);
  return command && command.name !== "watch" && Date.now() / 1000 - command.began < 2
    ? `inv ${command.name} has begun.`
    : "";
}

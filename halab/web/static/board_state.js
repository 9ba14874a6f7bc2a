// The state of the instructor's board, and what of it is shown in which order.

/**
 * @typedef {object} Row of an instance
 * @property {string} instance
 * @property {string} learner
 * @property {string} lab
 * @property {string} title
 * @property {string} provider
 * @property {{name: string, title: string, outcome: string | null}[]} steps
 * @property {string} failing
 * @property {string[]} faults
 * @property {number | null} time_left seconds
 * @property {number | null} points
 * @property {string | null} verdict
 * @property {number} last_activity seconds since the epoch
 * @property {boolean} asks_for_help
 * @property {boolean} up
 * @property {number[]} [attempts] that were graded
 * @property {string[]} [measurements]
 * @property {string | null} holder
 *
 * @typedef {object} BoardState
 * @property {{open: boolean, retryAt: number, refused: boolean}} link
 * @property {Row[] | null} rows
 * @property {number} heard when the rows came, in seconds since the epoch
 * @property {string} by the column that sorts
 * @property {boolean} down
 * @property {string} text that rows must have
 * @property {string} only which rows: all, help, failing, broken or locked
 * @property {"learners"|"marks"} tab
 * @property {string} chosen instance
 * @property {{place: string, id: string}[]} shells of the chosen instance
 * @property {{name: string, at: number}[]} recordings of the chosen instance
 * @property {any} played what is played back
 * @property {string} watched the shell that is watched: its place and id
 * @property {any} marks
 * @property {string} refused
 * @property {string} news
 */

/** @returns {BoardState} */
export function blank() {
  return {
    link: { open: false, retryAt: 0, refused: false },
    rows: null,
    heard: 0,
    by: "learner",
    down: false,
    text: "",
    only: "all",
    tab: "learners",
    chosen: "",
    shells: [],
    recordings: [],
    played: null,
    watched: "",
    marks: null,
    refused: "",
    news: "",
  };
}

/** @param {BoardState} state @param {any} message */
export function change(state, message) {
  switch (message.kind) {
    case "link":
      state.link = message.link;
      break;
    case "board":
      takeRows(state, message.rows);
      break;
    case "sort":
      state.down =
        state.by === message.by
          ? !state.down
          : ["last_activity", "progress", "points", "asks_for_help"].includes(message.by);
      state.by = message.by;
      break;
    case "filter":
      Object.assign(state, message.filter);
      break;
    case "tab":
      state.tab = message.tab;
      break;
    case "choose":
      Object.assign(state, {
        chosen: message.instance,
        shells: [],
        recordings: [],
        played: null,
        watched: "",
        refused: "",
      });
      break;
    case "shells":
      if (message.instance === state.chosen) state.shells = message.shells;
      break;
    case "recordings":
      if (message.instance === state.chosen) state.recordings = message.recordings;
      break;
    case "play":
      Object.assign(state, { played: message.recording, watched: "" });
      break;
    case "watch":
      Object.assign(state, { watched: message.shell, played: null });
      break;
    case "marks":
      state.marks = message.marks;
      break;
    case "refused":
      state.refused = message.sentence;
      break;
  }
}

/** @param {BoardState} state @param {Row[]} rows */
function takeRows(state, rows) {
  const asked = new Set((state.rows ?? []).filter((row) => row.asks_for_help).map((row) => row.instance));
  const asks = rows.filter((row) => row.asks_for_help && !asked.has(row.instance)).map((row) => row.learner);
  if (asks.length) state.news = `${asks.join(" and ")} ${asks.length === 1 ? "asks" : "ask"} for help.`;
  state.rows = rows;
  state.heard = Date.now() / 1000;
}

/** @param {Row} row */
export function passed(row) {
  return row.steps.filter((step) => step.outcome === "passed").length;
}

const KEYS = {
  progress: (/** @type {Row} */ row) => (row.steps.length ? passed(row) / row.steps.length : -1),
  faults: (/** @type {Row} */ row) => row.faults.length,
  time_left: (/** @type {Row} */ row) => row.time_left ?? Infinity,
  points: (/** @type {Row} */ row) => row.points ?? -1,
};

const ONLY = {
  all: () => true,
  help: (/** @type {Row} */ row) => row.asks_for_help,
  failing: (/** @type {Row} */ row) => Boolean(row.failing),
  broken: (/** @type {Row} */ row) => row.faults.length > 0,
  locked: (/** @type {Row} */ row) => Boolean(row.holder),
};

/** Return the rows that are shown, in their order. @param {BoardState} state @returns {Row[]} */
export function shownRows({ rows, text, only, by, down }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (/** @type {Row} */ row) =>
    [row.learner, row.lab, row.title, row.failing, ...row.faults].join(" ").toLowerCase();
  const key = KEYS[/** @type {keyof typeof KEYS} */ (by)] ?? ((/** @type {any} */ row) => row[by]);
  return (rows ?? [])
    .filter(
      (row) => ONLY[/** @type {keyof typeof ONLY} */ (only)](row) && words.every((word) => has(row).includes(word)),
    )
    .sort((one, other) => compare(key(one), key(other)) * (down ? -1 : 1) || compare(one.learner, other.learner));
}

/** @param {any} one @param {any} other */
function compare(one, other) {
  if (typeof one === "string" && typeof other === "string")
    return one.localeCompare(other, undefined, { numeric: true });
  return Number(one) - Number(other) || 0;
}

// What inv commands tell of themselves in the event log (docs/events.md), one by one, put together again.

const MOST_COMMANDS = 30;
const MOST_TYPED = 60_000; // characters of a command's terminal
const MOST_SAMPLES = 40_000;

/**
 * @typedef {{at: number, took: number, named: string[] | null}} Sample one GET of the probe
 * @typedef {{at: number, owners: string[]}} Claim who answered for the VIP
 * @typedef {{sentence: string, outcome: "passed"|"failed"|"unknown", expected: string, seen: string,
 *   seconds: number, points?: number, earned?: number, look?: string[], step: string}} Check
 * @typedef {{fault: {name: string, node: string}, number: number, of: number, injected: number}} Run
 * @typedef {object} Command
 * @property {number} pid
 * @property {string} name
 * @property {number} began
 * @property {number | null} ended
 * @property {number} status
 * @property {string} reason
 * @property {string[]} doing what goes on now, innermost last
 * @property {string} step the step that is performed or verified now
 * @property {Check[]} checks
 * @property {{step: string, title: string, outcome: string, reason: string}[]} steps those that have ended
 * @property {{at: number, text: string}[]} said
 * @property {string} typed what appeared on its terminal
 * @property {Run[]} runs of a measurement
 * @property {Sample[]} samples
 * @property {Claim[]} claims
 * @property {any} measured
 * @property {any} graded
 */

/** @param {any} event @returns {Command} */
function begun(event) {
  return {
    pid: event.pid,
    name: event.command,
    began: event.time,
    ended: null,
    status: 0,
    reason: "",
    doing: [],
    step: "",
    checks: [],
    steps: [],
    said: [],
    typed: "",
    runs: [],
    samples: [],
    claims: [],
    measured: null,
    graded: null,
  };
}

/**
 * Take an event into the list of commands, the latest of which is the last one.
 * @param {Command[]} commands
 * @param {any} event
 */
export function follow(commands, event) {
  let command = commands.findLast((one) => one.pid === event.pid && one.name === event.command && one.ended === null);
  if (!command || event.kind === "command_begins") {
    if (command) command.ended = event.time;
    command = begun(event);
    commands.push(command);
    if (commands.length > MOST_COMMANDS) commands.shift();
  }
  take(command, event);
}

/** @param {Command} command @param {any} event */
function take(command, event) {
  switch (event.kind) {
    case "command_ends":
      Object.assign(command, { ended: event.time, status: event.status, reason: event.reason, doing: [], step: "" });
      break;
    case "begins":
      command.doing.push(event.doing);
      break;
    case "ends":
      command.doing = command.doing.filter((doing) => doing !== event.doing);
      break;
    case "said":
      command.said.push({ at: event.time, text: event.text });
      break;
    case "asked":
      command.said.push({ at: event.time, text: event.lost });
      break;
    case "step_begins":
      command.step = event.step;
      command.doing.push(`${event.doing === "verify" ? "Checking" : "Performing"} step ${event.step}`);
      break;
    case "step_ends":
      command.step = "";
      command.doing = command.doing.filter((doing) => !doing.endsWith(`step ${event.step}`));
      command.steps.push(event);
      break;
    case "typed":
      command.typed = (command.typed + event.text).slice(-MOST_TYPED);
      break;
    case "checked":
      command.checks.push({ ...event, step: command.step });
      break;
    case "marked":
      command.checks.push({ ...event, step: event.task ?? "" });
      break;
    case "run_begins":
      command.runs.push(event);
      break;
    case "samples":
      command.samples.push(...event.samples);
      command.claims.push(...event.claims);
      if (command.samples.length > MOST_SAMPLES) command.samples.splice(0, MOST_SAMPLES / 10);
      break;
    case "measured":
      command.measured = event;
      break;
    case "graded":
      command.graded = event;
      break;
  }
}

/**
 * Return the hints that were given: a sentence of a check, and what to try, of the latest hint of each sentence.
 * @param {Command[]} commands
 * @returns {{sentence: string, hints: string[]}[]}
 */
export function hintsIn(commands) {
  const found = new Map();
  for (const command of commands) {
    if (["reset", "up", "down", "next", "walk", "solve"].includes(command.name) && command.status === 0) found.clear();
    if (command.name !== "hint") continue;
    for (const { text } of command.said) {
      const [first, ...rest] = text.split("\n");
      found.delete(first);
      found.set(
        first,
        rest.map((line) => line.replace(/^\s*\d+\.\s*/, "")),
      );
    }
  }
  return [...found].map(([sentence, hints]) => ({ sentence: sentence.replace(/:$/, ""), hints }));
}

/** Return the last command that checked something. @param {Command[]} commands */
export function lastChecked(commands) {
  return commands.findLast(
    (command) => command.checks.length || (command.ended === null && ["check", "hint", "grade"].includes(command.name)),
  );
}

/** Return the command that goes on now, if any. @param {Command[]} commands */
export function running(commands) {
  return commands.findLast((command) => command.ended === null);
}

// The lanes of a timeline while it grows: pure functions of what was seen.

/**
 * @typedef {{start: number, end: number, kind: string, word?: string}} Bar times in seconds since the fault
 * @typedef {{title: string, bars: Bar[], marks: {at: number, word: string}[]}} Lane
 * @typedef {{at: number, map: any}} Glance the map as it was from then on
 */

/**
 * Return the lanes of the run that goes on, the last one of a command, and the seconds of outage so far.
 * @param {import("./commands.js").Command} command
 * @param {Glance[]} glances maps, in the order of their times
 * @param {string[]} nodes
 */
export function growing(command, glances, nodes) {
  const run = command.runs.at(-1);
  const from = run ? run.injected - 1 : (command.samples[0]?.at ?? 0);
  const samples = command.samples.filter(({ at }) => at >= from).sort((one, other) => one.at - other.at);
  const claims = command.claims.filter(({ at }) => at >= from);
  const seen = glances.filter(({ at }, number) => (glances[number + 1]?.at ?? Infinity) >= from && at > 0);
  const zero = run ? run.injected : (samples[0]?.at ?? 0);
  const until = Math.max(samples.at(-1)?.at ?? 0, claims.at(-1)?.at ?? 0, from);
  const since = (/** @type {Bar} */ bar) => ({ ...bar, start: Math.max(bar.start, from) - zero, end: bar.end - zero });
  const lane = (
    /** @type {string} */ title,
    /** @type {Bar[]} */ bars,
    /** @type {{at: number, word: string}[]} */ marks = [],
  ) => ({
    title,
    bars: joined(bars)
      .map(since)
      .filter(({ start, end }) => end > start),
    marks: marks.filter(({ at }) => at >= from).map(({ at, word }) => ({ at: at - zero, word })),
  });
  const resources = [
    ...new Set(
      seen.flatMap(({ map }) =>
        map.nodes.flatMap((/** @type {any} */ node) => node.resources.map((/** @type {any} */ one) => one.id)),
      ),
    ),
  ];
  const lanes = [
    lane("service", answers(samples)),
    ...nodes.map((node, number) => lane(`VIP on ${node}`, held(claims, node, number))),
    ...nodes.map((node, number) =>
      lane(
        `${node} a member`,
        spans(seen, until, (map) => membership(map, node, number)),
      ),
    ),
    ...nodes.map((node, number) =>
      lane(
        `power of ${node}`,
        spans(seen, until, (map) => powered(map, node, number)),
        fenced(seen, node),
      ),
    ),
    ...resources.map((id) =>
      lane(
        id,
        spans(seen, until, (map) => where(map, id, nodes)),
      ),
    ),
  ];
  return { lanes, start: from - zero, end: Math.max(until - zero, 5), outage: outage(samples), injected: Boolean(run) };
}

/** @param {import("./commands.js").Sample[]} samples @returns {Bar[]} */
function answers(samples) {
  return samples.slice(1).map((sample, number) => {
    const one = samples[number];
    return {
      start: one.at,
      end: sample.at,
      kind: one.named === null ? "bad" : "good",
      word: one.named === null ? "no answer" : "answers",
    };
  });
}

/** @param {import("./commands.js").Claim[]} claims @param {string} node @param {number} number @returns {Bar[]} */
function held(claims, node, number) {
  return claims.slice(1).flatMap((claim, at) => {
    const one = claims[at];
    if (!one.owners.includes(node)) return [];
    const alone = one.owners.length === 1;
    return [{ start: one.at, end: claim.at, kind: alone ? `node${number % 6}` : "bad", word: alone ? "" : "twice" }];
  });
}

/**
 * @param {Glance[]} seen @param {number} until
 * @param {(map: any) => {kind: string, word: string} | null} look
 * @returns {Bar[]}
 */
function spans(seen, until, look) {
  return seen.flatMap(({ at, map }, number) => {
    const found = look(map);
    return found ? [{ start: at, end: seen[number + 1]?.at ?? until, ...found }] : [];
  });
}

/** @param {any} map @param {string} node */
function inMap(map, node) {
  return map.nodes.find((/** @type {any} */ one) => one.name === node);
}

/** @param {any} map @param {string} node @param {number} number */
function membership(map, node, number) {
  const member = inMap(map, node)?.member;
  if (member === "unclean" || member === "pending") return { kind: "warn", word: member };
  return ["online", "standby", "maintenance"].includes(member)
    ? { kind: `node${number % 6}`, word: member === "online" ? "" : member }
    : null;
}

/** @param {any} map @param {string} node @param {number} number */
function powered(map, node, number) {
  const power = inMap(map, node)?.power;
  if (power === "frozen") return { kind: "warn", word: "frozen" };
  return power === "on" ? { kind: `node${number % 6}`, word: "" } : null;
}

/** @param {Glance[]} seen @param {string} node */
function fenced(seen, node) {
  return seen.slice(1).flatMap(({ at, map }, number) => {
    const [before, now] = [inMap(seen[number].map, node)?.power, inMap(map, node)?.power];
    return before !== now && now ? [{ at, word: now === "on" ? "on" : now === "frozen" ? "frozen" : "off" }] : [];
  });
}

/** @param {any} map @param {string} id @param {string[]} nodes */
function where(map, id, nodes) {
  const node = map.nodes.find(
    (/** @type {any} */ one) =>
      one.power === "on" &&
      one.resources.some((/** @type {any} */ resource) => resource.id === id && resource.state === "started"),
  );
  return node ? { kind: `node${nodes.indexOf(node.name) % 6}`, word: node.name } : null;
}

/** @param {Bar[]} bars */
function joined(bars) {
  /** @type {Bar[]} */
  const found = [];
  for (const bar of bars) {
    const last = found.at(-1);
    if (last && last.kind === bar.kind && last.word === bar.word && bar.start - last.end < 1e-6) last.end = bar.end;
    else found.push({ ...bar });
  }
  return found;
}

/**
 * Return the seconds in which the service did not answer, as halab/measure/outages.py defines them.
 * @param {import("./commands.js").Sample[]} samples in the order of their times
 */
export function outage(samples) {
  let [sum, start] = [0, /** @type {number | null} */ (null)];
  for (const { at, named } of samples) {
    if (named === null) start ??= at;
    else if (start !== null) [sum, start] = [sum + at - start, null];
  }
  if (start !== null) sum += (samples.at(-1)?.at ?? start) - start;
  return { seconds: sum, ended: start === null };
}

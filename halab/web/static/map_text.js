// The map of a cluster in sentences, for those who do not see it, and for what changed in it.

/** @param {any} node */
export function powerWords(node) {
  return (
    { on: "on", off: "no power", frozen: "frozen", absent: "not there" }[/** @type {string} */ (node.power)] ??
    node.power
  );
}

/** @param {any} node */
export function memberWords(node) {
  return { unclean: "UNCLEAN", unknown: "no cluster" }[/** @type {string} */ (node.member)] ?? node.member;
}

/** @param {any} map @returns {string[]} */
export function mapAsText(map) {
  const { vip, quorum, fencing } = map;
  return [
    ...map.nodes.map(nodeAsText),
    ...(map.stopped.length ? [`Not running: ${map.stopped.join(", ")}.`] : []),
    ...(vip ? [`The VIP ${vip.address} answers from ${vip.owners.length ? vip.owners.join(" and ") : "nobody"}.`] : []),
    quorum
      ? `Quorum: ${quorum.quorate ? "yes" : "no"}, with ${quorum.votes} of ${quorum.expected} votes.`
      : "Quorum: unknown.",
    `Fencing: ${fencing === null ? "unknown" : fencing ? "on" : "off"}.`,
    ...map.constraints.map(constraintAsText),
    ...map.faults.map((/** @type {any} */ fault) => `Fault: ${fault.words}.`),
    ...(map.reason ? [`${map.reason}`] : []),
  ];
}

/** @param {any} node */
function nodeAsText(node) {
  const runs = node.resources.map((/** @type {any} */ resource) =>
    resource.state === "started" ? resource.id : `${resource.id} (${resource.state})`,
  );
  return [
    `${node.name}: ${node.power === "on" ? `power on, ${memberWords(node)}` : powerWords(node)}`,
    node.power === "on" || !node.why_off ? "" : node.why_off,
    node.dc ? "DC" : "",
    node.arp ? "answers ARP for the VIP" : "",
    runs.length ? `runs ${runs.join(", ")}` : "",
    node.bmc ? `its BMC ${node.bmc === "dead" ? "answers nobody" : "answers"}` : "",
    ...node.cut.map((/** @type {string} */ cable) => `its ${cable} cable is cut`),
  ]
    .filter(Boolean)
    .join("; ")
    .concat(".");
}

/** @param {any} constraint */
function constraintAsText({ kind, first, second, score }) {
  const how = score ? ` (${score})` : "";
  const away = String(score).startsWith("-");
  switch (kind) {
    case "colocation":
      return `${first} ${away ? "stays away from" : "runs where"} ${second}${away ? "" : " does"}${how}.`;
    case "order":
      return `${first} starts before ${second}${how}.`;
    case "group":
      return `${first} and ${second} are of one group.`;
    default:
      return `${first} ${away ? "avoids" : "prefers"} ${second}${how}.`;
  }
}

/**
 * Return what changed from one map to the next that a person should be told of.
 * @param {any} before @param {any} after @returns {string[]}
 */
export function changes(before, after) {
  if (!before) return [];
  const old = new Map(before.nodes.map((/** @type {any} */ node) => [node.name, node]));
  return after.nodes.flatMap((/** @type {any} */ node) => {
    const was = old.get(node.name);
    if (!was || (was.power === node.power && was.member === node.member)) return [];
    return [`${node.name}: ${node.power === "on" ? memberWords(node) : powerWords(node)}`];
  });
}

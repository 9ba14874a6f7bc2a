// Where things of the map are drawn: pure arithmetic, in pixels.

export const GAP = 12;
export const LEAST = 148; // pixels that a node is wide
const TITLE = 46;
const RESOURCE = 24;
const BMC = 26;
const BUS = 34;

/**
 * @typedef {{id: string, agent: string, role?: string, state: string}} Resource
 * @typedef {{name: string, power: string, why_off: string, bmc: string, member: string, dc: boolean, arp: boolean,
 *   resources: Resource[], cut: string[]}} Node
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 * @typedef {Box & {node: Node, lan: number, mgmt: number, bmc: Box}} NodeBox
 */

/**
 * Return the boxes of nodes and of resources in a picture of that width, and the picture's height.
 * @param {{nodes: Node[], stopped: string[]}} map
 * @param {number} width
 */
export function place(map, width) {
  const perRow = Math.max(1, Math.min(map.nodes.length, Math.floor((width - GAP) / (LEAST + GAP))));
  const wide = (width - GAP * (perRow + 1)) / perRow;
  /** @type {NodeBox[]} */
  const nodes = [];
  /** @type {{name: string, y: number, from: number, to: number}[]} the networks, of each row */
  const buses = [];
  /** @type {Map<string, Box & {resource: Resource}>} by resource and node */
  const resources = new Map();
  let y = 4;
  for (let first = 0; first < map.nodes.length; first += perRow) {
    const row = map.nodes.slice(first, first + perRow);
    const most = Math.max(1, ...row.map((node) => node.resources.length));
    const height = TITLE + most * RESOURCE + BMC + 8;
    row.forEach((node, at) => {
      const x = GAP + at * (wide + GAP);
      const top = y + BUS;
      const bmc = { x: x + 8, y: top + height - BMC, width: wide - 16, height: BMC - 6 };
      nodes.push({ node, x, y: top, width: wide, height, lan: y + 16, mgmt: top + height + 14, bmc });
      node.resources.forEach((resource, number) => {
        const box = { x: x + 8, y: top + TITLE + number * RESOURCE, width: wide - 40, height: RESOURCE - 4 };
        resources.set(`${resource.id}@${node.name}`, { resource, ...box });
      });
    });
    const [from, to] = [GAP, GAP + row.length * (wide + GAP) - GAP];
    buses.push({ name: "lan", y: y + 16, from, to }, { name: "mgmt", y: y + BUS + height + 14, from, to });
    y += BUS + height + 34;
  }
  const each = Math.min(130, (width - GAP) / Math.max(1, map.stopped.length) - 6);
  map.stopped.forEach((id, number) => {
    const box = { x: GAP + number * (each + 6), y: y + 14, width: each, height: RESOURCE - 4 };
    resources.set(`${id}@`, { resource: { id, agent: "", state: "stopped" }, ...box });
  });
  return { nodes, buses, resources, stoppedAt: y, height: y + (map.stopped.length ? 14 + RESOURCE + 4 : 0) };
}

/**
 * Return a line from one resource to another, at their right edges when one stands above the other.
 * @param {Box} one @param {Box} other @param {number} number of the line, so that lines do not lie on each other
 */
export function line(one, other, number) {
  const middle = (/** @type {Box} */ box) => box.y + box.height / 2;
  if (Math.abs(one.x - other.x) < 1) {
    const right = one.x + one.width + 1;
    const out = right + 10 + 11 * (number % 3);
    return `M${right} ${middle(one)} C${out} ${middle(one)} ${out} ${middle(other)} ${right} ${middle(other)}`;
  }
  const [from, to] = one.x < other.x ? [one.x + one.width, other.x] : [one.x, other.x + other.width];
  const bend = (from + to) / 2;
  return `M${from} ${middle(one)} C${bend} ${middle(one)} ${bend} ${middle(other)} ${to} ${middle(other)}`;
}

/** @param {string} text @param {number} width in pixels, of a font of 12 */
export function fitted(text, width) {
  const most = Math.max(4, Math.floor(width / 6.7));
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

// The map of a cluster: its nodes, what runs on them, and what is wrong, as a picture and as text.

import { html, nothing, svg } from "./html.js";
import { icon } from "./icons.js";
import { fitted, line, place } from "./places.js";
import { mapAsText, memberWords, powerWords } from "./map_text.js";

const STATES = { started: "▶", starting: "…", stopping: "…", failed: "✗", blocked: "■", stopped: "◻" };

/**
 * @param {any} map the last message of kind `map`, or null
 * @param {number} width in pixels
 */
export function drawMap(map, width) {
  if (!map) return html`<p class="empty">Looking at the cluster …</p>`;
  if (!map.nodes.length) return html`<p class="empty pad">${map.reason || "There are no nodes."}</p>`;
  const places = place(map, width);
  const text = mapAsText(map);
  return html`
    ${badges(map)}
    <svg class="map" role="img" aria-label="Map of the cluster" aria-describedby="map-as-text" width=${width}
      height=${places.height} viewBox="0 0 ${width} ${places.height}">
      <defs>
        <pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <line x1="0" y1="0" x2="0" y2="7" class="hatching"></line>
        </pattern>
        <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
          <path d="M0 0L8 4L0 8z" class="arrowhead"></path>
        </marker>
      </defs>
      ${places.buses.map(
        ({ name, y, from, to }) => svg`<line class="bus" x1=${from} x2=${to} y1=${y} y2=${y}></line>
        <text class="faint" x=${from + 2} y=${name === "lan" ? y - 4 : y + 12}>${name}</text>`,
      )}
      ${places.nodes.map((box) => drawNode(box, map))}
      ${map.stopped.length ? svg`<text class="faint" x="12" y=${places.stoppedAt + 8}>not running:</text>` : nothing}
      ${[...places.resources.values()].map((box) => drawResource(box))}
      ${map.constraints.map((/** @type {any} */ constraint, /** @type {number} */ number) => drawConstraint(constraint, number, places.resources))}
    </svg>
    ${map.constraints.length ? html`<p class="legend" aria-hidden="true"><span><i></i>on one node</span><span><i class="order"></i>in this order</span></p>` : nothing}
    ${map.reason ? html`<p class="because">${map.reason}</p>` : nothing}
    ${
      map.faults.length
        ? html`<ul class="faults" aria-label="Faults">${map.faults.map(
            (/** @type {any} */ fault) => html`<li>${icon("bolt")} ${fault.words}</li>`,
          )}</ul>`
        : nothing
    }
    <details class="astext"><summary>The map as text</summary>
      <ul id="map-as-text">${text.map((sentence) => html`<li>${sentence}</li>`)}</ul>
    </details>`;
}

/** @param {any} map */
function badges({ vip, quorum, fencing }) {
  const several = vip && vip.owners.length > 1;
  return html`<ul class="badges">
    ${
      vip
        ? html`<li class=${several ? "bad" : vip.owners.length ? "good" : "warn"} title="who answers ARP for the VIP">
      <b>VIP</b> ${vip.owners.length ? vip.owners.join(" and ") : "nobody"}${several ? " ✗" : ""}</li>`
        : nothing
    }
    <li class=${quorum ? (quorum.quorate ? "good" : "bad") : ""}><b>Quorum</b>
      ${quorum ? `${quorum.quorate ? "yes" : "no ✗"}, ${quorum.votes} of ${quorum.expected}` : "unknown"}</li>
    <li class=${fencing === null ? "" : fencing ? "good" : "warn"}><b>Fencing</b>
      ${fencing === null ? "unknown" : fencing ? "on" : "off"}</li>
  </ul>`;
}

/** @param {import("./places.js").NodeBox} box @param {any} map */
function drawNode(box, map) {
  const { node, x, y, width, height } = box;
  const dark = node.power !== "on";
  const faults = map.faults.filter((/** @type {any} */ fault) => fault.node === node.name).length;
  const tags = [node.dc ? "DC" : "", node.arp ? "VIP" : ""].filter(Boolean).join(" · ");
  return svg`<g class="node ${node.power} ${node.member}">
    ${cable(x + width / 2, box.lan, y, node.cut.includes("lan"))}
    ${cable(x + width / 2, y + height, box.mgmt, node.cut.includes("mgmt"))}
    <rect class="case" x=${x} y=${y} width=${width} height=${height} rx="6"></rect>
    ${dark ? svg`<rect class="dark" x=${x} y=${y} width=${width} height=${height} rx="6" fill="url(#hatch)"></rect>` : nothing}
    <text class="name" x=${x + 10} y=${y + 18}>${fitted(node.name, width - 60)}${faults ? " ϟ" : ""}</text>
    <text class="tags" x=${x + width - 9} y=${y + 18} text-anchor="end">${tags}</text>
    <text class="state" x=${x + 10} y=${y + 36}>${fitted(dark ? powerWords(node) : memberWords(node), width - 18)}</text>
    ${dark && node.why_off ? svg`<text class="faint" x=${x + 10} y=${y + 54}>${fitted(node.why_off, width - 18)}</text>` : nothing}
    ${
      node.bmc
        ? svg`<rect class="bmc ${node.bmc}" x=${box.bmc.x} y=${box.bmc.y} width=${box.bmc.width} height=${box.bmc.height} rx="3"></rect>
    <text class="faint" x=${box.bmc.x + 7} y=${box.bmc.y + 14}>BMC ${node.bmc === "dead" ? "✗ answers nobody" : "answers"}</text>`
        : nothing
    }
  </g>`;
}

/** @param {number} x @param {number} from @param {number} to @param {boolean} cut */
function cable(x, from, to, cut) {
  return svg`<line class="cable ${cut ? "cut" : ""}" x1=${x} y1=${from} x2=${x} y2=${to}></line>
    ${cut ? svg`<text class="scissors" x=${x + 6} y=${(from + to) / 2 + 4}>✗ cut</text>` : nothing}`;
}

/** @param {import("./places.js").Box & {resource: import("./places.js").Resource}} box */
function drawResource({ resource, x, y, width, height }) {
  const sign = STATES[/** @type {keyof typeof STATES} */ (resource.state)] ?? "?";
  const role = resource.role && !["Started", "Stopped"].includes(resource.role) ? ` (${resource.role})` : "";
  return svg`<g class="resource ${resource.state}"><title>${resource.id} ${resource.agent} ${resource.state}</title>
    <rect x=${x} y=${y} width=${width} height=${height} rx="4"></rect>
    <text x=${x + 7} y=${y + 14}>${sign} ${fitted(`${resource.id}${role}`, width - 34)}</text></g>`;
}

/** @param {any} constraint @param {number} number @param {Map<string, any>} boxes */
function drawConstraint(constraint, number, boxes) {
  const found = (/** @type {string} */ id) => [...boxes].find(([key]) => key.startsWith(`${id}@`))?.[1];
  const [one, other] = [found(constraint.first), found(constraint.second)];
  if (!one || !other) return nothing; // such as a resource and a node: that stands in the text
  return svg`<path class="constraint ${constraint.kind}" d=${line(one, other, number)}
    marker-end=${constraint.kind === "order" ? "url(#arrow)" : "none"}><title>${constraint.kind}: ${constraint.first}, ${constraint.second} ${constraint.score ?? ""}</title></path>`;
}

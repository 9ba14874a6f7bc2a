// Borders between the parts of the page, which a mouse or arrow keys move. The browser remembers where they are.

const KEPT = "halab.splitters";
const STEP = 24; // pixels, of an arrow key

const BORDERS = [
  { name: "--left", label: "Width of the lesson", vertical: true, least: 240, most: 640, sign: 1 },
  { name: "--right", label: "Width of the map", vertical: true, least: 220, most: 760, sign: -1 },
  { name: "--low", label: "Height of checks and faults", vertical: false, least: 120, most: 560, sign: -1 },
];

/** @param {HTMLElement} page */
export function addSplitters(page) {
  const kept = JSON.parse(localStorage.getItem(KEPT) ?? "{}");
  for (const border of BORDERS) {
    const { name, label, vertical, least, most, sign } = border;
    const handle = document.createElement("div");
    handle.className = `splitter ${vertical ? "upright" : "flat"} at${name}`;
    handle.tabIndex = 0;
    handle.setAttribute("role", "separator");
    handle.setAttribute("aria-label", label);
    handle.setAttribute("aria-orientation", vertical ? "vertical" : "horizontal");
    const now = () => parseInt(getComputedStyle(page).getPropertyValue(name), 10);

    /** @param {number} size */
    const set = (size) => {
      const bounded = Math.round(Math.min(most, Math.max(least, size)));
      page.style.setProperty(name, `${bounded}px`);
      handle.setAttribute("aria-valuenow", String(bounded));
      kept[name] = bounded;
      localStorage.setItem(KEPT, JSON.stringify(kept));
    };

    handle.setAttribute("aria-valuemin", String(least));
    handle.setAttribute("aria-valuemax", String(most));
    if (kept[name]) set(kept[name]);
    else handle.setAttribute("aria-valuenow", String(now() || least));
    handle.addEventListener("keydown", ({ key }) => {
      const [less, more] = vertical ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
      if (key === less || key === more) set(now() + sign * (key === more ? STEP : -STEP));
    });
    handle.addEventListener("pointerdown", (down) => {
      const [began, from] = [now(), vertical ? down.clientX : down.clientY];
      handle.setPointerCapture(down.pointerId);
      handle.onpointermove = (move) => set(began + sign * ((vertical ? move.clientX : move.clientY) - from));
      handle.onpointerup = () => (handle.onpointermove = null);
    });
    page.append(handle);
  }
}

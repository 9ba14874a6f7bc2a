// Numbers and times as words.

/** @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
}

/** @param {number} at seconds since the epoch @param {number} [now] */
export function ago(at, now = Date.now() / 1000) {
  if (!at) return "never";
  const passed = now - at;
  return passed < 5
    ? "now"
    : `${duration(passed >= 60 && passed < 3600 ? Math.floor(passed / 60) * 60 : passed).replace(" 00 s", "")} ago`;
}

/** @param {number} at seconds since the epoch */
export function clock(at) {
  return new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** @param {number | null | undefined} seconds */
export function precise(seconds) {
  return seconds === null || seconds === undefined ? "–" : `${seconds.toFixed(2)} s`;
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

export const OUTCOMES = {
  passed: { sign: "✓", word: "passed" },
  failed: { sign: "✗", word: "failed" },
  unknown: { sign: "?", word: "unknown" },
};

// Plays asciicasts in a page: a terminal's screen, a clock over what was shown on it, and the buttons.
"use strict";

const PLAIN = Object.freeze({
  foreground: null, background: null, bold: false, faint: false, italic: false, underline: false, inverse: false,
  hidden: false, struck: false,
});
const BLANK = Object.freeze({ text: " ", style: PLAIN });
const MOST = 500; // columns, or rows
const LINES = { // DEC's line drawing characters
  "`": "◆", a: "▒", f: "°", g: "±", j: "┘", k: "┐", l: "┌", m: "└", n: "┼", o: "⎺", p: "⎻", q: "─", r: "⎼", s: "⎽",
  t: "├", u: "┤", v: "┴", w: "┬", x: "│", y: "≤", z: "≥", "{": "π", "|": "≠", "}": "£", "~": "·",
};
const ON = { 1: "bold", 2: "faint", 3: "italic", 4: "underline", 7: "inverse", 8: "hidden", 9: "struck", 21: "underline" };
const OFF = { 22: ["bold", "faint"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 28: ["hidden"], 29: ["struck"] };
const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const JOINED = /[\p{Mn}\p{Me}\u200d\ufe00-\ufe0f]/u;

// A VT100 with what xterm added to it that programs use. Rows and columns count from 0.
class Terminal {
  #parse = "text";
  #parameters = "";
  #last = " ";
  #styles = new Map();

  constructor(columns, rows) {
    this.columns = bounded(columns, 80);
    this.rows = bounded(rows, 24);
    this.#reset();
  }

  write(text) {
    for (const c of text) this.#take(c);
  }

  // The text that is there stays at the top left; when there are too few rows for the cursor, the top goes.
  resize(columns, rows) {
    this.columns = bounded(columns, this.columns);
    this.rows = bounded(rows, this.rows);
    const above = Math.max(0, this.y - this.rows + 1);
    this.screen = this.#fitted(this.screen.slice(above));
    if (this.main) this.main.screen = this.#fitted(this.main.screen);
    this.#scrolling(0, this.rows - 1);
    this.#go(this.x, this.y - above);
  }

  // What a person would read there, without the blanks at the ends of lines.
  text() {
    return this.screen.map((row) => row.map((cell) => cell.text).join("").trimEnd()).join("\n").trimEnd();
  }

  // A row as pieces of one style each; the cursor is a piece of its own.
  pieces(y) {
    const found = [];
    this.screen[y].forEach((cell, x) => {
      const cursor = this.cursorShown && y === this.y && x === this.x;
      const last = found.at(-1);
      if (last && last.style === cell.style && !last.cursor && !cursor) last.text += cell.text;
      else found.push({ text: cell.text, style: cell.style, cursor });
    });
    return found;
  }

  #reset() {
    this.screen = this.#fitted([]);
    this.main = null; // what is behind the alternate screen
    this.style = PLAIN;
    this.x = this.y = 0;
    this.saved = { x: 0, y: 0, style: PLAIN };
    this.full = false; // the last column was written; the next character wraps
    this.wraps = this.cursorShown = true;
    this.inserts = false;
    this.drawsLines = [false, false];
    this.charset = 0;
    this.#scrolling(0, this.rows - 1);
  }

  #fitted(screen) {
    return Array.from({ length: this.rows }, (_, y) =>
      Array.from({ length: this.columns }, (_, x) => screen[y]?.[x] ?? BLANK));
  }

  #scrolling(top, bottom) {
    [this.top, this.bottom] = [top, bottom];
  }

  #go(x, y) {
    this.x = Math.min(Math.max(x, 0), this.columns - 1);
    this.y = Math.min(Math.max(y, 0), this.rows - 1);
    this.full = false;
  }

  #take(c) {
    if (c === "\x18" || c === "\x1a") this.#parse = "text"; // cancel
    else if (this.#parse === "string") this.#inString(c);
    else if (c === "\x1b") [this.#parse, this.#parameters] = ["escape", ""];
    else if (c < " ") this.#control(c);
    else if (c === "\x7f" || (c >= "\x80" && c <= "\x9f")) return;
    else if (this.#parse === "text") this.#print(c);
    else if (this.#parse === "escape") this.#escape(c);
    else if (this.#parse === "sequence") this.#inSequence(c);
    else this.#designate(c);
  }

  #inString(c) { // the title of a window, for example; it ends with BEL, or ESC \
    if (c === "\x07") this.#parse = "text";
    else if (c === "\x1b") [this.#parse, this.#parameters] = ["escape", ""];
  }

  #inSequence(c) {
    if (c >= "@") {
      this.#parse = "text";
      this.#sequence(c);
    } else if (this.#parameters.length < 100) {
      this.#parameters += c;
    }
  }

  #designate(c) {
    if (this.#parameters === "(" || this.#parameters === ")") {
      this.drawsLines[this.#parameters === "(" ? 0 : 1] = c === "0";
    }
    this.#parse = "text";
  }

  #control(c) {
    switch (c) {
      case "\b": return this.#go(this.x - 1, this.y);
      case "\t": return this.#go((Math.floor(this.x / 8) + 1) * 8, this.y);
      case "\n": case "\v": case "\f": return this.#down();
      case "\r": return this.#go(0, this.y);
      case "\x0e": this.charset = 1; return undefined;
      case "\x0f": this.charset = 0; return undefined;
      default: return undefined;
    }
  }

  #escape(c) {
    this.#parse = "text";
    switch (c) {
      case "[": this.#parse = "sequence"; break;
      case "]": case "P": case "X": case "^": case "_": this.#parse = "string"; break;
      case "(": case ")": case "*": case "+": case "#": case "%": case " ":
        [this.#parse, this.#parameters] = ["designation", c];
        break;
      case "7": this.#save(); break;
      case "8": this.#restore(); break;
      case "D": this.#down(); break;
      case "E": this.#go(0, this.y); this.#down(); break;
      case "M": this.#up(); break;
      case "c": this.#reset(); break;
    }
  }

  #sequence(c) {
    const given = this.#parameters;
    if (given.startsWith("?")) {
      if (c === "h" || c === "l") given.slice(1).split(";").forEach((mode) => this.#mode(Number(mode), c === "h"));
      return;
    }
    if (/[^0-9;:]/.test(given)) return; // none that changes the screen
    const numbers = given.split(";").map(Number);
    const n = Math.min(numbers[0] || 1, MOST * MOST);
    switch (c) {
      case "A": return this.#go(this.x, Math.max(this.y - n, this.y >= this.top ? this.top : 0));
      case "B": case "e": return this.#go(this.x, Math.min(this.y + n, this.y <= this.bottom ? this.bottom : this.rows));
      case "C": case "a": return this.#go(this.x + n, this.y);
      case "D": return this.#go(this.x - n, this.y);
      case "E": return this.#go(0, this.y + n);
      case "F": return this.#go(0, this.y - n);
      case "G": case "`": return this.#go(n - 1, this.y);
      case "H": case "f": return this.#go((numbers[1] || 1) - 1, n - 1);
      case "d": return this.#go(this.x, n - 1);
      case "J": return this.#eraseScreen(numbers[0] || 0);
      case "K": return this.#eraseLine(numbers[0] || 0);
      case "L": return this.#shift(this.y, this.bottom, -n);
      case "M": return this.#shift(this.y, this.bottom, n);
      case "S": return this.#shift(this.top, this.bottom, n);
      case "T": return this.#shift(this.top, this.bottom, -n);
      case "@": return this.#insert(n);
      case "P": return this.#delete(n);
      case "X": return this.#erase(this.y, this.x, this.x + n);
      case "b": for (let i = 0; i < Math.min(n, this.columns * this.rows); i++) this.#print(this.#last); return undefined;
      case "m": return this.#appear(given);
      case "r": return this.#region(n - 1, Math.min(numbers[1] || this.rows, this.rows) - 1);
      case "s": return this.#save();
      case "u": return this.#restore();
      case "h": case "l": if (numbers.includes(4)) this.inserts = c === "h"; return undefined;
      default: return undefined;
    }
  }

  #mode(mode, on) {
    switch (mode) {
      case 7: this.wraps = on; break;
      case 25: this.cursorShown = on; break;
      case 47: case 1047: this.#alternate(on); break;
      case 1048: if (on) this.#save(); else this.#restore(); break;
      case 1049:
        if (on) this.#save();
        this.#alternate(on);
        if (!on) this.#restore();
        break;
    }
  }

  #alternate(on) {
    if (on && !this.main) {
      this.main = { screen: this.screen };
      this.screen = this.#fitted([]);
    } else if (!on && this.main) {
      this.screen = this.main.screen;
      this.main = null;
    }
  }

  #save() {
    this.saved = { x: this.x, y: this.y, style: this.style };
  }

  #restore() {
    this.style = this.saved.style;
    this.#go(this.saved.x, this.saved.y);
  }

  #region(top, bottom) {
    if (top < bottom) {
      this.#scrolling(top, bottom);
      this.#go(0, 0);
    }
  }

  #print(c) {
    if (JOINED.test(c)) return this.#join(c);
    const width = WIDE.test(c) ? 2 : 1;
    if (this.wraps && (this.full || this.x + width > this.columns)) {
      this.#go(0, this.y);
      this.#down();
    }
    if (this.inserts) this.#insert(width);
    this.#last = c;
    const shown = this.drawsLines[this.charset] ? LINES[c] ?? c : c;
    const row = this.screen[this.y];
    const next = this.x + width;
    if (row[this.x].text === "") row[this.x - 1] = BLANK; // half of a wide character goes with its other half
    if (row[next]?.text === "") row[next] = BLANK;
    row[this.x] = { text: shown, style: this.style };
    if (width === 2 && next <= this.columns) row[next - 1] = { text: "", style: this.style };
    this.#go(next, this.y);
    this.full = next >= this.columns;
    return undefined;
  }

  #join(c) { // an accent belongs to the character before it
    const row = this.screen[this.y];
    let x = this.full ? this.x : this.x - 1;
    if (row[x]?.text === "") x -= 1;
    if (row[x] && row[x].text.length < 16) row[x] = { ...row[x], text: row[x].text + c };
  }

  #down() {
    this.full = false;
    if (this.y === this.bottom) this.#shift(this.top, this.bottom, 1);
    else this.#go(this.x, this.y + 1);
  }

  #up() {
    if (this.y === this.top) this.#shift(this.top, this.bottom, -1);
    else this.#go(this.x, this.y - 1);
  }

  #empty() { // what is erased has the colour that is written on now
    return this.style.background === null ? BLANK : { text: " ", style: this.#styled({ background: this.style.background }) };
  }

  // Lines of the screen go up by `n`, or down when it is negative; empty ones follow.
  #shift(top, bottom, n) {
    if (top < this.top || top > bottom) return;
    const lines = Math.min(Math.abs(n), bottom - top + 1);
    const fresh = Array.from({ length: lines }, () => Array(this.columns).fill(this.#empty()));
    const gone = n > 0 ? top : bottom - lines + 1;
    this.screen.splice(gone, lines);
    this.screen.splice(n > 0 ? bottom - lines + 1 : top, 0, ...fresh);
  }

  #erase(y, from, to) {
    this.screen[y].fill(this.#empty(), from, Math.min(to, this.columns));
  }

  #eraseLine(what) {
    this.full = false;
    if (what <= 2) this.#erase(this.y, what === 0 ? this.x : 0, what === 1 ? this.x + 1 : this.columns);
  }

  #eraseScreen(what) {
    if (what > 2) return;
    this.#eraseLine(what);
    const [from, to] = [what === 0 ? this.y + 1 : 0, what === 1 ? this.y : this.rows];
    for (let y = from; y < to; y++) this.#erase(y, 0, this.columns);
  }

  #insert(n) {
    const row = this.screen[this.y];
    const count = Math.min(n, this.columns - this.x);
    row.splice(this.x, 0, ...Array(count).fill(this.#empty()));
    row.length = this.columns;
  }

  #delete(n) {
    const row = this.screen[this.y];
    const count = Math.min(n, this.columns - this.x);
    row.splice(this.x, count);
    row.push(...Array(count).fill(this.#empty()));
  }

  #appear(given) {
    const codes = given.split(";");
    let style = this.style;
    for (let i = 0; i < codes.length; i++) {
      const parts = codes[i].split(":").map(Number);
      const [code] = parts;
      if (code === 0) style = PLAIN;
      else if (code === 4 && parts[1] === 0) style = { ...style, underline: false };
      else if (ON[code]) style = { ...style, [ON[code]]: true };
      else if (OFF[code]) style = { ...style, ...Object.fromEntries(OFF[code].map((name) => [name, false])) };
      else if (code >= 30 && code <= 37) style = { ...style, foreground: code - 30 };
      else if (code >= 40 && code <= 47) style = { ...style, background: code - 40 };
      else if (code >= 90 && code <= 97) style = { ...style, foreground: code - 82 };
      else if (code >= 100 && code <= 107) style = { ...style, background: code - 92 };
      else if (code === 39) style = { ...style, foreground: null };
      else if (code === 49) style = { ...style, background: null };
      else if (code === 38 || code === 48 || code === 58) {
        const length = codes[i + 1] === "2" ? 4 : 2;
        const [kind, ...values] = parts.length > 1 ? parts.slice(1) : codes.slice(i + 1, i + 1 + length).map(Number);
        if (parts.length === 1) i += length;
        if (code !== 58) style = { ...style, [code === 38 ? "foreground" : "background"]: chosen(kind, values) };
      }
    }
    this.style = this.#styled(style);
  }

  #styled(style) { // equal styles are one object
    const whole = { ...PLAIN, ...style };
    const key = JSON.stringify(whole);
    if (key === JSON.stringify(PLAIN)) return PLAIN;
    if (!this.#styles.has(key)) this.#styles.set(key, Object.freeze(whole));
    return this.#styles.get(key);
  }
}

function bounded(size, otherwise) {
  return Number.isInteger(size) && size > 0 ? Math.min(size, MOST) : otherwise;
}

// A colour is its number among the 256, or a string for CSS.
function chosen(kind, values) {
  if (kind === 5) return values[0] <= 255 ? values[0] : null;
  const mixed = values.slice(-3).map((value) => Math.min(value || 0, 255));
  return kind === 2 && mixed.length === 3 ? `rgb(${mixed.join(", ")})` : null;
}

const PALETTE = [
  "#1c1f26", "#e06c75", "#8fbf73", "#d9b36c", "#6ea8e8", "#c586dd", "#58b7c2", "#c9cfd8",
  "#6b7280", "#ff8a93", "#b1e08f", "#ffd98a", "#94c6ff", "#e3a6f7", "#7fdce6", "#ffffff",
];

function css(colour) {
  if (typeof colour === "string") return colour;
  if (colour < 16) return PALETTE[colour];
  if (colour >= 232) return `rgb(${Array(3).fill(8 + (colour - 232) * 10).join(", ")})`;
  const part = (power) => [0, 95, 135, 175, 215, 255][Math.floor((colour - 16) / power) % 6];
  return `rgb(${part(36)}, ${part(6)}, ${part(1)})`;
}

// A recording and how far it was played.
class Playback {
  constructor(recording) {
    this.recording = recording;
    this.seconds = recording.events.at(-1)?.[0] ?? 0;
    this.#rewind();
  }

  seek(seconds) {
    const at = Math.min(Math.max(seconds, 0), this.seconds);
    if (at < this.at) this.#rewind();
    this.at = at;
    const { events } = this.recording;
    for (; this.next < events.length && events[this.next][0] <= at; this.next++) this.#show(events[this.next]);
  }

  #rewind() {
    this.at = this.next = 0;
    this.terminal = new Terminal(this.recording.columns, this.recording.rows);
  }

  #show([, kind, data]) {
    const size = /^(\d+)x(\d+)$/.exec(data);
    if (kind === "o") this.terminal.write(data);
    else if (size) this.terminal.resize(Number(size[1]), Number(size[2]));
  }
}

class Player {
  constructor(place, recording) {
    this.playback = new Playback(recording);
    this.screen = element("pre", { tabIndex: 0, ariaLabel: `Terminal: ${recording.title}` });
    this.button = element("button", { type: "button", onclick: () => this.toggle() });
    this.bar = element("input", { type: "range", min: 0, max: this.playback.seconds, step: 0.01, ariaLabel: "Position" });
    this.bar.oninput = () => this.seek(Number(this.bar.value));
    this.clock = element("span", { className: "clock" });
    this.speed = element("select", { ariaLabel: "Speed" });
    this.speed.append(...[1, 2, 4, 8].map((times) => element("option", { value: times, textContent: `${times}×` })));
    const controls = element("div", { className: "controls" });
    controls.append(this.button, this.bar, this.clock, this.speed);
    place.replaceChildren(this.screen, controls);
    this.pause();
    this.seek(0);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    if (this.playback.at >= this.playback.seconds) this.seek(0);
    this.playing = true;
    [this.button.textContent, this.before] = ["Pause", performance.now()];
    requestAnimationFrame((now) => this.frame(now));
  }

  pause() {
    [this.playing, this.button.textContent] = [false, "Play"];
  }

  frame(now) {
    if (!this.playing) return;
    const passed = Math.max(0, now - this.before) / 1000 * Number(this.speed.value);
    this.before = now;
    this.seek(this.playback.at + passed);
    if (this.playback.at >= this.playback.seconds) this.pause();
    else requestAnimationFrame((later) => this.frame(later));
  }

  seek(seconds) {
    this.playback.seek(seconds);
    this.bar.value = this.playback.at;
    this.clock.textContent = `${minutes(this.playback.at)} / ${minutes(this.playback.seconds)}`;
    const { terminal } = this.playback;
    this.screen.replaceChildren(...terminal.screen.flatMap((_, y) => [...terminal.pieces(y).map(span), "\n"]));
  }
}

function span({ text, style, cursor }) {
  const made = element("span", { textContent: text });
  let [front, back] = [style.foreground, style.background];
  if (style.bold && front !== null && front < 8) front += 8;
  [front, back] = [front === null ? null : css(front), back === null ? null : css(back)];
  if (style.inverse !== cursor) [front, back] = [back ?? PALETTE[0], front ?? PALETTE[7]];
  if (style.hidden) front = "transparent";
  const lines = [style.underline && "underline", style.struck && "line-through"].filter(Boolean).join(" ");
  Object.assign(made.style, {
    color: front ?? "", backgroundColor: back ?? "", textDecoration: lines,
    fontWeight: style.bold ? "bold" : "", fontStyle: style.italic ? "italic" : "", opacity: style.faint ? "0.6" : "",
  });
  return made;
}

function element(name, properties) {
  return Object.assign(document.createElement(name), properties);
}

function minutes(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

if (typeof document !== "undefined") {
  const recordings = JSON.parse(document.getElementById("recordings").textContent);
  document.querySelectorAll("[data-recording]").forEach((place) => {
    new Player(place, recordings[Number(place.dataset.recording)]);
  });
}

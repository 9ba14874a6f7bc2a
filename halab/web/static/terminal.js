// One terminal: xterm.js on a shell that outlives the page. It goes on from the last byte that it has shown.

import { FitAddon } from "/modules/@xterm/addon-fit/lib/addon-fit.mjs";
import { Terminal as Xterm } from "/modules/@xterm/xterm/lib/xterm.mjs";
import { Line, ofInstance } from "./server.js";
import { darkTheme, lightTheme } from "./themes.js";

const SAY_SEEN_WITHIN = 250; // milliseconds
const SAY_SEEN_EVERY = 16_384; // bytes; the server sends no more than some times that ahead
const MOST_TYPED = 4096; // characters of a message: what is pasted may be longer than the server takes at once
const MOST_AHEAD = 4096; // characters that are kept while there is no shell to type them into
const REDRAW_AFTER = 250; // milliseconds in which a change of the size reaches a program
const dark = matchMedia("(prefers-color-scheme: dark)");

/**
 * @typedef {object} Told how a terminal is, for whoever draws what is around it
 * @property {"opening"|"open"|"lost"|"ended"} is
 * @property {string} because why it has ended
 * @property {boolean} power whether it ended with its node's power
 * @property {number} watchers
 * @property {boolean} types whether this page types into the shell, and not another one that came later
 * @property {boolean} recorded
 */

/** @param {Record<string, number>} values those of 0 are left out */
function query(values) {
  const words = Object.entries(values).flatMap(([name, value]) => (value ? [`${name}=${value}`] : []));
  return words.length ? `?${words.join("&")}` : "";
}

export class Terminal {
  /**
   * @param {string} instance
   * @param {string} place a node, or the workstation
   * @param {string} id the shell's own, chosen by the page
   * @param {{watch?: boolean, tell: (was: string) => void}} options
   */
  constructor(instance, place, id, { watch = false, tell }) {
    this.instance = instance;
    this.place = place;
    this.id = id;
    this.watch = watch;
    this.tellAround = tell;
    /** @type {Told} */
    this.told = { is: "opening", because: "", power: false, watchers: 0, types: true, recorded: false };
    this.at = 0; // bytes that were received
    this.shown = 0; // bytes that xterm has taken in
    this.replayTo = Infinity; // until then what xterm answers is not for the shell
    this.saidSeen = 0;
    this.seeLater = 0;
    this.typed = false;
    this.ahead = ""; // typed while there was no shell
    this.again = false; // whether a shell is wanted where the last one has ended
    this.element = document.createElement("div");
    this.element.className = "screen";
    this.xterm = new Xterm({
      allowProposedApi: false,
      cursorBlink: false,
      disableStdin: watch,
      fontFamily: "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace",
      fontSize: 13,
      minimumContrastRatio: 4.5,
      screenReaderMode: false,
      scrollback: 5000,
      theme: dark.matches ? darkTheme : lightTheme,
    });
    this.fit = new FitAddon();
    this.xterm.loadAddon(this.fit);
    this.xterm.attachCustomKeyEventHandler((/** @type {KeyboardEvent} */ event) => this.key(event));
    this.xterm.onData((/** @type {string} */ text) => this.type(text));
    this.xterm.onResize(() => this.saySize());
    dark.addEventListener("change", this.#retheme);
    this.observer = new ResizeObserver(() => this.resize());
    this.line = new Line({
      address: () => `${ofInstance(instance, "/shells/")}${place}/${this.id}${query(this.asked())}`,
      said: (message) => this.take(message),
      bytes: (bytes) => this.write(bytes),
      link: ({ open, refused }) => {
        if (refused) this.tell({ is: "ended", because: "This page may not open that shell." });
        else if (!open && this.told.is !== "ended") this.tell({ is: "lost" });
      },
    });
  }

  /** What the next connection is asked for with. */
  asked() {
    const { cols: columns, rows: lines } = this.xterm;
    return { from: this.at, watch: Number(this.watch), again: Number(this.again), columns, lines };
  }

  #retheme = () => {
    this.xterm.options.theme = dark.matches ? darkTheme : lightTheme;
  };

  /** Put the terminal into the page. @param {HTMLElement} parent */
  attach(parent) {
    parent.append(this.element);
    if (!this.xterm.element) {
      this.xterm.open(this.element);
      this.xterm.textarea?.setAttribute("aria-label", `Terminal on ${this.place}. Shift+Tab leaves it.`);
    }
    this.observer.observe(this.element);
    this.resize();
  }

  resize() {
    if (this.watch || !this.told.types || !this.element.offsetParent || this.element.clientWidth < 40) return; // hidden, it has no size
    this.fit.fit();
  }

  focus() {
    this.xterm.focus();
  }

  /** @param {Partial<Told>} change */
  tell(change) {
    const was = this.told.is;
    Object.assign(this.told, change);
    this.tellAround(was);
  }

  /** @param {any} message */
  take(message) {
    switch (message.kind) {
      case "begin":
        this.begin(message);
        break;
      case "lost":
        this.xterm.write(`\r\n\x1b[2m[${message.characters} characters are not kept any more]\x1b[0m\r\n`);
        this.at = this.shown = this.saidSeen = message.at ?? this.at + message.characters;
        break;
      case "size":
        if (this.watch || !this.told.types) this.xterm.resize(message.columns, message.lines);
        break;
      case "typing":
        this.tell({ types: message.here });
        if (message.here) this.resize();
        break;
      case "watched":
        this.tell({ watchers: message.by });
        break;
      case "ended":
        this.line.close();
        this.ahead = "";
        this.tell({ is: "ended", because: message.because, power: Boolean(message.power) && message.power !== "on" });
        break;
    }
  }

  /** @param {{at: number, replay_to: number, columns?: number, lines?: number, recorded?: boolean, modes?: string}} message */
  begin(message) {
    if (message.at < this.at) this.xterm.reset(); // what is shown is of another shell
    const cut = message.at > 0 && message.at !== this.at; // what came before is not shown
    if (cut) this.xterm.write(message.modes ?? "");
    this.at = this.shown = message.at;
    this.again = false;
    this.saidSeen = this.shown;
    this.replayTo = message.replay_to;
    if (this.watch && message.columns) this.xterm.resize(message.columns, message.lines ?? 24);
    else this.saySize();
    if (cut) this.redraw();
    this.tell({ is: "open", recorded: Boolean(message.recorded) });
    this.see();
  }

  /** @param {Uint8Array} bytes */
  write(bytes) {
    this.at += bytes.length;
    const at = this.at;
    this.xterm.write(bytes, () => {
      const replayed = this.shown < this.replayTo && at >= this.replayTo;
      this.shown = at;
      if (replayed || at - this.saidSeen >= SAY_SEEN_EVERY) this.see();
      else this.seeLater ||= window.setTimeout(() => this.see(), SAY_SEEN_WITHIN);
    });
  }

  saySize(lines = this.xterm.rows) {
    if (!this.watch && this.told.types) this.line.say({ kind: "size", columns: this.xterm.cols, lines });
  }

  /** Have a program that fills the screen draw it anew, as it does when its size changes. */
  redraw() {
    this.saySize(this.xterm.rows - 1);
    setTimeout(() => this.saySize(), REDRAW_AFTER);
  }

  see() {
    if (this.shown === this.saidSeen && this.shown < this.replayTo) return;
    clearTimeout(this.seeLater);
    this.seeLater = 0;
    this.saidSeen = this.shown;
    this.line.say({ kind: "seen", at: this.shown });
    if (!this.ahead || !this.takesTyping) return;
    this.send(this.ahead);
    this.ahead = "";
  }

  get takesTyping() {
    return this.told.is === "open" && this.line.isOpen && this.shown >= this.replayTo;
  }

  /**
   * Type into the shell, or keep it for the shell that is awaited. While xterm takes in what was printed before, it may
   * be xterm that types: its answers to old questions are dropped.
   * @param {string} text
   */
  type(text) {
    if (this.watch || this.told.is === "ended") return;
    if (this.takesTyping) this.send(text);
    else if (this.shown === this.at) this.ahead = (this.ahead + text).slice(0, MOST_AHEAD);
  }

  /** @param {string} text */
  send(text) {
    this.typed = true;
    for (let at = 0; at < text.length; at += MOST_TYPED)
      this.line.say({ kind: "type", text: text.slice(at, at + MOST_TYPED) });
  }

  /** Return whether xterm is to take a key. @param {KeyboardEvent} event */
  key(event) {
    const { key, ctrlKey, shiftKey, altKey, metaKey } = event;
    if (key === "F6" || (altKey && shiftKey)) return false; // the page's own
    if (key === "Tab" && shiftKey) return false; // leaves the terminal
    if (!ctrlKey || altKey || metaKey) return true;
    const copies = key.toLowerCase() === "c" && (shiftKey || this.xterm.hasSelection());
    if (copies) {
      event.preventDefault();
      if (event.type === "keydown" && this.xterm.hasSelection()) {
        navigator.clipboard.writeText(this.xterm.getSelection());
        this.xterm.clearSelection();
      }
      return false;
    }
    return !(key.toLowerCase() === "v" && shiftKey); // the browser pastes
  }

  /** Open another shell where this one has ended. What this one has printed stays above it. */
  openAgain() {
    this.line.close();
    this.again = true;
    this.replayTo = Infinity;
    this.tell({ is: "opening", because: "", power: false });
    this.line.closed = false;
    this.line.open();
  }

  close() {
    this.line.close();
    clearTimeout(this.seeLater);
    this.observer.disconnect();
    dark.removeEventListener("change", this.#retheme);
    this.xterm.dispose();
    this.element.remove();
  }
}

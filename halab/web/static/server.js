// How the page talks to its server: requests, and sockets that come back by themselves.

const FIRST_WAIT = 0.5; // seconds before a lost connection is tried again; doubled each time
const LONGEST_WAIT = 8;
const LOGIN_ENDED = 4401; // the code with which the server closes a socket then

/**
 * Send a POST of JSON.
 * @param {string} address
 * @param {object} content
 * @returns {Promise<{status: number, answer: any}>} status 0 when the server does not answer
 */
export async function post(address, content) {
  try {
    const response = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(content),
    });
    return { status: response.status, answer: await response.json().catch(() => ({})) };
  } catch {
    return { status: 0, answer: {} };
  }
}

/**
 * Get JSON.
 * @param {string} address
 * @returns {Promise<any>} null when there is none
 */
export async function get(address) {
  try {
    const response = await fetch(address, { headers: { Accept: "application/json" } });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/** Whether the server is there, and knows this browser no longer: to a socket that it refuses, a browser tells nothing. */
async function loggedOut() {
  try {
    return (await fetch("/me")).status === 401;
  } catch {
    return false;
  }
}

/** @param {string} name @param {string} [rest] */
export function ofInstance(name, rest = "") {
  return `/instances/${encodeURIComponent(name)}${rest}`;
}

/**
 * A WebSocket that is opened again when it is lost, after a wait that grows.
 * @typedef {object} Wishes
 * @property {() => string} address asked for at each attempt, so that it can say what is seen already
 * @property {(message: any) => void} said a text frame, parsed
 * @property {(bytes: Uint8Array) => void} [bytes] a binary frame
 * @property {(link: {open: boolean, retryAt: number, refused: boolean}) => void} link how the connection is
 */
export class Line {
  /** @param {Wishes} wishes */
  constructor(wishes) {
    this.wishes = wishes;
    this.wait = FIRST_WAIT;
    this.closed = false;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.timer = 0;
    this.open();
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}${this.wishes.address()}`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.wait = FIRST_WAIT;
      this.wishes.link({ open: true, retryAt: 0, refused: false });
    };
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.wishes.bytes?.(new Uint8Array(data));
      else this.wishes.said(JSON.parse(data));
    };
    socket.onclose = async ({ code }) => {
      if (this.closed || socket !== this.socket) return;
      if (code === LOGIN_ENDED || (!opened && (await loggedOut()))) {
        this.closed = true;
        this.wishes.link({ open: false, retryAt: 0, refused: true });
        return;
      }
      const wait = this.wait * (0.8 + 0.4 * Math.random()); // pages do not all come back at once
      this.wait = Math.min(LONGEST_WAIT, this.wait * 2);
      this.wishes.link({ open: false, retryAt: Date.now() + wait * 1000, refused: false });
      this.timer = window.setTimeout(() => this.open(), wait * 1000);
    };
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** @param {object} message */
  say(message) {
    if (this.isOpen) this.socket?.send(JSON.stringify(message));
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }
}

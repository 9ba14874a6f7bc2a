// The terminal of a learner that an instructor watches.

import { Terminal } from "./terminal.js";

export class Watched {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    this.now = "";
    /** @type {Terminal | null} */
    this.terminal = null;
  }

  /** Watch a shell, or none. @param {string} instance @param {string} shell its place and id, with a slash between them */
  show(instance, shell) {
    const wanted = instance && shell ? `${instance}/${shell}` : "";
    if (wanted === this.now) return;
    this.close();
    this.now = wanted;
    if (!wanted) return;
    const [place, id] = shell.split("/");
    const notice = document.createElement("p");
    notice.className = "empty";
    this.terminal = new Terminal(instance, place, id, {
      watch: true,
      tell: () => {
        const { is, because } = this.terminal?.told ?? { is: "opening", because: "" };
        notice.textContent = { opening: "Opening …", lost: "Connecting again …", ended: because, open: "" }[is];
        notice.hidden = is === "open";
      },
    });
    this.place.append(notice);
    this.terminal.attach(this.place);
  }

  close() {
    this.terminal?.close();
    this.terminal = null;
    this.now = "";
    this.place.replaceChildren();
  }
}

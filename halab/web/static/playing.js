// A recording that is played back, by the player that reports have.

/** Load the player once; it is a script of its own, which finds the recordings of a report by itself. */
function loaded() {
  if (document.getElementById("recordings")) return Promise.resolve();
  const [none, script] = [document.createElement("script"), document.createElement("script")];
  Object.assign(none, { id: "recordings", type: "application/json", textContent: "[]" });
  script.src = "/static/player.js";
  return new Promise((done, failed) => {
    [script.onload, script.onerror] = [() => done(undefined), failed];
    document.head.append(none, script);
  });
}

export class Playing {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    /** @type {any} */
    this.now = null;
    /** @type {any} */
    this.player = null;
  }

  /** Play a recording, as halab/exams/reports/recordings.py reads it, or none. @param {any} recording */
  async show(recording) {
    if (recording === this.now) return;
    this.now = recording;
    this.player?.pause();
    this.place.replaceChildren();
    if (!recording) return;
    await loaded();
    // @ts-expect-error: a class of the player's script
    this.player = new Player(this.place, recording);
    this.player.play();
  }
}

// The one place of a page's state. Messages change it, and views are drawn from it.

/**
 * @template State
 * @param {State} state
 * @param {(state: State, message: any) => void} change takes a message into the state
 */
export function makeStore(state, change) {
  /** @type {((state: State) => void)[]} */
  const views = [];
  let due = false;

  function draw() {
    due = false;
    for (const view of views) view(state);
  }

  return {
    state,

    /** Take a message into the state; what is drawn follows with the next frame. @param {any} message */
    tell(message) {
      change(state, message);
      if (due) return;
      due = true;
      if (document.hidden)
        setTimeout(draw, 200); // there are no frames while nobody looks
      else requestAnimationFrame(draw);
    },

    /** Call a view now, and after each change. @param {(state: State) => void} view */
    show(view) {
      views.push(view);
      view(state);
    },
  };
}

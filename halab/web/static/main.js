// Where the page begins: it logs in with the token of the link, and shows what the role is for.

import { fresh, html, render } from "./html.js";
import { get, post } from "./server.js";

const app = /** @type {HTMLElement} */ (document.getElementById("app"));

/** @param {string} title @param {string} text */
function notice(title, text) {
  document.title = `${title} – halab`;
  render(html`<main class="notice"><h1>${title}</h1><p>${text}</p></main>`, fresh(app));
}

/** Return who the server says this is, after the token in the link was used, if there is one. */
async function login() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return get("/me");
  history.replaceState(null, "", location.pathname);
  const { status, answer } = await post("/login", { token });
  if (status === 200) return answer;
  return get("/me"); // a link works once; who used it already has the cookie
}

async function begin() {
  const me = await login();
  if (!me) {
    notice(
      "Not logged in",
      "Open the link that “inv page” printed. A link works once; ask for another with “inv page --for NAME”.",
    );
    return;
  }
  if (me.role === "instructor") {
    const { showBoard } = await import("./board.js");
    showBoard(app);
  } else {
    const { showPage } = await import("./page.js");
    showPage(app, me.instance, { watching: false });
  }
}

begin();

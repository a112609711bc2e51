// What pages do in the browser beyond links and forms. Without it they still show everything.
"use strict";

// The reader's time zone, for the server to write times in: told once, and when it has changed.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const cookie = (name) => document.cookie.split("; ").find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);
if (zone && cookie("zone") !== zone) {
  document.cookie = `zone=${zone}; path=/; max-age=31536000; samesite=lax`;
  if (cookie("zone") === zone && document.querySelector("time")) location.reload();
}

function showTheme() {
  for (const button of document.querySelectorAll("[data-theme-switch]")) button.textContent = button.dataset[chosenTheme()];
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-switch]")) {
    const next = THEMES[(THEMES.indexOf(chosenTheme()) + 1) % THEMES.length];
    try {
      localStorage.setItem("theme", next);
    } catch {
      // not kept: the next page is as the system again
    }
    applyTheme();
    showTheme();
  }
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    navigator.clipboard?.writeText(document.getElementById(copy.dataset.copy).textContent).then(() => {
      const label = copy.textContent;
      copy.textContent = copy.dataset.done;
      setTimeout(() => (copy.textContent = label), 2000);
    });
  }
});
showTheme();

// Live pages. What the reader opened, chose or is typing stays as it is when an answer is merged.
const OWN = new Set(["open", "checked", "value"]);
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) =>
  !(OWN.has(name) && element.matches("details, input")) && !(name === "disabled" && element.matches("[data-compare]"));

const polls = (event) => event.detail.elt.id === "main";
let shown = null;
document.addEventListener("htmx:beforeRequest", (event) => {
  if (polls(event) && document.hidden) event.preventDefault();
});
document.addEventListener("htmx:beforeSwap", (event) => {
  // Asked for before the reader searched, answered after: it would undo the search.
  const { elt: asker } = event.detail.requestConfig;
  if (asker.id === "main" && event.detail.pathInfo.requestPath !== asker.getAttribute("hx-get")) {
    event.detail.shouldSwap = false;
    return;
  }
  const etag = event.detail.xhr.getResponseHeader("ETag");
  if (polls(event) && etag && etag === shown) event.detail.shouldSwap = false;
  shown = etag;
});

// An answer that is an error, or none at all: say so, keep what is shown, go on asking.
const connection = document.getElementById("connection");
document.addEventListener("htmx:afterRequest", (event) => {
  connection.hidden = event.detail.successful || event.detail.xhr.status === 404;
  if (event.detail.xhr.responseURL.includes("/login")) location.reload();
});

// Two to five runs can be compared.
function countChosen() {
  const button = document.querySelector("[data-compare]");
  if (!button) return;
  const boxes = [...document.querySelectorAll("input[name=run][form=compare]")];
  const chosen = boxes.filter((box) => box.checked).length;
  const most = Number(button.dataset.compare);
  button.disabled = chosen < 2 || chosen > most;
  for (const box of boxes) box.disabled = !box.checked && chosen >= most;
}
document.addEventListener("change", countChosen);
document.addEventListener("htmx:afterSettle", countChosen);
countChosen();

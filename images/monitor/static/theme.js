// Before the page is painted: the colours that the reader chose, else those of the system.
"use strict";

const THEMES = ["auto", "light", "dark"];

function chosenTheme() {
  let kept = null;
  try {
    kept = localStorage.getItem("theme");
  } catch {
    // a browser that keeps nothing: as the system
  }
  return THEMES.includes(kept) ? kept : "auto";
}

function applyTheme() {
  const chosen = chosenTheme();
  const dark = chosen === "dark" || (chosen === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.bsTheme = dark ? "dark" : "light";
  document.dispatchEvent(new Event("theme"));
}

applyTheme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);

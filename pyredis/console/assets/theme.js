// Before anything is drawn: the theme that was chosen last, so that nothing flashes.
"use strict";
(() => {
  let chosen = "";
  try {
    chosen = localStorage.getItem("pyredis-theme") || "";
  } catch {
    // storage may be forbidden
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();

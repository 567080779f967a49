// The chosen theme, before the first paint. Without a choice the system's setting rules.
(function () {
  "use strict";
  var key = "theme";
  var root = document.documentElement;

  function read() {
    try {
      return localStorage.getItem(key) || "auto";
    } catch {
      return "auto"; // storage is switched off
    }
  }

  function apply(theme) {
    if (theme === "auto") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
    root.dispatchEvent(new CustomEvent("themechange"));
  }

  apply(read());
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("[data-theme-choice]").forEach(function (choice) {
      choice.hidden = false;
      choice.value = read();
      choice.addEventListener("change", function () {
        try {
          localStorage.setItem(key, choice.value);
        } catch {
          // it lasts for this page
        }
        apply(choice.value);
      });
    });
    // Menus close by Escape and by a click elsewhere.
    document.addEventListener("keydown", function (event) {
      if (event.key !== "Escape") return;
      document.querySelectorAll("details.menu[open]").forEach(function (menu) {
        menu.open = false;
        menu.querySelector("summary").focus();
      });
    });
    document.addEventListener("click", function (event) {
      document.querySelectorAll("details.menu[open]").forEach(function (menu) {
        if (!menu.contains(event.target)) menu.open = false;
      });
    });
    document.querySelectorAll("[data-submit-on-change]").forEach(function (field) {
      field.addEventListener("change", function () {
        field.form.requestSubmit();
      });
    });
  });
})();

// What the pages do by themselves: keys, the Live page's updates, and a word while something takes its time.
"use strict";
(() => {
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const dialog = document.getElementById("keys");
  const stored = {
    get keysOff() { try { return localStorage.getItem("keys") === "off"; } catch { return false; } },
    set keysOff(off) { try { localStorage.setItem("keys", off ? "off" : "on"); } catch { /* kept for this page alone */ } },
  };
  let keysOff = stored.keysOff;
  let at = -1;
  let went = 0;

  function go(step) {
    const all = rows();
    if (all.length === 0) return;
    at = Math.min(Math.max(at + step, 0), all.length - 1);
    all.forEach((row, index) => row.classList.toggle("at", index === at));
    const target = all[at].querySelector("a, button");
    if (target) target.focus({ preventScroll: true });
    all[at].scrollIntoView({ block: "nearest" });
  }

  function isTyping(target) {
    return target.matches("input:not([type=checkbox]), select, textarea") || target.isContentEditable;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape" && isTyping(event.target)) { event.target.blur(); return; }
    if (keysOff || isTyping(event.target) || (dialog && dialog.open)) return;
    if (Date.now() - went < 1500) {
      went = 0;
      const link = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    switch (event.key) {
      case "j": go(1); break;
      case "k": go(-1); break;
      case "g": went = Date.now(); break;
      case "n": document.querySelector("[data-older]")?.click(); break;
      case "/": {
        const field = document.querySelector("[data-search]");
        if (!field) return;
        field.focus(); field.select();
        break;
      }
      case "?": if (dialog) dialog.showModal(); break;
      default: return;
    }
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const opens = event.target.closest("[data-opens]");
    if (opens) document.getElementById(opens.dataset.opens)?.showModal();
    if (event.target.closest("[data-print]")) window.print();
    // A click anywhere in a row opens it; text can still be marked.
    const row = event.target.closest("[data-row]");
    if (row && !event.target.closest("a, button, input") && String(getSelection()) === "") row.querySelector(".when a")?.click();
  });

  const keysOn = document.getElementById("keys-on");
  if (keysOn) {
    keysOn.checked = !keysOff;
    keysOn.addEventListener("change", () => { keysOff = !keysOn.checked; stored.keysOff = keysOff; });
  }

  // A file that is too large is told before it is sent.
  document.addEventListener("change", (event) => {
    const field = event.target;
    if (!field.dataset || !field.dataset.bytesMax) return;
    const isLarge = [...field.files].some((file) => file.size > Number(field.dataset.bytesMax));
    field.setCustomValidity(isLarge ? field.dataset.tooLarge : "");
    field.reportValidity();
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    // Empty filters do not stand in the address.
    if (form.method === "get") for (const field of form.elements) if (field.name && field.value === "") field.disabled = true;
    const button = form.querySelector("button");
    if (form.dataset.busy && button) { button.setAttribute("aria-busy", "true"); button.textContent = form.dataset.busy; }
  });
  // Whoever comes back finds the form as it was.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  const live = document.getElementById("live");
  if (live) {
    const paused = document.getElementById("live-paused");
    const gone = document.getElementById("live-gone");
    const every = async () => {
      if (!paused.checked && document.visibilityState === "visible") {
        try {
          const answer = await fetch(live.dataset.part, { headers: { "x-console-by-itself": "1" }, cache: "no-store" });
          if (answer.status === 401) { location.reload(); return; }
          if (!answer.ok) throw new Error(answer.statusText);
          live.innerHTML = await answer.text();
          gone.hidden = true;
        } catch { gone.hidden = false; }
      }
      setTimeout(every, 2000);
    };
    setTimeout(every, 2000);
  }
})();

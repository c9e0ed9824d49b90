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
    const target = all[at].querySelector("a, button") || all[at].querySelector("input");
    if (target) target.focus({ preventScroll: true });
    all[at].scrollIntoView({ block: "nearest" });
  }

  // Rows that are chosen for an act on many.
  const picks = () => [...document.querySelectorAll("[data-pick]")];
  let picked = -1;

  function pick(index, value, isRange) {
    const all = picks();
    if (!all[index]) return;
    const from = isRange && picked >= 0 ? Math.min(picked, index) : index;
    const to = isRange && picked >= 0 ? Math.max(picked, index) : index;
    for (let row = from; row <= to; row += 1) all[row].checked = value;
    picked = index;
    count();
  }

  function count() {
    const all = picks();
    const chosen = all.filter((one) => one.checked).length;
    document.querySelectorAll("[data-chosen]").forEach((place) => { place.textContent = chosen; });
    const whole = document.querySelector("[data-all]");
    if (whole) { whole.checked = chosen > 0 && chosen === all.length; whole.indeterminate = chosen > 0 && chosen < all.length; }
  }

  // The Workbench: columns beside each other, one transaction at a time, and what its lines come to.
  const bench = document.querySelector("[data-bench]");

  function column(step) {
    const columns = [...document.querySelectorAll("[data-column]")].filter((one) => one.querySelector("[data-row]"));
    if (columns.length === 0) return false;
    const all = rows();
    const own = at >= 0 ? columns.findIndex((one) => one.contains(all[at])) : -1;
    const next = columns[Math.min(Math.max(own + step, 0), columns.length - 1)];
    at = all.indexOf(next.querySelector("[data-row]")) - 1;
    go(1);
    return true;
  }

  function weigh(changed) {
    const chosen = (side) => [...bench.querySelectorAll(`input[data-side="${side}"]:checked`)];
    if (changed && changed.dataset.side === "ours" && changed.checked) chosen("ours").forEach((one) => { one.checked = one === changed; });
    const sum = (side) => chosen(side).reduce((all, one) => all + Number(one.dataset.minor), 0);
    const fits = new Set(chosen("line").flatMap((one) => (one.closest("[data-row]").dataset.fits || "").split(" ")));
    bench.querySelectorAll("[data-id]").forEach((row) => row.classList.toggle("fits", fits.has(row.dataset.id)));
    const place = bench.querySelector("[data-difference]");
    const difference = sum("line") - sum("ours");
    const digits = String(Math.abs(difference)).replace(/\B(?=(\d{3})+$)/g, ".");
    const none = chosen("ours").length + chosen("line").length === 0;
    if (place) place.textContent = none ? "–" : `${difference < 0 ? "−" : ""}${digits} ${place.dataset.unit}`;
  }
  if (bench) bench.addEventListener("change", (event) => weigh(event.target));

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
      case "x": rows()[at]?.querySelector("input[type=checkbox]")?.click(); break;
      case "X": if (at >= 0) pick(at, true, true); break;
      case "ArrowLeft": case "ArrowRight": if (!column(event.key === "ArrowRight" ? 1 : -1)) return; break;
      case "g": went = Date.now(); break;
      case "n": document.querySelector("[data-older]")?.click(); break;
      case "/": {
        const field = document.querySelector("[data-search]");
        if (!field) return;
        field.focus(); field.select();
        break;
      }
      case "?": if (dialog) dialog.showModal(); break;
      default: {
        const button = document.querySelector(`[data-press="${CSS.escape(event.key)}"]`);
        if (!button) return;
        button.click();
      }
    }
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const opens = event.target.closest("[data-opens]");
    if (opens) document.getElementById(opens.dataset.opens)?.showModal();
    if (event.target.closest("[data-print]")) window.print();
    if (event.target.matches("[data-pick]")) { pick(picks().indexOf(event.target), event.target.checked, event.shiftKey); return; }
    if (event.target.matches("[data-all]")) { picks().forEach((one) => { one.checked = event.target.checked; }); count(); return; }
    // A click anywhere in a row opens it; text can still be marked.
    const row = event.target.closest("[data-row]");
    if (row && !event.target.closest("a, button, input, .pick") && String(getSelection()) === "") row.querySelector(".when a")?.click();
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

  count();

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

// Keeps a panel up to date while work runs: replaces it, says the sentence aloud when it changes,
// asks less and less often, and stops when the work is over. Without scripts the page reloads.
const panel = document.querySelector("[data-progress]");

async function look(wait) {
  try {
    const answer = await fetch(panel.dataset.progress, {
      headers: { Accept: "text/html", "Signpost-Poll": "1" },
    });
    if (answer.ok) show(await answer.text());
    if (answer.ok && answer.headers.get("X-Over") === "yes") return end();
  } catch {
    // The server may be restarting: ask again later.
  }
  setTimeout(look, wait, Math.min(wait * 1.3, 10000));
}

function show(html) {
  if (panel.contains(document.activeElement)) return;
  panel.innerHTML = html;
  const says = panel.querySelector("[data-says]")?.textContent ?? "";
  const aloud = document.getElementById(panel.dataset.aloud);
  if (aloud && aloud.textContent !== says) aloud.textContent = says;
}

function end() {
  document.querySelector("[data-while-running]")?.remove();
}

if (panel) setTimeout(look, 1000, 1000);

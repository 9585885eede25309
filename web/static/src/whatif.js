// The what-if screen: a slider beside each number that has bounds, and an answer that follows it.
// Without scripts the numbers and the button do the same.
const form = document.querySelector("[data-whatif]");
let asked = 0;
let timer;

function slide(box) {
  const input = box.querySelector("input");
  const range = document.createElement("input");
  range.type = "range";
  range.className = "sp-slide__range";
  range.min = box.dataset.low;
  range.max = box.dataset.high;
  range.step = box.dataset.step;
  range.value = input.value || box.dataset.rest || 0;
  range.setAttribute("aria-label", `${box.dataset.label}, slider`);
  range.addEventListener("input", () => {
    input.value = range.value;
    soon();
  });
  input.addEventListener("input", () => {
    range.value = input.value || 0;
  });
  box.append(range);
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(ask, 200);
}

async function ask() {
  const mine = ++asked;
  const wanted = new URLSearchParams(new FormData(form)).toString();
  try {
    const answer = await fetch(`${form.dataset.whatif}?${wanted}`, {
      headers: { Accept: "text/html", "Signpost-Poll": "1" },
    });
    if (!answer.ok || mine !== asked) return;
    const panel = document.getElementById("whatif-panel");
    panel.innerHTML = await answer.text();
    const says = panel.querySelector("[data-says]")?.textContent ?? "";
    document.getElementById("whatif-says").textContent = says;
    history.replaceState(null, "", `?${wanted}`);
  } catch {
    // The button still works.
  }
}

if (form) {
  for (const box of form.querySelectorAll("[data-slide]")) slide(box);
  form.addEventListener("input", soon);
}

import {
  Button,
  CharacterCount,
  Checkboxes,
  ErrorSummary,
  PasswordInput,
  Radios,
  ServiceNavigation,
  SkipLink,
  createAll,
} from "./govuk-frontend.js";
import "./progress.js";
import "./whatif.js";

for (const component of [
  Button,
  CharacterCount,
  Checkboxes,
  ErrorSummary,
  PasswordInput,
  Radios,
  ServiceNavigation,
  SkipLink,
]) {
  createAll(component);
}

// Where a row of pages is wider than the screen, the page that is here is in sight.
for (const here of document.querySelectorAll(".sp-pages__list [aria-current=page]")) {
  const row = here.closest(".sp-pages__list");
  row.scrollLeft = here.offsetLeft - row.offsetLeft - 16;
}

// A folded table is printed too, also by browsers whose style sheets cannot open it.
window.addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details.sp-fold:not([open])")) {
    fold.open = true;
    window.addEventListener("afterprint", () => (fold.open = false), { once: true });
  }
});

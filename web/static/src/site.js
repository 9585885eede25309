// For a council's own website: asks Signpost which version a visitor sees, and shows it.
//
// The page holds the control's words; the other versions' carry data-signpost-arm="KEY" and
// "hidden". Whatever goes wrong, the control stays. Nothing is stored in the browser unless
// data-remember="session" asks for it, and a visitor who sends Do Not Track or Global Privacy
// Control, or for whom the page says data-object, is not asked about at all.
(function () {
  "use strict";
  var script = document.currentScript;
  if (!script || !script.dataset.trial) return;
  var trial = script.dataset.trial;
  var settled = false;

  function tell(answer) {
    if (settled) return;
    settled = true;
    if (!answer.control) {
      document.querySelectorAll("[data-signpost-arm]").forEach(function (part) {
        var of = part.dataset.signpostTrial || trial;
        if (of === trial) part.hidden = part.dataset.signpostArm !== answer.arm;
      });
    }
    document.documentElement.setAttribute("data-signpost-" + trial, answer.arm || "control");
    document.dispatchEvent(new CustomEvent("signpost:arm", { detail: answer }));
  }

  function control(reason) {
    tell({ trial: trial, arm: null, control: true, enrolled: false, reason: reason, value: null });
  }

  function unit() {
    if (script.dataset.unit) return script.dataset.unit;
    var fresh = crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2);
    if (script.dataset.remember !== "session") return fresh;
    try {
      var kept = sessionStorage.getItem("signpost-unit") || fresh;
      sessionStorage.setItem("signpost-unit", kept);
      return kept;
    } catch (refused) {
      return fresh;
    }
  }

  function start() {
    if (navigator.doNotTrack === "1" || navigator.globalPrivacyControl === true)
      return control("do-not-track");
    if (script.dataset.object !== undefined) return control("objected");
    var home = new URL(script.src).origin;
    var address = home + "/site/v1/trials/" + encodeURIComponent(trial) + "/arm";
    setTimeout(control, Number(script.dataset.timeout) || 300, "timeout");
    fetch(address + "?unit=" + encodeURIComponent(unit()), { credentials: "omit", cache: "no-store" })
      .then(function (response) {
        if (!response.ok) throw new Error(String(response.status));
        return response.json();
      })
      .then(tell)
      .catch(function () { control("unreachable"); });
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();

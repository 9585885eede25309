"""What a mail says of one trial: the finding, what is wrong, what has changed, what to do.

Pure. It is given results as they may be shown, so that before a declared look there is no effect
here to be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from analysis.report import charts, words
from analysis.report.chart import Chart
from analysis.report.comparison import contrasts
from analysis.report.figures import capital, counted, day, listed, sentence
from analysis.report.method import check_named
from analysis.report.reading import finite, metric_entries, part, parts, primary_entry, text
from analysis.report.withhold import HEALTH, withheld
from trials.definition.model import Trial

Json = Mapping[str, Any]
Danger = Literal["sample-ratio", "guardrail", "data-freshness", "harm"]
STATES = {"live": "Running", "paused": "Paused", "stopped": "Stopped, to be decided",
          "decided": "Decided", "draft": "In preparation", "ready": "Ready to start"}  # fmt: skip
FIRST = "It is in this mail for the first time."
"""What has changed in a trial that its reader has not been told of before."""
_TO_DO = {
    "scale": "Decide whether to roll it out: its case for scaling is ready to read.",
    "scale-with-conditions": "Decide whether to roll it out, and settle the conditions first.",
    "extend": "Decide whether it runs for longer: the result is not clear yet.",
    "adapt": "Agree what to change before it is tested again.",
    "stop": "Record the decision to stop, and what was learned.",
}
_NAMES = {
    "sample-ratio": "People are not split as planned (sample ratio)",
    "data-freshness": "Its data are stale", "guardrail": "A guardrail has been crossed",
    "harm": "Possible harm",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One trial as a mail tells of it. ``run`` is the run it rests on, if there has been one."""

    key: str
    title: str
    state: str
    finding: str
    says: str
    flags: tuple[str, ...]
    changes: tuple[str, ...]
    to_do: tuple[str, ...]
    chart: Chart | None
    run: int | None
    withheld: bool


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that cannot wait for the next mail: what it is, and a sentence about it."""

    key: Danger
    says: str

    @property
    def name(self) -> str:
        """What it is called in a subject line."""
        return _NAMES[self.key]


def told(trial: Trial, state: str, result: Json | None, before: Json | None) -> Told:
    """A trial as a mail tells of it.

    Args:
        trial: its definition.
        state: where it is in its life.
        result: its latest run, as it was stored; what may not be shown yet is left out here.
        before: the run that the reader was told of last, if any.
    """
    if result is None:
        return _without(trial, state)
    shown = withheld(dict(result))
    hidden = bool(shown.get("withheld"))
    drawn = [] if hidden else charts.charts(trial, shown)
    return Told(
        key=trial.key, title=trial.about.title, state=STATES.get(state, capital(state)),
        finding=(
            _hidden_finding(shown) if hidden else
            f"{words.finding(trial, shown)}{_to_go(trial, shown, state)}"
        ),
        says=sentence(str(shown["withheld"])) if hidden else words.headline(trial, shown),
        flags=flags(shown), changes=_changes(trial, shown, before),
        to_do=_to_do(shown, state), chart=next((c for c in drawn if c.key == "deflection"),
                                               drawn[0] if drawn else None),
        run=int(part(result, "run")["id"]) if part(result, "run").get("id") else None,
        withheld=hidden,
    )  # fmt: skip


def _without(trial: Trial, state: str) -> Told:
    return Told(key=trial.key, title=trial.about.title, state=STATES.get(state, capital(state)),
                finding="no analysis yet", says="It has not been analysed yet.", flags=(),
                changes=(), to_do=(), chart=None, run=None, withheld=False)  # fmt: skip


def _hidden_finding(shown: Json) -> str:
    failed = [c for c in _health(shown) if c["verdict"] == "fail"]
    after = part(shown, "look").get("next")
    when = f", results on {day(str(after))}" if after else ", results withheld"
    return ("a health check failed" if failed else "running well") + when


def _to_go(trial: Trial, shown: Json, state: str) -> str:
    """How many of a running trial have no complete outcome yet, where checks do not forbid it."""
    more = finite(part(shown, "units").get("maturing")) or 0
    if state != "live" or more <= 0 or words.failed_checks(shown):
        return ""
    return f"; {counted(int(more), trial.about.unit or 'person')} to go"


def flags(shown: Json) -> tuple[str, ...]:
    """The failed checks, each in a sentence."""
    failed = [c for c in parts(shown, "checks") if c.get("verdict") == "fail"]
    return tuple(f"{_name(c)} failed. {sentence(text(c, 'says'))}".strip() for c in failed)


def _name(check: Json) -> str:
    return capital(text(check, "key").replace("-", " "))


def _health(shown: Json) -> list[Json]:
    return [c for c in parts(shown, "checks") if c.get("key") in HEALTH]


def _changes(trial: Trial, now: Json, before: Json | None) -> tuple[str, ...]:
    """What is different from the run that the reader was told of."""
    if before is None:
        return (FIRST,)
    then = withheld(dict(before))
    found = []
    if then.get("withheld") and not now.get("withheld"):
        found.append("The planned look has come, and results are shown for the first time.")
    was, is_ = (text(part(r, "verdict"), "decision") for r in (then, now))
    if was != is_ and not then.get("withheld"):
        found.append(f"The recommendation was ‘{_label(was)}’ and is now ‘{_label(is_)}’.")
    found += _turned(then, now)
    more = _units(now) - _units(then)
    if more > 0:
        found.append(
            f"{counted(int(more), trial.about.unit or 'person')} more have complete outcomes."
        )
    return tuple(found)


def _label(decision: str) -> str:
    return words.DECISIONS.get(decision, "none")


def _units(result: Json) -> float:
    return finite(part(result, "units").get("matured")) or 0.0


def _turned(then: Json, now: Json) -> list[str]:
    """Checks that have failed, or pass again, since."""
    old = {c["key"]: c["verdict"] for c in parts(then, "checks")}
    found = []
    for check in parts(now, "checks"):
        was, is_ = old.get(check["key"]), check["verdict"]
        if is_ == "fail" and was != "fail":
            found.append(f"The check of {check_named(text(check, 'key'))} has failed since.")
        if was == "fail" and is_ == "pass":
            found.append(f"The check of {check_named(text(check, 'key'))} passes again.")
    return found


def _to_do(shown: Json, state: str) -> tuple[str, ...]:
    failed = [c for c in parts(shown, "checks") if c.get("verdict") == "fail"]
    found = [sentence(text(c, "what_to_do")) for c in failed if text(c, "what_to_do")]
    if failed and not found:
        found.append("Find out what went wrong before anybody acts on this trial.")
    decision = text(part(shown, "verdict"), "decision")
    over = state == "stopped" or decision != "extend"
    settled = bool(failed) or bool(shown.get("withheld")) or state == "decided"
    if not settled and over and decision in _TO_DO:
        found.append(_TO_DO[decision])
    return tuple(dict.fromkeys(found))


def alarms(trial: Trial, result: Json) -> tuple[Alarm, ...]:
    """What of a run cannot wait. It gives no figure of an effect, which may still be withheld.

    Harm is judged by the plan's own probability, which may be read at any time; where the split of
    units failed neither harm nor a guardrail can be told.
    """
    checks = {c["key"]: c for c in parts(result, "checks") if c.get("verdict") == "fail"}
    broken = tuple(
        Alarm(key, sentence(text(checks[key], "says")))
        for key in ("sample-ratio", "data-freshness") if key in checks
    )  # fmt: skip
    if "sample-ratio" in checks:
        return broken
    return broken + _guardrails(trial, result) + _harm(trial, result)


def _guardrails(trial: Trial, result: Json) -> tuple[Alarm, ...]:
    crossed = [
        metric.title or metric.key for metric, entry in metric_entries(trial, result)
        if metric.role == "guardrail"
        and any(c.guard == "breached" for c in contrasts(trial, metric, entry))
    ]  # fmt: skip
    if not crossed:
        return ()
    names = listed([f"‘{title}’" for title in crossed])
    return (Alarm("guardrail", f"Harm beyond the agreed margin is shown on {names}."),)


def _harm(trial: Trial, result: Json) -> tuple[Alarm, ...]:
    limit = trial.analysis.decision.stop_for_harm_probability
    for contrast in contrasts(trial, trial.primary, primary_entry(trial, result)):
        better = finite(contrast.posterior.get("probability_better"))
        if better is not None and 1 - better >= limit:
            says = f"‘{contrast.treatment}’ has reached the plan’s own limit for stopping for harm."
            return (Alarm("harm", says),)
    return ()

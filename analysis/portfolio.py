"""Every trial, what it found, what became of it, and what all say together: from the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from analysis import packs
from analysis.bayesian.pooling import Finding
from analysis.bayesian.priors import EffectPrior
from analysis.estimates import Absent
from analysis.learning import pools
from analysis.learning.findings import finding
from analysis.learning.pools import Learned, Tagged
from analysis.report.withhold import withheld
from trials import registry
from trials.definition.model import Trial

SCALE = "ln(new version / control) of the main measure; below 0 is fewer contacts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A trial of the portfolio; ``found`` says why where it is not in the pool.

    ``result`` is what may be shown of its newest run; ``source`` the council that an imported
    trial came from.
    """

    trial: Trial
    state: str
    decision: str | None
    result: Mapping[str, Any] | None
    found: Finding | Absent
    source: str = ""

    @property
    def name(self) -> str:
        """The trial's key, after its council's name where it was imported."""
        return f"{self.source}/{self.trial.key}" if self.source else self.trial.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """All trials and what they say together."""

    members: tuple[Member, ...]
    learned: Learned | Absent

    def to_json(self) -> dict[str, Any]:
        """The portfolio as data: ``trials``, ``pooled`` and the scale both are on."""
        return {
            "scale": SCALE,
            "trials": [_member_json(m, self.learned) for m in self.members],
            "pooled": _pooled_json(self.learned),
        }

    def informed_prior(
        self, baseline: float, *, by: str = "", name: str = ""
    ) -> EffectPrior | Absent:
        """The prior for the next trial's absolute effect, with where it comes from."""
        if isinstance(self.learned, Absent):
            return self.learned
        return pools.informed_prior(self.learned, baseline, by=by, name=name)


def portfolio(session: Session) -> Portfolio:
    """Every trial on the register, then those imported; results as they may be shown."""
    own = [_member(session, s) for s in registry.summaries(session)]
    members = (*own, *map(_imported, packs.everything(session)))
    return Portfolio(members=members, learned=pools.learn([
        Tagged(finding=m.found, area=m.trial.about.area, channel=m.trial.about.channel or "",
               techniques=m.trial.about.techniques)
        for m in members if isinstance(m.found, Finding)
    ]))  # fmt: skip


def _member(session: Session, summary: registry.TrialSummary) -> Member:
    trial = registry.definition_of(registry.row_of(session, summary.key))
    result = registry.latest_result(session, summary.key)
    shown = None if result is None else withheld(result)
    found = finding(trial, shown)
    if isinstance(found, Finding):
        found = replace(found, group=trial.about.area)
    return Member(trial=trial, state=summary.state, decision=summary.decision, result=shown,
                  found=found)  # fmt: skip


def _imported(pack: Mapping[str, Any]) -> Member:
    trial = packs.trial_of(pack)
    found = finding(trial, pack["result"], imported=True)
    if isinstance(found, Finding):
        name = f"{pack['council']}/{trial.key}"
        found = replace(found, trial=name, group=trial.about.area)
    return Member(trial=trial, state=str(pack.get("state") or ""), decision=pack.get("decision"),
                  result=pack["result"], found=found, source=pack["council"])  # fmt: skip


def _member_json(member: Member, learned: Learned | Absent) -> dict[str, Any]:
    about, result = member.trial.about, member.result or {}
    said = result.get("verdict") or {}
    shrunk = None if isinstance(learned, Absent) else learned.shrunk(member.name)
    found: dict[str, Any] = (
        member.found.to_json() if isinstance(member.found, Absent)
        else {"estimate": member.found.estimate, "se": member.found.se}
    )  # fmt: skip
    return {
        "trial": about.key, "title": about.title, "area": about.area, "channel": about.channel,
        "techniques": list(about.techniques), "state": member.state, "decision": member.decision,
        "found": {"says": said.get("says"), "recommended": said.get("decision")},
        "imported": bool(member.source), "source": member.source or None, "effect": found,
        "shrunk": None if shrunk is None else
        {"mean": shrunk.mean, "sd": shrunk.sd, "ratio": pools.ratio(shrunk)},
    }  # fmt: skip


def _pooled_json(learned: Learned | Absent) -> dict[str, Any]:
    if isinstance(learned, Absent):
        return learned.to_json()
    whole = learned.all_trials
    return {
        **whole.to_json(),
        "prior": {**pools.AVERAGE.to_json(), "spread": pools.SPREAD},
        "ratio": {
            "average": pools.ratio(whole.average),
            "new_setting": pools.ratio(whole.predictive),
        },
        "by": {
            by: [
                {"name": g.name, "trials": list(g.trials), "ratio": pools.ratio(g.mean),
                 "new_setting": pools.ratio(g.new_setting)}
                for g in groups
            ]
            for by, groups in learned.by.items()
        },
        "random_effects": {k: v.to_json() for k, v in learned.textbook.items()},
    }  # fmt: skip

"""Officers' forecasts: kept before launch, scored when the result may be shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from scipy import special
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from analysis.bayesian.forecasts import Forecast, Score, score
from analysis.bayesian.posterior import Posterior
from analysis.estimates import Absent
from analysis.report.reading import finite, part, parts, primary_entry, text
from analysis.report.withhold import sentence
from trials import audit, clock, registry
from trials.definition.model import Trial
from trials.errors import Conflict, Invalid, Problem
from trials.store.tables import ForecastRow, TrialRow

BEFORE_LAUNCH = frozenset({"draft", "ready"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A forecast on record with how it fared, or why that is not known yet.

    ``version`` is the arm as people call it.
    """

    trial: str
    title: str
    arm: str
    version: str
    at: datetime
    forecast: Forecast
    score: Score | Absent
    came: float | None

    def to_json(self) -> dict[str, Any]:
        """The forecast as data."""
        said, scored = self.forecast, self.score
        return {
            "trial": self.trial, "arm": self.arm, "who": said.who, "at": self.at.isoformat(),
            "probability_better": said.probability_better, "effect": said.effect, "sd": said.sd,
            "came": self.came,
            "score": scored.to_json() if isinstance(scored, Absent) else
            {"brier": scored.brier, "crps": scored.crps, "surprise": scored.surprise},
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A forecast to keep; without ``arm`` it is about the first new version."""

    key: str
    forecast: Forecast
    actor: str
    arm: str = ""


def add(session: Session, wish: Wish) -> None:
    """Keep a forecast. Nobody can change it afterwards.

    Raises:
        Conflict: the trial has been launched, or this person has made a forecast of the version.
        Invalid: nothing is forecast, or a figure is impossible; every problem is named.
    """
    row = registry.row_of(session, wish.key, lock=True)
    if row.state not in BEFORE_LAUNCH:
        raise Conflict(f"trial {wish.key!r} has been launched, and forecasts are made before that",
                       "make one for the next trial")  # fmt: skip
    trial = registry.definition_of(row)
    arm, said = wish.arm or _new(trial)[0], wish.forecast
    _check(trial, arm, said)
    session.add(ForecastRow(trial_id=row.id, arm=arm, who=said.who.strip(), effect=said.effect,
                            probability_better=said.probability_better, sd=said.sd,
                            at=clock.now(), actor=wish.actor))  # fmt: skip
    try:
        session.flush()
    except IntegrityError:
        raise Conflict(f"{said.who.strip()} has made a forecast of {arm!r} already",
                       "a forecast stands as it was made") from None  # fmt: skip
    audit.record(session, "forecast made", wish.key, actor=wish.actor, detail={"arm": arm})


def everything(session: Session, key: str | None = None) -> tuple[Kept, ...]:
    """Every forecast, of one trial or of all, in the order in which they were made."""
    query = sa.select(ForecastRow, TrialRow).join(TrialRow).order_by(ForecastRow.id)
    if key is not None:
        query = query.where(TrialRow.id == registry.row_of(session, key).id)
    rows = session.execute(query).all()
    owners = {owner.id: owner for _, owner in rows}
    trials = {
        number: (registry.definition_of(owner), registry.latest_result(session, owner.key))
        for number, owner in owners.items()
    }
    return tuple(_kept(row, owner, *trials[owner.id]) for row, owner in rows)


def posterior_of(trial: Trial, result: Mapping[str, Any] | None, arm: str) -> Posterior | Absent:
    """What came of a version's main measure: its posterior, or the estimate under a flat prior."""
    if result is None:
        return Absent("no-result", "The trial has not been analysed.")
    if sentence(result) is not None or result.get("withheld"):
        return Absent("withheld", "The result may not be shown yet.")
    if any(check.get("verdict") == "fail" for check in parts(result, "checks")):
        return Absent("failed-check", "Not scored: a check says that the result cannot be trusted.")
    contrasts = parts(primary_entry(trial, result), "contrasts")
    contrast = next((c for c in contrasts if text(c, "arm") == arm), {})
    found, rough = part(contrast, "posterior"), part(contrast, "difference")
    mean, sd = finite(found.get("mean")), finite(found.get("sd"))
    if mean is None or sd is None:
        mean, sd = finite(rough.get("estimate")), finite(rough.get("se"))
    if mean is None or sd is None or sd <= 0:
        return Absent("no-effect", "The trial has no effect with a standard error.")
    down = float(special.ndtr(-mean / sd))
    lower = trial.primary.better == "lower"
    better = finite(found.get("probability_better"))
    return Posterior(
        mean=mean, sd=sd, low=mean - 1.96 * sd, high=mean + 1.96 * sd,
        probability_better=better if better is not None else down if lower else 1 - down,
        expected_loss=0.0, expected_loss_keep=0.0, better=trial.primary.better,
    )  # fmt: skip


def _kept(
    row: ForecastRow, owner: TrialRow, trial: Trial, result: Mapping[str, Any] | None
) -> Kept:
    said = Forecast(who=row.who, probability_better=row.probability_better, effect=row.effect,
                    sd=row.sd)  # fmt: skip
    found = posterior_of(trial, result, row.arm)
    return Kept(
        trial=owner.key, title=owner.title, arm=row.arm, at=row.at, forecast=said,
        version=next((a.title or a.key for a in trial.arms if a.key == row.arm), row.arm),
        score=found if isinstance(found, Absent) else score(said, found),
        came=None if isinstance(found, Absent) else found.probability_better,
    )  # fmt: skip


def _new(trial: Trial) -> list[str]:
    return [arm.key for arm in trial.arms if not arm.control]


def _check(trial: Trial, arm: str, said: Forecast) -> None:
    problems = []
    if arm not in _new(trial):
        problems.append(Problem("arm", f"{arm!r} is no new version", f"use {_new(trial)}"))
    if not said.who.strip() or len(said.who.strip()) > 200:
        problems.append(Problem("who", "nobody is named", "say whose forecast it is"))
    chance = said.probability_better
    if chance is None and said.effect is None:
        problems.append(Problem("chance", "nothing is forecast", "give a chance from 0 to 100"))
    if chance is not None and not 0 <= chance <= 1:
        problems.append(Problem("chance", "lies between 0 and 100", "write 70 for 70%"))
    if said.effect is not None and not math.isfinite(said.effect):
        problems.append(Problem("effect", "is not a number", "write it as -0.02"))
    if not math.isfinite(said.sd) or said.sd < 0:
        problems.append(Problem("sd", "is below 0 or no number", "write it as 0.01"))
    if problems:
        raise Invalid("the forecast", problems)

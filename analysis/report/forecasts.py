"""Forecasts beside what came, as the rows of a table and in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.bayesian.forecasts import Score
from analysis.report.figures import day, percent

if TYPE_CHECKING:
    from analysis.forecasting import Kept

COLUMNS = ("Trial", "Version", "Whose", "Made on", "Said", "Came", "Brier score")


def rows(found: Sequence[Kept]) -> list[tuple[str, ...]]:
    """A row for each forecast; what is not known yet says why."""
    return [
        (k.title, k.arm, k.forecast.who, day(k.at), _chance(k.forecast.probability_better),
         _chance(k.came), f"{k.score.brier:.2f}" if isinstance(k.score, Score)
         and k.score.brier is not None else "" if isinstance(k.score, Score) else k.score.why)
        for k in found
    ]  # fmt: skip


def says(found: Sequence[Kept]) -> str:
    """How good the forecasts were, beside somebody who always says one half."""
    scores = [k.score.brier for k in found if isinstance(k.score, Score)
              and k.score.brier is not None]  # fmt: skip
    if not scores:
        return "None can be scored yet."
    mean = sum(scores) / len(scores)
    than = "better" if mean < 0.25 else "worse"
    return (
        f"{len(scores)} scored so far, with a mean score of {mean:.2f}: {than} than saying "
        "fifty-fifty each time, which scores 0.25 (0 is perfect, 1 is always wrong)."
    )


def _chance(probability: float | None) -> str:
    return "–" if probability is None else f"{percent(probability, 0)} likely better"

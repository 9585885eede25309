"""Forecasts beside what came, as the rows of a table and in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.bayesian.forecasts import Score, calibration
from analysis.estimates import Absent
from analysis.report.chart import composed
from analysis.report.figures import chance, counted, day, percent
from analysis.report.marks import Panel, Row, Rule
from analysis.report.view import Drawn

if TYPE_CHECKING:
    from analysis.forecasting import Kept

COLUMNS = ("Trial", "Version", "Whose", "Made on", "Said", "Came", "Brier score")


def rows(found: Sequence[Kept]) -> list[tuple[str, ...]]:
    """A row for each forecast; what is not known yet says why."""
    return [
        (k.title, k.version, k.forecast.who, day(k.at), _chance(k.forecast.probability_better),
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
    return "–" if probability is None else f"{chance(probability)} likely better"


def calibrated(found: Sequence[Kept]) -> Drawn | None:
    """How often what was said to be this likely came: said against came, in five bins."""
    pairs = [(k.forecast.probability_better, k.came) for k in found
             if k.forecast.probability_better is not None and k.came is not None]  # fmt: skip
    bins = calibration(pairs)
    if isinstance(bins, Absent):
        return None
    names = [f"{percent(b.low, 0)} to {percent(b.high, 0)}" for b in bins]
    rows = [
        Row(name=f"Said {name}: {counted(b.n, 'forecast')}",
            says=f"said {percent(b.said, 0)}, came {percent(b.came, 0)}",
            value=100 * b.came, low=100 * min(b.said, b.came), high=100 * max(b.said, b.came))
        for name, b in zip(names, bins, strict=True)
    ]  # fmt: skip
    off = sum(b.n * (b.said - b.came) for b in bins) / len(pairs)
    way = "too hopeful" if off > 0 else "too gloomy"
    level = "as hopeful as they should have been" if abs(off) < _LEVEL else (
        f"{way} by {percent(abs(off), 0)} on average")  # fmt: skip
    few = "" if len(pairs) >= _ENOUGH else (
        f" With {counted(len(pairs), 'forecast')} this says little yet.")  # fmt: skip
    chart = composed(
        "forecast-calibration",
        [Panel(rows=rows, axis="How likely better, in %: from what was said to what came",
               rules=(Rule(at=50.0, dash=(4, 4)),))],
        title="Did what we expected come?",
        conclusion=f"The dot is what came, the line leads to what was said. Forecasts were "
        f"{level}.{few}",
        columns=("Said", "Forecasts", "Said on average", "Came on average"),
        rows=[(name, f"{b.n:,}", percent(b.said, 0), percent(b.came, 0))
              for name, b in zip(names, bins, strict=True)],
    )  # fmt: skip
    return Drawn(chart=chart)


_LEVEL = 0.05
"""Within five points of each other, said and came are taken for alike."""

_ENOUGH = 20
"""Fewer forecasts than this say little about how good they are."""

"""How the posterior report puts effects into words and on an axis: per 1,000, or in own units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.report import marks, phrases
from analysis.report.figures import capital, plural, significant
from analysis.report.marks import Panel, Row, Rule
from analysis.report.reading import Interval, Json, arm_title, interval, text
from trials.definition.model import Metric, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How one metric's effects are told: per ``base`` units where it is a share or a count."""

    trial: Trial
    metric: Metric
    base: int | None

    @property
    def factor(self) -> float:
        """What an effect is multiplied by for the axis."""
        return float(self.base or 1)

    @property
    def axis(self) -> str:
        """The axis' title."""
        if self.base is None:
            return "Difference, in the measure's own units"
        return f"Difference per {self.base:,} {plural(self.trial.about.unit or 'person')}"

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The zero line."""
        return (Rule(at=0, colour=marks.INK),)

    def says(self, found: object) -> str:
        """``20 fewer``, or why there is no number."""
        one = interval(found)
        if not isinstance(one, Interval):
            return "not available"
        return phrases.signed(self.metric, one.estimate, self.base)

    def span(self, found: object) -> str:
        """``between 8 and 32 fewer``."""
        one = interval(found)
        return phrases.span(self.metric, one, self.base) if isinstance(one, Interval) else "–"

    def size(self, value: float | None) -> str:
        """A loss or a gain, which is never negative: ``0.2``, or ``less than 0.001``."""
        if value is None:
            return "–"
        shown = value * self.factor
        return "less than 0.001" if 0 < shown < 0.001 else significant(shown, 2)

    def row(self, name: str, found: object, *, kind: marks.Kind = "new") -> Row | None:
        """One line of a forest, if there is a number."""
        one = interval(found)
        if not isinstance(one, Interval):
            return None
        ends = [None if end is None else end * self.factor for end in (one.low, one.high)]
        return Row(
            name=name,
            says=self.says(found),
            value=one.estimate * self.factor,
            low=ends[0],
            high=ends[1],
            kind=kind,
        )

    def panel(self, rows: Sequence[Row | None], *, heading: str = "") -> Panel | None:
        """The rows that have a number over one axis."""
        known = [row for row in rows if row is not None]
        if not known:
            return None
        return Panel(rows=known, axis=self.axis, heading=heading, rules=self.rules)


def scale_of(trial: Trial, measure: Json) -> Scale | None:
    """How a measure of the document is told; ``None`` where the plan no longer has it."""
    found = {m.key: m for m in trial.metrics}.get(text(measure, "metric"))
    if found is None:
        return None
    known = interval(measure.get("posterior"))
    base = phrases.base_of(found, known if isinstance(known, Interval) else None)
    return Scale(trial=trial, metric=found, base=base)


def primary_scale(trial: Trial, measures: Sequence[Json]) -> Scale:
    """The scale of the primary metric, wide enough for its smallest effect."""
    found = [s for m in measures if m.get("role") == "primary" and (s := scale_of(trial, m))]
    bases = [s.base for s in found if s.base is not None]
    base = max(bases) if bases else phrases.base_of(trial.primary, None)
    return Scale(trial=trial, metric=trial.primary, base=base)


def name_of(trial: Trial, measure: Json) -> str:
    """``Any contact: One thing to do``."""
    title = text(measure, "title", text(measure, "metric"))
    return f"{capital(title)}: {arm_title(trial, text(measure, 'arm'))}"

"""When randomisation was impossible: before and after, and difference in differences.

What these give is weaker evidence than a trial's, graded and marked as such, and never to be set
beside one on the same scale. Interrupted time series are in
:mod:`analysis.frequentist.interrupted`, matched areas in :mod:`analysis.frequentist.matched`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from analysis.estimates import Absent, Estimate
from analysis.frequentist.cluster import robust
from analysis.frequentist.regression import Cells, Functional
from analysis.tables import Floats

QuasiDesign = Literal[
    "interrupted-time-series", "difference-in-differences", "matched-areas", "before-after"
]
Mask = npt.NDArray[np.bool_]

NOT_RANDOMISED = "Not randomised: weaker evidence than a trial, not to be set beside one."
BEFORE_AFTER = "Before and after: cannot separate the trial from other changes."
FEW_DF = 3.0
"""With fewer degrees of freedom a cluster-robust p-value is not to be trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuasiResult:
    """A comparison that was not randomised.

    ``grade`` is on the scale of :mod:`analysis.scaling.evidence` (5: not randomised; 6: that with
    a warning, or mere before and after); ``scale`` says whether the estimate is a difference or a
    ratio; ``watermark`` must be printed wherever the estimate is.
    """

    design: QuasiDesign
    grade: int
    estimate: Estimate | Absent
    scale: Literal["difference", "ratio"]
    watermark: str
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; the watermark goes with the number."""
        return {
            "design": self.design, "grade": self.grade, "scale": self.scale,
            "watermark": self.watermark, "estimate": self.estimate.to_json(),
            "warnings": list(self.warnings), "details": dict(self.details),
        }  # fmt: skip


def graded(
    design: QuasiDesign,
    estimate: Estimate | Absent,
    *,
    scale: Literal["difference", "ratio"] = "difference",
    warnings: Sequence[str] = (),
    details: Mapping[str, Any] | None = None,
) -> QuasiResult:
    """The result with the grade and watermark of its design."""
    before_after = design == "before-after"
    return QuasiResult(
        design=design,
        grade=6 if before_after or warnings else 5,
        estimate=estimate,
        scale=scale,
        watermark=BEFORE_AFTER if before_after else NOT_RANDOMISED,
        warnings=tuple(warnings),
        details=details or {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One value for every area and period.

    ``y`` is the outcome, areas by periods; ``treated`` marks the areas where something changed from
    period ``start`` on; ``weights`` (areas by periods) weights the values, equally if ``None``.
    """

    areas: tuple[str, ...]
    y: Floats
    treated: Mask
    start: int
    weights: Floats | None = None

    def __post_init__(self) -> None:
        """Refuse a panel whose parts do not fit together or that has gaps."""
        if self.y.shape[0] != len(self.areas) or len(self.treated) != len(self.areas):
            raise ValueError("the panel needs a row of values and a mark for every area")
        if not 0 < self.start < self.y.shape[1]:
            raise ValueError("the panel needs periods before and after the start")
        if not np.all(np.isfinite(self.y)):
            raise ValueError("the panel has gaps; leave out the area or the period")


def before_after(
    before: Sequence[float], after: Sequence[float], *, level: float = 0.95
) -> QuasiResult:
    """Mean of the periods after less mean of those before (Welch), which proves little.

    The interval knows of the scatter between periods, not of trends, seasons, other changes or
    regression to the mean; it is the weakest design there is.
    """
    b, a = np.asarray(before, float), np.asarray(after, float)
    if len(b) < 2 or len(a) < 2:
        return graded("before-after", Absent("too-few-periods", "Each side needs two periods."))
    parts = np.array([b.var(ddof=1) / len(b), a.var(ddof=1) / len(a)])
    if parts.sum() == 0:
        return graded("before-after", Absent("no-variation", "The periods do not vary."))
    df = float(parts.sum() ** 2 / (parts[0] ** 2 / (len(b) - 1) + parts[1] ** 2 / (len(a) - 1)))
    estimate = Estimate.from_t(
        float(a.mean() - b.mean()), float(np.sqrt(parts.sum())), df=df, level=level,
        method="before and after, Welch",
    )  # fmt: skip
    return graded("before-after", estimate, details={"before": b.mean(), "after": a.mean()})


def four_means(control: tuple[float, float], treated: tuple[float, float]) -> float:
    """(after − before) of the treated less that of the control, from their means alone."""
    return (treated[1] - treated[0]) - (control[1] - control[0])


def difference_in_differences(panel: Panel, *, level: float = 0.95) -> QuasiResult:
    """The change where something changed less the change elsewhere.

    Two-way fixed effects of area and period, errors clustered by area with CR2 and Bell–McCaffrey
    degrees of freedom. Beside it the test that both groups moved alike before the start: without
    that the estimate means little, and with it nothing is proved.
    """
    lacking = _lacking(panel)
    if lacking is not None:
        return graded("difference-in-differences", lacking)
    periods = np.arange(panel.y.shape[1])
    active = np.outer(panel.treated, periods >= panel.start).astype(float)
    estimate = two_way(panel, active, level=level)
    trend = _parallel(panel, level)
    warnings = []
    if isinstance(estimate, Estimate) and estimate.df is not None and estimate.df < FEW_DF:
        warnings.append("So few areas that the interval is a rough guide only.")
    if isinstance(trend, Estimate) and trend.p is not None and trend.p < 0.1:
        warnings.append("The groups were already moving apart before the start.")
    if isinstance(trend, Absent):
        warnings.append("Too few periods before the start to see whether the groups moved alike.")
    return graded(
        "difference-in-differences", estimate, warnings=warnings,
        details={"trend_before": trend.to_json(), "areas": len(panel.areas),
                 "treated_areas": int(panel.treated.sum())},
    )  # fmt: skip


def two_way(panel: Panel, regressor: Floats, *, level: float) -> Estimate | Absent:
    """The coefficient of ``regressor`` (areas by periods) beside area and period effects."""
    areas, periods = panel.y.shape
    area, period = np.divmod(np.arange(areas * periods), periods)
    y = panel.y.ravel()
    x = np.column_stack([regressor.ravel(), period[:, None] == np.arange(1, periods)])
    weight = np.ones(y.size) if panel.weights is None else panel.weights.ravel()
    cells = Cells(
        n=np.ones(y.size), y=y, yy=y**2, x=x.astype(float), group=area, groups=areas,
        cluster=area, weight=weight,
    )  # fmt: skip
    wanted = Functional(x=np.eye(x.shape[1])[0], group=np.zeros(areas))
    found = robust(cells, wanted)
    scale = float(np.abs(y).max(initial=0.0))
    if not found.identified or not np.isfinite(found.df):
        return Absent("one-area", "A group is one area: its own chance movement cannot be told.")
    if found.se <= 1e-12 * max(scale, 1e-300):
        return Absent(
            "no-variation", "The areas move exactly alike: there is no error to judge by."
        )
    return Estimate.from_t(
        found.estimate, found.se, df=found.df, level=level,
        method="two-way fixed effects, CR2 by area",
    )  # fmt: skip


def _lacking(panel: Panel) -> Absent | None:
    treated = int(panel.treated.sum())
    if treated == 0 or treated == len(panel.areas):
        return Absent("one-group", "There must be areas with the change and areas without.")
    if treated == 1 or len(panel.areas) - treated == 1:
        return Absent(
            "one-area",
            "A group is one area: its own chance movement cannot be told; match areas instead.",
        )
    return None


def _parallel(panel: Panel, level: float) -> Estimate | Absent:
    """The difference in linear trend before the start, in units a period."""
    if panel.start < 3:
        return Absent("too-few-periods", "Fewer than three periods lie before the start.")
    pre = Panel(
        areas=panel.areas, y=panel.y[:, : panel.start], treated=panel.treated,
        start=1, weights=None if panel.weights is None else panel.weights[:, : panel.start],
    )  # fmt: skip
    return two_way(pre, np.outer(panel.treated, np.arange(panel.start)).astype(float), level=level)

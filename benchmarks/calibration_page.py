"""What the two writers of docs/calibration.md share: the page, its last section, a simulated share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "calibration.md"
SECTION = "\n## Posteriors\n"
ABOUT = """
Simulation-based calibration (Talts et al. 2018): a truth is drawn from the prior, data from the
model given it, and the model is fitted to the data as a report would (4 × 1,000 draws). If prior,
density and sampler are right, the truth's rank among the draws is uniform and an interval holds it
as often as it says. In brackets the Monte Carlo standard error in percentage points; marked is what
is further than three of them from its promise, or uniform with p below 0.001. A run that fails its
diagnostics is repeated once with smaller steps; one that fails again is shown as not reliable, and
still counted here. Of tables as long as this one in nine has a mark by chance alone.

Written by `python -m benchmarks.sbc --write`, seed {seed}.

{table}
"""


@dataclass(frozen=True, slots=True)
class Share:
    """A simulated share with its Monte Carlo error; ``of`` is how many trials had an answer."""

    value: float
    of: int

    @property
    def error(self) -> float:
        """The Monte Carlo standard error, never taken as zero."""
        p = min(max(self.value, 1 / (self.of + 2)), 1 - 1 / (self.of + 2))
        return math.sqrt(p * (1 - p) / self.of)

    def text(self) -> str:
        """The share in percent, its error in brackets."""
        return f"{100 * self.value:.1f} % ({100 * self.error:.1f})"


def posteriors(page: Path = PAGE) -> str:
    """The section about posteriors as it stands, which the other writer leaves alone."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    _, found, rest = text.partition(SECTION)
    return found + rest


def with_posteriors(table: str, *, seed: int, page: Path = PAGE) -> None:
    """Put the table of the posteriors at the end of the page in place of the last one."""
    text = page.read_text(encoding="utf-8").partition(SECTION)[0]
    page.write_text(text + SECTION + ABOUT.format(seed=seed, table=table), encoding="utf-8")

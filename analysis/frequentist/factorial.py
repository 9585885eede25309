"""Weighted sums of several arms' means from one model of all arms: effects of crossed factors."""

from __future__ import annotations

import numpy as np

from analysis.estimates import Absent, Estimate
from analysis.frequentist.cluster import robust, too_wide
from analysis.frequentist.comparison import covariates, known_cells, stratum_codes
from analysis.frequentist.difference import interval
from analysis.frequentist.regression import Cells, Functional
from analysis.tables import Floats, Grouped


def weighted_means(
    table: Grouped, weights: Floats, *, level: float = 0.95, adjust: bool = False
) -> Estimate | Absent:
    """The sum of the arms' means times ``weights`` (one an arm, adding up to 0).

    Least squares with a mean for each arm, every stratum a level of its own and, where ``adjust``
    is set, the covariates centred with common slopes; HC2, or CR2 by cluster, with Bell-McCaffrey
    degrees of freedom. Without strata and covariates it is the arms' plain means.
    """
    known = known_cells(table)
    clusters = known.arm if known.cluster is None else known.cluster.codes
    for code, weight in enumerate(weights.tolist()):
        mine = known.arm == code
        several = known.n[mine].sum() if known.cluster is None else len(np.unique(clusters[mine]))
        if weight and several < 2:
            says = f"“{table.arms[code]}” has too few units for its spread to be known."
            return Absent("too-few-units", says)
    stratum = stratum_codes(known.stratum, known.cells)
    notes: tuple[str, ...] = ()
    if known.cluster is not None and too_wide(known.cluster.codes, stratum):
        stratum = np.zeros(known.cells, np.int64)
        notes = ("many clusters span the strata: compared without strata",)
    others = [code for code in range(len(table.arms)) if code != table.control]
    x = covariates(known, known) if adjust else np.zeros((known.cells, 0))
    arms = (known.arm[:, None] == np.array(others)).astype(float)
    cells = Cells(
        n=known.n, y=known.y, yy=known.yy, x=np.hstack([arms, x]), group=stratum,
        groups=int(stratum.max()) + 1,
        cluster=None if known.cluster is None else known.cluster.codes,
    )  # fmt: skip
    asked = Functional(x=np.concatenate([weights[others], np.zeros(x.shape[1])]),
                       group=np.zeros(cells.groups))  # fmt: skip
    found = robust(cells, asked)
    method = "means of all arms in one model"
    method += ", adjusted for covariates" if x.shape[1] else ""
    method += ", HC2" if known.cluster is None else ", CR2 by cluster"
    return interval(found, level=level, method=f"{method}, Bell–McCaffrey df", notes=notes,
                    clustered=known.cluster is not None)  # fmt: skip

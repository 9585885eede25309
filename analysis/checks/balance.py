"""Randomisation balance: were the arms alike before anything was done to them?

One omnibus test over every baseline column, never one test a column: the departure of arm sums
from their expectation under re-randomisation within strata, against its exact permutation
covariance (Hansen and Bowers 2008, Statistical Science 23; for two arms their d-squared). Where
clusters were randomised the rows are clusters, described by their size and their means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.checks.check import UNTITLED, Check, by_p, called, listed, not_applicable, p_text
from analysis.tables import Grouped, Ints

Floats = npt.NDArray[np.float64]

NOTABLE = 0.1
"""A standardised difference that many texts call notable (Austin 2009)."""


@dataclass(frozen=True, slots=True)
class Balance:
    """The omnibus test, and the standardised difference of each column and arm from control."""

    p: float
    statistic: float
    df: int
    differences: dict[str, dict[str, float]]


def randomisation_balance(table: Grouped, *, titles: Mapping[str, str] = UNTITLED) -> Check:
    """Whether baseline columns (covariates and segments) are alike across arms.

    All assigned units count, those with a missing outcome too.
    """
    found = omnibus(table)
    if found is None:
        return not_applicable(
            "randomisation-balance", "There are no baseline columns, or too few units, to compare."
        )
    verdict = by_p(found.p)
    notable = [
        f"{column} in {called(arm, titles)} ({value:+.2f} standard deviations)"
        for column, arms in found.differences.items()
        for arm, value in arms.items()
        if abs(value) >= NOTABLE
    ]
    shown = f"; the largest gaps are {listed(notable[:3])}" if notable else ""
    alike = "The arms were alike before the trial, as far as chance allows"
    unlike = "The arms differed before the trial by more than chance explains"
    return Check(
        key="randomisation-balance",
        verdict=verdict,
        p=found.p,
        says=f"{alike if verdict == 'pass' else unlike} ({p_text(found.p)}){shown}.",
        what_to_do=""
        if verdict == "pass"
        else "Check that the arms on file are those that were drawn and that nothing removed people"
        " afterwards; prefer the estimate adjusted for these columns.",
        details={
            "statistic": found.statistic,
            "df": found.df,
            "standardised_differences": found.differences,
        },
    )


def omnibus(table: Grouped) -> Balance | None:
    """The test of :func:`randomisation_balance`; ``None`` without columns or enough units."""
    names, x = _columns(table)
    weight = table.n + (table.missing if table.missing is not None else 0.0)
    if not names or weight.sum() < 4 or len(np.unique(table.arm[weight > 0])) < 2:
        return None
    strata = table.stratum.codes if table.stratum is not None else np.zeros(table.cells, np.int64)
    arm = table.arm
    if table.cluster is not None:
        names = [*names, "cluster size"]
        arm, strata, x, weight = _clusters(table.cluster.codes, arm, strata, x, weight)
    statistic, df = _permutation_statistic(arm, strata, x, weight, len(table.arms))
    if df == 0:
        return None
    return Balance(
        p=float(stats.chi2.sf(statistic, df)),
        statistic=statistic,
        df=df,
        differences=_standardised(names, x, arm, weight, table),
    )


def _columns(table: Grouped) -> tuple[list[str], Floats]:
    """The covariates, and one indicator for every segment level but the first."""
    names: list[str] = []
    parts: list[Floats] = []
    if table.x is not None and table.x.shape[1]:
        names += list(table.covariates)
        parts.append(table.x)
    for key in table.segments.values():
        for code, level in list(enumerate(key.levels))[1:]:
            names.append(f"{key.name} {level}")
            parts.append((key.codes == code).astype(float)[:, None])
    return names, np.hstack(parts) if parts else np.empty((table.cells, 0))


def _clusters(
    codes: Ints, arm: Ints, strata: Ints, x: Floats, weight: Floats
) -> tuple[Ints, Ints, Floats, Floats]:
    """One row a cluster: its arm, stratum, mean columns and size, with weight 1."""
    _, first, into = np.unique(codes, return_index=True, return_inverse=True)
    size = np.bincount(into, weight, len(first))
    held = size > 0
    sums = np.column_stack(
        [np.bincount(into, weight * column, len(first)) for column in x.T] or [size * 0]
    )
    means = sums[held] / size[held, None]
    rows = np.column_stack([means[:, : x.shape[1]], size[held]])
    return arm[first][held], strata[first][held], rows, np.ones(int(held.sum()))


def _permutation_statistic(
    arm: Ints, strata: Ints, x: Floats, weight: Floats, arms: int
) -> tuple[float, int]:
    """Q = v' V^- v with v = vec(Z'X) centred within strata, V its permutation covariance."""
    z = (arm[:, None] == np.arange(arms)).astype(float)
    x = (x - np.average(x, axis=0, weights=weight)) / _spread(x, weight)
    size = arms * x.shape[1]
    total, cov = np.zeros(size), np.zeros((size, size))
    for stratum in np.unique(strata):
        rows = strata == stratum
        w = weight[rows]
        units = w.sum()
        if units < 2:
            continue
        zc = z[rows] - np.average(z[rows], axis=0, weights=w)
        xc = x[rows] - np.average(x[rows], axis=0, weights=w)
        total += ((zc * w[:, None]).T @ xc).ravel()
        zz, xx = (zc * w[:, None]).T @ zc, (xc * w[:, None]).T @ xc
        cov += np.kron(zz, xx) / (units - 1)
    scale = float(np.abs(cov).max(initial=0.0))
    if scale == 0.0:
        return 0.0, 0
    values, vectors = np.linalg.eigh(cov)
    kept = values > scale * 1e-9
    along = vectors[:, kept].T @ total
    return float((along**2 / values[kept]).sum()), int(kept.sum())


def _spread(x: Floats, weight: Floats) -> Floats:
    mean = np.average(x, axis=0, weights=weight)
    sd = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight))
    return np.where(sd > 0, sd, 1.0)


def _standardised(
    names: list[str], x: Floats, arm: Ints, weight: Floats, table: Grouped
) -> dict[str, dict[str, float]]:
    """(mean of arm − mean of control) / overall standard deviation, by column and arm."""
    sd = _spread(x, weight)
    held = [a for a in range(len(table.arms)) if weight[arm == a].sum() > 0]
    means = {a: np.average(x[arm == a], axis=0, weights=weight[arm == a]) for a in held}
    if table.control not in means:
        return {}
    control = means[table.control]
    return {
        name: {
            table.arms[a]: float((means[a][i] - control[i]) / sd[i])
            for a in held
            if a != table.control
        }
        for i, name in enumerate(names)
    }

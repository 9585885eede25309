"""How well contacts are coded: agreement of two coders, and shares corrected for miscoding.

A random sample of contacts is coded a second time, blind to the first code and to the arm.
Cohen's kappa says how far two coders agree beyond chance; sensitivity and specificity against the
second coder correct an apparent share (Rogan and Gladen).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its interval of coverage ``level`` and, where there is one, its error."""

    estimate: float
    low: float
    high: float
    se: float | None = None
    level: float = 0.95
    method: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class NotKnown:
    """A number that cannot be had: a stable ``code`` and one sentence."""

    code: str
    why: str


def cross_table(first: Sequence[str], second: Sequence[str]) -> NDArray[np.int64]:
    """Counts of pairs of codes: rows the first coder's, columns the second's, one shared order.

    Raises:
        ValueError: the two are not of the same length.
    """
    if len(first) != len(second):
        raise ValueError("two coders of one sample give equally many codes")
    codes = {code: i for i, code in enumerate(sorted({*first, *second}))}
    table = np.zeros((len(codes), len(codes)), dtype=np.int64)
    for one, other in zip(first, second, strict=True):
        table[codes[one], codes[other]] += 1
    return table


def kappa(table: NDArray[np.int64], *, level: float = 0.95) -> Interval | NotKnown:
    """Cohen's kappa (Cohen 1960) of a square table of counts.

    The standard error is the large-sample one of Fleiss, Cohen and Everitt (1969, equation 13),
    which holds away from kappa = 0; the interval is cut at −1 and 1.
    """
    counts = np.asarray(table, dtype=float)
    total = float(counts.sum())
    if total < 2:
        return NotKnown("no-sample", "fewer than two contacts were coded twice")
    p = counts / total
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    observed, expected = float(np.trace(p)), float(rows @ columns)
    if expected >= 1 - 1e-12:
        return NotKnown("one-code", "both coders used one code alone, so chance explains all")
    value = (observed - expected) / (1 - expected)
    se = math.sqrt(max(0.0, _kappa_variance(p, rows, columns, value) / total))
    half = float(stats.norm.isf((1 - level) / 2)) * se
    return Interval(
        estimate=value, se=se, low=max(-1.0, value - half), high=min(1.0, value + half),
        level=level, method="Cohen's kappa; Fleiss, Cohen and Everitt (1969)",
        note="fewer than 50 contacts: the interval is rough" if total < 50 else "",
    )  # fmt: skip


def _kappa_variance(
    p: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64], value: float
) -> float:
    """Times n: A + B − C over (1 − pe)², with their A, B and C."""
    expected = float(rows @ columns)
    diagonal = np.diag(p)
    a = float(np.sum(diagonal * (1 - (rows + columns) * (1 - value)) ** 2))
    off = p - np.diag(diagonal)
    b = (1 - value) ** 2 * float(np.sum(off * (columns[:, None] + rows[None, :]) ** 2))
    c = (value - expected * (1 - value)) ** 2
    return (a + b - c) / (1 - expected) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """A two-by-two table of the coder against the reference.

    Of ``positives`` contacts that the reference calls avoidable the coder found
    ``true_positives``; of ``negatives`` that it does not, the coder agreed on
    ``true_negatives``.
    """

    true_positives: int
    positives: int
    true_negatives: int
    negatives: int

    @property
    def sensitivity(self) -> float:
        """The share of avoidable contacts that are coded so."""
        return self.true_positives / self.positives

    @property
    def specificity(self) -> float:
        """The share of other contacts that are not coded avoidable."""
        return self.true_negatives / self.negatives


def corrected_share(
    apparent: int, total: int, accuracy: Accuracy, *, level: float = 0.95
) -> Interval | NotKnown:
    """The share truly avoidable when ``apparent`` of ``total`` contacts were coded so.

    The estimate is Rogan and Gladen's (1978), (p + Sp − 1) / (Se + Sp − 1), cut at 0 and 1. The
    interval is Lang and Reiczigel's (2014), which allows for sensitivity and specificity being
    estimates too and keeps its coverage in samples of the size that councils code.
    """
    if total <= 0:
        return _NO_SAMPLE
    if (why := _uninformative(accuracy)) is not None:
        return why
    youden = accuracy.sensitivity + accuracy.specificity - 1
    estimate = (apparent / total + accuracy.specificity - 1) / youden
    se = _rogan_gladen_se(apparent / total, total, estimate, accuracy)
    low, high = _lang_reiczigel(apparent, total, accuracy, level)
    note = "" if 0 <= estimate <= 1 else "the corrected share fell outside 0 to 1 and was cut"
    return Interval(
        estimate=min(1.0, max(0.0, estimate)), se=se, low=low, high=high, level=level, note=note,
        method="Rogan and Gladen (1978); interval of Lang and Reiczigel (2014)",
    )  # fmt: skip


def _rogan_gladen_se(p: float, total: int, share: float, accuracy: Accuracy) -> float:
    se, sp = accuracy.sensitivity, accuracy.specificity
    variance = (
        p * (1 - p) / total
        + share**2 * se * (1 - se) / accuracy.positives
        + (1 - share) ** 2 * sp * (1 - sp) / accuracy.negatives
    )
    return math.sqrt(max(0.0, variance)) / (se + sp - 1)


def _lang_reiczigel(
    apparent: int, total: int, accuracy: Accuracy, level: float
) -> tuple[float, float]:
    z = float(stats.norm.isf((1 - level) / 2))
    m1, m0, n = accuracy.positives + 2, accuracy.negatives + 2, total + z * z
    se = (accuracy.true_positives + 1) / m1
    sp = (accuracy.true_negatives + 1) / m0
    p = (apparent + z * z / 2) / n
    youden = se + sp - 1
    if youden <= 0:
        return 0.0, 1.0
    share = (p + sp - 1) / youden
    of_se, of_sp = se * (1 - se) / m1, sp * (1 - sp) / m0
    shift = 2 * z * z * (share * of_se - (1 - share) * of_sp)
    half = z * math.sqrt(p * (1 - p) / n + share**2 * of_se + (1 - share) ** 2 * of_sp) / youden
    return (min(1.0, max(0.0, share + shift - half)), min(1.0, max(0.0, share + shift + half)))


_NO_SAMPLE = NotKnown("no-sample", "the double-coded sample lacks avoidable or other contacts")


def _uninformative(accuracy: Accuracy) -> NotKnown | None:
    """Why a double-coded sample corrects nothing, if it does not."""
    if accuracy.positives <= 0 or accuracy.negatives <= 0:
        return _NO_SAMPLE
    if accuracy.sensitivity + accuracy.specificity - 1 <= 0:
        return NotKnown(
            "no-information", "the codes agree with the second coder no more than chance"
        )
    return None


def corrected_difference(
    difference: float, se: float, accuracy: Accuracy, *, level: float = 0.95
) -> Interval | NotKnown:
    """A difference between arms in the share coded avoidable, freed of miscoding.

    Miscoding that does not depend on the arm shrinks a difference by Se + Sp − 1; the delta method
    adds the uncertainty of both. It corrects nothing if the arms are coded differently: test that
    first (:func:`trials.contacts.coding.coding_difference`).
    """
    if (why := _uninformative(accuracy)) is not None:
        return why
    sens, spec = accuracy.sensitivity, accuracy.specificity
    youden = sens + spec - 1
    estimate = difference / youden
    of_youden = sens * (1 - sens) / accuracy.positives + spec * (1 - spec) / accuracy.negatives
    error = math.sqrt(se**2 + estimate**2 * of_youden) / youden
    half = float(stats.norm.isf((1 - level) / 2)) * error
    return Interval(
        estimate=estimate, se=error, low=estimate - half, high=estimate + half, level=level,
        method="apparent difference divided by Se + Sp − 1; delta method",
    )  # fmt: skip


def corrected_count(
    coded: float,
    every: float,
    covariance: tuple[float, float, float],
    accuracy: Accuracy,
    *,
    level: float = 0.95,
) -> Interval | NotKnown:
    """A difference in avoidable contacts per person, freed of miscoding.

    Of ``every`` contact fewer, ``coded`` fewer were coded avoidable. A contact is coded so with
    probability Se if it is avoidable and 1 − Sp if not, so that with A avoidable among H contacts
    E[C] = Se A + (1 − Sp) (H − A), hence A = (C − (1 − Sp) H) / (Se + Sp − 1): for counts, unlike
    shares of a fixed whole, a change in the number of contacts has to be taken out first.

    ``covariance`` has the variance of ``coded``, the covariance of the two, and the variance of
    ``every``; the delta method adds the uncertainty of Se and Sp, as if the sample were taken
    elsewhere (it is a small part of the contacts). It holds where the arms are coded alike.
    """
    if (why := _uninformative(accuracy)) is not None:
        return why
    sens, spec = accuracy.sensitivity, accuracy.specificity
    youden = sens + spec - 1
    false = 1 - spec
    estimate = (coded - false * every) / youden
    of_coded, both, of_every = covariance
    of_counts = of_coded - 2 * false * both + false**2 * of_every
    of_sens = estimate**2 * sens * (1 - sens) / accuracy.positives
    of_spec = (every - estimate) ** 2 * spec * (1 - spec) / accuracy.negatives
    error = math.sqrt(max(0.0, of_counts) + of_sens + of_spec) / youden
    half = float(stats.norm.isf((1 - level) / 2)) * error
    return Interval(
        estimate=estimate, se=error, low=estimate - half, high=estimate + half, level=level,
        method="(coded − (1 − Sp) × all) / (Se + Sp − 1); delta method",
    )  # fmt: skip

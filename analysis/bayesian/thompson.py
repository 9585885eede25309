"""Adaptive allocation: Thompson sampling with a floor.

Only for channels whose outcome is known within a day or so
(:func:`trials.definition.adapting.slow_outcome` says where it is not). Shares move between batches
and are stored with every assignment; :mod:`analysis.frequentist.adaptive` is the analysis for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.bayesian.priors import Better
from analysis.tables import Floats


def thompson_weights(
    levels: Floats, *, better: Better, floor: float, present: Sequence[bool] | None = None
) -> Floats:
    """Each arm's next share: the probability that it is best, but never below ``floor``.

    ``levels`` are joint posterior draws of the arms' means (draws × arms), as in
    ``ArmPosteriors.levels``. An arm without units yet (``present`` false) has no draws of its own
    and gets the share it would have under equal allocation.

    Raises:
        ValueError: the floor leaves nothing to share out.
    """
    arms = levels.shape[1]
    if not 0 <= floor * arms <= 1:
        raise ValueError(f"a floor of {floor} is too high for {arms} arms")
    known = np.ones(arms, bool) if present is None else np.asarray(present, bool)
    best = np.full(arms, 1 / arms)
    if known.any():
        sign = 1.0 if better == "lower" else -1.0
        winner = np.flatnonzero(known)[(sign * levels[:, known]).argmin(axis=1)]
        best = np.bincount(winner, minlength=arms) / len(levels)
        best = np.where(known, best * known.sum() / arms, 1 / arms)
    return np.asarray(floor + (1 - floor * arms) * best)

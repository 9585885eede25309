"""Hiding small cells so that nobody can be found, nor worked out from the totals.

Primary suppression hides counts from 1 to below the minimum. Secondary suppression hides further
cells until no row or column whose total is shown has a single hidden cell, or hidden cells that
together are themselves fewer than the minimum, since a subtraction would give them away.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.tables import Floats

Hidden = npt.NDArray[np.bool_]


def suppress(counts: Floats, minimum: int) -> Hidden:
    """Which cells of a table of counts (rows × columns) to hide, its margins being shown.

    A one-dimensional ``counts`` is a list with a known total. The smallest cells that will do
    are hidden; cells of 0 are shown unless another has to hide behind them.
    """
    table = np.atleast_2d(np.asarray(counts, dtype=np.float64))
    hidden = (table > 0) & (table < minimum)
    changed = bool(hidden.any())
    while changed:
        changed = False
        for view, mask in _series(table, hidden):
            changed |= _protect(view, mask, minimum)
    return np.asarray(hidden.reshape(np.shape(counts)), dtype=np.bool_)


def _series(table: Floats, hidden: Hidden) -> list[tuple[Floats, Hidden]]:
    """Rows, and columns where there are any to add up, as writable views."""
    rows = [(table[i], hidden[i]) for i in range(len(table))]
    if len(table) == 1:
        return rows
    return rows + [(table[:, j], hidden[:, j]) for j in range(table.shape[1])]


def _protect(counts: Floats, hidden: Hidden, minimum: int) -> bool:
    """Hide one more cell of a series if its hidden cells are too few or too small together."""
    how_many = int(hidden.sum())
    safe = how_many == 0 or (how_many > 1 and counts[hidden].sum() >= minimum)
    if safe or hidden.all():
        return False
    order = np.where(hidden, np.inf, np.where(counts == 0, counts.max(initial=0) + 1, counts))
    hidden[int(np.argmin(order))] = True
    return True


def shown(counts: Floats, minimum: int) -> list[Any]:
    """The counts to print: integers, ``None`` where hidden (nested for a two-way table)."""
    hidden = suppress(counts, minimum)
    flat = [None if h else int(c) for c, h in zip(np.ravel(counts), np.ravel(hidden), strict=True)]
    if np.ndim(counts) == 1:
        return flat
    width = np.shape(counts)[1]
    return [flat[i : i + width] for i in range(0, len(flat), width)]

"""Hiding small cells so that nobody can be found, nor worked out from the totals.

Primary suppression hides counts from 1 to below the minimum. Secondary suppression hides further
cells until no row or column whose total is shown has a single hidden cell, or hidden cells that
together are themselves fewer than the minimum, since a subtraction would give them away. In a
two-way table that is not always enough: a linear programme over all the margins then looks for
small cells that can still be worked out, and more is hidden until none can (Fischetti & Salazar
1999 pose the attacker's problem so).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize

from analysis.tables import Floats

Hidden = npt.NDArray[np.bool_]


def suppress(counts: Floats, minimum: int) -> Hidden:
    """Which cells of a table of counts (rows × columns) to hide, its margins being shown.

    A one-dimensional ``counts`` is a list with a known total. The smallest cells that will do
    are hidden; cells of 0 are shown unless another has to hide behind them.
    """
    table = np.atleast_2d(np.asarray(counts, dtype=np.float64))
    small = (table > 0) & (table < minimum)
    hidden = small.copy()
    _complete(table, hidden, minimum)
    while (cell := _exposed(table, small, hidden)) is not None and not hidden.all():
        hidden[_another(table, hidden, cell)] = True
        _complete(table, hidden, minimum)
    return np.asarray(hidden.reshape(np.shape(counts)), dtype=np.bool_)


def _complete(table: Floats, hidden: Hidden, minimum: int) -> None:
    """Hide more until no single row or column gives a hidden cell away."""
    changed = bool(hidden.any())
    while changed:
        changed = False
        for view, mask in _series(table, hidden):
            changed |= _protect(view, mask, minimum)


def _exposed(table: Floats, small: Hidden, hidden: Hidden) -> tuple[int, int] | None:
    """The first small cell that the shown cells and the margins together determine."""
    if len(table) == 1 or not small.any():
        return None
    cells = np.argwhere(hidden)
    lines = [cells[:, axis] == k for axis in (0, 1) for k in range(table.shape[axis])]
    margins = np.array([line for line in lines if line.any()], dtype=np.float64)
    totals = margins @ table[hidden]
    for i, cell in enumerate(cells):
        if small[tuple(cell)] and _width(margins, totals, i) < 1:
            return int(cell[0]), int(cell[1])
    return None


def _width(margins: Floats, totals: Floats, cell: int) -> float:
    """How wide a range a reader who knows the margins must allow for one hidden cell."""
    cost = np.zeros(margins.shape[1])
    cost[cell] = 1
    low, high = (
        sign * optimize.linprog(sign * cost, A_eq=margins, b_eq=totals).fun for sign in (1, -1)
    )
    return float(high - low + 1e-6)


def _another(table: Floats, hidden: Hidden, cell: tuple[int, int]) -> tuple[int, int]:
    """The smallest shown count in the row or column of ``cell``, or else anywhere."""
    near = np.zeros_like(hidden)
    near[cell[0], :] = near[:, cell[1]] = True
    shown_near = near & ~hidden
    usable = shown_near if shown_near.any() else ~hidden
    order = np.where(usable, np.where(table == 0, table.max() + 1, table), np.inf)
    row, column = np.unravel_index(int(np.argmin(order)), table.shape)
    return int(row), int(column)


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

"""Callers who hang up and ring again: the loop that makes a long queue longer.

Of those who give up, a share ``retry`` rings back. If ``λ₀`` is the demand of people with a need
(unique demand), what the switch counts is the solution of ``λ = λ₀ + retry · λ · P_ab(λ)``. The
throughput ``λ(1 - P_ab)`` only grows with ``λ``, so there is one solution, or none where every
hang-up returns and the line cannot serve even the unique demand.
"""

from __future__ import annotations

from collections.abc import Callable

from scipy import optimize

from analysis.scaling.erlang import Steady, steady


def unique_load(offered_load: float, *, abandoned: float, retry: float) -> float:
    """The load of people with a need behind an observed load: ``λ₀ = λ (1 - retry · P_ab)``."""
    return offered_load * (1 - retry * abandoned)


def offered_load(
    unique: float, agents: float, *, aht: float, patience: float | None, retry: float
) -> float | None:
    """The load in erlangs that ``unique`` grows to at this staffing, call-backs included.

    ``None`` where it grows without bound (``retry`` is 1 and the agents cannot serve ``unique``).
    """
    if retry == 0 or patience is None or unique == 0:
        return unique

    def excess(load: float) -> float:
        gone = steady(load, agents, aht=aht, patience=patience).abandoned
        return load * (1 - retry * gone) - unique

    top = _ceiling(excess, unique, retry)
    return None if top is None else float(optimize.brentq(excess, unique, top, xtol=1e-10 * unique))


def _ceiling(excess: Callable[[float], float], unique: float, retry: float) -> float | None:
    """A load that is certainly too high."""
    if retry < 1:
        return unique / (1 - retry) * (1 + 1e-12)
    top = 2 * unique
    while excess(top) < 0:
        top *= 2
        if top > 1e4 * unique:
            return None
    return top


def settled(
    unique: float,
    agents: float,
    *,
    aht: float,
    patience: float | None,
    retry: float,
    within: float = 0.0,
) -> tuple[float, Steady] | None:
    """Offered load and long run once the call-backs have settled; ``None`` where they never do."""
    load = offered_load(unique, agents, aht=aht, patience=patience, retry=retry)
    if load is None:
        return None
    return load, steady(load, agents, aht=aht, patience=patience, within=within)

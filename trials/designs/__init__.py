"""How arms are allocated: one file a design, each with its draw and its redraw."""

from __future__ import annotations

from collections.abc import Sequence

from trials.definition.model import Arm, Design
from trials.designs.base import HELD_OUT, Allocation, ListDesign, Roster
from trials.designs.blocks import Blocked
from trials.designs.shares import fraction, ratio
from trials.errors import Invalid, Problem

__all__ = ["HELD_OUT", "Allocation", "ListDesign", "Roster", "design_for"]


def design_for(design: Design, arms: Sequence[Arm]) -> ListDesign:
    """The design that allocates a list as ``design`` says.

    Raises:
        Invalid: an arm has no weight, or the design allocates periods rather than units.
    """
    if design.kind in ("switchback", "stepped-wedge"):
        says = f"a {design.kind} trial is drawn by period, not from a list of units"
        raise Invalid("the units cannot be drawn", [Problem("[design] kind", says)])
    keys = tuple(arm.key for arm in arms)
    return Blocked(
        arms=keys,
        ratio=ratio([arm.weight for arm in arms], keys),
        stratified=bool(design.strata) and design.kind != "individual",
        clustered=design.kind == "cluster",
        permuted=bool(design.strata) and design.kind != "individual",
        holdout=fraction(design.holdout),
    )

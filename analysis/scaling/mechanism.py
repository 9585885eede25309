"""How avoided work becomes cash, if it does: "where does it come out of the ledger?".

Avoided contacts free officers' time. Money is released only when a post is deleted, an agency
shift is cancelled, or a supplier is paid by the contact; otherwise the saving is real but
non-cash-releasing (Government Efficiency Framework, November 2025).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from analysis.tables import Floats

MechanismKind = Literal["none", "post-deleted", "agency-shift-cancelled", "contract-price"]
KINDS: tuple[MechanismKind, ...] = get_args(MechanismKind)

_NEEDS: dict[MechanismKind, tuple[str, ...]] = {
    "none": (),
    "post-deleted": ("posts_deleted", "post_cost"),
    "agency-shift-cancelled": ("agency_shift_hours", "agency_shift_cost"),
    "contract-price": ("contract_price_per_contact",),
}
_SAYS: dict[MechanismKind, str] = {
    "none": "No post, agency shift or contract payment goes: the saving is officers' time only.",
    "post-deleted": "Whole posts are deleted from the establishment.",
    "agency-shift-cancelled": "Whole agency shifts are cancelled.",
    "contract-price": "The supplier is paid by the contact, so fewer contacts cost less.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """The mechanism and where it shows: ``budget_line`` is the ledger code that falls."""

    kind: MechanismKind = "none"
    budget_line: str = ""
    agreed_by: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the assumptions the mechanism cannot do without."""
        return _NEEDS[self.kind]

    @property
    def says(self) -> str:
        """The mechanism in one sentence."""
        return _SAYS[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Cash that leaves the ledger in a year and the share of the freed work it accounts for."""

    cash: Floats
    share: Floats


def release(
    kind: MechanismKind, *, hours: Floats, fte: Floats, priced: Floats, v: Mapping[str, Floats]
) -> Released:
    """Cash released by ``hours`` of handling (``fte`` posts' worth of capacity) not needed.

    ``priced`` is the value of the contacts at the contract price. Only whole posts and whole
    shifts count, in either direction: extra work that fills a whole post costs that post.
    """
    if kind == "none":
        return Released(cash=np.zeros_like(hours), share=np.zeros_like(hours))
    if kind == "contract-price":
        return Released(cash=priced, share=np.ones_like(priced))
    if kind == "post-deleted":
        whole = np.trunc(np.minimum(fte, v["posts_deleted"]))
        return Released(cash=whole * v["post_cost"], share=_over(whole, fte))
    shifts = hours / v["occupancy"] / v["agency_shift_hours"]
    whole = np.trunc(shifts)
    return Released(cash=whole * v["agency_shift_cost"], share=_over(whole, shifts))


def _over(whole: Floats, part_of: Floats) -> Floats:
    """``whole / part_of``, 0 where there is nothing to divide."""
    safe = np.where(part_of == 0, 1.0, part_of)
    return np.asarray(np.where(part_of == 0, 0.0, whole / safe), dtype=np.float64)

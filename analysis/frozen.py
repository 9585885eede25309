"""Whether a run's prior is the one frozen with the plan at launch, and what changed it if not.

The prior is part of the locked plan and of its hash, so only an amendment changes it, with its day,
its reason and whether outcomes were known. A definition that was altered behind the plan's back is
told as such: the run then used what no record accounts for.
"""

from __future__ import annotations

from typing import Any

from trials.registry import TrialRecord

PRIOR = "analysis.prior"


def prior_record(record: TrialRecord) -> dict[str, Any]:
    """What the posterior report keeps of the prior's history.

    ``at`` is when the plan was locked (``None`` before launch), ``amended`` the amendments that
    changed the prior, ``unrecorded`` what differs from the locked plan without an amendment: lists
    of ``{"what", "before", "after"}``.
    """
    return {
        "at": record.locked_at.isoformat() if record.locked_at else None,
        "amended": [
            {"number": a.number, "at": a.at.isoformat(), "reason": a.reason,
             "before_first_outcome": a.before_first_outcome, "changes": _of_prior(a.changes)}
            for a in record.amendments if _of_prior(a.changes)
        ],
        "unrecorded": _of_prior(record.unrecorded),
    }  # fmt: skip


def unrecorded(record: TrialRecord) -> str:
    """What differs from the locked plan without an amendment, in words; empty when nothing does."""
    return ", ".join(
        f"{one['what']} is {one['after']} and not {one['before']}" for one in record.unrecorded
    )


def _of_prior(changes: Any) -> list[dict[str, Any]]:
    return [one for one in changes if one["what"].startswith(PRIOR)]

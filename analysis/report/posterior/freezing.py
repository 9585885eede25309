"""Whether the report's prior is the one that was frozen at launch, in words."""

from __future__ import annotations

from analysis.report.figures import day
from analysis.report.reading import Json, finite, part, parts, text
from trials.definition.model import Trial

NOT_LOCKED = (
    "The plan is not locked, so the prior was not frozen before the data were seen: read the "
    "posterior as exploratory."
)


def named(prior: Json) -> str:
    """``Normal(0, 0.02)``, or ``flat``."""
    mean, sd = finite(prior.get("mean")), finite(prior.get("sd"))
    return "flat" if sd is None or mean is None else f"Normal({mean:g}, {sd:g})"


def other_than_the_plans(trial: Trial, document: Json) -> tuple[str, ...]:
    """Where the plan in force has another prior than the report was made with: so said."""
    made = part(part(document, "provenance"), "prior")
    planned = trial.analysis.prior
    says = named({"mean": planned.mean, "sd": planned.sd})
    if not made or named(made) == says:
        return ()
    told = (
        f"This report was made with another prior than the plan’s: {named(made)}, and the plan now "
        f"says {says}. Sample it again to have it under the plan’s prior."
    )
    return (told,)


def history(document: Json) -> tuple[str, ...]:
    """When the prior was frozen, and every change of it since."""
    found = part(part(document, "provenance"), "frozen")
    if not found:
        return ()
    locked = text(found, "at")
    if not locked:
        return (NOT_LOCKED,)
    changed = (
        *map(_amended, parts(found, "amended")),
        *map(_unrecorded, parts(found, "unrecorded")),
    )
    if changed:
        return changed
    return (
        f"The prior was frozen with the plan at launch, on {day(locked)}, and is the same now.",
    )


def _amended(one: Json) -> str:
    known = "before any outcome was" if one.get("before_first_outcome") else "after outcomes were"
    return (
        f"The prior is not the one of the launch: amendment {one.get('number')} of "
        f"{day(text(one, 'at'))}, made {known} known, changed "
        f"{' and '.join(map(_change, parts(one, 'changes')))}. Reason: {text(one, 'reason')}"
    )


def _unrecorded(one: Json) -> str:
    what = _change(one)
    return f"The prior is not that of the locked plan and no amendment accounts for it: {what}."


def _change(one: Json) -> str:
    name = "mean" if text(one, "what").endswith("mean") else "standard deviation"
    return f"its {name} from {one.get('before'):g} to {one.get('after'):g}"

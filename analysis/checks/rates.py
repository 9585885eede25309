"""Checks that compare a rate across arms: exposure, linkage, attrition, contamination, fidelity.

Each compares the arms by Pearson's chi-squared test of homogeneity. Where clusters were randomised
the statistic is divided by the design effect (Rao and Scott 1981, first order), because units of a
cluster are not separate evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.checks.check import (
    UNTITLED,
    Check,
    CheckKey,
    Verdict,
    by_p,
    called,
    listed,
    not_applicable,
    number,
    p_text,
    percent,
)
from trials.plurals import counted

NEGLIGIBLE = 0.001
"""A gap below 0.1 percentage points harms nobody, however certain it is."""


@dataclass(frozen=True, slots=True)
class Share:
    """``some`` of ``all`` units of an arm."""

    some: float
    all: float

    @property
    def rate(self) -> float:
        """The share; 0 when there are no units."""
        return self.some / self.all if self.all > 0 else 0.0


def homogeneity(shares: Mapping[str, Share], *, design_effect: float = 1.0) -> float | None:
    """The p-value that all arms have one rate; ``None`` when no comparison is possible.

    Fisher's exact test for two arms with an expected count below 5, else chi-squared divided by
    ``design_effect``.
    """
    some = np.array([s.some for s in shares.values() if s.all > 0], float)
    every = np.array([s.all for s in shares.values() if s.all > 0], float)
    if len(every) < 2:
        return None
    rate = some.sum() / every.sum()
    if rate in (0.0, 1.0):
        return 1.0
    expected = np.concatenate([every * rate, every * (1 - rate)])
    if len(every) == 2 and expected.min() < 5 and design_effect == 1.0:
        table = np.round(np.array([some, every - some])).astype(int)
        return float(stats.fisher_exact(table).pvalue)
    statistic = ((some - every * rate) ** 2 / (every * rate * (1 - rate))).sum()
    return float(stats.chi2.sf(statistic / design_effect, len(every) - 1))


def exposure_balance(
    shares: Mapping[str, Share], *, design_effect: float = 1.0,
    titles: Mapping[str, str] = UNTITLED,
) -> Check:  # fmt: skip
    """Whether as many of each arm's units actually met their arm (``some`` exposed, ``all``)."""
    return _balance(
        "exposure-balance", shares, design_effect, titles,
        verb="met the message", nobody="No exposures are recorded.",
        advice="Keep to the comparison of everyone assigned (the default here): people who met the "
        "message no longer form comparable groups. Find out why delivery differs.",
    )  # fmt: skip


def link_rate_balance(
    shares: Mapping[str, Share], *, design_effect: float = 1.0,
    titles: Mapping[str, str] = UNTITLED,
) -> Check:  # fmt: skip
    """Whether as many of each arm's units can be linked to the contact log (``some`` linkable)."""
    return _balance(
        "link-rate-balance", shares, design_effect, titles,
        verb="can be linked to the contact log", nobody="No unit carries an identifier to link by.",
        advice="An arm whose people are harder to recognise seems to make fewer contacts: look for "
        "withheld numbers, a missing column or another print file in one arm.",
    )  # fmt: skip


def attrition(
    shares: Mapping[str, Share], *, warn_overall: float = 0.2, design_effect: float = 1.0,
    titles: Mapping[str, str] = UNTITLED,
) -> Check:  # fmt: skip
    """Whether outcomes are missing more in one arm, or altogether too often (``some`` missing)."""
    check = _balance(
        "attrition", shares, design_effect, titles,
        verb="have no outcome", nobody="Nobody has been assigned yet.",
        advice="People missing from one arm more than another can make or hide an effect: read the "
        "bounds that assume the worst, and find out why outcomes were lost.",
    )  # fmt: skip
    lost = sum(s.some for s in shares.values())
    units = sum(s.all for s in shares.values())
    if check.verdict != "pass" or units == 0 or lost / units <= warn_overall:
        return check
    return Check(
        key="attrition", verdict="warn", p=check.p, details=check.details,
        says=f"{percent(lost / units)} of units have no outcome, about equally in every arm.",
        what_to_do="The result speaks for those with an outcome only; say so when it is told.",
    )  # fmt: skip


def contamination(
    shares: Mapping[str, Share], *, warn: float = 0.01, fail: float = 0.05,
    lines: Mapping[str, Share] | None = None, elsewhere: Sequence[str] = (), warns: bool = False,
) -> Check:  # fmt: skip
    """How many units met an arm that is not theirs (``some`` crossed, ``all`` assigned).

    They are analysed as first assigned; leaving them out would remove more of the smaller arm.
    ``lines`` counts units that share a line or an account with a unit of another arm, who may have
    met both: they warn, and do not fail. ``elsewhere`` says which trials share people
    with this one, a clause each, and ``warns`` that something is amiss with one of them.
    """
    units = sum(s.all for s in shares.values())
    crossed = sum(s.some for s in shares.values())
    shared, holders = _totals(lines or {})
    if units == 0 and holders == 0:
        return not_applicable("contamination", "Nobody has been assigned yet.")
    rate = crossed / units if units else 0.0
    verdict: Verdict = "fail" if rate >= fail else "warn" if rate >= warn else "pass"
    if verdict == "pass" and (warns or (holders and shared / holders >= warn)):
        verdict = "warn"
    says = []
    if units:
        says.append(f"{counted(crossed, 'unit')} of {number(units)} ({percent(rate, 2)}) met an "
                    "arm that was not theirs.")  # fmt: skip
    if shared:
        says.append(f"{counted(shared, 'unit')} of {number(holders)} share a line or an account "
                    "with a unit of another arm.")  # fmt: skip
    says += [f"{clause[0].upper()}{clause[1:]}." for clause in elsewhere]
    advice = (
        "Everyone is counted in the arm first given, so the true effect is likely to be larger "
        "than the one shown; find out how people came to see both."
    )
    return Check(
        key="contamination", verdict=verdict, p=homogeneity(shares), details=_details(shares),
        says=" ".join(says) or "Nobody is known to have met two arms.",
        what_to_do="" if verdict == "pass" else advice,
    )  # fmt: skip


def _totals(shares: Mapping[str, Share]) -> tuple[float, float]:
    return sum(s.some for s in shares.values()), sum(s.all for s in shares.values())


def fidelity(
    shares: Mapping[str, Share], *, warn: float = 0.95, fail: float = 0.8,
    titles: Mapping[str, str] = UNTITLED,
) -> Check:  # fmt: skip
    """How often the arm was delivered as written (``some`` as planned of ``all`` looked at)."""
    seen = {arm: s for arm, s in shares.items() if s.all > 0}
    if not seen:
        return not_applicable("fidelity", "No delivery has been looked at.")
    worst = min(seen, key=lambda arm: seen[arm].rate)
    rate = seen[worst].rate
    verdict: Verdict = "fail" if rate < fail else "warn" if rate < warn else "pass"
    advice = (
        f"What is tested is the arm as delivered: put {called(worst, titles)} right where "
        "it goes wrong, and read the result as a test of this imperfect delivery."
    )
    return Check(
        key="fidelity", verdict=verdict, p=homogeneity(seen), details=_details(seen),
        says="Delivered as planned: "
        + listed([f"{percent(s.rate)} of {counted(s.all, 'delivery', 'deliveries')} looked at in "
                  f"{called(arm, titles)}" for arm, s in seen.items()]) + ".",
        what_to_do="" if verdict == "pass" else advice,
    )  # fmt: skip


def _balance(
    key: CheckKey,
    shares: Mapping[str, Share],
    design_effect: float,
    titles: Mapping[str, str],
    *,
    verb: str,
    nobody: str,
    advice: str,
) -> Check:
    seen = {arm: share for arm, share in shares.items() if share.all > 0}
    if not seen or (key != "attrition" and all(s.some == 0 for s in seen.values())):
        return not_applicable(key, nobody)
    p = homogeneity(seen, design_effect=design_effect)
    if p is None:
        return not_applicable(key, "Only one arm has units, so there is nothing to compare.")
    rates = [s.rate for s in seen.values()]
    verdict = by_p(p) if max(rates) - min(rates) >= NEGLIGIBLE else "pass"
    parts = listed([f"{percent(s.rate)} of {called(arm, titles)}" for arm, s in seen.items()])
    tail = "" if verdict == "pass" else f"; the gap is more than chance explains ({p_text(p)})"
    return Check(
        key=key, verdict=verdict, p=p, details=_details(seen),
        says=f"{parts} {verb}{tail}.", what_to_do="" if verdict == "pass" else advice,
    )  # fmt: skip


def _details(shares: Mapping[str, Share]) -> dict[str, dict[str, float]]:
    return {
        arm: {"some": share.some, "all": share.all, "rate": share.rate}
        for arm, share in shares.items()
    }

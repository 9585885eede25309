"""How contacts were matched to people and coded, by version: in sentences and tables.

A contact that is matched to nobody, or that is coded as something else, is not seen for what it is;
if that happens more in one version, a difference may be one of record keeping.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analysis.estimates import Absent
from analysis.report.displaced import cell
from analysis.report.figures import (
    capital,
    counted,
    listed,
    lower_first,
    number,
    p_value,
    percent,
    plural,
    points,
    sentence,
)
from analysis.report.method import fewer_or_more
from analysis.report.reading import Interval, Json, arm_title, finite, interval, part, parts, text
from trials.definition.model import Trial

TIERS = {
    "unit": "the unit’s own number", "account": "account", "customer": "customer number",
    "phone": "phone", "email": "e-mail", "uprn": "address (UPRN)", "session": "session",
}  # fmt: skip
ALPHA = 0.01
Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A table: its caption, columns and rows."""

    caption: str
    columns: Cells
    rows: tuple[Cells, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Sentences and tables of one part."""

    says: tuple[str, ...] = ()
    tables: tuple[Shown, ...] = ()


def linking(trial: Trial, result: Json) -> Matched:
    """Link rates and tiers by version, whether versions link alike, and what the effect can be."""
    found = part(result, "linking")
    arms = parts(found, "arms")
    if not arms:
        return _rates_alone(trial, result)
    says = [_alike(trial, found, arms), *(_bound(trial, b) for b in parts(found, "bounds"))]
    return Matched(says=tuple(s for s in (*says, _bulk(found)) if s),
                   tables=tuple(_link_tables(trial, arms)))  # fmt: skip


def _rates_alone(trial: Trial, result: Json) -> Matched:
    """What a document of an older version, or one without a log, knows: the rates by version."""
    known = part(part(result, "units"), "linked_rate")
    rates = [(arm_title(trial, arm), rate) for arm, value in known.items()
             if (rate := finite(value)) is not None]  # fmt: skip
    if not rates:
        return Matched()
    units = plural(trial.about.unit or "person")
    said = listed([f"{percent(rate)} of {units} with ‘{title}’" for title, rate in rates])
    return Matched(says=(f"Contacts could be matched to {said}.",))


def _alike(trial: Trial, found: Json, arms: list[Json]) -> str:
    units, test = plural(trial.about.unit or "person"), part(found, "test")
    rates = [(arm_title(trial, text(arm, "arm")), rate) for arm in arms
             if (rate := finite(arm.get("rate"))) is not None]  # fmt: skip
    p = finite(test.get("p"))
    if p is None:
        every = all(rate == 1 for _, rate in rates)
        who = "all" if every else "none"
        return f"An identifier can match contacts to {who} of the {units}, in every version alike."
    said = listed([f"{percent(rate)} of {units} with ‘{title}’" for title, rate in rates])
    verdict = (
        "the versions differ by more than chance explains, so a difference in contacts may be one "
        "of matching" if test.get("differs") is True
        else "the versions do not differ by more than chance explains"
    )  # fmt: skip
    return f"Contacts could be matched to {said}: {verdict} (p {_p(p)})."


def _p(p: float) -> str:
    return p_value(p) if p < 0.001 else f"= {p_value(p)}"


def _bound(trial: Trial, found: Json) -> str:
    low, high = finite(found.get("low")), finite(found.get("high"))
    if low is None or high is None:
        return ""
    ends = [finite(found.get(f"interval_{name}")) for name in ("low", "high")]
    outer = " to ".join(points(end) for end in ends if end is not None)
    span = f" ({outer} with sampling error)" if None not in ends else ""
    return sentence(
        f"Whatever the unmatched did, the effect of ‘{arm_title(trial, text(found, 'arm'))}’ on "
        f"the main measure is between {points(low)} and {points(high)} points{span}"
    )


def _bulk(found: Json) -> str:
    known = part(found, "bulk_callers")
    left = int(finite(known.get("left_out")) or 0)
    late = int(finite(known.get("listed_after_first_analysis")) or 0)
    said = f"{counted(left, 'known bulk caller')} matched nobody, by a list made beforehand"
    after = f"{number(late)} listed after results were seen were not left out"
    return sentence("; ".join(s for s, n in ((said, left), (after, late)) if n))


def _link_tables(trial: Trial, arms: list[Json]) -> Iterator[Shown]:
    units = capital(plural(trial.about.unit or "person"))
    tiers = [t for t in TIERS if any(part(a, "by_tier").get(t) for a in arms)]
    yield Shown(
        caption=f"{units} whom an identifier can match, by the strongest they have",
        columns=("Version", units, "Can be matched", *(f"By {TIERS[t]}" for t in tiers)),
        rows=tuple(
            (arm_title(trial, text(a, "arm")), number(finite(a.get("units")) or 0),
             _of(finite(a.get("linked")) or 0, finite(a.get("units")) or 0),
             *(_of(finite(part(a, "by_tier").get(t)) or 0, finite(a.get("units")) or 0)
               for t in tiers))
            for a in arms
        ),
    )  # fmt: skip
    used = [t for t in TIERS if any(part(a, "contacts_by_tier").get(t) for a in arms)]
    if not used:
        return
    naming = any(part(a, "contacts_naming_the_arm") for a in arms)
    yield Shown(
        caption="Contacts matched, by the identifier that did it",
        columns=("Version", "Contacts", *(f"By {TIERS[t]}" for t in used),
                 *(("Contacts that name this version: matched",) if naming else ())),
        rows=tuple(_contacts(trial, a, used, naming=naming) for a in arms),
    )  # fmt: skip


def _contacts(trial: Trial, arm: Json, tiers: list[str], *, naming: bool) -> Cells:
    by = part(arm, "contacts_by_tier")
    total = sum(finite(n) or 0 for n in by.values())
    named = part(arm, "contacts_naming_the_arm")
    said = (_of(finite(named.get("linked")) or 0, finite(named.get("contacts")) or 0)
            if named else "–")  # fmt: skip
    return (arm_title(trial, text(arm, "arm")), number(total),
            *(_of(finite(by.get(t)) or 0, total) for t in tiers),
            *((said,) if naming else ()))  # fmt: skip


def _of(some: float, every: float) -> str:
    return f"{number(some)} ({percent(some / every)})" if every else number(some)


def coding(trial: Trial, result: Json) -> Matched:
    """Coverage, "other" and differences of coding by version, bounds, and what miscoding hides."""
    found = part(result, "coding")
    arms = [arm for arm in parts(found, "arms") if finite(arm.get("contacts"))]
    if not arms:
        return Matched()
    says = (_covered(trial, arms), _differs(trial, found), _shares(trial, found),
            _sample(part(found, "sample")))  # fmt: skip
    return Matched(
        says=tuple(s for s in says if s),
        tables=(_coverage_table(trial, found, arms), *_avoidable_table(trial, result)),
    )


def _covered(trial: Trial, arms: list[Json]) -> str:
    told = []
    for arm in arms:
        coded, other = interval(arm.get("coded")), interval(arm.get("other"))
        if isinstance(coded, Interval) and isinstance(other, Interval):
            told.append(f"{percent(coded.estimate, 0)} with ‘{arm_title(trial, text(arm, 'arm'))}’ "
                        f"({percent(other.estimate, 0)} as ‘other’)")  # fmt: skip
    return (
        f"Of first contacts an agent handled, a code was given to {listed(told)}." if told else ""
    )


def _differs(trial: Trial, found: Json) -> str:
    test = part(found, "difference")
    p = finite(test.get("p"))
    if p is None:
        return sentence(f"Coding cannot be compared: {lower_first(text(test, 'why'))}") if (
            text(test, "why")) else ""  # fmt: skip
    if p >= ALPHA:
        return f"The codes do not differ between versions by more than chance explains (p {_p(p)})."
    largest = part(test, "largest")
    residual = finite(largest.get("residual")) or 0
    code = text(largest, "code")
    told = "contacts without a code" if code == "uncoded" else f"the code ‘{code}’"
    return (
        f"The codes differ between versions (p {_p(p)}), most of all "
        f"{told}, {'more' if residual > 0 else 'less'} often with "
        f"‘{arm_title(trial, text(largest, 'arm'))}’. That may be the effect itself or the way "
        "agents code; only contacts coded twice, blind, can tell."
    )


def _shares(trial: Trial, found: Json) -> str:
    """Differences in the avoidable share of contacts, and the same freed of miscoding."""
    told = [said for row in parts(found, "avoidable_shares") if (said := _differs_by(trial, row))]
    if not told:
        return ""
    control = trial.control.title or trial.control.key
    return sentence(
        f"Of the contacts made, the avoidable share differs from ‘{control}’ by {listed(told)}; "
        "that describes contacts, the effect on people is in the table of contacts saved"
    )


def _differs_by(trial: Trial, row: Json) -> str:
    plain, freed = interval(row.get("difference")), interval(row.get("corrected"))
    if isinstance(plain, Absent):
        return ""
    after = f", {_span(freed)} freed of miscoding" if isinstance(freed, Interval) else ""
    return f"{_span(plain)}{after} with ‘{arm_title(trial, text(row, 'arm'))}’"


def _span(found: Interval) -> str:
    ends = f"{points(found.low or 0)} to {points(found.high or 0)}"
    return f"{points(found.estimate)} points ({ends})"


def _sample(found: Json) -> str:
    n = int(finite(found.get("contacts")) or 0)
    if not n:
        return ""
    agreed = int(finite(found.get("agreed")) or 0)
    kappa = interval(found.get("kappa"))
    said = f"{counted(n, 'contact')} were coded twice, {number(agreed)} of them alike"
    if isinstance(kappa, Interval):
        said += (
            f" (Cohen’s kappa {kappa.estimate:.2f}, {kappa.low or 0:.2f} to {kappa.high or 0:.2f})"
        )
    right = [(finite(found.get("sensitivity")), "of the avoidable ones were coded so"),
             (finite(found.get("specificity")), "of the others were not")]  # fmt: skip
    told = [f"{percent(share, 0)} {what}" for share, what in right if share is not None]
    return sentence(f"{said}; {listed(told)}" if told else said)


def _coverage_table(trial: Trial, found: Json, arms: list[Json]) -> Shown:
    freed = any("corrected" in part(arm, "avoidable") for arm in arms)
    mapped = any(part(arm, "avoidable") for arm in arms)
    days = int(finite(found.get("window_days")) or 0)
    return Shown(
        caption=f"How the first contact an agent handled within {counted(days, 'day')} is coded",
        columns=(
            "Version", "Contacts", "With a code", "Coded ‘other’", "Code without a meaning",
            *(("Avoidable among coded", "Avoidable, whatever the uncoded are") if mapped else ()),
            *(("Avoidable, freed of miscoding",) if freed else ()),
        ),
        rows=tuple(
            (arm_title(trial, text(arm, "arm")), number(finite(arm.get("contacts")) or 0),
             _share(arm.get("coded")), _share(arm.get("other")),
             number(finite(arm.get("unmapped")) or 0),
             *(_avoidable(part(arm, "avoidable")) if mapped else ()),
             *((_share(part(arm, "avoidable").get("corrected")),) if freed else ()))
            for arm in arms
        ),
    )  # fmt: skip


def _share(value: object) -> str:
    found = interval(value)
    if isinstance(found, Absent):
        return sentence(found.why)
    return f"{percent(found.estimate)} ({percent(found.low or 0)} to {percent(found.high or 0)})"


def _avoidable(found: Json) -> Cells:
    low, high = finite(found.get("low")), finite(found.get("high"))
    bounds = "–" if low is None or high is None else f"{percent(low)} to {percent(high)}"
    return (_share(found.get("among_coded")), bounds)


def _avoidable_table(trial: Trial, result: Json) -> Iterator[Shown]:
    found = part(result, "deflection")
    rows = [row for row in parts(found, "contrasts") if finite(
        part(row, "avoidable_bounds").get("low")) is not None]  # fmt: skip
    if not rows:
        return
    per, unit = int(finite(found.get("per")) or 1_000), plural(trial.about.unit or "person")
    freed = any("avoidable_corrected" in row for row in rows)
    yield Shown(
        caption=f"Avoidable contacts saved per {per:,} {unit}",
        columns=("Version", "If the uncoded are like the coded", "Coded contacts alone",
                 "Whatever the uncoded are",
                 *(("Freed of miscoding, each contact in full",) if freed else ())),
        rows=tuple(
            (arm_title(trial, text(row, "arm")), cell(interval(row.get("avoidable"))),
             cell(interval(row.get("avoidable_coded"))), _bounds(part(row, "avoidable_bounds")),
             *((cell(interval(row.get("avoidable_corrected"))),) if freed else ()))
            for row in rows
        ),
    )  # fmt: skip


def _bounds(found: Json) -> str:
    low, high = (finite(found.get(name)) or 0 for name in ("low", "high"))
    ends = (finite(found.get(f"interval_{name}")) or 0 for name in ("low", "high"))
    outer = " to ".join(fewer_or_more(end) for end in ends)
    return f"{capital(fewer_or_more(low))} to {fewer_or_more(high)} (with sampling error {outer})"

"""The dossier: a full breakdown of one trial, from the plan as locked to the decision taken."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.report import figures, method
from analysis.report.papers.blocks import (
    Block,
    Bullets,
    Heading,
    Paper,
    Picture,
    Table,
    Text,
    Verbatim,
    facts,
)
from analysis.report.papers.case_blocks import case_blocks
from analysis.report.papers.material import Material
from analysis.report.view import Amendment, Measure, Report
from analysis.report.words import DECISIONS

_FIGURES = (
    "Measure", "Version", "Difference", "Standard error", "Interval", "Degrees of freedom", "p",
    "p, adjusted", "p, by re-randomising", "Ratio",
)  # fmt: skip
_POSTERIORS = (
    "Measure", "Version", "Posterior mean", "Interval", "Probability better",
    "Probability of no difference that matters", "R-hat", "Effective draws",
)  # fmt: skip


def dossier(m: Material) -> Paper:
    """Everything about one trial, in the order in which it is asked for."""
    view = m.view()
    return Paper(
        key=m.trial.key, kind="Trial dossier", title=m.trial.about.title, subtitle=view.caption,
        organisation=m.organisation, generated=view.generated,
        blocks=(
            *_finding(view), *decision_blocks(m), *_protocol(m, view), *_wording(view),
            *_data(m, view), *_results(view), *_case(m), *_record(m, view),
        ),
    )  # fmt: skip


def _finding(view: Report) -> Iterator[Block]:
    yield Heading("What was found")
    yield Text(view.verdict.says, "lead")
    for line in view.support:
        yield Text(line)
    if view.verdict.reasons:
        yield Bullets(tuple(figures.sentence(r) for r in view.verdict.reasons))
    if view.maturing:
        yield Text(view.maturing, "callout")
    if view.frequencies:
        yield Bullets(tuple(f.says for f in view.frequencies))
    for drawn in view.charts:
        yield Heading(drawn.chart.title, 3)
        yield Text(drawn.chart.conclusion)
        yield Picture(drawn.svg, drawn.chart.alt)
        yield Table(f"{drawn.chart.title}: the figures", drawn.chart.columns, drawn.chart.rows)


def decision_blocks(m: Material) -> Iterator[Block]:
    """What was recommended, what was decided, by whom, and what happens next."""
    yield Heading("Decision and next step")
    for line in decision_sentences(m):
        yield Text(line)
    if m.steps:
        yield Table("Next steps", ("What", "Who", "By when", "State"), m.steps)


def decision_sentences(m: Material) -> Iterator[str]:
    """The decision in sentences; dissent names its reviewer and its reason."""
    if m.decision is None:
        yield f"No decision has been recorded. The trial is {m.state}."
        return
    d = m.decision
    yield (
        f"Decided on {figures.day(d.at)}: {figures.lower_first(decided(d.decided))}. "
        f"{figures.sentence(d.reason)}"
    )
    if d.dissents and d.recommended:
        yield (
            f"This differs from what was recommended ({figures.lower_first(decided(d.recommended))}"
            f"). {d.reviewer} reviewed it and answers for the difference."
        )
    elif d.recommended:
        yield "This is what was recommended."


def decided(key: str) -> str:
    """A decision in words."""
    return DECISIONS.get(key) or figures.capital(key.replace("-", " "))


def _protocol(m: Material, view: Report) -> Iterator[Block]:
    about = m.trial.about
    yield Heading("The protocol as locked")
    if view.hypothesis:
        yield Text(view.hypothesis, "lead")
    said = (
        ("Service", about.service), ("Area", about.area),
        ("Mechanism", about.mechanism or ""), ("What is counted", about.unit),
        ("Starts", figures.day(about.starts)), ("Ends", figures.day(about.ends)),
        ("Owner", about.owner), ("Locked by", m.locked_by), *view.plan.facts,
    )  # fmt: skip
    yield facts("The plan", [(name, value) for name, value in said if value])
    for line in view.method:
        yield Text(line)
    yield Heading("Amendments", 3)
    yield from _amendments(view.plan.amendments, locked=view.locked)
    if view.plan.actual:
        yield Table(
            "Planned against actual", ("Item", "Planned", "Actual", "As planned?"),
            tuple((item, planned, actual, f"{'Yes' if same else 'No'}. {says}".rstrip(". ") if says
                   else ("Yes" if same else "No"))
                  for item, planned, actual, same, says in view.plan.actual),
        )  # fmt: skip


def _amendments(found: tuple[Amendment, ...], *, locked: bool) -> Iterator[Block]:
    if not found:
        yield Text(
            "The plan was not changed after it was locked."
            if locked
            else "The plan was not locked before the data were analysed."
        )
    for a in found:
        yield Text(f"Amendment {a.number}, {a.at}, {a.when}. {a.reason}")
        if a.changes:
            yield Bullets(a.changes)


def _wording(view: Report) -> Iterator[Block]:
    yield Heading("What people received, word for word")
    if any("{{" in version.wording for version in view.versions):
        yield Text("What stands in {{ double curly brackets }} is filled in for each person.",
                   "note")  # fmt: skip
    for version in view.versions:
        note = f"{'Control, ' if version.control else ''}{version.share} of those in the trial"
        if version.wording:
            yield Verbatim(f"{version.title} ({note})", version.wording)
        else:
            yield Text(f"{version.title} ({note}): delivered elsewhere, no wording is recorded.")


def _data(m: Material, view: Report) -> Iterator[Block]:
    yield Heading("Data and checks")
    if view.participants:
        yield facts("Who was in it", view.participants)
    for title, found in (
        ("Whom it reached", view.ladder), ("Contacts matched to people", view.linking),
        ("Contacts coded by reason", view.coding),
    ):  # fmt: skip
        if found.says:
            yield Heading(title, 3)
            yield from (Text(line) for line in found.says)
            yield from (Table(t.caption, t.columns, t.rows, small=True) for t in found.tables)
    if m.events:
        yield Heading("What else changed", 3)
        yield Bullets(m.events)
    yield Text(view.checks_summary)
    if view.checks:
        yield Table("Checks", ("Check", "Verdict", "What was found"),
                    tuple((c.title, c.label, c.says) for c in view.checks))  # fmt: skip


def _results(view: Report) -> Iterator[Block]:
    yield Heading("Results of both schools")
    for measure in (*view.measures, *view.guardrails):
        yield from _measure(measure)
    if view.figures:
        yield _given(
            "Every comparison in numbers: the new version minus the control, in the measure’s own "
            "units", _FIGURES, view.figures,
        )  # fmt: skip
    if view.posteriors:
        yield _given("The Bayesian analysis in numbers", _POSTERIORS, view.posteriors)


def _given(caption: str, columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> Table:
    """A table of figures; a column without one is left out, and the caption says so."""
    empty = [i for i in range(len(columns)) if all(row[i] == "–" for row in rows)]
    held = [i for i in range(len(columns)) if i not in empty]
    if empty:
        missing = figures.listed([columns[i] for i in empty])
        caption = f"{caption} (not calculated for any comparison: {missing})"
    return Table(
        caption, tuple(columns[i] for i in held),
        tuple(tuple(row[i] for i in held) for row in rows), small=True, turned=True,
    )  # fmt: skip


def _measure(measure: Measure) -> Iterator[Block]:
    yield Heading(f"{measure.title} ({measure.role.lower()})", 3)
    for line in measure.says:
        yield Text(line)
    yield Text(measure.defined, "note")


def _case(m: Material) -> Iterator[Block]:
    yield Heading("The case for scaling")
    for line in method.deflection_sentences(m.trial, m.result):
        yield Text(line)
    if m.case is None:
        yield Text(figures.sentence(m.why_no_case), "callout")
        return
    yield from case_blocks(m.case, level=3)


def _record(m: Material, view: Report) -> Iterator[Block]:
    yield Heading("Versions and hashes")
    run = m.result.get("run", {})
    rows = [*view.provenance, ("Hash of the data", str(run.get("data_hash", "not recorded")))]
    yield facts("What it takes to make these figures again", rows)
    yield Verbatim("The trial file, as it stands in the register", m.definition)

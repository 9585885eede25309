"""The committee paper, in the headings that the council's select committees use."""

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
    facts,
)
from analysis.report.papers.case_blocks import tornado_chart
from analysis.report.papers.dossier import decision_sentences
from analysis.report.papers.material import Material
from analysis.report.render import svg
from analysis.report.view import Report
from analysis.scaling import words

HEADINGS = (
    "Executive summary",
    "Content of report",
    "Other options considered",
    "Legal and financial implications",
    "Corporate implications",
    "Local councillors and community boards consultation",
    "Communication, engagement and further consultation",
    "Next steps and review",
    "Background papers",
)
_OTHERS = {
    "scale": "Roll the change out to everybody the service writes to or speaks with.",
    "scale-with-conditions": "Roll it out on conditions, checking each as it is met.",
    "extend": "Carry the trial on and decide later.",
    "adapt": "Change the wording or the way it is delivered, and test it again.",
    "stop": "Keep the present way and spend no more on this change.",
}


def committee_paper(m: Material) -> Paper:
    """The report to a committee; its nine headings are always there, in their order."""
    view = m.view()
    sections = (
        _summary(m, view), _content(m, view), _options(m), _finance(m), _corporate(m, view),
        _councillors(), _communication(m), _next(m), _background(m, view),
    )  # fmt: skip
    blocks: list[Block] = [*_front(m, view)]
    for heading, section in zip(HEADINGS, sections, strict=True):
        blocks += [Heading(heading), *section]
    return Paper(
        key=m.trial.key, kind="Report to committee", title=m.trial.about.title,
        subtitle=view.caption, organisation=m.organisation, generated=view.generated,
        blocks=tuple(blocks),
    )  # fmt: skip


def _front(m: Material, view: Report) -> Iterator[Block]:
    about = m.trial.about
    advice = words.DECISIONS[m.case.recommendation.decision] if m.case else view.verdict.label
    said = (
        ("Date", figures.day(m.generated_at)), ("Service", about.service),
        ("Contact officer", about.owner), ("Wards affected", "None specifically"),
        ("Recommendation", advice),
    )  # fmt: skip
    yield facts("About this report", [(name, value) for name, value in said if value])


def _summary(m: Material, view: Report) -> Iterator[Block]:
    yield Text(view.verdict.says, "lead")
    if m.case is not None:
        q = m.case.quantities
        contacts = words.spread(q["contacts_avoided_per_year"])
        yield Text(
            f"Rolled out, it would avoid {contacts} contacts in its first year. Over "
            f"{m.case.years} years its net present value is {words.spread(q['npv'], money=True)}; "
            f"the chance that it pays for itself is "
            f"{figures.chance(m.case.probability_npv_positive)}."
        )
        yield Text(words.cash_sentence(m.case))
    for line in decision_sentences(m):
        yield Text(line)


def _content(m: Material, view: Report) -> Iterator[Block]:
    if view.hypothesis:
        yield Text(f"What was expected: {view.hypothesis}")
    for line in view.method:
        yield Text(line)
    for line in view.support:
        yield Text(line)
    for line in method.deflection_sentences(m.trial, m.result):
        yield Text(line)
    for drawn in view.charts[:2]:
        yield Heading(drawn.chart.title, 3)
        yield Text(drawn.chart.conclusion)
        yield Picture(drawn.svg, drawn.chart.alt)
        yield Table(f"{drawn.chart.title}: the figures", drawn.chart.columns, drawn.chart.rows)
    for measure in view.guardrails:
        yield Heading(measure.title, 3)
        for line in measure.says:
            yield Text(line)
    yield Heading("Can the result be trusted?", 3)
    yield Text(view.checks_summary)
    if m.events:
        yield Heading("What else changed while the trial ran", 3)
        yield Bullets(m.events)


def _options(m: Material) -> Iterator[Block]:
    chosen = m.case.recommendation.decision if m.case else None
    yield Text("The other options that were open:")
    yield Bullets(tuple(says for key, says in _OTHERS.items() if key != chosen))
    arms = [f"‘{a.title or a.key}’" for a in m.trial.arms if not a.control]
    if len(arms) > 1:
        yield Text(f"Versions tried against the present one: {figures.listed(arms)}.")


def _finance(m: Material) -> Iterator[Block]:
    if m.case is None:
        yield Text(
            f"There is no case for scaling yet: {figures.sentence(m.why_no_case)}", "callout"
        )
        yield Text("No budget should be changed on account of this trial.")
        return
    section = words.legal_and_financial(m.case)
    for paragraph in section.paragraphs:
        yield Text(paragraph)
    yield Table("Financial implications", ("Item", "Figure"), section.rows)
    if drawn := tornado_chart(m.case):
        yield Text(drawn.conclusion)
        yield Picture(svg(drawn), drawn.alt, drawn.title)
        yield Table(drawn.title, drawn.columns, drawn.rows)
    for line in words.turning_points(m.case)[:3]:
        yield Text(line)
    if rows := words.defaults_rows(m.case):
        yield Text(words.defaults_count(m.case))
        yield Table("Defaults used", ("Figure", "Default"), rows, small=True)
    else:
        yield Text(words.defaults_sentence(m.case))


def _corporate(m: Material, view: Report) -> Iterator[Block]:
    yield Heading("Equality", 3)
    yield Text(m.case.equity.says if m.case else "The effect by group is not known.")
    yield Heading("Data protection", 3)
    yield Text(
        "Phone numbers, e-mail addresses and account numbers were turned into keyed hashes before "
        "anything was stored. This report holds no personal data."
    )
    yield Heading("Customers", 3)
    if m.case is not None:
        hours = words.spread(m.case.quantities["customer_hours"])
        yield Text(f"Customers would be spared {hours} hours of waiting and talking a year.")
    if view.maturing:
        yield Text(view.maturing)


def _councillors() -> Iterator[Block]:
    yield Text(
        "No consultation of local councillors or community boards is recorded against this trial. "
        "The contact officer adds any before the report is published."
    )


def _communication(m: Material) -> Iterator[Block]:
    yield Text(
        "People in the trial received one of the versions below as part of ordinary service; "
        "nobody was refused anything they asked for. A public summary of the trial is available."
    )
    yield Bullets(tuple(
        f"{a.title or a.key}{' (the present version)' if a.control else ''}" for a in m.trial.arms
    ))  # fmt: skip


def _next(m: Material) -> Iterator[Block]:
    if m.steps:
        yield Table("Next steps", ("What", "Who", "By when", "State"), m.steps)
    else:
        yield Text("No next step has been agreed yet: one with an owner and a date is needed.")
    if m.case is None:
        return
    for condition in m.case.recommendation.conditions:
        yield Text(f"Condition: {condition}")
    if m.case.recommendation.would_change:
        change = figures.lower_first(m.case.recommendation.would_change)
        yield Text(f"What would change this recommendation: {change}")
    months = figures.number(m.case.retest_after_months)
    yield Text(
        f"The effect is measured again {months} months after roll-out, on people held back from "
        "it, and set beside what is claimed here."
    )


def _background(m: Material, view: Report) -> Iterator[Block]:
    run = dict(view.provenance)
    yield Bullets((
        f"Trial dossier for {m.trial.key}, with the plan as locked, the wording and all figures",
        f"Analysis run {run.get('Analysis run', 'not recorded')}, plan {run.get('Plan hash', '')}",
        "HM Treasury, The Green Book (discount rate and appraisal)",
    ))  # fmt: skip

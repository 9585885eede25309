"""The case for scaling as blocks: shared by the dossier, the committee paper and the one page."""

from __future__ import annotations

from analysis.report import marks
from analysis.report.chart import Chart, composed
from analysis.report.marks import Panel, Row, Rule
from analysis.report.papers.blocks import Block, Heading, Picture, Table, Text
from analysis.report.render import svg
from analysis.scaling import words
from analysis.scaling.case import CaseForScaling

_BARS = 6


def case_blocks(case: CaseForScaling, *, level: int = 2) -> list[Block]:
    """Every section of the case with its figures, and the picture of what matters most."""
    blocks: list[Block] = []
    for section in words.summary(case):
        blocks += [Heading(section.heading, level), *(Text(p) for p in section.paragraphs)]
        if section.rows:
            blocks.append(Table(section.heading, ("Item", "Figure"), section.rows))
        if section.heading == "What it would take to be wrong" and (drawn := tornado_chart(case)):
            blocks.append(Picture(svg(drawn), drawn.alt, drawn.title))
    return blocks


def tornado_chart(case: CaseForScaling) -> Chart | None:
    """Net present value as each doubtful figure moves over its range, the largest swing first."""
    bars = [bar for bar in case.sensitivity if bar.swing > 0][:_BARS]
    if not bars:
        return None
    npv = case.quantities["npv"]
    centre = getattr(npv, "median", 0.0)
    rows = [
        Row(name=words.input_name(bar.name), value=centre,
            says=f"{words.pounds(bar.npv_low)} to {words.pounds(bar.npv_high)}",
            low=min(bar.npv_low, bar.npv_high), high=max(bar.npv_low, bar.npv_high))
        for bar in bars
    ]  # fmt: skip
    first = bars[0]
    ends = sorted((first.npv_low, first.npv_high))
    return composed(
        "tornado",
        [Panel(rows=rows, axis=f"Net present value over {case.years} years, £",
               rules=[Rule(at=0, colour=marks.INK)])],
        title="What matters most",
        conclusion=(
            f"What moves the value most is {words.input_name(first.name, middle=True)}: it is "
            f"worth {words.pounds(ends[0])} at one end of its range and {words.pounds(ends[1])} "
            "at the other."
        ),
        columns=("Figure", "From", "To", "Worth at one end", "Worth at the other"),
        rows=[(words.input_name(bar.name), *words.bar_ends(bar)) for bar in bars],
    )  # fmt: skip

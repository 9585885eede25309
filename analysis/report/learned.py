"""What all trials say together, in plain English, in charts and in tables. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.bayesian.pooling import Finding, Normals
from analysis.estimates import Absent
from analysis.learning.pools import Group, Learned
from analysis.report import marks
from analysis.report.chart import Chart, composed
from analysis.report.figures import capital, counted, listed
from analysis.report.marks import Panel, Row, Rule
from analysis.report.view import Drawn

if TYPE_CHECKING:
    from analysis.portfolio import Member, Portfolio

EAST: Mapping[str, str] = {
    "easy": "Make it easy", "attractive": "Make it attractive", "social": "Make it social",
    "timely": "Make it timely",
}  # fmt: skip
CHANNELS: Mapping[str, str] = {
    "ivr": "Phone menu", "sms": "Text message", "web": "Web page", "auto-reply": "Automatic reply",
    "webchat": "Webchat",
}  # fmt: skip
AREAS: Mapping[str, str] = {"ivr": "Phone lines"}
TITLES = {"technique": "By technique", "channel": "By channel", "area": "By area of work"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One way of looking at it: its chart with sentence and table."""

    key: str
    title: str
    charts: tuple[Drawn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningPage:
    """All that the page of learning shows."""

    heads: tuple[str, ...]
    sections: tuple[Section, ...]
    textbook: tuple[tuple[str, ...], ...]
    left_out: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]


def learning_page(found: Portfolio) -> LearningPage:
    """The page of a portfolio."""
    learned = found.learned
    left = tuple(("" if m.source else m.trial.key, m.trial.about.title, m.found.why)
                 for m in found.members if isinstance(m.found, Absent))  # fmt: skip
    if isinstance(learned, Absent):
        return LearningPage(heads=tuple(heads(learned)), sections=(), textbook=(), left_out=left,
                            notes=())  # fmt: skip
    sections = [
        Section(key="trials", title="Trial by trial", charts=(Drawn(chart=forest(found, learned)),))
    ]
    sections += [
        Section(key=by, title=title, charts=(Drawn(chart=groups_chart(by, learned)),))
        for by, title in TITLES.items() if learned.by[by]
    ]  # fmt: skip
    return LearningPage(heads=tuple(heads(learned)), sections=tuple(sections),
                        textbook=_textbook(learned), left_out=left,
                        notes=learned.all_trials.notes)  # fmt: skip


def heads(learned: Learned | Absent) -> list[str]:
    """What all trials say, in two or three sentences."""
    if isinstance(learned, Absent):
        return ["No trial has a result yet that can be set beside others."]
    whole, n = learned.all_trials, len(learned.all_trials.findings)
    so_far = "The one trial" if n == 1 else f"The {n} trials"
    average = f"{so_far} so far changed how often people get in touch by {_typical(whole.average)}"
    chance = whole.predictive.below(0.0)
    said = [
        f"{average} on average.",
        f"A new message somewhere else would bring {change(whole.predictive)}.",
        f"It is {_odds(chance)} that it brings fewer contacts rather than more.",
    ]
    imported = sum(f.imported for f in whole.findings)
    if imported:
        said.append(f"{capital(counted(imported, 'trial'))} of these came from other councils.")
    return said


def _typical(found: Normals) -> str:
    return f"{_signed(found.mean)} (range {span(found)})"


def change(found: Normals) -> str:
    """A predicted change in words: its 95% range."""
    low, high = found.quantile(0.025), found.quantile(0.975)
    return f"a change of between {_signed(low)} and {_signed(high)}"


def _odds(probability: float) -> str:
    return f"{min(max(round(100 * probability), 1), 99)}% likely"


def _signed(log: float) -> str:
    """A logarithm of a ratio as a percentage change, with a proper minus."""
    percent = round(100 * math.expm1(log), 1)
    return f"{'+' if percent > 0 else '−' if percent < 0 else ''}{abs(percent):.1f}%"


def span(found: Normals) -> str:
    """The 95% range of a posterior as percentage changes."""
    return f"{_signed(found.quantile(0.025))} to {_signed(found.quantile(0.975))}"


def effect_says(member: Member, learned: Learned | Absent) -> str:
    """A trial's effect, raw and shrunk, or why it is not in the pool."""
    if isinstance(member.found, Absent):
        return f"not pooled: {member.found.why}"
    shrunk = None if isinstance(learned, Absent) else learned.shrunk(member.found.trial)
    raw = f"{_signed(member.found.estimate)} ({_raw_span(member.found)})"
    return (
        raw
        if shrunk is None
        else f"{raw}, beside all trials {_signed(shrunk.mean)} ({span(shrunk)})"
    )


def _raw_span(found: Finding) -> str:
    half = 1.96 * found.se
    return f"{_signed(found.estimate - half)} to {_signed(found.estimate + half)}"


def _row(name: str, found: Normals, kind: marks.Kind = "new") -> Row:
    return Row(name=name, says=f"{_signed(found.mean)} ({span(found)})", kind=kind,
               value=math.expm1(found.mean), low=math.expm1(found.quantile(0.025)),
               high=math.expm1(found.quantile(0.975)))  # fmt: skip


def _raw_row(name: str, found: Finding) -> Row:
    half = 1.96 * found.se
    return Row(name=name, says=f"{_signed(found.estimate)} ({_raw_span(found)})", kind="quiet",
               value=math.expm1(found.estimate), low=math.expm1(found.estimate - half),
               high=math.expm1(found.estimate + half))  # fmt: skip


def forest(found: Portfolio, learned: Learned) -> Chart:
    """Every pooled trial, alone and beside the others, the average and a new setting."""
    rows: list[Row] = []
    cells: list[tuple[str, ...]] = []
    titles = {m.name: m.trial.about.title + (f" ({m.source})" if m.source else "")
              for m in found.members}  # fmt: skip
    whole = learned.all_trials
    for one, shrunk in zip(whole.findings, whole.trials, strict=True):
        title = titles[one.trial]
        rows += [_raw_row(f"{title}, alone", one), _row(f"{title}, beside the others", shrunk)]
        cells.append((title, _signed(one.estimate), _raw_span(one), _signed(shrunk.mean),
                      span(shrunk)))  # fmt: skip
    for title, made in (("All trials on average", whole.average),
                        ("A new setting", whole.predictive)):  # fmt: skip
        rows.append(_row(title, made, "control"))
        cells.append((title, "–", "–", _signed(made.mean), span(made)))
    return composed(
        "learning-trials",
        [_panel(rows)],
        title="What each trial found, alone and beside the others",
        conclusion="A trial that stands out has often been lucky as well as good, so each is drawn "
        "towards what trials found in general: squares are a trial alone, circles beside the "
        "others. Left of the line is fewer contacts.",
        columns=("Trial", "Alone", "Range alone", "Beside the others", "Range beside the others"),
        rows=cells,
    )


def together(found: Portfolio, learned: Learned) -> Chart:
    """Every pooled trial beside the others and the average: small enough for a mail."""
    titles = {m.name: m.trial.about.title for m in found.members}
    whole = learned.all_trials
    pairs = zip(whole.findings, whole.trials, strict=True)
    named = [(titles[one.trial], shrunk) for one, shrunk in pairs]
    rows = [_row(title, made) for title, made in named]
    return composed(
        "learning-together",
        [_panel([*rows, _row("All trials on average", whole.average, "control")])],
        title="What all trials found, beside each other",
        conclusion=f"{heads(learned)[0]} Each trial is drawn towards what trials found in general, "
        "as one that stands out has often been lucky as well as good. Left of the line is fewer "
        "contacts.",
        columns=("Trial", "Beside the others", "Range"),
        rows=[(title, _signed(made.mean), span(made)) for title, made in named],
    )  # fmt: skip


def groups_chart(by: str, learned: Learned) -> Chart:
    """The mean effect of each technique, channel or area, and what a new setting may bring."""
    groups = sorted(learned.by[by], key=lambda g: g.mean.mean)
    best = groups[0]
    return composed(
        f"learning-{by}",
        [_panel([_row(f"{label(by, g.name)} ({counted(len(g.trials), 'trial')})", g.mean)
                 for g in groups])],
        title=f"{TITLES[by]}: change in how often people get in touch",
        conclusion=_conclusion(by, best, groups),
        columns=(by.capitalize(), "Trials", "On average", "Range", "In a new setting"),
        rows=[
            (label(by, g.name), str(len(g.trials)), _signed(g.mean.mean), span(g.mean),
             span(g.new_setting))
            for g in groups
        ],
    )  # fmt: skip


def _conclusion(by: str, best: Group, groups: list[Group]) -> str:
    if len(groups) == 1:
        return f"Only one {by} has been tried so far: {label(by, best.name)}."
    text = f"{label(by, best.name)} has done best so far ({_signed(best.mean.mean)})."
    # groups compared by their own ranges: a wide overlap is no ground for choosing between them
    rivals = [label(by, g.name) for g in groups[1:] if g.mean.quantile(0.025) < best.mean.mean]
    if rivals:
        text += f" The trials cannot yet tell it from {listed(rivals, 'or')}."
    return text


def label(by: str, name: str) -> str:
    """What people call a technique, channel or area."""
    names = {"technique": EAST, "channel": CHANNELS, "area": AREAS}[by]
    return names.get(name) or capital(name.replace("-", " "))


def _panel(rows: list[Row]) -> Panel:
    return Panel(rows=rows, axis="Change in contacts", percent=True,
                 rules=[Rule(at=0, colour=marks.INK)])  # fmt: skip


def _textbook(learned: Learned) -> tuple[tuple[str, ...], ...]:
    """The average by textbook methods, beside the hierarchical model's."""
    whole = learned.all_trials
    rows = [("Hierarchical model", _signed(whole.average.mean), span(whole.average),
             span(whole.predictive))]  # fmt: skip
    names = {"dersimonian-laird": "DerSimonian and Laird", "reml": "REML"}
    for key, found in learned.textbook.items():
        if isinstance(found, Absent):
            rows.append((names[key], found.why, "–", "–"))
            continue
        for how, made in (("", found.normal), (", Hartung–Knapp", found.knapp_hartung)):
            one, new = made.mean, made.prediction
            told = "–" if new is None else f"{_signed(new[0])} to {_signed(new[1])}"
            rows.append((names[key] + how, _signed(one.estimate),
                         f"{_signed(one.low)} to {_signed(one.high)}", told))  # fmt: skip
    return tuple(rows)

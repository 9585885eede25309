"""Everything a report shows, as text ready to be placed: the one source of page and document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from analysis.report import (
    changed,
    charts,
    crossed,
    figures,
    matched,
    method,
    phrases,
    reached,
    render,
    rungs,
    words,
)
from analysis.report.chart import Chart
from analysis.report.comparison import contrasts
from analysis.report.matched import Matched
from analysis.report.method import Check
from analysis.report.pictogram import Pictogram, pictograms
from analysis.report.reading import (
    Interval,
    Json,
    arm_title,
    finite,
    interval,
    metric_entries,
    metric_title,
    part,
    parts,
    primary_entry,
    text,
)
from analysis.report.words import Frequency, Verdict
from trials.definition.model import Metric, Trial

ROLES = {"primary": "Main measure", "secondary": "Also measured", "guardrail": "Guardrail"}
_CHANNELS = {
    "ivr": "Phone menu",
    "sms": "Text message",
    "web": "Web page",
    "auto-reply": "Automatic reply",
}
Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A chart with its drawings for a page and for a phone, each made when it is first shown."""

    chart: Chart

    @property
    def svg(self) -> str:
        """The drawing for a page."""
        return render.svg(self.chart)

    @property
    def narrow(self) -> str:
        """The drawing for a phone."""
        return render.svg(self.chart, narrow=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One metric: its name, its part in the trial, how it is counted, and what was found."""

    title: str
    role: str
    defined: str
    says: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One arm with its wording as it was sent."""

    title: str
    control: bool
    share: str
    wording: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """One change of a locked plan."""

    number: str
    at: str
    reason: str
    when: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was fixed before the start, and what came of it."""

    facts: tuple[tuple[str, str], ...]
    actual: tuple[tuple[str, str, str, bool, str], ...]
    amendments: tuple[Amendment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole report."""

    key: str
    title: str
    caption: str
    organisation: str
    generated: str
    locked: bool
    verdict: Verdict
    support: tuple[str, ...]
    ranges: str
    maturing: str
    hypothesis: str
    frequencies: tuple[Frequency, ...]
    pictograms: tuple[Pictogram, ...]
    charts: tuple[Drawn, ...]
    measures: tuple[Measure, ...]
    guardrails: tuple[Measure, ...]
    checks: tuple[Check, ...]
    checks_summary: str
    ladder: Matched
    linking: Matched
    coding: Matched
    reached: tuple[str, ...]
    plan: Plan
    method: tuple[str, ...]
    versions: tuple[Version, ...]
    figures: tuple[Cells, ...]
    posteriors: tuple[Cells, ...]
    factors: tuple[Cells, ...]
    factor_pairs: tuple[Cells, ...]
    factors_say: str
    participants: tuple[tuple[str, str], ...]
    provenance: tuple[tuple[str, str], ...]


def report(trial: Trial, result: Json, *, generated_at: datetime, organisation: str = "") -> Report:
    """The report of ``result``, ready to be placed in a page or a document."""
    frequencies = words.natural_frequencies(trial, result)
    checks = method.checks(result)
    return Report(
        key=trial.key,
        title=trial.about.title,
        caption=caption(trial),
        organisation=organisation,
        generated=figures.moment(generated_at),
        locked=result.get("locked") is True,
        verdict=words.verdict(trial, result),
        support=tuple(words.support(trial, result)),
        ranges=words.range_meaning(trial, result),
        maturing=words.maturing(trial, result),
        hypothesis=figures.sentence(trial.about.hypothesis),
        frequencies=tuple(frequencies),
        pictograms=tuple(pictograms(frequencies, settled=_settled(trial, result))),
        charts=tuple(Drawn(chart=chart) for chart in charts.charts(trial, result)),
        measures=_measures(trial, result, guardrails=False),
        guardrails=_measures(trial, result, guardrails=True),
        checks=tuple(checks),
        checks_summary=method.checks_summary(checks),
        ladder=rungs.ladder(trial, result),
        linking=matched.linking(trial, result),
        coding=matched.coding(trial, result),
        reached=tuple(reached.sentences(trial, result)),
        plan=_plan(trial, result),
        method=tuple(method.method(trial, result)),
        versions=versions(trial),
        figures=_figures(trial, result),
        posteriors=_posteriors(trial, result),
        factors=crossed.main_effects(trial, result),
        factor_pairs=crossed.interactions(trial, result),
        factors_say=crossed.conclusion(trial, result),
        participants=_participants(trial, result),
        provenance=_provenance(result),
    )


def caption(trial: Trial) -> str:
    """Where the trial took place: service and channel."""
    parts_ = (trial.about.service, channel_name(trial.about.channel))
    return " · ".join(part_ for part_ in parts_ if part_)


def channel_name(channel: str | None) -> str:
    """What people call a channel: ``ivr`` is the phone menu."""
    return _CHANNELS.get(channel or "", figures.capital((channel or "").replace("-", " ")))


def _settled(trial: Trial, result: Json) -> dict[str, str]:
    found = contrasts(trial, trial.primary, primary_entry(trial, result))
    return {c.arm: c.standing for c in found}


def _measures(trial: Trial, result: Json, *, guardrails: bool) -> tuple[Measure, ...]:
    return tuple(
        Measure(
            title=metric_title(metric),
            role=ROLES[metric.role],
            defined=defined(metric, trial.about.unit),
            says=tuple(says) or ("Not analysed.",),
        )
        for metric, says in words.metric_sentences(trial, result)
        if (metric.role == "guardrail") == guardrails
    )


def defined(metric: Metric, unit: str) -> str:
    """How a metric is counted, in a sentence a newcomer follows."""
    what = {
        "proportion": f"The share of {figures.plural(unit)} for which this happened",
        "count": f"The number for each {unit}",
        "mean": f"The average for each {unit}",
        "ratio": "The total divided by the total of another measure",
        "time-to-event": "The time until this happened",
    }[metric.kind]
    window = f", within {figures.span_of_time(metric.window)}" if metric.window else ""
    better = phrases.way(metric, 1 if metric.better == "higher" else -1)
    return f"{what}{window}. {figures.capital(better)} is better."


def versions(trial: Trial) -> tuple[Version, ...]:
    """The arms of a trial with their shares of the units."""
    total = sum(arm.weight for arm in trial.arms) or 1.0
    return tuple(
        Version(
            title=arm_title(trial, arm.key),
            control=arm.control,
            share=figures.percent(arm.weight / total),
            wording=arm.wording.strip("\n"),
        )
        for arm in trial.arms
    )


def _plan(trial: Trial, result: Json) -> Plan:
    plan = part(result, "plan")
    seed = plan.get("seed")
    facts = (
        ("Plan locked", figures.moment(text(plan, "locked_at"))),
        ("Plan hash", text(plan, "hash") or text(result, "plan_hash", "none: not locked")),
        ("Seed commitment", text(plan, "seed_commitment", "not published")),
        ("Seed", "kept secret until the trial ends" if seed is None else str(seed)),
    )
    return Plan(
        facts=facts,
        actual=tuple(_against(row) for row in parts(plan, "planned_against_actual")),
        amendments=amendments(trial, parts(plan, "amendments")),
    )


def _against(row: Json) -> tuple[str, str, str, bool, str]:
    planned, actual = str(row.get("planned", "–")), str(row.get("actual", "–"))
    return text(row, "item", "–"), planned, actual, bool(row.get("same")), text(row, "says")


def amendments(trial: Trial, found: list[Json]) -> tuple[Amendment, ...]:
    """The changes of a locked plan, each with its place relative to the first outcome."""
    return tuple(
        Amendment(
            number=str(a.get("number", "")),
            at=figures.moment(text(a, "at")),
            reason=figures.sentence(text(a, "reason", "no reason recorded")),
            when="before the first outcome" if a.get("before_first_outcome")
            else "after the first outcome was known",
            changes=changed.lines(trial, a.get("changes") or ()),
        )
        for a in found
    )  # fmt: skip


def _figures(trial: Trial, result: Json) -> tuple[Cells, ...]:
    """The numbers as an analyst wants them: one line a comparison, in the metric's own units."""
    rows = []
    for metric, entry in metric_entries(trial, result):
        for contrast in parts(entry, "contrasts"):
            arm = arm_title(trial, text(contrast, "arm"))
            found = interval(contrast.get("difference"))
            if isinstance(found, Interval):
                rows.append((metric_title(metric), arm, *_numbers(metric, contrast, found)))
    return tuple(rows)


def _numbers(metric: Metric, contrast: Json, found: Interval) -> Cells:
    share = metric.kind == "proportion"
    told = figures.points if share else figures.significant
    unit = " points" if share else ""
    se = finite(part(contrast, "difference").get("se"))
    df = finite(part(contrast, "difference").get("df"))
    return (
        f"{told(found.estimate)}{unit}",
        "–" if se is None else told(se),
        _ends(found, told),
        "–" if df is None else figures.number(df),
        _p(found.p),
        _p(found.p_adjusted),
        _p(contrast.get("randomisation_p")),
        _ratio(contrast),
    )


def _p(value: object) -> str:
    found = finite(value)
    return "–" if found is None else figures.p_value(found)


def _ends(found: Interval, told: Callable[[float], str]) -> str:
    low, high = ("unbounded" if e is None else told(e) for e in (found.low, found.high))
    return f"{low} to {high}"


def _ratio(contrast: Json) -> str:
    ratio = interval(contrast.get("ratio"))
    if not isinstance(ratio, Interval):
        return "–"
    told = f"{ratio.estimate:.2f}"
    if ratio.low is None or ratio.high is None:
        return told
    return f"{told} ({ratio.low:.2f} to {ratio.high:.2f})"


def _posteriors(trial: Trial, result: Json) -> tuple[Cells, ...]:
    """The second school: one line a comparison that has a posterior, with its diagnostics."""
    rows = []
    for metric, entry in metric_entries(trial, result):
        told = figures.points if metric.kind == "proportion" else figures.significant
        for contrast in parts(entry, "contrasts"):
            posterior = part(contrast, "posterior")
            found = interval(posterior)
            if isinstance(found, Interval):
                arm = arm_title(trial, text(contrast, "arm"))
                rows.append((metric_title(metric), arm, told(found.estimate), _ends(found, told),
                             *_diagnosed(posterior)))  # fmt: skip
    return tuple(rows)


def _diagnosed(posterior: Json) -> Cells:
    """Probabilities, then whether the sampler can be believed."""
    chances = (finite(posterior.get(k)) for k in ("probability_better", "probability_in_rope"))
    rhat, ess = finite(posterior.get("rhat")), finite(posterior.get("ess"))
    return (
        *("–" if c is None else figures.capital(figures.chance(c)) for c in chances),
        "–" if rhat is None else f"{rhat:.2f}",
        "–" if ess is None else figures.number(ess),
    )


def _participants(trial: Trial, result: Json) -> tuple[tuple[str, str], ...]:
    """Who was left out, who was given what, and who is counted: the flow of the trial."""
    units, unit = part(result, "units"), trial.about.unit or "person"
    left_out = part(units, "excluded")
    said = [(f"Left out: {reason.replace('-', ' ')}", n) for reason, n in left_out.items()]
    said += [("Held out of every version", units.get("held_out"))]
    said += [(f"Given ‘{arm_title(trial, a)}’", n) for a, n in part(units, "by_arm").items()]
    said += [("In the trial", units.get("assigned")), ("Counted", units.get("matured")),
             ("Still being measured", units.get("maturing"))]  # fmt: skip
    return tuple(
        (name, figures.counted(int(n), unit))
        for name, value in said
        if (n := finite(value)) is not None and (n or name == "Counted")
    )


def _provenance(result: Json) -> tuple[tuple[str, str], ...]:
    """What it takes to make these figures again."""
    run = part(result, "run")
    schools = {"both": "frequentist and Bayesian"}
    school = text(run, "school", "not recorded")
    return (
        ("Analysis run", str(run.get("id", "not recorded"))),
        ("Analysed", figures.moment(text(run, "at"))),
        ("Data up to", figures.capital(figures.until(text(run, "cutoff")))),
        ("School of statistics", figures.capital(schools.get(school, school))),
        ("Analysis seed", str(run.get("seed", "not recorded"))),
        ("Signpost version", text(run, "version", "not recorded")),
        ("Plan hash", text(result, "plan_hash", "none: not locked")),
    )

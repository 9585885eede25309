"""The posterior report as a page shows it: sections of sentences, charts and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.report.chart import Chart
from analysis.report.figures import chance, listed, percent, significant
from analysis.report.posterior import charts, curves, freezing
from analysis.report.posterior.telling import name_of, scale_of
from analysis.report.reading import Json, arm_title, finite, metric_title, part, parts, text
from analysis.report.view import Drawn
from trials.definition.model import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A table of the page."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the page."""

    key: str
    title: str
    says: tuple[str, ...] = ()
    charts: tuple[Drawn, ...] = ()
    tables: tuple[Figures, ...] = ()
    notation: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PosteriorPage:
    """The whole page; ``heads`` is for managers, the sections for analysts."""

    key: str
    title: str
    heads: tuple[str, ...]
    sections: tuple[Section, ...] = field(default_factory=tuple)
    facts: tuple[tuple[str, str], ...] = ()


def posterior_page(trial: Trial, document: Json) -> PosteriorPage:
    """The page of a stored posterior document. Draws nothing at random and samples nothing."""
    sections = (
        _drawn("effects", "Effects", charts.effects(trial, document)),
        _decision(trial, document),
        _drawn("deflection", "Deflection", charts.deflection(trial, document)),
        _drawn("segments", "Groups", charts.segments(trial, document)),
        _drawn("looks", "Look by look", charts.looks(trial, document)),
        _prior(trial, document),
        _schools(trial, document),
        _drawn("checks", "Predictive checks", charts.checks(document)),
        _diagnostics(document),
        _models(document),
    )
    return PosteriorPage(
        key=trial.key,
        title=trial.about.title,
        heads=(*freezing.other_than_the_plans(trial, document), *heads(trial, document)),
        sections=tuple(s for s in sections if s is not None),
        facts=_facts(document),
    )


def heads(trial: Trial, document: Json) -> list[str]:
    """One plain sentence a version, such as a manager repeats."""
    out = []
    for measure in parts(document, "measures"):
        if measure.get("role") != "primary":
            continue
        title, found = arm_title(trial, text(measure, "arm")), part(measure, "posterior")
        better, scale = finite(found.get("probability_better")), scale_of(trial, measure)
        if better is None or scale is None:
            out.append(f"‘{title}’: no probability is given. {text(found, 'why')}".strip())
            continue
        verb = "lowers" if measure.get("better") == "lower" else "raises"
        of = f" in every {scale.base:,}" if scale.base else ""
        out.append(
            f"It is {chance(better)} likely that ‘{title}’ {verb} "
            f"‘{metric_title(scale.metric)}’; the effect is most likely "
            f"{scale.span(found)}{of}."
        )
    return out


def _drawn(key: str, title: str, *found: Chart | None) -> Section | None:
    shown = _shown(*found)
    return Section(key=key, title=title, charts=shown) if shown else None


def _shown(*found: Chart | None) -> tuple[Drawn, ...]:
    return tuple(Drawn(chart=c) for c in found if c is not None)


def _prior(trial: Trial, document: Json) -> Section:
    shown = _shown(charts.learnt(trial, document), charts.priors(trial, document))
    says = (*freezing.other_than_the_plans(trial, document), *freezing.history(document))
    return Section(key="prior", title="Prior and posterior", says=says, charts=shown)


def _decision(trial: Trial, document: Json) -> Section | None:
    says = [
        f"‘{arm_title(trial, text(d, 'arm'))}’: {' '.join(map(str, d.get('reasons', ())))}"
        for d in parts(document, "decisions")
    ]
    rows = []
    for measure in curves.every(document, "primary"):
        scale, title = scale_of(trial, measure), arm_title(trial, text(measure, "arm"))
        if scale is None:
            continue
        rows += [
            (
                f"{title}, {significant(float(r['information']))} times the data",
                scale.size(finite(r.get("value"))),
                scale.size(finite(r.get("perfect"))),
                _p(r, "ship_probability"),
                _p(r, "harm_probability"),
            )
            for r in parts(measure, "running")
        ]
    guards = [
        (name_of(trial, m), _p(m, "breach"))
        for m in parts(document, "measures")
        if finite(m.get("breach")) is not None
    ]
    tables = []
    if rows:
        tables.append(
            Figures(
                caption="What running longer would be worth: gain on the effects' scale",
                columns=(
                    "Version and size",
                    "Expected gain",
                    "Gain if the truth were known",
                    "Chance to reach the plan's threshold",
                    "Chance to show harm",
                ),
                rows=tuple(rows),
            )
        )
    if guards:
        tables.append(
            Figures(
                caption="Probability that a guardrail is breached",
                columns=("Guardrail and version", "Probability"),
                rows=tuple(guards),
            )
        )
    if not says and not tables:
        return None
    return Section(
        key="decision", title="What the plan's rule says", says=tuple(says), tables=tuple(tables)
    )


def _p(found: Json, key: str) -> str:
    known = finite(found.get(key))
    return "–" if known is None else chance(known)


def _schools(trial: Trial, document: Json) -> Section | None:
    said = [
        f"{name_of(trial, m)}. {part(m, 'agreement')['says']}"
        for m in curves.every(document)
        if text(part(m, "agreement"), "says")
    ]
    title = "Where the two schools agree and differ"
    return Section(key="schools", title=title, says=tuple(said)) if said else None


def _diagnostics(document: Json) -> Section | None:
    models = parts(document, "models")
    if not models:
        return None
    rows, says = [], []
    for model in models:
        name, found = text(model, "name"), part(model, "diagnostics")
        why = text(part(model, "absent"), "why") or text(model, "set_aside")
        says += [f"{name}: {why}"] if why else []
        says += [f"{name}: {n}" for n in model.get("notes") or ()]
        rows.append(
            (
                name,
                *_numbers(found),
                str(model.get("attempts") or "–"),
                "yes" if model.get("used") else "no",
            )
        )
    tables = [
        Figures(
            caption="Diagnostics of every model, the worst of all its quantities",
            columns=(
                "Model",
                "R-hat",
                "Bulk ESS",
                "Tail ESS",
                "Divergences",
                "Energy",
                "Runs",
                "Gives the answer",
            ),
            rows=tuple(rows),
        )
    ]
    gate = (
        "A model gives a number only with R-hat at most 1.01, 400 effective draws, no "
        "divergence and energy above 0.3. One that fails is run once more with smaller steps; "
        "one that fails again is not reliable and shows no number."
    )
    return Section(
        key="diagnostics",
        title="Diagnostics",
        says=(gate, *says),
        tables=tuple(tables),
        charts=_shown(charts.chains(document)),
    )


def _numbers(found: Json) -> tuple[str, ...]:
    def one(key: str, places: int) -> str:
        known = finite(found.get(key))
        return "–" if known is None else f"{known:,.{places}f}"

    return (
        one("rhat", 3),
        one("ess_bulk", 0),
        one("ess_tail", 0),
        one("divergences", 0),
        one("bfmi", 2),
    )


def _models(document: Json) -> Section | None:
    told = tuple(
        (
            f"{text(m, 'name')}: {text(part(m, 'provenance'), 'model', text(m, 'title'))}",
            tuple(map(str, part(m, "provenance").get("notation") or m.get("notation") or ())),
        )
        for m in parts(document, "models")
    )
    named = {text(part(m, "posterior"), "model") for m in parts(document, "measures")}
    exact = sorted(named - {""})
    says = (f"The posteriors shown are from: {listed(exact)}.",) if exact else ()
    return Section(key="model", title="The models", notation=told, says=says)


def _facts(document: Json) -> tuple[tuple[str, str], ...]:
    found = part(document, "provenance")
    versions: Mapping[str, object] = part(found, "versions")
    rope = found.get("rope")
    level = finite(document.get("level"))
    return (
        ("Intervals", "–" if level is None else percent(level, 0)),
        ("Prior on the primary effect", freezing.named(part(found, "prior"))),
        ("Region of practical equivalence", _rope(rope)),
        ("Seed", str(found.get("seed", "–"))),
        ("Plan hash", text(found, "plan_hash", "–")),
        ("Data hash", text(found, "data_hash", "–")),
        ("Versions", ", ".join(f"{k} {v}" for k, v in versions.items())),
    )


def _rope(found: object) -> str:
    if not isinstance(found, Sequence) or isinstance(found, str) or len(found) != 2:
        return "none stated"
    return f"{found[0]:g} to {found[1]:g}"

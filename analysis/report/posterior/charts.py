"""The charts of the posterior report, each with its sentence and its table."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.report import marks
from analysis.report.chart import Chart, composed, finished
from analysis.report.figures import capital, chance, day, percent, significant
from analysis.report.groups import group_name
from analysis.report.marks import Panel, Row, Rule
from analysis.report.posterior import curves, ranks
from analysis.report.posterior.curves import Picture
from analysis.report.posterior.telling import Scale, name_of, primary_scale, scale_of
from analysis.report.reading import Json, arm_title, finite, part, parts, text
from trials.definition.model import Trial

DENSITIES = 8
DRAWN = 16
"""So many predictive checks are drawn; the table has all."""
CHECKED = {"prior": "before the data", "posterior": "after the data"}


def effects(trial: Trial, document: Json) -> Chart | None:
    """The posterior density of every effect, the primary's first."""
    shown = [(m, s) for m in curves.every(document) if (s := scale_of(trial, m))]
    if not shown:
        return None
    pictures = [
        Picture(
            heading=name_of(trial, m),
            axis=s.axis,
            curves=[curves.curve(curves.densities(m)[0], scale=s.factor)],
        )
        for m, s in shown[:DENSITIES]
    ]
    first, scale = shown[0]
    found = part(first, "posterior")
    return curves.drawn(
        "effect-densities",
        pictures,
        title="What each effect may be",
        conclusion=f"The higher the curve, the more credible the value. {name_of(trial, first)}: "
        f"most credibly {scale.says(found)}, {scale.span(found)}.",
        columns=(
            "Measure and version",
            "Most credible",
            "Range",
            "Probability better",
            "Within the practical-equivalence region",
            "Expected loss of adopting it",
            "Expected loss of keeping the control",
        ),
        rows=[_effect_cells(trial, m, s) for m, s in shown],
    )


def _effect_cells(trial: Trial, measure: Json, scale: Scale) -> tuple[str, ...]:
    found = part(measure, "posterior")
    return (
        name_of(trial, measure),
        capital(scale.says(found)),
        scale.span(found),
        _chance(found.get("probability_better")),
        _chance(found.get("probability_in_rope")),
        scale.size(finite(found.get("expected_loss"))),
        scale.size(finite(found.get("expected_loss_keep"))),
    )


def _chance(value: object) -> str:
    known = finite(value)
    return "–" if known is None else chance(known)


def learnt(trial: Trial, document: Json) -> Chart | None:
    """The plan's prior beside the posterior of the primary."""
    shown = [
        (m, s)
        for m in curves.every(document, "primary")
        if curves.densities(m)[1] and (s := scale_of(trial, m))
    ]
    if not shown:
        return None
    pictures = [
        Picture(
            heading=name_of(trial, m),
            axis=s.axis,
            curves=[
                curves.curve(curves.densities(m)[1], scale=s.factor, dashed=True),
                curves.curve(curves.densities(m)[0], scale=s.factor),
            ],
        )
        for m, s in shown
    ]
    narrower = [n for m, _ in shown if (n := finite(part(m, "densities").get("narrower")))]
    less = f" The data took away {percent(min(narrower), 0)} of its width." if narrower else ""
    return curves.drawn(
        "prior-posterior",
        pictures,
        title="From the plan's prior to the posterior",
        conclusion=f"Dashed: what the plan held credible before launch; filled: after the data."
        f"{less}",
        columns=("Measure and version", "Prior", "Posterior mean", "Posterior range"),
        rows=[
            (
                name_of(trial, m),
                _prior(s, m),
                capital(s.says(part(m, "posterior"))),
                s.span(part(m, "posterior")),
            )
            for m, s in shown
        ],
    )


def _prior(scale: Scale, measure: Json) -> str:
    found = part(part(measure, "posterior"), "prior")
    sd, mean = finite(found.get("sd")), finite(found.get("mean"))
    if sd is None or mean is None:
        return "flat"
    return f"Normal({significant(mean * scale.factor)}, {significant(sd * scale.factor)})"


def segments(trial: Trial, document: Json) -> Chart | None:
    """Raw beside shrunk effects in every group."""
    scale = primary_scale(trial, parts(document, "measures"))
    rows: list[Row | None] = []
    cells: list[tuple[str, ...]] = []
    for segment, found in _cells(document):
        name = f"{group_name(segment)}, {arm_title(trial, text(found, 'arm'))}"
        raw, pooled = found.get("difference"), found.get("shrunk")
        rows += [
            scale.row(f"{name} (alone)", raw, kind="quiet"),
            scale.row(f"{name} (pooled)", pooled),
        ]
        cells.append(
            (
                name,
                capital(scale.says(raw)),
                scale.span(raw),
                capital(scale.says(pooled)),
                scale.span(pooled),
            )
        )
    panel = scale.panel(_drawable(rows))
    if panel is None:
        return None
    return composed(
        "posterior-segments",
        [panel],
        title="Effect in each group, alone and pooled",
        conclusion="Each group's own result is drawn towards the others by as much as its "
        "difference from them may be chance: squares are the group alone, circles pooled. Groups "
        "too small to draw are in the table.",
        columns=("Group and version", "Alone", "Range alone", "Pooled", "Range pooled"),
        rows=cells,
    )


def _cells(document: Json) -> Iterator[tuple[Json, Json]]:
    for segment in parts(document, "segments"):
        for found in parts(segment, "contrasts"):
            yield segment, found


def _drawable(rows: list[Row | None]) -> list[Row | None]:
    """Without the rows so wide that they would hide all others."""
    wide = {id(r): r.high - r.low for r in rows if r and r.low is not None and r.high is not None}
    limit = 8 * min((w for w in wide.values() if w > 0), default=float("inf"))
    return [r for r in rows if r is not None and wide.get(id(r), 0.0) <= limit]


def looks(trial: Trial, document: Json) -> Chart | None:
    """The posterior at each declared look."""
    scale = primary_scale(trial, parts(document, "measures"))
    rows: list[Row | None] = []
    cells: list[tuple[str, ...]] = []
    for arm in parts(part(document, "looks"), "arms"):
        for look in parts(arm, "looks"):
            found, title = look.get("posterior"), arm_title(trial, text(arm, "arm"))
            name = f"{title}, {day(text(look, 'label'))}"
            share = finite(look.get("fraction"))
            rows.append(scale.row(name, found))
            cells.append(
                (
                    name,
                    "–" if share is None else percent(share, 0),
                    capital(scale.says(found)),
                    scale.span(found),
                    _chance(part(look, "posterior").get("probability_better")),
                )
            )
    panel = scale.panel(rows)
    if panel is None:
        return None
    return composed(
        "posterior-looks",
        [panel],
        title="How the posterior grew, look by look",
        conclusion=_luck(document),
        columns=(
            "Version and look",
            "Share of the planned data",
            "Most credible",
            "Range",
            "Probability better",
        ),
        rows=cells,
    )


def _luck(document: Json) -> str:
    found = part(part(document, "looks"), "false_alarm")
    rate, threshold = finite(found.get("rate")), finite(found.get("threshold"))
    start = "Only the looks that the plan declares are shown."
    if rate is None or threshold is None:
        return start
    return (
        f"{start} A version without any effect would pass the plan's "
        f"{percent(threshold, 0)} at one of them with a probability of "
        f"{percent(rate)}."
    )


def deflection(trial: Trial, document: Json) -> Chart | None:
    """Gross and net contacts saved, and what leaked."""
    rows: list[Row] = []
    cells: list[tuple[str, ...]] = []
    for found in parts(document, "deflection"):
        title = arm_title(trial, text(found, "arm"))
        rows += _saved(f"{title}: gross", part(found, "gross"), "quiet")
        rows += _saved(f"{title}: net", part(found, "net"), "new")
        cells.append(
            (
                title,
                _thousand(part(found, "gross")),
                _thousand(part(found, "net")),
                _share(part(found, "leakage")),
                _chance(part(found, "net").get("probability_better")),
            )
        )
    if not rows:
        return None
    panel = Panel(rows=rows, axis="Contacts saved per 1,000", rules=[Rule(at=0, colour=marks.INK)])
    return composed(
        "posterior-deflection",
        [panel],
        title="From gross to net deflection",
        conclusion="Gross is what no longer reached an agent at first; net is what is left after "
        "those who came back. Leakage is the share that came back.",
        columns=(
            "Version",
            "Gross per 1,000",
            "Net per 1,000",
            "Leakage",
            "Probability that net is above zero",
        ),
        rows=cells,
    )


def _saved(name: str, found: Json, kind: marks.Kind) -> list[Row]:
    mean, low, high = (finite(found.get(k)) for k in ("mean", "low", "high"))
    if mean is None or low is None or high is None:
        return []
    return [
        Row(
            name=name,
            says=significant(mean * 1000),
            value=mean * 1000,
            low=low * 1000,
            high=high * 1000,
            kind=kind,
        )
    ]


def _thousand(found: Json) -> str:
    mean, low, high = (finite(found.get(k)) for k in ("mean", "low", "high"))
    if mean is None or low is None or high is None:
        return text(found, "why", "–")
    return f"{significant(mean * 1000)} ({significant(low * 1000)} to {significant(high * 1000)})"


def _share(found: Json) -> str:
    mean, low, high = (finite(found.get(k)) for k in ("mean", "low", "high"))
    if mean is None or low is None or high is None:
        return text(found, "why", "–")
    return f"{percent(mean, 0)} ({percent(low, 0)} to {percent(high, 0)})"


def priors(trial: Trial, document: Json) -> Chart | None:
    """The primary effect under the planned, flat, sceptical and enthusiastic priors."""
    scale = primary_scale(trial, parts(document, "measures"))
    rows: list[Row | None] = []
    cells: list[tuple[str, ...]] = []
    said: list[str] = []
    for measure in curves.every(document, "primary"):
        found = part(measure, "sensitivity")
        title = arm_title(trial, text(measure, "arm"))
        if text(found, "says"):
            said.append(f"{title}: {found['says']}")
        for label, made in part(found, "posteriors").items():
            rows.append(
                scale.row(
                    f"{title}, {label} prior", made, kind="new" if label == "planned" else "quiet"
                )
            )
            told = made if isinstance(made, dict) else {}
            cells.append(
                (
                    f"{title}, {label}",
                    capital(scale.says(made)),
                    scale.span(made),
                    _chance(told.get("probability_better")),
                )
            )
    panel = scale.panel(rows)
    if panel is None:
        return None
    return composed(
        "posterior-priors",
        [panel],
        title="What another prior would have said",
        conclusion=" ".join(said),
        columns=("Version and prior", "Most credible", "Range", "Probability better"),
        rows=cells,
    )


def checks(document: Json) -> Chart | None:
    """Where the data lie among data that the models would have made."""
    rows: list[Row] = []
    cells: list[tuple[str, ...]] = []
    odd = 0
    for model in parts(document, "models"):
        for group in parts(model, "checks"):
            when = CHECKED.get(text(group, "kind"), text(group, "kind"))
            for check in parts(group, "checks"):
                name = f"{text(model, 'name')}: {text(check, 'statistic')}, {when}"
                made = _placed(check)
                if made is None:
                    continue
                odd += bool(check.get("unusual"))
                place, ends = made
                rows.append(
                    Row(
                        name=name,
                        says="unusual" if check.get("unusual") else "as expected",
                        value=place,
                        low=-1.0,
                        high=1.0,
                        kind="control" if check.get("unusual") else "new",
                    )
                )
                cells.append(
                    (name, significant(float(check["observed"])), ends, _chance(check.get("tail")))
                )
    if not rows:
        return None
    says = (
        "every figure of the data lies where the models put it"
        if not odd
        else (f"{odd} of {len(rows)} figures lie outside what the models would make")
    )
    drawn = _furthest(rows)
    some = "" if len(drawn) == len(rows) else (
        f" The chart shows the {len(drawn)} that lie furthest from the middle; the table has all."
    )  # fmt: skip
    return composed(
        "posterior-checks",
        [Panel(rows=drawn, axis="95% of replicated data lie between −1 and 1")],
        title="Could the models have made these data?",
        conclusion=f"Each model made data anew, before and after it saw the trial: {says}.{some}",
        columns=("Model and figure", "Observed", "Replicates' 95% range", "Tail probability"),
        rows=cells,
    )


def _furthest(rows: list[Row]) -> list[Row]:
    """The rows furthest from the middle, in the order given; all where there are few."""
    far = sorted(range(len(rows)), key=lambda i: -abs(rows[i].value))[:DRAWN]
    return [rows[i] for i in sorted(far)]


def _placed(check: Json) -> tuple[float, str] | None:
    """The observed value with the replicates' 2.5 and 97.5% points at −1 and 1."""
    known = check.get("quantiles")
    observed = finite(check.get("observed"))
    if observed is None or not isinstance(known, list) or len(known) != 5:
        return None
    low, middle, high = (finite(known[i]) for i in (0, 2, 4))
    if low is None or middle is None or high is None:
        return None
    room = (high - middle) if observed >= middle else (middle - low)
    place = 0.0 if observed == middle else (observed - middle) / room if room > 0 else 3.0
    return max(-3.0, min(place, 3.0)), f"{significant(low)} to {significant(high)}"


def chains(document: Json) -> Chart | None:
    """Rank plots (Vehtari et al. 2021): how often each chain visits each part of the posterior."""
    shown = [(text(m, "name"), own) for m in parts(document, "models")
             if (own := [c for c in parts(m, "chains") if c.get("counts")])]  # fmt: skip
    if not shown:
        return None
    rows, shares = [], []
    for name, own in shown:
        for chain in own:
            counts = [int(c) for c in chain["counts"]]
            even = sum(counts) / len(counts)
            least, most = min(counts) / even, max(counts) / even
            shares += [least, most]
            rows.append(
                (
                    f"{name}, chain {chain['chain']}",
                    significant(float(chain["mean"])),
                    significant(float(chain["sd"])),
                    percent(least, 0),
                    percent(most, 0),
                )
            )
    return finished(
        "posterior-ranks",
        lambda width: marks.framed(
            [ranks.picture(name, own, width) for name, own in shown[: ranks.MOST]]
        ),
        title="Do the chains tell the same story?",
        conclusion="Level bars mean that every chain visits every part of the posterior alike. "
        f"Here a bar is between {percent(min(shares), 0)} and {percent(max(shares), 0)} of the "
        "even share (the line).",
        columns=("Model and chain", "Mean", "Standard deviation", "Lowest bar", "Highest bar"),
        rows=rows,
    )

"""Which models a plan's measures need, fitted: the posteriors that a run reports.

A rate without strata, segments or clusters is answered exactly by quadrature. Strata, segments and
clusters, counts, amounts, times and the ways a contact can go are sampled. Where whole clusters or
periods were randomised only rates have a model that knows it; everything else there, and whatever
the plan adjusts for covariates, is answered from its estimate (a normal or t likelihood), because a
model of independent people would promise more than the data hold.

A model's answer is the answer of record only if its diagnostics passed, it models what the plan
measures, and it reproduces the means that were observed. Otherwise the reason stands in its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from analysis.bayesian.cache import fit_key
from analysis.bayesian.closed_form import ArmPosteriors, binomial_posterior
from analysis.bayesian.deflection import deflection_of_fit
from analysis.bayesian.document import report_data
from analysis.bayesian.fits import Fit, fit
from analysis.bayesian.models import amounts, binomial, counts, paths, survival
from analysis.bayesian.models.base import ModelData
from analysis.bayesian.posterior import Posterior
from analysis.bayesian.priors import Better, EffectPrior, effect_prior, flat
from analysis.bayesian.sampler import Settings
from analysis.draws import pack, shaped, unpack
from analysis.estimates import Absent
from analysis.estimation import plan_prior_applies
from analysis.reading import Read
from analysis.tables import Amounts, Floats, Grouped, Histogram
from trials.definition.model import Metric, Trial

DEFLECTION = "deflection"
OFF = 4.0  # posterior sds between a modelled and an observed mean beyond which a model is not used
Tell = Callable[[str, float], None]
Outcome = Posterior | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One model to fit. ``observed`` are the arms' observed means, by arm."""

    name: str
    data: ModelData
    better: Better
    metric: Metric | None = None
    by: str | None = None
    rope: tuple[float, float] | None = None
    level: float = 0.95
    record: bool = True
    why_not: str = ""
    observed: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one model said.

    ``effects`` by arm and ``segments`` by level and arm are posteriors of record; ``absent`` says
    why they are not, in which case a report shows the model as a check only. ``document`` is what
    the posterior report shows, ``draws`` all reported quantities by name.
    """

    job: Job
    document: Mapping[str, Any]
    effects: Mapping[str, Outcome] = field(default_factory=dict)
    segments: Mapping[str, Mapping[str, Outcome]] = field(default_factory=dict)
    draws: Mapping[str, Floats] = field(default_factory=dict)
    absent: Absent | None = None
    key: str = ""
    fresh: bool = False

    @property
    def usable(self) -> bool:
        """Whether this is the answer of record."""
        return self.absent is None and self.job.record


Kept = Mapping[str, tuple[Mapping[str, Any], bytes]]
"""Fits of earlier runs by key: their documents and packed draws."""


def answers(
    trial: Trial, read: Read, *, seed: int, kept: Kept | None = None, sampling: bool = True,
    settings: Settings | None = None, tell: Tell | None = None,
) -> tuple[Answer, ...]:  # fmt: skip
    """Every model's answer; unchanged ones from ``kept``, no sampled ones without ``sampling``."""
    found = list(_exact(trial, read))
    if not sampling:
        return tuple(found)
    wanted = list(jobs(trial, read))
    for i, job in enumerate(wanted):

        def say(stage: str, share: float, i: int = i, job: Job = job) -> None:
            if tell is not None:
                tell(f"{job.name}: {stage}", (i + share) / len(wanted))

        say("", 0.0)
        found.append(_answer(job, seed, kept or {}, settings or Settings(), say))
    return tuple(found)


def jobs(trial: Trial, read: Read) -> Iterable[Job]:
    """The models to sample for a plan's measures, the primary first."""
    if trial.design.kind in {"switchback", "stepped-wedge"}:
        return
    for metric in trial.metrics:
        table = read.tables[metric.key]
        if isinstance(table, Grouped):
            yield from _jobs_of(trial, read, metric, table)
    if read.ways is not None and trial.design.cluster is None:
        yield from _deflection_job(trial, read)


def _jobs_of(trial: Trial, read: Read, metric: Metric, table: Grouped) -> Iterable[Job]:
    prior, clustered = prior_of(trial, metric), table.cluster is not None
    common: dict[str, Any] = {
        "metric": metric, "better": metric.better, "level": 1 - trial.analysis.alpha,
        "rope": trial.analysis.rope if metric.role == "primary" else None,
        "observed": _means(table),
    }  # fmt: skip
    if trial.analysis.adjust and table.x is not None:
        if metric.role != "primary":
            return
        common |= {"record": False, "why_not": "the plan adjusts for covariates, so the answer is "
                   "that of the adjusted estimate; this model is its check"}  # fmt: skip
    if metric.kind == "proportion" and metric.role == "primary":
        for by in trial.analysis.segments or (None,):
            segment = by if by in table.segments else None
            if segment or table.stratum is not None or clustered:
                made = binomial.prepare(table, prior=prior, segment=segment)
                yield from _job(f"{metric.key} by {by}" if segment else metric.key, made,
                                {**common, "by": segment})  # fmt: skip
    elif not clustered:
        yield from _job(metric.key, _shaped(read, metric, prior), common)


def _shaped(read: Read, metric: Metric, prior: EffectPrior) -> ModelData | Absent | None:
    shape = read.shapes.get(metric.key)
    if metric.kind == "count" and isinstance(shape, Histogram):
        return counts.prepare(shape, prior=prior)
    if metric.kind == "mean" and isinstance(shape, Amounts):
        return amounts.prepare(shape, prior=prior)
    if metric.kind == "time-to-event" and metric.key in read.lives:
        horizon = (metric.window or 0) / 86_400
        if horizon >= 1:
            return survival.prepare(read.lives[metric.key], horizon=horizon, prior=flat())
    return None


def _job(name: str, made: ModelData | Absent | None, common: dict[str, Any]) -> Iterable[Job]:
    if isinstance(made, ModelData):
        job = Job(name=name, data=made, **common)
        if made.model == survival.KEY:
            job = replace(job, record=False, rope=None, better=_longer(job), observed={},
                          why_not="the model speaks of the mean time without the event, in days; "
                          "the plan's figure is another")  # fmt: skip
        yield job


def _longer(job: Job) -> Better:
    """Fewer events are a longer time without one."""
    return "higher" if job.better == "lower" else "lower"


def _deflection_job(trial: Trial, read: Read) -> Iterable[Job]:
    assert read.ways is not None
    made = paths.prepare(read.ways, prior=deflection_prior(trial))
    if isinstance(made, ModelData):
        yield Job(name=DEFLECTION, data=made, better="lower", level=1 - trial.analysis.alpha,
                  observed=_contacts(read))  # fmt: skip


def _contacts(read: Read) -> dict[str, float]:
    """Agent contacts per unit, by arm."""
    if isinstance(read.deflection, Absent):
        return {}
    joint = read.deflection.joint
    n = np.bincount(joint.arm, joint.n, len(joint.arms))
    net = np.bincount(joint.arm, joint.sums[:, joint.index("net")], len(joint.arms))
    return {arm: float(net[i] / n[i]) for i, arm in enumerate(joint.arms) if n[i] > 0}


def deflection_prior(trial: Trial) -> EffectPrior:
    """The prior on the change of contacts per unit: the plan's."""
    return effect_prior(trial.analysis.prior, source="the plan's, on contacts per unit")


def prior_of(trial: Trial, metric: Metric) -> EffectPrior:
    """The plan's prior where it speaks of the metric, otherwise a flat one."""
    if plan_prior_applies(trial, metric):
        return effect_prior(trial.analysis.prior)
    return flat()


def _means(table: Grouped) -> dict[str, float]:
    n, y, _ = table.per_arm()
    return {arm: float(y[i] / n[i]) for i, arm in enumerate(table.arms) if n[i] > 0}


def _exact(trial: Trial, read: Read) -> Iterable[Answer]:
    """A primary rate without structure: by quadrature, at once."""
    metric = trial.primary
    table = read.tables[metric.key]
    plain = isinstance(table, Grouped) and table.stratum is None and table.cluster is None
    adjusted = bool(trial.analysis.adjust) and isinstance(table, Grouped) and table.x is not None
    if metric.kind != "proportion" or not plain or not isinstance(table, Grouped) or adjusted:
        return
    if trial.design.kind in {"switchback", "stepped-wedge"} or trial.analysis.segments:
        return
    prior = prior_of(trial, metric)
    made = binomial_posterior(
        table, prior=prior, better=metric.better, rope=trial.analysis.rope,
        level=1 - trial.analysis.alpha,
    )  # fmt: skip
    data = binomial.prepare(table, prior=prior)
    if isinstance(made, ArmPosteriors) and isinstance(data, ModelData):
        yield _quadrature(metric, data, made, 1 - trial.analysis.alpha)


def _quadrature(metric: Metric, data: ModelData, made: ArmPosteriors, level: float) -> Answer:
    effects = {made.arms[i]: e for i, e in enumerate(made.effects) if e is not None}
    draws = {
        f"level/{metric.key}/{arm}": shaped(made.levels[:, i])
        for i, arm in enumerate(made.arms) if made.present[i] and len(made.levels) % 4 == 0
    }  # fmt: skip
    base = draws.get(f"level/{metric.key}/{made.arms[made.control]}")
    for arm in effects:
        own = draws.get(f"level/{metric.key}/{arm}")
        if own is not None and base is not None:
            draws[f"effect/{metric.key}/{arm}"] = own - base
    job = Job(name=metric.key, data=data, better=metric.better, metric=metric, level=level)
    return Answer(
        job=job, effects=effects, draws=draws,
        document={"exact": True, "title": "rates of independent arms (exact, by quadrature)",
                  "notation": ["yₖ ~ Binomial(nₖ, pₖ)", "p₀ ~ Beta(1, 1)", "pₖ = p₀ + δₖ",
                               f"{data.prior.says()} cut to keep pₖ within [0, 1]"],
                  "prior": data.prior.to_json(), "data_hash": f"sha256:{data.digest}"},
    )  # fmt: skip


def _answer(job: Job, seed: int, kept: Kept, settings: Settings, tell: Tell) -> Answer:
    reading = (job.better, job.rope, job.level, job.name)
    key = fit_key(job.data, seed=seed, settings=settings, reading=reading)
    if key in kept:
        document, packed = kept[key]
        return _restored(job, key, document, unpack(packed))
    made = fit(job.data, better=job.better, seed=seed, rope=job.rope, level=job.level,
               settings=settings, progress=tell)  # fmt: skip
    if isinstance(made, Absent):
        document = {"absent": made.to_json(), **_description(job)}
        return Answer(job=job, document=document, absent=made, key=key, fresh=True)
    document, draws = {**report_data(made), **_description(job)}, _draws(job, made)
    if job.name == DEFLECTION:
        document["deflection"] = [d.to_json() for d in deflection_of_fit(made, level=job.level)]
    return replace(_restored(job, key, document, draws), fresh=True)


def _description(job: Job) -> dict[str, Any]:
    return {"name": job.name, "metric": job.metric.key if job.metric else None, "by": job.by,
            "unit": job.data.unit, "record": job.record, "why_not": job.why_not}  # fmt: skip


def _draws(job: Job, made: Fit) -> dict[str, Floats]:
    """All that is reported, by name, chains by draws."""
    data, values = job.data, made.sampled.values
    names = [data.arms[i] for i in data.order]
    what = job.metric.key if job.metric else DEFLECTION
    out = {f"level/{what}/{arm}": values["level"][:, :, k] for k, arm in enumerate(names)}
    for k, arm in enumerate(names[1:]):
        out[f"effect/{what}/{arm}"] = values["effect"][:, :, k]
        if job.name == DEFLECTION:
            out[f"net/{arm}"] = -values["effect"][:, :, k]
            out[f"gross/{arm}"] = values["gross"][:, :, k]
        if "segment_effect" in values:
            out |= {f"segment/{what}/{arm}/{job.by}/{name}": values["segment_effect"][:, :, k, j]
                    for j, name in enumerate(data.levels)}  # fmt: skip
    return out


def _restored(
    job: Job, key: str, document: Mapping[str, Any], draws: Mapping[str, Floats]
) -> Answer:
    """An answer from its document and draws, so that a kept one is read like a fresh one."""
    if "absent" in document:
        why = Absent(document["absent"]["absent"], document["absent"]["why"])
        return Answer(job=job, document=document, absent=why, key=key)
    what = job.metric.key if job.metric else DEFLECTION
    effects = {
        arm: _outcome(told, job, draws.get(f"effect/{what}/{arm}"))
        for arm, told in document["effects"].items()
    }
    segments = {
        level: {arm: _outcome(told, job, draws.get(f"segment/{what}/{arm}/{job.by}/{level}"))
                for arm, told in row.items()}
        for level, row in document["segments"].items()
    }  # fmt: skip
    return Answer(job=job, document=document, effects=effects, segments=segments, draws=draws,
                  key=key, absent=_misfit(job, draws, what))  # fmt: skip


def _outcome(told: Mapping[str, Any], job: Job, draws: Floats | None) -> Outcome:
    if "absent" in told:
        return Absent(told["absent"], told["why"])
    prior = told.get("prior")
    made = {k: told[k] for k in _FIELDS}
    given = None if prior is None else EffectPrior(
        mean=prior["mean"], sd=float("inf") if prior["sd"] is None else prior["sd"],
        label=prior["label"], source=prior["source"])  # fmt: skip
    return Posterior(**made, better=job.better, rope=job.rope, prior=given,
                     draws=None if draws is None else draws.reshape(-1),
                     notes=tuple(told.get("notes", ())))  # fmt: skip


_FIELDS = (
    "mean", "sd", "low", "high", "level", "probability_better", "probability_in_rope",
    "expected_loss", "expected_loss_keep", "model", "rhat", "ess", "divergences",
)  # fmt: skip


def _misfit(job: Job, draws: Mapping[str, Floats], what: str) -> Absent | None:
    """Why a model's means are too far from those observed to speak for them, if they are."""
    for arm, seen in job.observed.items():
        level = draws.get(f"level/{what}/{arm}")
        if level is not None and abs(level.mean() - seen) > OFF * level.std():
            return Absent("model-misfit", f"The model puts the mean of {arm} at {level.mean():.4g} "
                          f"where {seen:.4g} was observed, so it is a check only.")  # fmt: skip
    return None


def packed(answer: Answer) -> bytes:
    """The draws of an answer as they are kept."""
    return pack(answer.draws)


def fingerprint(found: Iterable[Answer]) -> str:
    """One hash of all models' data, for the report."""
    digest = hashlib.sha256("".join(a.job.data.digest for a in found).encode())
    return f"sha256:{digest.hexdigest()}"


def spread(posterior: Posterior, seed: int) -> Floats:
    """Draws that stand for a posterior made without a sampler: chains by draws."""
    return shaped(posterior.sample(4000, np.random.default_rng(seed)))

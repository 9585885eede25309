"""The posterior report's figures, from contrasts, models' answers and looks: plain data.

What is in it is in the docstrings of the functions; :func:`document` lists the parts. Every number
is in the metric's own units, effects are treatment minus control, deflection is contacts saved per
unit (positive is fewer).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from analysis import deflecting, fitting
from analysis.bayesian.agreement import agreement
from analysis.bayesian.decisions import breach_probability, decide, value_of_running
from analysis.bayesian.document import prior_to_posterior
from analysis.bayesian.looks import cumulative, false_alarm_rate
from analysis.bayesian.posterior import Posterior
from analysis.bayesian.priors import effect_prior
from analysis.bayesian.sampler import versions
from analysis.bayesian.sensitivity import sensitivity
from analysis.draws import shaped
from analysis.estimates import Absent, Estimate
from analysis.estimation import Contrast
from analysis.fitting import Answer
from analysis.looking import Place
from analysis.tables import Floats
from trials.definition.model import Metric, Trial

LONGER = (1.5, 2.0, 3.0)
BINS = 20


def applied(found: Sequence[Contrast], answers: Sequence[Answer]) -> list[Contrast]:
    """The contrasts with their models' posteriors in place of those of the estimates.

    A model that was tried and may not be believed takes the number away; one that only checks, or
    does not reproduce the means, leaves the estimate's own posterior, with the reason as a note.
    """
    out = []
    for contrast in found:
        made = _of_record(contrast, answers)
        out.append(contrast if made is None else replace(contrast, posterior=made))
    return out


def _of_record(contrast: Contrast, answers: Sequence[Answer]) -> Posterior | Absent | None:
    mine = [a for a in answers if a.job.metric is not None
            and a.job.metric.key == contrast.metric.key]  # fmt: skip
    if not mine or contrast.posterior is None or isinstance(contrast.difference, Absent):
        return None
    usable = [a for a in mine if a.usable and contrast.arm in a.effects]
    if usable:
        return usable[0].effects[contrast.arm]
    first = mine[0]
    if not first.job.record:
        return None
    if first.absent is not None and first.absent.code == "not-reliable":
        return first.absent
    if first.absent is not None and isinstance(contrast.posterior, Posterior):
        return contrast.posterior.noted(first.absent.why)
    return None


def shrunk(
    segments: list[dict[str, Any]], answers: Sequence[Answer], metric: Metric
) -> list[dict[str, Any]]:
    """The segments with the joint model's partially pooled effects where it gave them."""
    by = {a.job.by: a for a in answers
          if a.usable and a.job.by and a.job.metric and a.job.metric.key == metric.key}  # fmt: skip
    out = []
    for entry in segments:
        answer = by.get(entry["by"])
        row = answer.segments.get(entry["level"]) if answer else None
        if row is None:
            out.append(entry)
            continue
        told = [{**c, "shrunk": _ends(row.get(c["arm"])) or c["shrunk"]}
                for c in entry["contrasts"]]  # fmt: skip
        out.append({**entry, "contrasts": told,
                    "shrunk": told[0]["shrunk"] if told else entry["shrunk"]})  # fmt: skip
    return out


def _ends(found: Posterior | Absent | None) -> dict[str, Any] | None:
    if not isinstance(found, Posterior):
        return None
    return {"mean": found.mean, "low": found.low, "high": found.high,
            "probability_better": found.probability_better,
            "method": f"partial pooling, {found.model}"}  # fmt: skip


def draws_of(
    contrasts: Sequence[Contrast], answers: Sequence[Answer],
    saved: Sequence[deflecting.Saved], *, seed: int,
) -> dict[str, Floats]:  # fmt: skip
    """All draws of a run by name; posteriors made without a sampler are drawn from."""
    out: dict[str, Floats] = {}
    for answer in answers:
        if answer.absent is None or answer.job.record is False:
            out |= answer.draws
    for contrast in contrasts:
        name = f"effect/{contrast.metric.key}/{contrast.arm}"
        made = contrast.posterior
        if isinstance(made, Posterior) and not _drawn(made, out.get(name)):
            out[name] = fitting.spread(made, seed)
        elif isinstance(made, Absent):
            out.pop(name, None)
    for one in saved:
        out[f"net/{one.arm}"], out[f"gross/{one.arm}"] = shaped(one.net), shaped(one.gross)
    return out


def _drawn(made: Posterior, kept: Floats | None) -> bool:
    return kept is not None and made.draws is not None and kept.size == made.draws.size and bool(
        np.isclose(kept.mean(), made.mean, rtol=1e-3, atol=1e-3 * made.sd))  # fmt: skip


def document(
    trial: Trial, contrasts: Sequence[Contrast], answers: Sequence[Answer],
    saved: Sequence[deflecting.Saved], segments: Sequence[Mapping[str, Any]], *, at: Place,
    looks: Sequence[Sequence[Estimate | Absent]], plan_hash: str, seed: int,
    frozen: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Everything the posterior report shows.

    ``measures`` (one a contrast: posterior, densities, sensitivity, value of running longer,
    agreement), ``decisions`` by arm, ``segments`` raw beside shrunk, ``looks``, ``deflection``,
    ``models`` (notation, diagnostics, checks) and ``provenance``, where ``frozen`` is the prior's
    history (:func:`analysis.frozen.prior_record`).
    """
    level = 1 - trial.analysis.alpha
    made: dict[str, Any] = _plain({
        "trial": trial.key, "level": level,
        "measures": [_measure(trial, c, at) for c in contrasts],
        "decisions": _decisions(trial, contrasts),
        "segments": list(segments),
        "looks": _looks(trial, at, looks),
        "deflection": [one.to_json() for one in saved],
        "models": [{**a.document, "name": a.job.name,
                    "used": a.usable, "set_aside": a.absent.why if a.absent else a.job.why_not,
                    "chains": _chains(a)} for a in answers],
        "provenance": {
            "plan_hash": plan_hash, "data_hash": fitting.fingerprint(answers), "seed": seed,
            "versions": versions(), "prior": effect_prior(trial.analysis.prior).to_json(),
            "frozen": dict(frozen),
            "rope": list(trial.analysis.rope) if trial.analysis.rope else None,
        },
    })  # fmt: skip
    return made


def _measure(trial: Trial, contrast: Contrast, at: Place) -> dict[str, Any]:
    metric, made = contrast.metric, contrast.posterior
    out: dict[str, Any] = {
        "metric": metric.key, "title": metric.title or metric.key, "role": metric.role,
        "kind": metric.kind, "better": metric.better, "arm": contrast.arm,
        "versus": contrast.versus,
        "posterior": made.to_json() if made else None,
        "estimate": contrast.difference.to_json(),
    }  # fmt: skip
    if not isinstance(made, Posterior):
        return out
    out |= {"densities": prior_to_posterior(made), "running": _running(trial, contrast, made)}
    found = contrast.difference
    if isinstance(found, Estimate) and found.se:
        prior = fitting.prior_of(trial, metric)
        if not prior.flat or metric.role == "primary":
            out["sensitivity"] = sensitivity(
                found.estimate, found.se, prior=prior, better=metric.better, mde=metric.mde,
                rope=made.rope, level=made.level, df=found.df,
                threshold=trial.analysis.decision.ship_if_probability,
            ).to_json()  # fmt: skip
        out["agreement"] = agreement(
            found, made, alpha=trial.analysis.alpha, looks=max(len(at.due), 1),
            threshold=trial.analysis.decision.ship_if_probability,
        ).to_json()  # fmt: skip
    if metric.role == "guardrail" and metric.margin is not None:
        out["breach"] = breach_probability(made, margin=metric.margin)
    return out


def _running(trial: Trial, contrast: Contrast, made: Posterior) -> list[dict[str, Any]]:
    """What running on until the information has grown by a factor would be worth."""
    found = contrast.difference
    if contrast.metric.role != "primary" or not isinstance(found, Estimate) or not found.se:
        return []
    all_of = (
        value_of_running(made, se=found.se, information=f, rule=trial.analysis.decision)
        for f in LONGER
    )
    return [one.to_json() for one in all_of if not isinstance(one, Absent)]


def _decisions(trial: Trial, contrasts: Sequence[Contrast]) -> list[dict[str, Any]]:
    """The plan's rule on posteriors alone, arm by arm."""
    out = []
    for contrast in contrasts:
        if contrast.metric.role != "primary" or not isinstance(contrast.posterior, Posterior):
            continue
        chances = {
            c.metric.title or c.metric.key: breach_probability(c.posterior, margin=c.metric.margin)
            for c in contrasts
            if c.arm == contrast.arm and c.metric.role == "guardrail" and c.metric.margin
            and isinstance(c.posterior, Posterior)
        }  # fmt: skip
        made = decide(contrast.posterior, rule=trial.analysis.decision, guardrails=chances)
        out.append({"arm": contrast.arm, **made.to_json()})
    return out


def _looks(trial: Trial, at: Place, looks: Sequence[Sequence[Estimate | Absent]]) -> dict[str, Any]:
    """The posterior of each arm at each declared look, and how often luck would pass the rule."""
    metric, arms = trial.primary, [a.key for a in trial.arms if not a.control]
    prior = fitting.prior_of(trial, metric)
    due = at.due or ()
    rows = []
    for j, arm in enumerate(arms):
        steps = [(d.day.isoformat(), d.fraction, found[j])
                 for d, found in zip(due, looks, strict=False)]  # fmt: skip
        made = cumulative(steps, prior=prior, better=metric.better, rope=trial.analysis.rope,
                          level=1 - trial.analysis.alpha)  # fmt: skip
        rows.append({"arm": arm, "looks": [one.to_json() for one in made]})
    return {"arms": rows, "false_alarm": _false_alarm(trial, at, looks)}


def _false_alarm(
    trial: Trial, at: Place, looks: Sequence[Sequence[Estimate | Absent]]
) -> dict[str, float] | None:
    last = looks[-1][0] if looks and looks[-1] else None
    if not isinstance(last, Estimate) or not last.se or not at.due:
        return None
    prior = fitting.prior_of(trial, trial.primary)
    threshold = trial.analysis.decision.ship_if_probability
    rate, error = false_alarm_rate([d.fraction for d in at.due], final_se=last.se, prior=prior,
                                   threshold=threshold, paths=50_000)  # fmt: skip
    return {"rate": rate, "se": error, "threshold": threshold}


def _chains(answer: Answer) -> list[dict[str, Any]]:
    """Rank histograms of the first effect by chain (Vehtari et al. 2021): flat when mixed."""
    name = next((n for n in answer.draws if n.startswith("effect/")), None)
    if name is None or answer.document.get("exact"):
        return []
    values = answer.draws[name]
    ranks = values.ravel().argsort().argsort().reshape(values.shape) / values.size
    return [
        {"chain": i + 1, "counts": np.histogram(row, BINS, (0, 1))[0].tolist(),
         "mean": float(values[i].mean()), "sd": float(values[i].std())}
        for i, row in enumerate(ranks)
    ]  # fmt: skip


def _plain(value: Any) -> Any:
    """JSON of seven digits without infinities: an unbounded or undefined number is ``null``."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value

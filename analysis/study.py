"""Running a trial's plan from end to end: one pass over the log, checks, estimates, a verdict.

The result is stored with the plan's hash, the cutoff, the seed, the version and a hash of the
data, and can be opened again exactly as it was.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from analysis import (
    beside,
    checking,
    crossing,
    deflecting,
    estimation,
    factors,
    facts,
    fitting,
    frozen,
    looking,
    posterior_document,
    posterior_store,
    reading,
    redrawing,
    secondaries,
    verdict,
)
from analysis.compress import compressed, periods
from analysis.deflection import deflect
from analysis.estimates import Absent
from analysis.ladder import Rung, ladder
from analysis.planned import planned_against_actual
from analysis.report import matched, withhold, words
from analysis.report.reading import arm_title
from analysis.runs import latest_result
from analysis.tables import Grouped
from trials import audit, clock, lifecycle, registry, settings
from trials.definition.model import Metric, Trial
from trials.errors import Conflict, SignpostError
from trials.store.engine import Store
from trials.store.tables import RunRow

__all__ = ["Order", "analyse", "cutoff_of", "latest_result"]

DISTRIBUTION = "signpost-trials"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run: a school or both, up to when, with which seed.

    ``sampling`` lets models that need it be sampled; without, posteriors are those of the
    estimates, at once.
    """

    key: str
    school: estimation.School = "both"
    cutoff: datetime | None = None
    seed: int = 1
    actor: str = "analyst"
    sampling: bool = field(default_factory=settings.sampling)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Study:
    """Everything a run has gathered before it computes."""

    record: registry.TrialRecord
    order: Order
    cutoff: int
    facts: facts.Facts
    read: reading.Read
    shown: reading.Read
    """What the estimates are made of: the log as it was at the last look that has come."""
    at: looking.Place
    looks: tuple[secondaries.Tables, ...] = ()
    """The tables at each look that has come, the last being those shown."""
    answers: tuple[fitting.Answer, ...] = ()
    sealed: int | None = None

    @property
    def trial(self) -> Trial:
        return self.record.definition

    @property
    def data(self) -> compressed.Compressed:
        return self.read.data

    @property
    def tables(self) -> Mapping[str, Grouped | Absent]:
        return self.shown.tables


def analyse(store: Store, order: Order, tell: fitting.Tell | None = None) -> dict[str, Any]:
    """Run the plan and store the run; answers the result document.

    ``tell`` is called with what is being sampled and the share done. The answer's ``bayesian``
    (``None`` for a frequentist run) is kept beside the run with the draws, see
    :mod:`analysis.posterior_store` and :mod:`analysis.draws`.

    Raises:
        NotFound: there is no such trial.
        Conflict: nobody has been assigned yet.
    """
    began = time.perf_counter()
    cutoff = order.cutoff or clock.now()
    with store.read() as session:
        record = registry.load(session, order.key)
        arms = facts.arm_names(session, record.id)
        found = facts.gather(session, record.id, arms)
        known = reading.known(session, record.id)
        sealed = lifecycle.seed_of(session, record.id) if record.seal else None
    if not sum(found.assigned.values()):
        raise Conflict(f"nobody has been assigned in trial {order.key!r}",
                       "add units, or import assignments")  # fmt: skip
    read = reading.read(store, record, list(arms), known, cutoff=clock.epoch(cutoff))
    at = looking.place(record.definition, cutoff=clock.epoch(cutoff),
                       over=record.state in {"stopped", "decided"})  # fmt: skip
    shown, looks = _at_looks(
        at, read, lambda moment: reading.read(store, record, list(arms), known, cutoff=moment),
        lambda moment: reading.tables(store, record, list(arms), known, cutoff=moment),
    )  # fmt: skip
    study = _Study(record=record, order=order, cutoff=clock.epoch(cutoff), facts=found, read=read,
                   shown=shown, at=at, looks=looks, sealed=sealed)  # fmt: skip
    if order.school != "frequentist":
        study = replace(study, answers=_answers(store, study, tell))
    result, made = _document(study)
    return _kept(store, study, result, made, seconds=time.perf_counter() - began)


def cutoff_of(text: str) -> datetime:
    """``2026-07-14`` (the whole day, Europe/London) or an ISO moment, as a UTC moment.

    Raises:
        SignpostError: the text is neither.
    """
    from trials.importing.values import ValueRefused, moment

    try:
        return clock.from_epoch(moment(text, end_of_day=True))
    except ValueRefused as refused:
        raise SignpostError(f"the cutoff {text!r} {refused}") from None


def end_of(day: date) -> datetime:
    """The last moment that belongs to ``day`` in Europe/London."""
    return clock.end_of_day(day)


def _at_looks(
    at: looking.Place, now: reading.Read, read: Callable[[int], reading.Read],
    tables: Callable[[int], secondaries.Tables],
) -> tuple[reading.Read, tuple[secondaries.Tables, ...]]:  # fmt: skip
    """The log as it stood at the last look that has come, and the tables at each.

    Only declared looks go back to it, and of all but the last no more than the tables is wanted.
    """
    if at.kind != "group-sequential":
        return now, (now.tables,)
    if not at.due:
        return now, ()
    *before, last = at.due
    shown = now if at.final else read(last.cutoff)
    return shown, (*(tables(due.cutoff) for due in before), shown.tables)


def _judged(study: _Study) -> looking.Judged | None:
    """The main measure under the plan's looks."""
    key = study.trial.primary.key
    tables = [look[key] for look in study.looks]
    estimates = [estimation.ordinary(study.trial, table) for table in tables]
    return looking.judge(study.trial, study.at, estimates, tables)


def _redrawn(study: _Study, found: list[estimation.Contrast]) -> list[estimation.Contrast]:
    """The main measure's contrasts with their randomisation p-values, or why there are none."""
    p = redrawing.p_values(study.trial, study.shown.drawn, seed=study.order.seed)
    table = study.tables[study.trial.primary.key]
    if isinstance(table, Grouped):
        p |= redrawing.over_time(study.trial, table, seed=study.order.seed, sealed=study.sealed)
    none = Absent("no-draw", redrawing.why_none(study.trial))

    def answer(c: estimation.Contrast) -> float | Absent:
        found = p.get(c.arm, none)
        if isinstance(found, Absent) and isinstance(c.difference, Absent):
            return c.difference
        return found

    return [
        replace(c, randomisation_p=answer(c)) if c.metric.role == "primary" else c for c in found
    ]


def _answers(store: Store, study: _Study, tell: fitting.Tell | None) -> tuple[fitting.Answer, ...]:
    """What the models say, those already fitted to these very data taken from the store."""
    with store.read() as session:
        kept = posterior_store.kept(session, study.record.id)
    return fitting.answers(study.trial, study.shown, seed=study.order.seed, kept=kept,
                           sampling=study.order.sampling, tell=tell)  # fmt: skip


def _posteriors(
    study: _Study, contrasts: list[estimation.Contrast], segments: list[dict[str, Any]]
) -> posterior_store.Made | None:
    """The posterior report and the draws; ``None`` for a frequentist run."""
    if study.order.school == "frequentist":
        return None
    seed = study.order.seed
    saved = deflecting.saved(study.trial, study.shown.deflection, study.answers, seed=seed)
    looks = [estimation.ordinary(study.trial, look[study.trial.primary.key])
             for look in study.looks]  # fmt: skip
    document = posterior_document.document(
        study.trial, contrasts, study.answers, saved, segments, at=study.at, looks=looks,
        plan_hash=study.record.plan_hash, seed=seed, frozen=frozen.prior_record(study.record),
    )  # fmt: skip
    draws = posterior_document.draws_of(contrasts, study.answers, saved, seed=seed)
    return posterior_store.Made(document=document, draws=draws, answers=study.answers)


def _document(study: _Study) -> tuple[dict[str, Any], posterior_store.Made | None]:
    """The result document of the contract, all but the run's own number, and its posteriors."""
    trial, record, school = study.trial, study.record, study.order.school
    judged_looks = _judged(study)
    readers = secondaries.readers(trial, study.at, study.looks)
    contrasts = _redrawn(
        study, estimation.contrasts(trial, study.tables, school, judged_looks, readers)
    )
    contrasts = posterior_document.applied(contrasts, study.answers)
    contrasts = beside.added(trial, study.tables, contrasts, _follows(trial))
    checks = checking.run(trial, study.facts, study.read, locked=record.locked,
                          cutoff=clock.from_epoch(study.cutoff), contrasts=contrasts,
                          schedule=redrawing.schedule(trial, study.sealed),
                          amended=_amended(record),
                          unrecorded=frozen.unrecorded(record))  # fmt: skip
    groups = secondaries.of_groups(trial, study.at, study.looks)
    segments = {metric.key: _segments(study, metric, groups) for metric in trial.metrics}
    # A warning of harm stays at the full level at every look, as a guardrail does.
    warning = _segments(study, trial.primary, {}) if groups else segments[trial.primary.key]
    evidence = verdict.Evidence(
        trial=trial, contrasts=contrasts, checks=checks, over=study.at.reached,
        maturing=study.data.units - sum(study.data.matured),
        harmed=_harmed(trial, warning),
        at=study.at, decision=judged_looks.decision if judged_looks else None,
    )  # fmt: skip
    judged = verdict.decide(evidence)
    result: dict[str, Any] = {
        "trial": trial.key, "plan_hash": record.plan_hash, "locked": record.locked,
        "run": {},
        "units": _units(study),
        "checks": [check.to_json() for check in checks],
        "metrics": [
            {
                **estimation.metric_json(
                    metric, study.tables[metric.key],
                    [c for c in contrasts if c.metric.key == metric.key],
                    segments[metric.key], readers,
                ),
                **beside.of_metric(metric, study.tables[metric.key]),
                **factors.of_metric(trial, metric, study.tables[metric.key], school),
            }
            for metric in trial.metrics
        ],
        "linking": _linking(study),
        "coding": _coding(study),
        "contamination": crossing.to_document(trial, study.shown.crossings),
        "ladder": [rung.to_json() for rung in _ladder(study)],
        "deflection": _deflection(study),
        "plan": _plan(study),
        "look": looking.document(study.at, judged_looks),
        "verdict": {"decision": judged.decision, "reasons": list(judged.reasons),
                    "arm": judged.arm},
    }  # fmt: skip
    result["verdict"]["says"] = words.headline(trial, result)
    if result["coding"] is not None:
        result["coding"]["says"] = list(matched.coding(trial, result).says)
    result["withheld"] = withhold.sentence(result)
    return result, _posteriors(study, contrasts, segments[trial.primary.key])


def _segments(
    study: _Study, metric: Metric, readers: Mapping[secondaries.Group, secondaries.Readers]
) -> list[dict[str, Any]]:
    """One metric's effects in the pre-specified groups."""
    found = estimation.segments_json(study.trial, metric, study.tables[metric.key],
                                     study.order.school, readers)  # fmt: skip
    return posterior_document.shrunk(found, study.answers, metric)


def _amended(record: registry.TrialRecord) -> list[str]:
    """The days of amendments that were made with outcomes in hand."""
    return [looking.printed(clock.london(a.at).date()) for a in record.amendments
            if not a.before_first_outcome]  # fmt: skip


def _follows(trial: Trial) -> beside.Follows | None:
    """Which periods of a switchback begin where the one before ends."""
    if trial.design.kind != "switchback":
        return None
    calendar = periods.spans(trial)
    return lambda names: periods.follows(calendar, names)


def _harmed(trial: Trial, segments: list[dict[str, Any]]) -> list[verdict.Harmed]:
    """Groups whose effect lies wholly on the worse side, by itself and partially pooled."""
    sign = 1 if trial.primary.better == "lower" else -1

    def worse(ends: dict[str, Any] | None) -> bool:
        if not ends or ends.get("low") is None or ends.get("high") is None:
            return False
        return bool(min(sign * ends["low"], sign * ends["high"]) > 0)

    return [
        verdict.Harmed(arm=c["arm"], by=entry["by"], level=entry["level"],
                       title=arm_title(trial, c["arm"]))
        for entry in segments for c in entry["contrasts"]
        if worse(c["difference"]) and worse(c["shrunk"])
    ]  # fmt: skip


def _deflection(study: _Study) -> dict[str, Any] | None:
    """The contract's ``deflection``; ``None`` where the plan does not look at contacts."""
    tables = study.shown.deflection
    if isinstance(tables, Absent):
        return None if tables.code == "not-planned" else tables.to_json()
    coding = study.shown.coding
    return deflect(tables, level=1 - study.trial.analysis.alpha,
                   accuracy=None if coding is None else coding.accuracy()).to_json()  # fmt: skip


def _linking(study: _Study) -> dict[str, Any] | None:
    """Link rates and tiers by arm, their test, and the bounds where arms link differently."""
    found = study.read.linking
    control = next(arm.key for arm in study.trial.arms if arm.control)
    level = 1 - study.trial.analysis.alpha
    return None if found is None else found.to_json(control, level=level)


def _ladder(study: _Study) -> Sequence[Rung]:
    """Who is left at every rung, from the facts of the store and the main measure's table."""
    trial, read = study.trial, study.read
    arms = [arm.key for arm in trial.arms]
    table = read.data.metrics[trial.primary.key]
    known = dict(zip(arms, (int(n) for n in table.per_arm()[0]), strict=True))
    acted = None
    if table.u is not None:
        took = np.bincount(table.arm, table.u, len(arms))
        acted = dict(zip(arms, (int(n) for n in took), strict=True))
    linkable = study.facts.linked if read.linking is None else {
        arm.units.arm: arm.units.linked for arm in read.linking.arms}  # fmt: skip
    return ladder(trial, allocated=study.facts.assigned, reached=study.facts.exposed,
                  linkable=linkable, known=known, acted=acted, sent=study.facts.sent,
                  delivered=study.facts.delivered)  # fmt: skip


def _coding(study: _Study) -> dict[str, Any] | None:
    """Coverage, "other" and differences of coding by arm; ``None`` where there is nothing coded."""
    found = study.shown.coding
    level = 1 - study.trial.analysis.alpha
    if found is None:
        return None
    return found.to_json(study.trial.control.key, seed=study.order.seed, level=level)


def _units(study: _Study) -> dict[str, Any]:
    arms, data = study.facts.assigned, study.data
    linked = {arm: study.facts.linked[arm] / n if n else None for arm, n in arms.items()}
    return {
        "assigned": data.units, "matured": sum(data.matured),
        "maturing": data.units - sum(data.matured),
        "clusters": sum(data.clusters) if data.clusters else None,
        "by_arm": dict(arms), "held_out": study.facts.held_out,
        "excluded": dict(study.facts.excluded),
        "linked_rate": linked if any(study.facts.linked.values()) else None,
    }  # fmt: skip


def _plan(study: _Study) -> dict[str, Any]:
    record, seal = study.record, study.record.seal
    return {
        "hash": record.plan_hash,
        "locked_at": record.locked_at.isoformat() if record.locked_at else None,
        "seed_commitment": seal.commitment if seal else None,
        "seed": seal.seed if seal else None,
        "amendments": [
            {"number": a.number, "at": a.at.isoformat(), "reason": a.reason,
             "before_first_outcome": a.before_first_outcome, "changes": a.changes}
            for a in record.amendments
        ],
        "planned_against_actual": planned_against_actual(study.trial, study.facts, study.data,
                                                         clock.from_epoch(study.cutoff)),
    }  # fmt: skip


def _kept(
    store: Store, study: _Study, result: dict[str, Any], made: posterior_store.Made | None, *,
    seconds: float,
) -> dict[str, Any]:  # fmt: skip
    """Store the run; the document gets its number within the same transaction."""
    order, record = study.order, study.record
    data_hash = _data_hash(study.data)
    with store.write() as session:
        row = RunRow(
            trial_id=record.id, plan_hash=record.plan_hash, locked=record.locked,
            school=order.school, cutoff=study.cutoff, seed=order.seed,
            version=version(DISTRIBUTION), data_hash=data_hash, at=clock.now(), seconds=seconds,
            actor=order.actor, result={},
        )  # fmt: skip
        session.add(row)
        session.flush()
        result["run"] = {
            "id": row.id, "at": row.at.isoformat(),
            "cutoff": clock.from_epoch(study.cutoff).isoformat(), "seed": order.seed,
            "version": row.version, "school": order.school, "data_hash": data_hash,
            "seconds": round(seconds, 3),
        }  # fmt: skip
        row.result = result
        if made is not None:
            posterior_store.keep(session, record.id, row.id, made)
        audit.record(session, "plan analysed", record.key, actor=order.actor, detail={
            "run": row.id, "plan_hash": record.plan_hash, "data_hash": data_hash})  # fmt: skip
    return {**result, "bayesian": made.document if made is not None else None}


def _data_hash(data: compressed.Compressed) -> str:
    """A fingerprint of every grouped table, so that an unchanged trial can be recognised.

    Sums are taken to twelve significant digits: an engine of several threads adds in any order.
    """
    digest = hashlib.sha256()
    for key, table in sorted(data.metrics.items()):
        digest.update(key.encode())
        columns = (table.arm, table.n, table.y, table.yy)
        rows = sorted(tuple(f"{v:.12g}" for v in row) for row in zip(*columns, strict=True))
        digest.update(json.dumps(rows).encode())
    return f"sha256:{digest.hexdigest()}"

"""From data to gated posteriors: sample, judge, retry once, summarise or withhold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.bayesian.cache import Cache, fit_key
from analysis.bayesian.diagnostics import Diagnostics, convergence, diagnose
from analysis.bayesian.models import MODELS
from analysis.bayesian.models.base import ModelData
from analysis.bayesian.posterior import Posterior, Rope, draws_posterior
from analysis.bayesian.priors import Better
from analysis.bayesian.sampler import Backend, Progress, Sampled, Settings, sample
from analysis.estimates import Absent
from analysis.tables import Floats

RETRY_ACCEPT, RETRY_TUNE = 0.99, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A sampled model that passed its diagnostics.

    ``effects`` has one entry a planned arm, ``None`` at the control; ``segments`` the effects by
    level of the segment for each planned arm that has one; ``attempts`` is 2 after a retry.
    """

    data: ModelData
    sampled: Sampled
    diagnostics: Diagnostics
    effects: tuple[Posterior | Absent | None, ...]
    segments: Mapping[str, tuple[Posterior | Absent | None, ...]]
    attempts: int = 1
    notes: tuple[str, ...] = ()

    def levels(self) -> Floats:
        """Joint draws of every planned arm's mean (draws × arms, zero for an empty arm)."""
        values = self.sampled.flat("level")
        out = np.zeros((len(values), len(self.data.arms)))
        out[:, list(self.data.order)] = values
        return out


def fit(
    data: ModelData,
    *,
    better: Better,
    seed: int,
    rope: Rope | None = None,
    level: float = 0.95,
    settings: Settings | None = None,
    progress: Progress | None = None,
    cache: Cache[Fit | Absent] | None = None,
    backend: Backend | None = None,
) -> Fit | Absent:
    """The gated posteriors of a registered model, from the cache when nothing changed.

    A run that fails its diagnostics is repeated once with smaller steps (target acceptance 0.99)
    and twice the tuning. One that fails again is ``Absent("not-reliable", why)``.
    """
    chosen = settings or Settings()
    key = fit_key(data, seed=seed, settings=chosen, reading=(better, rope, level, backend))
    kept = cache.get(key) if cache else None
    if kept is not None:
        return kept
    gated = _gated(data, chosen, seed, progress, backend)
    result = (
        gated if isinstance(gated, Absent)
        else _summarised(data, *gated, better=better, rope=rope, level=level)
    )  # fmt: skip
    if cache:
        cache.put(key, result)
    return result


def _gated(
    data: ModelData, settings: Settings, seed: int, progress: Progress | None,
    backend: Backend | None,
) -> tuple[Sampled, Diagnostics, int] | Absent:  # fmt: skip
    failures: tuple[str, ...] = ()
    careful = replace(
        settings, target_accept=max(RETRY_ACCEPT, settings.target_accept),
        tune=RETRY_TUNE * settings.tune,
    )  # fmt: skip
    for attempt, chosen in enumerate((settings, careful), start=1):
        try:
            sampled = sample(
                data.model, data, seed + attempt - 1, settings=chosen, progress=progress,
                backend=backend,
            )  # fmt: skip
        except (ValueError, RuntimeError, FloatingPointError) as problem:
            failures = (f"the sampler stopped: {_first_line(problem)}",)
            continue
        diagnostics = diagnose(sampled, MODELS[data.model].watch)
        if diagnostics.reliable:
            return sampled, diagnostics, attempt
        failures = diagnostics.failures
    why = "; ".join(failures[:3])
    return Absent(
        "not-reliable", f"Not reliable, also after a second run with smaller steps: {why}."
    )


def _first_line(problem: Exception) -> str:
    text = str(problem).strip().splitlines()
    return text[0][:200] if text else type(problem).__name__


def _summarised(
    data: ModelData, sampled: Sampled, diagnostics: Diagnostics, attempts: int, *, better: Better,
    rope: Rope | None, level: float,
) -> Fit:  # fmt: skip
    notes = sampled.notes
    if attempts > 1:
        notes = (*notes, "The first run failed its diagnostics; the second passed them.")
    reading: dict[str, Any] = {
        "better": better, "rope": rope, "level": level, "prior": data.prior, "notes": notes,
        "divergences": diagnostics.divergences,
        "model": f"{MODELS[data.model].title}, normal prior on the difference (NUTS, "
        f"{sampled.backend})",
    }  # fmt: skip
    effects = _by_arm(data, sampled.values["effect"], reading)
    segments = {}
    if "segment_effect" in sampled.values:
        by_level = sampled.values["segment_effect"]
        segments = {
            name: _by_arm(data, by_level[..., j], {**reading, "prior": None})
            for j, name in enumerate(data.levels)
        }
    return Fit(
        data=data, sampled=sampled, diagnostics=diagnostics, effects=effects, segments=segments,
        attempts=attempts, notes=notes,
    )  # fmt: skip


def _by_arm(
    data: ModelData, values: Floats, reading: dict[str, Any]
) -> tuple[Posterior | Absent | None, ...]:
    """Posteriors in the plan's order from chains × draws × (arms - 1)."""
    out: list[Posterior | Absent | None] = [
        Absent("arm-empty", f"Nobody with a known outcome was in {arm}.") for arm in data.arms
    ]
    out[data.order[0]] = None
    for k, arm in enumerate(data.order[1:]):
        one = values[:, :, k]
        rhat, bulk, _ = convergence(one)
        out[arm] = draws_posterior(one.ravel(), rhat=rhat, ess=bulk, **reading)
    return tuple(out)

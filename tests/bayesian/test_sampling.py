"""The sampler: one warm process for the module, its gate, its fallback, and what it costs to import."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent))
import trial_tables as tables

from analysis.bayesian import sampler
from analysis.bayesian.cache import Cache, fit_key
from analysis.bayesian.checks import posterior_checks
from analysis.bayesian.closed_form import ArmPosteriors, binomial_posterior
from analysis.bayesian.diagnostics import bfmi, convergence, diagnose
from analysis.bayesian.document import draws_csv, report_data, save_netcdf
from analysis.bayesian.fits import Fit, fit
from analysis.bayesian.importance import quick_posterior
from analysis.bayesian.models import MODELS, binomial, counts
from analysis.bayesian.models.base import ModelData, libraries
from analysis.bayesian.posterior import Posterior
from analysis.bayesian.priors import EffectPrior
from analysis.bayesian.sampler import Sampled, Settings
from analysis.estimates import Absent
from analysis.fitting import Job, _answer
from analysis.report.posterior.view import posterior_page
from trials.definition import toml
from trials.definition.model import Metric

QUICK = Settings(draws=500, tune=500, chains=4)
PRIOR = EffectPrior(sd=0.05)


def data_of(result: ModelData | Absent) -> ModelData:
    assert isinstance(result, ModelData)
    return result


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def made(**values: np.ndarray) -> Sampled:
    """A run of the sampler that never was, for the gate."""
    chains, draws = next(iter(values.values())).shape[:2]
    return Sampled(
        model="binomial", values=values, divergent=np.zeros((chains, draws), bool),
        energy=rng(9).normal(size=(chains, draws)), seed=1, backend="nutpie", settings=QUICK,
    )  # fmt: skip


class TestImports:
    def test_the_room_loads_without_pymc(self) -> None:
        """Every module of the room imports in a fresh process that then holds no PyMC."""
        code = (
            "import pkgutil, importlib, sys, analysis.bayesian as room\n"
            "for m in pkgutil.walk_packages(room.__path__, 'analysis.bayesian.'):\n"
            "    importlib.import_module(m.name)\n"
            "heavy = {'pymc', 'pytensor', 'arviz', 'nutpie', 'numba'} & set(sys.modules)\n"
            "assert not heavy, heavy\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


class TestGate:
    def test_independent_draws_pass(self) -> None:
        good = made(effect=rng(1).normal(size=(4, 1000, 1)), level=rng(2).normal(size=(4, 1000, 2)))
        found = diagnose(good, ("effect", "level"))
        assert found.reliable, found.failures
        assert min(found.ess_bulk.values()) > 3000

    def test_chains_that_disagree_fail(self) -> None:
        draws = rng(1).normal(size=(4, 1000, 1)) + np.array([0, 0, 0, 3.0])[:, None, None]
        found = diagnose(made(effect=draws), ("effect",))
        assert any("R-hat" in f for f in found.failures)

    def test_sticky_chains_fail(self) -> None:
        """An AR(1) of 0.99 has (1 - 0.99)/(1 + 0.99) of the draws' worth: about 20 of 4,000."""
        noise = rng(1).normal(size=(4, 1000, 1))
        draws = np.zeros_like(noise)
        for t in range(1, 1000):
            draws[:, t] = 0.99 * draws[:, t - 1] + noise[:, t]
        _, bulk, _ = convergence(draws)
        assert bulk < 100
        assert not diagnose(made(effect=draws), ("effect",)).reliable

    def test_a_single_divergence_fails(self) -> None:
        one = made(effect=rng(1).normal(size=(4, 1000, 1)))
        one.divergent[2, 5] = True
        assert any("diverged" in f for f in diagnose(one, ("effect",)).failures)

    def test_bfmi_of_independent_energies_is_two(self) -> None:
        """E (ΔE)² = 2 Var E for independent energies; a random walk's is near zero."""
        assert bfmi(rng(1).normal(size=(2, 50_000))) == pytest.approx(2, abs=0.05)
        assert bfmi(rng(1).normal(size=(2, 5000)).cumsum(axis=1)) < 0.05

    def test_a_failing_run_is_repeated_once_and_then_withheld(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = []

        def bad(
            key: str, data: ModelData, seed: int, *, settings: Settings, **_: object
        ) -> Sampled:
            seen.append((seed, settings.target_accept, settings.tune))
            one = made(
                effect=rng(1).normal(size=(4, 500, 1)), level=rng(2).normal(size=(4, 500, 2))
            )
            one.divergent[:] = True
            return one

        monkeypatch.setattr("analysis.bayesian.fits.sample", bad)
        data = data_of(binomial.prepare(tables.rates([9, 8], [50, 50]), prior=PRIOR))
        got = fit(data, better="lower", seed=4, settings=QUICK)
        assert isinstance(got, Absent)
        assert got.code == "not-reliable"
        assert "diverged" in got.why
        assert [s[1:] for s in seen] == [(0.95, 500), (0.99, 1000)]


class TestCache:
    def test_an_unchanged_trial_is_not_sampled_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []

        def fine(key: str, data: ModelData, seed: int, **_: object) -> Sampled:
            calls.append(seed)
            return made(
                effect=rng(1).normal(size=(4, 500, 1)), level=rng(2).normal(size=(4, 500, 2))
            )

        monkeypatch.setattr("analysis.bayesian.fits.sample", fine)
        data = data_of(binomial.prepare(tables.rates([9, 8], [50, 50]), prior=PRIOR))
        cache: Cache[Fit | Absent] = Cache(size=2)
        first = fit(data, better="lower", seed=1, cache=cache)
        assert fit(data, better="lower", seed=1, cache=cache) is first
        fit(data, better="lower", seed=2, cache=cache)
        other = data_of(binomial.prepare(tables.rates([9, 9], [50, 50]), prior=PRIOR))
        fit(other, better="lower", seed=1, cache=cache)
        assert calls == [1, 2, 1]

    def test_key_follows_prior_seed_and_settings(self) -> None:
        data = data_of(binomial.prepare(tables.rates([9, 8], [50, 50]), prior=PRIOR))
        keys = {
            fit_key(data, seed=1, settings=QUICK), fit_key(data, seed=2, settings=QUICK),
            fit_key(data, seed=1, settings=replace(QUICK, draws=501)),
            fit_key(replace(data, prior=EffectPrior(sd=0.06)), seed=1, settings=QUICK),
        }  # fmt: skip
        assert len(keys) == 4

    def test_the_least_recently_used_goes_first(self) -> None:
        cache: Cache[int] = Cache(size=2)
        cache.put("a", 1)
        cache.put("b", 2)
        cache.get("a")
        cache.put("c", 3)
        assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)


@pytest.mark.slow
class TestFallback:
    def test_without_nutpie_pymcs_own_sampler_gives_the_answer_and_says_so(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "nutpie", None)
        monkeypatch.setattr(sampler, "_WARM", sampler._Warm())
        table = tables.rates([720, 620], [4000, 4000])
        data = data_of(binomial.prepare(table, prior=PRIOR))
        stages: list[tuple[str, float]] = []
        got = sampler.sample(
            "binomial", data, 3, settings=Settings(draws=400, tune=300, chains=2),
            progress=lambda stage, share: stages.append((stage, share)),
        )  # fmt: skip
        assert got.backend == "pymc"
        assert "instead of nutpie" in got.notes[0]
        exact = binomial_posterior(table, prior=PRIOR, better="lower")
        assert isinstance(exact, ArmPosteriors)
        effect = exact.effects[1]
        assert isinstance(effect, Posterior)
        draws = got.flat("effect")[:, 0]
        _, ess, _ = convergence(got.values["effect"])
        assert draws.mean() == pytest.approx(effect.mean, abs=4 * effect.sd / np.sqrt(ess))
        assert stages[0] == ("compiling", 0.0)
        assert stages[-1] == ("sampling", 1.0)
        assert 0 < stages[len(stages) // 2][1] < 1

    def test_a_numba_that_does_not_load_and_no_compiler_still_give_draws(self) -> None:
        """numba is there but its library is not, and there is no C compiler: plain Python."""
        code = """
import importlib.abc, importlib.machinery, sys
class Broken(importlib.abc.Loader):
    def create_module(self, spec): return None
    def exec_module(self, module): raise OSError("cannot load libllvmlite")
class Finder:
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, Broken()) if name == "numba" else None
sys.meta_path.insert(0, Finder())
sys.path.insert(0, sys.argv[1])
import numpy as np
import trial_tables as tables
from analysis.bayesian import sampler
from analysis.bayesian.diagnostics import diagnose
from analysis.bayesian.models import binomial
from analysis.bayesian.priors import EffectPrior
data = binomial.prepare(tables.rates([720, 620], [4000, 4000]), prior=EffectPrior(sd=0.05))
got = sampler.sample("binomial", data, 3, settings=sampler.Settings(draws=60, tune=60, chains=2))
assert diagnose(got, ("effect",)).rhat["effect"] < 1.5
print(got.backend, got.notes[0], round(float(got.flat("effect").mean()), 3), sep="|")
"""
        done = subprocess.run(
            [sys.executable, "-c", code, str(Path(__file__).parent)], capture_output=True,
            text=True, check=False, timeout=300, env={**os.environ, "PYTENSOR_FLAGS": "cxx="},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        backend, note, mean = done.stdout.strip().splitlines()[-1].split("|")
        assert (backend, "numba does not load, OSError" in note) == ("pymc", True)
        assert float(mean) == pytest.approx(-0.024, abs=0.006)  # 720 and 620 of 4,000, shrunk


@pytest.mark.slow
class TestFunnel:
    def test_a_funnel_is_shown_as_not_reliable_with_the_reason_and_no_number(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neal's funnel, whose neck no step size can enter, in place of a model."""

        def build(_: ModelData) -> Any:
            pm, pt = libraries()
            with pm.Model() as model:
                v = pm.Normal("v", 0, 3)
                x = pm.Normal("x", 0, pt.exp(v / 2), shape=9)
                pm.Deterministic("effect", v[None])
                pm.Deterministic("level", x[:2])
            return model

        table = tables.rates([9, 8], [50, 50])
        data = replace(
            data_of(binomial.prepare(table, prior=PRIOR)), model="funnel", arrays={}, sizes={}
        )
        funnel = replace(MODELS["binomial"], key="funnel", title="a funnel", build=build)
        monkeypatch.setitem(MODELS, "funnel", funnel)  # type: ignore[arg-type]
        metric = Metric(key="rang", role="primary", kind="proportion", source="outcomes")
        job = Job(name="rang", data=data, better="lower", metric=metric)
        answer = _answer(job, 1, {}, QUICK, lambda *_: None)
        assert isinstance(answer.absent, Absent)
        assert answer.absent.code == "not-reliable"
        assert not answer.usable
        assert not answer.effects
        assert not answer.draws
        trial = toml.read(FUNNEL)
        model = {**answer.document, "name": "rang", "used": False, "set_aside": answer.absent.why}
        page = posterior_page(trial, {"models": [model], "measures": []})
        (told,) = [s for s in page.sections if s.key == "diagnostics"]
        assert "Not reliable, also after a second run" in told.says[1]
        assert "diverged" in told.says[1] or "effective draws" in told.says[1]
        assert told.tables[0].rows == (("rang", "–", "–", "–", "–", "–", "–", "no"),)


FUNNEL = """
[trial]
key = "calls"
title = "Calls"
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
[[metrics]]
key = "rang"
role = "primary"
kind = "proportion"
source = "outcomes"
"""


@pytest.fixture(scope="module")
def warm() -> Fit:
    """A stratified trial with segments, sampled once; its compiled model serves the others."""
    table = tables.stratified(rng(1), effect=-0.3)
    data = data_of(binomial.prepare(table, prior=PRIOR, segment="e-mail"))
    got = fit(data, better="lower", seed=1, rope=(-0.002, 0.002), settings=QUICK)
    assert isinstance(got, Fit), got
    return got


@pytest.mark.slow
class TestWarm:
    def test_planted_effect_is_recovered(self, warm: Fit) -> None:
        """The posterior covers the stratified sample difference and lies within half a se of it."""
        effect = warm.effects[1]
        assert isinstance(effect, Posterior)
        a = warm.data.arrays
        cells = {}
        for k in (0, 1):
            here = a["cell_arm"] == k
            cells[k] = a["y"][here] / a["n"][here]
        here = a["cell_arm"] == 0
        weight = a["mix_share"]
        order = np.lexsort((a["cell_segment"][here], a["cell_stratum"][here]))
        raw = float((cells[1] - cells[0])[order] @ weight)
        assert effect.mean == pytest.approx(raw, abs=0.5 * effect.sd)
        assert effect.probability_better > 0.99
        assert warm.diagnostics.reliable

    def test_segments_shrink_towards_each_other(self, warm: Fit) -> None:
        shrunk = [row[1] for row in warm.segments.values()]
        assert [p is not None for p in shrunk] == [True] * 4
        means = [p.mean for p in shrunk if isinstance(p, Posterior)]
        a = warm.data.arrays
        raw = []
        for g in range(4):
            rate = [
                a["y"][(a["cell_arm"] == k) & (a["cell_segment"] == g)].sum()
                / a["n"][(a["cell_arm"] == k) & (a["cell_segment"] == g)].sum() for k in (0, 1)
            ]  # fmt: skip
            raw.append(rate[1] - rate[0])
        assert np.ptp(means) < np.ptp(raw)

    def test_new_data_of_another_size_reuse_the_compiled_model(self, warm: Fit) -> None:
        before = sampler.compiled_structures()
        table = tables.stratified(rng(2), strata=7, segments=3, effect=0.25)
        data = data_of(binomial.prepare(table, prior=PRIOR, segment="e-mail"))
        data_sizes = dict(data.sizes)
        assert data_sizes == dict(warm.data.sizes)
        got = fit(data, better="lower", seed=1, settings=QUICK)
        assert isinstance(got, Fit)
        assert sampler.compiled_structures() == before
        effect = got.effects[1]
        assert isinstance(effect, Posterior)
        assert effect.probability_better < 0.01
        assert got.sampled.seconds["compile"] < 1

    def test_same_seed_same_draws(self, warm: Fit) -> None:
        again = sampler.sample(
            "binomial", warm.data, warm.sampled.seed, settings=warm.sampled.settings
        )
        assert np.array_equal(again.values["effect"], warm.sampled.values["effect"])

    def test_replicated_data_look_like_the_data(self, warm: Fit) -> None:
        got = posterior_checks(warm.data, warm.sampled, replicates=100, seed=1)
        rates = [c for c in got.checks if c.statistic.startswith("rate of")]
        assert len(rates) == 2
        assert not any(c.unusual for c in rates)

    def test_report_is_plain_data(self, warm: Fit, tmp_path: Path) -> None:
        import json

        import arviz as az

        report = report_data(warm, plan_hash="sha256:0", replicates=40)
        text = json.dumps(report, allow_nan=False)
        assert "logit p" in text
        assert report["provenance"]["data_hash"].startswith("sha256:")
        assert set(report["effects"]) == {"arm-1"}
        save_netcdf(warm, tmp_path / "draws.nc")
        saved = az.from_netcdf(str(tmp_path / "draws.nc"))
        assert np.array_equal(saved.posterior["effect"].values, warm.sampled.values["effect"])
        lines = draws_csv(warm).splitlines()
        assert len(lines) == 1 + 4 * 500

    def test_calibration_in_short(self, warm: Fit) -> None:
        """Ranks of 15 effects drawn from the prior are uniform; the full run is a benchmark.

        Monte Carlo errors: 1 in 1,000 for a false alarm of the test of uniformity, 0.289/√15 =
        0.075 for the mean rank (bound: four of them, so a bias of 1 posterior sd is seen) and
        0.129 for the share within the middle half.
        """
        draw, ranks = rng(8), []
        settings = Settings(draws=200, tune=300, chains=2)
        for i in range(15):
            truth = binomial.draw_prior(warm.data, draw)
            fresh = binomial.replicate(truth, warm.data, draw)
            got = sampler.sample("binomial", fresh, i, settings=settings)
            ranks.append(float((got.flat("effect")[:, 0] < truth["effect"][0]).mean()))
        assert stats.kstest(ranks, "uniform").pvalue > 0.001
        assert np.mean(ranks) == pytest.approx(0.5, abs=4 * 0.075)
        assert np.mean(np.abs(np.array(ranks) - 0.5) < 0.25) == pytest.approx(0.5, abs=3.5 * 0.129)


@pytest.mark.slow
class TestCounts:
    def test_sampled_and_importance_posteriors_agree(self) -> None:
        """NUTS and Laplace importance draws of the same model, within their Monte Carlo errors."""
        data = data_of(counts.prepare(tables.histogram(rng(3)), prior=PRIOR))
        sampled = fit(data, better="lower", seed=2)
        quick = quick_posterior(data, better="lower", draws=8000)
        assert isinstance(sampled, Fit)
        assert isinstance(quick, ArmPosteriors)
        nuts, weighted = sampled.effects[1], quick.effects[1]
        assert isinstance(nuts, Posterior)
        assert isinstance(weighted, Posterior)
        assert nuts.ess is not None
        assert weighted.ess is not None
        mcse = nuts.sd * np.sqrt(1 / nuts.ess + 1 / weighted.ess)
        assert nuts.mean == pytest.approx(weighted.mean, abs=4 * mcse)
        assert nuts.sd == pytest.approx(weighted.sd, rel=0.08)

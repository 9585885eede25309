"""The planner's formulas hold up when the whole trial is simulated."""

import numpy as np
import pytest

from analysis.estimates import Absent, Estimate
from analysis.planning import Guardrail, PowerRequest, plan_power
from analysis.planning.rehearse import rehearse
from analysis.planning.simulate import simulate_power
from trials.errors import SignpostError

CASES = [
    {"baseline": 0.31, "mde": 0.08},
    {"baseline": 0.10, "mde": 0.05, "direction": "higher", "ratio": (2.0, 1.0)},
    {"kind": "mean", "baseline": 10.0, "sd": 3.0, "mde": 1.0, "arms": 3},
    {"kind": "count", "baseline": 0.8, "mde": 0.2},
    {"kind": "count", "baseline": 0.8, "sd": 1.5, "mde": 0.3},
    {"baseline": 0.31, "mde": 0.10, "icc": 0.05, "cluster_size": 15.0},
    {"kind": "mean", "sd": 1.0, "mde": 0.6, "icc": 0.1, "cluster_size": 10.0, "clusters": 16},
    {"baseline": 0.31, "mde": 0.08, "looks": 3, "spending": "pocock"},
    {"baseline": 0.9, "margin": 0.05},
    {"baseline": 0.31, "mde": 0.08, "guardrails": (Guardrail(baseline=0.9, margin=0.05),)},
]


@pytest.mark.parametrize("options", CASES)
def test_simulated_power_is_the_planned_one(options):
    """Within four Monte Carlo errors, and two points for the formulas' approximations."""
    request = PowerRequest(**options)
    answer = plan_power(request)
    seen = rehearse(request, answer, n_sims=300, seed=7)
    assert seen.power == pytest.approx(answer.power, abs=4 * seen.mcse + 0.02)
    assert seen.absent == 0


def test_simulation_without_effect_rejects_at_alpha():
    def draw(rng):
        return rng.permutation(np.repeat([0, 1], 50))

    def outcomes(arm, rng):
        return arm, rng.normal(size=100)

    def analyse(data):
        arm, y = data
        a, b = y[arm == 0], y[arm == 1]
        se = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 50)
        return Estimate.from_t(b.mean() - a.mean(), se, df=98.0)

    seen = simulate_power(
        draw, analyse, outcomes, n_sims=800, rng=np.random.default_rng(3), truth=0.0
    )
    assert seen.power == pytest.approx(0.05, abs=4 * seen.mcse)
    assert seen.coverage == pytest.approx(1 - seen.power)


def test_trials_without_an_answer_count_as_failures():
    gone = Absent("empty-arm", "Nobody is in the arm.")
    seen = simulate_power(
        lambda _: 0, lambda _: gone, lambda a, _: a, n_sims=10, rng=np.random.default_rng(1)
    )
    assert (seen.power, seen.absent, seen.mean_estimate) == (0.0, 1.0, None)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"periods": 20, "period_cv": 0.06, "looks": 2}, "one look"),
        ({"kind": "time-to-event", "baseline": 0.3, "mde": 0.1}, "cannot be simulated"),
        ({"baseline": 0.3, "mde": 0.1, "explained": 0.2}, "no covariates"),
        ({"baseline": 0.3, "mde": 0.0005}, "too many to simulate"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused(options, says):
    request = PowerRequest(**options)
    with pytest.raises(SignpostError, match=says):
        rehearse(request, plan_power(request), n_sims=10)


def test_the_same_seed_gives_the_same_rehearsal():
    request = PowerRequest(baseline=0.31, mde=0.1)
    answer = plan_power(request)
    assert rehearse(request, answer, n_sims=50, seed=3) == rehearse(
        request, answer, n_sims=50, seed=3
    )


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "count", "baseline": 100.0, "period_cv": 0.06, "mde": 3.0, "periods": 140},
        {"baseline": 0.3, "mde": 0.08, "icc": 0.05, "cluster_size": 20, "steps": 4},
        {"kind": "mean", "baseline": 20.0, "sd": 5.0, "mde": 1.0, "icc": 0.1, "cluster_size": 10,
         "steps": 3},
        {"kind": "mean", "baseline": 20.0, "sd": 5.0, "mde": 2.5, "icc": 0.05, "cluster_size": 10,
         "steps": 4, "clusters": 10, "cluster_autocorrelation": 0.6},
        {"baseline": 0.3, "mde": 0.1, "icc": 0.05, "cluster_size": 20, "steps": 4,
         "cluster_autocorrelation": 0.5},
    ],
    ids=["switchback", "wedge of a share", "wedge of a mean", "wedge of ten clusters that drift",
         "wedge of a share that drifts"],
)  # fmt: skip
def test_trials_over_time_reach_the_power_of_their_formula(options):
    """Within Monte Carlo error; a switchback's within four points more, for its spread is estimated."""
    request = PowerRequest(**options)
    answer = plan_power(request)
    seen = rehearse(request, answer, n_sims=300, seed=2)
    assert seen.absent == 0
    beside = 0.0 if request.wedge else 0.04
    assert seen.power == pytest.approx(answer.power, abs=4 * seen.mcse + beside)
    truth = -options["mde"]
    assert seen.mean_estimate == pytest.approx(truth, rel=0.1)
    assert seen.coverage == pytest.approx(0.95, abs=4 * (0.0475 / 300) ** 0.5)

"""Erlang B, C and A against published tables, closed forms, exact arithmetic and simulation."""

import heapq
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from analysis.scaling.erlang import erlang_b, erlang_c, steady
from analysis.scaling.retrials import offered_load, settled, unique_load

OCTOBER = 33592 / (21 * 8 * 3600) * 666


@pytest.mark.parametrize(
    ("agents", "load", "blocked"),
    [
        (1, 0.0101, 0.01), (5, 1.361, 0.01), (10, 4.461, 0.01), (20, 12.03, 0.01),
        (50, 37.90, 0.01), (100, 84.06, 0.01), (10, 3.092, 0.001), (20, 9.412, 0.001),
        (10, 6.216, 0.05), (20, 15.25, 0.05), (50, 44.53, 0.05), (100, 95.24, 0.05),
    ],
)  # fmt: skip
def test_erlang_b_reproduces_the_published_traffic_tables(agents, load, blocked):
    """The tables give traffic to four figures, so the blocking returns to about three."""
    assert erlang_b(load, agents) == pytest.approx(blocked, rel=3e-3)


@pytest.mark.parametrize(("load", "agents"), [(Fraction(37), 33), (Fraction(3, 2), 7)])
def test_erlang_b_equals_its_recursion_in_exact_fractions(load, agents):
    exact = Fraction(1)
    for k in range(1, agents + 1):
        exact = load * exact / (k + load * exact)
    assert erlang_b(float(load), agents) == pytest.approx(float(exact), rel=1e-12)


def test_erlang_c_reproduces_the_published_pyworkforce_example():
    """100 calls in 30 minutes of 3 minutes each, 14 positions, answered in 20 seconds."""
    found = steady(10.0, 14, aht=180, patience=None, within=20)
    assert erlang_c(10.0, 14) == pytest.approx(0.1741319335950498, rel=1e-9)
    assert found.service_level == pytest.approx(0.8883500191794669, rel=1e-12)
    assert found.occupancy == pytest.approx(0.7142857142857143, rel=1e-12)


def test_garnett_mandelbaum_reiman_2002_table():
    """48 calls a minute of one minute each, 50 agents, patience of two minutes."""
    patient = steady(48.0, 50, aht=60, patience=None, within=58.1)
    impatient = steady(48.0, 50, aht=60, patience=120, within=12.5)
    assert patient.wait_all == pytest.approx(20.8, abs=0.05)
    assert patient.service_level == pytest.approx(0.90, abs=0.001)
    assert patient.occupancy == pytest.approx(0.96, abs=0.001)
    assert impatient.abandoned == pytest.approx(0.031, abs=0.0005)
    assert impatient.wait_all == pytest.approx(3.7, abs=0.05)
    assert impatient.occupancy == pytest.approx(0.93, abs=0.005)


@pytest.mark.parametrize(
    ("agents", "answered", "abandoned", "everyone", "occupancy"),
    [
        (31, 312.0, 16.53, 294.3, 99.6), (32, 262.0, 14.11, 251.2, 99.3),
        (33, 216.6, 11.84, 210.8, 98.8), (34, 176.4, 9.77, 173.9, 98.2),
        (35, 141.4, 7.92, 141.0, 97.3), (36, 111.7, 6.32, 112.5, 96.3),
    ],
)  # fmt: skip
def test_october_2022_golden_values(agents, answered, abandoned, everyone, occupancy):
    found = steady(OCTOBER, agents, aht=666, patience=1780)
    assert round(found.wait_answered, 1) == answered
    assert round(100 * found.abandoned, 2) == abandoned
    assert round(found.wait_all, 1) == everyone
    assert round(100 * found.occupancy, 1) == occupancy


@pytest.mark.parametrize(("agents", "wait"), [(38, 538), (39, 218), (40, 117)])
def test_october_2022_erlang_c_golden_values(agents, wait):
    assert round(steady(OCTOBER, agents, aht=666, patience=None).wait_answered) == wait


def test_erlang_c_has_an_endless_queue_below_the_offered_load():
    found = steady(OCTOBER, 36, aht=666, patience=None, within=180)
    assert math.isinf(found.wait_answered)
    assert (found.service_level, found.occupancy, found.delayed) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("load", "agents", "aht", "patience"),
    [(37.0, 33, 666, 1780), (48.0, 50, 60, 120), (5000.0, 5000, 180, 120), (0.3, 1, 60, 30),
     (6000.0, 5000, 180, 600)],
)  # fmt: skip
def test_erlang_a_equals_the_closed_form_of_palm(load, agents, aht, patience):
    """With x = nμ/θ, y = λ/θ and A = x e^y y^-x γ(x, y): Mandelbaum & Zeltyn (2005), section 4."""
    x, y, rho = agents * patience / aht, load * patience / aht, load / agents
    log_a = math.log(x) + y - x * math.log(y) + special.gammaln(x)
    a = math.exp(log_a) * special.gammainc(x, y)
    b = erlang_b(load, agents)
    delayed = a * b / (1 + (a - 1) * b)
    abandoned = delayed * (1 / (rho * a) + 1 - 1 / rho)
    found = steady(load, agents, aht=aht, patience=patience)
    assert found.delayed == pytest.approx(delayed, rel=1e-7)
    assert found.abandoned == pytest.approx(abandoned, rel=1e-6)


def test_erlang_a_equals_a_direct_solution_of_its_balance_equations():
    """A small line's generator matrix solved by linear algebra, waits from first passage."""
    lam, mu, theta, n, top = 2.0, 1.0, 0.4, 2, 80
    q = np.zeros((top + 1, top + 1))
    for j in range(top):
        q[j, j + 1] = lam
        q[j + 1, j] = min(j + 1, n) * mu + max(j + 1 - n, 0) * theta
    q -= np.diag(q.sum(axis=1))
    p = np.linalg.lstsq(np.vstack([q.T, np.ones(top + 1)]), np.eye(top + 2)[-1], rcond=None)[0]
    queue = sum((j - n) * p[j] for j in range(n, top + 1))
    late = [p[j] * n * mu / (n * mu + (j - n + 1) * theta) for j in range(n, top)]
    waits = np.cumsum([1 / (n * mu + i * theta) for i in range(1, top - n + 1)])
    found = steady(lam / mu, n, aht=1 / mu, patience=1 / theta)
    assert found.abandoned == pytest.approx(theta * queue / lam, rel=1e-9)
    assert found.wait_answered == pytest.approx(
        np.dot(late, waits) / (p[:n].sum() + sum(late)), rel=1e-9
    )


@settings(max_examples=80, deadline=None)
@given(st.floats(0.05, 300), st.integers(1, 300), st.floats(5, 2000), st.floats(2, 20_000))
def test_abandonment_is_waiting_over_patience_and_calls_are_conserved(load, agents, aht, patience):
    """P_ab = θ E[W], and busy agents are the load that was not abandoned."""
    found = steady(load, agents, aht=aht, patience=patience)
    assert found.abandoned == pytest.approx(found.wait_all / patience, rel=1e-9, abs=1e-12)
    assert found.occupancy == pytest.approx(load * (1 - found.abandoned) / agents, rel=1e-6)


def test_endless_patience_is_erlang_c_and_none_is_erlang_b():
    long = steady(30.0, 33, aht=300, patience=3e7, within=60)
    c = steady(30.0, 33, aht=300, patience=None, within=60)
    assert long.wait_answered == pytest.approx(c.wait_answered, rel=1e-3)
    assert long.service_level == pytest.approx(c.service_level, rel=1e-4)
    assert steady(30.0, 33, aht=300, patience=1e-4).abandoned == pytest.approx(
        erlang_b(30.0, 33), rel=1e-4
    )


@settings(max_examples=80, deadline=None)
@given(st.floats(0.1, 200), st.floats(1, 220), st.floats(0, 5), st.floats(0.05, 20))
def test_more_agents_never_lengthen_the_wait(load, agents, more, patience_ratio):
    few = steady(load, agents, aht=100, patience=100 * patience_ratio, within=20)
    many = steady(load, agents + more, aht=100, patience=100 * patience_ratio, within=20)
    assert many.wait_answered <= few.wait_answered * (1 + 1e-9) + 1e-9
    assert many.abandoned <= few.abandoned + 1e-12
    assert many.service_level >= few.service_level - 1e-9


@settings(max_examples=80, deadline=None)
@given(st.floats(0.1, 200), st.floats(1, 220), st.floats(0, 0.5), st.floats(0.05, 20))
def test_more_demand_never_shortens_the_wait(load, agents, more, patience_ratio):
    less = steady(load, agents, aht=100, patience=100 * patience_ratio, within=20)
    busier = steady(load * (1 + more), agents, aht=100, patience=100 * patience_ratio, within=20)
    assert busier.wait_answered >= less.wait_answered * (1 - 1e-9) - 1e-9
    assert busier.abandoned >= less.abandoned - 1e-12


@pytest.mark.parametrize("aht", [162, 180, 198, 666])
def test_five_thousand_agents_and_a_hundred_thousand_calls_an_hour_do_not_overflow(aht):
    """Below, at and far above capacity; the fluid limit bounds what is abandoned."""
    load = 100_000 / 3600 * aht
    found = steady(load, 5000, aht=aht, patience=300, within=20)
    assert all(math.isfinite(x) for x in (found.wait_answered, found.wait_all, found.abandoned))
    fluid = max(0.0, 1 - 5000 / load)
    assert fluid - 1e-12 <= found.abandoned <= fluid + 0.01


def simulate(load, agents, *, aht, patience, calls, seed, within=0.0, retry=0.0, delay=0.0):
    """First come, first served: each call takes the first agent to be free, or hangs up.

    Returns means and Monte Carlo standard errors (20 batches after a warm-up of a tenth).
    """
    rng = np.random.default_rng(seed)
    free = [0.0] * agents
    fresh = np.cumsum(rng.exponential(aht / load, calls))
    again: list[float] = []
    rows = []
    index = 0
    while index < calls:
        if again and again[0] < fresh[index]:
            now = heapq.heappop(again)
        else:
            now, index = fresh[index], index + 1
        wait, patient = max(0.0, free[0] - now), rng.exponential(patience)
        if wait > patient:
            rows.append((now, patient, 0.0, 0.0))
            if rng.random() < retry:
                heapq.heappush(again, now + patient + rng.exponential(delay))
        else:
            heapq.heapreplace(free, now + wait + rng.exponential(aht))
            rows.append((now, wait, 1.0, float(wait <= within)))
    table = np.array(rows[len(rows) // 10 :])
    batches = np.array_split(table, 20)
    measures = [
        [b[b[:, 2] == 1, 1].mean() for b in batches],
        [1 - b[:, 2].mean() for b in batches],
        [b[:, 3].mean() for b in batches],
        [(len(b) - 1) / (b[-1, 0] - b[0, 0]) * aht for b in batches],
    ]
    return [(np.mean(m), np.std(m, ddof=1) / math.sqrt(20)) for m in measures]


@pytest.mark.parametrize(("agents", "seed"), [(33, 11), (36, 12)])
def test_a_discrete_event_simulation_agrees_with_erlang_a(agents, seed):
    """150,000 calls, seeded; agreement within 4 Monte Carlo standard errors of at most 4%."""
    wait, gone, soon, _ = simulate(
        OCTOBER, agents, aht=666, patience=1780, calls=150_000, seed=seed, within=180
    )
    found = steady(OCTOBER, agents, aht=666, patience=1780, within=180)
    for (seen, mcse), expected in (
        (wait, found.wait_answered), (gone, found.abandoned), (soon, found.service_level)
    ):  # fmt: skip
        assert mcse < 0.04 * expected
        assert abs(seen - expected) < 4 * mcse


@pytest.mark.parametrize(("unique", "calls"), [(31.0, 200_000), (34.0, 400_000)])
def test_a_simulation_with_call_backs_agrees_with_the_retrial_fixed_point(unique, calls):
    """33 agents; 87% of those who give up ring back after 12 hours on average.

    Agreement within 4 Monte Carlo standard errors of at most 6% (the loop mixes slowly).
    """
    after = settled(unique, 33, aht=666, patience=1780, retry=0.87)
    assert after is not None
    load, found = after
    wait, gone, _, seen_load = simulate(
        unique, 33, aht=666, patience=1780, calls=calls, seed=5, retry=0.87, delay=43_200
    )
    for (seen, mcse), expected in (
        (wait, found.wait_answered), (gone, found.abandoned), (seen_load, load)
    ):  # fmt: skip
        assert mcse < 0.06 * expected
        assert abs(seen - expected) < 4 * mcse


@settings(max_examples=40, deadline=None)
@given(st.floats(1, 100), st.integers(1, 100), st.floats(0.1, 5), st.floats(0, 0.99))
def test_the_retrial_load_satisfies_its_own_equation(unique, agents, ratio, retry):
    load = offered_load(unique, agents, aht=300, patience=300 * ratio, retry=retry)
    gone = steady(load, agents, aht=300, patience=300 * ratio).abandoned
    assert load >= unique * (1 - 1e-9)
    assert unique_load(load, abandoned=gone, retry=retry) == pytest.approx(unique, rel=1e-6)


def test_if_everybody_rings_back_and_agents_cannot_cope_there_is_no_long_run():
    assert offered_load(40.0, 33, aht=666, patience=1780, retry=1.0) is None
    assert offered_load(30.0, 33, aht=666, patience=1780, retry=1.0) > 30.0


def test_a_fraction_of_an_agent_is_a_straight_line_between_integers():
    a, b = (steady(OCTOBER, n, aht=666, patience=1780) for n in (32, 33))
    mixed = steady(OCTOBER, 32.25, aht=666, patience=1780)
    assert mixed.wait_answered == pytest.approx(0.75 * a.wait_answered + 0.25 * b.wait_answered)
    assert mixed.abandoned == pytest.approx(0.75 * a.abandoned + 0.25 * b.abandoned)


@pytest.mark.parametrize(
    ("load", "agents", "aht", "patience"),
    [(-1, 5, 60, 60), (math.nan, 5, 60, 60), (5, 0.5, 60, 60), (5, 5, 0, 60), (5, 5, 60, 0)],
)
def test_impossible_lines_are_refused(load, agents, aht, patience):
    with pytest.raises(ValueError):
        steady(load, agents, aht=aht, patience=patience)


def test_nobody_calls_nobody_waits():
    found = steady(0.0, 3, aht=60, patience=60, within=20)
    assert (found.wait_answered, found.abandoned, found.service_level) == (0, 0, 1)

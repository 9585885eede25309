"""Switchbacks and stepped wedges: Brandt 1938, Lucas 1956, Raymond et al. 2022, and simulation."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.frequentist.cluster import cr_covariance
from analysis.frequentist.difference import difference
from analysis.frequentist.randomisation import Randomised, randomisation_test
from analysis.frequentist.regression import Cells, fit, unit_residual_ss
from analysis.frequentist.stepped_wedge import (
    wedge_complier_effect,
    wedge_difference,
    wedge_model,
    wedge_randomisation_test,
    wedge_ratio,
)
from analysis.frequentist.switchback import (
    by_period,
    carry_over,
    previous_arm,
    switchback_difference,
)
from analysis.tables import Grouped


def second_differences(table, name):
    """Each cow's first yield less twice the second plus the third, and its sequence."""
    d = table(name)
    cows = np.unique(d["cow"])
    period = {p: i for i, p in enumerate(np.unique(d["period"]))}
    y, trt = np.zeros((len(cows), 3)), np.empty((len(cows), 3), dtype=object)
    for cow, p, t, v in zip(d["cow"], d["period"], d["trt"], d["yield"], strict=True):
        i = int(np.flatnonzero(cows == cow)[0])
        y[i, period[p]], trt[i, period[p]] = v, t
    extra = d.get("block", d.get("group"))
    block = np.array([extra[d["cow"] == c][0] for c in cows])
    return y @ np.array([1.0, -2.0, 1.0]), trt, block


def test_brandt_1938(table, rows):
    """The first switchback: T2 less T1 is 21.7 lb, t = 2.82."""
    contrast, trt, _ = second_differences(table, "brandt1938.csv")
    arm = (trt[:, 0] == "T2").astype(int)  # T2-T1-T2 carries +2 effects, T1-T2-T1 carries -2
    got = difference(rows(arm, contrast / 4), 1)
    assert got.estimate == pytest.approx(21.710, abs=5e-4)
    assert np.bincount(arm).tolist() == [5, 5]
    assert got.estimate / got.se == pytest.approx(2.824114, abs=5e-7)  # equal arms: Student's t too
    assert 2 * stats.t.sf(2.824114, 8) == pytest.approx(0.022352, abs=5e-7)


def test_lucas_uniformity_data(table):
    """A real A/A/A switchback: F = 2.825 on 2 and 7 df, p = .126 (Sanders & Gaynor 1987, table 3)."""
    contrast, trt, block = second_differences(table, "lucas1956.csv")
    weights = np.array([1.0, -2.0, 1.0])
    x = np.column_stack([(trt == t) @ weights for t in ("T2", "T3")]).astype(float)
    _, group = np.unique(block, return_inverse=True)
    one = np.ones(12)
    full = fit(Cells(n=one, y=contrast, yy=contrast**2, x=x, group=group, groups=group.max() + 1))
    none = fit(
        Cells(n=one, y=contrast, yy=contrast**2, x=x[:, :0], group=group, groups=group.max() + 1)
    )
    df = 12 - full.rank
    f = (unit_residual_ss(none) - unit_residual_ss(full)) / 2 / (unit_residual_ss(full) / df)
    assert df == 7
    assert f == pytest.approx(2.82495, abs=5e-6)
    assert stats.f.sf(f, 2, df) == pytest.approx(0.12604842, abs=5e-8)


def calendar(rows, rng, *, days=28, blocks=6, effect=0.0, carry=0.0, per=20):
    """Four-hour periods, arms balanced within each day's blocks, a day-part pattern and slow drift."""
    periods = days * blocks
    arm = np.concatenate([rng.permutation(np.repeat([0, 1], blocks // 2)) for _ in range(days)])
    part = np.tile(np.arange(blocks), days)
    drift = np.zeros(periods)
    for t in range(1, periods):
        drift[t] = 0.6 * drift[t - 1] + rng.normal(0, 0.3)
    before = np.concatenate([[0], arm[:-1]])
    level = np.sin(part) + drift + effect * arm + carry * before
    period = np.repeat(np.arange(periods), per)
    y = level[period] + rng.normal(size=len(period))
    return rows(arm[period], y, stratum=part[period], period=period), arm, part


def test_periods_are_the_clusters(rows):
    grouped, _arm, _part = calendar(rows, np.random.default_rng(1), effect=0.3, per=80)
    got = switchback_difference(grouped, 1)
    assert "CR2 by cluster" in got.method
    assert "block fixed effects" in got.method
    plain = difference(by_period(grouped), 1)
    assert (got.estimate, got.se) == (plain.estimate, plain.se)
    naive = difference(
        Grouped(
            **{
                f: getattr(grouped, f)
                for f in ("arms", "control", "weights", "arm", "n", "y", "yy")
            }
        ),
        1,
    )
    assert (
        got.se > 1.5 * naive.se
    )  # treating contacts as independent hides the drift between periods


def test_size_of_the_switchback_tests(rows):
    """300 null calendars with drift: redrawing the design rejects near 5 % (MCSE 1.3); per-contact z does not."""
    rng = np.random.default_rng(2)
    robust = drawn = naive = 0
    for _ in range(300):
        grouped, _arm, _part = calendar(rows, rng, days=10, per=8)
        units = Randomised.of(by_period(grouped))
        day = np.arange(60) // 6

        def redraw(generator, day=day):
            return np.concatenate([generator.permutation([0, 0, 0, 1, 1, 1]) for _ in range(10)])

        drawn += randomisation_test(units, redraw, rng, arm=1, versus=0, draws=99).p <= 0.05
        robust += switchback_difference(grouped, 1).p <= 0.05
        plain = difference(
            Grouped(
                **{
                    f: getattr(grouped, f)
                    for f in ("arms", "control", "weights", "arm", "n", "y", "yy")
                }
            ),
            1,
        )
        naive += plain.p <= 0.05
    assert abs(drawn / 300 - 0.05) < 0.04
    assert robust / 300 < 0.09
    assert naive / 300 > 0.15


def test_carry_over_is_seen_and_settled_periods_are_free_of_it(rows):
    """An effect of 1 of which half stays for a period: the lag shows it, settled periods give 1.5."""
    grouped, _, _ = calendar(rows, np.random.default_rng(3), days=120, effect=1.0, carry=0.5)
    seen = carry_over(grouped, 1)
    assert seen.lag.estimate == pytest.approx(0.5, abs=4 * seen.lag.se)
    assert seen.lag.p < 0.001
    assert seen.settled.estimate == pytest.approx(1.5, abs=4 * seen.settled.se)
    clean, _, _ = calendar(rows, np.random.default_rng(4), days=120, effect=1.0)
    none = carry_over(clean, 1)
    assert none.lag.p > 0.01
    assert none.settled.estimate == pytest.approx(1.0, abs=4 * none.settled.se)


def test_gaps_and_places_break_the_chain(rows, keyed):
    """A period after a gap has no predecessor; two places have calendars of their own."""
    period = np.repeat(np.arange(4), 2)
    place = np.tile([0, 1], 4)
    arm = np.array([0, 1, 1, 0, 0, 0, 1, 1])
    grouped = rows(arm, np.arange(8.0), period=period, cluster=place)
    before = previous_arm(grouped)
    seen = {
        (p, c): b
        for p, c, b in zip(grouped.period.codes, grouped.cluster.codes, before, strict=True)
    }
    assert seen[0, 0] == seen[0, 1] == -1
    assert [seen[p, 0] for p in (1, 2, 3)] == [0, 1, 0]
    assert [seen[p, 1] for p in (1, 2, 3)] == [1, 0, 0]
    gapped = previous_arm(grouped, follows=np.array([False, True, False, True]))
    assert set(gapped[grouped.period.codes == 2]) == {-1}
    assert len(np.unique(by_period(grouped).cluster.codes)) == 8


def test_switchbacks_that_cannot_be_read_are_named(rows):
    alone = rows([0, 1, 0, 1], [1, 2, 3, 4], period=[0, 0, 1, 1])
    assert carry_over(rows([0, 1], [1, 2], period=[0, 2]), 1).lag.code == "no-consecutive-periods"
    assert (
        carry_over(rows([0, 0, 1], [1, 2, 5], period=[0, 1, 2]), 1).lag.code
        == "no-consecutive-periods"
    )
    with pytest.raises(ValueError, match="periods"):
        by_period(rows([0, 1], [1, 2]))
    assert alone.period is not None


@pytest.fixture(scope="module")
def cict(table, rows, keyed):
    """ZIP-weeks in which both ways of interviewing were used (193 of 231, as in the authors' notebook)."""
    d = table("cict_panel.csv")
    auto, manual = d["n_assigned_automated"], d["n_assigned_manual"]
    n = auto + manual
    total = (
        auto * d["mean_perc_filled_assigned_automated"]
        + manual * d["mean_perc_filled_assigned_manual"]
    )
    ok = np.isfinite(total)
    cluster = np.unique(d["Zip"], return_inverse=True)[1]
    week = np.unique(d["week"], return_inverse=True)[1]
    n, y, take = n[ok], total[ok], auto[ok]
    arm = np.char.startswith(d["condition"].astype(str), "Auto")[ok].astype(int)
    return Grouped(
        arms=("telephone", "web"), control=0, weights=(1, 1), arm=arm, n=n, y=y, yy=y * y / n,
        d=take, dd=take * take / n, dy=take * y / n, cluster=keyed(cluster[ok]), period=keyed(week[ok]),
    )  # fmt: skip


def weekly(model):
    """The notebook's weighted regression: one row a ZIP-week, weighted by its cases."""
    c = model.cells
    return Cells(n=np.ones_like(c.n), y=c.y / c.n, yy=(c.y / c.n) ** 2, x=c.x, group=c.group, groups=c.groups,
                 cluster=c.cluster, weight=c.n)  # fmt: skip


def errors(model, cells=None):
    """Classical and CR1 standard errors of the effect."""
    fitted = fit(weekly(model) if cells is None else cells)
    columns, levels = fitted.coordinates(model.effect)
    length = float(columns @ columns + levels @ levels)
    classical = math.sqrt(unit_residual_ss(fitted) / (fitted.units - fitted.rank) * length)
    return classical, math.sqrt(cr_covariance(fitted, [model.effect], "CR1")[0, 0])


def test_intention_to_treat_of_the_interview_trial(cict):
    """-0.01792; standard error 0.00558 as in the notebook, 0.007370 clustered by ZIP."""
    model = wedge_model(cict, 1)
    got = wedge_difference(cict, 1)
    assert cict.cells == 193
    assert len(np.unique(model.cells.cluster)) == 29
    assert got.estimate == pytest.approx(-0.01792, abs=5e-6)
    assert errors(model) == pytest.approx((0.00558, 0.007370), abs=5e-6)
    assert (
        0.006 < got.se < 0.0085
    )  # CR2 lies near; fewer degrees of freedom than the 28 clusters give
    assert got.df < 28


def test_effect_on_those_who_had_the_web_survey(cict):
    """-0.25479; standard error 0.06792, clustered by ZIP 0.0829."""
    model = wedge_model(cict, 1)
    got = wedge_complier_effect(cict, 1)
    assert got.effect.estimate == pytest.approx(-0.25479, abs=5e-6)
    linear = model.with_outcome(
        cict.y - got.effect.estimate * cict.d,
        cict.yy - 2 * got.effect.estimate * cict.dy + got.effect.estimate**2 * cict.dd,
    )
    classical, clustered = errors(linear)
    first = got.compliers.estimate
    assert classical / first == pytest.approx(0.06792, abs=5e-6)
    assert clustered / first == pytest.approx(0.0829, abs=6e-5)
    assert got.first_stage_f > 10
    assert got.anderson_rubin[0] < got.effect.estimate < got.anderson_rubin[1] < 0


def wedge(rows, rng, *, effect=0.0, clusters=12, periods=5, per=15):
    start = rng.permutation(np.repeat(np.arange(1, 5), clusters // 4))
    c, p = np.divmod(np.arange(clusters * periods), periods)
    arm = (p >= start[c]).astype(int)
    level = rng.normal(0, 1, clusters)[c] + 0.3 * p + rng.normal(0, 0.2, len(c)) + effect * arm
    cell = np.repeat(np.arange(len(c)), per)
    y = level[cell] + rng.normal(size=len(cell))
    return rows(arm[cell], y, cluster=c[cell], period=p[cell]), start


def test_stepped_wedge_recovers_the_effect_that_a_plain_difference_confounds(rows):
    """With a rise over time the plain difference is off; cluster and period effects are not."""
    rng = np.random.default_rng(5)
    estimates, plain, covered = [], [], 0
    for _ in range(150):
        grouped, _ = wedge(rows, rng, effect=0.5)
        got = wedge_difference(grouped, 1)
        estimates.append(got.estimate)
        covered += got.low <= 0.5 <= got.high
        plain.append(difference(grouped, 1).estimate)
    error = np.std(estimates) / math.sqrt(150)
    assert np.mean(estimates) == pytest.approx(0.5, abs=4 * error)
    assert np.mean(plain) > 0.8
    assert covered / 150 > 0.95 - 3 * 0.018


def test_the_ratio_in_a_stepped_wedge_is_that_of_its_two_predicted_means(rows):
    """Everybody predicted under the one arm, then the other, by least squares on people."""
    grouped, _ = wedge(rows, np.random.default_rng(12), effect=-0.8, clusters=8)
    grouped = replace(grouped, y=grouped.y + 5 * grouped.n,
                      yy=grouped.yy + 10 * grouped.y + 25 * grouped.n)  # fmt: skip
    c, p = grouped.cluster.codes, grouped.period.codes
    x = np.column_stack([grouped.arm, c[:, None] == np.arange(8), p[:, None] == np.arange(1, 5)])
    x, root = x.astype(float), np.sqrt(grouped.n)
    beta = np.linalg.lstsq(x * root[:, None], grouped.y / root, rcond=None)[0]
    means = [grouped.n @ np.column_stack([np.full(len(x), a), x[:, 1:]]) @ beta for a in (0, 1)]
    got, effect = wedge_ratio(grouped, 1), wedge_difference(grouped, 1)
    assert got.estimate == pytest.approx(means[1] / means[0], rel=1e-9)
    assert (got.high < 1) == (effect.high < 0)
    # The delta method, with the mean of all outcomes known: the slope by a small change.
    mean, share = (
        grouped.y.sum() / grouped.n.sum(),
        grouped.n[grouped.arm == 1].sum() / grouped.n.sum(),
    )
    near = [(mean + (1 - share) * e) / (mean - share * e)
            for e in (effect.estimate - 1e-6, effect.estimate + 1e-6)]  # fmt: skip
    assert got.se == pytest.approx((near[1] - near[0]) / 2e-6 * effect.se, rel=1e-6)
    nothing = replace(grouped, y=grouped.y - 6 * grouped.n)
    assert wedge_ratio(nothing, 1).code == "control-mean-zero"


def test_redrawing_the_crossing_times(rows):
    """Null p-values are uniform enough (100 trials); a large effect is found at the smallest p there is."""
    rng = np.random.default_rng(6)
    small = 0
    for _ in range(100):
        grouped, start = wedge(rows, rng, per=4)
        small += (
            wedge_randomisation_test(
                grouped, lambda g, s=start: g.permutation(s), rng, arm=1, draws=39
            ).p
            <= 0.1
        )
    assert small / 100 < 0.1 + 3 * 0.03
    grouped, start = wedge(rows, rng, effect=3.0)
    got = wedge_randomisation_test(grouped, lambda g: g.permutation(start), rng, arm=1, draws=99)
    assert got.p == pytest.approx(0.01)


def test_wedges_that_cannot_be_read_are_named(rows):
    c, p = np.divmod(np.arange(12), 3)
    everywhere = rows((p >= 1).astype(int), np.arange(12.0) ** 2 % 5, cluster=c, period=p)
    assert (
        wedge_difference(everywhere, 1).code == "not-estimable"
    )  # all cross at once: it is the period
    assert (
        wedge_complier_effect(
            rows((p >= 1).astype(int), np.arange(12.0), d=p, cluster=c, period=p), 1
        ).code
        == "not-estimable"
    )
    two = rows([0, 1, 0, 0], [1.0, 2, 3, 5], cluster=[0, 0, 1, 1], period=[0, 1, 0, 1])
    assert wedge_difference(two, 1).code == "too-few-clusters"
    nobody = rows(np.zeros(12, int), np.arange(12.0), cluster=c, period=p)
    assert wedge_difference(nobody, 1).code == "empty-arm"
    staggered = (p >= np.array([1, 2, 1, 2])[c]).astype(int)
    flat = rows(staggered, np.zeros(12), cluster=c, period=p)
    assert wedge_difference(flat, 1).code == "no-variation"
    with pytest.raises(ValueError, match="clusters and periods"):
        wedge_model(rows([0, 1], [1, 2]), 1)

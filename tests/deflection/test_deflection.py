"""Deflection from grouped tables agrees with what the rows say, computed in other ways."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from analysis.contrast import compare
from analysis.deflection import DeflectionTables, deflect
from analysis.estimates import BARELY, Absent, Estimate
from analysis.joint import Joint
from analysis.repeats import RepeatTable
from analysis.tables import Key

ARMS = ("current", "short")


def people(n=4000, seed=1, gross=(0.87, 0.80), back=0.85, extra=0.35):
    """Callers: who reached an agent, who came back, by which channel, and how it was coded."""
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 2, n)
    reached = rng.random(n) < np.asarray(gross)[arm]
    returned = ~reached & (rng.random(n) < back)
    further = rng.negative_binomial(0.4, 0.4 / (0.4 + extra), n)
    net = reached + returned + further
    phone = rng.binomial(net, 0.8)
    uncoded = rng.binomial(net, 0.27)
    avoidable = rng.binomial(net - uncoded, 0.4)
    values = {
        "gross": reached.astype(float), "net": net.astype(float),
        "avoidable": avoidable.astype(float), "uncoded": uncoded.astype(float),
        "channel:phone": phone.astype(float), "channel:webchat": (net - phone).astype(float),
    }  # fmt: skip
    return arm, values


def tables(arm, values, **keys):
    return DeflectionTables(window_days=7, joint=Joint.from_units(values, arm, arms=ARMS, **keys))


def only(result):
    (contrast,) = result.contrasts
    return contrast


def test_gross_and_net_are_welch_intervals_of_the_rows():
    arm, values = people()
    found = only(deflect(tables(arm, values), per=1000))
    for name in ("gross", "net"):
        got = getattr(found, name)
        rows = values[name]
        test = stats.ttest_ind(rows[arm == 0], rows[arm == 1], equal_var=False)
        low, high = test.confidence_interval(0.95)
        assert got.estimate == pytest.approx(
            1000 * (rows[arm == 0].mean() - rows[arm == 1].mean()), rel=1e-9
        )
        assert (got.low, got.high) == pytest.approx((1000 * low, 1000 * high), rel=1e-7)
        assert got.p == pytest.approx(test.pvalue, rel=1e-6)


def test_positive_means_fewer_contacts():
    arm, values = np.array([0] * 50 + [1] * 50), {}
    contacts = np.r_[np.tile([1.0, 2.0], 25), np.tile([0.0, 1.0], 25)]
    values = {"gross": (contacts > 0).astype(float), "net": contacts}
    assert only(deflect(tables(arm, values), per=1000)).net.estimate == pytest.approx(1000.0)


def test_leakage_limits_are_where_the_rows_test_of_the_ratio_turns():
    """Fieller by inversion: at each limit r, the outcome net - r gross differs just at 5%."""
    arm, values = people(gross=(0.87, 0.79))
    leakage = only(deflect(tables(arm, values))).leakage
    assert isinstance(leakage, Estimate)
    assert leakage.low < leakage.estimate < leakage.high
    joint = compare(tables(arm, values).joint, "short")
    degrees = min(joint.degrees(joint.fewer({name: 1.0})) for name in ("gross", "net"))
    for limit in (leakage.low, leakage.high):
        mixed = values["net"] - (1 - limit) * values["gross"]
        t = stats.ttest_ind(mixed[arm == 0], mixed[arm == 1], equal_var=False).statistic
        assert abs(t) == pytest.approx(stats.t(degrees).isf(0.025), rel=1e-6)


def test_leakage_agrees_with_a_bootstrap_of_people():
    arm, values = people(n=6000, gross=(0.87, 0.75), seed=3)
    leakage = only(deflect(tables(arm, values))).leakage
    rng = np.random.default_rng(4)
    groups = [np.flatnonzero(arm == a) for a in (0, 1)]

    def once():
        c, t = (g[rng.integers(0, len(g), len(g))] for g in groups)
        net = values["net"][c].mean() - values["net"][t].mean()
        return 1 - net / (values["gross"][c].mean() - values["gross"][t].mean())

    low, high = np.quantile([once() for _ in range(2000)], [0.025, 0.975])
    width = high - low
    assert leakage.low == pytest.approx(low, abs=0.08 * width)
    assert leakage.high == pytest.approx(high, abs=0.08 * width)


@pytest.mark.parametrize("gross", [(0.87, 0.87), (0.8, 0.87)])
def test_leakage_is_absent_without_an_established_gross_effect(gross):
    arm, values = people(gross=gross, seed=7)
    found = only(deflect(tables(arm, values)))
    assert found.gross.low <= 0
    assert isinstance(found.leakage, Absent)
    assert found.leakage.code == "no-gross-effect"


def test_leakage_is_present_exactly_when_the_gross_interval_is_above_zero():
    seen = set()
    for seed in range(40):
        arm, values = people(n=700, gross=(0.87, 0.82), seed=seed)
        found = only(deflect(tables(arm, values)))
        present = isinstance(found.leakage, Estimate)
        assert present == (found.gross.low > 0)
        seen.add(present)
        if present:
            assert math.isfinite(found.leakage.low)
            assert math.isfinite(found.leakage.high)
    assert seen == {True, False}


def test_leakage_is_noted_where_gross_would_not_pass_again_having_passed():
    """The truncated t: gross above 0 at 2.5%, given that it came out above 0 at 2.5%."""
    seen = set()
    for seed in range(60):
        arm, values = people(n=700, gross=(0.87, 0.80), seed=seed)
        found = only(deflect(tables(arm, values)))
        if isinstance(found.leakage, Absent):
            continue
        reference = stats.t(found.gross.df)
        again = reference.sf(found.gross.estimate / found.gross.se) / reference.sf(
            reference.isf(0.025))  # fmt: skip
        noted = BARELY in found.leakage.notes
        assert noted == (again > 0.025)
        seen.add(noted)
    assert seen == {True, False}


def test_relative_net_is_a_share_of_the_controls_contacts():
    arm, values = people(gross=(0.9, 0.6), back=0.2)
    found = only(deflect(tables(arm, values)))
    control, treated = (values["net"][arm == a].mean() for a in (0, 1))
    assert found.relative.estimate == pytest.approx((control - treated) / control)
    for limit in (found.relative.low, found.relative.high):
        # Under the limit r, treated mean - (1 - r) control mean is just significant.
        v = [values["net"][arm == a].var(ddof=1) / (arm == a).sum() for a in (0, 1)]
        t = (treated - (1 - limit) * control) / math.sqrt(v[1] + (1 - limit) ** 2 * v[0])
        assert abs(t) == pytest.approx(1.96, abs=0.01)


def test_channels_add_up_to_net_and_cost_weights_them():
    arm, values = people()
    found = only(deflect(tables(arm, values), costs={"phone": 5.88, "webchat": 3.05}))
    assert sum(e.estimate for e in found.channels.values()) == pytest.approx(found.net.estimate)
    money = 5.88 * values["channel:phone"] + 3.05 * values["channel:webchat"]
    test = stats.ttest_ind(money[arm == 0], money[arm == 1], equal_var=False)
    low, high = test.confidence_interval(0.95)
    assert (found.cost.low, found.cost.high) == pytest.approx((1000 * low, 1000 * high), rel=1e-4)


def test_a_channel_without_a_cost_makes_the_cost_absent():
    arm, values = people()
    assert only(deflect(tables(arm, values), costs={"phone": 5.88})).cost.code == "no-cost"


def test_bounds_are_the_extremes_over_every_way_of_coding_the_uncoded():
    """Every assignment of avoidable or not to the uncoded contacts of eight people is tried."""
    arm = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    net = np.array([2.0, 1, 0, 2, 1, 1, 2, 0])
    uncoded = np.array([1.0, 0, 0, 1, 1, 0, 1, 0])
    avoidable = np.array([1.0, 1, 0, 0, 0, 1, 1, 0])
    values = {"gross": net > 0, "net": net, "avoidable": avoidable, "uncoded": uncoded}
    bounds = only(deflect(tables(arm, values), per=1)).avoidable_bounds
    blanks = np.repeat(np.arange(8), uncoded.astype(int))
    differences = []
    for choice in itertools.product([0, 1], repeat=len(blanks)):
        full = avoidable + np.bincount(blanks, choice, 8)
        differences.append(full[arm == 0].mean() - full[arm == 1].mean())
    assert bounds.low == pytest.approx(min(differences))
    assert bounds.high == pytest.approx(max(differences))
    assert bounds.interval_low < bounds.low <= bounds.high < bounds.interval_high


def test_avoidable_is_the_coded_share_of_all_contacts_with_a_jackknife_error():
    arm, values = people(n=3000)
    found = only(deflect(tables(arm, values), per=1))

    def by_hand(keep):
        per_arm = []
        for a in (0, 1):
            rows = keep & (arm == a)
            total = {k: v[rows].sum() for k, v in values.items()}
            share = total["avoidable"] / (total["net"] - total["uncoded"])
            per_arm.append(share * total["net"] / rows.sum())
        return per_arm[0] - per_arm[1]

    everybody = np.ones(len(arm), dtype=bool)
    assert found.avoidable.estimate == pytest.approx(by_hand(everybody))
    left_out = []
    for i in range(len(arm)):
        everybody[i] = False
        left_out.append(by_hand(everybody))
        everybody[i] = True
    left_out = np.array(left_out)
    variance = sum(
        (m - 1) / m * ((left_out[arm == a] - left_out[arm == a].mean()) ** 2).sum()
        for a, m in ((0, (arm == 0).sum()), (1, (arm == 1).sum()))
    )
    assert found.avoidable.se == pytest.approx(math.sqrt(variance), rel=0.002)


def test_strata_are_compared_within_and_weighted_by_their_size():
    """Allocation changed half-way: the naive difference is wrong, the stratified one is not."""
    rng = np.random.default_rng(5)
    late = rng.random(6000) < 0.5
    arm = (rng.random(6000) < np.where(late, 0.8, 0.2)).astype(int)
    net = rng.poisson(np.where(late, 2.0, 0.5)).astype(float)
    key = Key(name="epoch", codes=late.astype(np.int64), levels=("early", "late"))
    found = only(deflect(tables(arm, {"gross": net > 0, "net": net}, stratum=key), per=1))
    difference = variance = 0.0
    for s in (False, True):
        w = (late == s).mean()
        c, t = (net[(late == s) & (arm == a)] for a in (0, 1))
        difference += w * (c.mean() - t.mean())
        variance += w**2 * (c.var(ddof=1) / len(c) + t.var(ddof=1) / len(t))
    assert found.net.estimate == pytest.approx(difference)
    assert found.net.se == pytest.approx(math.sqrt(variance))
    assert found.net.low < 0 < found.net.high
    naive = only(deflect(tables(arm, {"gross": net > 0, "net": net}), per=1))
    assert naive.net.high < 0


def test_a_stratum_without_one_of_the_arms_is_left_out_and_said_to_be():
    """The treatment was withdrawn in a bad week: those people have nobody to be compared with."""
    rng = np.random.default_rng(6)
    week = rng.integers(0, 3, 3000)
    arm = np.where(week == 1, 0, rng.integers(0, 2, 3000))
    net = rng.poisson(np.where(week == 1, 5.0, 0.5)).astype(float)
    key = Key(name="week", codes=week, levels=("1", "2", "3"))
    found = only(deflect(tables(arm, {"gross": net > 0, "net": net}, stratum=key)))
    kept = week != 1
    less = {"gross": net[kept] > 0, "net": net[kept]}
    alone = only(deflect(tables(arm[kept], less, stratum=key.take(kept))))
    assert found.net.low < 0 < found.net.high
    assert (found.net.low, found.net.high) == pytest.approx((alone.net.low, alone.net.high))
    assert found.net.notes[0].startswith("left out: 1 stratum (")
    assert alone.net.notes == ()


def test_matched_pairs_are_the_paired_t_test():
    rng = np.random.default_rng(7)
    level = rng.gamma(1.0, 3.0, 60)
    net = rng.poisson(np.repeat(level, 2)).astype(float)
    arm, pair = np.tile([0, 1], 60), np.repeat(np.arange(60), 2)
    key = Key(name="pair", codes=pair, levels=tuple(map(str, range(60))))
    found = only(deflect(tables(arm, {"gross": net > 0, "net": net}, stratum=key), per=1)).net
    test = stats.ttest_rel(net[arm == 0], net[arm == 1])
    low, high = test.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)
    assert found.df == pytest.approx(59)
    assert found.p == pytest.approx(test.pvalue, rel=1e-9)


def test_arms_that_never_meet_in_a_stratum_cannot_be_compared():
    arm = np.repeat([0, 1], 50)
    net = np.random.default_rng(0).poisson(1.0, 100).astype(float)
    key = Key(name="epoch", codes=arm, levels=("before", "after"))
    result = deflect(tables(arm, {"gross": net > 0, "net": net}, stratum=key))
    assert result.contrasts == ()
    assert result.absent["short"].code == "no-overlap"


def clustered(seed=2, clusters=60):
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 30, clusters)
    cluster = np.repeat(np.arange(clusters), size)
    arm = (np.arange(clusters) % 2)[cluster]
    mean = rng.gamma(4, 0.25, clusters)[cluster]
    net = rng.poisson(mean).astype(float)
    reached = (rng.random(len(net)) < np.where(arm, 0.6, 0.8)).astype(float)
    key = Key(name="place", codes=cluster, levels=tuple(map(str, range(clusters))))
    return arm, {"gross": reached, "net": net}, key


def test_clustered_errors_are_cr2_with_bell_mccaffrey_degrees_of_freedom():
    """Against the definition written out with n by n matrices for the regression on the arm."""
    arm, values, key = clustered(clusters=24)
    found = only(deflect(tables(arm, values, cluster=key), per=1)).net
    y, x = values["net"], np.column_stack([np.ones(len(arm)), arm])
    bread = np.linalg.inv(x.T @ x)
    residual = y - x @ (bread @ (x.T @ y))
    hat = x @ bread @ x.T
    weights = []
    variance = 0.0
    for g in range(24):
        rows = np.flatnonzero(key.codes == g)
        inverse = np.eye(len(rows)) - hat[np.ix_(rows, rows)]
        value, vector = np.linalg.eigh(inverse)
        root = vector @ np.diag(value**-0.5) @ vector.T
        pull = (bread @ x[rows].T @ root)[1]
        variance += float(pull @ residual[rows]) ** 2
        weights.append((np.eye(len(y)) - hat)[:, rows] @ pull)
    gram = np.array(weights) @ np.array(weights).T
    degrees = np.trace(gram) ** 2 / (gram**2).sum()
    assert found.se == pytest.approx(math.sqrt(variance), rel=1e-9)
    # Arms are combined with their own variances (Welch), not with the working model's.
    assert found.df == pytest.approx(degrees, rel=0.02)
    assert "CR2" in found.method


def test_one_person_a_cluster_is_the_unclustered_analysis():
    arm, values = people(n=400, gross=(0.9, 0.5))
    key = Key(name="person", codes=np.arange(400), levels=tuple(map(str, range(400))))
    plain, by_cluster = (
        only(deflect(t)) for t in (tables(arm, values), tables(arm, values, cluster=key))
    )
    for name in ("gross", "net", "leakage"):
        a, b = getattr(plain, name), getattr(by_cluster, name)
        assert (a.estimate, a.low, a.high) == pytest.approx((b.estimate, b.low, b.high), rel=1e-9)


def test_clusters_that_lie_in_both_arms_cancel():
    """Households with the same habits in both arms: what they share is no error."""
    rng = np.random.default_rng(8)
    habit = np.repeat(rng.gamma(0.5, 4.0, 300), 4)
    arm = np.tile([0, 1, 0, 1], 300)
    net = habit + rng.normal(0, 0.1, 1200)
    key = Key(name="household", codes=np.repeat(np.arange(300), 4),
              levels=tuple(map(str, range(300))))  # fmt: skip
    values = {"gross": rng.random(1200) < 0.5, "net": net}
    paired = np.array([net[key.codes == g] @ [0.5, -0.5, 0.5, -0.5] for g in range(300)])
    found = only(deflect(tables(arm, values, cluster=key), per=1)).net
    assert found.se == pytest.approx(paired.std(ddof=1) / math.sqrt(300), rel=0.01)
    assert found.se < 0.1 * only(deflect(tables(arm, values), per=1)).net.se


def test_units_without_a_known_cluster_are_left_out():
    arm, values, key = clustered()
    unknown = key.codes == 3
    codes = np.where(unknown, -1, key.codes)
    lost = deflect(tables(arm, values, cluster=Key(name="p", codes=codes, levels=key.levels)))
    kept = ~unknown
    less = {k: v[kept] for k, v in values.items()}
    few = deflect(tables(arm[kept], less, cluster=key.take(kept)))
    assert only(lost).net.to_json() == only(few).net.to_json()


def test_lines_and_days_take_sums_of_squares_alone():
    arm, values = people(n=2000)
    rng = np.random.default_rng(1)
    day_of = rng.integers(1, 8, 2000)
    days = {f"day:{d}": values["net"] * (day_of <= d) for d in range(1, 8)}
    lines = {"line:Council Tax": values["channel:phone"], "line:Waste": 0 * values["net"]}
    make = {"arms": ARMS, "squares_only": True}
    full = DeflectionTables(
        window_days=7, joint=Joint.from_units(values, arm, arms=ARMS),
        lines=Joint.from_units(lines, arm, **make), days=Joint.from_units(days, arm, **make),
    )  # fmt: skip
    found = only(deflect(full))
    assert list(found.cumulative) == list(range(1, 8))
    assert found.cumulative[7].to_json() == found.net.to_json()
    assert found.lines["Council Tax"].low == pytest.approx(found.channels["phone"].low)
    assert "Waste" not in found.lines
    with pytest.raises(ValueError, match="no covariances"):
        compare(full.days, "short").fewer({"day:1": 1.0, "day:2": 1.0})


def test_an_arm_nobody_was_in_is_absent_and_the_others_are_not():
    arm, values = people(n=500)
    joint = Joint.from_units(values, arm, arms=(*ARMS, "empty"))
    result = deflect(DeflectionTables(window_days=7, joint=joint))
    assert [c.arm for c in result.contrasts] == ["short"]
    assert result.absent["empty"].code == "too-few-units"


def test_no_variation_is_absent_and_never_a_zero_width_interval():
    arm, values = people(n=500)
    values["gross"] = np.ones(500)
    found = only(deflect(tables(arm, values)))
    assert found.gross.code == "no-variation"
    assert found.leakage.code == "no-gross-effect"


def test_displacement_adds_up_where_a_channel_is_the_same_for_everybody():
    """Every chat was handled: nothing varies there, and nothing is left out of the sum."""
    arm, values = people(n=2000)
    values["channel:webchat"] = np.ones(2000)
    values["net"] = values["channel:phone"] + 1.0
    (contrast,) = deflect(tables(arm, values)).to_json()["contrasts"]
    assert contrast["displacement"]["webchat"] == 0.0
    assert contrast["channels"]["webchat"]["absent"] == "no-variation"
    assert sum(contrast["displacement"].values()) == pytest.approx(contrast["net"]["estimate"])


def test_json_has_the_contract_fields():
    arm, values = people(n=3000, gross=(0.9, 0.7))
    document = deflect(tables(arm, values)).to_json()
    assert document["per"] == 1000
    assert document["window_days"] == 7
    (contrast,) = document["contrasts"]
    for name in ("gross", "net", "leakage", "avoidable"):
        assert {"estimate", "low", "high"} <= set(contrast[name])
    assert set(contrast["displacement"]) == {"phone", "webchat"}
    assert sum(contrast["displacement"].values()) == pytest.approx(contrast["net"]["estimate"])


def test_a_segment_is_its_people_alone():
    arm, values = people(n=2000)
    has = (np.arange(2000) % 3 > 0).astype(np.int64)
    key = Key(name="has_email", codes=has, levels=("no", "yes"))
    joint = Joint.from_units(values, arm, arms=ARMS, segments={"has_email": key})
    part = deflect(DeflectionTables(window_days=7, joint=joint.segment("has_email", "no")))
    rows = has == 0
    alone = deflect(tables(arm[rows], {k: v[rows] for k, v in values.items()}))
    assert only(part).to_json() == only(alone).to_json()


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="lacks net"):
        tables(np.array([0, 1]), {"gross": np.array([1.0, 0.0])})
    with pytest.raises(ValueError, match="followed"):
        RepeatTable(by="line", arms=("a",), labels=("x",), counts=np.full((1, 1, 1), 2.0),
                    origins=np.ones((1, 1)))  # fmt: skip


def test_repeat_matrix_shares_are_of_the_contacts_at_each_origin():
    table = RepeatTable(
        by="line", arms=("current",), labels=("Benefits", "Council Tax"),
        counts=np.array([[[60.0, 18.0], [0.0, 40.0]]]), origins=np.array([[100.0, 80.0]]),
    )  # fmt: skip
    arm, values = people(n=200)
    joint = tables(arm, values).joint
    rows = deflect(DeflectionTables(window_days=7, joint=joint, repeats=(table,))).repeats
    found = {(r.origin, r.next): r.share for r in rows}
    assert found["Benefits", None].estimate == pytest.approx(0.78)
    assert found["Benefits", "Council Tax"].estimate == pytest.approx(0.18)
    # Wilson's interval for 18 of 100, as published calculators print it: 0.1170 to 0.2667.
    assert found["Benefits", "Council Tax"].low == pytest.approx(0.1170, abs=5e-5)
    assert found["Benefits", "Council Tax"].high == pytest.approx(0.2667, abs=5e-5)


def test_net_and_leakage_intervals_cover_the_truth():
    """600 trials of 4,000 callers: coverage 95% within four Monte Carlo errors (0.0089 each)."""
    rng = np.random.default_rng(11)
    runs, n = 600, 4000
    hits = {"net": 0, "leakage": 0}
    shown = 0
    for _ in range(runs):
        arm, values = people(n=n, gross=(0.87, 0.78), seed=int(rng.integers(2**31)))
        found = only(deflect(tables(arm, values), per=1))
        hits["net"] += found.net.low <= 0.09 * 0.15 <= found.net.high
        if isinstance(found.leakage, Estimate):
            shown += 1
            hits["leakage"] += found.leakage.low <= 0.85 <= found.leakage.high
    error = math.sqrt(0.95 * 0.05 / runs)
    assert shown == runs
    assert hits["net"] / runs == pytest.approx(0.95, abs=4 * error)
    assert hits["leakage"] / runs == pytest.approx(0.95, abs=4 * error)

"""The opportunity model against the published table and hand-worked figures."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from analysis.scaling.opportunity import (
    NUDGE_UNITS,
    PlausibleEffect,
    Reason,
    find,
    totals_by_topic,
    wilson,
)
from analysis.scaling.reason_table import read_reasons
from trials.errors import Invalid, Unavailable
from trials.resources import folder
from web.cli.opportunity import opportunity

TABLE = folder("templates") / "reference" / "chart2.csv"


def reasons():
    return read_reasons(TABLE.read_text(encoding="utf-8"))


def test_all_23_published_percentages_recompute():
    rows = list(csv.DictReader(TABLE.open(encoding="utf-8")))
    assert len(rows) == 23
    for row in rows:
        share = 100 * int(row["no_email"]) / int(row["calls"])
        assert round(share, 1) == float(row["published_percent"]), row["reason"]


def test_the_published_totals():
    found = find(reasons(), effect=NUDGE_UNITS, seed=1)
    assert (found.calls, found.no_email, found.addressable) == (4965, 1607, 3358)
    assert round(100 * found.no_email / found.calls, 1) == 32.4
    topics = totals_by_topic(reasons())
    assert topics["TFB"][0] == 709
    assert round(100 * topics["TFB"][1] / 709, 1) == 31.6
    assert topics["Recycling and Waste"][0] == 2556
    assert round(100 * topics["Recycling and Waste"][1] / 2556, 1) == 33.3


@pytest.mark.parametrize(
    ("name", "addressable"),
    [("Replacement/Upgrade Bin", 1048), ("Bin Enquiry", 392),
     ("Missed Collection (too early/late to report)", 183)],
)  # fmt: skip
def test_published_addressable_volumes(name, addressable):
    found = find(reasons(), effect=NUDGE_UNITS, seed=1)
    row = next(r for r in found.rows if r.reason.reason == name)
    assert row.addressable.median == addressable


def test_rows_are_ranked_by_addressable_volume():
    found = find(reasons(), effect=NUDGE_UNITS, seed=1)
    volumes = [row.addressable.median for row in found.rows]
    assert volumes == sorted(volumes, reverse=True)


@pytest.mark.parametrize(("k", "n"), [(14, 61), (82, 200), (68, 200), (0, 50), (50, 50)])
def test_the_interval_is_wilsons(k, n):
    interval = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert (wilson(k, n).low, wilson(k, n).high) == pytest.approx((interval.low, interval.high))


def test_the_ranking_of_the_waste_permit_is_visibly_soft():
    assert (round(wilson(14, 61).low, 2), round(wilson(14, 61).high, 2)) == (0.14, 0.35)


def test_the_slider_moves_the_addressable_volume_between_all_and_none():
    half = find(reasons(), effect=NUDGE_UNITS, seed=1, proxy_truth=0.5)
    assert half.addressable == 4965 - 0.5 * 1607
    assert find(reasons(), effect=NUDGE_UNITS, seed=1, proxy_truth=0).addressable == 4965
    with pytest.raises(Invalid, match="is not a share"):
        find(reasons(), effect=NUDGE_UNITS, seed=1, proxy_truth=1.5)


def test_calls_prevented_are_the_product_of_their_parts():
    """1,000 calls × 40% avoidable × 70% reachable × 10%: 28, nothing uncertain but the share."""
    sure = PlausibleEffect(mean=0.10, sd=0.0, source="test", dated="2026")
    reason = Reason(
        topic="t", reason="r", calls=100_000, no_email=30_000, avoidable=(0.4, 0.4, 0.4)
    )
    found = find([reason], effect=sure, seed=1)
    assert found.rows[0].preventable.median == pytest.approx(2800, rel=0.002)
    assert found.preventable == found.rows[0].preventable


def test_one_effect_is_shared_by_all_reasons_so_the_total_stays_uncertain():
    sure = (0.5, 0.5, 0.5)
    many = [Reason(topic="t", reason=f"r{i}", calls=10_000, no_email=0, avoidable=sure)
            for i in range(9)]  # fmt: skip
    found = find(many, effect=NUDGE_UNITS, seed=2)
    one, total = found.rows[0].preventable, found.preventable
    assert (total.high - total.low) == pytest.approx(9 * (one.high - one.low), rel=0.01)
    assert total.low < 0 < total.median


def test_an_unjudged_share_is_absent_not_zero():
    found = find(reasons(), effect=NUDGE_UNITS, seed=1)
    assert found.preventable.code == "avoidable-share-unknown"
    judged = Reason(topic="t", reason="r", calls=100, no_email=40, avoidable=(0.1, 0.2, 0.3))
    mixed = find([judged, *reasons()], effect=NUDGE_UNITS, seed=1)
    assert "23 of 24" in mixed.preventable.note


def test_what_the_team_controls_comes_first():
    rows = [Reason(topic="t", reason="big", calls=900, no_email=0, control="influenceable"),
            Reason(topic="t", reason="ours", calls=100, no_email=0, control="controllable")]  # fmt: skip
    found = find(rows, effect=NUDGE_UNITS, seed=1)
    assert [r.reason.reason for r in found.by_control()] == ["ours", "big"]
    small = find([Reason(topic="t", reason="r", calls=49, no_email=3)], effect=NUDGE_UNITS, seed=1)
    assert small.rows[0].small


def test_bad_rows_are_named_with_their_line():
    body = (
        "topic,reason,calls,no_email,avoidable_share,control\n"
        "t,a,10,20,,\nt,b,x,1,,\nt,c,10,1,1.4,\nt,d,10,1,,magic\nt,e,-5,0,,\nt,ok,10,1,0.5,\n"
    )
    with pytest.raises(Invalid) as refused:
        read_reasons(body)
    assert [p.line for p in refused.value.problems] == [2, 3, 4, 5, 6]
    with pytest.raises(Invalid, match="has no column no_email"):
        read_reasons("topic,reason,calls\n")


def test_the_command_ranks_the_published_table_and_files_of_ones_own(tmp_path):
    done = CliRunner().invoke(opportunity, ["--json", "--proxy-truth", "0.5"])
    document = json.loads(done.output)
    assert document["addressable"] == 4965 - 0.5 * 1607
    assert document["proxy"]["truly_excluded_share"] == 0.5
    file = tmp_path / "mine.csv"
    file.write_text('topic,reason,calls,no_email,avoidable_share\nBins,Lost,"1,200",300,0.5\n')
    told = CliRunner().invoke(opportunity, [str(file)])
    assert "900" in told.output
    assert "Bins: Lost" in told.output
    missing = CliRunner().invoke(opportunity, [str(tmp_path / "none.csv")])
    assert isinstance(missing.exception, Unavailable)


def test_the_same_seed_gives_the_same_intervals():
    judged = [Reason(topic="t", reason="r", calls=100, no_email=40, avoidable=(0.1, 0.2, 0.3))]
    a, b, c = (find(judged, effect=NUDGE_UNITS, seed=s).preventable for s in (1, 1, 2))
    assert a == b
    assert not np.isclose(a.high, c.high)

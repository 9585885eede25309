"""Link rates, tiers, bounds and bulk callers in the result of a run."""

from __future__ import annotations

import pytest

from tests.study_log.conftest import call
from trials import clock
from trials.people import bulk

LATE = call("late", 30, phone="02079469999")
"""A stranger's call at the end of the month: the log reaches that far."""


def person(n, arm, *, phone=True, email=False):
    number = f"020 7946 {n:04}" if phone else ""
    return f"P{n},{arm},2026-04-01,{number},{f'p{n}@example.org' if email else ''}\n"


def people(rows):
    return "unit,arm,assigned_at,phone,email\n" + "".join(rows)


def test_rates_and_tiers_are_told_by_arm_and_arms_that_link_alike_pass(calls):
    listed = people([
        *(person(n, "ct"[n % 2], phone=n % 10 != 0 and n % 10 != 1) for n in range(200)),
        *(person(n, "ct"[n % 2], phone=False, email=True) for n in range(200, 240)),
    ])  # fmt: skip

    linking = calls(listed, [call(1, 2, phone="02079460002")])()["linking"]

    control, treated = linking["arms"]
    assert (control["arm"], control["units"], control["linked"]) == ("c", 120, 100)
    assert control["by_tier"] == {"phone": 80, "email": 20}
    assert treated["rate"] == pytest.approx(100 / 120)
    assert control["contacts_by_tier"] == {"phone": 1}
    assert linking["test"]["differs"] is False
    assert linking["bounds"] == []


def test_arms_that_link_differently_fail_and_carry_bounds_on_the_effect(calls):
    """By hand: 100 in each arm; linked 90 and 60; calls 9 and 3 of the linked.

    The rest may all or none have called: the effect is from 3/100 - 19/100 to 43/100 - 9/100.
    """
    listed = people([
        *(person(n, "c", phone=n < 90) for n in range(100)),
        *(person(n, "t", phone=n < 160) for n in range(100, 200)),
    ])  # fmt: skip
    rung = [*range(9), *range(100, 103)]

    made = [call(n, 2, phone=f"0207946{n:04}") for n in rung]
    result = calls(listed, [*made, LATE])()

    (bound,) = result["linking"]["bounds"]
    assert result["linking"]["test"]["differs"] is True
    assert bound["low"] == pytest.approx(3 / 100 - 19 / 100)
    assert bound["high"] == pytest.approx(43 / 100 - 9 / 100)
    assert bound["interval_low"] < bound["low"]
    assert next(c for c in result["checks"] if c["key"] == "link-rate-balance")["verdict"] == "fail"


def test_contacts_that_name_their_arm_show_how_many_of_them_were_linked(calls):
    listed = people([person(n, "ct"[n % 2]) for n in range(20)])
    made = [call(n, 2, phone=f"0207946{n:04}", arm="c") for n in range(4)]
    made += [call(9, 2, phone="02079461111", arm="c"), call(10, 2, phone="02079460001", arm="t")]

    control, treated = calls(listed, made)()["linking"]["arms"]

    assert control["contacts_naming_the_arm"] == {"contacts": 5, "linked": 4}
    assert treated["contacts_naming_the_arm"] == {"contacts": 1, "linked": 1}


@pytest.fixture
def switchboard(store, hasher, tmp_path):
    """List the switchboard's number as a bulk caller."""

    def add(number="020 7946 0000"):
        path = tmp_path / "bulk.csv"
        path.write_text(f"phone,note\n{number},Town hall switchboard\n", encoding="utf-8")
        return bulk.add(store, path, hasher=hasher, actor="t")

    return add


LISTED = people([person(n, "ct"[n % 2]) for n in range(20)])
BUSY = [*(call(n, 2, phone="02079460000") for n in range(5)), LATE]


def handled(result):
    return result["metrics"][0]["arms"][0]["mean"]


def test_a_bulk_caller_listed_before_the_first_analysis_links_nobody(calls, switchboard):
    assert switchboard().added == 1
    assert switchboard().unchanged == 1

    result = calls(LISTED, BUSY)()

    assert handled(result) == 0
    assert result["linking"]["bulk_callers"]["left_out"] == 1
    assert result["linking"]["arms"][0]["linked"] == 9


def test_a_bulk_caller_listed_after_results_were_seen_changes_nothing(calls, switchboard):
    analyse = calls(LISTED, BUSY)
    before = handled(analyse())
    seen = clock.now()
    clock.set_source(lambda: seen.replace(year=seen.year + 1))
    try:
        switchboard()
        after = analyse()
    finally:
        clock.set_source(None)

    assert before == handled(after) == pytest.approx(0.1)
    assert after["linking"]["bulk_callers"] == {"left_out": 0, "listed_after_first_analysis": 1}

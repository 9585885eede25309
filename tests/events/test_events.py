"""What overlaps a trial is found, and said so that anybody understands what it means."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.errors import Invalid
from trials.events import (
    Event,
    bank_holidays,
    clashes,
    is_working_day,
    working_days,
    working_days_after,
)

STARTS, ENDS = date(2026, 6, 1), date(2026, 7, 12)
FAILURE = Event(
    title="Collection rounds failed", starts=date(2026, 6, 15), ends=date(2026, 6, 21),
    kind="service-failure", services=("Waste and Recycling",), lines=("Waste",),
)  # fmt: skip


def only(events, **more):
    (clash,) = clashes(STARTS, ENDS, events, service="Waste and Recycling", **more)
    return clash


def test_a_round_failure_in_the_middle_is_warned_about_in_plain_english():
    clash = only([FAILURE])
    assert (clash.level, clash.when, clash.days) == ("warn", "running", 7)
    assert clash.says == (
        "Collection rounds failed (15 to 21 June 2026) falls on 7 days while the trial runs. "
        "It falls on all arms alike, but may swamp the difference: do not change the split because "
        "of it, nor make up for it afterwards."
    )


def test_where_arms_take_turns_an_event_can_pass_for_an_effect():
    for design in ("switchback", "stepped-wedge"):
        assert "can pass for an effect" in only([FAILURE], design=design).says


def test_days_on_which_contacts_are_still_counted_belong_to_the_trial():
    late = Event(
        title="Summonses", starts=date(2026, 7, 20), ends=date(2026, 7, 20), kind="summons"
    )
    assert clashes(STARTS, ENDS, [late]) == []
    assert clashes(STARTS, ENDS, [late], window_days=7) == []
    clash = only([late], window_days=14)
    assert (clash.when, clash.days) == ("follow-up", 1)
    assert "(20 July 2026) falls on 1 day while contacts are still counted" in clash.says


@pytest.mark.parametrize(
    ("services", "lines", "found"),
    [((), (), True), (("waste and recycling",), (), True), ((), ("WASTE",), True),
     (("Council Tax",), ("Benefits",), False)],
)  # fmt: skip
def test_events_of_other_services_are_left_out(services, lines, found):
    event = Event(title="x", starts=STARTS, ends=STARTS, services=services, lines=lines)
    got = clashes(STARTS, ENDS, [event], service="Waste and Recycling", lines=["Waste"])
    assert bool(got) == found


def test_an_intervention_is_always_a_warning_and_says_what_it_moved():
    staff = Event(title="Ten more agents", starts=STARTS, ends=ENDS, nature="intervention",
                  moved="capacity")  # fmt: skip
    clash = only([staff])
    assert clash.level == "warn"
    assert "moves waits" in clash.says


def test_another_trial_asks_for_one_namespace():
    other = Event(title="Trial form", starts=STARTS, ends=ENDS, kind="trial")
    assert "one namespace" in only([other]).says


def test_bank_holidays_are_those_of_england_that_year():
    """As printed on gov.uk for England and Wales, 2026: Boxing Day falls on a Saturday."""
    year = date(2026, 1, 1), date(2026, 12, 31)
    found = [(c.event.starts.isoformat(), c.level) for c in clashes(*year, bank_holidays(*year))]
    days = {day for day, _ in found}
    assert {"2026-01-01", "2026-04-03", "2026-04-06", "2026-05-04", "2026-05-25", "2026-08-31",
            "2026-12-25", "2026-12-28"} <= days  # fmt: skip
    assert {level for _, level in found} == {"note"}
    assert date(2026, 3, 17).isoformat() not in days  # St Patrick's day is Northern Ireland's


def test_ten_working_days_skip_weekends_and_bank_holidays():
    # Good Friday 3 April and Easter Monday 6 April 2026 lie between.
    assert working_days_after(date(2026, 4, 1), 10) == date(2026, 4, 17)
    assert working_days_after(date(2026, 4, 1), 0) == date(2026, 4, 1)
    assert working_days(date(2026, 4, 2), date(2026, 4, 17)) == 10
    assert not is_working_day(date(2026, 4, 6))


@given(st.dates(date(2020, 1, 1), date(2027, 1, 1)), st.integers(0, 300))
def test_counting_working_days_forwards_and_back_agrees(day, count):
    last = working_days_after(day, count)
    assert working_days(day + timedelta(days=1), last) == count
    assert count == 0 or is_working_day(last)


@given(
    st.dates(date(2026, 5, 1), date(2026, 8, 1)), st.integers(0, 40), st.integers(0, 30)
)  # fmt: skip
def test_a_clash_is_exactly_a_day_in_common(start, length, window):
    event = Event(title="x", starts=start, ends=start + timedelta(days=length))
    days = {start + timedelta(days=i) for i in range(length + 1)}
    trial = {STARTS + timedelta(days=i) for i in range((ENDS - STARTS).days + 1 + window)}
    found = clashes(STARTS, ENDS, [event], window_days=window)
    assert bool(found) == bool(days & trial)
    if found:
        assert found[0].days == len(days & trial)


def test_an_event_that_cannot_be_is_refused_with_everything_wrong():
    with pytest.raises(Invalid) as refused:
        Event(title=" ", starts=ENDS, ends=STARTS)
    assert [p.place for p in refused.value.problems] == ["title", "ends"]

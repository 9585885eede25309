"""When things are due: wall time through both clock changes, working days, and nothing at 01:30."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from trials.clock import LONDON
from trials.errors import SignpostError
from trials.schedules.rules import Rule, following, moments, time_of_day

YEAR = (datetime(2025, 12, 31, 12, tzinfo=UTC), datetime(2026, 12, 31, 12, tzinfo=UTC))


def walls(found):
    return [m.astimezone(LONDON) for m in found]


@pytest.mark.parametrize("at", ["00:30", "02:00", "07:00", "23:59"])
def test_a_daily_time_keeps_its_wall_time_and_comes_once_a_day_through_the_year(at):
    found = moments(Rule(every="day", at=at, days="every-day"), *YEAR)
    days = [m.date() for m in walls(found)]
    assert len(days) == len(set(days)) == 365
    assert {f"{m:%H:%M}" for m in walls(found)} == {at}
    assert found == sorted(found)


def test_the_clock_changes_move_the_utc_moment_by_an_hour():
    rule = Rule(every="day", at="07:00", days="every-day")
    spring = moments(
        rule, datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC)
    )
    autumn = moments(
        rule, datetime(2026, 10, 23, 12, tzinfo=UTC), datetime(2026, 10, 25, 12, tzinfo=UTC)
    )
    assert [m.hour for m in spring] == [7, 6]
    assert [m.hour for m in autumn] == [6, 7]


@pytest.mark.parametrize("at", ["01:00", "01:30", "01:59", "7:00", "24:00", "noon", ""])
def test_times_that_go_missing_or_come_twice_are_refused(at):
    with pytest.raises(SignpostError):
        time_of_day(at)


def test_working_days_leave_out_weekends_and_englands_bank_holidays():
    found = walls(moments(Rule(every="day", at="07:00"), *YEAR))
    days = {m.date() for m in found}
    # gov.uk/bank-holidays for England and Wales, 2026
    closed = {date(2026, 1, 1), date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 4),
              date(2026, 5, 25), date(2026, 8, 31), date(2026, 12, 25), date(2026, 12, 28)}  # fmt: skip
    assert not days & closed
    assert len(days) == 253 - (1 if date(2026, 12, 31) not in days else 0)


def test_what_falls_on_a_bank_holiday_moves_to_the_next_working_day():
    monday = moments(
        Rule(every="week", at="07:30"),
        datetime(2026, 4, 4, tzinfo=UTC),
        datetime(2026, 4, 11, tzinfo=UTC),
    )
    assert [f"{m:%a %d %B}" for m in walls(monday)] == ["Tue 07 April"]
    once = following(
        Rule(every="once", at="07:00", first=date(2026, 12, 25)), datetime(2026, 6, 1, tzinfo=UTC)
    )
    assert once.astimezone(LONDON).date() == date(2026, 12, 29)
    later = datetime(2026, 12, 27, tzinfo=UTC)  # between the day it was to be and the day it is
    assert following(Rule(every="once", at="07:00", first=date(2026, 12, 25)), later) == once
    assert following(Rule(every="once", at="07:00", first=date(2026, 12, 25)), once) is None


def test_months_and_quarters_begin_on_their_first_working_day():
    months = walls(moments(Rule(every="month", at="07:30"), *YEAR))
    assert [m.date() for m in months[:3]] == [date(2026, 1, 2), date(2026, 2, 2), date(2026, 3, 2)]
    quarters = walls(moments(Rule(every="quarter", at="07:30"), *YEAR))
    assert [m.month for m in quarters] == [1, 4, 7, 10]


def test_a_rule_holds_between_its_first_and_last_day():
    rule = Rule(
        every="day", at="07:00", days="every-day", first=date(2026, 5, 2), last=date(2026, 5, 4)
    )
    assert [m.astimezone(LONDON).day for m in moments(rule, *YEAR)] == [2, 3, 4]
    assert following(rule, datetime(2026, 5, 4, 12, tzinfo=UTC)) is None
    assert Rule.from_json(rule.to_json()) == rule


def test_the_next_moment_agrees_with_apschedulers_cron_trigger_all_year():
    from apscheduler.triggers.cron import CronTrigger

    trigger = CronTrigger(hour=7, minute=30, timezone=LONDON)
    rule, at = Rule(every="day", at="07:30", days="every-day"), YEAR[0]
    for _ in range(360):
        at = following(rule, at)
        expected = trigger.get_next_fire_time(None, (at - timedelta(seconds=1)).astimezone(LONDON))
        assert at == expected.astimezone(UTC)

"""Times and durations: British dates, both passes of the repeated hour, milliseconds and clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.contacts import durations
from trials.contacts.moments import Moments
from trials.contacts.record import Fault

LONDON = ZoneInfo("Europe/London")


def utc(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("2022-07-04T09:30:00Z", "2022-07-04T09:30:00"),
     ("2022-07-04T09:30:00+01:00", "2022-07-04T08:30:00"),
     ("2022-07-04 09:30:00.123 UTC", "2022-07-04T09:30:00"),
     ("2022-07-04 09:30", "2022-07-04T08:30:00"),          # summer time
     ("2022-01-04 09:30:15", "2022-01-04T09:30:15"),       # winter
     ("04/07/2022 09:30", "2022-07-04T08:30:00"),          # day first, not 7 April
     ("4.7.22, 9:30", "2022-07-04T08:30:00"),
     ("04/07/2022 09:30:00 PM", "2022-07-04T20:30:00"),
     ("04/07/2022 12:05 am", "2022-07-03T23:05:00"),
     ("4 July 2022 09:30", "2022-07-04T08:30:00"),
     ("Mon, 4 Jul 2022 09:30:00 GMT", "2022-07-04T09:30:00"),
     ("04-Jul-22 09:30:00 BST", "2022-07-04T08:30:00"),
     ("20220704T093000Z", "2022-07-04T09:30:00"),
     ("1656927000", "2022-07-04T09:30:00"),
     ("1656927000123", "2022-07-04T09:30:00"),
     ("1656927000123456", "2022-07-04T09:30:00"),
     ("04/07/2022", "2022-07-04T11:00:00")],               # noon in London
)  # fmt: skip
def test_times_are_read_as_british_systems_write_them(text, wanted):
    assert Moments().read(text) == utc(wanted)


def test_american_order_is_read_only_when_asked_for():
    assert Moments(order="mdy").read("07/04/2022 09:30") == utc("2022-07-04T08:30:00")
    assert isinstance(Moments().read("07/14/2022 09:30"), Fault)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "31/02/2022 10:00", "2022-13-01 00:00", "44746.39", "1812-01-01 00:00",
             "2999-01-01 00:00", "2022-07-04 25:00", "04/07/2022 13:00 PM", "0000-00-00 00:00:00",
             "٣", "9999999999999999", "2022-07-04T09:30:00+99:00"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text):
    assert isinstance(Moments().read(text), Fault)


OCTOBER = [
    # (wall time in the file, UTC) in ascending order, from a clock that went back at 02:00 BST
    ("2022-10-30 00:30:00", "2022-10-29T23:30:00"),
    ("2022-10-30 01:10:00", "2022-10-30T00:10:00"),
    ("2022-10-30 01:50:00", "2022-10-30T00:50:00"),
    ("2022-10-30 01:05:00", "2022-10-30T01:05:00"),
    ("2022-10-30 01:55:00", "2022-10-30T01:55:00"),
    ("2022-10-30 02:10:00", "2022-10-30T02:10:00"),
]


def test_both_passes_of_the_repeated_hour_are_told_apart_by_an_ascending_file():
    moments = Moments()
    before = moments.read("2022-10-29 12:00:00")
    assert before == utc("2022-10-29T11:00:00")
    assert [moments.read(wall) for wall, _ in OCTOBER] == [utc(u) for _, u in OCTOBER]
    assert moments.guessed == 0


def test_both_passes_of_the_repeated_hour_are_told_apart_by_a_descending_file():
    moments = Moments()
    moments.read("2022-10-31 12:00:00")
    backwards = OCTOBER[::-1]
    assert [moments.read(wall) for wall, _ in backwards] == [utc(u) for _, u in backwards]


def test_without_order_the_repeated_hour_is_the_first_pass_and_is_counted():
    moments = Moments()
    for text in ("2022-10-29 12:00:00", "2022-10-28 12:00:00", "2022-10-29 12:30:00"):
        moments.read(text)
    assert moments.read("2022-10-30 01:30:00") == utc("2022-10-30T00:30:00")
    assert moments.read("2022-10-30 01:20:00") == utc("2022-10-30T00:20:00")
    assert moments.guessed == 2


def test_a_time_the_clocks_skipped_in_march_is_read_as_winter_time():
    assert Moments().read("2022-03-27 01:30:00") == utc("2022-03-27T01:30:00")


@given(st.integers(utc("1997-01-01T00:00:00"), utc("2025-01-01T00:00:00")))
@settings(max_examples=400)
def test_wall_times_come_back_to_the_same_second(seconds):
    """Any second outside the repeated hour survives being written as London wall time."""
    wall = datetime.fromtimestamp(seconds, LONDON)
    again = wall.replace(fold=0)
    if again.utcoffset() == wall.replace(fold=1).utcoffset():
        assert Moments().read(f"{wall:%d/%m/%Y %H:%M:%S}") == seconds


def test_every_hour_of_a_year_in_order_is_read_exactly():
    """A file with one contact every twenty minutes of 2022, both passes of October included."""
    start = datetime(2022, 1, 1, tzinfo=UTC)
    moments = Moments()
    for step in range(365 * 72):
        moment = start + timedelta(minutes=20 * step)
        wall = moment.astimezone(LONDON)
        assert moments.read(f"{wall:%Y-%m-%d %H:%M:%S}") == int(moment.timestamp())


@pytest.mark.parametrize(
    ("text", "unit", "wanted"),
    [("90", "s", 90), ("90000", "ms", 90), ("1.5", "min", 90), ("00:01:30", "ms", 90),
     ("1:30", "s", 90), ("1m 30s", "s", 90), ("1 minute 30 seconds", "s", 90), ("PT1M30S", "s", 90),
     ("0", "s", 0), ("12.5", "s", 13), ("12.49", "s", 12), ("499", "ms", 0), ("500", "ms", 1),
     ("1,234", "s", 1234), ("1 day 01:00:00", "s", 90_000), ("26:00:00", "s", 93_600),
     ("00:00:07.5", "s", 8)],
)  # fmt: skip
def test_durations_in_every_usual_form_are_whole_seconds(text, unit, wanted):
    assert durations.seconds(text, unit) == wanted


@pytest.mark.parametrize(
    "text",
    ["-5", "1:75", "00:61:00", "soon", "", "1e9", "9" * 39, "666000000", "::", "P", "PT", "½"],
)
def test_what_is_no_duration_or_too_long_to_be_true_is_refused(text):
    assert isinstance(durations.seconds(text), Fault)


SAYS = {
    "not a date and time that can be read", "before 1990", "in the future",
    "a spreadsheet's serial number", "not a duration", "longer than thirty days",
}  # fmt: skip


@given(st.text(max_size=50))
@settings(max_examples=500)
def test_any_text_is_a_time_a_duration_or_a_fault_in_fixed_words(text):
    """The words of a fault are fixed, so that they cannot repeat what a cell held."""
    for done in (Moments().read(text), durations.seconds(text)):
        assert isinstance(done, int) or (done.says in SAYS and done.remedy)

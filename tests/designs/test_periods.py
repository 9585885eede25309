"""Switchback and stepped wedge: schedules by the clock."""

import importlib.util
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import icalendar
import numpy as np
import pytest
from scipy import stats

from trials import lifecycle, registry
from trials.definition import hours
from trials.definition.model import About, Analysis, Arm, Design, Metric, Trial
from trials.designs import Roster, switchback_for, wedge_for
from trials.designs.stepped_wedge import SteppedWedge
from trials.designs.switchback import Calendar, Switchback, bank_holidays
from trials.errors import Conflict, Invalid
from trials.schedule_sheet import sheet

spec = importlib.util.spec_from_file_location("by_hand", Path(__file__).with_name("by_hand.py"))
by_hand = importlib.util.module_from_spec(spec)
spec.loader.exec_module(by_hand)

OFFICE = hours.parse(["Mon-Fri 09:00-17:00"])


def line(
    starts=date(2026, 4, 1),
    ends=date(2026, 6, 23),
    *,
    period=3600,
    burn_in=300,
    opening=OFFICE,
    closed=(),
):
    calendar = Calendar(starts, ends, opening, frozenset(closed))
    return Switchback(("today", "short"), (1, 1), calendar, period, burn_in)


def test_each_weekday_and_hour_is_shared_out_exactly():
    """Twelve weeks of office hours, less bank holidays: every stratum within one of even."""
    closed = bank_holidays(date(2026, 4, 1), date(2026, 6, 23))
    assert closed == {date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 4), date(2026, 5, 25)}
    schedule = line(closed=closed).draw(seed=1, trial="ivr")
    weekdays = sum((date(2026, 4, 1) + timedelta(i)).weekday() < 5 for i in range(84))
    assert len(schedule.periods) == (weekdays - 4) * 8
    assert len(schedule.allocation.strata) == 40
    counts = Counter(zip(schedule.allocation.stratum.tolist(), schedule.arm.tolist(), strict=True))
    for stratum in range(40):
        assert abs(counts[stratum, 0] - counts[stratum, 1]) <= 1
    assert not any(p.starts.date() in closed for p in schedule.periods)
    assert ("Monday", "09:00") in schedule.allocation.strata


def test_within_an_hour_the_weeks_are_balanced_early_and_late():
    """Permuted blocks of 4, 6 or 8 weeks: a stratum is never more than 4 periods out of balance."""
    schedule = line(date(2026, 1, 5), date(2026, 12, 27)).draw(seed=7, trial="ivr")
    for stratum in range(40):
        codes = schedule.arm[schedule.allocation.stratum == stratum]
        assert np.abs(np.cumsum(np.where(codes == 0, 1, -1))).max() <= 4


def test_nine_o_clock_stays_nine_o_clock_when_the_clocks_change():
    schedule = line(date(2026, 3, 23), date(2026, 4, 3)).draw(seed=1, trial="t")
    first = {p.starts.date(): p.starts for p in reversed(schedule.periods)}
    assert first[date(2026, 3, 27)] == datetime(2026, 3, 27, 9, tzinfo=UTC)
    assert first[date(2026, 3, 30)] == datetime(2026, 3, 30, 8, tzinfo=UTC)
    assert {r["from"] for r in schedule.rows()} == {f"{h:02}:00" for h in range(9, 17)}


def test_a_line_that_never_closes_is_covered_without_gap_through_both_clock_changes():
    for starts, ends, length in [
        (date(2026, 3, 27), date(2026, 3, 31), 5 * 24 - 1),
        (date(2026, 10, 23), date(2026, 10, 27), 5 * 24 + 1),
    ]:
        periods = line(starts, ends, opening=hours.ALWAYS, burn_in=0).periods()
        assert all(a.ends == b.starts for a, b in pairwise(periods))
        assert periods[-1].ends - periods[0].starts == timedelta(hours=length)
        assert len(periods) == 5 * 24 - (length < 5 * 24)


def test_a_last_period_ends_with_the_day_and_one_of_burn_in_alone_is_left_out():
    opening = {0: ((time(9), time(11, 30)), (time(13), time(14, 4)))}
    periods = line(date(2026, 6, 1), date(2026, 6, 1), opening=opening, burn_in=300).periods()
    lengths = [(p.ends - p.starts).total_seconds() / 60 for p in periods]
    assert lengths == [60, 60, 30, 60]


def test_periods_of_days_run_from_opening_to_closing():
    day = line(date(2026, 6, 1), date(2026, 6, 14), period=86_400).periods()
    assert len(day) == 10
    assert day[0].stratum == ("Monday",)
    assert day[0].ends - day[0].starts == timedelta(hours=8)
    week = line(date(2026, 6, 1), date(2026, 6, 28), period=604_800).periods()
    assert len(week) == 4
    assert week[0].ends - week[0].starts == timedelta(days=4, hours=8)


def test_moments_are_found_in_their_period_and_burn_in_is_marked():
    schedule = line(date(2026, 6, 1), date(2026, 6, 5)).draw(seed=2, trial="t")
    at = [
        datetime(2026, 6, 1, h, m, tzinfo=UTC)
        for h, m in [(7, 59), (8, 0), (8, 4), (8, 5), (8, 59), (15, 59), (16, 0)]
    ]
    found, burnt = schedule.lookup(np.array([int(t.timestamp()) for t in at]))
    assert found.tolist() == [-1, 0, 0, 0, 0, 7, -1]
    assert burnt.tolist() == [False, True, True, False, False, False, False]
    for moment, i, burn in zip(at, found.tolist(), burnt.tolist(), strict=True):
        slot = schedule.at(moment)
        assert (slot is None) == (i < 0)
        assert slot is None or (slot.period, slot.arm, slot.burn_in) == (i, schedule.arm[i], burn)


def test_the_schedule_is_reproducible_and_its_redraws_have_its_distribution():
    """Each of 40 periods is equally often in either arm over 2,000 redraws (4.5 standard errors)."""
    design = line(date(2026, 6, 1), date(2026, 6, 5))
    schedule = design.draw(seed=2, trial="t")
    assert (design.draw(seed=2, trial="t").arm == schedule.arm).all()
    redraw, rng = design.redraws(schedule.allocation), np.random.default_rng(1)
    mean = np.mean([redraw(rng) for _ in range(2000)], axis=0)
    assert np.abs(mean - 0.5).max() < 4.5 * 0.5 / 2000**0.5
    seeds = np.mean([design.draw(seed=s, trial="t").arm for s in range(600)], axis=0)
    assert np.abs(seeds - 0.5).max() < 4.5 * 0.5 / 600**0.5


def test_the_calendar_file_read_back_holds_every_switch():
    schedule = line(date(2026, 6, 1), date(2026, 6, 12)).draw(seed=3, trial="ivr")
    text = schedule.icalendar(
        made=datetime(2026, 5, 1, tzinfo=UTC), titles={"short": "Short greeting"}
    )
    events = icalendar.Calendar.from_ical(text).walk("VEVENT")
    assert len({str(e["uid"]) for e in events}) == len(events)
    for period, arm in zip(schedule.periods, schedule.arm.tolist(), strict=True):
        over = [
            e for e in events if e["dtstart"].dt <= period.starts and period.ends <= e["dtend"].dt
        ]
        assert [str(e["summary"]) for e in over] == [["today", "Short greeting"][arm]]
    ordered = sorted(events, key=lambda e: e["dtstart"].dt)
    for a, b in pairwise(ordered):
        assert a["dtend"].dt <= b["dtstart"].dt
        assert a["dtend"].dt < b["dtstart"].dt or a["summary"] != b["summary"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"burn_in": 3600}, "not shorter than the period"),
        ({"period": 100_000}, "not a whole number of days"),
        ({"opening": {}}, "never open"),
    ],
)
def test_a_schedule_that_cannot_be_drawn_is_refused(changes, says):
    with pytest.raises(Invalid, match=says):
        line(**changes).periods()


def trial(**design):
    about = About(key="t", title="T", starts=date(2026, 4, 1), ends=date(2026, 6, 30))
    metric = Metric(key="m", role="primary", kind="proportion", source="outcomes")
    arms = (Arm(key="a", control=True), Arm(key="b"))
    return Trial(
        about=about, design=Design(**design), arms=arms, metrics=(metric,), analysis=Analysis()
    )


def test_a_trial_file_gives_its_calendar():
    always = switchback_for(trial(kind="switchback", period="1h"))
    assert len(always.periods()) == 91 * 24
    office = switchback_for(trial(kind="switchback", period="1h", hours=("Mon-Fri 09:00-17:00",)))
    assert date(2026, 4, 3) in office.calendar.closed
    opened = switchback_for(
        trial(kind="switchback", period="1h", hours=("Mon-Fri 09:00-17:00",), bank_holidays="open")
    )
    assert len(opened.periods()) - len(office.periods()) == 4 * 8


@pytest.mark.parametrize(
    ("lines", "spans"),
    [
        (["Mon-Fri 09:00-17:00"], {d: ["09:00-17:00"] for d in range(5)}),
        (["Sat 10:00-12:00, 13:00–16:00"], {5: ["10:00-12:00", "13:00-16:00"]}),
        (["Fri to Mon 9:00 to 24:00"], {d: ["09:00-00:00"] for d in (4, 5, 6, 0)}),
        (["Mon 13:00-17:00", "Monday 09:00-12:00"], {0: ["09:00-12:00", "13:00-17:00"]}),
    ],
)
def test_opening_hours_are_read_as_people_write_them(lines, spans):
    read = hours.parse(lines)
    assert {d: [f"{a:%H:%M}-{b:%H:%M}" for a, b in s] for d, s in read.items()} == spans


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("weekdays", "is not like"), ("T 09:00-17:00", "not a day"), ("Mon 9-5", "is not like"),
        ("Mon 17:00-09:00", "does not end after"), ("Mon 25:00-26:00", "not a time of day"),
        ("Mon 09:00-12:00, 11:00-13:00", "overlap"), ("Xyz 09:00-10:00", "not a day"),
    ],
)  # fmt: skip
def test_opening_hours_that_cannot_be_read_say_why(text, says):
    with pytest.raises(ValueError, match=says):
        hours.parse([text])


WEDGE = SteppedWedge(date(2026, 1, 5), date(2026, 3, 1), 14 * 86_400)


def test_clusters_go_over_in_even_groups_and_never_come_back():
    clusters = [f"round {i}" for i in range(10)]
    wedge = WEDGE.draw(Roster(clusters), seed=1, trial="t")
    assert len(wedge.starts) == 4
    assert sorted(np.bincount(wedge.sequence).tolist()) == [3, 3, 4]
    treated = wedge.treated()
    assert treated.shape == (10, 4)
    assert (treated[:, 0] == 0).all()
    assert (treated[:, -1] == 1).all()
    assert (np.diff(treated, axis=1) >= 0).all()
    for cluster, row in zip(clusters, treated, strict=True):
        assert wedge.crosses(cluster) == wedge.starts[int(np.argmax(row))]
    assert wedge.period(date(2026, 1, 18)) == 0
    assert wedge.period(date(2026, 1, 19)) == 1
    assert wedge.period(date(2026, 3, 2)) is None
    assert [r["sequence"] for r in wedge.rows()] == sorted(r["sequence"] for r in wedge.rows())


def test_every_cluster_is_as_likely_in_every_sequence():
    roster = Roster([f"c{i}" for i in range(6)])
    wedge = WEDGE.draw(roster, seed=1, trial="t")
    redraw, rng = WEDGE.redraws(wedge.allocation), np.random.default_rng(2)
    drawn = np.array([WEDGE.draw(roster, seed=s, trial="t").sequence for s in range(900)])
    again = np.array([redraw(rng) for _ in range(900)])
    for draws in (drawn, again):
        for cluster in range(6):
            assert stats.chisquare(np.bincount(draws[:, cluster], minlength=3)).pvalue > 0.0005


def test_a_wedge_that_cannot_be_drawn_is_refused():
    with pytest.raises(Invalid, match="needs three or more"):
        SteppedWedge(date(2026, 1, 5), date(2026, 2, 1), 14 * 86_400).periods()
    with pytest.raises(Invalid, match="whole number of days"):
        SteppedWedge(date(2026, 1, 5), date(2026, 2, 1), 3600).periods()
    with pytest.raises(Invalid, match="would be given no unit"):
        WEDGE.draw(Roster(["a", "b"]), seed=1, trial="t")
    design = wedge_for(trial(kind="stepped-wedge", period="2w", cluster="round"))
    assert [len(design.periods()), design.periods()[-1]] == [7, date(2026, 6, 24)]


def test_a_short_last_period_joins_the_one_before():
    joined = SteppedWedge(date(2026, 1, 5), date(2026, 3, 5), 14 * 86_400)
    kept = SteppedWedge(date(2026, 1, 5), date(2026, 3, 8), 14 * 86_400)
    assert (len(joined.periods()), len(kept.periods())) == (4, 5)


def test_a_wedge_is_printed_as_it_is_drawn_and_put_into_a_calendar(sqlite_store, tmp_path):
    """The sheet of ``trial schedule --clusters`` against the draw by hand from its published rule."""
    clusters = tmp_path / "rounds.csv"
    clusters.write_text("round\n" + "".join(f"R{i}\n" for i in range(6)) + "R0\n")
    with sqlite_store.write() as session:
        registry.add(session, trial(kind="stepped-wedge", period="4w", cluster="round", seed=11),
                     actor="test")  # fmt: skip
        lifecycle.launch(session, "t", actor="test")
    with sqlite_store.read() as session:
        with pytest.raises(Conflict, match="name a file of them with --clusters FILE"):
            sheet(session, "t")
        made = sheet(session, "t", clusters=clusters)
    starts = wedge_for(trial(kind="stepped-wedge", period="4w", cluster="round")).periods()
    steps = [f"step-{i}" for i in range(1, len(starts))]
    drawn = by_hand.draw({f"R{i}": "" for i in range(6)}, arms=steps, ratio=[1] * len(steps), seed=11,
                   trial="t", blocks=False)  # fmt: skip
    assert {r["cluster"]: r["sequence"] for r in made.rows} == {
        cluster: step.removeprefix("step-") for cluster, step in drawn.items()
    }
    assert all(r["goes_over"] == starts[int(r["sequence"])].isoformat() for r in made.rows)
    events = icalendar.Calendar.from_ical(made.icalendar).walk("VEVENT")
    assert sorted(e.decoded("dtstart").isoformat() for e in events) == sorted(
        r["goes_over"] for r in made.rows
    )


def test_a_cluster_in_two_strata_is_refused_with_its_line(sqlite_store, tmp_path):
    clusters = tmp_path / "rounds.csv"
    clusters.write_text("round,depot\n" + "".join(f"R{i},a\n" for i in range(6)) + "R0,b\n")
    plan = trial(kind="stepped-wedge", period="4w", cluster="round", seed=11, strata=["depot"])
    with sqlite_store.write() as session:
        registry.add(session, plan, actor="test")
        lifecycle.launch(session, "t", actor="test")
    with (
        sqlite_store.read() as session,
        pytest.raises(Invalid, match="cluster 'R0' is in another stratum above"),
    ):
        sheet(session, "t", clusters=clusters)

"""Exposures from GA4 find their unit, or are left out and counted."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from trials import lifecycle, registry
from trials.clock import from_epoch
from trials.errors import Invalid
from trials.importing import assignments, met
from trials.store.tables import ArmRow, ExposureRow, UnitRow

KEY = "council-tax-reminder"
PEOPLE = (
    "unit,arm,assigned_at,band,email,phone,session\n"
    "A1,current,2026-04-01,D,jo@example.org,07700 900001,11.22\n"
    "A2,one-thing,2026-04-01,C,sam@example.org,07700 900002,33.44\n"
    "A3,one-thing,2026-04-01,C,,07700 900002,\n"
)


@pytest.fixture
def take(store, trial, hasher, tmp_path):
    """Import an export of some source into a trial of three people; answers the report."""
    with store.write() as session:
        registry.add(session, trial, actor="test")
        lifecycle.launch(session, trial.key, actor="test")
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)
    assignments.add(store, KEY, path, hasher=hasher, actor="test")

    def run(source, text, **options):
        path = tmp_path / "export"
        path.write_text(text, encoding="utf-8")
        return met.add(store, KEY, path, source=source, hasher=hasher, actor="test", **options)

    return run


@pytest.fixture
def exposed(store, hasher):
    """Who was exposed when, and to which arm."""
    names = {hasher.unit(KEY, name): name for name in ("A1", "A2", "A3")}

    def go():
        with store.read() as session:
            rows = session.execute(
                sa.select(UnitRow.digest, ExposureRow.exposed_at, ArmRow.key)
                .join(ExposureRow, ExposureRow.unit_id == UnitRow.id)
                .join(ArmRow, ArmRow.id == ExposureRow.arm_id, isouter=True)
            )
            return {(names[bytes(d)], f"{from_epoch(at):%d %H:%M}", arm) for d, at, arm in rows}

    return go


def impression(session, variant, name="experience_impression"):
    return f"{name},1775296800000000,{session},SPST-{variant}\n"


GA4 = "event_name,event_timestamp,user_pseudo_id,exp_variant_string\n"


def test_a_visitor_is_found_by_the_session(take, exposed):
    text = GA4 + (
        impression("33.44", f"{KEY}-one-thing")
        + impression("99.99", f"{KEY}-current") + impression("", f"{KEY}-current")
        + impression("11.22", "other-trial-current") + impression("11.22", "x", "page_view")
    )  # fmt: skip
    report = take("ga4", text)

    assert exposed() == {("A2", "04 10:00", "one-thing")}
    assert (report.rows, report.added, report.refused) == (4, 1, 0)
    assert sum(int(note.split()[0]) for note in report.notes) == 3
    assert take("ga4", text).repeated
    assert take("ga4", text + "\n").added == 0


def test_a_variant_that_is_no_arm_is_refused_by_line_and_nothing_is_kept(take, exposed):
    with pytest.raises(Invalid) as refused:
        take("ga4", GA4 + impression("11.22", f"{KEY}-current") + impression("11.22", f"{KEY}-B"))
    assert [problem.line for problem in refused.value.problems] == [3]
    assert exposed() == set()

"""The files of a rehearsal are those that the importers take, and no real person is in them."""

import csv
import hashlib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from trials.contacts import taxonomy
from trials.contacts.record import Contact
from trials.contacts.sources import eight_by_eight as importer
from trials.contacts.sources import plain
from trials.errors import Invalid, NotFound
from trials.people.identifiers import normalise
from trials.simulate import calibration, eight_by_eight, hours, rehearsal, run, wychbridge
from trials.simulate.files import Names

LONDON = ZoneInfo("Europe/London")
KEYS = list(wychbridge.SPECIMENS)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def digest(folder):
    return {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())
    }  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_every_contact_of_every_specimen_is_taken_by_the_importer(made, key):
    files = made(key)
    with (files.made.folder / "contacts.csv").open("rb") as stream:
        items = list(plain.read(stream))
    assert len(items) == files.made.rows["contacts"]
    assert all(isinstance(item, Contact) for item in items)
    assert {code for item in items for _, code in item.unusable} <= {"withheld"}


@pytest.mark.parametrize(
    ("header", "durations"),
    [("labels", "hh:mm:ss"), ("labels", "seconds"), ("keys", "milliseconds")],
)
def test_the_8x8_export_is_read_back_as_the_same_contacts(made, tmp_path, header, durations):
    """Labels go with clock times or seconds, keys with milliseconds, as the platform has it."""
    files, target = made("highways-replies"), tmp_path / "export.csv"
    n = eight_by_eight.export(
        files.made.folder / "contacts.csv", target, header=header, durations=durations
    )
    with target.open("rb") as stream:
        got = {item.contact_id: item for item in importer.read(stream)}
    with (files.made.folder / "contacts.csv").open("rb") as stream:
        wanted = {c.contact_id: c for c in plain.read(stream) if c.channel != "form"}
    assert n == len(got) == len(wanted)
    for contact_id, contact in wanted.items():
        found = got[contact_id]
        for field in ("occurred_at", "channel", "line", "reason", "outcome", "handled",
                      "identifiers"):  # fmt: skip
            assert getattr(found, field) == getattr(contact, field), field
        assert (found.handle_seconds or None) == (contact.handle_seconds or None)


def test_the_map_of_reasons_covers_every_code_of_the_log(made):
    files = made("council-tax-reminder")
    with (files.made.folder / "reasons.csv").open("rb") as stream:
        known = taxonomy.read(stream)
    codes = {r["reason"] for r in rows(files.made.folder / "contacts.csv")} - {""}
    assert len(codes) > 8
    assert codes <= {reason.code for reason in known.reasons}


@pytest.mark.parametrize("key", KEYS)
def test_identifiers_are_drama_numbers_and_example_addresses(made, key):
    """Every number lies in a range that Ofcom sets aside for drama; none is used twice."""
    units = rows(made(key).made.folder / "units.csv")
    phones = [r["phone"] for r in units if r["phone"]]
    assert all(any(p.startswith(prefix) for prefix in calibration.DRAMA) for p in phones)
    assert len(set(phones)) == len(phones)
    for r in units[:200]:
        for kind in ("phone", "email", "account"):
            assert not r[kind] or isinstance(normalise(kind, r[kind]), str)
        assert not r["email"] or r["email"].endswith("@example.org")


def test_no_two_specimens_share_an_identifier(made):
    """Otherwise a contact of one trial would count in another."""
    seen: set[str] = set()
    for key in KEYS:
        units = rows(made(key).made.folder / "units.csv")
        mine = {r[k] for r in units for k in ("phone", "email", "account") if r[k]}
        assert not mine & seen
        seen |= mine


def test_all_drama_numbers_are_whole_telephone_numbers():
    names = Names("x", "unit", phones=calibration.DRAMA_NUMBERS, phones_from=0)
    everyone = np.arange(0, calibration.DRAMA_NUMBERS, 137)
    for phone in names.phone(everyone, np.ones(len(everyone), dtype=bool)).to_pylist():
        assert normalise("phone", phone).startswith("+44"), phone


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(plan, tmp_path):
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    run.simulate(plan("housing-next-steps"), first)
    run.simulate(plan("housing-next-steps"), again)
    run.simulate(plan("housing-next-steps", seed=9), other)
    assert digest(first) == digest(again)
    assert digest(first)["contacts.csv"] != digest(other)["contacts.csv"]


def test_more_units_do_not_change_those_of_whole_chunks(plan, tmp_path, monkeypatch):
    monkeypatch.setattr("trials.simulate.people.CHUNK", 200)
    for n in (400, 600):
        run.simulate(plan("housing-next-steps", units=n), tmp_path / str(n))
    few, more = (rows(tmp_path / str(n) / "assignments.csv") for n in (400, 600))
    assert more[:400] == few
    ids = [r["contact_id"] for r in rows(tmp_path / "600" / "contacts.csv")]
    assert len(set(ids)) == len(ids)


def test_progress_counts_units(plan, tmp_path, monkeypatch):
    monkeypatch.setattr("trials.simulate.people.CHUNK", 150)
    told: list[int] = []
    run.simulate(plan("housing-next-steps"), tmp_path, progress=told.append)
    assert told == [150, 300, 360]


def test_calls_come_in_opening_hours_and_never_on_a_bank_holiday(made):
    for key in ("ivr-council-tax", "highways-replies"):
        when = [
            datetime.fromisoformat(r["occurred_at"]).astimezone(LONDON)
            for r in rows(made(key).made.folder / "contacts.csv")
            if r["channel"] == "phone"
        ]
        assert all(8 <= w.hour < 18 and w.weekday() < 5 for w in when)
        assert not {w.date().isoformat() for w in when} & {"2026-05-04", "2026-05-25"}


def test_opening_hours_keep_to_london_through_both_changes_of_the_clock():
    for month in (3, 10):
        days = datetime(2026, month, 1).date(), datetime(2026, month, 31).date()
        calls = hours.profile(calibration.open_hours(), *days, closed_on_holidays=True)
        share = np.random.default_rng(0).random(4000)
        first, last = int(calls.hour[0]), int(calls.hour[-1])
        local = [
            datetime.fromtimestamp(t, UTC).astimezone(LONDON)
            for t in calls.arrivals(first, last, share)
        ]
        assert {t.utcoffset().seconds for t in local} == {0, 3600}
        assert all(8 <= t.hour < 18 and t.weekday() < 5 for t in local)


def test_delays_keep_their_order_and_their_weeks():
    days = datetime(2026, 3, 2).date(), datetime(2026, 6, 1).date()
    calls = hours.profile(calibration.open_hours(), *days, closed_on_holidays=True)
    delay = np.sort(np.random.default_rng(1).random(2000) * 28)
    for start in (calls.hour[0] + 10 * 3600, calls.hour[0] + 6 * 86400 + 100):
        when = calls.after(np.full(2000, start), delay, block=7.0)
        assert (np.diff(when) >= 0).all()
        assert (np.floor((when - start) / (7 * 86400)) == np.floor(delay / 7)).all()


def test_letters_of_a_batch_are_sent_on_one_day_and_arrive_on_several(made):
    folder = made("council-tax-reminder").made.folder
    given = rows(folder / "assignments.csv")
    sent = {(r["batch"], r["assigned_at"]) for r in given}
    assert len(sent) == 3
    exposed = rows(folder / "exposures.csv")
    assert len({r["exposed_at"][:10] for r in exposed}) >= 9
    assert len(exposed) / len(given) == pytest.approx(0.99, abs=0.003)


def test_strata_are_balanced_within_one_unit_of_their_share(made):
    given = rows(made("webchat-closing").made.folder / "assignments.csv")
    cells: dict[tuple, dict[str, int]] = {}
    for r in given:
        cell = cells.setdefault((r["topic"], r["team"]), {})
        cell[r["arm"]] = cell.get(r["arm"], 0) + 1
    assert len(cells) == 6
    assert all(max(c.values()) - min(c.values()) <= 1 for c in cells.values())


def test_a_cluster_has_one_arm_and_one_category(made):
    given = rows(made("highways-replies").made.folder / "assignments.csv")
    places: dict[str, set] = {}
    for r in given:
        places.setdefault(r["place"], set()).add((r["arm"], r["category"]))
    assert all(len(found) == 1 for found in places.values())
    assert len(given) / len(places) == pytest.approx(1.3, abs=0.05)


def inline(design, **simulate):
    return {
        "trial": {"key": "t", "title": "T", "starts": datetime(2026, 3, 2).date(),
                  "ends": datetime(2026, 3, 29).date()},
        "design": design,
        "arms": [{"key": "a", "control": True}, {"key": "b"}],
        "metrics": [{"key": "m", "role": "primary", "kind": "count", "window": "7d",
                     "where": {"handled": True}}],
        "simulate": {"units": 3000, "exposure": "message", "baseline": {"contact": 0.2},
                     **simulate},
    }  # fmt: skip


def test_a_switchback_gives_everybody_of_a_period_one_arm(tmp_path):
    found = rehearsal.from_data(inline({"kind": "switchback", "period": "4h"}), name="x")
    run.simulate(found, tmp_path)
    start = datetime(2026, 3, 2, tzinfo=LONDON).timestamp()
    periods: dict[int, set] = {}
    for r in rows(tmp_path / "assignments.csv"):
        at = datetime.fromisoformat(r["assigned_at"]).timestamp()
        periods.setdefault(int((at - start) // (4 * 3600)), set()).add(r["arm"])
    assert all(len(arms) == 1 for arms in periods.values())
    assert set.union(*periods.values()) == {"a", "b"}


def test_a_stepped_wedge_crosses_each_cluster_once_and_all_in_turn(tmp_path):
    design = {"kind": "stepped-wedge", "cluster": "round"}
    run.simulate(rehearsal.from_data(inline(design, clusters=6), name="x"), tmp_path)
    crossed = {}
    for r in sorted(rows(tmp_path / "assignments.csv"), key=lambda r: r["assigned_at"]):
        arms = crossed.setdefault(r["round"], [])
        if not arms or arms[-1][0] != r["arm"]:
            arms.append((r["arm"], r["assigned_at"]))
    assert len(crossed) == 6
    assert all([a for a, _ in arms] == ["a", "b"] for arms in crossed.values())
    assert len({arms[1][1][:10] for arms in crossed.values()}) == 6


def test_few_large_clusters_have_one_arm_each(tmp_path):
    design = {"kind": "cluster", "cluster": "round"}
    run.simulate(rehearsal.from_data(inline(design, clusters=10), name="x"), tmp_path)
    arms: dict[str, set] = {}
    for r in rows(tmp_path / "assignments.csv"):
        arms.setdefault(r["round"], set()).add(r["arm"])
    assert sorted(next(iter(a)) for a in arms.values()) == ["a"] * 5 + ["b"] * 5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"arms": {"c": {}}}, "did you mean 'b'"),
        ({"arms": {"b": {"contcat": 0.1}}}, "use one of contact"),
        ({"units": 1}, "units"),
        ({"arms": {"b": {"by": {"ward": {"x": {"contact": 0.1}}}}}}, "names 'ward'"),
        ({"outcomes": {"paid": {"baseline": 0.5}}}, "which the trial does not have"),
    ],
)
def test_a_rehearsal_that_cannot_be_is_refused_and_says_why(change, says):
    with pytest.raises(Invalid) as refused:
        rehearsal.from_data(inline({"kind": "individual"}, **change), name="x")
    assert any(says in str(problem) for problem in refused.value.problems)


def test_a_share_above_one_is_refused_before_anything_is_drawn(tmp_path):
    data = inline({"kind": "individual"})
    data["simulate"]["baseline"] = {"contact": 0.6, "frequent": {"share": 0.1, "factor": 9.0}}
    with pytest.raises(Invalid, match="lower a factor"):
        run.simulate(rehearsal.from_data(data, name="x"), tmp_path)


def test_a_trial_that_is_neither_template_nor_file_is_named(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('trial = "webchat-closng"\n[simulate]\nunits = 10\nexposure = "contact"\n')
    with pytest.raises(NotFound, match="webchat-closing"):
        rehearsal.read(path)


def test_a_trial_file_beside_the_rehearsal_is_found(tmp_path, plan):
    from trials.definition import toml

    (tmp_path / "mine.toml").write_text(toml.write(plan("housing-next-steps").trial))
    path = tmp_path / "r.toml"
    path.write_text(
        'trial = "mine.toml"\n[simulate]\nunits = 10\nexposure = "message"\n'
        "[simulate.columns]\nneed = { levels = { a = 1 } }\nlanguage = { levels = { en = 1 } }\n"
    )
    assert rehearsal.read(path).trial == plan("housing-next-steps").trial

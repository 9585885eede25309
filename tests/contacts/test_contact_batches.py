"""Contacts sent by a system as it goes: the same rules as a file, and safe to send twice."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from trials.contacts import batch, load
from trials.errors import Invalid
from trials.store.tables import ContactCorrectionRow, ContactRow

ROWS = [
    {"contact_id": "a-1", "occurred_at": "2026-05-01T09:30:00Z", "channel": "phone",
     "outcome": "handled", "handle_seconds": 312, "phone": "020 7946 0001", "resolved": True},
    {"contact_id": "a-2", "occurred_at": "2026-05-01T10:00:00+01:00", "channel": "webchat",
     "email": "ann@example.org", "cost": 2.5, "reason": None},
]  # fmt: skip


def contacts(store) -> list[ContactRow]:
    with store.read() as session:
        return list(session.scalars(sa.select(ContactRow).order_by(ContactRow.occurred_at)))


def send(store, hasher, rows, **options):
    return batch.add_batch(store, rows, source="telephony", hasher=hasher, actor="t", **options)


def test_a_batch_becomes_contacts_with_hashed_identifiers_and_utc_times(store, hasher):
    report = send(store, hasher, ROWS)

    chat, call = contacts(store)
    assert (report.rows, report.added) == (2, 2)
    assert (call.occurred_at, call.handled, call.handle_seconds) == (1_777_627_800, 1, 312)
    assert (chat.occurred_at, chat.cost, chat.code_id) == (1_777_626_000, 2.5, None)
    expected = int.from_bytes(hasher.digest("phone", "+442079460001")[:8], "big") >> 1
    assert call.phone == expected


def test_a_batch_sent_twice_changes_nothing_and_a_changed_row_is_a_correction(store, hasher):
    send(store, hasher, ROWS)
    again = send(store, hasher, ROWS)
    changed = send(store, hasher, [{**ROWS[0], "handle_seconds": 400}])

    assert (again.added, again.unchanged, again.corrected) == (0, 2, 0)
    assert (changed.added, changed.unchanged, changed.corrected) == (0, 0, 1)
    with store.read() as session:
        assert session.scalars(sa.select(ContactCorrectionRow.handle_seconds)).all() == [312]
    assert len(contacts(store)) == 2


def test_one_bad_row_refuses_the_whole_batch_and_names_every_fault(store, hasher):
    bad = [ROWS[0], {**ROWS[1], "chanel": "phone"}, {"occurred_at": "yesterday", "phone": "1"}]

    with pytest.raises(Invalid) as refused:
        send(store, hasher, bad)

    said = {p.line: str(p) for p in refused.value.problems}
    assert "did you mean 'channel'?" in said[2]
    assert "no contact_id" in said[3]
    assert "occurred_at" in said[3]
    assert said[3].startswith("row 3")
    assert contacts(store) == []


def test_good_rows_are_kept_where_that_was_asked_for(store, hasher):
    bad = [*ROWS, {"contact_id": "a-3", "occurred_at": "2026-05-02T08:00:00Z"}]

    report = send(store, hasher, bad, keep_good_rows=True)

    assert (report.added, report.refused) == (2, 1)
    assert "neither a unit nor an identifier" in report.problems[0].says


@pytest.mark.parametrize("rows", [[], [ROWS[0]] * (batch.LARGEST + 1)])
def test_an_empty_or_boundless_batch_is_refused(sqlite_store, hasher, rows):
    with pytest.raises(Invalid, match="the batch"):
        send(sqlite_store, hasher, rows)


@pytest.mark.parametrize("value", [{"a": 1}, [1, 2]])
def test_nested_values_are_refused_by_name(sqlite_store, hasher, value):
    with pytest.raises(Invalid, match="channel holds an object or a list"):
        send(sqlite_store, hasher, [{**ROWS[0], "channel": value}])


def test_a_file_and_a_batch_of_one_source_share_their_ids(store, hasher, tmp_path: Path):
    file = tmp_path / "contacts.csv"
    file.write_text("contact_id,occurred_at,channel,outcome,handle_seconds,phone,resolved\n"
                    "a-1,2026-05-01T09:30:00Z,phone,handled,312,020 7946 0001,yes\n")  # fmt: skip
    load.add(store, file, hasher=hasher, actor="t")

    report = batch.add_batch(store, ROWS[:1], source="contacts", hasher=hasher, actor="t")

    assert (report.added, report.unchanged) == (0, 1)


def test_batches_sent_at_once_neither_duplicate_nor_lose_a_contact(store, hasher):
    every = [
        [{**ROWS[0], "contact_id": f"c-{n}"} for n in range(first, first + 30)]
        for first in (0, 10, 20, 0)
    ]
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda rows: send(store, hasher, rows), every))

    assert sum(report.added for report in reports) == 50
    assert len(contacts(store)) == 50


@pytest.mark.parametrize("apart", ["", "\n"], ids=["one line", "a line each"])
def test_records_delivered_again_on_one_line_cost_no_other_contact(store, hasher, tmp_path, apart):
    """Firehose writes records without line breaks, and delivers them at least once."""
    record = {"InitiationMethod": "INBOUND", "Channel": "VOICE",
              "InitiationTimestamp": "2026-05-04T08:00:00Z",
              "LastUpdateTimestamp": "2026-05-04T08:10:00Z",
              "CustomerEndpoint": {"Type": "TELEPHONE_NUMBER", "Address": "+447700900131"}}  # fmt: skip
    late = {"LastUpdateTimestamp": "2026-05-04T08:20:00Z", "Attributes": {"wrapCode": "Band"}}
    told = [{**record, "ContactId": f"f-{i}"} for i in range(5)]
    file = tmp_path / "records.json"
    file.write_text(apart.join(map(json.dumps, [{**told[0], **late}, *told, told[3]])))

    report = load.add(store, file, hasher=hasher, actor="t")

    assert (report.rows, report.added, report.refused) == (7, 5, 0)
    assert report.notes == ("2 older deliveries of contacts in the same file passed over",)
    assert sorted(c.version - c.occurred_at for c in contacts(store)) == [600] * 4 + [1200]

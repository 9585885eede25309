"""What GOV.UK Notify says became of each message, from its report to the delivery ladder."""

from __future__ import annotations

import json

import sqlalchemy as sa

from analysis import facts, study
from trials import enrolment, lifecycle, registry
from trials.importing import deliveries
from trials.store.tables import ArmRow, AssignmentRow, DeliveryRow, UnitRow

UNITS = 80


def statuses(path, references, status_of):
    path.write_text(json.dumps({"notifications": [
        {"id": f"00000000-0000-0000-0000-{i:012d}", "reference": reference, "type": "letter",
         "notification_type": "letter", "status": status_of(i),
         "completed_at": "2026-04-02T10:00:00Z"}
        for i, reference in enumerate(references)
    ]}))  # fmt: skip
    return path


def test_the_ladder_counts_who_was_sent_a_message_and_to_whom_it_came(
    store, trial, hasher, tmp_path
):
    """Every fourth message fails, every tenth is only on its way; an older file takes nothing back."""
    with store.write() as session:
        registry.add(session, trial, actor="test")
        lifecycle.launch(session, trial.key, actor="test")
    listed = tmp_path / "list.csv"
    listed.write_text("unit,band,name,amount\n" + "".join(
        f"U{i},{'ABCD'[i % 4]},R,{i}\n" for i in range(UNITS)))  # fmt: skip
    request = enrolment.Request(key=trial.key, path=listed)
    enrolment.enrol(store, request, hasher=hasher, actor="test")
    with store.read() as session:
        drawn = session.execute(
            sa.select(ArmRow.key, UnitRow.digest)
            .join(AssignmentRow, AssignmentRow.arm_id == ArmRow.id)
            .join(UnitRow, UnitRow.id == AssignmentRow.unit_id)
            .order_by(UnitRow.id)
        ).all()
    references = [f"{trial.key}:{arm}:{digest.hex()}" for arm, digest in drawn]
    assert len(references) == UNITS

    def later(i):
        return "created" if i % 10 == 0 else "failed" if i % 4 == 1 else "delivered"

    sent = tmp_path / "sending.json"
    done = tmp_path / "done.json"
    statuses(sent, references, lambda i: "created" if i % 10 == 0 else "sending")
    statuses(done, references, later)
    for path in (sent, done, sent):
        deliveries.add(store, trial.key, path, hasher=hasher, actor="test")
    expected = {"sent": dict.fromkeys((a.key for a in trial.arms), 0)}
    expected["delivered"] = dict(expected["sent"])
    for i, reference in enumerate(references):
        arm = reference.split(":")[1]
        expected["sent"][arm] += i % 10 != 0
        expected["delivered"][arm] += later(i) == "delivered"
    with store.read() as session:
        record = registry.load(session, trial.key)
        found = facts.gather(session, record.id, facts.arm_names(session, record.id))
    assert found.sent == expected["sent"]
    assert found.delivered == expected["delivered"] == found.exposed
    result = study.analyse(store, study.Order(key=trial.key, sampling=False))
    rungs = {rung["rung"]: rung["counts"] for rung in result["ladder"]}
    assert (rungs["sent"], rungs["delivered"]) == (expected["sent"], expected["delivered"])


def test_a_message_to_a_stranger_costs_no_other_of_the_same_line(store, trial, hasher, tmp_path):
    """The API's answer is one line however many messages it tells of."""
    with store.write() as session:
        registry.add(session, trial, actor="test")
        lifecycle.launch(session, trial.key, actor="test")
    listed = tmp_path / "list.csv"
    listed.write_text("unit,band,name,amount\n" + "".join(f"U{i},A,R,{i}\n" for i in range(12)))
    enrolment.enrol(store, enrolment.Request(key=trial.key, path=listed), hasher=hasher, actor="t")
    with store.read() as session:
        digests = session.scalars(sa.select(UnitRow.digest)).all()
    arm = trial.arms[0].key
    references = [f"{trial.key}:{arm}:{d.hex()}" for d in (*digests, hasher.unit("x", "stranger"))]
    answer = statuses(tmp_path / "answer.json", references, lambda _: "delivered")

    report = deliveries.add(store, trial.key, answer, hasher=hasher, actor="t", keep_good_rows=True)

    assert (report.rows, report.added, report.refused) == (13, 12, 1)
    with store.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(DeliveryRow)) == 12

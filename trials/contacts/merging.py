"""Staged contacts made part of the log: one rule for repeats within a file and with the log.

A contact is known by its source's own id. Of two deliveries the newer counts: by the source's
version where there is one, else by order of delivery. Everything is set-based and in one
transaction.
"""

# ruff: noqa: S608 - the statements are put together from constants; values are always bound

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials.people import erasure
from trials.store import staging
from trials.store.tables import PEOPLE

WHOLE = ("ivr_seconds", "wait_seconds", "handle_seconds")
FLAGS = ("handled", "resolved", "email_on_record")
AS_THEY_ARE = (
    "occurred_at", "version", "channel", "line", "outcome", *WHOLE, *FLAGS,
    "satisfaction", "cost", "arm",
)  # fmt: skip
_KINDS: dict[str, staging.Kind] = {
    "channel": "text", "line": "text", "outcome": "text", "satisfaction": "float",
    "cost": "float", "arm": "text",
}  # fmt: skip
STAGED: dict[str, staging.Kind] = {
    "digest": "bytes",
    "code": "int",
    "place": "int",
    **{name: _KINDS.get(name, "int") for name in AS_THEY_ARE},
    **dict.fromkeys(PEOPLE, "int"),
}
"""A staged contact; ``code`` is the number that its wrap code has in :data:`CODES`, ``place`` its
own number in the delivery (a line of JSON may hold many contacts)."""
CODES: dict[str, staging.Kind] = {"number": "int", "topic": "text", "code": "text"}
SAID = (
    "occurred_at", "channel", "line", "code_id", "outcome", *FLAGS, *WHOLE, "satisfaction",
    "cost", "arm", *PEOPLE,
)  # fmt: skip
"""The columns that make two deliveries the same or different."""


@dataclass(frozen=True, slots=True)
class Merged:
    """How many rows were staged, new, corrections, or older deliveries in the same file."""

    staged: int
    added: int
    corrected: int
    repeats: int
    forgotten: int = 0

    @property
    def unchanged(self) -> int:
        """Rows that said what the log knew already."""
        return self.staged - self.repeats - self.added - self.corrected - self.forgotten


def source_id(session: Session, name: str) -> int:
    """The source's number, and the right to change its contacts until the transaction ends.

    Two imports from one source at once wait for each other here (on SQLite a writer is alone
    anyhow), so that neither sees half of the other's contacts.
    """
    session.execute(sa.text(_NEW_SOURCE), {"name": name})
    lock = "" if _sqlite(session) else " FOR UPDATE"
    found = session.execute(
        sa.text(f"SELECT id FROM contact_sources WHERE name = :name{lock}"), {"name": name}
    )
    return int(found.scalar_one())


def merge(
    stages: staging.Staging, session: Session, source: int, *, import_id: int, repeated: bool
) -> Merged:
    """Make the staged contacts part of the log.

    ``repeated`` says whether any contact may stand in the file twice.
    """
    differ = "IS NOT" if _sqlite(session) else "IS DISTINCT FROM"
    changed = " OR ".join(f"c.{name} {differ} s.{name}" for name in SAID)
    values = {"source": source, "import": import_id}

    def run(sql: str) -> int:
        done = session.execute(sa.text(sql), values)
        return int(cast(Any, done).rowcount)

    staged = int(session.scalar(sa.text("SELECT count(*) FROM stage_contacts")) or 0)
    repeats = forgotten = 0
    if session.scalar(sa.text(_ANY_ERASED)):
        forgotten = run(f"DELETE FROM stage_contacts WHERE {erasure.staged_condition()}")
    if repeated:
        stages["contacts"].index("digest")
        repeats = run(_DROP_OLDER)
    run(_NEW_CODES)
    corrected = 0
    earlier = session.scalar(sa.text(_ANY), values)
    if earlier:
        corrected = run(_KEEP_OLD.format(changed=changed))
    if corrected:
        run(_CORRECT.format(changed=changed))
    if session.scalar(sa.text(_VERSIONED)):
        run(_CONFIRM)
    added = run(_NEW.format(such=_UNKNOWN if earlier else "true"))
    return Merged(staged, added, corrected, repeats, forgotten)


def _sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


_LIST = ", ".join(SAID)
_NEW_SOURCE = """
    INSERT INTO contact_sources (name) VALUES (:name) ON CONFLICT (name) DO NOTHING"""
_ANY = "SELECT 1 FROM contacts WHERE source_id = :source LIMIT 1"
_ANY_ERASED = "SELECT 1 FROM left_out WHERE reason = 'erased' LIMIT 1"
_NEW_CODES = """
    INSERT INTO contact_codes (source_id, topic, code)
    SELECT :source, topic, code FROM stage_codes WHERE true
    ON CONFLICT (source_id, topic, code) DO NOTHING"""
_DROP_OLDER = """
    DELETE FROM stage_contacts WHERE place IN (
        SELECT place FROM (
            SELECT place, row_number() OVER (
                PARTITION BY digest
                ORDER BY (version IS NOT NULL) DESC, version DESC, place DESC) AS newest
            FROM stage_contacts WHERE digest IN (
                SELECT digest FROM stage_contacts GROUP BY digest HAVING count(*) > 1)
        ) AS ordered WHERE newest > 1)"""
# Codes are joined from the few distinct ones, so that no staged row is written twice.
_FROM = """
    (SELECT t.*, k.id AS code_id FROM stage_contacts t
     LEFT JOIN (SELECT g.number, h.id FROM stage_codes g JOIN contact_codes h
                ON h.source_id = :source AND h.topic = g.topic AND h.code = g.code) k
     ON k.number = t.code) s"""
_NEWER = "(c.version IS NULL OR (s.version IS NOT NULL AND s.version >= c.version))"
_MATCH = "c.digest = s.digest AND c.source_id = :source"
_KEEP_OLD = f"""
    INSERT INTO contact_corrections
        (contact_id, occurred_at, version, channel, line, code_id, outcome, handled,
         handle_seconds, import_id)
    SELECT c.id, c.occurred_at, c.version, c.channel, c.line, c.code_id, c.outcome, c.handled,
           c.handle_seconds, :import
    FROM {_FROM} JOIN contacts c ON {_MATCH} WHERE {_NEWER} AND ({{changed}})"""
_CORRECT = f"""
    UPDATE contacts SET version = n.version, import_id = :import,
        {", ".join(f"{name} = n.{name}" for name in SAID)}
    FROM (SELECT c.id AS found, s.* FROM {_FROM} JOIN contacts c ON {_MATCH}
          WHERE {_NEWER} AND ({{changed}})) AS n
    WHERE contacts.id = n.found"""
_VERSIONED = "SELECT 1 FROM stage_contacts WHERE version IS NOT NULL LIMIT 1"
# The same content under a newer version: what comes between the two is old news.
_CONFIRM = """
    UPDATE contacts SET version = s.version FROM stage_contacts s
    WHERE contacts.source_id = :source AND contacts.digest = s.digest
      AND s.version > coalesce(contacts.version, s.version - 1)"""
_NEW = f"""
    INSERT INTO contacts (source_id, digest, version, import_id, {_LIST})
    SELECT :source, s.digest, s.version, :import, {", ".join(f"s.{name}" for name in SAID)}
    FROM {_FROM} WHERE {{such}}
    ON CONFLICT (source_id, digest) DO NOTHING"""
# Asked as a set: a row that an insert finds there already was made and numbered for nothing.
_UNKNOWN = f"NOT EXISTS (SELECT 1 FROM contacts c WHERE {_MATCH})"

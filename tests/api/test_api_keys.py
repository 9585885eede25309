"""Keys: shown once, kept as a hash, taken back for good, every step on record."""

from __future__ import annotations

import hashlib

import pytest
import sqlalchemy as sa

from trials import apikeys, audit
from trials.errors import Conflict, NotFound, SignpostError
from trials.store.tables import ApiKeyRow


def test_only_the_sha256_of_a_key_of_32_random_bytes_is_kept(store):
    with store.write() as session:
        key, secret = apikeys.add(session, "website", ["assign"], actor="test")
    with store.read() as session:
        row = session.scalar(sa.select(ApiKeyRow))
        assert bytes(row.digest) == hashlib.sha256(secret.encode()).digest()
        dump = repr(session.execute(sa.text("SELECT * FROM api_keys")).all())
        dump += repr(session.execute(sa.text("SELECT * FROM audit_log")).all())
    assert len(secret.removeprefix("signpost_")) == 43  # 32 bytes in base64 without padding
    assert secret not in dump
    assert key.scopes == ("assign",)


def test_a_revoked_key_is_of_no_use_and_its_life_is_in_the_audit_log(store):
    with store.write() as session:
        _, secret = apikeys.add(session, "ivr", ["ingest", "assign"], actor="ann")
        assert apikeys.digest(secret) in apikeys.usable(session)
        apikeys.revoke(session, "ivr", actor="ben")
        apikeys.revoke(session, "ivr", actor="cleo")
    with store.read() as session:
        assert apikeys.usable(session) == {}
        key = apikeys.everything(session)[0]
        assert key.revoked_at is not None
        entries = audit.history(session, f"key {key.id}")
        assert [(e.actor, e.action) for e in entries] == [("ann", "key added"),
                                                          ("ben", "key revoked")]  # fmt: skip


def test_names_are_unique_and_scopes_are_known(sqlite_store):
    with sqlite_store.write() as session:
        apikeys.add(session, "one", ["read"], actor="test")
        with pytest.raises(Conflict):
            apikeys.add(session, "one", ["read"], actor="test")
        with pytest.raises(SignpostError, match="'write' is not a scope"):
            apikeys.add(session, "two", ["write"], actor="test")
        with pytest.raises(SignpostError, match="needs a scope"):
            apikeys.add(session, "two", [], actor="test")
        with pytest.raises(NotFound):
            apikeys.revoke(session, "three", actor="test")

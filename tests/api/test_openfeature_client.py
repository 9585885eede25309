"""The real OpenFeature client for Python against the production server."""

from __future__ import annotations

import signal

import sqlalchemy as sa
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from trials.store.tables import UnitRow

PHONE = "07700900987"


def test_the_python_client_gets_arms_errors_and_leaves_no_number_behind(
    server, secrets, sqlite_store, tmp_path
):
    running, address = server
    headers = {"Authorization": f"Bearer {secrets['assign']}"}
    api.set_provider(OFREPProvider(address, headers_factory=lambda: headers))
    client = api.get_client()
    said = client.get_object_details("website-banner", {}, EvaluationContext(PHONE))
    assert said.variant in ("current", "bin-day")
    assert "banner" in said.value
    assert said.reason in (Reason.SPLIT, Reason.STATIC)
    assert client.get_object_details("nobody", {}, EvaluationContext("v")).error_code == (
        ErrorCode.FLAG_NOT_FOUND
    )
    assert client.get_object_details("website-banner", {}).error_code == (
        ErrorCode.TARGETING_KEY_MISSING
    )
    running.send_signal(signal.SIGTERM)
    running.wait(20)
    with sqlite_store.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(UnitRow)) == 1
    for path in tmp_path.iterdir():
        if path.is_file():
            assert PHONE.encode() not in path.read_bytes()

"""The real OpenFeature clients, for Python and JavaScript, against the production server."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from pathlib import Path

import sqlalchemy as sa
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from trials.store.tables import UnitRow

ROOT = Path(__file__).resolve().parents[2]
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


def test_the_javascript_client_gets_the_same_arm_and_the_protocols_errors(server, secrets):
    _, address = server
    done = subprocess.run(
        ["node", "tests/api/openfeature.mjs", address, secrets["assign"], "visitor-17"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    said = json.loads(done.stdout)
    request = urllib.request.Request(
        f"{address}/api/v1/trials/website-banner/assign?unit=visitor-17",
        headers={"Authorization": f"Bearer {secrets['assign']}"},
    )
    with urllib.request.urlopen(request) as plain:
        arm = json.load(plain)["arm"]
    assert said["known"]["variant"] == arm
    assert "banner" in said["known"]["value"]
    assert said["known"]["flagMetadata"]["enrolled"] is True
    assert said["unknown"]["errorCode"] == "FLAG_NOT_FOUND"
    assert said["nobody"]["errorCode"] == "TARGETING_KEY_MISSING"
    assert said["unknown"]["value"] == said["nobody"]["value"] == {"banner": "fallback"}

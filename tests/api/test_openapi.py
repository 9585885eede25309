"""The generated document against the running code: nothing undocumented, never a server error."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from trials import apikeys

load_all_checks()

MADE_OF_ROWS = ("/api/v1/contacts", "/api/v1/trials/{key}/exposures",
                "/api/v1/trials/{key}/outcomes")  # fmt: skip
"""Whether a row can be used depends on the trial: a schema cannot say which metrics it has."""

OURS = (*MADE_OF_ROWS, "/api/v1/trials/{key}/assign", "/ofrep/v1/evaluate/flags",
        "/ofrep/v1/evaluate/flags/{key}")  # fmt: skip
QUIET = settings(max_examples=20, deadline=None, database=None, derandomize=True,
                 phases=(Phase.explicit, Phase.generate),
                 suppress_health_check=list(HealthCheck))  # fmt: skip


@pytest.fixture
def secret(sqlite_store, secrets):
    with sqlite_store.write() as session:
        return apikeys.add(session, "all", apikeys.SCOPES, actor="test")[1]


def _checker(headers, left):
    def check(case):
        if len(str(case.body)) % 2 and "key" in (case.path_parameters or {}):
            case.path_parameters["key"] = "website-banner"
        case.call_and_validate(headers=headers, excluded_checks=left)

    return check


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_whatever_is_sent_every_answer_is_one_that_the_document_names(app, secret, mode):
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    headers, met = {"Authorization": f"Bearer {secret}"}, set()
    for result in schema.get_all_operations():
        operation = result.ok()
        met.add(operation.path)
        left = [positive_data_acceptance] if operation.path in MADE_OF_ROWS else []
        if operation.method.upper() == "GET":  # its query takes whatever columns the plan has
            left = [negative_data_rejection]
        much = QUIET if operation.path in OURS else settings(QUIET, max_examples=4)
        much(given(operation.as_strategy(generation_mode=mode))(_checker(headers, left)))()
    assert met > set(OURS)


def test_a_caller_who_asks_too_often_is_told_when_to_come_back(client, app):
    app.extensions["limiter"]._rate = 5.0
    url, ask = "/ofrep/v1/evaluate/flags/website-banner", {"context": {"targetingKey": "a"}}
    said = [client.post(url, json=ask) for _ in range(30)]
    refused = [answer for answer in said if answer.status_code == 429]
    assert 15 <= len(refused) <= 20
    assert all(answer.headers["Retry-After"] == "1" for answer in refused)
    assert refused[0].mimetype == "application/problem+json"

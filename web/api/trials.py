"""Trials over HTTP: the list, one trial, its latest result."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, current_app, jsonify

from trials.errors import NotFound
from web.access import Permission
from web.api.door import PROBLEM, needs, told
from web.api.schemas import TrialList, TrialOut, trial_list, trial_out
from web.catalogue import Catalogue

api = APIBlueprint("api-trials", __name__, url_prefix="/api/v1", tag="Trials")

_REFUSALS = (401, 403, 429, 503)
_RESULT: dict[int, Any] = {
    200: {
        "description": "The result document",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
_MISSING: dict[int, Any] = {
    404: {
        "description": "There is no such trial, or it has no result yet",
        "content": {"application/problem+json": {"schema": PROBLEM}},
    }
}


def _catalogue() -> Catalogue:
    found: Catalogue = current_app.extensions["catalogue"]
    return found


@api.get("/trials")
@api.output(TrialList)
@api.doc(responses=told(*_REFUSALS), security="Key")
@needs("read", person=Permission.SEE_RESULTS)
def trials() -> TrialList:
    """Every trial, the latest first."""
    return trial_list(_catalogue().summaries())


@api.get("/trials/<key>")
@api.output(TrialOut)
@api.doc(responses=_MISSING | told(*_REFUSALS), security="Key")
@needs("read", person=Permission.SEE_RESULTS)
def trial(key: str) -> TrialOut:
    """One trial: its definition, state, plan hash, amendments and history."""
    return trial_out(_catalogue().record(key))


@api.get("/trials/<key>/result")
@api.doc(responses=_RESULT | _MISSING | told(*_REFUSALS), security="Key")
@needs("read", person=Permission.SEE_RESULTS)
def result(key: str) -> Response:
    """The latest result document of a trial."""
    found = _catalogue().result(key)
    if found is None:
        raise NotFound(f"trial {key!r} has no result yet", f"run 'signpost analyse {key}' first")
    return jsonify(found)

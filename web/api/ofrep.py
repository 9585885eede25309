"""The OpenFeature Remote Evaluation Protocol 0.3: a trial is a flag and its arm the variant."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import BaseModel, ConfigDict, Field

from trials.errors import NotFound
from trials.online.service import Answer, Ask, UnusableUnit
from trials.people.identifiers import KINDS
from web.api.door import answer, needs, online, takes, told

ofrep = APIBlueprint("ofrep", __name__, url_prefix="/ofrep/v1", tag="OpenFeature")


class Context(BaseModel):
    """``targetingKey`` is the unit; identifiers and the plan's columns stand beside it."""

    model_config = ConfigDict(extra="allow")

    targetingKey: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]  # noqa: N815


class Evaluation(BaseModel):
    """What an evaluation is asked with."""

    context: Context


class Success(BaseModel):
    """A flag's value."""

    key: str
    value: Any
    variant: str
    reason: str
    metadata: dict[str, str | bool | int]


class Flags(BaseModel):
    """Every flag's value."""

    flags: list[Success]
    metadata: dict[str, str | bool | int]


_FAILURE: dict[str, Any] = {
    "type": "object",
    "required": ["errorCode", "errorDetails"],
    "properties": {name: {"type": "string"} for name in ("key", "errorCode", "errorDetails")},
}
_FAILURES: dict[int, Any] = {
    status: {"description": text, "content": {"application/json": {"schema": _FAILURE}}}
    for status, text in ((400, "The context cannot be used"), (404, "There is no such flag"))
}
_LONE = re.compile("[\ud800-\udfff]")
"""Halves of a character, which JSON's escapes can write and no database can keep."""
_REASONS = {"split": "SPLIT", "listed": "SPLIT", "disabled": "DISABLED"}


class Unreadable(Exception):
    """The body cannot be used: an error code of the protocol, and a sentence."""

    def __init__(self, code: str, says: str) -> None:
        self.code, self.says = code, says
        super().__init__(says)


@ofrep.post("/evaluate/flags/<key>")
@ofrep.output(Success)
@ofrep.doc(responses=_FAILURES | told(401, 403, 429, 503), security="Key")
@needs("assign")
@takes(Evaluation)
def evaluate(key: str) -> Response:
    """Evaluate one flag. The unit is recorded as assigned, not as exposed."""
    try:
        given = online().assign(key, _ask())
    except Unreadable as failure:
        return _failed(400, failure.code, failure.says, key)
    except UnusableUnit as failure:
        return _failed(400, "INVALID_CONTEXT", failure.says, key)
    except NotFound as failure:
        return _failed(404, "FLAG_NOT_FOUND", failure.says, key)
    return answer(success(given))


@ofrep.post("/evaluate/flags")
@ofrep.output(Flags)
@ofrep.doc(responses={400: _FAILURES[400], 304: {"description": "Nothing has changed"}}
           | told(401, 403, 429, 503), security="Key")  # fmt: skip
@needs("assign")
@takes(Evaluation)
def evaluate_all() -> Response:
    """Evaluate every live flag. Nobody is recorded: most flags of a page are never seen."""
    try:
        found = [success(given) for given in online().answers(_ask())]
    except Unreadable as failure:
        return _failed(400, failure.code, failure.says)
    except UnusableUnit as failure:
        return _failed(400, "INVALID_CONTEXT", failure.says)
    response = answer({"flags": found, "metadata": {}})
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    tag = response.get_etag()[0] or ""
    if request.if_none_match.contains_weak(tag):
        response = Response(status=304)
        response.set_etag(tag)
    return response


def _ask() -> Ask:
    return asked(request.get_data(cache=False))


def asked(body: bytes) -> Ask:
    """The context as a question; values that are no text are passed over. Raises ``Unreadable``."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        raise Unreadable("PARSE_ERROR", "the body is not a JSON object")
    context = sent.get("context")
    if context is not None and not isinstance(context, dict):
        raise Unreadable("INVALID_CONTEXT", "the context is not an object")
    unit = (context or {}).get("targetingKey")
    if unit is None or unit == "":
        raise Unreadable("TARGETING_KEY_MISSING", "the context has no targetingKey")
    if not isinstance(unit, str):
        raise Unreadable("INVALID_CONTEXT", "the targetingKey is not text")
    texts = {k: v[:1000] for k, v in (context or {}).items() if isinstance(v, str)}
    if _LONE.search("".join(texts.values())):
        raise Unreadable("INVALID_CONTEXT", "the context holds half characters")
    return Ask(unit, texts, {kind: texts[kind] for kind in KINDS if texts.get(kind)})


def success(given: Answer) -> dict[str, Any]:
    """An answer as the protocol's document."""
    return {
        "key": given.trial, "value": given.value, "variant": given.arm,
        "reason": _REASONS.get(given.reason, "STATIC"),
        "metadata": {"version": given.version, "enrolled": given.enrolled,
                     "holdout": given.reason == "holdout", "why": given.reason},
    }  # fmt: skip


def _failed(status: int, code: str, says: str, key: str | None = None) -> Response:
    named = {} if key is None else {"key": key}
    return answer({**named, "errorCode": code, "errorDetails": says}, status)

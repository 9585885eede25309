"""``assign``: which arm somebody gets, for callers that speak plain HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import parse_qsl

from apiflask import APIBlueprint
from flask import Response, current_app, request
from pydantic import BaseModel, ConfigDict, Field

from trials.errors import Invalid, Problem
from trials.online.service import Answer, Ask
from trials.people.identifiers import KINDS
from web.api.door import answer, asks, fits, needs, online, read, takes, told

api = APIBlueprint("api-assign", __name__, url_prefix="/api/v1", tag="Assignment")

Text = Annotated[str, Field(max_length=1000)]
_ENCODED = "werkzeug.url_quote"
"""Werkzeug's way with bytes that are no text."""


class Identifiers(BaseModel):
    """How contacts name the same person; hashed at once, never kept."""

    model_config = ConfigDict(strict=True, extra="forbid")

    account: Text | None = None
    customer: Text | None = None
    phone: Text | None = None
    email: Text | None = None
    uprn: Text | None = None
    session: Text | None = None


class AssignIn(BaseModel):
    """Who is asked about. ``attributes`` are the columns that the plan uses."""

    model_config = ConfigDict(strict=True, extra="forbid")

    unit: Annotated[str, Field(min_length=1, max_length=1000)]
    attributes: dict[str, Text] = Field(default_factory=dict, max_length=100)
    identifiers: Identifiers = Identifiers()


class AssignOut(BaseModel):
    """What the unit gets. ``enrolled`` is false for whoever is not in the trial."""

    trial: str
    arm: str
    control: bool
    enrolled: bool
    holdout: bool
    reason: str
    value: Any


class FlatOut(BaseModel):
    """The same as text alone, for platforms that read nothing else."""

    trial: str
    arm: str
    control: str
    enrolled: str
    holdout: str
    reason: str
    value: str


class FlatIn(Identifiers):
    """Who is asked about, in the address: the unit, identifiers, and the columns the plan uses."""

    model_config = ConfigDict(extra="allow")

    unit: Annotated[str, Field(min_length=1, max_length=1000)]


def named(given: Identifiers) -> dict[Any, str]:
    """The identifiers that were given."""
    there = given.model_fields_set
    return {kind: text for kind in KINDS if kind in there and (text := getattr(given, kind))}


def asked(body: bytes) -> Ask:
    """What a body asks. Raises ``Invalid`` naming every wrong place."""
    sent = read(AssignIn, body)
    return Ask(sent.unit, sent.attributes, named(sent.identifiers))


def asked_flat(query: bytes) -> Ask:
    """What an address's query asks, as for :func:`asked`; further names are the plan's columns.

    Bytes that are no text stay percent-encoded, as in Werkzeug's own reading of a query.
    """
    text = query.decode("utf-8", _ENCODED)
    pairs = parse_qsl(text, keep_blank_values=True, errors=_ENCODED)
    if sum(name == "unit" for name, _ in pairs) > 1:
        raise Invalid("the address cannot be used", [Problem("unit", "must be given once")])
    first: dict[str, str] = {}
    for name, text in pairs:
        first.setdefault(name, text)
    sent = fits(FlatIn, first)
    rest = {k: str(v)[:1000] for k, v in (sent.model_extra or {}).items()}
    return Ask(sent.unit, rest, named(sent))


@api.post("/trials/<key>/assign")
@api.output(AssignOut)
@api.doc(responses=told(401, 403, 404, 422, 429, 503), security="Key")
@needs("assign")
@takes(AssignIn)
def assign(key: str) -> Response:
    """The arm of a unit. The same unit always gets the same arm; it is recorded once."""
    return answer(document(online().assign(key, asked(request.get_data(cache=False)))))


@api.get("/trials/<key>/assign")
@api.output(FlatOut)
@api.doc(responses=told(401, 403, 404, 422, 429, 503), security="Key")
@needs("assign")
@asks(FlatIn)
def assign_flat(key: str) -> Response:
    """The arm of a unit as flat text, for telephony platforms: ``?unit=…`` and identifiers."""
    given = online().assign(key, asked_flat(request.query_string))
    return answer(flat(given, current_app.json.dumps))


def document(given: Answer) -> dict[str, Any]:
    """An answer as data."""
    return {
        "trial": given.trial, "arm": given.arm, "control": given.control,
        "enrolled": given.enrolled, "holdout": given.reason == "holdout",
        "reason": given.reason, "value": given.value,
    }  # fmt: skip


def flat(given: Answer, dumps: Callable[[Any], str]) -> dict[str, str]:
    """The same as text alone; what is no text is written as JSON by ``dumps``."""
    said = document(given)
    return {k: v if isinstance(v, str) else dumps(v) for k, v in said.items()}

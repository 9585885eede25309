"""What all routes for machines share: who calls, what they sent, and how it is documented.

Bodies are read here and not by the framework, so that what is wrong is told without repeating
what was sent: it may name a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from math import ceil
from typing import Any, TypeVar

from apiflask.helpers import get_reason_phrase
from apiflask.scaffold import _annotate
from flask import Response, current_app, g, request
from pydantic import BaseModel, ValidationError
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from trials.apikeys import ApiKey, Scope
from trials.errors import Invalid, Problem
from trials.online.service import Online
from web.access import Permission, Rule, marked, may
from web.api.limits import Limiter

Body = TypeVar("Body", bound=BaseModel)
ADMITTED = "signpost.key"
"""Where a request's environment holds the key that was already let in, and counted, before us."""

PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "problems": {"type": "array", "items": {"type": "string"}},
    },
}


def online() -> Online:
    """The process's assignment service."""
    found: Online = current_app.extensions["online"]
    return found


def told(*statuses: int) -> dict[int, Any]:
    """The documentation of these statuses as problem documents."""
    content = {"application/problem+json": {"schema": PROBLEM}}
    return {s: {"description": get_reason_phrase(s, str(s)), "content": content} for s in statuses}


def caller(scope: Scope) -> ApiKey:
    """The key that calls.

    Raises:
        Unauthorized: there is none, or it is not known or was revoked.
        Forbidden: it lacks ``scope``.
        TooManyRequests: it has asked too often.
    """
    admitted: ApiKey | None = request.environ.get(ADMITTED)
    if admitted is not None and scope in admitted.scopes:
        return admitted
    secret = secret_of(request.headers.get("Authorization", ""))
    key = online().key(secret) if secret else None
    if key is None:
        raise Unauthorized("Send a key that is in use, as 'Authorization: Bearer …'.",
                           www_authenticate=WWWAuthenticate("bearer"))  # fmt: skip
    if scope not in key.scopes:
        raise Forbidden(f"This key lacks the scope '{scope}'.")
    limiter: Limiter = current_app.extensions["limiter"]
    slow_down(limiter.wait(key.id))
    return key


def secret_of(header: str) -> str:
    """The secret in an ``Authorization`` header; blank where it holds none."""
    kind, _, secret = header.partition(" ")
    return secret.strip() if kind.lower() == "bearer" else ""


def slow_down(wait: float) -> None:
    """Raise ``TooManyRequests`` where somebody has to ``wait`` so many seconds."""
    if wait:
        raise TooManyRequests("You have asked too often.", retry_after=ceil(wait))


def needs(
    scope: Scope, *, person: Permission | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let only keys with ``scope`` in; or also people with a permission, who can but read.

    A page of ours links to the data behind it, and whoever follows that link has a session and no
    key. A request that carries a key is judged by the key alone.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if not _reads(person):
                g.key = caller(scope)
            return view(*args, **kwargs)

        return marked(Rule(scope=scope))(guarded)

    return decorate


def _reads(person: Permission | None) -> bool:
    """Whether a person who is signed in may read this."""
    if person is None or request.method not in ("GET", "HEAD"):
        return False
    return "Authorization" not in request.headers and may(person)


def takes(model: type[BaseModel]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Document the body of a view; the view reads it with :func:`body`."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        _annotate(view, body=model, body_example=None, body_examples=None,
                  content_type="application/json")  # fmt: skip
        return view

    return decorate


def asks(model: type[BaseModel]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Document the query of a view's address."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        _annotate(view, args=[(model, "query")])
        return view

    return decorate


def complete(document: Any) -> Any:
    """The generated document with what the framework leaves out: no body is optional."""
    for methods in document["paths"].values():
        for operation in methods.values():
            if isinstance(operation, dict) and "requestBody" in operation:
                operation["requestBody"]["required"] = True
    return document


def body(model: type[Body]) -> Body:
    """The request's body. Raises ``Invalid`` naming every wrong place, never its content."""
    return read(model, request.get_data(cache=False))


def read(model: type[Body], sent: bytes) -> Body:
    """The same for a body at hand."""
    with _named("the body cannot be used"):
        return model.model_validate_json(sent)


def query(model: type[Body]) -> Body:
    """The query of the request's address, read the same way."""
    return fits(model, request.args.to_dict())


def fits(model: type[Body], given: dict[str, str]) -> Body:
    """The same for a query at hand."""
    with _named("the address cannot be used"):
        return model.model_validate(given)


@contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as failure:
        problems = [Problem(place(e["loc"]), says(e["type"], e["msg"])) for e in failure.errors(
            include_input=False, include_url=False, include_context=False)]  # fmt: skip
        raise Invalid(what, problems) from None


def place(location: tuple[int | str, ...]) -> str:
    """Where something is wrong; a name that the caller made up is not repeated."""
    known = [str(p) if isinstance(p, int) or p.isidentifier() else "…" for p in location]
    return ".".join(known)[:100]


def says(kind: str, message: str) -> str:
    """What is wrong, in words that hold nothing of what was sent."""
    return "is not JSON" if kind == "json_invalid" else message[:1].lower() + message[1:]


def answer(document: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(current_app.json.dumps(document), status, mimetype="application/json")

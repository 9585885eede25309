"""Errors as people and machines are told them: a page, or an RFC 9457 problem document."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from flask import Flask, Response, g, json, render_template, request
from werkzeug.exceptions import HTTPException

from analysis.report.figures import sentence
from trials.errors import Invalid, SignpostError

_log = logging.getLogger("signpost.web")

_TITLES = {
    400: "That request could not be read",
    401: "You need to sign in",
    403: "You may not see this",
    404: "Page not found",
    405: "That cannot be done here",
    408: "That came too slowly",
    409: "Somebody else was first",
    410: "This address is no longer used",
    413: "That file is too large",
    422: "There is a problem",
    429: "Too many requests",
    500: "Sorry, there is a problem with the service",
    503: "The service is not available",
}
_TITLES_BY_CODE = {"altered": "This is not what was kept"}
_SAYS = {
    404: "If you typed the address, check that it is correct.",
    405: "The address exists, but not for this kind of request.",
    500: "It has been recorded. Try again in a moment.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One error, ready to be told."""

    status: int
    code: str
    title: str
    says: str
    remedy: str = ""
    reference: str = ""
    problems: tuple[str, ...] = ()


def register(app: Flask) -> None:
    """Let ``app`` tell every error as a page or a problem document."""
    app.register_error_handler(SignpostError, _refused)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unforeseen)


def _title(error: SignpostError) -> str:
    return _TITLES_BY_CODE.get(error.code) or _TITLES.get(error.status, _TITLES[400])


def _refused(error: SignpostError) -> Response:
    problems = tuple(str(p) for p in error.problems) if isinstance(error, Invalid) else ()
    says = error.what if isinstance(error, Invalid) else error.says
    return _told(Trouble(
        status=error.status, code=error.code, title=_title(error), says=sentence(says),
        remedy=sentence(error.remedy), problems=problems,
    ))  # fmt: skip


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400 and error.response is not None:
        return Response(status=status, headers=error.response.headers)
    if status < 400:
        return Response(error.get_body(), status, error.get_headers())
    says = _SAYS.get(status) or sentence(error.description or error.name)
    response = _told(Trouble(
        status=status, code=error.name.lower().replace(" ", "-"),
        title=_TITLES.get(status, error.name), says=says,
    ))  # fmt: skip
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _unforeseen(error: Exception) -> Response:
    reference = g.request_number
    _log.error("unforeseen error %s on %s", reference, request.endpoint, exc_info=error)
    return _told(Trouble(
        status=500, code="internal", title=_TITLES[500], says=_SAYS[500], reference=reference,
    ))  # fmt: skip


def _told(trouble: Trouble) -> Response:
    if request.path.startswith(("/api/", "/ofrep/", "/site/")):
        return _document(trouble)
    page = render_template("errors/error.html", trouble=trouble)
    return Response(page, trouble.status, mimetype="text/html")


def _document(trouble: Trouble) -> Response:
    """RFC 9457: ``type`` names the kind of problem, ``detail`` says what to do about this one."""
    body = {
        "type": f"urn:signpost:problem:{trouble.code}", "title": trouble.title,
        "status": trouble.status,
        "detail": " ".join(s for s in (trouble.says, trouble.remedy) if s),
    }  # fmt: skip
    if trouble.problems:
        body["problems"] = list(trouble.problems)
    if trouble.reference:
        body["reference"] = trouble.reference
    response = Response(json.dumps(body), trouble.status, mimetype="application/problem+json")
    if trouble.status == 503:
        response.headers["Retry-After"] = "1"
    return response

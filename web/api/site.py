"""What a council's own website asks without a key: the script, and which version a visitor sees.

Answered only to the origins that ``SIGNPOST_ALLOWED_ORIGINS`` names, for trials of a website's
channels, without a cookie, and only so often (``web.api.limits``). Whoever sends Do Not Track or
Global Privacy Control gets the control and is not recorded.
"""

from __future__ import annotations

from typing import Annotated

from apiflask import APIBlueprint
from flask import Response, current_app, request
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.exceptions import Forbidden, NotFound

from trials import resources
from trials.online.service import Ask
from trials.settings import Settings
from web.access import public
from web.api.assign import AssignOut, document
from web.api.door import answer, asks, online, query, slow_down, told
from web.api.limits import Visitors

CHANNELS = ("web", "webchat", "form")
OBJECTS = "do-not-track"

site = APIBlueprint("site", __name__, url_prefix="/site/v1", tag="Website")


class Visitor(BaseModel):
    """A visitor, by an id that means nothing to anybody else."""

    model_config = ConfigDict(extra="forbid")

    unit: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


@site.get("/signpost.js")
@site.doc(hide=True)
@public
def script() -> Response:
    """The script that a page of the website includes."""
    response = Response(resources.asset_text("site.js"), mimetype="text/javascript")
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


@site.get("/trials/<key>/arm")
@site.output(AssignOut)
@site.doc(responses=told(403, 404, 422, 429, 503))
@asks(Visitor)
@public
def arm(key: str) -> Response:
    """Which version a visitor sees. Only for pages of the council's own website."""
    settings: Settings = current_app.extensions["settings"]
    origin = request.headers.get("Origin", "")
    if origin not in settings.allowed_origins:
        raise Forbidden("This website may not ask. An administrator can name it in "
                        "SIGNPOST_ALLOWED_ORIGINS.")  # fmt: skip
    visitors: Visitors = current_app.extensions["visitors"]
    slow_down(visitors.wait(request.remote_addr))
    trial = online().trial(key)
    if trial.trial.about.channel not in CHANNELS:
        raise NotFound("There is no trial of this key on the website.")
    visitor = query(Visitor)
    said = document(online().answer(trial, Ask(visitor.unit), record=not _objects()))
    if _objects():
        control = trial.trial.control.key
        said |= {"arm": control, "control": True, "enrolled": False, "holdout": False,
                 "reason": OBJECTS, "value": trial.values[control]}  # fmt: skip
    response = answer(said)
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Vary"] = "Origin"
    return response


def _objects() -> bool:
    return "1" in (request.headers.get("DNT"), request.headers.get("Sec-GPC"))

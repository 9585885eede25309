"""The page that says how a trial is connected to where people meet it."""

from __future__ import annotations

from flask import Blueprint, current_app, render_template

from trials.settings import Settings
from web import connecting
from web.access import Permission, needs
from web.pages.trials import catalogue

pages = Blueprint("connect", __name__)


@pages.get("/trials/<key>/connect")
@needs(Permission.RUN_TRIALS)
def show(key: str) -> str:
    """The lines to copy for the trial's channel and design."""
    record = catalogue().record(key)
    settings: Settings = current_app.extensions["settings"]
    home = settings.base_url.rstrip("/")
    return render_template(
        "pages/trial_connect.html", key=key, title=record.definition.about.title,
        launched=record.locked, control=record.definition.control,
        recipes=connecting.recipes(record.definition, home, settings.allowed_origins),
    )  # fmt: skip

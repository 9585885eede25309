"""From a trial into the wizard: a registered trial is written on, a running one is changed."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

from trials import registry
from trials.drafting import drafts
from web.access import Permission, needs, signed_in, store

pages = Blueprint("changes", __name__)


@pages.post("/trials/<key>/change")
@needs(Permission.EDIT_TRIALS)
def begin(key: str) -> ResponseReturnValue:
    """Open the draft that changes this trial; start it where there is none."""
    with store().write() as session:
        state = registry.row_of(session, key).state
        opened = drafts.adopt if state in registry.DRAFT_STATES else drafts.start_amendment
        draft = opened(session, key, actor=signed_in().email)
    return redirect(url_for("drafting.overview", number=draft.id), 303)

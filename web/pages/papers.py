"""The papers of a trial: made in the background, kept, and opened again exactly as given out."""

from __future__ import annotations

import re
import uuid

from flask import Blueprint, Response, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from analysis.casework import papers
from trials import jobs, registry
from trials.errors import SignpostError
from web import present_papers
from web.access import Permission, needs, signed_in, store

pages = Blueprint("papers", __name__)
_POLICY = re.compile(rb'<meta http-equiv="Content-Security-Policy" content="([^"]+)">')


@pages.get("/trials/<key>/papers")
@needs(Permission.SEE_RESULTS)
def index(key: str) -> str:
    """Every paper that can be made, and every one that was given out."""
    return _page(key, "")


@pages.post("/trials/<key>/papers")
@needs(Permission.SEE_RESULTS)
def make(key: str) -> ResponseReturnValue:
    """Ask for a paper."""
    kind, fmt = request.form.get("paper", ""), request.form.get("format", "")
    if not any(o.kind == kind and fmt in dict(o.formats) for o in present_papers.offers()):
        return _page(key, "Choose a paper and one of its formats."), 422
    with store().write() as session:
        registry.row_of(session, key)
        if registry.latest_result(session, key) is None:
            raise SignpostError(f"trial {key!r} has no result yet", "analyse it first")
        number = jobs.enqueue(
            session, "make-paper", subject=key, key=f"paper {uuid.uuid4()}",
            actor=signed_in().email, payload={
                "trial": key, "paper": kind, "format": fmt,
                "organisation": str(current_app.config["ORGANISATION"])},
        )  # fmt: skip
    return redirect(url_for("jobs.job", job_id=number), 303)


@pages.get("/trials/<key>/papers/<int:number>")
@needs(Permission.SEE_RESULTS)
def paper(key: str, number: int) -> Response:
    """A paper exactly as it was given out; refused if its bytes are no longer those."""
    with store().read() as session:
        kept, content = papers.opened(session, key, number)
    media = next(papers.MEDIA[f][0] for f in papers.FORMATS if f == kept.fmt)
    response = Response(content, content_type=media)
    how = "inline" if kept.fmt == "html" else "attachment"
    response.headers["Content-Disposition"] = f'{how}; filename="{kept.filename}"'
    response.headers["Digest-Sha256"] = kept.digest
    if kept.fmt == "html" and (policy := _policy(content)):
        response.headers["Content-Security-Policy"] = f"{policy}; frame-ancestors 'none'"
    return response


def _policy(content: bytes) -> str:
    """The policy a paper was written with: it allows the paper's own style, and no script."""
    import html

    found = _POLICY.search(content[:4000])
    text = html.unescape(found[1].decode("ascii", "ignore")) if found else ""
    return text if text.startswith("default-src 'none'") and "script" not in text else ""


def _page(key: str, error: str) -> str:
    with store().read() as session:
        record = registry.load(session, key)
        found = papers.kept(session, key)
        ready = registry.latest_result(session, key) is not None
    return render_template(
        "pages/case/papers.html", record=record, error=error, ready=ready,
        offers=present_papers.offers(), given=present_papers.given(found),
    )  # fmt: skip

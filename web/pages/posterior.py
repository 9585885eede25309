"""The posterior report of a trial and its downloads: shown from the store, sampled by a worker."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from analysis.draws import Latest, latest
from analysis.report.method import checks
from analysis.report.posterior import exports
from analysis.report.posterior.view import posterior_page
from analysis.report.withhold import sentence
from trials import clock, jobs, registry
from trials.errors import Conflict, NotFound
from web import present_jobs
from web.access import Permission, may, needs, signed_in, store
from web.filled import Filled, sent

pages = Blueprint("posterior", __name__)

LARGEST_SEED = 2**31 - 1

MIMES = {
    "csv": "text/csv; charset=utf-8",
    "nc": "application/x-netcdf",
    "ipynb": "application/x-ipynb+json",
}


@pages.get("/trials/<key>/posterior")
@needs(Permission.SEE_STATISTICS)
def index(key: str) -> str:
    """The posterior report of a trial's newest run that has one."""
    return _page(key, Filled())


@pages.post("/trials/<key>/posterior")
@needs(Permission.SEE_STATISTICS)
def sample(key: str) -> ResponseReturnValue:
    """Ask for the plan to be run by both schools, its models sampled, in the background.

    Whoever asks has to be allowed both: a refused seed is answered with the whole report.
    """
    if not may(Permission.ANALYSE):
        raise Forbidden("Your role does not include this. An administrator can change it.")
    filled = sent()
    seed = filled["seed"] or "1"
    number = int(seed) if seed.isascii() and seed.isdigit() and len(seed) <= 10 else 0
    if not 1 <= number <= LARGEST_SEED:
        says = f"Enter a whole number from 1 to {LARGEST_SEED:,}, or leave it empty"
        return _page(key, filled.wrong("seed", says)), 400
    with store().write() as session:
        if not registry.load(session, key).locked:
            raise Conflict("the plan is not locked yet", "launch the trial first")
        jobs.enqueue(
            session, "analyse", payload={"trial": key, "school": "both", "seed": number},
            subject=key, actor=signed_in().email,
            key=f"posterior/{key}/{filled['once'] or clock.now().isoformat()}",
        )  # fmt: skip
    return redirect(url_for("posterior.index", key=key), 303)


def _page(key: str, filled: Filled) -> str:
    with store().read() as session:
        record = registry.load(session, key)
        found = latest(session, key)
        asked = [job for job in jobs.latest(session, subject=key, limit=20)
                 if job.kind == "analyse"]  # fmt: skip
    trial = record.definition
    why, then = (
        "There is no posterior yet",
        (
            "Run the analysis of this trial by both schools. It takes a minute or so in the "
            "background; the report is here once it is done."
        ),
    )
    commands = () if found else (f"signpost analyse {key} --school both",)
    if found is not None and (held := sentence(found.result)) is not None:
        found, why = None, f"{held}."
        then = "The posterior report opens at the look that the plan declares."
    shown = None if found is None else posterior_page(trial, found.document)
    failed = asked[0] if asked and asked[0].state == "failed" else None
    told = next((job for job in asked if not job.over), failed)
    doubts = [] if found is None else [c for c in checks(found.result) if c.verdict == "fail"]
    return render_template(
        "pages/posterior.html", key=key, title=trial.about.title, shown=shown, why=why, then=then,
        filled=filled, commands=commands, failed=doubts,
        can_sample=may(Permission.ANALYSE) and record.locked,
        page=present_jobs.page(told) if told else None,
    )  # fmt: skip


@pages.get("/trials/<key>/posterior/draws.csv")
@needs(Permission.SEE_STATISTICS)
def draws_csv(key: str) -> Response:
    """The draws behind the report as CSV."""
    return _file(key, "csv")


@pages.get("/trials/<key>/posterior/draws.nc")
@needs(Permission.SEE_STATISTICS)
def draws_netcdf(key: str) -> Response:
    """The same as NetCDF."""
    return _file(key, "nc")


@pages.get("/trials/<key>/posterior/draws.ipynb")
@needs(Permission.SEE_STATISTICS)
def notebook(key: str) -> Response:
    """A notebook that makes the report's figures again from the draws inside it."""
    return _file(key, "ipynb")


def _file(key: str, fmt: str) -> Response:
    with store().read() as session:
        registry.row_of(session, key)
        found: Latest | None = latest(session, key, with_draws=True)
    if found is None or sentence(found.result) is not None:
        raise NotFound(f"trial {key!r} has no posterior to show yet", "wait for its planned look")
    response = make_response(exports.MAKERS[fmt](found.document, found.draws))
    response.headers["Content-Type"] = MIMES[fmt]
    response.headers["Content-Disposition"] = f'attachment; filename="{key}-posterior.{fmt}"'
    return response

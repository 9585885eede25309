"""The posterior report of a trial and its downloads: shown from the store, never sampled here."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template
from flask.typing import ResponseReturnValue

from analysis.draws import Latest, latest
from analysis.report.posterior import exports
from analysis.report.posterior.view import posterior_page
from analysis.report.withhold import sentence
from trials import registry
from trials.errors import NotFound
from web.access import Permission, needs, store
from web.next_step import Way

pages = Blueprint("posterior", __name__)

MIMES = {
    "csv": "text/csv; charset=utf-8",
    "nc": "application/x-netcdf",
    "ipynb": "application/x-ipynb+json",
}


@pages.get("/trials/<key>/posterior")
@needs(Permission.SEE_STATISTICS)
def index(key: str) -> ResponseReturnValue:
    """The posterior report of a trial's newest run that has one."""
    with store().read() as session:
        trial = registry.definition_of(registry.row_of(session, key))
        found = latest(session, key)
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
    return render_template(
        "pages/posterior.html", key=key, title=trial.about.title, shown=shown, why=why, then=then,
        ways=(Way("Bring the result up to date", "results.index", {"key": key}),),
        commands=commands,
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

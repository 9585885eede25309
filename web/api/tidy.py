"""Results as flat tables for Power BI, notebooks and spreadsheets, and what their columns mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from apiflask import APIBlueprint
from flask import Response, current_app, jsonify

from analysis.report import feed
from web.access import Permission
from web.api.door import needs, told
from web.catalogue import Catalogue

api = APIBlueprint("api-tidy", __name__, url_prefix="/api/v1/tidy", tag="Tables")

_REFUSALS = (401, 403, 429, 503)
_CSV: dict[int, Any] = {
    200: {"description": "The table", "content": {"text/csv": {"schema": {"type": "string"}}}}
}


def _rows(columns: Mapping[str, str]) -> dict[int, Any]:
    """The documentation of a table as objects, with what each column means."""
    row = {"type": "object", "properties": {c: {"description": s} for c, s in columns.items()}}
    whole = {"type": "object", "required": ["rows"],
             "properties": {"rows": {"type": "array", "items": row}}}  # fmt: skip
    return {200: {"description": "The table", "content": {"application/json": {"schema": whole}}}}


@api.get("/effects.csv")
@api.doc(responses=_CSV | told(*_REFUSALS), security="Key")
@needs("read", person=Permission.SEE_RESULTS)
def effects_csv() -> Response:
    """Every estimate of every trial's latest result, one a row."""
    return _csv(feed.effects(_shown()), tuple(feed.EFFECTS), "effects")


@api.get("/arms.csv")
@api.doc(responses=_CSV | told(*_REFUSALS), security="Key")
@needs("read", person=Permission.SEE_RESULTS)
def arms_csv() -> Response:
    """Every arm's value of every metric of every trial's latest result."""
    return _csv(feed.arms(_shown()), tuple(feed.ARMS), "arms")


@api.get("/effects.json")
@api.doc(responses=_rows(feed.EFFECTS) | told(*_REFUSALS), security="Key")
@needs("read", person=Permission.SEE_RESULTS)
def effects_json() -> Response:
    """The rows of ``effects.csv`` as objects."""
    return _json(feed.effects(_shown()), tuple(feed.EFFECTS))


@api.get("/arms.json")
@api.doc(responses=_rows(feed.ARMS) | told(*_REFUSALS), security="Key")
@needs("read", person=Permission.SEE_RESULTS)
def arms_json() -> Response:
    """The rows of ``arms.csv`` as objects."""
    return _json(feed.arms(_shown()), tuple(feed.ARMS))


@api.get("/dictionary.csv")
@api.doc(responses=_CSV | told(*_REFUSALS), security="Key")
@needs("read", person=Permission.SEE_RESULTS)
def dictionary() -> Response:
    """What each column of each table means."""
    rows = (
        {"table": table, "column": column, "means": says}
        for table, columns in feed.TABLES.items() for column, says in columns.items()
    )  # fmt: skip
    return _csv(rows, ("table", "column", "means"), "dictionary")


def _shown() -> Iterator[feed.Shown]:
    catalogue: Catalogue = current_app.extensions["catalogue"]
    for summary in catalogue.summaries():
        result = catalogue.result(summary.key)
        if result is not None:
            yield feed.Shown(about=asdict(summary) | {"trial": summary.key}, result=result)


def _csv(rows: Iterable[feed.Row], columns: Sequence[str], name: str) -> Response:
    made = Response("".join(feed.csv_of(rows, columns)), mimetype="text/csv")
    made.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return made


def _json(rows: Iterable[feed.Row], columns: Sequence[str]) -> Response:
    whole: list[dict[str, Any]] = [{c: row.get(c) for c in columns} for row in rows]
    return jsonify(rows=whole)

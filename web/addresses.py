"""What an address may hold: numbers and names that a database can keep; others are no pages."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.routing import IntegerConverter, Map, UnicodeConverter

_LARGEST = 2**31 - 1
"""What a row's number may be in both databases."""


class _Integer(IntegerConverter):
    def __init__(self, map: Map, **given: Any) -> None:  # noqa: A002 - named so by Werkzeug
        super().__init__(map, **{"max": _LARGEST, **given})


class _Name(UnicodeConverter):
    def __init__(self, map: Map, **given: Any) -> None:  # noqa: A002 - named so by Werkzeug
        super().__init__(map, **given)
        self.regex = self.regex.replace("[^/]", "[^/\\x00]")


def bound(app: Flask) -> None:
    """Have the routes of ``app`` that follow know only such numbers and names."""
    app.url_map.converters.update(int=_Integer, string=_Name, default=_Name)

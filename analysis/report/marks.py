"""The marks the charts are made of: Vega-Lite 5 as plain data.

Every row carries its name and its figures above its own line, so that a chart reads the same on a
phone, in print and without colour; versions differ in shape as well as in colour. Specifications
use no expressions, selections or outside data.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

FONT = "Liberation Sans"
INK = "#0b0c0c"
QUIET = "#505a5f"
HAIRLINE = "#dfe6e5"
NEW = "#0b5d5a"
PALE = "#b9d6d3"
HARM = "#a01a10"
WIDE = 640
NARROW = 300

# How far apart rows are, and how far above or below its middle each part of a row lies.
_ROOMY = {"step": 54, "name": -11, "says": -11, "mark": 12}
_TIGHT = {"step": 76, "name": -24, "says": -4, "mark": 18}

Kind = Literal["control", "new", "quiet"]
Spec = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a chart: a name, its figures in words, an estimate and its interval."""

    name: str
    says: str
    value: float
    low: float | None
    high: float | None
    kind: Kind = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A vertical line at ``at``: the zero line, a target, a margin."""

    at: float
    dash: tuple[int, ...] = ()
    colour: str = QUIET


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Rows that share one horizontal axis, under a heading and a note."""

    rows: Sequence[Row]
    axis: str
    heading: str = ""
    note: str = ""
    percent: bool = False
    bars: bool = False
    rules: Sequence[Rule] = field(default_factory=tuple)


def page(panels: Sequence[Panel], *, width: int) -> Spec:
    """A whole specification: the panels one under the other, ``width`` pixels wide."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "#ffffff",
        "padding": {"left": 4, "right": 12, "top": 4, "bottom": 4},
        "spacing": 22,
        "config": _CONFIG,
        "vconcat": [_panel(panel, width) for panel in panels],
    }


_CONFIG: Spec = {
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 14, "titleFontSize": 14, "titleFontWeight": "normal", "labelColor": QUIET,
        "titleColor": QUIET, "gridColor": HAIRLINE, "domain": False, "ticks": False,
        "labelPadding": 8, "titlePadding": 10,
    },
    "title": {
        "anchor": "start", "fontSize": 16, "color": INK, "subtitleFontSize": 14,
        "subtitleColor": QUIET, "offset": 10, "frame": "group", "subtitlePadding": 4,
        "lineHeight": 20, "subtitleLineHeight": 18,
    },
    "text": {"fontSize": 14, "color": INK},
}  # fmt: skip


def _places(width: int) -> dict[str, int]:
    return _ROOMY if width > NARROW else _TIGHT


def _panel(panel: Panel, width: int) -> Spec:
    spec: Spec = {
        "width": width,
        "height": {"step": _places(width)["step"]},
        "data": {"values": [_datum(i, row) for i, row in enumerate(panel.rows)]},
        "encoding": {"y": {"field": "row", "type": "ordinal", "axis": None}},
        "layer": [*_rules(panel), *_values(panel, width), *_names(width)],
    }
    if panel.heading:
        spec["title"] = {"text": _lines(panel.heading, width, 8.4)}
        if panel.note:
            spec["title"]["subtitle"] = _lines(panel.note, width, 6.9)
    return spec


def _datum(index: int, row: Row) -> Spec:
    datum: Spec = {"row": index, "name": row.name, "says": row.says, "kind": row.kind}
    ends = {"value": row.value, "low": row.low, "high": row.high, "zero": 0}
    return datum | {key: end for key, end in ends.items() if end is not None}


def _lines(text: str, width: int, per_character: float) -> list[str]:
    """``text`` broken to fit ``width`` pixels: Vega does not wrap."""
    return textwrap.wrap(text, max(int(width / per_character), 20)) or [""]


def _x(panel: Panel, name: str = "value") -> Spec:
    axis: Spec = {"title": panel.axis, "tickCount": 5, "format": ".1~%" if panel.percent else ",~f"}
    if not panel.percent:
        axis.pop("format")
    return {
        "field": name, "type": "quantitative", "axis": axis,
        "scale": {"zero": panel.bars, "nice": True, "padding": 12},
    }  # fmt: skip


def _rules(panel: Panel) -> list[Spec]:
    """Vertical lines, drawn first so that the marks lie over them."""
    return [
        {
            "data": {"values": [{"at": rule.at}]},
            "mark": {"type": "rule", "strokeDash": [*rule.dash], "color": rule.colour,
                     "strokeWidth": 2 if rule.dash else 1.5},
            "encoding": {"x": {"field": "at", "type": "quantitative"}, "y": None},
        }
        for rule in panel.rules
    ]  # fmt: skip


def _values(panel: Panel, width: int) -> list[Spec]:
    """The estimates: bars or points, with their intervals."""
    lower = _places(width)["mark"]
    colour = {
        "field": "kind", "type": "nominal", "legend": None,
        "scale": {"domain": ["control", "new", "quiet"], "range": [QUIET, NEW, PALE]},
    }  # fmt: skip
    shape = {
        "field": "kind", "type": "nominal", "legend": None,
        "scale": {"domain": ["control", "new", "quiet"], "range": ["diamond", "circle", "square"]},
    }  # fmt: skip
    interval: Spec = {
        "mark": {"type": "rule", "strokeWidth": 3, "strokeCap": "round", "yOffset": lower},
        "encoding": {"x": _x(panel, "low"), "x2": {"field": "high"}, "color": colour},
        "transform": [{"filter": {"field": "low", "valid": True}},
                      {"filter": {"field": "high", "valid": True}}],
    }  # fmt: skip
    if panel.bars:
        bar: Spec = {
            "mark": {"type": "bar", "height": 18, "yOffset": lower},
            "encoding": {"x": _x(panel), "x2": {"datum": 0}, "color": colour},
        }
        interval["encoding"]["color"] = {"value": INK}
        interval["mark"]["strokeWidth"] = 2
        return [bar, interval]
    point: Spec = {
        "mark": {"type": "point", "filled": True, "opacity": 1, "size": 170, "yOffset": lower,
                 "stroke": "#ffffff", "strokeWidth": 1.5},
        "encoding": {"x": _x(panel), "color": colour, "shape": shape},
    }  # fmt: skip
    return [interval, point]


def _names(width: int) -> list[Spec]:
    """Above each line: its name, and its figures at the right (below the name on a phone)."""
    place = _places(width)
    aside = place["says"] == place["name"]
    name = {"align": "left", "yOffset": place["name"], "fontWeight": "bold"}
    says = {"align": "right" if aside else "left", "yOffset": place["says"]}
    return [
        *_haloed("name", name, at=0),
        *_haloed("says", says, at=width if aside else 0),
    ]


def _haloed(field_name: str, mark: Spec, *, at: int) -> list[Spec]:
    """Text with a white edge under it, so that lines behind do not cross it."""
    text = {"type": "text", "baseline": "middle", **mark}
    encoding = {"x": {"value": at}, "text": {"field": field_name}}
    edge = {**text, "stroke": "#ffffff", "strokeWidth": 5, "strokeJoin": "round"}
    return [{"mark": edge, "encoding": encoding}, {"mark": text, "encoding": encoding}]

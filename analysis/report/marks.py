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
BAR = "#4a9d97"
PALE = "#b9d6d3"
HARM = "#a01a10"
WIDE = 640
NARROW = 300

_LINE = 18  # the height of a line of text
_BAND = 34  # the height of the mark under its text

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
    return framed([_panel(panel, width) for panel in panels])


def framed(drawings: Sequence[Spec]) -> Spec:
    """A whole specification of ready drawings, one under the other, in the style of every chart."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "#ffffff",
        "padding": {"left": 4, "right": 12, "top": 4, "bottom": 4},
        "spacing": 22,
        "config": _CONFIG,
        "vconcat": [*drawings],
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where the parts of a row lie, as distances from its middle: down is positive."""

    step: int
    name: int
    says: int
    mark: int
    aside: bool


def _layout(panel: Panel, width: int) -> _Layout:
    """Rows are as high as the longest name asks; on a phone the figures go below the name."""
    aside = width > NARROW
    lines = max(len(_named(row, width)) for row in panel.rows)
    step = _LINE * (lines + (not aside)) + _BAND
    top = -step // 2 + 11
    says = top if aside else top + _LINE * lines
    return _Layout(step=step, name=top, says=says, mark=step // 2 - 15, aside=aside)


def _named(row: Row, width: int) -> list[str]:
    """The row's name in lines that leave room for its figures."""
    taken = 7 * len(row.says) + 24 if width > NARROW else 0
    return _lines(row.name, width - taken, 7.8)


def _panel(panel: Panel, width: int) -> Spec:
    layout = _layout(panel, width)
    spec: Spec = {
        "width": width,
        "height": {"step": layout.step},
        "data": {"values": [_datum(i, row, width) for i, row in enumerate(panel.rows)]},
        "encoding": {"y": {"field": "row", "type": "ordinal", "axis": None}},
        "layer": [*_rules(panel), *_values(panel, layout), *_names(layout, width)],
    }
    if panel.heading:
        spec["title"] = {"text": _lines(panel.heading, width, 8.4)}
        if panel.note:
            spec["title"]["subtitle"] = _lines(panel.note, width, 6.9)
    return spec


def _datum(index: int, row: Row, width: int) -> Spec:
    datum: Spec = {"row": index, "name": _named(row, width), "says": row.says, "kind": row.kind}
    ends = {"value": row.value, "low": row.low, "high": row.high}
    return datum | {key: end for key, end in ends.items() if end is not None}


def _lines(text: str, width: int, per_character: float) -> list[str]:
    """``text`` broken to fit ``width`` pixels: Vega does not wrap."""
    return textwrap.wrap(text, max(int(width / per_character), 16)) or [""]


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


def _values(panel: Panel, layout: _Layout) -> list[Spec]:
    """The estimates: bars or points, with their intervals."""
    colours = [QUIET, BAR if panel.bars else NEW, PALE]
    colour = {
        "field": "kind", "type": "nominal", "legend": None,
        "scale": {"domain": ["control", "new", "quiet"], "range": colours},
    }  # fmt: skip
    shape = {
        "field": "kind", "type": "nominal", "legend": None,
        "scale": {"domain": ["control", "new", "quiet"], "range": ["diamond", "circle", "square"]},
    }  # fmt: skip
    interval: Spec = {
        "mark": {"type": "rule", "strokeWidth": 3, "strokeCap": "round", "yOffset": layout.mark},
        "encoding": {"x": _x(panel, "low"), "x2": {"field": "high"}, "color": colour},
        "transform": [{"filter": {"field": "low", "valid": True}},
                      {"filter": {"field": "high", "valid": True}}],
    }  # fmt: skip
    if panel.bars:
        bar: Spec = {
            "mark": {"type": "bar", "height": 18, "yOffset": layout.mark},
            "encoding": {"x": _x(panel), "x2": {"datum": 0}, "color": colour},
        }
        interval["encoding"]["color"] = {"value": INK}
        interval["mark"]["strokeWidth"] = 2
        return [bar, interval]
    point: Spec = {
        "mark": {"type": "point", "filled": True, "opacity": 1, "size": 170, "yOffset": layout.mark,
                 "stroke": "#ffffff", "strokeWidth": 1.5},
        "encoding": {"x": _x(panel), "color": colour, "shape": shape},
    }  # fmt: skip
    return [interval, point]


def _names(layout: _Layout, width: int) -> list[Spec]:
    """Above each line: its name, and its figures at the right (below the name on a phone)."""
    name = {"align": "left", "yOffset": layout.name, "fontWeight": "bold", "lineHeight": _LINE}
    says = {"align": "right" if layout.aside else "left", "yOffset": layout.says}
    return [
        *_haloed("name", name, at=0),
        *_haloed("says", says, at=width if layout.aside else 0),
    ]


def _haloed(field_name: str, mark: Spec, *, at: int) -> list[Spec]:
    """Text with a white edge under it, so that lines behind do not cross it."""
    text = {"type": "text", "baseline": "middle", **mark}
    encoding = {"x": {"value": at}, "text": {"field": field_name}}
    edge = {**text, "stroke": "#ffffff", "strokeWidth": 9, "strokeJoin": "round"}
    return [{"mark": edge, "encoding": encoding}, {"mark": text, "encoding": encoding}]

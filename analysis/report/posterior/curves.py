"""Density curves as charts: posteriors, and the priors they came from."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.report import marks
from analysis.report.chart import Chart, finished
from analysis.report.marks import Spec
from analysis.report.reading import Json, parts

HEIGHT = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One density: ``x`` on the axis' scale; drawn filled, or as a dashed line."""

    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False
    colour: str = marks.NEW


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Densities over one axis, under a heading."""

    heading: str
    axis: str
    curves: Sequence[Curve]


def curve(found: Json | None, *, scale: float, dashed: bool = False, colour: str = "") -> Curve:
    """A curve of the stored document: ``{"x": [...], "density": [...]}``."""
    x = [float(v) * scale for v in (found or {}).get("x", ())]
    y = [float(v) / scale for v in (found or {}).get("density", ())]
    return Curve(x=x, y=y, dashed=dashed, colour=colour or (marks.QUIET if dashed else marks.NEW))


def drawn(
    key: str,
    pictures: Sequence[Picture],
    *,
    title: str,
    conclusion: str,
    columns: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
) -> Chart:
    """A chart of density pictures, one under the other."""
    return finished(
        key,
        lambda width: marks.framed([_picture(p, width) for p in pictures]),
        title=title,
        conclusion=conclusion,
        columns=columns,
        rows=rows,
    )


def _picture(picture: Picture, width: int) -> Spec:
    heading = textwrap.wrap(picture.heading, int(width / 8.4)) or [""]
    return {
        "width": width,
        "height": HEIGHT,
        "title": {"text": heading},
        "layer": [*(_layer(c, picture.axis) for c in picture.curves), _zero()],
    }


def _layer(one: Curve, axis: str) -> Spec:
    mark: Spec = {
        "type": "area",
        "color": one.colour,
        "opacity": 0.35,
        "line": {"color": one.colour, "strokeWidth": 2},
    }
    if one.dashed:
        mark = {"type": "line", "color": one.colour, "strokeDash": [6, 4], "strokeWidth": 2}
    return {
        "data": {"values": [{"x": x, "y": y} for x, y in zip(one.x, one.y, strict=True)]},
        "mark": mark,
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "axis": {"title": axis, "tickCount": 5},
                "scale": {"zero": False, "nice": False},
            },
            "y": {"field": "y", "type": "quantitative", "axis": None},
        },
    }


def _zero() -> Spec:
    return {
        "data": {"values": [{"at": 0}]},
        "mark": {"type": "rule", "color": marks.INK, "strokeWidth": 1.5},
        "encoding": {"x": {"field": "at", "type": "quantitative"}},
    }


def densities(measure: Json) -> tuple[Json | None, Json | None]:
    """The posterior's and the prior's stored curves of one measure."""
    found = measure.get("densities")
    if not isinstance(found, dict):
        return None, None
    return found.get("posterior"), found.get("prior")


def every(document: Json, role: str | None = None) -> list[Json]:
    """The measures that have a posterior, the primary's first."""
    known = [
        m
        for m in parts(document, "measures")
        if densities(m)[0] and (role is None or m.get("role") == role)
    ]
    return sorted(known, key=lambda m: m.get("role") != "primary")

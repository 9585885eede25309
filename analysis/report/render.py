"""Draws charts: a Vega-Lite specification becomes an SVG for a page or a PNG for a message.

The SVG passes a Content-Security-Policy that forbids inline styles and scripts, has a name for
assistive technology, and identifiers of its own so that several fit on one page.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree as ET

from analysis.report.chart import Chart

_SVG = "http://www.w3.org/2000/svg"
_VEGA_LITE = "5.21"
_NOISE = ("aria-", "role", "style")


def svg(chart: Chart, *, narrow: bool = False) -> str:
    """The chart as inline SVG; ``narrow`` is the drawing for a phone."""
    ident = f"chart-{chart.key}-{'narrow' if narrow else 'wide'}"
    spec = chart.narrow if narrow else chart.spec
    return _finished(json.dumps(spec, sort_keys=True), chart.alt, ident)


def png(chart: Chart, *, scale: float = 2.0, narrow: bool = False) -> bytes:
    """The chart as a PNG, ``scale`` pixels a point, for mail (``narrow``) and documents."""
    import vl_convert  # loads slowly, and most processes never draw

    spec = chart.narrow if narrow else chart.spec
    drawn: bytes = vl_convert.vegalite_to_png(spec, vl_version=_VEGA_LITE, scale=scale)
    return drawn


def warm() -> None:
    """Load what draws charts, which takes some seconds, before anybody waits for one."""
    _finished('{"data": {"values": []}, "mark": "bar"}', "nothing", "chart-warm")


@lru_cache(maxsize=512)
def _finished(spec: str, alt: str, ident: str) -> str:
    import vl_convert  # loads slowly, and most processes never draw

    drawn = vl_convert.vegalite_to_svg(json.loads(spec), vl_version=_VEGA_LITE)
    return accessible(drawn, alt=alt, ident=ident)


def accessible(drawn: str, *, alt: str, ident: str) -> str:
    """``drawn`` as one named image: ``role="img"`` with a title, no style or script inside."""
    ET.register_namespace("", _SVG)
    root = ET.fromstring(drawn)  # noqa: S314 - drawn by the line above, not by a stranger
    for element in root.iter():
        _cleaned(element, ident)
    title = ET.Element(f"{{{_SVG}}}title", {"id": f"{ident}-title"})
    title.text = alt
    root.insert(0, title)
    root.set("role", "img")
    root.set("aria-labelledby", f"{ident}-title")
    root.set("focusable", "false")
    return ET.tostring(root, encoding="unicode")


def _cleaned(element: ET.Element, ident: str) -> None:
    """Take off per-mark roles (the image has one name) and make identifiers this chart's own."""
    for name, value in list(element.attrib.items()):
        if name.startswith(_NOISE):
            del element.attrib[name]
        elif name == "id":
            element.set(name, f"{ident}-{value}")
        elif "url(#" in value:
            element.set(name, re.sub(r"url\(#", f"url(#{ident}-", value))


def text_in(drawing: str) -> list[str]:
    """Every different piece of text an SVG shows, in order; its title is not shown."""
    root: Any = ET.fromstring(drawing)  # noqa: S314 - our own drawing
    return list(dict.fromkeys("".join(t.itertext()) for t in root.iter(f"{{{_SVG}}}text")))

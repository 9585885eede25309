"""A letter as the bytes of a mail, or as the page that a preview shows."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analysis.report import render
from analysis.report.chart import Chart
from trials import resources
from web.mail import compose
from web.mail.compose import Envelope, Picture
from web.mail.letters import Letter

_MOST = 64
_COLOURS = 64
WIDTH = 420
"""The pixels that a chart is wide where there is room for them."""
_BEFORE_PICTURE = "The figures are in the table below it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A chart as the template places it."""

    title: str
    says: str
    src: str
    alt: str
    width: int


def mail(letter: Letter, envelope: Envelope, *, stop: str) -> bytes:
    """The mail to one reader; ``stop`` is the page that stops it."""
    chart = letter.chart
    picture = None if chart is None else drawn(chart)
    shown = chart and picture and _shown(chart, picture, f"cid:{compose.cid(envelope)}")
    names = {"letter": letter, "chart": shown, "stop": stop, "organisation": envelope.organisation}
    text = _plain().get_template("mails/mail.txt").render(names)
    html = _html().get_template("mails/mail.html").render(names, css=css())
    return compose.written(envelope, subject=letter.subject, text=text, html=html, picture=picture)


def preview(letter: Letter, organisation: str) -> str:
    """The same mail as one page, its picture inside it."""
    shown = None
    if letter.chart is not None:
        picture = drawn(letter.chart)
        data = base64.b64encode(picture.png).decode()
        shown = _shown(letter.chart, picture, f"data:image/png;base64,{data}")
    return _html().get_template("mails/mail.html").render(
        letter=letter, chart=shown, stop="", organisation=organisation, css=css()
    )  # fmt: skip


@cache
def css() -> str:
    """The style that every mail carries."""
    file = resources.folder("templates") / "mails" / "mail.css"
    return file.read_text("utf-8").strip()


def drawn(chart: Chart) -> Picture:
    """The chart as drawn for a phone, at three times its size, so that it can be read on one.

    Its words name no table.
    """
    png = _png(json.dumps(chart.narrow, sort_keys=True), chart)
    return Picture(png=png, alt=chart.alt.replace(_BEFORE_PICTURE, "").strip(), width=WIDTH)


_kept: dict[str, bytes] = {}


def _png(spec: str, chart: Chart) -> bytes:
    """The drawing, made once for all who get it."""
    if spec not in _kept:
        if len(_kept) > _MOST:
            _kept.clear()
        _kept[spec] = _small(render.png(chart, narrow=True, scale=3.0))
    return _kept[spec]


def _small(png: bytes) -> bytes:
    """A drawing of few colours with a palette: a tenth of the bytes, and it looks the same."""
    from PIL import Image  # only who writes mails needs it

    with Image.open(io.BytesIO(png)) as drawing:
        flat = Image.new("RGB", drawing.size, "white")
        flat.paste(drawing, mask=drawing.getchannel("A") if drawing.mode == "RGBA" else None)
    out = io.BytesIO()
    flat.quantize(_COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _shown(chart: Chart, picture: Picture, src: str) -> Shown:
    return Shown(title=chart.title, says=chart.conclusion, src=src, alt=picture.alt,
                 width=picture.width)  # fmt: skip


@cache
def _html() -> Environment:
    return _environment(autoescape=True)


@cache
def _plain() -> Environment:
    return _environment(autoescape=False)


def _environment(*, autoescape: bool) -> Environment:
    return Environment(
        loader=FileSystemLoader(resources.folder("templates")),
        autoescape=autoescape,  # noqa: S701 - the text part is not markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

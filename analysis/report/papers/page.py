"""A paper as one HTML page that travels alone: style and drawings inside, no script, no network."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analysis.report.papers.blocks import Block, Heading, Paper, is_figure
from trials import resources


def page(paper: Paper) -> str:
    """The paper as HTML; the same page is what the PDF is set from."""
    css = style()
    template = _environment().get_template("reports/paper.html")
    return template.render(
        paper=paper,
        css=css,
        policy=policy(css),
        kind_of=kind_of,
        drawing=drawing,
        anchor=anchor,
        is_figure=is_figure,
    )


def style() -> str:
    """The style sheet that a paper carries."""
    return (resources.folder("templates") / "reports" / "paper.css").read_text("utf-8")


def policy(css: str) -> str:
    """The Content-Security-Policy of a paper: its own style, drawings written into it, no more."""
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def kind_of(block: Block) -> str:
    """The name of a block's kind, for the template."""
    return type(block).__name__.lower()


def drawing(svg: str) -> str:
    """A drawing as an address that holds it whole."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def anchor(heading: Heading | str) -> str:
    """The identifier of a heading."""
    text = heading if isinstance(heading, str) else heading.text
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(resources.folder("templates")), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip

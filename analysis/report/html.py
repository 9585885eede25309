"""A report as one HTML page that travels alone: its style and its drawings are inside it.

It asks the network for nothing, runs no script, and says so in a Content-Security-Policy of its
own, so that it can be mailed, printed or kept with the committee papers.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analysis.report.view import report
from trials import resources
from trials.definition.model import Trial


def report_html(
    trial: Trial,
    result: Mapping[str, Any],
    *,
    css: str,
    generated_at: datetime,
    organisation: str = "",
) -> str:
    """The report of ``result`` as one self-contained HTML page.

    Args:
        trial: the definition that was analysed.
        result: the result document.
        css: the style sheet to carry (the built ``report.css``).
        generated_at: an aware moment, printed in London time.
        organisation: whose report it is, for its heading.
    """
    view = report(trial, result, generated_at=generated_at, organisation=organisation)
    return _environment().get_template("reports/document.html").render(
        report=view, css=css, policy=policy(css)
    )  # fmt: skip


def policy(css: str) -> str:
    """The Content-Security-Policy of a report that carries ``css``: that style and nothing else."""
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(resources.folder("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

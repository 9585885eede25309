"""A paper as PDF/UA-1: tagged, with bookmarks, so that it can be read aloud and searched."""

from __future__ import annotations

from typing import Any

from analysis.report.papers.blocks import Paper
from analysis.report.papers.page import page
from trials.errors import Unavailable

_SIZES = ("8.8pt", "8.4pt", "8pt", "7.6pt", "7.2pt")
"""The sizes of type that a paper of one page is tried in, the largest first."""

_REPORT_SIZES = ("10.7pt", "10.4pt", "10.1pt")
"""The sizes tried where a report's last page holds only a line or two."""
_SHORT = 12
"""Pages beyond which a paper is a record to look things up in, and its last page may be short."""

_REMEDY = (
    "install it ('apt-get install libpango-1.0-0 libpangoft2-1.0-0', 'brew install pango'), "
    "or ask for html or docx, which do not need it"
)


def pdf(paper: Paper) -> bytes:
    """The paper set for A4.

    Raises:
        Unavailable: the machine has no Pango, which sets the type.
    """
    try:
        from weasyprint import CSS, HTML
        from weasyprint.urls import URLFetcher
    except OSError:
        raise Unavailable("PDF needs the Pango library, which is not here", _REMEDY) from None
    # Nothing is fetched from elsewhere: what a paper shows is written into it.
    inside = URLFetcher(allowed_protocols=["data"])
    source = HTML(string=page(paper), url_fetcher=inside)
    if paper.style == "one-page":
        for size in _SIZES:
            sized = CSS(string=f".paper--one-page {{ font-size: {size} !important }}")
            laid = source.render(stylesheets=[sized], pdf_variant="pdf/ua-1")
            if len(laid.pages) == 1:
                break
        fitted: bytes = laid.write_pdf(pdf_variant="pdf/ua-1")
        return fitted
    made: bytes = _without_a_stub(source).write_pdf(pdf_variant="pdf/ua-1")
    return made


def _without_a_stub(source: Any) -> Any:
    """The report laid out; a little smaller where that saves a last page with hardly a line."""
    from weasyprint import CSS

    laid = source.render(pdf_variant="pdf/ua-1")
    if not 1 < len(laid.pages) <= _SHORT:
        return laid
    for size in _REPORT_SIZES:
        sized = CSS(string=f"html {{ font-size: {size} !important }}")
        smaller = source.render(stylesheets=[sized], pdf_variant="pdf/ua-1")
        if len(smaller.pages) < len(laid.pages):
            return smaller
    return laid

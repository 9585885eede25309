"""A paper as PDF/UA-1: tagged, with bookmarks, so that it can be read aloud and searched."""

from __future__ import annotations

from analysis.report.papers.blocks import Paper
from analysis.report.papers.page import page
from trials.errors import Unavailable

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
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except OSError:
        raise Unavailable("PDF needs the Pango library, which is not here", _REMEDY) from None
    # Nothing is fetched from elsewhere: what a paper shows is written into it.
    inside = URLFetcher(allowed_protocols=["data"])
    made: bytes = HTML(string=page(paper), url_fetcher=inside).write_pdf(pdf_variant="pdf/ua-1")
    return made

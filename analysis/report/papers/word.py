"""A paper as a Word document: real headings, header rows, alternative texts, British English."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from analysis.report.papers.blocks import (
    Block,
    Bullets,
    Heading,
    Numbers,
    Paper,
    Picture,
    Table,
    Text,
    Verbatim,
    is_figure,
)

_LANGUAGE = "en-GB"
_DEEP, _QUIET, _RULE = "063635", "505A5F", "CFD8D7"
_ACROSS, _TALLEST = 150.0, 190.0
"""The most millimetres that a picture is wide and high."""
_WHOLE_LIST = 6
"""The most points after the first of a list that is kept on one page."""
_HARD = "\u00a0"
_LETTER = 0.19
"""The width of a letter of Arial in millimetres, for each point of its size."""
_LONGEST = 34
"""Letters that a column is given before its text is broken."""
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


def word(paper: Paper) -> bytes:
    """The paper as the bytes of a .docx file."""
    from docx import Document

    document = Document()
    _properties(document, paper)
    _styles(document)
    _front(document, paper)
    for beside, group in groupby(paper.blocks, key=_narrow):
        if beside:
            _side_by_side(document, list(group))
            continue
        for block in group:
            _turned(document, wide=isinstance(block, Table) and block.wide)
            _led_in(document, block)
            _WRITERS[type(block)](document, block)
    _footer(document, paper)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _properties(document: Any, paper: Paper) -> None:
    from docx.shared import Mm

    core = document.core_properties
    core.title = _clean(f"{paper.kind}: {paper.title}")[:255]
    core.author = _clean(paper.organisation)[:255]
    core.language, core.comments = _LANGUAGE, f"Made with Signpost on {paper.generated}"
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(20)
    section.top_margin = section.bottom_margin = Mm(20)


def _narrow(block: Block) -> bool:
    return isinstance(block, Picture) and block.width < 1


def _led_in(document: Any, block: Block) -> None:
    """A picture or a list stays on one page with the sentence that leads up to it."""
    if isinstance(block, Picture | Bullets) and document.paragraphs[-1].text:
        document.paragraphs[-1].paragraph_format.keep_with_next = True


def _turned(document: Any, *, wide: bool) -> None:
    """A new section where the paper turns on its side for a wide table, or back again."""
    from docx.enum.section import WD_ORIENT, WD_SECTION

    last = document.sections[-1]
    if wide == (last.orientation == WD_ORIENT.LANDSCAPE):
        return
    section = document.add_section(WD_SECTION.NEW_PAGE)
    section.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = last.page_height, last.page_width


def _styles(document: Any) -> None:
    """Arial throughout, headings in the product's green, and the language on every run."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn
    from docx.shared import Pt, RGBColor

    sizes = {"Normal": 11, "Title": 24, "Heading 1": 16, "Heading 2": 13, "Heading 3": 11.5}
    for name, size in sizes.items():
        style = document.styles[name]
        style.font.name, style.font.size = "Arial", Pt(size)
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        for attribute in list(fonts.attrib):
            if attribute.endswith("Theme"):
                del fonts.attrib[attribute]
        for script in ("w:ascii", "w:hAnsi", "w:cs", "w:eastAsia"):
            fonts.set(qn(script), "Arial")
        if name != "Normal":
            style.font.color.rgb = RGBColor.from_string(_DEEP)
    language = OxmlElement("w:lang")
    language.set(qn("w:val"), _LANGUAGE)
    language.set(qn("w:eastAsia"), _LANGUAGE)
    defaults = document.styles.element.find(qn("w:docDefaults"))
    properties = defaults.find(f"{qn('w:rPrDefault')}/{qn('w:rPr')}")
    for old in properties.findall(qn("w:lang")):
        properties.remove(old)
    properties.append(language)


def _front(document: Any, paper: Paper) -> None:
    kind = document.add_paragraph()
    whose = f"{paper.kind} · {paper.organisation}" if paper.organisation else paper.kind
    _run(kind, whose, colour=_QUIET)
    document.add_heading(_clean(paper.title), level=0)
    if paper.subtitle:
        _run(document.add_paragraph(), paper.subtitle, colour=_QUIET)


def _footer(document: Any, paper: Paper) -> None:
    line = document.sections[0].footer.paragraphs[0]
    _run(line, f"{paper.kind} · {paper.key} · made with Signpost on {paper.generated} · page ",
         size=8, colour=_QUIET)  # fmt: skip
    _field(line, "PAGE")


def _field(paragraph: Any, code: str) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), code)
    paragraph._p.append(field)  # noqa: SLF001 - python-docx offers no fields


def _heading(document: Any, block: Heading) -> None:
    document.add_heading(_clean(block.text), level=max(1, min(block.level - 1, 3)))


def _text(document: Any, block: Text) -> None:
    paragraph = document.add_paragraph()
    if block.role == "lead":
        _run(paragraph, block.text, size=13)
    elif block.role == "note":
        _run(paragraph, block.text, size=9, colour=_QUIET)
    else:
        _run(paragraph, block.text, bold=block.role == "callout")


def _bullets(document: Any, block: Bullets) -> None:
    last = len(block.items) - 1
    for i, item in enumerate(block.items):
        point = document.add_paragraph(style="List Bullet")
        point.paragraph_format.keep_with_next = (i < last <= _WHOLE_LIST) or None
        _run(point, item)


def _numbers(document: Any, block: Numbers) -> None:
    for value, label in block.items:
        paragraph = document.add_paragraph()
        _run(paragraph, value, size=18, bold=True, colour=_DEEP)
        _run(paragraph, f"  {label}")


def _table(document: Any, block: Table) -> None:
    caption = document.add_paragraph()
    caption.paragraph_format.keep_with_next = True
    _run(caption, block.caption, bold=True)
    table = document.add_table(rows=1, cols=len(block.columns))
    table.style = "Table Grid"
    _lines(table)
    size = 8.5 if block.small else 9.5
    for cell, column in zip(table.rows[0].cells, block.columns, strict=True):
        _cell(cell, column, size=size, bold=True)
    _mark_header(table)
    for row in block.rows:
        cells = table.add_row().cells
        for cell, value in zip(cells, row, strict=True):
            _cell(cell, value, size=size)
    for row in table.rows:
        _keep_whole(row)
    if block.short:
        _keep_together(table)
    _measured(table, block, points=size)
    _run(document.add_paragraph(), "", size=size)


def _cell(cell: Any, text: str, *, size: float, bold: bool = False) -> None:
    from docx.shared import Pt

    paragraph = cell.paragraphs[0]
    paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(2)
    _run(paragraph, text.replace(" ", _HARD) if is_figure(text) else text, size=size, bold=bold)


def _measured(table: Any, block: Table, *, points: float) -> None:
    """Columns as wide as what they hold: first room for what cannot be broken, then the rest."""
    from docx.shared import Mm

    across = (257 if block.wide else 170) / (points * _LETTER)  # in letters
    needs, wants = [], []
    for cells in zip(block.columns, *block.rows, strict=True):
        unbroken = [len(c) if is_figure(c) else max(map(len, c.split()), default=0) for c in cells]
        needs.append(min(max(unbroken) + 3, _LONGEST))
        wants.append(min(max(map(len, cells)) + 3, 2 * _LONGEST))
    spare = max(across - sum(needs), 0)
    extra = [want - need for want, need in zip(wants, needs, strict=True)]
    widths = [n + spare * e / (sum(extra) or 1) for n, e in zip(needs, extra, strict=True)]
    scale = across / sum(widths)
    table.autofit = False
    for column, width in zip(table.columns, widths, strict=True):
        column.width = Mm(width * scale * points * _LETTER)
    for row in table.rows:
        for cell, column in zip(row.cells, table.columns, strict=True):
            cell.width = column.width


def _mark_header(table: Any) -> None:
    """The first row is repeated on every page and read out as headings; so is the first column."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    header = OxmlElement("w:tblHeader")
    header.set(qn("w:val"), "true")
    table.rows[0]._tr.get_or_add_trPr().append(header)  # noqa: SLF001 - not offered
    look = table._tbl.tblPr.find(qn("w:tblLook"))  # noqa: SLF001 - not offered
    if look is not None:
        look.set(qn("w:firstRow"), "1")
        look.set(qn("w:firstColumn"), "1")


def _keep_whole(row: Any) -> None:
    from docx.oxml import OxmlElement

    row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))  # noqa: SLF001 - not offered


def _keep_together(table: Any) -> None:
    """Every row but the last holds on to the next, so that a short table is on one page."""
    for row in table.rows[:-1]:
        for cell in row.cells:
            cell.paragraphs[0].paragraph_format.keep_with_next = True


def _lines(table: Any) -> None:
    """Thin grey rules below the rows, none between the columns."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    borders = OxmlElement("w:tblBorders")
    for side in ("top", "left", "bottom", "right", "insideH", "insideV"):
        line = OxmlElement(f"w:{side}")
        across = side in ("top", "bottom", "insideH")
        line.set(qn("w:val"), "single" if across else "nil")
        if across:
            line.set(qn("w:sz"), "4")
            line.set(qn("w:color"), _RULE)
        borders.append(line)
    properties = table._tbl.tblPr  # noqa: SLF001 - not offered
    after = [e for e in properties if e.tag in (qn("w:tblLayout"), qn("w:tblLook"))]
    if after:  # the schema fixes the order of these elements
        after[0].addprevious(borders)
    else:
        properties.append(borders)


def _picture(document: Any, block: Picture) -> None:
    _drawn(document.add_paragraph(), block, across=_ACROSS)
    if block.caption:
        _run(document.add_paragraph(), block.caption, size=9, colour=_QUIET)


def _side_by_side(document: Any, blocks: Sequence[Any]) -> None:
    """Small pictures in one line, what they show below them."""
    line = document.add_paragraph()
    for block in blocks:
        _drawn(line, block, across=_ACROSS / max(len(blocks), 2) - 2)
        _run(line, " ")
    _bullets(document, Bullets(tuple(b.caption for b in blocks if b.caption)))


def _drawn(paragraph: Any, block: Picture, *, across: float) -> None:
    import vl_convert  # loads slowly, and most papers have no pictures
    from docx.shared import Mm

    png: bytes = vl_convert.svg_to_png(_sized(block.svg), scale=2.0)
    shape = paragraph.add_run().add_picture(io.BytesIO(png))
    height = shape.height / shape.width
    width = min(across, _TALLEST / height)
    shape.width, shape.height = Mm(width), Mm(width * height)
    shape._inline.docPr.set("descr", _clean(block.alt))  # noqa: SLF001 - not offered
    shape._inline.docPr.set("title", _clean(block.caption or block.alt)[:200])  # noqa: SLF001


def _sized(svg: str) -> str:
    """The drawing with a size of its own, which a converter needs and a page does not."""
    if re.search(r"<svg[^>]*\swidth=", svg):
        return svg
    box = re.search(r'viewBox="[\d.\-]+ [\d.\-]+ ([\d.]+) ([\d.]+)"', svg)
    width, height = (box[1], box[2]) if box else ("640", "360")
    return svg.replace("<svg ", f'<svg width="{width}" height="{height}" ', 1)


def _verbatim(document: Any, block: Verbatim) -> None:
    document.add_heading(_clean(block.title), level=2)
    for line in _clean(block.text).split("\n"):
        paragraph = document.add_paragraph()
        paragraph.paragraph_format.space_after = 0
        run = paragraph.add_run(line)
        run.font.name = "Courier New"
        _size(run, 9)
    document.add_paragraph()


_WRITERS: Mapping[type, Callable[[Any, Any], None]] = {
    Heading: _heading, Text: _text, Bullets: _bullets, Numbers: _numbers, Table: _table,
    Picture: _picture, Verbatim: _verbatim,
}  # fmt: skip


def _run(
    paragraph: Any, text: str, *, size: float | None = None, bold: bool = False,
    colour: str | None = None,
) -> None:  # fmt: skip
    from docx.shared import RGBColor

    run = paragraph.add_run(_clean(text))
    run.bold = bold or None
    if size is not None:
        _size(run, size)
    if colour is not None:
        run.font.color.rgb = RGBColor.from_string(colour)


def _size(run: Any, size: float) -> None:
    from docx.shared import Pt

    run.font.size = Pt(size)


def _clean(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return _FORBIDDEN.sub("", text)

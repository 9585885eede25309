"""Papers: one content in every format, tagged and readable, kept and opened again as they were."""

from __future__ import annotations

import csv
import io
import json
import re
from bisect import bisect_left
from dataclasses import replace
from itertools import pairwise

import pytest
import sqlalchemy as sa
from bs4 import BeautifulSoup
from stopped_trial import KEY, stopped

from analysis.casework import decisions, papers, register
from analysis.casework.papers import FORMATS, KINDS, Wanted
from analysis.report.papers.blocks import Bullets, Table, Text, is_figure
from analysis.report.papers.committee import HEADINGS
from analysis.report.papers.page import page
from analysis.report.papers.pdf import pdf
from analysis.scaling.specs import SPECS
from trials.errors import Altered, Conflict, NotFound, SignpostError
from trials.store.tables import PaperRow


@pytest.fixture
def one(sqlite_store):
    stopped(sqlite_store)
    return sqlite_store


@pytest.fixture
def told(one):
    with one.read() as session:
        return papers.material(session, KEY, organisation="Wychbridge Council")


def wanted(kind="dossier", fmt="json", **more):
    return Wanted(key=KEY, kind=kind, fmt=fmt, actor="officer", **more)


def test_a_paper_given_out_is_opened_again_byte_for_byte_on_both_databases(council):
    kept, content = papers.make(council, wanted("committee", "docx"))
    again, same = papers.make(council, wanted("committee", "docx"))
    assert (again.id, same) == (kept.id, content)
    with council.write() as session:
        register.change(session, register.Change(
            name="setup_cost", why="quote", actor="j",
            table={"value": 900, "source": "quote", "date": "2026"}))  # fmt: skip
    newer, changed = papers.make(council, wanted("committee", "docx"))
    assert newer.id != kept.id
    assert changed != content
    with council.read() as session:
        assert [k.id for k in papers.kept(session, KEY)] == [newer.id, kept.id]
        assert papers.opened(session, KEY, kept.id) == (kept, content)
        with pytest.raises(NotFound):
            papers.opened(session, KEY, 999)
    with council.write() as session:
        session.execute(sa.update(PaperRow).where(PaperRow.id == kept.id).values(content=b"other"))
    with council.read() as session, pytest.raises(Altered, match="not what was kept"):
        papers.opened(session, KEY, kept.id)
    with council.write() as session:
        session.execute(sa.update(PaperRow).where(PaperRow.id == newer.id).values(content=b"other"))
    with pytest.raises(Altered, match="not what was kept"):
        papers.make(council, wanted("committee", "docx"))


def test_the_dossier_holds_the_plan_the_wording_both_schools_the_case_and_the_hashes(one, told):
    with one.write() as session:
        decisions.decide(session, decisions.Wish(
            key=KEY, decision="stop", reason="the supplier cannot print it", actor="head",
            reviewer="P. Okafor"))  # fmt: skip
        told = papers.material(session, KEY)
    text = BeautifulSoup(papers.written(told, "dossier", "html"), "html.parser").get_text(" ")
    for part in (
        told.trial.arms[1].wording.splitlines()[0], told.result["plan_hash"],
        "Amendment 1", "Planned against actual", "p, adjusted", "Posterior mean", "R-hat",
        "Net present value over 3 years", "P. Okafor reviewed it", "Contacts could be matched",
        "Good Friday", "[[metrics]]", "Hash of the data",
    ):  # fmt: skip
        assert part in text, part


def test_the_committee_paper_has_the_nine_headings_in_order_and_its_finances_filled(told):
    page = BeautifulSoup(papers.written(told, "committee", "html"), "html.parser")
    headings = [h.get_text() for h in page.select("main > h2")]
    assert tuple(headings) == HEADINGS
    text = page.get_text(" ")
    assert "no budget should be reduced on account of it" in text
    assert "Equality Act 2010" in text
    assert "Not applicable" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_every_paper_is_a_page_that_asks_for_nothing_and_has_headings_in_order(told, kind):
    html = papers.written(told, kind, "html").decode()
    found = BeautifulSoup(html, "html.parser")
    assert found.html["lang"] == "en-GB"
    assert len(found.find_all("h1")) == 1
    levels = [int(h.name[1]) for h in found.find_all(re.compile(r"^h[1-6]$"))]
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert not found.find_all(["script", "link", "iframe"])
    assert all(i["src"].startswith("data:image/svg+xml") and i["alt"] for i in found("img"))
    assert all(t.caption.get_text() and t.find("th", scope="col") for t in found("table"))


@pytest.mark.parametrize("kind", ["case", "committee"])
def test_pdf_is_tagged_named_and_in_british_english(told, kind):
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(papers.written(told, kind, "pdf")))
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"].value is True
    assert root["/Lang"] == "en-GB"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"].value is True
    assert told.trial.about.title in reader.metadata.title
    kinds, pictures = set(), []

    def walk(node):
        node = node.get_object()
        if "/S" in node:
            kinds.add(node["/S"])
            if node["/S"] == "/Figure":
                pictures.append(node.get("/Alt", ""))
        for child in node.get("/K", []) if isinstance(node.get("/K"), list) else []:
            if hasattr(child.get_object(), "get"):
                walk(child)

    walk(root["/StructTreeRoot"])
    assert {"/H1", "/H2", "/P", "/Table", "/TH", "/TD"} <= kinds
    assert all(pictures)
    if kind == "case":
        (sheet,) = reader.pages
        said = " ".join(sheet.extract_text().split())
        assert "What would change this" in said
        assert "It would not pay if" in said
        assert "months after roll-out, on people held back" in said
        for default in told.case.defaults_used:
            assert f"{SPECS[default.name].label}:" in said.lower(), default.name
    else:
        assert pictures
        assert [o.title for o in reader.outline[0:1]] or reader.outline


@pytest.mark.parametrize("kind", ["dossier", "case"])
def test_word_has_real_headings_header_rows_alternative_texts_and_the_language(told, kind):
    from docx import Document
    from docx.oxml.ns import qn

    found = Document(io.BytesIO(papers.written(told, kind, "docx")))
    styles = [p.style.name for p in found.paragraphs]
    assert styles.count("Title") == 1
    assert {"Heading 1", "List Bullet"} <= set(styles)
    assert found.tables
    assert all(t.rows[0]._tr.trPr.find(qn("w:tblHeader")) is not None for t in found.tables)
    assert all(s._inline.docPr.get("descr") for s in found.inline_shapes)
    language = found.styles.element.find(f".//{qn('w:rPrDefault')}//{qn('w:lang')}")
    assert (language.get(qn("w:val")), found.core_properties.language) == ("en-GB", "en-GB")
    if kind == "dossier":
        assert len(found.inline_shapes) >= 4


def test_the_json_keeps_the_result_document_and_adds_case_and_decision(told):
    made = json.loads(papers.written(told, "dossier", "json"))
    assert {k: made[k] for k in told.result} == told.result
    assert made["case"]["npv"]["median"] == pytest.approx(told.case.quantities["npv"].median)
    assert made["decision"] is None


def test_the_csv_has_every_contrast_and_default_and_no_formula(told):
    rows = list(csv.DictReader(io.StringIO(papers.written(told, "dossier", "csv").decode())))
    contrasts = [r for r in rows if r["section"] == "contrast" and r["statistic"] == "difference"
                 and not r["segment"]]  # fmt: skip
    assert len(contrasts) == sum(len(m["contrasts"]) for m in told.result["metrics"])
    assert {r["statistic"] for r in rows if r["section"] == "assumption"} == {
        a.name for a in told.case.assumptions
    }
    assert not [r for r in rows if r["note"][:1] in "=+@" and r["note"]]


@pytest.mark.slow
def test_the_notebook_runs_from_end_to_end_and_finds_the_reported_difference(told):
    import nbformat
    from nbclient import NotebookClient

    made = nbformat.reads(papers.written(told, "dossier", "notebook").decode(), as_version=4)
    NotebookClient(made, timeout=60).execute()
    printed = "".join(
        o.get("text", "") for c in made.cells if c.cell_type == "code" for o in c.outputs
    )
    difference = told.result["metrics"][0]["contrasts"][0]["unadjusted"]["estimate"]
    assert f"reported {difference:+.5f}" in printed
    assert "defaults used:" in printed


def test_what_people_typed_is_text_in_every_format_never_markup(one):
    from dataclasses import replace

    attack = '<img src=x onerror="alert(1)"> =cmd|x \x00 \u202e """ \'\'\''
    with one.read() as session:
        m = papers.material(session, KEY, organisation=attack)
    about = m.trial.about.model_copy(update={"title": attack, "hypothesis": attack})
    m = replace(m, trial=m.trial.model_copy(update={"about": about}), definition=attack)
    assert "<img src=x" not in page(papers._WRITERS["dossier"](m))
    for fmt in FORMATS:
        assert papers.written(m, "dossier", fmt)


def test_data_formats_are_for_the_dossier_and_no_result_makes_no_paper(one, trial):
    with pytest.raises(SignpostError, match="not data"):
        papers.make(one, wanted("poster", "csv"))
    from trials import registry

    other = trial.model_copy(update={"about": trial.about.model_copy(update={"key": "other"})})
    with one.write() as session:
        registry.add(session, other, actor="j")
    with pytest.raises(Conflict, match="has not been analysed"):
        papers.make(one, Wanted(key="other", kind="dossier", fmt="html", actor="j"))


def test_without_pango_one_sentence_says_how_to_get_it_and_html_still_comes(told, monkeypatch):
    import builtins

    from trials.errors import Unavailable

    real = builtins.__import__

    def without(name, *arguments, **more):
        if name.startswith("weasyprint"):
            raise OSError("cannot load library 'libpango-1.0-0'")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Unavailable, match="libpango"):
        papers.written(told, "case", "pdf")
    assert papers.written(told, "case", "html")


def test_a_case_with_more_to_say_is_set_smaller_and_stays_on_one_page(told):
    from pypdf import PdfReader

    advice = replace(told.case.recommendation, conditions=tuple(
        f"Condition {i}: agree with the service how this is paid for, and by whom." for i in range(7)
    ))  # fmt: skip
    longer = replace(told, case=replace(told.case, recommendation=advice))
    reader = PdfReader(io.BytesIO(papers.written(longer, "case", "pdf")))
    assert len(reader.pages) == 1
    assert "Condition 6" in reader.pages[0].extract_text()


def test_a_wide_table_is_turned_on_its_side_and_no_figure_is_broken(told):
    from docx import Document
    from pypdf import PdfReader

    made = papers._WRITERS["dossier"](told)
    wide = [b for b in made.blocks if isinstance(b, Table) and b.wide]
    assert {b.caption.split(" (")[0].split(":")[0] for b in wide} >= {
        "Every comparison in numbers", "The Bayesian analysis in numbers"}  # fmt: skip
    cells = [c for b in wide for row in b.rows for c in row[1:] if is_figure(c)]
    assert len(cells) > 20
    reader = PdfReader(
        io.BytesIO(pdf(replace(made, blocks=(Text("Before"), *wide, Text("After")))))
    )
    turned = [p.mediabox.width > p.mediabox.height for p in reader.pages]
    assert (turned[0], turned[-1], any(turned)) == (False, False, True)
    lines = {
        line.strip() for p in reader.pages for line in p.extract_text().splitlines()
    }  # fmt: skip
    printed = "\n".join(lines)
    assert [c for c in cells if c not in printed] == []
    found = Document(io.BytesIO(papers.written(told, "dossier", "docx")))
    assert {s.page_width > s.page_height for s in found.sections} == {True, False}
    assert found.sections[-1].page_width < found.sections[-1].page_height
    words = {c.text for t in found.tables for row in t.rows for c in row.cells}
    assert {c.replace(" ", "\u00a0") for c in cells} <= words


def test_columns_without_a_figure_are_left_out_and_named():
    from analysis.report.papers.dossier import _given

    table = _given("Figures", ("Measure", "p", "R-hat"), (("Calls", "0.1", "–"), ("Web", "–", "–")))
    assert table.columns == ("Measure", "p")
    assert table.rows == (("Calls", "0.1"), ("Web", "–"))
    assert table.caption == "Figures (not calculated for any comparison: R-hat)"


def test_the_committee_reads_each_default_in_a_row_of_its_own(told):
    found = BeautifulSoup(papers.written(told, "committee", "html"), "html.parser")
    (table,) = [t for t in found("table") if t.caption.get_text() == "Defaults used"]
    rows = table.tbody("tr")
    assert len(rows) == len(told.case.defaults_used)
    for row, default in zip(rows, told.case.defaults_used, strict=True):
        assert SPECS[default.name].label in row.th.get_text().lower()
    assert max(len(p.get_text()) for p in found("p")) < 700


def test_a_report_whose_last_page_holds_a_line_or_two_is_set_a_little_smaller(told):
    from pypdf import PdfReader
    from weasyprint import HTML

    made = papers._WRITERS["public"](told)

    def plain(lines):
        return replace(made, blocks=(Bullets(("A point to make.",) * lines),))

    def over(lines):
        return len(HTML(string=page(plain(lines))).render().pages) > 1

    lines = bisect_left(range(200), True, key=over)
    assert 10 < lines < 100
    assert len(PdfReader(io.BytesIO(pdf(plain(lines)))).pages) == 1


def test_the_poster_shows_placeholders_as_words_in_brackets_and_no_logic(told):
    wording = (
        "Dear {{ first_name | title }}, pay {{ amount }}.{# ask legal #}"
        "{% if plan == 'yes' %} Your plan stands.{% else %} Ask us.{% endif %}"
    )
    arms = tuple(a.model_copy(update={"wording": wording}) for a in told.trial.arms)
    m = replace(told, trial=told.trial.model_copy(update={"arms": arms}))
    for fmt in ("html", "docx"):
        text = _text_of(papers.written(m, "poster", fmt), fmt)
        assert "Dear [first name], pay [amount]. Your plan stands." in text
        assert "[square brackets]" in text
        for raw in ("{{", "{%", "{#", "}}", "ask legal", "first_name", "Ask us"):
            assert raw not in text, raw


def _text_of(content, fmt):
    if fmt == "html":
        return BeautifulSoup(content, "html.parser").main.get_text(" ")
    from docx import Document

    return "\n".join(p.text for p in Document(io.BytesIO(content)).paragraphs)


@pytest.mark.parametrize("kind", ["poster", "public", "equality"])
def test_every_leaflet_is_a_tagged_pdf_with_title_and_language_and_a_titled_word_file(told, kind):
    from docx import Document
    from docx.oxml.ns import qn
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(papers.written(told, kind, "pdf")))
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"].value is True
    assert root["/Lang"] == "en-GB"
    assert told.trial.about.title in reader.metadata.title
    found = Document(io.BytesIO(papers.written(told, kind, "docx")))
    assert told.trial.about.title in found.core_properties.title
    assert [p.style.name for p in found.paragraphs].count("Title") == 1
    assert all(t.rows[0]._tr.trPr.find(qn("w:tblHeader")) is not None for t in found.tables)
    assert all(s._inline.docPr.get("descr") for s in found.inline_shapes)


def test_a_wording_that_is_no_template_is_still_shown_without_logic():
    from trials.definition import wording

    broken = "Hello {{ your_name }}, {% for x in y %}call {{ number | money }}.{# no #}"
    assert wording.plain(broken) == "Hello [your name], call [number]."

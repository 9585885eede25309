"""Templates compile, ask only for what they are given, and trust no text but drawings and style."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from council import settings
from jinja2 import Environment, FileSystemLoader

from trials import resources
from trials.errors import Unavailable
from web.app import create_app

TEMPLATES = sorted(
    p for folder in ("layouts", "components", "pages", "reports", "errors")
    for p in (resources.folder("templates") / folder).rglob("*.html")
)  # fmt: skip


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.name)
def test_every_template_compiles(path, tmp_path):
    app = create_app(settings(tmp_path), catalogue=object())
    app.jinja_env.get_template(str(path.relative_to(resources.folder("templates"))))


def test_only_drawings_and_the_style_sheet_are_trusted_as_markup():
    trusted = {
        match
        for path in TEMPLATES
        for match in re.findall(r"\{\{\s*([^}|]+?)\s*\|\s*safe", path.read_text("utf-8"))
    }
    assert trusted == {"drawn.svg", "drawn.narrow", "p.svg", "css"}
    assert not [p for p in TEMPLATES if "autoescape" in p.read_text("utf-8")]


def test_no_template_has_inline_style_or_script():
    for path in TEMPLATES:
        text = path.read_text("utf-8")
        assert not re.search(r"\sstyle=|\son[a-z]+=|javascript:", text), path.name
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path.name


def test_report_templates_need_no_web_application():
    """They compile in a plain environment: workers and the command line have no request."""
    plain = Environment(loader=FileSystemLoader(resources.folder("templates")), autoescape=True)
    for path in TEMPLATES:
        if path.parent.name in ("reports", "components"):
            text = path.read_text("utf-8")
            plain.parse(text)
            assert "url_for" not in text
            assert "govuk_frontend_jinja" not in text


def test_files_are_found_in_a_checkout_and_in_an_installed_package(monkeypatch, tmp_path):
    assert (resources.folder("templates") / "reports" / "document.html").is_file()
    package = tmp_path / "site" / "trials"
    for name in ("templates", "alembic"):
        (package / "_bundled" / name).mkdir(parents=True)
    (tmp_path / "site" / "web" / "static" / "build").mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", package)
    monkeypatch.setattr(resources, "_ROOT", package.parent)
    assert resources.folder("templates") == package / "_bundled" / "templates"
    assert resources.folder("alembic") == package / "_bundled" / "alembic"
    assert resources.folder("static") == package.parent / "web" / "static" / "build"


def test_assets_that_were_not_built_say_how_to_build_them(monkeypatch, tmp_path):
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "trials")
    monkeypatch.setattr(resources, "_ROOT", tmp_path)
    with pytest.raises(Unavailable, match="npm run build"):
        resources.folder("static")
    monkeypatch.undo()
    with pytest.raises(Unavailable, match="no built asset"):
        resources.asset("nothing.css")


def test_the_pages_load_no_sampler_and_no_query_engine():
    """A web process stays small: trials are analysed elsewhere. SciPy's special functions do for cases."""
    heavy = (
        "pymc",
        "pytensor",
        "arviz",
        "nutpie",
        "ibis",
        "duckdb",
        "pandas",
        "vl_convert",
        "scipy.stats",
    )
    code = f"import sys, web.app; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert found.stdout.strip() == "[]"

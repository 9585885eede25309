"""What the project promises about itself."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trials.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def tracked(*patterns):
    names = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_imports_go_one_way():
    """The layers and the forbidden imports, held by import-linter."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert "0 broken" in done.stdout


def test_no_text_names_a_package_registry():
    wrong = re.compile(
        r"(?i)index-url|find-links|registry\s*=|https?://\S*/simple|pypi\.org|npmjs\.(org|com)"
    )
    for path in tracked("*.txt", "*.toml", "*.json", "Makefile", ".npmrc", "*.md", ".ci/run"):
        if path == Path(__file__):
            continue
        found = [
            line for line in path.read_text("utf-8").splitlines()
            if wrong.search(line) and "--no-emit" not in line
        ]  # fmt: skip
        assert found == [], f"{path.name}: {found[:2]}"


def test_locks_are_pinned_and_hashed():
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text("utf-8")
        packages = re.findall(r"(?m)^([a-z0-9][\w.\-]*)(==\S+)?", text)
        assert len(packages) > 50
        assert all(pin for _, pin in packages)
        assert text.count("--hash=sha256:") >= len(packages)


def test_the_runtime_lock_is_part_of_the_development_lock():
    pins = [
        set(re.findall(r"(?m)^(\S+==\S+)", (ROOT / n).read_text("utf-8")))
        for n in ("requirements.txt", "requirements-dev.txt")
    ]
    assert pins[0] <= pins[1]


def test_every_setting_is_documented():
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    read = re.findall(r"SIGNPOST_[A-Z_]+", (ROOT / "trials" / "settings.py").read_text("utf-8"))
    assert {name.removesuffix("_FILE") for name in read} <= set(
        re.findall(r"SIGNPOST_[A-Z_]+", text)
    )
    assert len(dataclasses.fields(Settings)) > 5


def test_nothing_is_left_to_be_done_later():
    for path in tracked("*.py", "*.html", "*.scss", "*.mjs", "*.js"):
        if path == Path(__file__):
            continue
        assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", path.read_text("utf-8")), path


def test_files_stay_of_a_size_that_one_can_read():
    limit = 500
    for folder in ("trials", "analysis", "web"):
        for path in tracked(f"{folder}/**/*.py", f"{folder}/*.py"):
            lines = path.read_text("utf-8").count("\n")
            assert lines <= limit, f"{path.relative_to(ROOT)} has {lines} lines"


@pytest.mark.parametrize(
    "module", ["web.app", "web.cli.main", "web.pages.trials", "web.api.trials"]
)
def test_a_page_process_never_loads_pymc(module):
    code = f"import sys, {module}; sys.exit('pymc' in sys.modules or 'nutpie' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_documents_name_only_files_that_are_there():
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for name in re.findall(
            r"`((?:trials|analysis|web|templates|docs|benchmarks|alembic)/[\w./\-]+)`",
            path.read_text("utf-8"),
        ):
            assert (ROOT / name.rstrip("/")).exists(), f"{path.name} names {name}"

"""An installed wheel works from any folder: templates, migrations and trials travel inside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from trials import resources

ROOT = Path(__file__).resolve().parents[2]


def run(*command, **options):
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of what git tracks and of the built style sheets."""
    folder = tmp_path_factory.mktemp("source")
    tracked = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    for name in filter(None, tracked):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "benchmarks/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    shutil.copytree(
        resources.folder("static"), folder / "web" / "static" / "build", dirs_exist_ok=True
    )
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", out, folder)
    (made,) = out.glob("signpost_trials-*.whl")
    return made


@pytest.mark.slow
def test_what_a_wheel_must_carry_is_in_it(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "trials/_bundled/templates/pages/trials.html",
        "trials/_bundled/templates/trials/matching-gift-letters/letters.csv.gz",
        "trials/_bundled/templates/trials/ivr-council-tax.toml",
        "trials/_bundled/alembic/env.py",
        "trials/_bundled/alembic/versions/0001_foundation.py",
        "web/static/build/assets.json",
    ):
        assert wanted in names
    assert not [n for n in names if n.startswith(("tests/", "benchmarks/", "alembic/"))]


@pytest.mark.slow
def test_the_wheel_runs_the_main_job_in_a_fresh_environment_outside_the_repository(wheel, tmp_path):
    """The dependencies are lent by path; Signpost itself comes from the wheel alone."""
    environment = tmp_path / "env"
    run(sys.executable, "-m", "venv", environment)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    lent = Path(sysconfig.get_path("purelib"))
    for entry in lent.iterdir():
        editable = "signpost" in entry.name.lower() or entry.suffix == ".pth"
        if not editable and not (site / entry.name).exists():
            (site / entry.name).symlink_to(entry)
    env = {"PATH": os.environ["PATH"], "SIGNPOST_HOME": str(tmp_path / "home")}
    where = run(
        python,
        "-c",
        "import trials, web; print(trials.__file__, web.__file__)",
        cwd=tmp_path,
        env=env,
    )
    assert str(ROOT) not in where
    program = environment / "bin" / "signpost"
    url = f"sqlite:///{tmp_path / 'd.db'}"
    code = (
        "from trials import settings; from trials.people.identifiers import Hasher;"
        "from trials.store.engine import Store; from trials.store import migrate;"
        "from web import demonstration; import sys;"
        "s = Store.open(sys.argv[1]); migrate.upgrade(s);"
        "demonstration.letters(s, Hasher(settings.load().identifier_key), print)"
    )
    run(python, "-c", code, url, cwd=tmp_path, env=env)
    listed = json.loads(
        run(program, "--database", url, "--json", "trial", "list", cwd=tmp_path, env=env)
    )
    assert [t["key"] for t in listed["trials"]] == ["matching-gift-letters"]
    run(
        program,
        "--database",
        url,
        "report",
        "matching-gift-letters",
        "-o",
        tmp_path / "r.html",
        cwd=tmp_path,
        env=env,
    )
    assert "Gave in reply" in (tmp_path / "r.html").read_text("utf-8")
    page = (
        "from trials import settings; from web.app import create_app; import sys;"
        "c = create_app(settings.load(database_url=sys.argv[1])).test_client();"
        "r = c.get('/set-up'); assert r.status_code == 200, r.status; assert b'first account' in r.data"
    )
    run(python, "-c", page, url, cwd=tmp_path, env=env)

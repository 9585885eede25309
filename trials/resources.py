"""Where the files live that are not Python: templates, migrations, style sheets.

In a checkout they are folders of the repository; in an installed wheel the templates and the
migrations travel under ``trials/_bundled``. Everything that needs one asks here.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Literal

from trials.errors import Unavailable

Resource = Literal["templates", "alembic", "static"]

_PACKAGE = Path(__file__).resolve().parent
_ROOT = _PACKAGE.parent


def folder(name: Resource) -> Path:
    """The folder of ``name``, from a checkout and from an installed wheel alike.

    Raises:
        Unavailable: the folder is missing; the message says how to make it.
    """
    for place in _places(name):
        if place.is_dir():
            return place
    remedy = "run `npm ci && npm run build`" if name == "static" else "install Signpost again"
    raise Unavailable(f"the folder of {name} is missing", remedy)


def _places(name: Resource) -> tuple[Path, ...]:
    if name == "static":
        return (_ROOT / "web" / "static" / "build",)
    return (_PACKAGE / "_bundled" / name, _ROOT / name)


@cache
def asset(name: str) -> str:
    """The hashed file name of the built asset ``name``: ``app.css`` is ``app-1a2b3c4d.css``.

    Raises:
        Unavailable: the assets have not been built, or there is none of that name.
    """
    names: dict[str, str] = json.loads((folder("static") / "assets.json").read_text("utf-8"))
    if name not in names:
        raise Unavailable(f"there is no built asset called {name}", "run `npm run build`")
    return names[name]


@cache
def asset_text(name: str) -> str:
    """The text of the built asset ``name``, for a page that must carry it along."""
    return (folder("static") / asset(name)).read_text("utf-8")

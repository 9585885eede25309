"""What a WSGI server is pointed at: ``web.wsgi:application`` (a factory)."""

from __future__ import annotations

from typing import Any

from trials import settings
from web import logs, warming
from web.app import create_app


def application() -> Any:
    """The application with the settings of this process's environment."""
    logs.begin()
    app = create_app(settings.load())
    warming.begin(app)
    return app

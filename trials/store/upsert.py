"""An insert that leaves alone what is there: the same words on both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


def insert(session: Session, table: type[Any]) -> Any:
    """An ``INSERT`` of the session's own dialect, which knows ``on_conflict_do_nothing``."""
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    return (sqlite if on_sqlite else postgresql).insert(table)

"""Time: kept in UTC, shown in Europe/London.

Everything that needs the present asks here, so that a test can set it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")

_source: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: E731 - a replaceable default


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return _source().astimezone(UTC)


def set_source(source: Callable[[], datetime] | None) -> None:
    """Replace the clock (tests, rehearsals); ``None`` restores the real one."""
    global _source  # noqa: PLW0603 - the one deliberate process-wide setting
    _source = source or (lambda: datetime.now(UTC))


def epoch(moment: datetime) -> int:
    """Whole seconds since 1970 in UTC; a naive ``moment`` is taken as Europe/London wall time.

    Wall times in the repeated hour of October are read as the first pass (summer time).
    """
    aware = moment if moment.tzinfo else moment.replace(tzinfo=LONDON)
    return int(aware.timestamp())


def from_epoch(seconds: int) -> datetime:
    """The UTC moment of ``seconds`` since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def london(moment: datetime) -> datetime:
    """``moment`` as Europe/London wall time."""
    return moment.astimezone(LONDON)


def end_of_day(day: date) -> datetime:
    """The first moment after ``day`` in Europe/London, as UTC."""
    start = datetime.combine(day + timedelta(days=1), datetime.min.time(), LONDON)
    return start.astimezone(UTC)


def start_of_day(day: date) -> datetime:
    """Midnight at the start of ``day`` in Europe/London, as UTC."""
    return datetime.combine(day, datetime.min.time(), LONDON).astimezone(UTC)

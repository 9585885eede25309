"""Dates as British people type them into three boxes, and back."""

from __future__ import annotations

from datetime import date

from web.filled import Filled

PARTS = ("day", "month", "year")


def read(
    filled: Filled, name: str, what: str, *, needed: bool = True
) -> tuple[date | None, Filled]:
    """The date in the boxes ``name-day`` and so on, and the form with what is wrong with it."""
    typed = [filled[f"{name}-{part}"] for part in PARTS]
    if not any(typed):
        return None, filled.wrong(name, f"Enter {what}.") if needed else filled
    try:
        day, month, year = (int(text) for text in typed)
        return date(year, month, day), filled
    except (ValueError, OverflowError):
        return None, filled.wrong(name, f"{what[:1].upper()}{what[1:]} must be a real date.")


def typed(name: str, day: date | None) -> dict[str, str]:
    """The boxes as they stand before anybody types."""
    if day is None:
        return {}
    return {f"{name}-day": str(day.day), f"{name}-month": str(day.month),
            f"{name}-year": str(day.year)}  # fmt: skip

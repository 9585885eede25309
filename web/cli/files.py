"""Reading a text file that the user named."""

from __future__ import annotations

from pathlib import Path

from trials.errors import SignpostError


def read_text(path: Path) -> str:
    """The file's text. Raises ``SignpostError`` when it is missing or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SignpostError(f"there is no file {path.name}", "check its name") from None
    except UnicodeDecodeError as failure:
        line = path.read_bytes()[: failure.start].count(b"\n") + 1
        says = f"{path.name}, line {line}: not UTF-8 text"
        raise SignpostError(says, "save it as UTF-8") from None
    except OSError as failure:
        says = f"{path.name} cannot be read ({failure.strerror})"
        raise SignpostError(says, "check its permissions") from None

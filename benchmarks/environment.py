"""A Python of its own for a peer that cannot share ours (other versions, or far more than we need)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def with_packages(folder: Path, *wanted: str) -> Path | None:
    """A Python in ``folder`` with ``wanted`` in it, or ``None`` where none can be made here."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    if not os.access(uv, os.X_OK):
        return None
    python = folder / "env" / "bin" / "python"
    for command in (
        [uv, "venv", "-q", folder / "env"],
        [uv, "pip", "install", "-q", "--python", python, *wanted],
    ):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return None
    return python

"""What the clock's tests share, importable by its own name."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent)]

from schedule_help import hands  # noqa: E402, F401 - a fixture

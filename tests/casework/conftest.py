"""A stopped trial with a stored result, on both databases."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "web"), str(HERE.parent / "report")]

from stopped_trial import stopped  # noqa: E402


@pytest.fixture
def council(store):
    stopped(store)
    return store

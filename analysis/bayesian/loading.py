"""Loading the sampling libraries on a machine where one of them does not load.

PyMC, PyTensor and ArviZ do without numba where it is absent, but not where it is installed and
broken (its LLVM library missing or blocked, say): they find it, load it, and fail. A numba that
does not load is therefore hidden before any of them is imported.
"""

from __future__ import annotations

import sys
from functools import cache

FAILURES = (ImportError, OSError, AttributeError, RuntimeError)
"""What importing a library with a broken binary raises."""


@cache
def without_numba() -> str | None:
    """Why numba cannot be used in this process, having hidden it; ``None`` where it can."""
    try:
        import numba  # noqa: F401 - whether it loads is the question
    except FAILURES as failure:
        for name in [n for n in sys.modules if n == "numba" or n.startswith("numba.")]:
            del sys.modules[name]
        sys.modules["numba"] = None  # type: ignore[assignment]  # Python's own way to hide one
        return f"numba does not load, {type(failure).__name__}"
    return None

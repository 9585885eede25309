"""``make bench``: every benchmark in turn, each against its peer in the same run."""

from __future__ import annotations

import runpy
import sys

BENCHMARKS = (
    "assignment", "http", "lists", "contacts_import", "analysis_rows", "window_metric", "window_store",
    "estimates", "deflection_coverage", "capacity", "posterior", "pages",
)  # fmt: skip

for name in sys.argv[1:] or BENCHMARKS:
    print(f"\n== {name}", flush=True)
    sys.argv = [f"benchmarks.{name}"]
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")

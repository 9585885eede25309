"""How often one caller may ask: a bucket of tokens for each, filled at a steady rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BURST = 2.0
"""Seconds' worth of requests that may come at once."""
_MOST = 10_000


class Limiter:
    """Allows ``per_second`` requests of each caller on average; 0 allows all."""

    def __init__(self, per_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._now = per_second, now
        self._buckets: dict[object, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait(self, caller: object) -> float:
        """Seconds until ``caller`` may ask again; 0 where it may now, which uses up one token."""
        if not self._rate:
            return 0.0
        now, full = self._now(), max(self._rate * BURST, 1.0)
        with self._lock:
            if caller not in self._buckets and len(self._buckets) >= _MOST:
                self._buckets.clear()
            left, since = self._buckets.get(caller, (full, now))
            left = min(full, left + (now - since) * self._rate)
            granted = left >= 1
            self._buckets[caller] = (left - granted, now)
        return 0.0 if granted else (1 - left) / self._rate

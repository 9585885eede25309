"""How often one caller may ask: a bucket of tokens for each, filled at a steady rate.

Visitors of a website have no key: each address has a bucket, and all of them share one besides, so
that no number of addresses keeps the process from answering those who have a key.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

BURST = 2.0
"""Seconds' worth of requests that may come at once."""
MOST = 10_000
"""Callers held in memory; those unheard of for longest are forgotten first."""
_NETWORK = 64
"""Bits of an IPv6 address that tell one household or office from the next (RFC 6177)."""


class Limiter:
    """Allows ``per_second`` requests of each caller on average; 0 allows all."""

    def __init__(self, per_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._now = per_second, now
        self._buckets: OrderedDict[object, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, caller: object) -> float:
        """Seconds until ``caller`` may ask again; 0 where it may now, which uses up one token."""
        if not self._rate:
            return 0.0
        now, full = self._now(), max(self._rate * BURST, 1.0)
        with self._lock:
            left, since = self._buckets.get(caller, (full, now))
            left = min(full, left + (now - since) * self._rate)
            granted = left >= 1
            self._buckets[caller] = (left - granted, now)
            self._buckets.move_to_end(caller)
            if len(self._buckets) > MOST:
                self._buckets.popitem(last=False)
        return 0.0 if granted else (1 - left) / self._rate


class Visitors:
    """Allows so many requests a second of each address and of all visitors; 0 allows all."""

    def __init__(self, each: float, together: float) -> None:
        self._each, self._together = Limiter(each), Limiter(together)

    def wait(self, address: str | None) -> float:
        """Seconds until whoever calls from ``address`` may ask again; 0 where they may now.

        Who is refused for their own address uses up nothing of what all share.
        """
        return self._each.wait(_network(address)) or self._together.wait(None)


def _network(address: str | None) -> str:
    """What counts as one address: an IPv6 address is one of the many of its holder."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return (address or "")[:64]
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, _NETWORK), strict=False))

"""Cases already made in this process, found again by everything they were made from.

The key is a digest of the whole input (draws of the effect, figures with their sources, facts,
groups, line, seed), so a new run, a changed figure or another question is another key and nothing
can be out of date. What is kept is shared by threads and cannot be written to.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import replace

import numpy as np

from analysis.scaling.case import CaseForScaling, CaseInput, make_case

MOST = 128
"""So many cases are kept, at about 0.35 MB each; the one longest unused gives way."""

_kept: OrderedDict[bytes, CaseForScaling] = OrderedDict()
_lock = threading.Lock()
_NONE = np.empty(0)


def case_from(given: CaseInput) -> CaseForScaling:
    """:func:`~analysis.scaling.case.make_case`, once for each different input.

    Raises:
        Invalid: as ``make_case``; refusals are not kept.
    """
    key = digest(given)
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    made = make_case(given)
    for draws in made.draws.values():
        draws.setflags(write=False)
    with _lock:
        _kept[key] = made
        while len(_kept) > MOST:
            _kept.popitem(last=False)
    return made


def digest(given: CaseInput) -> bytes:
    """SHA-256 of everything a case is made from."""
    found = hashlib.sha256(repr(replace(given, effect=_NONE, by_channel={})).encode())
    for name, draws in (("", given.effect), *sorted(given.by_channel.items())):
        found.update(f"\n{name} {draws.shape} {draws.dtype}\n".encode())
        found.update(np.ascontiguousarray(draws).tobytes())
    return found.digest()

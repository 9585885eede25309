"""An unchanged trial is not sampled again: fits kept by what they depend on."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

from analysis.bayesian.models.base import ModelData
from analysis.bayesian.sampler import Settings

Value = TypeVar("Value")
MODEL_REVISION = 2  # raise it when a model's meaning changes, so that old fits are not served


def fit_key(data: ModelData, *, seed: int, settings: Settings, reading: object = ()) -> str:
    """A SHA-256 over data, structure, prior, seed, settings and how the answer is read.

    ``reading`` holds what shapes the summary and not the draws (direction, ROPE, level).
    """
    parts = (MODEL_REVISION, data.model, data.digest, data.prior, seed, settings, reading)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass(slots=True)
class Cache(Generic[Value]):
    """The most recently used ``size`` values, safe to share between threads."""

    size: int = 64
    kept: OrderedDict[str, Value] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def get(self, key: str) -> Value | None:
        """The value kept under ``key``, if any."""
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
            return self.kept.get(key)

    def put(self, key: str, value: Value) -> None:
        """Keep ``value``, dropping the one used longest ago when there are too many."""
        with self.lock:
            self.kept[key] = value
            self.kept.move_to_end(key)
            while len(self.kept) > self.size:
                self.kept.popitem(last=False)

"""Posterior draws as they are stored with a run, and read again. Light: NumPy and the store alone.

``load_draws(store, run_id)`` answers the :class:`Draws` of a run, or ``None`` where the run has
none (it was frequentist, or made by a version that kept none). Each quantity is an array of chains
by draws (4 by 1,000 unless said otherwise) and all quantities of one model share their draws row
for row, so that ``net`` and ``gross`` of an arm may be combined draw by draw:

* ``Draws.net(arm)``: net deflection, agent-handled contacts **saved per unit assigned** (positive
  is fewer) over the deflection window, one flat array; ``Draws.gross(arm)`` the same for gross.
  These are what the case for scaling multiplies. Without a reliable joint model they come from the
  estimates' joint normal under the plan's prior; ``None`` where there is no deflection at all.
* ``Draws.effect(metric, arm)``: treatment minus control in the metric's own units.
* ``Draws.level(metric, arm)``: an arm's own mean, where a sampled model gave it.
* ``Draws.segment(metric, by, level, arm)``: the partially pooled effect in one group.

On disk: a JSON header and the values as 32-bit floats, deflated: some 14 KB a quantity.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis.tables import Floats
from trials.store.engine import Store
from trials.store.tables import PosteriorRow, RunRow, TrialRow

CHAINS, DRAWS = 4, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """All draws of one run by name (``effect/METRIC/ARM``, ``net/ARM`` …): chains by draws."""

    run_id: int
    values: Mapping[str, Floats]

    def effect(self, metric: str, arm: str) -> Floats | None:
        """Treatment minus control of a metric, in its own units; one flat array."""
        return self._flat(f"effect/{metric}/{arm}")

    def level(self, metric: str, arm: str) -> Floats | None:
        """An arm's own mean of a metric."""
        return self._flat(f"level/{metric}/{arm}")

    def segment(self, metric: str, by: str, level: str, arm: str) -> Floats | None:
        """The effect of an arm in one level of a segment, partially pooled."""
        return self._flat(f"segment/{metric}/{arm}/{by}/{level}")

    def net(self, arm: str) -> Floats | None:
        """Agent-handled contacts saved per unit assigned, net of those that came back."""
        return self._flat(f"net/{arm}")

    def gross(self, arm: str) -> Floats | None:
        """The share of units whose index contact no longer reached an agent."""
        return self._flat(f"gross/{arm}")

    def _flat(self, name: str) -> Floats | None:
        found = self.values.get(name)
        return None if found is None else np.asarray(found.reshape(-1), dtype=np.float64)


def load_draws(store: Store, run_id: int) -> Draws | None:
    """The draws of a run; ``None`` where none were kept."""
    with store.read() as session:
        return read_draws(session, run_id)


def read_draws(session: Session, run_id: int) -> Draws | None:
    """The same within a session."""
    row = session.get(PosteriorRow, run_id)
    return None if row is None else Draws(run_id=run_id, values=unpack(row.draws))


def latest_run(session: Session, trial_id: int) -> int | None:
    """The number of a trial's newest run."""
    newest = sa.select(sa.func.max(RunRow.id)).where(RunRow.trial_id == trial_id)
    return session.scalar(newest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The newest posterior report of a trial, with the result of its run."""

    document: dict[str, Any]
    result: dict[str, Any]
    draws: Mapping[str, Floats]


def latest(session: Session, key: str, *, with_draws: bool = False) -> Latest | None:
    """The newest run's report that has one; its draws only where they are asked for."""
    wanted = (
        sa.select(PosteriorRow.document, RunRow.result, RunRow.id)
        .join(RunRow, RunRow.id == PosteriorRow.run_id)
        .join(TrialRow, TrialRow.id == RunRow.trial_id)
        .where(TrialRow.key == key).order_by(RunRow.id.desc()).limit(1)
    )  # fmt: skip
    row = session.execute(wanted).first()
    if row is None:
        return None
    packed = sa.select(PosteriorRow.draws).where(PosteriorRow.run_id == row.id)
    draws = unpack(session.execute(packed).scalar_one()) if with_draws else {}
    return Latest(document=row.document, result=row.result, draws=draws)


def pack(values: Mapping[str, Floats]) -> bytes:
    """Named arrays as bytes: the header's length, the header, then the values."""
    shapes = [[name, list(np.shape(value))] for name, value in values.items()]
    header = json.dumps(shapes, ensure_ascii=False).encode()
    parts = [np.ascontiguousarray(v, dtype="<f4").tobytes() for v in values.values()]
    body = b"".join([len(header).to_bytes(4, "little"), header, *parts])
    return zlib.compress(body, 6)


def unpack(data: bytes) -> dict[str, Floats]:
    """The arrays that :func:`pack` wrote."""
    body = zlib.decompress(data)
    start = 4 + int.from_bytes(body[:4], "little")
    values, at = {}, start
    for name, shape in json.loads(body[4:start]):
        size = int(np.prod(shape, dtype=np.int64))
        flat = np.frombuffer(body, dtype="<f4", count=size, offset=at)
        values[name] = flat.reshape(shape).astype(np.float64)
        at += 4 * size
    return values


def shaped(flat: Floats) -> Floats:
    """A flat array of draws as chains by draws."""
    return np.asarray(flat.reshape(CHAINS, -1))

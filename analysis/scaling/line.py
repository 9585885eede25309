"""One line of enquiry over one stretch of time: its demand, its agents and its callers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.estimates import Absent
from analysis.scaling.erlang import Steady, steady
from analysis.scaling.fit import agents_for
from analysis.scaling.retrials import settled, unique_load

GROWS = Absent(
    "queue-grows",
    "callers who never hang up outnumber what the agents can answer, so the queue grows for ever",
)
LOOP = Absent(
    "loop-grows", "every caller who gives up rings back and the agents cannot catch up with them"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line as it is observed.

    ``rate`` is calls offered per hour, call-backs included; ``aht`` and ``patience`` are seconds
    (``patience`` ``None``: nobody hangs up); ``retry`` is the share of those who give up that
    ring again; ``within`` the threshold of the service level in seconds.
    """

    rate: float
    aht: float
    agents: float
    patience: float | None
    retry: float
    within: float

    @property
    def load(self) -> float:
        """Offered load in erlangs."""
        return self.rate * self.aht / 3600

    def now(self) -> Steady:
        """The long run at the observed demand."""
        return steady(
            self.load, self.agents, aht=self.aht, patience=self.patience, within=self.within
        )

    @property
    def unique(self) -> float:
        """The load in erlangs of people with a need, call-backs taken out."""
        return unique_load(self.load, abandoned=self.now().abandoned, retry=self.retry)

    def settled_from(self, unique: float) -> tuple[float, Steady] | None:
        """Load and long run when people with a need make up ``unique`` erlangs.

        ``None`` where call-backs grow without bound.
        """
        return settled(
            unique, self.agents, aht=self.aht, patience=self.patience, retry=self.retry,
            within=self.within,
        )  # fmt: skip

    def agents_from(self, unique: float, target: float) -> float:
        """The fewest agents whose mean wait of answered calls is ``target`` seconds or less.

        Call-backs that vanish as the service improves are counted.
        """

        def wait(agents: float) -> float:
            after = settled(
                unique, agents, aht=self.aht, patience=self.patience, retry=self.retry
            )  # fmt: skip
            return math.inf if after is None else after[1].wait_answered

        return agents_for(wait, target, start=unique)

    def agents_for(self, target: float) -> float:
        """:meth:`agents_from` the unique demand of today."""
        return self.agents_from(self.unique, target)


def pooled(lines: Sequence[Line]) -> Line:
    """Several lines answered as one queue by all their agents.

    Handling time is averaged over calls, patience over calls too (so that the pool has as many
    hang-ups as its lines would at equal waits), and everyone takes every call. Raises
    ``ValueError`` for lines of different thresholds or retry shares.
    """
    if not lines:
        raise ValueError("no line to pool")
    first, rate = lines[0], sum(line.rate for line in lines)
    if any((line.retry, line.within) != (first.retry, first.within) for line in lines):
        raise ValueError("pooled lines must share their retry share and threshold")
    weights = [line.rate / rate if rate > 0 else 1 / len(lines) for line in lines]
    hang_up = sum(
        w / line.patience for w, line in zip(weights, lines, strict=True) if line.patience
    )
    return replace(
        first,
        rate=rate,
        aht=sum(w * line.aht for w, line in zip(weights, lines, strict=True)),
        agents=sum(line.agents for line in lines),
        patience=1 / hang_up if hang_up > 0 else None,
    )

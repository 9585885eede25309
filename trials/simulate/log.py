"""From contacts made to the rows of a contact log: lines, codes, waits, handling, identifiers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trials.simulate import calibration as known
from trials.simulate.arrays import Floats, Ints, Mask
from trials.simulate.process import BOOKED, INDEX, PHONE, Attempts

HANDLED, ENDED_IN_IVR, ABANDONED, CALL_BACK = range(4)
OUTCOMES = ("handled", "ended-in-ivr", "abandoned-in-queue", "call-back")
ON_RECORD, WITHHELD, NOT_ON_RECORD = range(3)
"""How a contact can be traced: to its unit, not at all, or to somebody not on the list."""

CODES = (*dict.fromkeys(reason.code for reason in known.REASONS), known.OTHER_REASON)
"""Every wrap code; a code of -1 is no code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Contacts, one entry each, as numbers; -1 (or NaN for seconds) where there is no value.

    ``person`` is the number of the unit, ``line`` an index into ``lines``, ``reason`` into
    :data:`CODES`, ``outcome`` into :data:`OUTCOMES`.
    """

    person: Ints
    occurred: Floats
    channel: Ints
    line: Ints
    lines: tuple[str, ...]
    reason: Ints
    outcome: Ints
    handled: Mask
    ivr: Floats
    wait: Floats
    handle: Floats
    resolved: Ints
    satisfaction: Ints
    trace: Ints
    linked: Mask
    email: Mask
    index: Mask

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the rows are made from: the contacts, when they were, and facts about who made them.

    ``in_message`` is the chance that a failed contact ended in the recorded message of
    ``message`` seconds; ``email``, ``linked`` and ``line`` are by contact too. ``reason`` is the
    true one where it is known (an index into :data:`CODES`); otherwise one of the line is drawn.
    """

    made: Attempts
    person: Ints
    occurred: Floats
    line: Ints
    lines: tuple[str, ...]
    email: Mask
    linked: Mask
    in_message: Floats
    message: Floats
    withheld: float
    reason: Ints | None = None


def write(source: Source, rng: np.random.Generator) -> Log:
    """The log of these contacts, in order of time."""
    made, n = source.made, len(source.made)
    outcome = _outcome(made, source.in_message, rng)
    ivr, wait = _waits(made, outcome, source.message, rng)
    handled = made.handled
    order = np.argsort(source.occurred, kind="stable")
    log = Log(
        person=source.person, occurred=source.occurred, channel=made.channel, line=source.line,
        lines=source.lines, reason=_reasons(source, rng), outcome=outcome, handled=handled,
        ivr=ivr, wait=wait,
        handle=np.where(handled, _handling(n, rng), np.nan),
        resolved=np.where(handled, (rng.random(n) < 0.75).astype(np.int64), -1),
        satisfaction=np.where(handled & (rng.random(n) < 0.08), rng.integers(1, 6, n), -1),
        trace=_trace(source, rng), linked=source.linked, email=source.email,
        index=made.kind == INDEX,
    )  # fmt: skip
    return _sorted(log, order)


def _sorted(log: Log, order: Ints) -> Log:
    fields = {name: getattr(log, name) for name in Log.__slots__}
    return Log(**{k: v if k == "lines" else v[order] for k, v in fields.items()})


def _outcome(made: Attempts, in_message: Floats, rng: np.random.Generator) -> Ints:
    message = (made.channel == PHONE) & (rng.random(len(made)) < in_message)
    failed = np.where(message, ENDED_IN_IVR, ABANDONED)
    return np.where(made.booked, CALL_BACK, np.where(made.handled, HANDLED, failed))


def _waits(
    made: Attempts, outcome: Ints, message: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Seconds in the recorded message and in the queue.

    Those who give up in the message do so around its end, from 60 to 120 seconds for one of 95;
    those who give up in the queue after a gamma-distributed wait of seven minutes in all.
    """
    n = len(made)
    phone = (made.channel == PHONE) & (made.kind != BOOKED)
    scale = message / known.MESSAGE_SECONDS
    ended = rng.triangular(60, 90, 120, n) * scale
    ivr = np.where(outcome == ENDED_IN_IVR, ended, message)
    wait = rng.exponential(known.WAIT_SECONDS, n)
    patience = np.maximum(120 * scale - message, 0) + rng.gamma(2.0, 150.0, n)
    wait = np.where(outcome == ABANDONED, patience, wait)
    queued = phone & (outcome != ENDED_IN_IVR)
    return (
        np.where(phone, np.round(ivr), np.nan),
        np.where(queued, np.round(wait), np.nan),
    )


def _handling(n: int, rng: np.random.Generator) -> Floats:
    """Lognormal seconds with the calibrated mean."""
    centre = np.log(known.HANDLE_SECONDS) - known.HANDLE_SIGMA**2 / 2
    return np.asarray(np.round(rng.lognormal(centre, known.HANDLE_SIGMA, n)))


def _reasons(source: Source, rng: np.random.Generator) -> Ints:
    """A wrap code for every handled contact that was coded."""
    n = len(source.made)
    drawn = rng.random(n)
    reason = np.full(n, -1, dtype=np.int64)
    for code, line in enumerate(source.lines):
        here = np.flatnonzero(source.line == code)
        reasons = known.reasons_of(line)
        shares = np.array([r.share for r in reasons])
        picks = rng.choice(len(reasons), p=shares / shares.sum(), size=len(here))
        reason[here] = np.array([CODES.index(r.code) for r in reasons])[picks]
    if source.reason is not None:
        reason = np.where(source.reason >= 0, source.reason, reason)
    other = drawn < known.UNCODED + known.OTHER_CODE
    reason[other] = CODES.index(known.OTHER_REASON)
    reason[(drawn < known.UNCODED) | ~source.made.handled] = -1
    return reason


def _trace(source: Source, rng: np.random.Generator) -> Ints:
    """The index contact is always on record: it is how the unit came to be one."""
    made = source.made
    calls = (made.channel == PHONE) & (made.kind != INDEX)
    withheld = calls & (rng.random(len(made)) < source.withheld)
    trace = np.where(source.linked | (made.kind == INDEX), ON_RECORD, NOT_ON_RECORD)
    return np.where(withheld, WITHHELD, trace)


def other_lines(line: str) -> dict[str, float]:
    """Where contacts that leave a line go, as shares."""
    table = {k: v for k, v in known.CROSSING.get(line, known.ELSEWHERE).items() if k != line}
    table = table or {k: v for k, v in known.LINES.items() if k != line}
    total = sum(table.values())
    return {name: share / total for name, share in table.items()}


def lines_of(made: Attempts, line: str, rng: np.random.Generator) -> tuple[Ints, tuple[str, ...]]:
    """The line of each contact of a trial on ``line``."""
    elsewhere = other_lines(line)
    drawn = rng.choice(len(elsewhere), p=list(elsewhere.values()), size=len(made))
    return np.where(made.own, 0, 1 + drawn), (line, *elsewhere)


def in_message_shares(made: Attempts, reaches: Floats | None, baseline: float) -> Floats:
    """The chance that a failed contact ended in the message.

    44% of failed calls do. Where an arm's greeting keeps more index calls from an agent than the
    control's, all of the extra ones end there. ``reaches`` is, by contact, the chance that the
    unit's index contact reaches somebody.
    """
    share = np.full(len(made), known.IN_MESSAGE)
    if reaches is None:
        return share
    failed = np.maximum(1 - reaches, 1e-12)
    extra = np.maximum(baseline - reaches, 0)
    usual = np.minimum(1 - baseline, failed)
    index = made.kind == INDEX
    share[index] = ((known.IN_MESSAGE * usual + extra) / failed)[index]
    return np.asarray(np.minimum(share, 1.0))

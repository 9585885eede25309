"""The rest of a council's contacts: the whole log, month by month, with nobody in a trial.

Every person starts with one contact; what follows is the same process as in a rehearsal, so that
offered calls include those who ring back. There are as many first contacts as bring offered calls
to the numbers asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from trials import clock
from trials.simulate import calibration as known
from trials.simulate import files, log
from trials.simulate.arrays import Floats, Ints, Mask
from trials.simulate.hours import Profile, profile
from trials.simulate.process import INDEX, NEED, PHONE, WEBCHAT, Attempts, Index, Process, draw
from trials.simulate.rehearsal import Baseline
from trials.simulate.truth import Chain

OFFERED = {
    date(2022, 7, 1): 40_046, date(2022, 8, 1): 35_307, date(2022, 9, 1): 35_554,
    date(2022, 10, 1): 33_592,
}  # fmt: skip
"""Calls offered by month in the published table (whole months)."""

_HORIZON = 28.0
_WARM = 28
"""Days drawn before the first month, so that it too has people who ring back."""
_CHATS = 0.07
"""Webchats for each first call (assumption)."""


@dataclass(frozen=True, slots=True)
class _Lines:
    """One line's first contacts."""

    line: str
    start: Floats
    channel: int


def background(
    offered: Mapping[date, int], *, seed: int, key: str = "background"
) -> tuple[log.Log, files.Names]:
    """Contacts of a whole council: ``offered`` calls in each month (its first day).

    Among those who rang and were not answered 87% ring again within seven days, 31% of chats are
    followed by a call, a line's callers cross to other lines as calibrated, and 8% of calls carry
    no number.
    """
    rng = np.random.default_rng(seed)
    months = sorted(offered)
    begin, end = months[0], _next_month(months[-1])
    warm = begin - timedelta(days=_WARM)
    calls = profile(known.open_hours(), warm, end + timedelta(days=45), closed_on_holidays=True)
    spans = [(month, _next_month(month), offered[month]) for month in months]
    spans.append((warm, begin, round(offered[begin] * _WARM / (spans[0][1] - begin).days)))
    process = Process.of(Baseline(cross_line=0.0, again=0.08))
    per_first = _calls_for_each_first(process)
    parts: list[log.Log] = []
    people = 0
    for line, share in known.LINES.items():
        for channel, ratio in ((PHONE, 1.0), (WEBCHAT, _chats(line))):
            starts = [
                calls.arrivals(_epoch(first), _epoch(last), rng.random(round(n * rate)))
                for first, last, n in spans
                for rate in (share * ratio / per_first,)
            ]
            first = _Lines(line, np.sort(np.concatenate(starts)), channel)
            entries = _contacts(process, first, people, calls, rng)
            people += len(first.start)
            parts.append(entries)
    names = files.Names(key, "person", phones=0, phones_from=0)
    return _joined(parts, begin=_epoch(begin), end=_epoch(end)), names


def write(offered: Mapping[date, int], path: Path, *, seed: int, key: str = "background") -> int:
    """Write the contacts of :func:`background` as a contract CSV; the number of rows."""
    entries, names = background(offered, seed=seed, key=key)
    file = files.CsvFile(path)
    file.add(files.contact_columns(entries, names, f"syn-{key}-", 0))
    file.close()
    return file.rows


def _next_month(first: date) -> date:
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1)


def _epoch(day: date) -> int:
    return int(clock.start_of_day(day).timestamp())


def _chats(line: str) -> float:
    """Chats for each first call of a line, so that 54% are about waste or council tax."""
    popular = {"Waste", "Council Tax"}
    among = 0.54 if line in popular else 0.46
    lines = [share for name, share in known.LINES.items() if (name in popular) == (line in popular)]
    return _CHATS * among / sum(lines)


def _calls_for_each_first(process: Process) -> float:
    """Offered calls for each person who starts with a call, or with a line's share of chats."""
    chain = Chain(process, index_chain=True)
    any_call = np.zeros((2, 4, 2))
    any_call[:, PHONE] = 1.0
    after_call = (1 - process.answered) * chain.after(0, handled=False)
    after_call += process.answered * chain.after(0, handled=True, further=process.again)
    after_chat = chain.after(0, handled=True, further=_after_chat(process))
    calls, chats = (chain.count(start, any_call, _HORIZON) for start in (after_call, after_chat))
    return float(1 + calls + _CHATS * chats)


def _after_chat(process: Process) -> float:
    """The chance of a further need after a chat that puts 31% of chatters on the phone in time."""
    return known.CHAT_TO_CALL / -float(np.expm1(-known.RETURN_WINDOW / process.again_days))


def _contacts(
    process: Process, first: _Lines, people: int, calls: Profile, rng: np.random.Generator
) -> log.Log:
    """A line's people, their first contacts and what follows them."""
    n = len(first.start)
    chats = first.channel == WEBCHAT
    reaches, further = (1.0, _after_chat(process)) if chats else (process.answered, process.again)
    index = Index(first.channel, np.full(n, reaches), np.zeros(n), np.full(n, further))
    made = draw(process, np.zeros(n), index, horizon=_HORIZON, rng=rng)
    start = np.floor(first.start)[made.unit]
    when = np.floor(calls.after(start, made.day, block=7.0))
    began = made.kind == INDEX
    line, lines = _lines(made, first.line, rng)
    reason, email = _reasons(first.line, n, rng)
    source = log.Source(
        made=replace(made, kind=np.full(len(made), NEED)), person=people + made.unit,
        occurred=np.where(began, start, np.maximum(when, start + 1)), line=line, lines=lines,
        reason=np.where(line == 0, reason[made.unit], -1), email=email[made.unit],
        linked=(rng.random(n) < Baseline().linked)[made.unit],
        in_message=np.full(len(made), known.IN_MESSAGE),
        message=np.full(len(made), float(known.MESSAGE_SECONDS)), withheld=known.WITHHELD,
    )  # fmt: skip
    return log.write(source, rng)


def _lines(made: Attempts, line: str, rng: np.random.Generator) -> tuple[Ints, tuple[str, ...]]:
    """Repeat contacts cross to other lines as calibrated; the first is on its own."""
    table = {k: v for k, v in known.CROSSING.get(line, known.ELSEWHERE).items() if k != line}
    shares = [1 - sum(table.values()), *table.values()]
    drawn = rng.choice(len(shares), p=shares, size=len(made))
    return np.where(made.kind == INDEX, 0, drawn), (line, *table)


def _reasons(line: str, n: int, rng: np.random.Generator) -> tuple[Ints, Mask]:
    """Why each person of a line makes contact, and whether their e-mail address is on record."""
    rates = known.no_email_rates()
    reasons = known.reasons_of(line)
    weights = np.array([r.share for r in reasons])
    drawn = rng.choice(len(reasons), p=weights / weights.sum(), size=n)
    missing = np.array([rates[line, r.code] for r in reasons])
    codes = np.array([log.CODES.index(r.code) for r in reasons])
    return codes[drawn], rng.random(n) >= missing[drawn]


def _joined(parts: list[log.Log], *, begin: int, end: int) -> log.Log:
    """All lines as one log in order of time, from the first month to the last."""
    lines = tuple(known.LINES)
    codes = [np.array([lines.index(name) for name in part.lines])[part.line] for part in parts]
    fields = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in log.Log.__slots__ if name not in ("line", "lines")
    }  # fmt: skip
    fields["line"] = np.concatenate(codes)
    kept = np.flatnonzero((fields["occurred"] >= begin) & (fields["occurred"] < end))
    order = kept[np.argsort(fields["occurred"][kept], kind="stable")]
    return log.Log(lines=lines, **{name: values[order] for name, values in fields.items()})

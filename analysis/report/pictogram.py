"""Natural frequencies as a picture: one dot a unit (an icon array).

Icon arrays help people of every numeracy to judge a risk (Galesic, Garcia-Retamero and Gigerenzer
2009). Dots that differ from the control are marked only where the difference is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from analysis.report.words import Frequency

_COLUMNS = 40
_STEP = 8
_HAPPENED = {True: "#505a5f", False: "#0b5d5a"}
_REST = "#d3dedd"
_MARKED = {"better": "#f5c400", "worse": "#a01a10"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictogram:
    """A drawn icon array with the frequency it shows and what its marked dots mean."""

    frequency: Frequency
    svg: str
    marked: str


def pictograms(found: list[Frequency], *, settled: Mapping[str, str]) -> list[Pictogram]:
    """One icon array an arm, where the frequencies are per 1,000.

    ``settled`` says of each arm whose difference from the control is shown whether it is
    ``better`` or ``worse``; only theirs is marked.
    """
    if not found or any(f.base != 1_000 for f in found):
        return []
    control = round(found[0].count)
    return [_drawn(f, control, settled.get(f.arm, "")) for f in found]


def _drawn(frequency: Frequency, against: int, standing: str) -> Pictogram:
    count = round(frequency.count)
    control = against if standing in _MARKED else count
    apart = abs(count - control)
    common = min(count, control)
    groups = [
        (range(common), _HAPPENED[frequency.control]),
        (range(common, common + apart), _MARKED.get(standing, _REST)),
        (range(common + apart, frequency.base), _REST),
    ]
    height = -(-frequency.base // _COLUMNS) * _STEP
    dots = "".join(_dots(which, colour) for which, colour in groups if len(which))
    title = f"picture-{frequency.arm}"
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_COLUMNS * _STEP} {height}" '
        f'role="img" aria-labelledby="{title}" focusable="false">'
        f'<title id="{title}">{escape(frequency.says)}</title>{dots}</svg>'
    )
    marked = f"{apart} {'fewer' if count < control else 'more'}" if apart else ""
    return Pictogram(frequency=frequency, svg=svg, marked=marked)


def _dots(which: range, colour: str) -> str:
    """One path of round dots, row by row from the top left."""
    half = _STEP // 2
    moves = "".join(
        f"M{(i % _COLUMNS) * _STEP + half} {(i // _COLUMNS) * _STEP + half}h.01" for i in which
    )
    return (
        f'<path d="{moves}" fill="none" stroke="{colour}" stroke-width="6" stroke-linecap="round"/>'
    )

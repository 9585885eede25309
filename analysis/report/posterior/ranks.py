"""Rank plots of chains: one row of bars a chain, over the ranks of all draws together."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from analysis.report import marks
from analysis.report.marks import Spec
from analysis.report.reading import Json

MOST = 3
"""So many models are drawn; the table has them all."""

HEIGHT = 34


def picture(name: str, chains: Sequence[Json], width: int) -> Spec:
    """One model: its chains one under the other, all to one scale."""
    rows: list[Spec] = [
        {"chain": f"Chain {chain['chain']}", "bin": i, "share": int(n) / even}
        for chain in chains
        for counts in [chain["counts"]]
        for even in [sum(counts) / len(counts)]
        for i, n in enumerate(counts)
    ]
    x = {"field": "bin", "type": "ordinal", "axis": None}
    top = max(1.2, *(float(row["share"]) for row in rows))
    y = {"field": "share", "type": "quantitative", "axis": None, "scale": {"domain": [0, top]}}
    heading = textwrap.wrap(name, int(width / 8.4)) or [""]
    return {
        "title": {"text": heading},
        "spacing": 4,
        "vconcat": [_chain(chain["chain"], rows, {"x": x, "y": y}, width) for chain in chains],
    }


def _chain(number: object, rows: Sequence[Spec], encoding: Spec, width: int) -> Spec:
    name = f"Chain {number}"
    bars: Spec = {
        "data": {"values": [row for row in rows if row["chain"] == name]},
        "mark": {"type": "bar", "color": marks.BAR},
        "encoding": encoding,
    }
    even: Spec = {
        "data": {"values": [{"share": 1}]},
        "mark": {"type": "rule", "color": marks.INK, "strokeWidth": 1},
        "encoding": {"y": encoding["y"]},
    }
    title = {"text": name, "fontSize": 13, "fontWeight": "normal", "anchor": "start"}
    return {"width": width, "height": HEIGHT, "title": title, "layer": [bars, even]}

"""The dossier as a Jupyter notebook: the result inside it, and code that checks it again."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from analysis.report.papers.blocks import Block, Bullets, Heading, Numbers, Paper, Table, Text
from analysis.report.papers.material import Material

_LOAD = "import json\nfrom math import erf, sqrt\n\nresult = json.loads(RESULT)\nresult['verdict']"
_TABLE = """for metric in result["metrics"]:
    for contrast in metric["contrasts"]:
        d = contrast["difference"]
        if d.get("estimate") is None:
            print(f"{metric['key']:24} {contrast['arm']:16} absent: {d.get('why')}")
            continue
        print(f"{metric['key']:24} {contrast['arm']:16} {d['estimate']:+.5f} "
              f"({d['low']:+.5f} to {d['high']:+.5f})  p {d.get('p')}")"""
_AGAIN = """def from_arms(metric, contrast):
    \"\"\"The unadjusted difference, its standard error and p-value, from the arms alone.\"\"\"
    arms = {a["arm"]: a for a in metric["arms"]}
    new, old = arms[contrast["arm"]], arms[contrast["versus"]]
    se = sqrt(sum(a["sd"] ** 2 / a["n"] for a in (new, old)))
    difference = new["mean"] - old["mean"]
    return difference, se, 1 - erf(abs(difference / se) / sqrt(2))


for metric in result["metrics"]:
    for contrast in metric["contrasts"]:
        told = contrast.get("unadjusted") or {}
        arms = {a["arm"]: a for a in metric["arms"]}
        known = all(arms.get(contrast[k], {}).get("sd") and arms[contrast[k]].get("n")
                    for k in ("arm", "versus"))
        if told.get("estimate") is None or not known:
            continue
        difference, se, p = from_arms(metric, contrast)
        print(f"{metric['key']:24} {contrast['arm']:16} from the arms {difference:+.5f} "
              f"(se {se:.5f}, p {p:.4f}); reported {told['estimate']:+.5f}")"""
_CASE = """case = result.get("case")
if case:
    for name in ("contacts_avoided_per_year", "cash_releasing", "non_cash_releasing", "npv"):
        print(f"{name:28}", case[name])
    print("defaults used:", ", ".join(case["defaults_used"]))"""


def notebook(m: Material, paper: Paper, document: dict[str, Any]) -> str:
    """A notebook (nbformat 4) of the paper's words with the result document in its first cell.

    It needs nothing but Python: no network, no file beside it. The same paper makes the same
    bytes, cell numbers included.
    """
    import nbformat

    v4: Any = nbformat.v4
    writes: Any = nbformat.writes
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    cells = [
        v4.new_markdown_cell(f"# {paper.title}\n\n{paper.kind}, {paper.organisation}. "
                             f"Made with Signpost on {paper.generated}."),
        v4.new_code_cell(f"RESULT = r'''\n{text.replace(_QUOTES, _ESCAPED)}\n'''\n{_LOAD}"),
        v4.new_markdown_cell("## Every comparison"), v4.new_code_cell(_TABLE),
        v4.new_markdown_cell("## The same from the arms alone\n\nWithout adjustment for anything: "
                             "close to the reported figures, and equal to them where the plan "
                             "adjusts for nothing."),
        v4.new_code_cell(_AGAIN),
        v4.new_markdown_cell("## The case for scaling"), v4.new_code_cell(_CASE),
        *(v4.new_markdown_cell(part) for part in _sections(paper)),
    ]  # fmt: skip
    for number, cell in enumerate(cells):
        seed = f"{m.trial.key}/{number}".encode()
        cell["id"] = hashlib.sha256(seed).hexdigest()[:12]
    made = v4.new_notebook(cells=cells, metadata={
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"}})  # fmt: skip
    nbformat.validate(made)
    written: str = writes(made)
    return written


_QUOTES, _ESCAPED = "'''", "\\u0027\\u0027\\u0027"


def _sections(paper: Paper) -> list[str]:
    """One Markdown cell a section."""
    parts: list[list[str]] = [[]]
    for block in paper.blocks:
        if isinstance(block, Heading) and block.level == 2:
            parts.append([])
        if line := _markdown(block):
            parts[-1].append(line)
    return ["\n\n".join(lines) for lines in parts if lines]


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_plain(block.text)}"
    if isinstance(block, Text):
        return _plain(block.text)
    if isinstance(block, Bullets):
        return "\n".join(f"* {_plain(item)}" for item in block.items)
    if isinstance(block, Numbers):
        return "\n".join(f"* **{_plain(value)}** {_plain(label)}" for value, label in block.items)
    if isinstance(block, Table):
        return _markdown_table(block)
    return ""


def _markdown_table(block: Table) -> str:
    rows = [block.columns, ("---",) * len(block.columns), *block.rows]
    lines = ["| " + " | ".join(c if c == "---" else _cell(c) for c in row) + " |" for row in rows]
    return f"**{_plain(block.caption)}**\n\n" + "\n".join(lines)


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|").replace("\n", " ")


def _plain(text: str) -> str:
    """Text in which nothing is taken for mark-up."""
    for sign in ("\\", "`", "*", "_", "<", "[", "#", "$"):
        text = text.replace(sign, f"\\{sign}" if sign != "<" else "&lt;")
    return text

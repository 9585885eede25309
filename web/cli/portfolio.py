"""``signpost portfolio``: every trial, what it found, what came of it, pooled evidence."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import click

from analysis.bayesian.priors import EffectPrior
from analysis.estimates import Absent
from analysis.portfolio import Member, Portfolio
from analysis.portfolio import portfolio as whole
from analysis.report import learned as words
from trials.errors import SignpostError
from web.cli.context import Context, json_option, pass_context, say

BY = ("area", "channel", "technique")


@click.command()
@click.option("--format", "fmt", type=click.Choice(["text", "json", "csv"]), default="text",
              show_default=True)  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
              help="Write to a file instead of standard output.")  # fmt: skip
@click.option("--prior-for", metavar="BY=NAME",
              help="The prior for the next trial, such as area=waste, channel=letter, "
              "technique=easy, or all.")  # fmt: skip
@click.option("--baseline", type=float, help="The rate expected under today's wording, as 0.12.")
@json_option
@pass_context
def portfolio(
    context: Context, fmt: str, output: Path | None, prior_for: str | None, baseline: float | None
) -> None:
    """Show every trial with its effect, raw and shrunk, and what all trials say together.

    With --prior-for and --baseline it prints the prior that past trials give the next one.
    """
    with context.store.read() as session:
        found = whole(session)
    if prior_for is not None:
        prior = _prior(found, prior_for, baseline)
        line = f"prior = {{ mean = {prior.mean:.4g}, sd = {prior.sd:.4g} }}"
        say(context, f"{line}\n# {prior.source}", prior.to_json())
        return
    document = found.to_json()
    text = {"csv": _csv, "text": _text}.get(fmt, _json)(found)
    if output is not None:
        output.write_text(text + "\n", encoding="utf-8")
    say(context, f"Wrote {output}" if output else text, document)


def _prior(found: Portfolio, wanted: str, baseline: float | None) -> EffectPrior:
    by, _, name = wanted.partition("=")
    if wanted != "all" and (by not in BY or not name):
        remedy = f"write {', '.join(b + '=NAME' for b in BY)} or all"
        raise SignpostError(f"--prior-for {wanted!r} cannot be read", remedy)
    if baseline is None:
        raise SignpostError("a prior needs the rate under today's wording", "add --baseline 0.12")
    prior = found.informed_prior(baseline, by="" if wanted == "all" else by, name=name)
    if isinstance(prior, Absent):
        raise SignpostError(prior.why.rstrip("."), "see 'signpost portfolio' for what is pooled")
    return prior


def _json(found: Portfolio) -> str:
    return json.dumps(found.to_json(), ensure_ascii=False, indent=2, allow_nan=False)


def _text(found: Portfolio) -> str:
    lines = []
    for m in found.members:
        became = m.decision or m.state
        lines.append(f"{m.name:28} {became:22} {words.effect_says(m, found.learned)}")
    lines += ["", *words.heads(found.learned)]
    return "\n".join(lines) if found.members else "There are no trials yet."


def _csv(found: Portfolio) -> str:
    out = io.StringIO()
    rows = [_flat(m, row) for m, row in zip(found.members, found.to_json()["trials"], strict=True)]
    names = ("trial", "title", "area", "channel", "techniques", "state", "decision", "source",
             "log_ratio", "se", "shrunk_mean", "shrunk_sd", "why_not_pooled")  # fmt: skip
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().rstrip("\n")


def _flat(member: Member, row: dict[str, Any]) -> dict[str, Any]:
    shrunk, found = row["shrunk"] or {}, member.found
    return {
        **{k: row[k] for k in ("trial", "title", "area", "channel", "state", "decision", "source")},
        "techniques": " ".join(row["techniques"]), "log_ratio": row["effect"].get("estimate"),
        "se": row["effect"].get("se"), "shrunk_mean": shrunk.get("mean"),
        "shrunk_sd": shrunk.get("sd"),
        "why_not_pooled": found.why if isinstance(found, Absent) else None,
    }  # fmt: skip

"""``signpost observe``: what can be said where nothing was randomised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trials.errors import SignpostError
from web.cli.context import Context, json_option, pass_context, say

METHODS = ("interrupted", "differences", "matched", "before-after")


@click.command("observe")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--method", type=click.Choice(METHODS), default="interrupted", show_default=True,
              help="The design.")  # fmt: skip
@click.option("--from", "start", required=True, metavar="PERIOD",
              help="The first period with the change.")  # fmt: skip
@click.option("--treated", multiple=True, metavar="AREA", help="An area with the change; repeat.")
@click.option("--value", default="count", show_default=True, help="The column of the outcome.")
@click.option("--exposure", help="The column of what the counts come from.")
@click.option("--event", "events", multiple=True, help="A column that marks a known disturbance.")
@click.option("--season", type=float, help="Periods in a season: 12, 52 or 7.")
@click.option("--harmonics", type=int, default=0, show_default=True, help="Waves for the season.")
@click.option("--slope-change", is_flag=True, help="The trend may change, not only the level.")
@click.option("--matches", type=int, default=3, show_default=True,
              help="Untouched areas for each with the change.")  # fmt: skip
@click.option("--placebos", type=int, default=3, show_default=True,
              help="Breaks pretended before the change.")  # fmt: skip
@click.option("--level", type=float, default=0.95, show_default=True)
@click.option("--every", type=click.Choice(("day", "week")), default="week", show_default=True,
              help="From the contact log (no FILE): by day or week.")  # fmt: skip
@click.option("--line", help="From the contact log: this line only.")
@click.option("--channel", help="From the contact log: this channel only.")
@json_option
@pass_context
def observe(
    context: Context, /, *, file: Path | None, every: Any, line: str | None, channel: str | None,
    **asked: Any,
) -> None:  # fmt: skip
    """Judge a change that was not randomised, from FILE or from the contact log.

    FILE has the columns period, count (or --value) and, for several areas, area. The answer is
    weaker evidence than a trial's: it is graded and watermarked, and kept with no trial.
    """
    from analysis import observing

    if not 0 < asked["level"] < 1:
        raise SignpostError(f"--level is {asked['level']:g}", "give a fraction, such as 0.95")
    question = observing.Question(**asked)
    data = (
        observing.from_log(context.store, every=every, line=line, channel=channel)
        if file is None
        else observing.read(file, question)
    )
    answer = observing.judge(data, question)
    say(context, _told(answer), answer)


def _told(answer: dict[str, Any]) -> str:
    lines = [answer["says"], f"Grade of evidence {answer['grade']} (1 is best, 6 is least)."]
    lines += [f"Warning: {warning}" for warning in answer["warnings"]]
    method = answer["estimate"].get("method")
    lines += [f"Method: {method}"] if method else []
    for placebo in answer["placebo_breaks"]:
        found = placebo["estimate"]
        if "estimate" in found:
            lines.append(f"A break pretended at {placebo['at']} gives {found['estimate']:.3g} "
                         f"({found['low']:.3g} to {found['high']:.3g}).")  # fmt: skip
    return "\n".join(lines)

"""``signpost forecast``: what people expect of a trial before it starts, and how they did."""

from __future__ import annotations

import click

from analysis import forecasting
from analysis.bayesian.forecasts import Forecast
from analysis.estimates import Absent
from analysis.forecasting import Kept
from web.cli.context import Context, json_option, pass_context, say


@click.group()
def forecast() -> None:
    """Keep forecasts made before launch, and score them once the result may be shown."""


@forecast.command()
@click.argument("key")
@click.option("--who", required=True, help="Whose forecast it is.")
@click.option("--chance", type=float, help="The chance that it is better, from 0 to 100.")
@click.option("--effect", type=float, help="The expected difference in the main measure's units.")
@click.option("--sd", type=float, default=0.0, show_default=True, help="How unsure of the effect.")
@click.option("--arm", default="", help="The version; without it the first new one.")
@json_option
@pass_context
def add(
    context: Context, /, *, key: str, who: str, chance: float | None, effect: float | None,
    sd: float, arm: str,
) -> None:  # fmt: skip
    """Keep a forecast of trial KEY, which has not been launched."""
    said = Forecast(who=who, probability_better=None if chance is None else chance / 100,
                    effect=effect, sd=sd)  # fmt: skip
    with context.store.write() as session:
        forecasting.add(session, forecasting.Wish(key=key, forecast=said, arm=arm,
                                                  actor=context.actor))  # fmt: skip
        kept = forecasting.everything(session, key)[-1]
    say(context, _line(kept), kept.to_json())


@forecast.command(name="list")
@click.option("--trial", help="Of one trial only.")
@json_option
@pass_context
def list_(context: Context, trial: str | None) -> None:
    """List every forecast with its score."""
    with context.store.read() as session:
        found = forecasting.everything(session, trial)
    say(context, "\n".join(map(_line, found)) or "Nobody has made a forecast yet.",
        {"forecasts": [k.to_json() for k in found]})  # fmt: skip


def _line(kept: Kept) -> str:
    said, scored = kept.forecast, kept.score
    chance = "" if said.probability_better is None else f"{said.probability_better:.0%} better"
    if isinstance(scored, Absent):
        told = scored.why
    else:
        told = "scored" if scored.brier is None else f"Brier score {scored.brier:.3f}"
    return f"{kept.trial:28} {said.who:24} {chance:14} {told}"

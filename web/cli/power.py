"""``signpost power``: how many, how small an effect, or how likely to find it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from analysis import experience
from analysis.experience import Experience
from analysis.planning import Guardrail, PowerAnswer, PowerRequest, plan_power
from trials.errors import SignpostError
from trials.plurals import counted
from web.cli.context import Context, json_option, pass_context, say

KINDS = ("proportion", "count", "mean", "ratio", "time-to-event")


@click.command("power")
@click.option("--kind", type=click.Choice(KINDS), default="proportion", show_default=True)
@click.option("--baseline", type=float, help="The control's mean; a fraction for a proportion.")
@click.option("--sd", type=float, help="Standard deviation between units (mean, ratio, count).")
@click.option("--mde", type=float, help="Smallest absolute effect worth finding.")
@click.option(
    "--direction", type=click.Choice(("lower", "higher")), default="lower", show_default=True,
    help="Whether the effect is a fall or a rise.",
)  # fmt: skip
@click.option("--margin", type=float, help="Non-inferiority margin, instead of --mde.")
@click.option("--n", type=int, help="Units in each arm: solves for the detectable effect.")
@click.option("--arms", type=int, default=2, show_default=True, help="Arms, control included.")
@click.option("--ratio", help="Weights of the arms, control first, as 1,1,2.")
@click.option("--icc", type=float, help="Intra-cluster correlation, where clusters are drawn.")
@click.option("--cluster-size", type=float, help="Mean units in a cluster.")
@click.option("--cluster-cv", type=float, default=0.0, help="sd over mean of the cluster sizes.")
@click.option(
    "--cluster-autocorrelation", type=float, default=1.0, show_default=True,
    help="Stepped wedge: how much of the icc is left between two periods.",
)  # fmt: skip
@click.option("--clusters", type=int, help="Clusters there are in all.")
@click.option("--periods", type=int, help="Switchback: periods in all.")
@click.option("--period-cv", type=float, help="Switchback: sd over mean between periods.")
@click.option("--steps", type=int, help="Stepped wedge: its steps.")
@click.option("--looks", type=int, default=1, help="Equally spaced looks, the last included.")
@click.option(
    "--spending", type=click.Choice(("obrien-fleming", "pocock", "power")),
    default="obrien-fleming", show_default=True, help="How alpha is spent over the looks.",
)  # fmt: skip
@click.option("--futility", is_flag=True, help="A look may also stop for futility.")
@click.option("--explained", type=float, default=0.0, help="Variance that covariates explain.")
@click.option(
    "--guardrail", "guardrails", multiple=True, metavar="BASELINE:MARGIN[:SD]",
    help="A guardrail that must be non-inferior too; may be repeated.",
)  # fmt: skip
@click.option("--weekly", type=float, help="Units that come in a week, all arms together.")
@click.option("--weeks", type=float, help="Weeks of them, instead of --n.")
@click.option("--alpha", type=float, default=0.05, show_default=True)
@click.option("--power", "power_", type=float, default=0.8, show_default=True)
@click.option(
    "--several", type=click.Choice(("bonferroni", "dunnett", "none")), default="bonferroni",
    show_default=True, help="How alpha is shared among several arms.",
)  # fmt: skip
@click.option("--unit", default="units", help="What is counted, in the plural: chats.")
@click.option(
    "--like", metavar="KEY",
    help="Take what is not given from the control arm of this earlier trial.",
)  # fmt: skip
@click.option("--metric", help="Which metric of --like; its primary otherwise.")
@click.option(
    "--history", type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Take what is not given from this file: one row a unit, or one row a period.",
)  # fmt: skip
@click.option(
    "--value", default="value", show_default=True, help="--history: the outcome's column."
)
@click.option("--cluster", help="--history: the column that says which cluster.")
@click.option("--denominator", help="--history: a ratio metric's lower column.")
@click.option("--simulate", type=int, help="Simulate this many such trials to check the answer.")
@click.option("--seed", type=int, default=1, show_default=True, help="For --simulate.")
@json_option
@pass_context
def power(
    context: Context,
    /,
    *,
    ratio: str | None,
    guardrails: tuple[str, ...],
    power_: float,
    simulate: int | None,
    seed: int,
    like: str | None,
    metric: str | None,
    history: Path | None,
    value: str,
    cluster: str | None,
    denominator: str | None,
    **options: Any,
) -> None:
    """Sample size, detectable effect or power for a design.

    Give the effect (--mde or --margin) to find the size, the size (--n, --weeks, --clusters or
    --periods) to find the effect, or both to find the power.

    --like and --history read the baseline, the spread and how alike clusters or periods are from
    your own data; whatever is given beside them stands.
    """
    past: Experience | None = None
    if like is not None and history is not None:
        raise SignpostError("both --like and --history are given", "give one of them")
    if like is not None:
        past = experience.of_trial(context.store, like, metric)
    if history is not None:
        past = experience.of_file(
            history, options["kind"], value=value, cluster=cluster, denominator=denominator
        )
    options = _filled(options, past)
    request = PowerRequest(
        ratio=_weights(ratio),
        guardrails=tuple(_guardrail(text) for text in guardrails),
        power=power_,
        **options,
    )
    answer = plan_power(request)
    document = answer.to_json()
    lines = _lines(request, answer)
    if past is not None:
        lines += [_row("Own history", said) for said in past.says]
        document["history"] = asdict(past)
    if simulate is not None:
        from analysis.planning.rehearse import rehearse

        seen = rehearse(request, answer, n_sims=simulate, seed=seed)
        document["simulated"] = seen.to_json() | {"seed": seed}
        lines.append(
            f"Simulated {counted(seen.n_sims, 'trial')}: power {seen.power:.1%} "
            f"(Monte Carlo error {seen.mcse:.1%})."
        )
    say(context, "\n".join(lines), document)


def _filled(options: dict[str, Any], past: Experience | None) -> dict[str, Any]:
    """The options, with what was not given taken from the past."""
    if past is None:
        return options
    periods = past.period_cv is not None
    names: tuple[str, ...] = ("baseline", "sd", "period_cv" if periods else "icc")
    # Clusters are planned only where their likeness is known, and their size goes with it.
    if past.icc is not None and not periods:
        names += ("cluster_size", "cluster_cv")
    found = {name: getattr(past, name) for name in names if not options.get(name)}
    return {**options, "kind": past.kind, **found}


def _weights(text: str | None) -> tuple[float, ...] | None:
    """``1,1,2`` as weights.

    Raises:
        SignpostError: it is not numbers between commas.
    """
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise SignpostError(
            f"--ratio {text!r} is not a list of weights", "give numbers between commas, as 1,1,2"
        ) from None


def _guardrail(text: str) -> Guardrail:
    """``0.9:0.005`` as a proportion, ``12.5:0.5:4`` (with an sd) as a mean.

    Raises:
        SignpostError: it is not two or three numbers between colons.
    """
    parts = text.split(":")
    try:
        baseline, margin = float(parts[0]), float(parts[1])
        sd = [float(part) for part in parts[2:]]
    except (ValueError, IndexError):
        sd, parts = [], []
    if not 2 <= len(parts) <= 3:
        raise SignpostError(
            f"--guardrail {text!r} is not BASELINE:MARGIN or BASELINE:MARGIN:SD", "as 0.9:0.005"
        )
    if sd:
        return Guardrail(kind="mean", baseline=baseline, margin=margin, sd=sd[0])
    return Guardrail(baseline=baseline, margin=margin)


def _lines(request: PowerRequest, answer: PowerAnswer) -> list[str]:
    """The sentence, then the figures behind it."""
    lines = [answer.says, ""]
    if len(set(answer.n_by_arm)) > 1:
        lines.append(_row("Each arm", ", ".join(f"{n:,}" for n in answer.n_by_arm)))
    else:
        lines.append(_row("Each arm", f"{answer.n_per_arm:,}"))
    lines.append(_row("In all", f"{answer.total:,}"))
    if answer.clusters is not None:
        lines.append(_row("Clusters", f"{answer.clusters:,}"))
    if answer.design_effect != 1.0:
        lines.append(_row("Design effect", f"{answer.design_effect:.3g}"))
    lines.append(_row("Power", f"{answer.power:.1%}"))
    if answer.detectable_effect is not None:
        lines.append(_row("Detectable effect", f"{answer.detectable_effect:.4g}"))
    if answer.weeks is not None:
        lines.append(_row("Weeks", f"{answer.weeks:,}"))
    for look in answer.looks:
        bound = look["efficacy"]
        stops = "never" if bound is None else f"|z| ≥ {bound:.3f} (p ≤ {look['nominal_p']:.4f})"
        lines.append(_row(f"Look at {look['fraction']:.0%}", f"stop for an effect: {stops}"))
    for row in answer.horizon:
        found = row["detectable_effect"]
        seen = "no possible effect" if found is None else f"effects from {found:.4g}"
        lines.append(
            _row(f"In {row['weeks']} weeks", f"{row['total']:,.0f} {request.unit}: {seen}")
        )
    lines.append(_row("Method", answer.method))
    return [*lines, *(_row("Note", note) for note in answer.notes)]


def _row(name: str, value: str) -> str:
    return f"{name:<18} {value}"

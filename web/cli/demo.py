"""``signpost demo``: build the demonstration, analyse it, serve it."""

from __future__ import annotations

import os

import click

from web.cli.context import Context, json_option, pass_context, say


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--no-serve", is_flag=True, help="Build and analyse only.")
@json_option
@pass_context
def demo(context: Context, port: int, no_serve: bool) -> None:
    """Build a demonstration database, analyse every trial in it and serve the pages."""
    from web import demonstration
    from web.cli.serve import refuse_taken, run

    if not no_serve:
        refuse_taken("127.0.0.1", port)
    if context.database is None and not os.environ.get("SIGNPOST_DATABASE_URL"):
        context.database = f"sqlite:///{context.settings.home / 'demonstration.db'}"
        del context.settings
    results = demonstration.build(
        context.store, context.hasher, lambda text: click.echo(text, err=True), later=not no_serve
    )
    context.store.close()
    lines = [f"{result['trial']}: {result['verdict']['says']}" for result in results]
    data = [{"trial": r["trial"], "run": r["run"]["id"], "verdict": r["verdict"]} for r in results]
    say(context, "\n".join(lines), {"trials": data})
    if not no_serve:
        os.environ["SIGNPOST_DEMONSTRATION"] = "yes"
        os.environ.setdefault("SIGNPOST_ORGANISATION", "Wychbridge Council")
        run(context.settings.database_url, host="127.0.0.1", port=port, workers=1, attended=True)

"""The program ``signpost``."""

from __future__ import annotations

import importlib
import os
import sys
import traceback

import click

from trials.errors import SignpostError
from web.cli.context import Context, tell_error

# Each command lives in its own module and is imported when it is called, so that
# `signpost --help` does not load the statistics.
COMMANDS = {
    "analyse": "web.cli.analyse:analyse",
    "assumption": "web.cli.assumption:assumption",
    "benefit": "web.cli.benefit:benefit",
    "capacity": "web.cli.capacity:capacity",
    "coding": "web.cli.coding:coding",
    "db": "web.cli.db:db",
    "demo": "web.cli.demo:demo",
    "drop-off": "web.cli.reconcile:drop_off",
    "explore": "web.cli.explore:explore",
    "erase": "web.cli.retention:erase",
    "forecast": "web.cli.forecast:forecast",
    "holdout": "web.cli.holdout:holdout",
    "import": "web.cli.importing:import_",
    "key": "web.cli.key:key",
    "object": "web.cli.objection:object_",
    "mail": "web.cli.mail:mail",
    "observe": "web.cli.observe:observe",
    "pack": "web.cli.pack:pack",
    "portfolio": "web.cli.portfolio:portfolio",
    "power": "web.cli.power:power",
    "reconcile": "web.cli.reconcile:reconcile_",
    "report": "web.cli.report:report",
    "opportunity": "web.cli.opportunity:opportunity",
    "retention": "web.cli.retention:retention",
    "scale": "web.cli.scale:scale",
    "scheduler": "web.cli.scheduler:scheduler",
    "serve": "web.cli.serve:serve",
    "simulate": "web.cli.simulate:simulate",
    "step": "web.cli.step:step",
    "trial": "web.cli.trial:trial",
    "units": "web.cli.units:units",
    "user": "web.cli.user:user",
    "worker": "web.cli.worker:worker",
}


class Lazy(click.Group):
    """A group whose commands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in alphabetical order."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when one is mistyped."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as failure:
            from trials.definition.near import nearest

            guess = nearest(args[0], COMMANDS) if args else None
            if guess is None:
                raise
            says = f"No such command {args[0]!r}. Did you mean {guess!r}?"
            raise click.UsageError(says, ctx) from failure


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--database", metavar="URL", help="sqlite:///file.db or postgresql://user@host/name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(package_name="signpost-trials", prog_name="signpost")
@click.pass_context
def program(context: click.Context, database: str | None, as_json: bool, debug: bool) -> None:
    """Find out which small changes really save people a needless call."""
    shared = context.ensure_object(Context)
    shared.database, shared.debug = database, debug
    shared.json = shared.json or as_json


def main(arguments: list[str] | None = None) -> None:
    """Run the program: exit 0 when done, 1 when refused or failed, 2 for wrong usage."""
    context = Context()
    try:
        given = list(sys.argv[1:] if arguments is None else arguments)
        with program.make_context("signpost", given, obj=context) as ctx:
            program.invoke(ctx)
    except SignpostError as failure:
        if context.debug:
            traceback.print_exc()
        tell_error(context, failure)
        sys.exit(1)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as failure:
        failure.show()
        sys.exit(failure.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("error: interrupted; nothing was half-written", err=True)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as failure:
        if context.debug:
            raise
        says = f"error: something unexpected went wrong ({type(failure).__name__}); "
        click.echo(f"{says}run it again as 'signpost --debug …' to see where", err=True)
        sys.exit(1)

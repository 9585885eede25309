"""What every command shares: settings, the store, and how results and errors are told."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import click

from trials import settings
from trials.errors import Invalid, SignpostError
from trials.people.identifiers import Hasher
from trials.settings import Settings
from trials.store.engine import Store, told


@dataclass
class Context:
    """The program's state. ``json`` asks for one document on standard output and nothing else."""

    database: str | None = None
    json: bool = False
    debug: bool = False

    @cached_property
    def settings(self) -> Settings:
        """The settings, read when first needed."""
        return settings.load(database_url=self.database)

    @cached_property
    def store(self) -> Store:
        """The database, opened when first needed; an empty one is given its tables."""
        from trials.store import migrate

        store = Store.open(self.settings.database_url)
        with told():
            if migrate.current(store) is None:
                migrate.upgrade(store)
        return store

    @cached_property
    def hasher(self) -> Hasher:
        """Keyed hashes under the installation's key."""
        return Hasher(self.settings.identifier_key)

    @property
    def actor(self) -> str:
        """Who acts, for the audit log."""
        return f"cli:{getpass.getuser()}"


pass_context = click.make_pass_decorator(Context, ensure=True)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--json`` on a command itself as well as before it."""

    def remember(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            context.ensure_object(Context).json = True

    return click.option(
        "--json", "as_json", is_flag=True, expose_value=False, callback=remember,
        help="Print one JSON document to standard output and nothing else there.",
    )(command)  # fmt: skip


def say(context: Context, text: str, data: Any) -> None:
    """The result: ``text`` for a person, or ``data`` as JSON where that was asked for."""
    if context.json:
        click.echo(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False))
    elif text:
        click.echo(text)


def tell_error(context: Context, failure: SignpostError) -> None:
    """Every problem on a line of its own, then the one line ``error: …``; JSON where asked for."""
    if isinstance(failure, Invalid) and len(failure.problems) > 1:
        for problem in failure.problems[:100]:
            click.echo(f"  {problem}", err=True)
        if len(failure.problems) > 100:
            more = len(failure.problems) - 100
            click.echo(f"  … and {more:,} more (--json lists them)", err=True)
    click.echo(f"error: {one_line(str(failure))}", err=True)
    if context.json:
        click.echo(json.dumps({"error": error_document(failure)}, ensure_ascii=False, indent=2))


def error_document(failure: SignpostError) -> Mapping[str, Any]:
    """The error as data."""
    document: dict[str, Any] = {"code": failure.code, "says": one_line(str(failure))}
    if isinstance(failure, Invalid):
        document["problems"] = [
            {"line": p.line, "place": p.place, "says": p.says, "remedy": p.remedy}
            for p in failure.problems
        ]
    return document


def one_line(text: str) -> str:
    """``text`` without line breaks."""
    return " ".join(text.split())


@contextmanager
def progress(context: Context, what: str) -> Iterator[Callable[[int], None]]:
    """A counter of rows on standard error, on a terminal only."""
    if context.json or not sys.stderr.isatty():
        yield lambda _rows: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"),
               TextColumn("{task.completed:,.0f} rows"), TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda rows: bar.update(task, completed=rows)

"""Long work shows where it is, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def stages(what: str) -> Iterator[Callable[[str, float], None]]:
    """A bar on a terminal; elsewhere a line whenever another stage begins."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda stage, share: bar.update(task, description=f"{what}: {stage}", completed=share)


class _Lines:
    """Prints a stage when it is new."""

    def __init__(self) -> None:
        self.last = ""

    def __call__(self, stage: str, share: float) -> None:
        if stage != self.last and not stage.endswith(": "):
            self.last = stage
            click.echo(f"{share:4.0%} {stage}", err=True)

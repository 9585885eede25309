"""``signpost worker``: does the work that is too long for a web request."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import click

from trials.plurals import counted
from web.cli.context import Context, json_option, pass_context, say

if TYPE_CHECKING:
    from web.jobs.worker import Worker


@click.command()
@click.option("--once", is_flag=True, help="Do what is due now, then stop.")
@click.option("--max-minutes", type=click.FloatRange(min=0.01), default=60, show_default=True,
              help="The longest that one job may take.")  # fmt: skip
@click.option("--max-memory", type=click.IntRange(min=256), default=4096, show_default=True,
              metavar="MB", help="The most memory that one job may use.")  # fmt: skip
@click.option("--beside", is_flag=True, hidden=True, help="Stop when whoever started it does.")
@json_option
@pass_context
def worker(context: Context, once: bool, max_minutes: float, max_memory: int, beside: bool) -> None:
    """Run analyses and imports that were asked for in the pages or by the clock."""
    from web import logs
    from web.jobs.worker import Limits, Worker

    limits = Limits(seconds=max_minutes * 60, memory=max_memory << 20)
    made = Worker(context.store, context.settings, limits=limits, warm=not once)
    if once:
        _say_done(context, _do_all(made))
        return
    logs.begin()
    click.echo("The worker is ready (stop it with Ctrl-C)", err=True)
    made.run(stopping(beside=beside))


def _do_all(made: Worker) -> int:
    """Everything that is due now; how many jobs that was."""
    try:
        return sum(1 for _ in iter(made.step, False))
    finally:
        made.close()


def _say_done(context: Context, jobs: int) -> None:
    say(context, f"Did {counted(jobs, 'job')}", {"jobs": jobs})


def stopping(*, beside: bool) -> threading.Event:
    """An event that is set when this process is told to stop, or is left alone."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if beside:
        threading.Thread(target=_watch_parent, args=(stop,), daemon=True).start()
    return stop


def _watch_parent(stop: threading.Event) -> None:
    parent = os.getppid()
    while not stop.wait(1):
        if os.getppid() != parent:
            stop.set()

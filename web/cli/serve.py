"""``signpost serve``: the web pages and the API on a production server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import nullcontext

import click

from trials import accounts, setting_up
from trials.errors import Unavailable
from web import bodies
from web.cli.context import Context, json_option, pass_context, say

HEADERS_WITHIN = 10_000
"""Milliseconds for a request's headers to arrive; a connection without any is closed."""
LEAVE_WITHIN = 10
"""Seconds that a process told to stop has for what it is doing: a sender may never end."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--no-scheduler", is_flag=True, help="Start neither the clock nor a worker.")
@json_option
@pass_context
def serve(context: Context, host: str, port: int, workers: int, no_scheduler: bool) -> None:
    """Serve the web pages and the API; run the clock and a worker beside them."""
    refuse_taken(host, port)
    _tell_how_to_begin(context)
    context.store.close()
    url = context.settings.database_url
    say(context, "", {"address": f"http://{host}:{port}/", "workers": workers})
    sys.stdout.flush()
    run(url, host=host, port=port, workers=workers, attended=not no_scheduler)


def _tell_how_to_begin(context: Context) -> None:
    """Where nobody has an account yet, print the code that opens the first."""
    with context.store.read() as session:
        if not accounts.none_yet(session) or context.settings.demonstration:
            return
    code = setting_up.code(context.settings.home)
    click.echo(
        f"Nobody has an account yet. Open the first page and give this code: {code}", err=True
    )
    click.echo("(or run 'signpost user add EMAIL --role administrator --password-stdin')", err=True)


def refuse_taken(host: str, port: int) -> None:
    """Refuse at once, in words, when the port cannot be had. Raises ``Unavailable``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as failure:
            raise Unavailable(
                f"port {port} on {host} cannot be used ({failure.strerror})",
                "choose another with --port",
            ) from None


def run(database_url: str, *, host: str, port: int, workers: int, attended: bool) -> None:
    """Run Granian until it is told to stop; ``attended`` by a clock and a worker of its own."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    os.environ["SIGNPOST_DATABASE_URL"] = database_url
    click.echo(f"Signpost is at http://{host}:{port}/ (stop it with Ctrl-C)", err=True)
    server = Granian(
        "web.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,  # else one that sends nothing is waited for, to see which it speaks
        workers=workers,
        blocking_threads=bodies.THREADS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_WITHIN),
        workers_kill_timeout=LEAVE_WITHIN,
        factory=True,
        log_level=LogLevels.error,  # it warns of more threads than cores; ours wait for senders
    )
    with Attendants() if attended else nullcontext():
        server.serve()


class Attendants:
    """The clock and a worker, each a process of its own, started again when it stops."""

    COMMANDS = ("scheduler", "worker")
    REST = 5.0

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._thread = threading.Thread(target=self._attend, daemon=True)

    def __enter__(self) -> None:
        for command in self.COMMANDS:
            self._start(command)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def _start(self, command: str) -> None:
        # The database's address goes by the environment: a command line can be read by anybody.
        self._running[command] = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "web.cli", command, "--beside"], stdin=subprocess.DEVNULL
        )

    def _attend(self) -> None:
        while not self._stop.wait(self.REST):
            for command, process in list(self._running.items()):
                if process.poll() is not None and not self._stop.is_set():
                    says = f"stopped (exit status {process.returncode}) and is started again"
                    click.echo(f"the {command} {says}", err=True)
                    self._start(command)

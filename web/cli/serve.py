"""``signpost serve``: the web pages and the API on a production server."""

from __future__ import annotations

import os
import socket

import click

from trials import accounts, setting_up
from trials.errors import Unavailable
from web.cli.context import Context, pass_context


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True)
@pass_context
def serve(context: Context, host: str, port: int, workers: int) -> None:
    """Serve the web pages and the API."""
    refuse_taken(host, port)
    _tell_how_to_begin(context)
    context.store.close()
    run(context.settings.database_url, host=host, port=port, workers=workers)


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


def run(database_url: str, *, host: str, port: int, workers: int) -> None:
    """Run Granian until it is told to stop.

    Eight threads a worker: they share Python's lock, but wait for one commit together.
    """
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    os.environ["SIGNPOST_DATABASE_URL"] = database_url
    click.echo(f"Signpost is at http://{host}:{port}/ (stop it with Ctrl-C)", err=True)
    Granian(
        "web.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=8,
        factory=True,
        log_level=LogLevels.warning,
    ).serve()

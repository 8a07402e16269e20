"""Runs the web pages with uvicorn: behind a proxy, in one process or several, and to a clean end."""

import errno
import gc
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self

import uvicorn
from fastapi import FastAPI

from newsletter.app import Newsletter
from newsletter.errors import ServeError, UsageError

_PROJECT: Final = "STAYINTHELOOP_SERVED_PROJECT"
"""How the processes of one server learn whose pages they serve."""

LOGGING: Final = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"()": "newsletter.web.discretion.DiscreetFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "newsletter": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
"""No line for each request: addresses of visitors, and tokens in what they ask for, are nobody's business."""


def serve(newsletter: Newsletter, *, host: str | None = None, port: int | None = None, workers: int = 1) -> None:
    """Serve the public pages until somebody stops it (SIGINT, SIGTERM); what is under way is finished first.

    Args:
        newsletter: The project.
        host: Where to listen; the settings' if not given.
        port: The port; the settings' if not given.
        workers: How many processes.

    Raises:
        UsageError: This machine has no such address to listen at.
        ServeError: The port is taken, or the pages could not be started.
        DatabaseError: The database does not answer.
    """
    web = newsletter.project.settings.web
    host, port = host or web.host, port or web.port
    _see_that_it_is_free(host, port)
    newsletter.reach_database()  # said once and plainly, before several processes say it; brings it up to date too
    os.environ[_PROJECT] = str(newsletter.project.root)
    try:
        with _QuietEnd():
            uvicorn.run(
                f"{__name__}:served",
                factory=True,
                host=host,
                port=port,
                workers=workers,
                proxy_headers=True,
                forwarded_allow_ips=[str(network) for network in web.trusted_proxies],
                server_header=False,
                access_log=False,
                log_config=LOGGING,
                timeout_graceful_shutdown=30,
                timeout_keep_alive=15,
                limit_concurrency=20_000,
                h11_max_incomplete_event_size=32 * 1024,
            )
    except SystemExit as ending:
        if ending.code:
            raise ServeError("The pages could not be started. What stands above says why.") from None


def served() -> FastAPI:
    """The application of one process."""
    from newsletter.web.public import create_app  # noqa: PLC0415 - the process that watches the others needs none of it

    app = create_app(Newsletter.open(Path(os.environ[_PROJECT])))
    gc.collect()
    gc.freeze()  # what stays for ever is not looked through again while thousands wait
    return app


def _see_that_it_is_free(host: str, port: int) -> None:
    """See that we can listen there, and say what is the matter if not."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            trial.listen()
    except PermissionError:
        raise ServeError(
            f"Port {port} is one that only the system's administrator may open. Take one above 1023, such as "
            "--port 8600, and let the web server in front have the usual ones."
        ) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ServeError(
                f"Port {port} is in use: something listens there already, perhaps these pages. Stop it, or take "
                f"another:  newsletter serve --public --port {port + 1 if port < 65535 else port - 1}"
            ) from None
        raise UsageError(
            f"This machine has no address «{host}» to listen at. Leave --host out to listen on this machine alone."
        ) from None


class _QuietEnd:
    """While it is entered, a polite kill ends like Ctrl-C: before uvicorn listens for signals, while it does, or after.

    Uvicorn passes a signal on when all is finished; SIGTERM would then end this process as if nothing had been.

    Attributes:
        asked: Whether somebody asked for it.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        for number, before in self._before.items():
            signal.signal(number, before)
        # Stopped before it served, uvicorn thinks that it could not start.
        return self.asked and isinstance(error, KeyboardInterrupt | SystemExit)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True
        raise KeyboardInterrupt

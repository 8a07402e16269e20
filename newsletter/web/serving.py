"""Runs the web pages with uvicorn: behind a proxy, in one process or several, and to a clean end."""

import os
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI

from newsletter.app import Newsletter

_PROJECT: Final = "STAYINTHELOOP_SERVED_PROJECT"
"""How the processes of one server learn whose pages they serve."""

_LOGGING: Final = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "newsletter": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}
"""No line for each request: addresses of visitors, and tokens in what they ask for, are nobody's business."""


def serve(newsletter: Newsletter, *, host: str | None = None, port: int | None = None, workers: int = 1) -> None:
    """Serve the public pages until somebody stops it; what is under way is finished first.

    Args:
        newsletter: The project.
        host: Where to listen; the settings' if not given.
        port: The port; the settings' if not given.
        workers: How many processes.
    """
    web = newsletter.project.settings.web
    os.environ[_PROJECT] = str(newsletter.project.root)
    uvicorn.run(
        f"{__name__}:served",
        factory=True,
        host=host or web.host,
        port=port or web.port,
        workers=workers,
        proxy_headers=True,
        forwarded_allow_ips=list(web.trusted_proxies),
        server_header=False,
        access_log=False,
        log_config=_LOGGING,
        timeout_graceful_shutdown=30,
        timeout_keep_alive=15,
        limit_concurrency=20_000,
        h11_max_incomplete_event_size=32 * 1024,
    )


def served() -> FastAPI:
    """The application of one process."""
    from newsletter.web.public import create_app  # noqa: PLC0415 - the process that watches the others needs none of it

    return create_app(Newsletter.open(Path(os.environ[_PROJECT])))

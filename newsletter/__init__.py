"""Compose an edition of a newsletter, see every problem before sending, and send it once, to the right people."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("stayintheloop")
except PackageNotFoundError:  # running from a checkout that was never installed
    __version__ = "0.0.0"

__all__ = ["__version__"]

"""Fixtures of the webhooks' tests."""

from tests.database.opened import database_url, empty_file, server, template
from tests.webhooks.receiving import receiver, tried

__all__ = ["database_url", "empty_file", "receiver", "server", "template", "tried"]

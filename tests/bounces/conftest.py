"""Fixtures of the tests of messages that come back by mail."""

from tests.cli.conftest import newsletter
from tests.database.opened import database_url, empty_file, server, template
from tests.web.served import here, project

__all__ = ["database_url", "empty_file", "here", "newsletter", "project", "server", "template"]

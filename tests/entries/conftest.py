"""Fixtures of the tests of forms' entries."""

from tests.database.opened import database_url, empty_file, server, template
from tests.web.served import here, project

__all__ = ["database_url", "empty_file", "here", "project", "server", "template"]

"""Another program that asks the API, with a token that opens everything."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from newsletter.programs.access_tokens import Scope
from tests.web.served import Project

ANNA = {"email": "anna@example.org", "list": "community", "consent": "I want the newsletter. (Form of the website)"}
"""Somebody whom a program adds."""


class Program:
    """Another program, with a token."""

    def __init__(self, client: TestClient, token: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        answer = self._client.request(method, f"/api/v1{path}", headers=self._headers, **options)
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers
        return answer.status_code, answer.json()


@pytest.fixture
def program(here: Project) -> Iterator[Program]:
    """A program that may do everything."""
    token = here.newsletter.access.create_token("all", list(Scope), lasts=None)
    with here.client() as client:
        yield Program(client, token)

"""What the API says of itself is what it does: schemathesis asks it all that its description allows, and more."""

from collections import Counter
from pathlib import Path

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema

from newsletter.programs.access_tokens import MEANINGS, Scope
from tests.web.served import Project

_SEMANTIC = (  # whose texts must mean something beyond what a description can say
    "GET /api/v1/subscribers",
    "POST /api/v1/subscribers",
    "POST /api/v1/subscribers/find",
)


@pytest.fixture
def asked(tmp_path: Path, empty_file: Path) -> Project:
    """A project with somebody and something in it, that answers under the name that schemathesis asks for."""
    path = tmp_path / "newsletter.db"
    path.write_bytes(empty_file.read_bytes())
    made = Project(tmp_path / "project", f"sqlite:///{path}", more='hosts = ["testserver"]\n')
    made.add_person("anna@example.org", "community", first_name="Anna")
    made.add_edition("first-one")
    return made


def _ask(project: Project, examples: int, *, token: str | None) -> tuple[list[str], Counter[int]]:
    """Ask everything; what went against the description, and how often each status was answered."""
    config = SchemathesisConfig.from_dict(
        {
            "headers": {} if token is None else {"Authorization": f"Bearer {token}"},
            "generation": {
                "max-examples": examples,
                "deterministic": True,
                "database": "none",
                "no-shrink": True,
                "with-security-parameters": False,
            },
            "phases": {
                "stateful": {"enabled": False},
                "coverage": {"enabled": token is not None, "unexpected-methods": ["put", "trace"]},
            },
            "operations": [
                {"include-name": name, "checks": {"positive_data_acceptance": {"enabled": False}}} for name in _SEMANTIC
            ],
        }
    )
    wrong: list[str] = []
    statuses: Counter[int] = Counter()
    with project.client() as client:
        schema = schemathesis.openapi.from_asgi("/api/openapi.json", client.app, config=config)
        for event in from_schema(schema).execute():
            assert type(event).__name__ not in {"NonFatalError", "FatalError"}, event
            recorder = getattr(event, "recorder", None)
            if recorder is None:
                continue
            for interaction in recorder.interactions.values():
                statuses[interaction.response.status_code] += 1
            wrong += [
                f"{recorder.label}: {check.failure_info.failure.title}: {check.failure_info.failure.message}"
                for checks in recorder.checks.values()
                for check in checks
                if check.failure_info is not None
            ]
    return wrong, statuses


@pytest.mark.slow
def test_with_a_token_every_answer_is_as_described(asked: Project) -> None:
    token = asked.newsletter.access.create_token("all", list(Scope), lasts=None)
    wrong, statuses = _ask(asked, 2, token=token)
    assert wrong == []
    assert statuses[200] > 30
    assert statuses[422] > 100
    assert max(statuses) < 500


def test_without_a_token_nothing_is_answered(asked: Project) -> None:
    wrong, statuses = _ask(asked, 1, token=None)
    assert [each for each in wrong if "401" not in each] == []
    assert statuses[401] > 10
    assert set(statuses) <= {401, 404, 405}  # paths that there are not, and methods that no path has


def test_the_description_names_every_scope_and_every_no(asked: Project) -> None:
    with asked.client() as client:
        described = client.get("/api/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    said = described["components"]["securitySchemes"]["token"]["description"]
    assert all(f"`{scope}`" in said for scope in MEANINGS)
    assert set(MEANINGS) == set(Scope)
    used = set()
    for path in described["paths"].values():
        for operation in path.values():
            (scopes,) = operation["security"][0].values()
            used |= set(scopes)
            assert {"401", "403", "413", "422", "429", "503"} <= set(operation["responses"])
            assert ("415" in operation["responses"]) == ("requestBody" in operation)
            for status, answer in operation["responses"].items():
                named = answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                assert (named == "Problem") == (status >= "400")
    assert used == set(Scope) - {Scope.METRICS_READ}

"""The answer to whoever watches the server: well, or not, and nothing else."""

from pathlib import Path

import sqlalchemy as sa

from tests.database.opened import Server, create
from tests.web.served import Project


def test_a_server_that_reaches_its_database_is_well(project: Project) -> None:
    project.add_person("ann@example.com", "community")
    before = project.rows()
    with project.client() as client:
        answer, head = client.get("/healthz"), client.head("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "database": True})
    assert answer.headers["cache-control"] == "no-store"
    assert (head.status_code, head.content) == (200, b"")
    assert project.rows() == before


def test_a_server_without_its_database_says_so(here: Project) -> None:
    with here.client() as client:
        with here.newsletter.database() as database:
            path = database.path
            database.engine.dispose()
        assert path is not None
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        path.write_bytes(b"this is no database " * 500)
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"ok": False, "database": False})
    assert int(answer.headers["retry-after"]) > 0


def test_a_server_whose_postgresql_has_lost_its_database_says_so(server: Server, template: str, tmp_path: Path) -> None:
    create(server, "for_health", template)
    project = Project(tmp_path / "project", server.url("for_health"))
    with project.client() as client:
        assert client.get("/healthz").status_code == 200
        drop(server, "for_health")
        assert client.get("/healthz").json() == {"ok": False, "database": False}
        create(server, "for_health", template)
        assert client.get("/healthz").status_code == 200, "it comes back by itself"


def drop(server: Server, name: str) -> None:
    """Drop a database, whoever is connected to it."""
    address = server.url("postgres").replace("postgresql:", "postgresql+psycopg:")
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')

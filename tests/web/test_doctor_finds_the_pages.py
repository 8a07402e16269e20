"""The doctor tries a link for unsubscribing at the real pages, and says so where they are not there."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from newsletter.doctor.diagnosis import Diagnosis
from tests.web.served import Project, free_port


@pytest.fixture
def near(tmp_path: Path, empty_file: Path) -> Project:
    """A project whose pages are on this machine."""
    database = tmp_path / "newsletter.db"
    database.write_bytes(empty_file.read_bytes())
    return Project(tmp_path / "project", f"sqlite:///{database}", f"http://127.0.0.1:{free_port()}")


def found(project: Project) -> Diagnosis:
    lines = project.newsletter.doctor.examine(network=True)
    return next(line for line in lines if line.check == "unsubscribe-link")


def port_of(project: Project) -> int:
    return int(project.newsletter.project.settings.newsletter.base_url.rpartition(":")[2])


def test_with_our_pages_there_leaving_works_and_nothing_changes(near: Project) -> None:
    before = near.rows()
    with near.server(port_of(near), duties=False):
        assert found(near).state.value == "good"
    assert near.rows() == before


def test_with_another_web_site_there_nobody_could_leave(near: Project) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200 if self.path == "/" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port_of(near)), Other) as other:
        thread = threading.Thread(target=other.serve_forever, args=(0.01,))
        thread.start()
        line = found(near)
        other.shutdown()
        thread.join()
    assert line.state.value == "should fix"  # the outbox mails nobody; with another sender it must be fixed
    assert "nobody could leave" in line.what

"""Two independent programs to compare ours with, in one Node.js process: npm `mjml` 5 renders, `postal-mime` parses.

Fixtures: `npm_mjml(source) -> (html, errors)` and `postal_mime(content) -> Mail as a dict`. Without Node.js, or before
`npm ci`, tests that ask for them are skipped; in continuous integration they fail.
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.parts import missing

SCRIPT = Path(__file__).with_name("oracle.mjs")
ROOT = Path(__file__).parents[2]

NpmMjml = Callable[[str], tuple[str, list[dict[str, Any]]]]
PostalMime = Callable[[bytes], dict[str, Any]]


class Oracle:
    """The Node.js process that answers one request after the other."""

    def __init__(self, node: str) -> None:
        self._process = subprocess.Popen(
            [node, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, encoding="utf-8"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def ask(self, what: str, source: str) -> dict[str, Any]:
        """The answer; raises AssertionError when the program itself gave up, with its reason."""
        assert self._process.stdin
        assert self._process.stdout
        # A surrogate that stands alone cannot be told in UTF-8; JSON escapes carry it.
        self._process.stdin.write(json.dumps({"do": what, "source": source}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "The Node.js process of the oracles has ended; its message stands above."
        answer: dict[str, Any] = json.loads(line)
        assert "failure" not in answer, f"{what}: {answer['failure']}"
        return answer


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    """The running process, shared by a whole test run."""
    node = shutil.which("node")
    if node is None:
        missing("Node.js is not here.")
    if not (ROOT / "node_modules" / "mjml").is_dir():
        missing("The Node packages are not installed.")
    with Oracle(node) as running:
        yield running


@pytest.fixture(scope="session")
def npm_mjml(oracle: Oracle) -> NpmMjml:
    """Render MJML with npm `mjml` 5: the HTML, and every error of strict validation as `{line, tag, message}`."""

    def render(source: str) -> tuple[str, list[dict[str, Any]]]:
        answer = oracle.ask("mjml", source)
        return answer["html"], answer["errors"]

    return render


@pytest.fixture(scope="session")
def postal_mime(oracle: Oracle) -> PostalMime:
    """Parse a mail with `postal-mime`.

    Keys: from, sender ({name, address}); to, cc, bcc, replyTo (lists of them); subject, date, messageId, text, html;
    headers (list of [lower-case name, value], in order); attachments (list of {filename, mimeType, disposition,
    contentId, related, size, sha256}). A key whose part the mail lacks is missing.
    """

    def parse(content: bytes) -> dict[str, Any]:
        return oracle.ask("mail", base64.b64encode(content).decode())

    return parse

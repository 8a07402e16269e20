"""Starts sending processes quickly: one process loads the program once, and every sender is a fork of it.

    python -m tests.chaos.nursery

Reads lines of JSON: `{"start": [arguments], "out": FILE}` is answered with the child's id, `{"wait": ID}` with null
while it runs and then with how it ended, as `subprocess` tells it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Nursery:
    """The process that starts others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        command = [sys.executable, "-m", "tests.chaos.nursery"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, **question: object) -> int | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        answer: int | None = json.loads(self._process.stdout.readline())
        return answer

    def start(self, *arguments: str) -> "Child":
        self._number += 1
        out = self._folder / f"{self._number}.out"
        pid = self.ask(start=arguments, out=str(out))
        assert pid is not None
        return Child(self, pid, out)

    def close(self) -> None:
        self._process.communicate()


class Child:
    """A process that sends.

    Attributes:
        pid: Its id.
        status: How it ended; None while it runs.
    """

    def __init__(self, nursery: Nursery, pid: int, out: Path) -> None:
        self._nursery = nursery
        self._out = out
        self.pid = pid
        self.status: int | None = None

    @property
    def said(self) -> str:
        """All that it printed."""
        return self._out.read_text().strip()

    def is_over(self) -> bool:
        if self.status is None:
            self.status = self._nursery.ask(wait=self.pid)
        return self.status is not None

    def send_signal(self, number: signal.Signals) -> None:
        if not self.is_over():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, and see that it is gone."""
        self.send_signal(signal.SIGKILL)
        while not self.is_over():
            time.sleep(0.002)


def main() -> None:
    from tests.chaos.sending import main as send

    with contextlib.suppress(ImportError):
        import psycopg  # noqa: F401 - so that it is there after the fork
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            pid, status = os.waitpid(question["wait"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                out = os.open(question["out"], os.O_CREAT | os.O_WRONLY)
                for stream in (1, 2):
                    os.dup2(out, stream)
                os.close(0)
                try:
                    said = send(question["start"])
                    sys.stdout.write(f"{said}\n")
                    sys.stdout.flush()
                finally:
                    os._exit(0)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()

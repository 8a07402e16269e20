"""Between a worker and PostgreSQL: passes bytes on, or holds them back as a network does that is cut."""

import contextlib
import socket
import threading
from pathlib import Path
from typing import Self

_SOCKET = ".s.PGSQL.5432"


class Proxy:
    """A socket in a folder of its own that leads to the server's; `url` is the way through it."""

    def __init__(self, server: Path, folder: Path) -> None:
        self._server = str(server / _SOCKET)
        self.folder = folder
        self._open = threading.Event()
        self._open.set()
        self._over = False
        self._last_words: bytes | None = None
        self.held = threading.Event()
        """Whether anything waits in it."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / _SOCKET))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._open.clear()

    def cut_before(self, words: bytes) -> None:
        """Cut when somebody is about to say this for the next time."""
        self._last_words = words

    def mend(self) -> None:
        self._open.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self.mend()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._server)
                for source, goal in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, goal), daemon=True).start()

    def _pass_on(self, source: socket.socket, goal: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._last_words is not None and self._last_words in data:
                    self._last_words = None
                    self.cut()
                if not self._open.is_set():
                    self.held.set()
                    self._open.wait()
                if self._over:
                    break
                goal.sendall(data)
        for end in (source, goal):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

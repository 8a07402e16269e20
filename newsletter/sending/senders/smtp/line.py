"""The line to a mail server: bytes out, replies in, and how much of what was written the kernel has taken."""

import contextlib
import socket
import ssl
import time

from newsletter.sending.senders.smtp.replies import NotSmtpError, Reply, ReplyReader


class Line:
    """One connection of TCP, plain or encrypted, used by one thread at a time.

    All methods raise `OSError` (time-outs and TLS errors are ones too) or `NotSmtpError`; then the line is of no more
    use.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._replies = ReplyReader()
        self.handed = 0
        """Bytes of the last `write` that the kernel took."""
        # A group of commands must leave at once, not wait for the answer to what was sent before (RFC 896).
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    @property
    def peer(self) -> str:
        """The address of the other end, or what the system shows for it."""
        return str(self._socket.getpeername()[0])

    def encrypt(self, context: ssl.SSLContext, host: str, timeout: float) -> None:
        """Go on with TLS; what came before in the clear must have been read.

        Raises:
            NotSmtpError: The server, or somebody between, has sent more than it was asked for, so as to have it taken
                for what the server says under encryption (CVE-2011-0411).
        """
        if not self._replies.empty:
            raise NotSmtpError("more arrived before the encryption than was asked for")
        self._socket.settimeout(timeout)
        self._socket = context.wrap_socket(self._socket, server_hostname=host)

    def write(self, data: bytes, timeout: float) -> None:
        """Hand bytes to the kernel; `handed` tells how many it took, also when this fails."""
        self.handed = 0
        self._socket.settimeout(timeout)
        self.handed = sent = self._socket.send(data)
        if sent == len(data):
            return
        view = memoryview(data)
        while self.handed < len(data):  # each wait is for itself: RFC 5321 section 4.5.3.2.5 is about one block
            self.handed += self._socket.send(view[self.handed :])

    def reply(self, timeout: float) -> Reply:
        """The next reply, which must have come whole within so many seconds."""
        reply = self._replies.next()
        if reply is not None:
            return reply
        deadline = time.monotonic() + timeout
        self._socket.settimeout(timeout)
        while True:
            self._receive()
            reply = self._replies.next()
            if reply is not None:
                return reply
            if (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError("timed out")
            self._socket.settimeout(left)

    def arrived(self) -> Reply | None:
        """What the server said without being asked, if it did; never waits.

        Raises:
            ConnectionError: It has closed the connection.
            NotSmtpError: It has begun to say something.
        """
        if (reply := self._replies.next()) is not None:
            return reply
        self._socket.settimeout(0)
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            self._receive()
        reply = self._replies.next()
        if reply is None and not self._replies.empty:
            raise NotSmtpError("it spoke out of turn")
        return reply

    def abort(self) -> None:
        """End the connection at once, from any thread: whoever waits on it gets an error."""
        try:
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            return  # it had ended already

    def close(self) -> None:
        """Let go of the connection."""
        self._socket.close()

    def _receive(self) -> None:
        data = self._socket.recv(4096)
        if not data:
            raise ConnectionResetError("the connection was closed")
        self._replies.feed(data)

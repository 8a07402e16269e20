"""A real, small DNS server on loopback: answers from a zone by UDP and TCP, and can be silent or broken on request."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Zone = dict[str, dict[str, list[str]]]


def text(content: str) -> str:
    """A TXT record as zone files have it, in strings of at most 255."""
    return " ".join(f'"{content[start : start + 255]}"' for start in range(0, len(content), 255))


@dataclass
class NameServer:
    """The server; `with` starts and stops it.

    Attributes:
        zone: For each name and type the records.
        silent: Never answers.
        broken: Names that it says it has a problem with.
        asked: Every question, as `name type`.
    """

    zone: Zone = field(default_factory=dict)
    silent: bool = False
    broken: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    by_tcp: int = 0
    heard: int = 0

    def __post_init__(self) -> None:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._serve_udp, self._serve_tcp)]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._tcp.shutdown(socket.SHUT_RDWR)
        self._tcp.close()
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))
        for thread in self._threads:
            thread.join()
        self._udp.close()

    def _serve_udp(self) -> None:
        while True:
            data, place = self._udp.recvfrom(65_535)
            if not data:
                return
            self.heard += 1
            if not self.silent:
                answer = self._answer(data)
                wire = answer.to_wire(max_size=65_535)
                if len(wire) > 1232:
                    answer.answer.clear()
                    answer.flags |= dns.flags.TC
                    wire = answer.to_wire()
                self._udp.sendto(wire, place)

    def _serve_tcp(self) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection:
                (length,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
                wire = self._answer(connection.recv(length, socket.MSG_WAITALL)).to_wire(max_size=65_535)
                self.by_tcp += 1
                connection.sendall(struct.pack("!H", len(wire)) + wire)

    def _answer(self, data: bytes) -> dns.message.Message:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text().rstrip(".").lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind}")
        answer = dns.message.make_response(query)
        if name in self.broken:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name not in self.zone:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif records := self.zone[name].get(kind):
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        return answer


@contextlib.contextmanager
def serving(zone: Mapping[str, Mapping[str, list[str]]], **more: object) -> Iterator[NameServer]:
    """A server for a zone."""
    with NameServer({name: dict(kinds) for name, kinds in zone.items()}, **more) as server:  # type: ignore[arg-type]
        yield server

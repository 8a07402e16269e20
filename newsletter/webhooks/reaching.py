"""Reaches the machine that a webhook names, and none that only we can see: a URL must not lead into our own network.

The name is asked for once, every address that it has must be one of the public internet, and the connection goes to
that very address: who answers differently a second time is not asked (item 131 of the checklist: SSRF, rebinding).
Redirects are not followed, so that nothing leads elsewhere afterwards. A project that tries things out on its own
machine (`base_url` on localhost) may call that machine, and nothing else that is not public.
"""

import io
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from newsletter.config.addresses import ascii_host, is_loopback
from newsletter.errors import AccessError

LONGEST_URL: Final = 2_000
MOST_ADDRESSES: Final = 4
"""Addresses of one machine that are tried."""

_UNFIT: Final = re.compile(r"[^\x21-\x7e]|[<>\"\\^`{|}]")
"""What cannot stand in a URL (RFC 3986 section 2)."""
_NUMBER: Final = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)", re.ASCII | re.IGNORECASE)
"""A last label that makes a name an IPv4 address in disguise: `2130706433`, `0x7f.1`, `127.1` (WHATWG URL, host)."""
_PUBLIC_SIX: Final = ipaddress.IPv6Network("2000::/3")
"""The only IPv6 addresses that are given out (RFC 4291 section 2.4); this leaves mapped ones and NAT64 out."""
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(each)
    for each in (
        "192.88.99.0/24",  # relays from IPv6 to IPv4 (RFC 7526)
        "2001::/23",  # protocols, among them Teredo, which holds an IPv4 address (RFC 2928, RFC 4380)
        "2001:db8::/32",
        "2002::/16",  # 6to4: holds an IPv4 address (RFC 3056)
        "3fff::/20",  # documentation (RFC 9637)
    )
)

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
Connect = Callable[[str, int, float], socket.socket]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook's URL leads.

    Attributes:
        scheme: `https`, or `http` on this machine.
        host: The name or address, in ASCII, without brackets.
        port: The port.
        path: What is asked for, with the query.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as the header Host says them (RFC 9110 section 7.2)."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"https": 443, "http": 80}[self.scheme]
        return name if self.port == usual else f"{name}:{self.port}"


def read_target(url: str, *, here: bool) -> Target:
    """What a URL says, if a webhook may have it.

    Args:
        url: As somebody typed it.
        here: Whether this machine itself may be called, as when things are tried out.

    Raises:
        AccessError: It is none, or leads where it may not.
    """
    example = "Write it like https://hooks.example.org/newsletter"
    if len(url) > LONGEST_URL or _UNFIT.search(url):
        raise AccessError(f"That is no web address, or is longer than {LONGEST_URL:,} characters. {example}")
    try:
        parts = urlsplit(url)
        port = parts.port
        named = parts.hostname or ""
    except ValueError:
        raise AccessError(f"That is no web address. {example}") from None
    scheme = parts.scheme.lower()
    if "@" in parts.netloc or "#" in url:
        raise AccessError(f"Take out user name, password and what follows a #. {example}")
    host = _host(named)
    if host is None:
        raise AccessError(f"That has no name of a machine as it is usually written. {example}")
    if is_loopback(host):
        if not here:
            raise AccessError("This machine itself may be called only while base_url is on localhost, to try it out.")
        if scheme not in {"http", "https"}:
            raise AccessError(f"A webhook begins with https://. {example}")
    elif scheme != "https":
        raise AccessError(f"A webhook begins with https://, since what it tells is about people. {example}")
    elif port not in {None, 80, 443}:
        raise AccessError(f"A webhook is called at the usual port. Take out :{port}.")
    usual = 443 if scheme == "https" else 80
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme, host, usual if port is None else port, path)


def _host(named: str) -> str | None:
    """A host as it travels: a name, or an address in its one usual form; None for anything else."""
    name = named.lower().removesuffix(".")
    if ":" in name:
        try:
            return None if "%" in name else str(ipaddress.IPv6Address(name))
        except ValueError:
            return None
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(name))  # takes no octal, hexadecimal or shortened ones
        except ValueError:
            return None
    return ascii_host(name)


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet, to which anybody may connect."""
    try:
        ip: _Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    if any(ip in network for network in _NOT_PUBLIC if network.version == ip.version):
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _PUBLIC_SIX:
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def resolve_by_system(host: str, port: int) -> list[str]:
    """The addresses that a name has, as the machine knows them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect_to(address: str, port: int, patience: float) -> socket.socket:
    """A connection to exactly this address."""
    return socket.create_connection((address, port), timeout=patience)


@dataclass(frozen=True)
class Reach:
    """How machines are reached.

    Attributes:
        here: Whether this machine itself may be called.
        resolve: Tells the addresses of a name; asked once for each call.
        connect: Connects to an address.
        context: What checks certificates; None for what the machine trusts.
    """

    here: bool = False
    resolve: Resolve = resolve_by_system
    connect: Connect = connect_to
    context: ssl.SSLContext | None = None

    def open(self, target: Target, *, deadline: float) -> "Line":
        """A connection to the machine that is meant, encrypted for its name if the URL says so.

        Args:
            target: Where to.
            deadline: When it must all be over, by the monotonic clock.

        Raises:
            AccessError: The machine has no address, or one that is not public.
            OSError: It does not answer, or its certificate is not for it.
        """
        line = self._connected(self._addresses(target), target.port, deadline)
        if target.scheme == "https":
            try:
                context = self.context or ssl.create_default_context()
                line.settimeout(_left(deadline))
                # Python counts the timeout over the whole handshake, not for each packet of it.
                line = context.wrap_socket(line, server_hostname=target.host)
            except BaseException:
                line.close()
                raise
        return Line(line, deadline)

    def _addresses(self, target: Target) -> list[str]:
        try:
            found = list(self.resolve(target.host, target.port))
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise AccessError("The machine that the webhook names has no address.")
        own = is_loopback(target.host) and self.here
        if not all(is_loopback(each) if own else is_public(each) for each in found):
            raise AccessError("The machine that the webhook names is not on the public internet.")
        return found[:MOST_ADDRESSES]

    def _connected(self, addresses: Sequence[str], port: int, deadline: float) -> socket.socket:
        """A connection to the first address that takes one."""
        for number, address in enumerate(addresses, 1):
            try:
                return self.connect(address, port, _left(deadline) / (1 + len(addresses) - number))
            except OSError:
                if number == len(addresses):
                    raise
        raise TimeoutError("nothing answers")


class Line:
    """A connection that is over at its deadline, however slowly the other end speaks; what `http.client` needs of it.

    Args:
        line: The connection.
        deadline: By the monotonic clock.
    """

    def __init__(self, line: socket.socket, deadline: float) -> None:
        self._line = line
        self._deadline = deadline
        self._request = bytearray()

    def sendall(self, content: bytes) -> None:
        """Take a part of the request; it leaves in one piece, as some answer, and hang up, after the first."""
        self._request += content

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Send the request, before the deadline; what its answer is read from."""
        self._line.settimeout(_left(self._deadline))
        self._line.sendall(self._request)
        return io.BufferedReader(_Incoming(self._line, self._deadline))

    def close(self) -> None:
        """Nothing: `http.client` says so before it has read the answer."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._line.close()


class _Incoming(io.RawIOBase):
    """What comes over a connection, until its deadline."""

    def __init__(self, line: socket.socket, deadline: float) -> None:
        super().__init__()
        self._line = line
        self._deadline = deadline

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come, or wait for it, but not longer than the deadline."""
        self._line.settimeout(_left(self._deadline))
        return self._line.recv_into(buffer)


def _left(deadline: float) -> float:
    """Seconds until the deadline.

    Raises:
        TimeoutError: It has passed.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("it took too long")
    return left

"""Asks the DNS, and keeps apart what it said from what could not be asked."""

import ipaddress
import socket
from typing import Final

import dns.exception
import dns.name
import dns.resolver
import dns.reversename

from newsletter.errors import UsageError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PATIENCE: Final = 5.0
"""Seconds for one question."""
_MOST_SILENCES: Final = 2
"""Questions without any answer after which no more are put: there is no network."""
_EXAMPLES: Final = frozenset({"example.org", "example.com", "example.net", "example.edu"})
_NEVER: Final = frozenset({"example", "test", "invalid", "localhost", "local", "internal"})  # RFC 2606, RFC 6761


class NotAskedError(Exception):
    """The DNS could not be asked; says why, in a few words without a full stop."""


def is_example(domain: str) -> bool:
    """Whether a domain is one for examples and trials, of which the world's DNS knows nothing (RFC 2606)."""
    labels = domain.lower().rstrip(".").split(".")
    return labels[-1] in _NEVER or ".".join(labels[-2:]) in _EXAMPLES


def own_address() -> Address | None:
    """The address that this machine has towards the world; nothing is sent to find out."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 53))  # for examples (RFC 5737); choosing a way there is all that happens
            return ipaddress.ip_address(probe.getsockname()[0])
    except OSError:
        return None


class Names:
    """Asks a DNS server, the system's or another.

    Args:
        server: An address, perhaps with a port (`192.0.2.1:53`, `[::1]:5353`); None for the system's.
        patience: Seconds for one question.

    Raises:
        UsageError: That is not an address.
    """

    def __init__(self, server: str | None = None, *, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._silences = 0
        self.chosen = server is not None
        self._knows_world = self.chosen  # whoever names a server knows what it knows
        self._resolver: dns.resolver.Resolver | None
        if server is not None:
            self._resolver = dns.resolver.Resolver(configure=False)
            address, self._resolver.port = _place(server)
            self._resolver.nameservers = [address]
        else:
            try:
                self._resolver = dns.resolver.Resolver()
            except (dns.exception.DNSException, OSError):
                self._resolver = None
        if self._resolver is not None:
            self._resolver.use_edns(0, 0, 1232)  # long keys come in one answer; others over TCP

    def texts(self, name: str) -> list[str]:
        """The TXT records of a name, each with its strings joined (RFC 7208 section 3.3); none if there are none.

        Raises:
            NotAskedError: Nobody could be asked.
        """
        records = self._ask(name, "TXT")
        return [b"".join(record.strings).decode("utf-8", "replace") for record in records]  # type: ignore[attr-defined]

    def addresses(self, name: str) -> list[Address]:
        """The addresses of a machine.

        Raises:
            NotAskedError: Nobody could be asked.
        """
        found = [*self._ask(name, "A"), *self._ask(name, "AAAA")]
        return [ipaddress.ip_address(record.address) for record in found]  # type: ignore[attr-defined]

    def mail_servers(self, domain: str) -> list[str]:
        """The machines that take mail for a domain, the preferred first; `.` alone means that none does (RFC 7505).

        Raises:
            NotAskedError: Nobody could be asked.
        """
        found = sorted(
            (record.preference, record.exchange.to_text())  # type: ignore[attr-defined]
            for record in self._ask(domain, "MX")
        )
        return [name if name == "." else name.rstrip(".") for _, name in found]

    def names_of(self, address: Address) -> list[str]:
        """The names that an address says it has.

        Raises:
            NotAskedError: Nobody could be asked.
        """
        name = dns.reversename.from_address(str(address)).to_text()
        return [record.target.to_text().rstrip(".") for record in self._ask(name, "PTR")]  # type: ignore[attr-defined]

    def _ask(self, name: str, kind: str) -> list[object]:
        if self._resolver is None:
            raise NotAskedError("this machine knows no DNS server")
        if self._silences >= _MOST_SILENCES:
            raise NotAskedError("no DNS server answers here")
        try:
            answer = self._resolver.resolve(
                f"{name.rstrip('.')}.", kind, lifetime=self._patience, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN:
            self._see_that_it_knows_the_world(name)
            return []
        except (dns.exception.Timeout, OSError):
            self._silences += 1
            raise NotAskedError("no DNS server answers here") from None
        except dns.resolver.NoNameservers:
            raise NotAskedError("its DNS servers have a problem, or somebody in between") from None
        except (dns.exception.DNSException, UnicodeError):
            raise NotAskedError("this name cannot be asked for") from None
        self._silences = 0
        return list(answer.rrset or [])

    def _see_that_it_knows_the_world(self, name: str) -> None:
        """Closed networks have servers that deny every name; what they say of ours means nothing."""
        top = name.rstrip(".").rpartition(".")[2]
        if not self._knows_world:
            self._knows_world = True
            if not self._ask_quietly(top):
                self._resolver = None
                raise NotAskedError("the DNS server here knows nothing of the world")

    def _ask_quietly(self, top: str) -> bool:
        """Whether a top-level domain is there."""
        try:
            return bool(self._ask(top, "NS"))
        except NotAskedError:
            return False


def _place(server: str) -> tuple[str, int]:
    address, port = server, "53"
    if server.startswith("["):
        address, _, rest = server[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif server.count(":") == 1:
        address, _, port = server.partition(":")
    try:
        number = int(port)
        ipaddress.ip_address(address)
    except ValueError:
        number = 0
    if not 0 < number < 65536:
        raise UsageError(f"«{server}» is not the address of a DNS server. Write it like 192.0.2.1, or 192.0.2.1:53.")
    return address, number

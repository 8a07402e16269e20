"""What a DKIM signature costs: against the cryptography that it cannot do without, and against dkimpy.

The message is the personal one of `messages.py`, about 59 kB as it travels. An RSA-2048 signature over its header and
one SHA-256 over its body must be made whoever signs; reading and ordering the header and writing the field come on top.
All is processor time of one thread, the best of many rounds, in turn. Ratios:

- messages per second over bare signatures each with one SHA-256 over the body (goal: at least 0.9);
- the same over bare signatures alone, which says what the signature's share is (only told: hashing 59 kB takes 13 % of
  a signature's time already);
- messages per second over those that dkimpy signs (goal: at least 3).
"""

import hashlib
import time
from collections.abc import Callable, Iterator

import dkim as dkimpy
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks.messages import NOW, make_writer, readers
from benchmarks.row import Row
from newsletter.sending.dkim import DkimKey, DkimSigner

ROUNDS = 60
MESSAGES = 30  # short stretches: one of each is likely to run undisturbed


def rows() -> Iterator[Row]:
    """Three rows."""
    key = generate_private_key(65537, 2048)
    writer = make_writer()
    contents = [writer.write(reader, NOW).content for reader in readers(MESSAGES)]
    header = contents[0].partition(b"\r\n\r\n")[0]
    bodies = [content.partition(b"\r\n\r\n")[2] for content in contents]
    signer = DkimSigner("example.org", [DkimKey("news", key)])
    padding, digest = PKCS1v15(), SHA256()

    def sign_all() -> None:
        for content in contents:
            signer.sign(content, NOW)

    def bare() -> None:
        for _ in contents:
            key.sign(header, padding, digest)

    def bare_and_hash() -> None:
        for body in bodies:
            hashlib.sha256(body).digest()
            key.sign(header, padding, digest)

    sign_all()
    times = [(_seconds(sign_all), _seconds(bare_and_hash), _seconds(bare)) for _ in range(ROUNDS)]
    ours, needed, alone = (min(column) / MESSAGES for column in zip(*times, strict=True))
    yield Row(
        name=f"DKIM, RSA-2048: a message of {len(contents[0]) / 1000:.0f} kB signed",
        ours=f"{1 / ours:,.0f} /s",
        theirs=f"bare signature and SHA-256 of the body: {1 / needed:,.0f} /s",
        ratio=needed / ours,
        goal=0.9,
    )
    yield Row(
        name="the same, against the signature alone",
        ours=f"{ours * 1e6:.0f} µs",
        theirs=f"bare signature: {alone * 1e6:.0f} µs",
        ratio=alone / ours,
        goal=None,
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )

    def with_dkimpy() -> None:
        for content in contents[:5]:
            dkimpy.sign(content, b"news", b"example.org", pem, canonicalize=(b"relaxed", b"simple"))

    other = min(_seconds(with_dkimpy) for _ in range(3)) / 5
    yield Row(
        name="the same, against dkimpy",
        ours=f"{1 / ours:,.0f} /s",
        theirs=f"dkimpy: {1 / other:,.0f} /s",
        ratio=other / ours,
        goal=3,
    )


def _seconds(work: Callable[[], None]) -> float:
    """Of processor time, which other programs on the machine disturb least."""
    start = time.process_time()
    work()
    return time.process_time() - start

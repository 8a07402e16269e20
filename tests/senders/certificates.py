"""Certificates for the tests' mail server: good ones, and every wrong one, made on the spot."""

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOCALHOST = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """Signs certificates; whoever trusts it trusts them."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def context(self, *names: x509.GeneralName, age: dt.timedelta = _DAY, own: bool = False) -> ssl.SSLContext:
        """How a server encrypts whose certificate is for these names.

        Args:
            names: What it is for; by default 127.0.0.1.
            age: How long ago it was made; it is good for a month.
            own: Whether it is signed by itself and not by the authority.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("mail.example.org")
        issuer, signer = (name, key) if own else (self.certificate.subject, self.key)
        certificate = (
            _builder(name, issuer, key, age)
            .add_extension(x509.SubjectAlternativeName(names or [LOCALHOST]), critical=False)
            .sign(signer, hashes.SHA256())
        )
        path = self.folder / f"{certificate.serial_number:x}.pem"
        path.write_bytes(_pem(certificate) + _key_pem(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def trusted(self) -> ssl.SSLContext:
        """How a client encrypts that trusts this authority and nobody else."""
        context = ssl.create_default_context(cadata=_pem(self.certificate).decode())
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    @property
    def file(self) -> Path:
        """The authority's own certificate."""
        path = self.folder / "authority.pem"
        path.write_bytes(_pem(self.certificate))
        return path


def make_authority(folder: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Example Authority")
    certificate = (
        _builder(name, name, key, _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(folder, key, certificate)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, age: dt.timedelta
) -> x509.CertificateBuilder:
    begin = dt.datetime.now(dt.UTC) - age
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + 30 * _DAY)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

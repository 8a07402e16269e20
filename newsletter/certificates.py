"""The front door to certificates: sign what became of a mailing, and compare such a file with the ledger."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsletter.door import Door
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.sending.certificate import Verification

_LARGEST = 100_000_000
"""Bytes of a file that is read at all; a certificate of a million deliveries has 100,000."""


class Certificates(Door):
    """The certificates of one project.

    Args:
        project: Whose secret key signs.
        database: Opens its database.
        clock: Tells the time.
    """

    def make(self, mailing: int, path: Path) -> tuple[dict[str, Any], str]:
        """Write the certificate of a mailing into a file; says what is in it, and the fingerprint of its key.

        Raises:
            MailingNotFoundError: There is no such mailing.
            SendError: It is not over.
            UsageError: There is such a file already, or it cannot be written.
        """
        from newsletter.sending.certificate import fingerprint, make_certificate, write_certificate

        with self._database() as database:
            data = make_certificate(database, mailing, secret=self._project.secret_key(), now=self._clock())
        try:
            with path.open("xb") as file:
                file.write(write_certificate(data))
        except FileExistsError as error:
            raise UsageError(
                f"There is a file {path} already. Give the certificate another name with --out."
            ) from error
        except OSError as error:
            raise UsageError(f"The certificate cannot be written to {path}: {error.strerror}.") from error
        return data, fingerprint(data)

    def verify(self, path: Path) -> "Verification":
        """Compare a certificate with the ledger.

        Raises:
            UsageError: The file cannot be read.
        """
        from newsletter.sending.certificate import verify_certificate

        try:
            with path.open("rb") as file:
                content = file.read(_LARGEST)
        except OSError as error:
            raise UsageError(
                f"The file {path} cannot be read: {error.strerror}. "
                "Name one that newsletter mailings certificate has written."
            ) from error
        with self._database() as database:
            return verify_certificate(database, content, secret=self._project.secret_key())

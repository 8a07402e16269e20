"""Chooses how messages are written: whole, or as one text for many, by what the sender takes."""

from newsletter.config import Settings
from newsletter.rendering.composition import Composition
from newsletter.sending.message import MessageWriter
from newsletter.sending.run import Writer
from newsletter.sending.senders.protocol import Capabilities
from newsletter.sending.substitution import SubstitutionWriter
from newsletter.tokens import Signer


def writer_of(  # noqa: PLR0913 what a message is made of
    composition: Composition,
    settings: Settings,
    able: Capabilities,
    *,
    signer: Signer,
    mailing_id: int,
    list_slug: str,
    list_id: int,
    list_title: str,
    subject_prefix: str = "",
) -> Writer:
    """The writer of a mailing's messages, as `MessageWriter` takes it, for a sender that is able to do so much.

    Raises:
        MessageError: A name, an address or a title cannot stand in a header.
    """
    whole = MessageWriter(
        composition,
        settings,
        signer=signer,
        mailing_id=mailing_id,
        list_slug=list_slug,
        list_id=list_id,
        list_title=list_title,
        subject_prefix=subject_prefix,
    )
    return suited(whole, able)


def suited(whole: MessageWriter, able: Capabilities) -> Writer:
    """A writer of the same messages in the form that the sender takes."""
    return SubstitutionWriter(whole) if able.form == "substitutions" else whole

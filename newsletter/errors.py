"""Every way this product can say no, in one tree, so that callers can catch as widely or as narrowly as they like.

    NewsletterError
      UsageError                  the command was called in a way that cannot work
      ConfigError                 newsletter.toml, or the environment, cannot be used
        ProjectNotFoundError      also LookupError
      EditionError
        EditionNotFoundError      also LookupError
        EditionInvalidError       also ValueError
      ExpressionError             also ValueError
      TemplateError               a template of the theme cannot be read or filled
      CompileError                the MJML that the templates made cannot become HTML
      ImageError                  also ValueError
      TokenError                  also ValueError
      MessageError                also ValueError
      AudienceError
        ListNotFoundError         also LookupError
        SubscriberNotFoundError   also LookupError
        AddressError              also ValueError
      FormNotFoundError           also LookupError
      EntryNotFoundError          also LookupError
      AccessError                 another program may not come in, or cannot be called
        AccessRefusedError        its token is wrong, has expired or was revoked
        TooManyAttemptsError      too many wrong tokens came from its network
      FeedbackError               what somebody reports about messages cannot be taken
        ReportUnexpectedError     no key is set by which it could be believed
        ReportForgedError         it is not signed by whom it says, or too old
        ReportMisreadError        also ValueError
        MailboxError              what came back by mail cannot be read
      ServeError                  the web pages cannot be served here
      DatabaseError
        DatabaseUnavailableError  it is busy, full or away: the same may work later
      SendError
        AlreadySentError
        MailingNotFoundError      also LookupError
        MailingBusyError
        MisreadMessageError     also MessageError
        SenderError               the sender could not hand over; what it knows is in the outcome of each delivery
          SenderUnavailableError  it does not work at all now, and nothing has left
          UnsupportedFeatureError also NotImplementedError

An error is a plain sentence that says what is wrong and, after it, what to do next. Errors that come from a file
carry `findings`: every problem of that file at once, each with its place. This module imports nothing of ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters to someone about to send."""

    MUST_FIX = "must fix"
    SHOULD_FIX = "should fix"
    GOOD_TO_KNOW = "good to know"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem, tied to its place, in words that a writer understands.

    Attributes:
        rule: The rule's stable name in kebab case, for example `unknown-field`.
        what: What is wrong, one sentence.
        fix: What to do about it, one sentence; may be empty where `what` says it all.
        severity: Only `MUST_FIX` keeps an edition from being sent.
        file: The file as the writer knows it, relative to the project where it lies inside.
        line: Counted from 1.
        column: Counted from 1, in characters.
        block: The block in words, for example `block 3, spotlight «ECPAT International»`.
    """

    rule: str
    what: str
    fix: str = ""
    severity: Severity = Severity.MUST_FIX
    file: str = ""
    line: int | None = None
    column: int | None = None
    block: str | None = None

    @property
    def where(self) -> str:
        """The place as `file:line:column (block)`, with only the parts that are known."""
        parts = [self.file, *(str(n) for n in (self.line, self.column) if n is not None)]
        place = ":".join(part for part in parts if part)
        if self.block:
            return f"{place} ({self.block})" if place else self.block
        return place

    def as_json(self) -> dict[str, object]:
        """The finding as plain values, for other programs."""
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "block": self.block,
            "what": self.what,
            "fix": self.fix,
        }

    def __str__(self) -> str:
        """The finding on one line: place, what, fix."""
        sentence = f"{self.what} {self.fix}".strip()
        return f"{self.where}: {sentence}" if self.where else sentence


class NewsletterError(Exception):
    """Something went wrong that the user can do something about."""

    def __init__(self, message: str = "", *, findings: Iterable[Finding] = ()) -> None:
        self.findings: tuple[Finding, ...] = tuple(findings)
        super().__init__(message or "\n".join(str(finding) for finding in self.findings) or (self.__doc__ or ""))


class UsageError(NewsletterError):
    """The command was called in a way that cannot work."""


class ConfigError(NewsletterError):
    """The settings in newsletter.toml or the environment cannot be used."""


class ProjectNotFoundError(ConfigError, LookupError):
    """There is no newsletter.toml here or in any folder above."""


class EditionError(NewsletterError):
    """Something is wrong with an edition."""


class EditionNotFoundError(EditionError, LookupError):
    """There is no edition of that name."""


class EditionInvalidError(EditionError, ValueError):
    """The edition has mistakes; `findings` holds all of them."""


class ExpressionError(NewsletterError, ValueError):
    """An expression says something the small language does not know.

    Attributes:
        source: The whole expression, or the whole text in which its slot stands.
        offset: Where in `source` the problem is, in characters from 0.
        what: What is wrong.
        fix: What to write instead.
    """

    def __init__(self, what: str, *, fix: str = "", source: str = "", offset: int = 0) -> None:
        self.what = what
        self.fix = fix
        self.source = source
        self.offset = offset
        super().__init__(f"{what} {fix}".strip())


class TemplateError(NewsletterError):
    """A template of the theme cannot be read or filled."""


class CompileError(NewsletterError):
    """The MJML that the templates made cannot become HTML."""


class ImageError(NewsletterError, ValueError):
    """A picture cannot be used."""


class TokenError(NewsletterError, ValueError):
    """A link's token was changed, has expired, or was made for something else."""


class MessageError(NewsletterError, ValueError):
    """A message cannot be written without breaking the rules of email."""


class AudienceError(NewsletterError):
    """Something is wrong with the subscribers or lists."""


class ListNotFoundError(AudienceError, LookupError):
    """There is no list of that name."""


class SubscriberNotFoundError(AudienceError, LookupError):
    """Nobody with that address is known."""


class AddressError(AudienceError, ValueError):
    """That is not an email address that can be mailed."""


class FormNotFoundError(NewsletterError, LookupError):
    """There is no form of that name."""


class EntryNotFoundError(NewsletterError, LookupError):
    """A form has no entry with that number."""


class AccessError(NewsletterError):
    """Another program may not come in, or cannot be called."""


class AccessRefusedError(AccessError):
    """The token is wrong, has expired or was revoked; which of these is not said."""


class TooManyAttemptsError(AccessError):
    """Too many wrong tokens came from one network.

    Attributes:
        wait: Seconds after which it may be tried again.
    """

    def __init__(self, message: str, *, wait: int) -> None:
        super().__init__(message)
        self.wait = wait


class FeedbackError(NewsletterError):
    """What somebody reports about messages cannot be taken."""


class ReportUnexpectedError(FeedbackError):
    """Nobody is expected to report anything: no key is set by which it could be believed."""


class ReportForgedError(FeedbackError):
    """The report is not signed by whom it says, or is too old."""


class ReportMisreadError(FeedbackError, ValueError):
    """The report is signed, and is not made as such reports are."""


class MailboxError(FeedbackError):
    """The mailbox, or the folder, that messages come back to cannot be read."""


class ServeError(NewsletterError):
    """The web pages cannot be served here."""


class DatabaseError(NewsletterError):
    """The database cannot be opened or used."""


class DatabaseUnavailableError(DatabaseError):
    """The database is busy, full or out of reach for now; nothing of the transaction happened."""


class SendError(NewsletterError):
    """The mailing could not be sent."""


class AlreadySentError(SendError):
    """Everybody chosen got this edition before."""


class MailingNotFoundError(SendError, LookupError):
    """There is no mailing with that id."""


class MailingBusyError(SendError):
    """Another process is sending from this database."""


class MisreadMessageError(SendError, MessageError):
    """A finished message does not read back as it was meant; the mailing stops, since the next one would not either."""


class SenderError(SendError):
    """The sender could not hand the messages over."""


class SenderUnavailableError(SenderError):
    """The sender as a whole does not work now, and nothing of what it was just given has left.

    Attributes:
        lasting: Whether waiting will not help, since somebody must change something first.
    """

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class UnsupportedFeatureError(SenderError, NotImplementedError):
    """This sender cannot do what was asked, and nothing is dropped in silence."""

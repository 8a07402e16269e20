"""One connection to a mail server that is ready for messages: a message goes out, and what became of it comes back.

A server owns a message once it has the line with a single dot that ends it (RFC 5321 section 4.1.1.4). So what is lost
before the kernel took that line has provably not been delivered, and what is lost after it may have been: therefore
the end of a message is written last and apart, once nothing speaks against it any more.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from newsletter.sending.senders.protocol import Verdict
from newsletter.sending.senders.smtp.answers import ACCEPTED, Answer, refusal, sender_refusal, unfit
from newsletter.sending.senders.smtp.features import Features
from newsletter.sending.senders.smtp.letter import Letter
from newsletter.sending.senders.smtp.line import Line
from newsletter.sending.senders.smtp.replies import NotSmtpError, Reply

_DATA: Final = b"DATA\r\n"
_END: Final = b".\r\n"
_BLOCK: Final = 16_384
"""What is written last begins at a multiple of this, so that TLS needs no record more for it."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How many seconds to wait for a server; by default what RFC 5321 section 4.5.3.2 wants.

    Attributes:
        connect: For the connection itself, which the standard leaves to us.
        greeting: For the first word, and for going over to TLS.
        command: For the answer to MAIL, RCPT and others.
        data: For the answer to DATA.
        block: For the kernel to take the next part of a message.
        final: For the answer to the end of a message: long, lest something is delivered and nobody knows.
        goodbye: For the answer to QUIT.
    """

    connect: float = 30
    greeting: float = 300
    command: float = 300
    data: float = 120
    block: float = 180
    final: float = 600
    goodbye: float = 1


class Connection:
    """A connection on which greeting, encryption and login are done; used by one thread at a time.

    Args:
        line: The line.
        features: What the server can do.
        timeouts: How long to wait.

    Attributes:
        taken: How many messages were begun on it.
        idle_since: When the last one ended, by the monotonic clock.
        usable: Whether another message may be begun.
    """

    def __init__(self, line: Line, features: Features, timeouts: Timeouts) -> None:
        self._line = line
        self._features = features
        self._timeouts = timeouts
        self._reset = False
        """Whether the server still thinks of an envelope that came to nothing."""
        self.taken = 0
        self.idle_since = time.monotonic()
        self.usable = True

    def alive(self) -> bool:
        """Whether the server has neither closed the connection nor said goodbye while nothing was asked of it."""
        try:
            return self.usable and self._line.arrived() is None
        except (OSError, NotSmtpError):
            return False

    def send(self, letter: Letter) -> Answer:
        """Send one message to one reader, and say what became of it, whatever happens."""
        can = self._features
        if (answer := unfit(letter, utf8=can.utf8, eight_bit=can.eight_bit, largest=can.largest)) is not None:
            return answer
        self.taken += 1
        try:
            answer = self._begin(letter)
        except (OSError, NotSmtpError) as error:
            self.drop()
            what = f"The connection was lost before the message was sent: {why(error)}."
            return Answer(Verdict.UNSENT, what, ended=True)
        answer = answer or self._send_content(letter.content)
        self.idle_since = time.monotonic()
        return answer

    def quit(self) -> None:
        """Say goodbye and let go."""
        if self.usable:
            with contextlib.suppress(OSError, NotSmtpError):
                self._line.write(b"QUIT\r\n", self._timeouts.goodbye)
                self._line.reply(self._timeouts.goodbye)
        self.drop()

    def drop(self) -> None:
        """Let go at once; a message whose end was not sent is none."""
        self.usable = False
        self._line.close()

    def abort(self) -> None:
        """End it from another thread; the one that is sending learns of it."""
        self._line.abort()

    def _begin(self, letter: Letter) -> Answer | None:
        """The envelope, up to where the server waits for the message; an answer if it does not want that."""
        commands = _envelope(letter, self._features)
        if reset := self._reset:
            commands.insert(0, b"RSET\r\n")
            self._reset = False
        replies = self._say(commands)
        if reset and not next(replies).good:
            raise NotSmtpError("it does not go back to the beginning")
        mail = next(replies)
        if not mail.good:
            return self._end_envelope(mail, sender_refusal(mail, letter, ended=mail.code == 421), replies)
        recipient = next(replies)
        if not recipient.good:
            self._reset = True
            answer = refusal(recipient, "the reader's address", ended=recipient.code == 421)
            return self._end_envelope(recipient, answer, replies)
        data = next(replies)
        if data.code != 354:
            self._reset = True
            return self._end_envelope(data, refusal(data, "the message", ended=data.code == 421), replies)
        return None

    def _say(self, commands: list[bytes]) -> Iterator[Reply]:
        """Say commands, all at once where the server takes that (RFC 2920), and hand out the reply to each."""
        timeouts = self._timeouts
        if self._features.pipelining:
            self._line.write(b"".join(commands), timeouts.block)
        for command in commands:
            if not self._features.pipelining:
                self._line.write(command, timeouts.block)
            yield self._line.reply(timeouts.data if command is _DATA else timeouts.command)

    def _end_envelope(self, reply: Reply, answer: Answer, replies: Iterator[Reply]) -> Answer:
        """See that the server waits for nothing more after a refusal; the answer stays what it is."""
        if reply.code == 421 or reply.code < 400:  # it closes the connection, or nobody knows what it thinks
            self.drop()
        elif self._features.pipelining:
            try:
                rest = list(replies)
                if rest and rest[-1].code == 354:  # it waits for a message although it has no envelope
                    self._decline(safe=self._reset)
            except (OSError, NotSmtpError):
                self.drop()
        return answer

    def _decline(self, *, safe: bool) -> None:
        """End at once the message that a server waits for, without any being delivered (RFC 2920 section 3.1).

        Args:
            safe: Whether the server has refused the only reader, so that an empty message has nowhere to go.
        """
        if not safe:
            self.drop()
            return
        self._line.write(_END, self._timeouts.block)
        self._reset = False
        if self._line.reply(self._timeouts.final).good:
            self.drop()  # it took a message for nobody: who knows what it does next

    def _send_content(self, content: bytes) -> Answer:
        """The message itself, once the server waits for it."""
        cut = len(content) // _BLOCK * _BLOCK
        last = content[cut:] + _END
        started = False
        try:
            if cut:
                self._line.write(content[:cut], self._timeouts.block)
            early = self._line.arrived()
            if early is None:
                started = True
                self._line.write(last, self._timeouts.block)
        except (OSError, NotSmtpError) as error:
            return self._lost(error, maybe=started and self._line.handed > len(last) - len(_END))
        if early is not None:
            self.drop()
            return refusal(early, "the message")
        try:
            reply = self._line.reply(self._timeouts.final)
        except (OSError, NotSmtpError) as error:
            return self._lost(error, maybe=True)
        if reply.good:
            return ACCEPTED
        if reply.code < 400:
            return self._lost(NotSmtpError("it gave an answer that means nothing"), maybe=True)
        if reply.code == 421:
            self.drop()
        return refusal(reply, "the message")

    def _lost(self, error: OSError | NotSmtpError, *, maybe: bool) -> Answer:
        """The answer when the connection is lost after the message was begun.

        Args:
            error: How it was lost.
            maybe: Whether the server may have got the end of the message.
        """
        said = None
        if not maybe:  # a server that wants no more of a message says so and hangs up
            with contextlib.suppress(OSError, NotSmtpError):
                said = self._line.arrived()
        self.drop()
        if said is not None and said.code >= 400:
            return refusal(said, "the message")
        if maybe:
            what = f"The whole message was sent, but the mail server did not say that it has it: {why(error)}."
            return Answer(Verdict.UNKNOWN, what)
        return Answer(Verdict.UNSENT, f"The connection was lost in the middle of the message: {why(error)}.")


def _envelope(letter: Letter, features: Features) -> list[bytes]:
    parameters = f" SIZE={letter.size}" if features.sizes else ""
    if letter.eight_bit:
        parameters += " BODY=8BITMIME"
    if letter.utf8:
        parameters += " SMTPUTF8"
    mail = f"MAIL FROM:<{letter.sender}>{parameters}\r\n"
    return [mail.encode(), f"RCPT TO:<{letter.recipient}>\r\n".encode(), _DATA]


def why(error: OSError | NotSmtpError) -> str:
    """What went wrong on the way, in words, without a full stop."""
    if isinstance(error, TimeoutError):
        return "it took too long to answer"
    if isinstance(error, OSError):
        return (error.strerror or str(error) or type(error).__name__).rstrip(".").lower()
    return str(error)

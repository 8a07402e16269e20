"""What mail servers mean by what they say: codes first, then phrases in the many dialects of many programs.

A server says up to three things that can contradict one another: a code of SMTP (550), an enhanced status code
(5.1.1, RFC 3463), and words. Some send 5.1.1 for everything, some say «user unknown» of people whom a filter protects.
The rule: an address is given up only for what is said about the address itself, and nobody says otherwise. A code or
phrase about us, the message, a full mailbox, or about now, keeps the address.
"""

import re
from typing import Final

from newsletter.feedback.bounces.dialects import LASTING, PASSING
from newsletter.feedback.bounces.verdicts import FOR_GOOD, Judgement, Reason

LONGEST_READ: Final = 6_000
"""Characters of what a server said that are looked at."""

_LASTING_CODES: Final = {
    "5.1.1": Reason.NO_SUCH_PERSON,
    "5.1.2": Reason.NO_SUCH_DOMAIN,
    "5.1.3": Reason.NO_SUCH_PERSON,  # the address is no address
    "5.1.6": Reason.MOVED,
    "5.1.10": Reason.NO_MAIL,  # RFC 7505
    "5.1.351": Reason.NO_SUCH_PERSON,  # Exchange Online: a server further on said so
    "5.4.4": Reason.NO_SUCH_DOMAIN,  # no mail exchanger, for good
}

_CODES: Final = (
    (r"[45]\.1\.[78]$", Reason.SENDER),
    (r"[45]\.2\.1$", Reason.SUSPENDED),
    (r"[45]\.2\.2$", Reason.FULL),
    (r"[45]\.(2\.3|3\.4)$", Reason.TOO_LARGE),
    (r"[45]\.2\.", Reason.FILTERED),
    (r"[45]\.3\.", Reason.SYSTEM),
    (r"4\.4\.7$", Reason.WAITED),
    (r"[45]\.4\.", Reason.NETWORK),
    (r"[45]\.5\.", Reason.SYSTEM),
    (r"[45]\.6\.", Reason.CONTENT),
    (r"[45]\.7\.(9|2[0-9]|509|515)$", Reason.NOT_PROVEN),
    (r"[45]\.7\.(1[34])$", Reason.SUSPENDED),
    (r"[45]\.7\.", Reason.BLOCKED),
)
"""What a code means where the words say nothing."""

_WEAK: Final = (None, Reason.WAITED, Reason.SYSTEM)
"""What is also said where an address does not exist: the server waited in vain, its program failed."""

_CLOSED: Final = re.compile(
    r"suspend|closed|terminated|discontinued|disabled|inactiv|deactivat|\blocked|on hold|frozen|not active"
    r"|account .{0,30}(?:blocked|bloqu)"
    r"|bloqu[ée]|unavailable|not available|dormant|abandon|not accepting|休止|停止",
)
_REFUSED: Final = re.compile(
    r"denied|reject|refus|forbidden|not (?:allowed|permitted|accepted|wanted)|prohibit|declin|unacceptable|拒否"
)
_VAGUE: Final = frozenset({"", "5.0.0", "5.1.0", "5.4.1", "5.5.0"})
"""Codes that say no more than no."""
_UNAVAILABLE: Final = re.compile(r"mail ?box (?:is )?unavailable(?! or)")
_ADDRESS_REFUSED: Final = re.compile(r"\brecipient address rejected: access denied")

_AT_RECIPIENT: Final = re.compile(
    r"reply to:? rcpt|after rcpt|rcpt[ _]to\b|smtp:rcpt|does not like recipient"
    r"|rejected (?:the )?(?:recipient )?address"
    r"|our rcpt|smtp command rcpt|\(state 14\)"
)
_AT_MESSAGE: Final = re.compile(
    r"reply to:? (?:the )?(?:end of )?data|after (?:the )?(?:end of )?data|end of data|>>> data|smtp command data"
    r"|after i sent the message|\(state 1[5-8]\)"
)
_AT_LAST: Final = re.compile(r"delivery error: dd")
"""How Yahoo begins what it says of its own mailboxes, at whatever step."""
_NO_RECIPIENT_LEFT: Final = re.compile(r"need rcpt|no valid rec|valid rcpt|without rcpt|no recipients")
"""What a server says to DATA when it refused every recipient before (RFC 5321 section 3.3, with pipelining)."""

_MEANS: Final = tuple((re.compile(code), reason) for code, reason in _CODES)

_STATUS: Final = re.compile(r"(?<![\d.])([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![\d]|\.\d)")
_REPLY: Final = re.compile(r"(?<![\w.\-/#=@\[])([245][0-5]\d)(?=[\s\-:,;]|$)")
_ADDRESS: Final = re.compile(r"<?[^\s<>@()\"':;,]{1,80}@[^\s<>@()\"':;,]{1,120}>?")
_LINK: Final = re.compile(r"https?://[^\s>)]{1,300}")


def judge(said: str, status: str = "", *, around: str = "") -> Judgement:
    """What a mail server means.

    Args:
        said: Its words, with any codes among them: a Diagnostic-Code, an answer of SMTP, the text of a bounce.
        status: The Status field of a delivery report, where there is one.
        around: What is written around them, which may tell at which step of SMTP they were said.
    """
    words = said[:LONGEST_READ]
    code, reply = _code(words, status), _reply(words)
    spoken = _spoken(words)
    passing = next((reason for reason, pattern in PASSING if pattern.search(spoken)), None)
    lasting = next((reason for reason, pattern in LASTING if pattern.search(spoken)), None)
    reason = _reason(code, reply, spoken, passing, lasting)
    hard = reason in FOR_GOOD and _for_good(code, reply)
    if reason is Reason.NO_SUCH_PERSON and code not in _LASTING_CODES:
        step = _step(f"{spoken} {_spoken(around[:LONGEST_READ])}")
        if step == "data":
            reason, hard = Reason.FILTERED, False
        elif step != "rcpt":
            hard = hard and _of_address(code, reply)
    return Judgement(reason, hard, code, reply)


def _step(text: str) -> str:
    """At which step of SMTP something was said, if a text tells.

    Who takes an address and refuses it after the message came (DATA) as unknown has looked at the message: a filter.
    """
    if _AT_LAST.search(text):
        return "rcpt"
    if _AT_MESSAGE.search(text) and not _NO_RECIPIENT_LEFT.search(text):
        return "data"
    return "rcpt" if _AT_RECIPIENT.search(text) and not _AT_MESSAGE.search(text) else ""


def _of_address(code: str, reply: str) -> bool:
    """Whether «no such person» is meant so where nobody knows at which step it was said.

    It is where the last system says it itself, which gives no code of SMTP, or where a code tells more than «no». Codes
    of the mailbox (x.2.x) say that there is one. A bare 550 with words, passed on by another program, is not enough.
    """
    tells = bool(code) and not code.endswith(".0.0")
    return not code.startswith("5.2.") and (tells or not reply)


def _reason(code: str, reply: str, spoken: str, passing: Reason | None, lasting: Reason | None) -> Reason:
    """Why, from all that was said."""
    by_code = _LASTING_CODES.get(code)
    if lasting and (by_code or passing in _WEAK):
        return lasting
    meant = next((reason for pattern, reason in _MEANS if pattern.match(code)), None)
    if passing:
        return Reason.NOT_PROVEN if meant is Reason.NOT_PROVEN else passing
    if by_code is None and _unavailable(code, reply, spoken):
        by_code = Reason.NO_SUCH_PERSON
    if by_code is None and _CLOSED.search(spoken):
        meant = Reason.SUSPENDED
    elif meant is None and _REFUSED.search(spoken):
        meant = Reason.BLOCKED
    return by_code or meant or Reason.UNCLEAR


def _unavailable(code: str, reply: str, spoken: str) -> bool:
    """Whether it is what large providers say of an address that does not exist.

    Outlook.com and others say «mailbox unavailable», the text of RFC 5321 section 4.2.2; Exchange Online «recipient
    address rejected: access denied» where the directory is asked first.
    """
    if code not in _VAGUE or reply.startswith("4"):
        return False
    return bool(_UNAVAILABLE.search(spoken) or (code == "5.4.1" and _ADDRESS_REFUSED.search(spoken)))


def _for_good(code: str, reply: str) -> bool:
    """Whether no code says that it is only for now, or about policy (RFC 3463 section 3.8)."""
    if code:
        return code.startswith("5.") and not code.startswith("5.7.") and code not in {"5.2.2", "5.2.3"}
    return not reply.startswith("4")


def _code(words: str, status: str) -> str:
    """The enhanced code that counts: the words of the server that refused know better than the Status of another."""
    found = [code for code in _STATUS.findall(words) if code[0] != "2"]
    own = [code for code in _STATUS.findall(status.strip()[:20])[:1] if code[0] != "2"]
    exact = [code for code in found if not code.endswith(".0")]
    telling = [code for code in [*exact, *found, *own] if not code.endswith(".0.0")]
    return next(iter([*telling, *found, *own]), "")


def _reply(words: str) -> str:
    match = _REPLY.search(words)
    return match[1] if match else ""


def _spoken(words: str) -> str:
    """The words alone: no addresses and no links, since anybody may be called `mailbox-full@example.org`."""
    return " ".join(_ADDRESS.sub(" … ", _LINK.sub(" … ", words)).lower().replace("’", "'").split())

"""What messages that come back say: reports, texts of many programs, complaints, automatic answers (items 77-84)."""

import json

import pytest

from newsletter.feedback.bounces.phrases import judge
from newsletter.feedback.bounces.reading import read_message
from newsletter.feedback.bounces.verdicts import Kind, Outcome, Person, Reason
from tests.bounces.sayings import HARD, SOFT
from tests.bounces.writing import EXCHANGE, EXIM, GMAIL, QMAIL, SENDMAIL, complaint, group, plain, report


def people(content: bytes, kind: Kind = Kind.BOUNCE) -> tuple[Person, ...]:
    verdict = read_message(content)
    assert verdict.kind is kind
    return verdict.people


def told(content: bytes) -> list[tuple[str, str, bool]]:
    return [(person.address, person.status, person.hard) for person in people(content)]


@pytest.mark.parametrize(("said", "status", "reason"), HARD)
def test_hard(said: str, status: str, reason: Reason) -> None:
    """Item 79: what says that the address will not work again."""
    found = judge(said, status)
    assert (found.reason, found.hard) == (reason, True)


@pytest.mark.parametrize(("said", "status", "reason"), SOFT)
def test_not_hard(said: str, status: str, reason: Reason) -> None:
    """Item 79: what is about us, the message, the moment, or a policy, gives no address up."""
    found = judge(said, status)
    assert (found.reason, found.hard) == (reason, False)


def test_an_address_says_nothing_about_itself() -> None:
    """Anybody may be called so, and any link may lead there."""
    said = "550 5.1.1 <mailbox-full-of-spam@example.org>: user unknown, see https://example.net/blacklist"
    assert judge(said).reason is Reason.NO_SUCH_PERSON


@pytest.mark.parametrize("numbers", ["192.0.2.5.1.1", "15.1.1.9", "1.5.1.1", "5.1.1.2"])
def test_numbers_of_machines_and_versions_are_no_codes(numbers: str) -> None:
    assert judge(f"server {numbers} said something").status == ""


def test_a_report_is_read_recipient_by_recipient() -> None:
    """Item 78."""
    content = report(
        group("ada@example.com", "5.1.1", "550 5.1.1 user unknown"),
        group("grace@example.com", "5.2.2", "552 5.2.2 mailbox full"),
        group("joan@example.com", "4.4.1", action="delayed"),
        group("mary@example.com", "2.0.0", action="relayed"),
    )
    assert [(each.address, each.outcome, each.hard) for each in people(content)] == [
        ("ada@example.com", Outcome.FAILED, True),
        ("grace@example.com", Outcome.FAILED, False),
        ("joan@example.com", Outcome.DELAYED, False),
        ("mary@example.com", Outcome.DELIVERED, False),
    ]


def test_delayed_is_never_hard() -> None:
    """Item 78: «delayed» changes nothing."""
    (person,) = people(report(group("ada@example.com", "5.1.1", "550 5.1.1 user unknown", action="delayed")))
    assert (person.outcome, person.hard) == (Outcome.DELAYED, False)


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_success_is_no_bounce(action: str) -> None:
    (person,) = people(report(group("ada@example.com", "2.1.5", action=action)), Kind.DELIVERED)
    assert person.outcome is Outcome.DELIVERED


def test_the_words_of_the_server_count_more_than_the_status_of_the_reporter() -> None:
    content = report(group("ada@example.com", "5.1.1", "550 5.7.1 IP address blacklisted"))
    assert told(content) == [("ada@example.com", "5.7.1", False)]


def test_the_original_recipient_is_told_apart() -> None:
    (person,) = people(report(group("b@example.net", "5.1.1", Original_Recipient="rfc822;ada@example.com")))
    assert (person.address, person.original) == ("b@example.net", "ada@example.com")


def test_groups_without_blank_lines_between_are_told_apart() -> None:
    """Many programs lose them."""
    both = "\n".join([group("ada@example.com", "5.1.1"), group("grace@example.com", "5.2.2")])
    assert told(report(both)) == [("ada@example.com", "5.1.1", True), ("grace@example.com", "5.2.2", False)]


def test_a_report_that_lost_its_structure_is_read_as_text() -> None:
    content = plain("Something went wrong.\n\n" + group("ada@example.com", "5.1.1", "550 5.1.1 user unknown"))
    assert told(content) == [("ada@example.com", "5.1.1", True)]


def test_a_bounce_that_somebody_passed_on_as_a_quotation_is_read() -> None:
    lines = f"To: news@example.org\n\n{SENDMAIL}\n{group('ada@example.com', '5.1.1', '550 5.1.1 user unknown')}"
    lines = lines[: lines.index("   ----- Original")] + lines[lines.index("Final-Recipient") :]
    quoted = "".join(f"> {line}\n" for line in lines.splitlines())
    content = f"From: us@example.org\nSubject: Fwd: Returned mail: see transcript\n\nPlease look:\n\n{quoted}"
    assert told(content.encode()) == [("ada@example.com", "5.1.1", True)]


def test_a_silent_report_is_explained_by_the_text() -> None:
    """At which step a server said no stands in the text alone, or all that it said."""
    bare = report(group("ada@example.com", "5.0.0"), text="<ada@example.com>: 550 5.1.1 user unknown")
    assert told(bare) == [("ada@example.com", "5.1.1", True)]
    vague = group("ada@example.com", "5.0.0", "550 no such user")
    assert told(report(vague))[0][2] is False
    assert told(report(vague, text="<ada@example.com>: 550 no such user (in reply to RCPT TO command)"))[0][2] is True


def test_unknown_after_the_message_came_is_a_filter() -> None:
    """Who takes an address, and calls it unknown once the message is there, looked at the message."""
    text = "<ada@example.com>: 550 no such user (in reply to end of DATA command)"
    (person,) = people(report(group("ada@example.com", "5.0.0", "550 no such user"), text=text))
    assert (person.reason, person.hard) == (Reason.FILTERED, False)


def test_nothing_in_the_returned_message_counts() -> None:
    (person,) = people(plain(QMAIL))
    assert (person.address, person.reply, person.hard) == ("ada@example.com", "550", True)
    assert "qmail" in person.said
    assert people(plain(QMAIL.replace("550 No such user", "552 over quota")))[0].reason is Reason.FULL


def test_exim_tells_of_each_address() -> None:
    content = plain(EXIM, headers=["X-Failed-Recipients: ada@example.com, grace@example.com"])
    assert told(content) == [("ada@example.com", "", True), ("grace@example.com", "5.2.2", False)]


@pytest.mark.parametrize("text", [SENDMAIL, EXCHANGE])
def test_other_programs(text: str) -> None:
    (person,) = people(plain(text))
    assert (person.address, person.hard) == ("ada@example.com", True)


def test_a_warning_is_a_delay() -> None:
    (person,) = people(plain(GMAIL, subject="Delivery Status Notification (Delay)"))
    assert (person.address, person.outcome) == ("ada@example.com", Outcome.DELAYED)


def test_a_bounce_as_a_web_page_alone() -> None:
    page = "<style>p{}</style><p>Delivery failed: ada@example.com<br>550 5.1.1 user&nbsp;unknown"
    assert told(plain(page, kind="text/html")) == [("ada@example.com", "5.1.1", True)]


def test_a_bounce_in_an_unknown_language_is_found() -> None:
    (person,) = people(plain("Viesti ei mennyt perille: ada@example.com", subject="Mail delivery failed"))
    assert (person.address, person.hard, person.reason) == ("ada@example.com", False, Reason.UNCLEAR)


def test_a_forwarded_bounce_is_read() -> None:
    inner = report(group("ada@example.com", "5.1.1")).decode()
    outer = f"From: a@example.org\nSubject: Look\nContent-Type: message/rfc822\n\n{inner}"
    assert told(outer.encode()) == [("ada@example.com", "5.1.1", True)]


@pytest.mark.parametrize(
    ("fields", "outcome", "reason", "whom"),
    [
        ("Feedback-Type: abuse", Outcome.COMPLAINED, Reason.COMPLAINT, [""]),
        (
            "Feedback-Type: fraud\nOriginal-Rcpt-To: <ada@example.com>",
            Outcome.COMPLAINED,
            Reason.COMPLAINT,
            ["ada@example.com"],
        ),
        ("Feedback-Type: opt-out", Outcome.COMPLAINED, Reason.OPT_OUT, [""]),
        ("Feedback-Type: not-spam", Outcome.REPORTED, Reason.REPORT, [""]),
        ("Feedback-Type: auth-failure", Outcome.REPORTED, Reason.REPORT, [""]),
        (
            "Feedback-Type: abuse\nOriginal-Rcpt-To: a@example.com\nOriginal-Rcpt-To: b@example.com",
            Outcome.COMPLAINED,
            Reason.COMPLAINT,
            ["a@example.com", "b@example.com"],
        ),
    ],
)
def test_complaints(fields: str, outcome: Outcome, reason: Reason, whom: list[str]) -> None:
    """Item 83: RFC 5965; not every report accuses somebody, and the address may be withheld."""
    found = people(complaint(fields), Kind.COMPLAINT)
    assert [(each.address, each.outcome, each.reason) for each in found] == [(each, outcome, reason) for each in whom]


def test_complaints_of_outlook_com() -> None:
    returned = "X-HmXmrOriginalRecipient: ada@example.com\nFrom: news@example.org\n\nNews"
    head = "From: staff@example.net\nSubject: complaint about message from 192.0.2.1\nContent-Type: message/rfc822"
    content = f"{head}\n\n{returned}"
    (person,) = people(content.encode(), Kind.COMPLAINT)
    assert (person.address, person.outcome) == ("ada@example.com", Outcome.COMPLAINED)


@pytest.mark.parametrize("head", ["Subject: unsubscribe", "Subject: Hello\nX-Apple-Unsubscribe: true"])
def test_a_request_to_be_taken_off(head: str) -> None:
    (person,) = people(f"From: ada@example.com\n{head}\n\nPlease.".encode(), Kind.COMPLAINT)
    assert person.reason is Reason.OPT_OUT


@pytest.mark.parametrize(
    "head",
    [
        "Subject: Re: News\nAuto-Submitted: auto-replied",
        "Subject: Re: News\nX-Autoreply: yes",
        "Subject: Re: News\nPrecedence: auto_reply",
        "Subject: Out of office: News",
        "Subject: =?utf-8?q?R=C3=A9ponse_automatique?=",
        "Subject: Automatische Antwort: News\nReturn-Path: <>",
        "Subject: 自動返信",
        "Subject: Ihre Nachricht\nAuto-Submitted: auto-generated\nIn-Reply-To: <1@example.org>",
        "Subject: News\nX-Apple-Action: VACATION/1.0",
        "Subject: Read: News\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b",
    ],
)
def test_automatic_answers_are_not_bounces(head: str) -> None:
    """Item 84."""
    text = "I am away, and my mailbox is full. The user unknown to you is not available, try again later. 550"
    (person,) = people(f"From: ada@example.com\n{head}\n\n{text}".encode(), Kind.AUTO_REPLY)
    assert person.outcome is Outcome.REPLIED


@pytest.mark.parametrize(
    "content",
    [
        b"From: Ada <ada@example.com>\nSubject: Re: News\n\nThank you! My friend's mailbox does not exist any more.",
        b"From: Ada <ada@example.com>\nSubject: Delivery on Monday\n\nSee you then.",
        b"From: service@example.com\nSubject: Your invoice\nAuto-Submitted: auto-generated\n\nPlease pay.",
        b"",
        b"\0\xff\xfe",
        b"no header at all",
    ],
)
def test_what_a_person_writes_is_no_bounce(content: bytes) -> None:
    assert read_message(content).kind is Kind.OTHER


def test_a_notice_in_json() -> None:
    about = {"emailAddress": "ada@example.com", "action": "failed", "diagnosticCode": "smtp; 550 5.1.1 unknown"}
    text = json.dumps({"notificationType": "Bounce", "bounce": {"bouncedRecipients": [about]}})
    content = f"From: no-reply@example.net\nSubject: Notification\n\n{text}\n--\nGood-bye".encode()
    assert told(content) == [("ada@example.com", "5.1.1", True)]
    for broken in (
        text[:-3],
        text.replace("[{", "[[{"),
        text.replace("Bounce", "Else"),
        text.replace('"bounce"', '"x"'),
    ):
        assert read_message(f"From: no-reply@example.net\n\n{broken}".encode()).people == ()


def test_the_same_message_has_one_name_however_it_came() -> None:
    content = report(group("ada@example.com", "5.1.1"))
    one, other = read_message(content), read_message(b"Delivered-To: x@example.org\r\nX-Spam: no\r\n" + content)
    assert one.digest == other.digest
    assert one.digest != read_message(report(group("grace@example.com", "5.1.1"))).digest
    assert other.recipients[0] == "x@example.org"
    assert read_message(content.replace(b"\r\n", b"\n")).digest == one.digest

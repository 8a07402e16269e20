"""Bounces as mail servers write them, made by us: each in the manner of one program."""

from collections.abc import Sequence

BOUNDARY = "=_a-boundary"


def report(
    *groups: str, text: str = "Your message could not be delivered.", original: str = "", **fields: str
) -> bytes:
    """A delivery report (RFC 3464), one group of fields for each recipient."""
    head = {
        "Return-Path": "<>",
        "From": "Mail Delivery System <MAILER-DAEMON@mx.example.net>",
        "To": "bounces@news.example.org",
        "Subject": "Undelivered Mail Returned to Sender",
        "Date": "Mon, 23 Nov 2026 09:00:00 +0000",
        "Message-ID": "<1@mx.example.net>",
        "Auto-Submitted": "auto-replied",
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    lines = [f"{name}: {value}" for name, value in head.items()]
    lines += [
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{BOUNDARY}"',
        "",
        f"--{BOUNDARY}",
        "Content-Type: text/plain; charset=utf-8",
        "",
        text,
        "",
        f"--{BOUNDARY}",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.example.net",
        "",
        "\n\n".join(groups),
        "",
        f"--{BOUNDARY}",
        "Content-Type: message/rfc822",
        "",
        original or "From: news@example.org\nTo: ada@example.com\nSubject: News\n\nNews: your mailbox is full of spam.",
        "",
        f"--{BOUNDARY}--",
        "",
    ]
    return "\r\n".join("\n".join(lines).split("\n")).encode()


def group(address: str, status: str, diagnostic: str = "", action: str = "failed", **more: str) -> str:
    """The fields of one recipient."""
    lines = [f"Final-Recipient: rfc822; {address}", f"Action: {action}", f"Status: {status}"]
    lines += [f"Diagnostic-Code: smtp; {diagnostic}"] if diagnostic else []
    return "\n".join([*lines, *(f"{name.replace('_', '-')}: {value}" for name, value in more.items())])


def plain(
    text: str, *, headers: Sequence[str] = (), subject: str = "failure notice", kind: str = "text/plain"
) -> bytes:
    """A bounce in words alone."""
    head = [
        "Return-Path: <>",
        "From: MAILER-DAEMON@mx.example.net",
        "To: bounces@news.example.org",
        f"Subject: {subject}",
        "Date: Mon, 23 Nov 2026 09:00:00 +0000",
        "Message-ID: <2@mx.example.net>",
        f"Content-Type: {kind}; charset=utf-8",
        *headers,
    ]
    return ("\n".join(head) + "\n\n" + text).encode()


ORIGINAL = """
Return-Path: <news@example.org>
Received: from here.example.org by there.example.org; Mon, 23 Nov 2026 08:59:00 +0000
From: news@example.org
To: ada@example.com
Subject: 550 5.1.1 user unknown

Delivered to grace@example.com.
"""
"""What a server returns with its words; nothing in it counts."""

QMAIL = f"""Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ada@example.com>:
192.0.2.1 does not like recipient.
Remote host said: 550 No such user
Giving up on 192.0.2.1.

--- Below this line is a copy of the message.
{ORIGINAL}"""

EXIM = f"""This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ada@example.com
    SMTP error from remote mail server after RCPT TO:<ada@example.com>:
    host mx.example.com [192.0.2.1]: 550 Unrouteable address
  grace@example.com
    SMTP error from remote mail server after end of data:
    host mx.example.com [192.0.2.1]: 552 5.2.2 Mailbox full

------ This is a copy of the message, including all the headers. ------
{ORIGINAL}"""

SENDMAIL = f"""The original message was received at Mon, 23 Nov 2026 08:59:00 GMT
from localhost [127.0.0.1]

   ----- The following addresses had permanent fatal errors -----
<ada@example.com>
    (reason: 550 5.1.1 <ada@example.com>... User unknown)

   ----- Transcript of session follows -----
... while talking to mx.example.com.:
>>> DATA
<<< 550 5.1.1 <ada@example.com>... User unknown
<<< 503 5.0.0 Need RCPT (recipient)

   ----- Original message follows -----
{ORIGINAL}"""

EXCHANGE = """Your message

  To:      news@example.org
  Subject: News
  Sent:    Mon, 23 Nov 2026 08:59:00 -0000

did not reach the following recipient(s):

ada@example.com on Mon, 23 Nov 2026 09:00:00 -0000
    The recipient name is not recognized
    MSEXCH:IMS:EXAMPLE:SITE:SERVER 0 (000C05A6) Unknown Recipient
"""

GMAIL = f"""Delivery to the following recipient has been delayed:

     ada@example.com

THIS IS A WARNING MESSAGE ONLY.
Message will be retried for 2 more day(s)

Technical details of temporary failure:
The recipient server did not accept our requests to connect.

----- Original message -----
{ORIGINAL}"""


def complaint(fields: str = "Feedback-Type: abuse\nVersion: 1\nUser-Agent: A/1", original: str = "") -> bytes:
    """A report of abuse (RFC 5965)."""
    lines = [
        "From: feedback@isp.example.net",
        "To: bounces@news.example.org",
        "Subject: FW: News",
        "Message-ID: <3@isp.example.net>",
        "Date: Mon, 23 Nov 2026 09:00:00 +0000",
        f'Content-Type: multipart/report; report-type=feedback-report; boundary="{BOUNDARY}"',
        "",
        f"--{BOUNDARY}",
        "Content-Type: text/plain",
        "",
        "This is an email abuse report.",
        "",
        f"--{BOUNDARY}",
        "Content-Type: message/feedback-report",
        "",
        fields,
        "",
        f"--{BOUNDARY}",
        "Content-Type: message/rfc822",
        "",
        original or "From: news@example.org\nTo: redacted\n\nNews",
        f"--{BOUNDARY}--",
    ]
    return "\n".join(lines).encode()

"""What SendGrid documents that it refuses, as a strict reader of requests: also what test servers let pass.

Written from the documentation and not from our sender, so that the two can disagree.
"""

import re
import time
from collections.abc import Iterator
from typing import Any

RESERVED = {
    "x-sg-id",
    "x-sg-eid",
    "received",
    "dkim-signature",
    "content-type",
    "content-transfer-encoding",
    "to",
    "from",
    "subject",
    "reply-to",
    "cc",
    "bcc",
}
TOP = {
    "personalizations",
    "from",
    "reply_to",
    "reply_to_list",
    "subject",
    "content",
    "attachments",
    "template_id",
    "headers",
    "categories",
    "custom_args",
    "send_at",
    "batch_id",
    "asm",
    "ip_pool_name",
    "mail_settings",
    "tracking_settings",
}
PERSONAL = {
    "to",
    "from",
    "cc",
    "bcc",
    "subject",
    "headers",
    "substitutions",
    "dynamic_template_data",
    "custom_args",
    "send_at",
}
ADDRESS = re.compile(r"[!-?A-~]+@[A-Za-z0-9.-]+\.[A-Za-z0-9-]+")

Problem = tuple[str, str]
"""Path of the field, and what is wrong."""


def problems(body: Any) -> list[Problem]:
    """All that SendGrid would refuse in a request."""
    if not isinstance(body, dict):
        return [("", "Bad Request")]
    return list(_problems(body))


def _problems(body: dict[str, Any]) -> Iterator[Problem]:
    for key in body.keys() - TOP:
        yield key, "Additional property is not allowed"
    people = body.get("personalizations")
    if not isinstance(people, list) or not people:
        yield "personalizations", "The personalizations field is required and must have at least one personalization."
        return
    if len(people) > 1000:
        yield "personalizations", "Personalizations are limited to 1000 personalizations per API request."
    yield from _mailbox("from", body.get("from"))
    if "reply_to" in body:
        yield from _mailbox("reply_to", body["reply_to"])
    if "reply_to" in body and "reply_to_list" in body:
        yield "reply_to_list", "reply_to and reply_to_list exclude each other."
    yield from _contents(body)
    if not isinstance(body.get("subject", ""), str) or not (
        body.get("subject") or all(person.get("subject") for person in people)
    ):
        yield "subject", "The subject is required."
    categories = body.get("categories", [])
    if len(categories) > 10 or len(set(categories)) < len(categories):
        yield "categories", "You cannot have more than 10 categories, and each only once."
    if any(len(category) > 255 or not category.isascii() for category in categories):
        yield "categories", "Categories are at most 255 ASCII characters."
    if not isinstance(body.get("send_at", 0), int) or body.get("send_at", 0) > time.time() + 72 * 3600:
        yield "send_at", "Scheduling more than 72 hours in advance is forbidden."
    yield from _headers("headers", body.get("headers", {"X": "x"}))
    yield from _settings(body)
    yield from _people(body, people)


def _people(body: dict[str, Any], people: list[Any]) -> Iterator[Problem]:
    seen: set[str] = set()
    count = 0
    for number, person in enumerate(people):
        path = f"personalizations.{number}"
        for key in person.keys() - PERSONAL:
            yield f"{path}.{key}", "Additional property is not allowed"
        if not person.get("to"):
            yield f"{path}.to", "The to array is required for all personalization objects, and must have one address."
        for kind in ("to", "cc", "bcc"):
            for place, mailbox in enumerate(person.get(kind, [])):
                count += 1
                yield from _mailbox(f"{path}.{kind}.{place}", mailbox)
                address = str(mailbox.get("email", "")).casefold()
                if address in seen:
                    yield path, "Each unique email address in the personalizations array should only be included once."
                seen.add(address)
        yield from _personal(path, person, body.get("custom_args", {}))
    if count > 1000:
        yield "personalizations", "There are too many recipients; the most are 1000."


def _personal(path: str, person: dict[str, Any], shared: dict[str, str]) -> Iterator[Problem]:
    yield from _headers(f"{path}.headers", person.get("headers", {"X": "x"}))
    for kind in ("substitutions", "custom_args"):
        if kind in person:
            yield from _strings(f"{path}.{kind}", person[kind])
    substitutions = person.get("substitutions", {})
    if sum(len(f"{tag}{value}".encode()) for tag, value in substitutions.items()) > 10_000:
        yield f"{path}.substitutions", "Substitutions are limited to 10000 bytes per personalization."
    if any(re.search(r"[<>&\s]", tag) for tag in substitutions):
        yield f"{path}.substitutions", "A tag holds what breaks in HTML."
    arguments = {**shared, **person.get("custom_args", {})}
    if sum(len(f"{name}{value}".encode()) for name, value in arguments.items()) > 10_000:
        yield f"{path}.custom_args", "Custom arguments are limited to 10000 bytes."


def _contents(body: dict[str, Any]) -> Iterator[Problem]:
    content = body.get("content")
    if not isinstance(content, list) or not content:
        if not body.get("template_id"):
            yield "content", "Unless a valid template_id is provided, the content parameter is required."
        return
    kinds = [part.get("type") for part in content]
    if kinds != sorted(kinds, key=["text/plain", "text/html"].index):
        yield "content", "If present, text/plain must be first, followed by text/html."
    for number, part in enumerate(content):
        if not isinstance(part.get("value"), str) or not part["value"]:
            yield f"content.{number}.value", "The content value must be a string at least one character in length."
        if re.search(r"[;\r\n]", str(part.get("type"))):
            yield f"content.{number}.type", "The content type holds what it must not."


def _mailbox(path: str, mailbox: Any) -> Iterator[Problem]:
    address = mailbox.get("email") if isinstance(mailbox, dict) else None
    if not isinstance(address, str) or not ADDRESS.fullmatch(address) or len(address) > 320:
        yield f"{path}.email", "Does not contain a valid address."
        return
    name = mailbox.get("name", "x")
    if not isinstance(name, str) or not name or re.search(r"[;,\r\n]", name):
        yield f"{path}.name", "The name holds what it must not."


def _headers(path: str, headers: Any) -> Iterator[Problem]:
    yield from _strings(path, headers)
    names = [str(name).lower() for name in headers] if isinstance(headers, dict) else []
    if len(set(names)) < len(names):
        yield path, "Duplicate header."
    for name in names:
        if name in RESERVED:
            yield f"{path}.{name}", "You cannot set this header, it is reserved."
        if not name.isascii() or " " in name:
            yield f"{path}.{name}", "Header names are ASCII without spaces."
    if isinstance(headers, dict) and any(re.search(r"[\r\n]", str(value)) for value in headers.values()):
        yield path, "A header value holds a line break."


def _strings(path: str, values: Any) -> Iterator[Problem]:
    if not isinstance(values, dict) or not values:
        yield path, "An object with at least one entry is expected."
    elif not all(isinstance(value, str) for value in values.values()):
        yield path, "Bad Request"


def _settings(body: dict[str, Any]) -> Iterator[Problem]:
    """Ours as well as SendGrid's: what is not said explicitly would be as the account has it."""
    tracking = body.get("tracking_settings", {})
    for kind in ("click_tracking", "open_tracking", "subscription_tracking", "ganalytics"):
        if tracking.get(kind, {}).get("enable") is not False:
            yield f"tracking_settings.{kind}", "Tracking is not switched off explicitly."
    if tracking.get("click_tracking", {}).get("enable_text") is not False:
        yield "tracking_settings.click_tracking", "Tracking is not switched off explicitly."
    sandbox = body.get("mail_settings", {}).get("sandbox_mode", {}).get("enable", False)
    if not isinstance(sandbox, bool):
        yield "mail_settings.sandbox_mode", "A boolean is expected."
    for key in body.get("mail_settings", {}):
        if key.startswith("bypass"):
            yield f"mail_settings.{key}", "A newsletter bypasses nothing."

"""What the DNS says about the sender's domains: SPF, DKIM, DMARC, where bounces go, and whether all of it fits."""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from newsletter.config import Settings
from newsletter.doctor.diagnosis import Check, Diagnosis
from newsletter.doctor.dmarc import Dmarc, aligned, find_dmarc, read_tags
from newsletter.doctor.names import Address, Names, NotAskedError
from newsletter.doctor.spf import MOST_LOOKUPS, MOST_VOIDS, Spf, read_spf
from newsletter.sending.addresses import parse_mailbox
from newsletter.sending.dkim import DkimKey
from newsletter.sending.dkim_keys import kind_of, public_text, record_name

_OF_EVERYBODY: Final = """
126.com 163.com aol.com fastmail.com free.fr gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com
hotmail.co.uk hotmail.com hotmail.fr hotmail.it icloud.com laposte.net libero.it live.com mac.com mail.com mail.ru
me.com msn.com orange.fr outlook.com outlook.de outlook.fr pm.me proton.me protonmail.com qq.com rediffmail.com
rocketmail.com t-online.de tutanota.com web.de yahoo.ca yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.au
yahoo.com.br yahoo.de yahoo.es yahoo.fr yahoo.it yandex.com yandex.ru ymail.com zoho.com
"""
_FREE_MAIL: Final = frozenset(_OF_EVERYBODY.split())
_AGAIN: Final = "Ask again when this machine is on the network."
_GROUP: Final = "Domain"


@dataclass(frozen=True, slots=True)
class Sendership:
    """Who sends, in the eyes of the world.

    Attributes:
        author: The domain of From.
        envelope: The domain of the envelope, which bounces return to; None where the sender chooses its own.
        signer: The domain of our DKIM signature; None where we do not sign ourselves.
        keys: Those that sign.
        sources: The addresses of the mail server that we hand to, where they are known.
    """

    author: str
    envelope: str | None
    signer: str | None
    keys: tuple[DkimKey, ...] = ()
    sources: tuple[Address, ...] = ()


def author_domain(settings: Settings) -> str:
    """The domain that readers see after the @."""
    return parse_mailbox(settings.identity.from_).domain


def envelope_domain(settings: Settings) -> str:
    """The domain that messages which cannot be delivered come back to."""
    bounces = settings.sending.bounces
    return author_domain(settings) if bounces is None else bounces.rpartition("@")[2].lower()


def is_free_mail(domain: str) -> bool:
    """Whether anybody can have an address there; then its owner forbids newsletters from it by DMARC."""
    return domain.lower() in _FREE_MAIL


def examine_domain(names: Names, who: Sendership) -> Iterator[Diagnosis]:
    """All that the DNS says, each line for itself: what cannot be asked spoils no other."""
    dmarc: list[Dmarc | None] = []

    def look_for_dmarc() -> Iterable[Diagnosis]:
        dmarc.append(find_dmarc(names, who.author))
        return _dmarc(who, dmarc[0])

    if who.envelope is not None:
        envelope = who.envelope
        yield from _asked("spf", f"The SPF record of {envelope}", lambda: _spf(names, who, envelope))
        yield from _asked("bounces", f"Where {envelope} takes mail", lambda: _bounces(names, envelope))
    if who.signer is not None:
        signer = who.signer
        for key in who.keys:
            place = record_name(key.selector, signer)
            yield from _asked("dkim", f"The DKIM record {place}", lambda key=key, place=place: _dkim(names, key, place))  # type: ignore[misc]
    yield from _asked("dmarc", f"The DMARC record of {who.author}", look_for_dmarc)
    if dmarc:
        yield from _asked("alignment", "Whether the domains belong together", lambda: _alignment(names, who, dmarc[0]))


def _asked(check: str, about: str, work: Callable[[], Iterable[Diagnosis]]) -> list[Diagnosis]:
    try:
        return list(work())
    except NotAskedError as error:
        return [Check(_GROUP, check).unasked(f"{about} could not be asked for: {error}.", _AGAIN)]


def _spf(names: Names, who: Sendership, domain: str) -> Iterator[Diagnosis]:
    check = Check(_GROUP, "spf")
    spf = read_spf(names, domain, list(who.sources))
    if not spf.records:
        yield check.must(
            f"{domain} has no SPF record, which says who may send for it; large mailbox providers ask for one.",
            f"Publish a TXT record for {domain}, as your mail provider tells you: v=spf1 … ~all",
        )
    elif spf.records > 1:
        yield check.must(
            f"{domain} has {spf.records} SPF records, and with more than one none counts.",
            "Put what they say into one, and delete the others.",
        )
    elif problem := _worthless(spf, domain):
        yield check.must(*problem)
    else:
        yield check.good(f"The SPF record of {domain} can be read ({spf.lookups} of {MOST_LOOKUPS} questions).")
        yield from _spf_advice(check, spf, who, domain)


def _worthless(spf: Spf, domain: str) -> tuple[str, str] | None:
    """Why an SPF record counts for nothing, and what to do."""
    if spf.lookups > MOST_LOOKUPS:
        what = f"Reading the SPF record of {domain} takes {spf.lookups} questions; providers stop at {MOST_LOOKUPS}."
        return what, "Take out an include: that you do not need any more, or name addresses by ip4: and ip6:."
    if spf.voids > MOST_VOIDS:
        what = f"The SPF record of {domain} names {spf.voids} places that are not there; {MOST_VOIDS} are the most."
        return what, "Take out the names that are gone."
    if spf.problems:
        return spf.problems[0], "Correct it; until then the whole record counts for nothing."
    if spf.everybody == "pass":
        what = f"The SPF record of {domain} ends with +all: it lets everybody send as you."
        return what, "End it with ~all or -all."
    return None


def _spf_advice(check: Check, spf: Spf, who: Sendership, domain: str) -> Iterator[Diagnosis]:
    if spf.everybody in {None, "neutral"}:
        yield check.should(
            f"The SPF record of {domain} does not say what to think of all others.", "End it with ~all or -all."
        )
    if spf.asks_reverse:
        yield check.should(f"The SPF record of {domain} uses ptr, which many providers skip.", "Take ptr out.")
    if who.sources and not spf.passes:
        yield check.note(
            f"The SPF record of {domain} does not name your mail server itself ({who.sources[0]}).",
            "If letters leave from there, add it; if your provider sends from other addresses, all is well.",
        )


def _bounces(names: Names, domain: str) -> Iterator[Diagnosis]:
    check = Check(_GROUP, "bounces")
    servers = names.mail_servers(domain)
    if servers == ["."]:
        yield check.must(
            f"{domain} says that it takes no mail, so letters that cannot be delivered have nowhere to return to.",
            f"Publish an MX record for {domain}, or set bounces in newsletter.toml, [sending].",
        )
    elif servers:
        yield check.good(f"{domain} takes mail that comes back (at {servers[0]}).")
    elif names.addresses(domain):
        yield check.should(
            f"{domain} has no MX record; mail that comes back goes to the web server of that name.",
            "Publish an MX record that names the machine which takes your mail.",
        )
    else:
        yield check.must(
            f"No machine takes mail for {domain}; many providers refuse letters from such a domain.",
            f"Publish an MX record for {domain}, or set bounces in newsletter.toml, [sending].",
        )


def _dkim(names: Names, key: DkimKey, place: str) -> Iterator[Diagnosis]:
    check = Check(_GROUP, "dkim")
    found = names.texts(place)
    show = "See what to publish with: newsletter doctor --show-dkim"
    if not found:
        yield check.must(f"There is no DKIM record {place}, so nobody can verify your signature.", show)
        return
    if len(found) > 1:
        yield check.must(f"There are {len(found)} DKIM records {place}; there may be one.", "Delete the others.")
        return
    tags = read_tags(found[0])
    if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
        yield check.must(f"The record {place} is no DKIM record.", show)
    elif not tags["p"]:
        yield check.must(
            f"The DKIM key {place} is revoked: its record holds no key any more.", f"{show}, or change the selector."
        )
    elif problem := _unfit(tags, key):
        yield check.must(f"The DKIM record {place} {problem}", show)
    else:
        yield check.good(f"The DKIM record {place} is the other half of your key.")
        if "y" in tags.get("t", "").split(":"):
            yield check.should(
                f"The DKIM record {place} says that it is only for trying out (t=y); providers may ignore it.",
                "Take t=y out of the record.",
            )


def _unfit(tags: dict[str, str], key: DkimKey) -> str:
    """Why a record does not go with our key; the end of a sentence."""
    kind = kind_of(key.key)
    if tags.get("k", "rsa") != kind:
        return f"is for a key of the kind {tags.get('k', 'rsa')}, and yours is {kind}."
    if "h" in tags and "sha256" not in tags["h"].split(":"):
        return "does not allow the way we sign (sha256)."
    if "s" in tags and not {"*", "email"} & set(tags["s"].split(":")):
        return "is not for email."
    published = "".join(tags["p"].split())
    if published == public_text(key.key):
        return ""
    try:
        content = base64.b64decode(published, validate=True)
        if kind == "rsa":  # some publish the key without the frame around it
            public = load_der_public_key(content)
            content = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return "holds a key that cannot be read; perhaps part of it was lost when it was copied."
    same = base64.b64encode(content).decode("ascii") == public_text(key.key)
    return "" if same else "belongs to another key than the one that signs here."


def _dmarc(who: Sendership, dmarc: Dmarc | None) -> Iterator[Diagnosis]:
    check = Check(_GROUP, "dmarc")
    if dmarc is None:
        yield check.must(
            f"{who.author} has no DMARC record; large mailbox providers ask for one.",
            f"Publish a TXT record _dmarc.{who.author}: v=DMARC1; p=none; rua=mailto:dmarc@{who.author}",
        )
        return
    place = f"_dmarc.{dmarc.domain}"
    if dmarc.records > 1:
        yield check.must(
            f"There are {dmarc.records} DMARC records {place}, and with more than one none counts.", "Keep one."
        )
        return
    policy = dmarc.policy_for(who.author)
    if policy not in {"none", "quarantine", "reject"}:
        yield check.must(
            f"The DMARC record {place} asks for «{policy[:40]}», which nobody knows.",
            "Write p=none, p=quarantine or p=reject.",
        )
        return
    meant = {"none": "are only watched", "quarantine": "are treated as spam", "reject": "are refused"}[policy]
    yield check.good(f"The DMARC record {place} is there: forged letters {meant} (p={policy}).")
    if not dmarc.tags.get("rua", "").strip():
        yield check.should(
            f"The DMARC record {place} names nobody who gets reports (rua), so you cannot see who sends as you.",
            f"Add: rua=mailto:dmarc@{dmarc.domain}",
        )
    if old := [tag for tag in ("pct", "rf", "ri") if tag in dmarc.tags]:
        yield check.note(
            f"The DMARC record {place} uses {', '.join(old)}, which DMARC does not know any more (RFC 9989).",
            "Take it out when you next change the record.",
        )


def _alignment(names: Names, who: Sendership, dmarc: Dmarc | None) -> Iterator[Diagnosis]:
    """DMARC wants From to be of one organisation with the signature, or at least with the envelope."""
    if dmarc is None or dmarc.records > 1:  # nobody asks for it, and where an organisation ends is not said
        return
    check = Check(_GROUP, "alignment")
    pairs = [(who.signer, "the DKIM signature", "adkim"), (who.envelope, "the address that bounces go to", "aspf")]
    fitting = False
    for domain, what, tag in pairs:
        if domain is None or (tag == "aspf" and domain == who.author):
            continue
        strict = dmarc.is_strict(tag)
        if aligned(names, who.author, domain, strict=strict):
            fitting = True
            yield check.good(f"From ({who.author}) and {what} ({domain}) belong together, as DMARC asks.")
            continue
        wanted = "the very same domain" if strict else "domains of one owner"
        sentence = f"From ({who.author}) and {what} ({domain}) do not belong together: DMARC asks for {wanted}."
        fix = f"Use {who.author} for both."
        yield check.should(sentence, fix) if fitting else check.must(sentence, fix)


def examine_author(domain: str) -> Iterator[Diagnosis]:
    """Whether From can be a newsletter's."""
    check = Check(_GROUP, "from")
    if is_free_mail(domain):
        yield check.must(
            f"From is an address at {domain}, which belongs to everybody; providers refuse newsletters from there.",
            "Use an address of your own domain in newsletter.toml, [identity] from.",
        )
    else:
        yield check.good(f"From is an address of your own domain ({domain}).")


def examine_reverse(names: Names, address: Address) -> list[Diagnosis]:
    """Whether an address that mail leaves from has a name that leads back to it."""
    check = Check(_GROUP, "reverse")

    def work() -> Iterator[Diagnosis]:
        called = names.names_of(address)
        if any(address in names.addresses(name) for name in called):
            yield check.good(f"{address}, which letters leave from, has a name that leads back to it ({called[0]}).")
        else:
            so = f"has the name {called[0]}, which does not lead back to it" if called else "has no name in the DNS"
            yield check.must(
                f"{address}, which letters leave from, {so}; large providers refuse mail from such a machine.",
                "Ask whoever gave you the address to set its name (PTR), and give that name the address.",
            )

    return _asked("reverse", f"The name of {address}", work)

"""What mail servers say, written down by us from their manuals and from experience, and what it means."""

from newsletter.feedback.bounces.verdicts import Reason

R = Reason

HARD: list[tuple[str, str, Reason]] = [
    # words, Status of a report, why
    (
        "550 5.1.1 <ada@example.org>: Recipient address rejected: User unknown in local recipient table",
        "5.1.1",
        R.NO_SUCH_PERSON,
    ),
    ("550 5.1.1 <ada@example.org> User unknown; rejecting", "", R.NO_SUCH_PERSON),
    (
        "550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking",
        "5.1.1",
        R.NO_SUCH_PERSON,
    ),
    ("550 5.1.1 RESOLVER.ADR.RecipNotFound; not found", "5.1.1", R.NO_SUCH_PERSON),
    (
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        "5.1.10",
        R.NO_SUCH_PERSON,
    ),
    ("553 5.1.2 Host unknown (Name server: example.org: host not found)", "5.1.2", R.NO_SUCH_DOMAIN),
    ("550 5.1.6 recipient no longer on server: ada@example.org", "5.1.6", R.MOVED),
    (
        "556 5.1.10 <ada@example.org>: Recipient address rejected: Domain example.org does not accept mail (nullMX)",
        "5.1.10",
        R.NO_MAIL,
    ),
    ("501 5.1.3 Bad recipient address syntax", "5.1.3", R.NO_SUCH_PERSON),
    (
        "Host or domain name not found. Name service error for name=example.org type=AAAA: Host not found",
        "5.4.4",
        R.NO_SUCH_DOMAIN,
    ),
    ("550 No such user (in reply to RCPT TO command)", "5.0.0", R.NO_SUCH_PERSON),
    ("550 unknown user (in reply to RCPT TO command)", "5.0.0", R.NO_SUCH_PERSON),
    ("550 5.5.0 Requested action not taken: mailbox unavailable", "5.5.0", R.NO_SUCH_PERSON),
    ("550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", "5.4.1", R.NO_SUCH_PERSON),
    (
        "550 5.1.1 No such user ada@example.org, we tried to deliver it and gave up after some time",
        "",
        R.NO_SUCH_PERSON,
    ),
    ("User Ada (ada@example.org) not listed in Domino Directory", "", R.NO_SUCH_PERSON),
    ("Empfänger ada@example.org unbekannt", "5.1.1", R.NO_SUCH_PERSON),
    ("550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient.", "5.1.1", R.NO_SUCH_PERSON),
    ("all relevant MX records point to non-existent hosts", "", R.NO_SUCH_DOMAIN),
    ("Sorry, I couldn't find any host named example.org. (#5.1.2)", "", R.NO_SUCH_DOMAIN),
    ("550 5.3.0 <ada@example.org>... No such user here (in reply to RCPT TO command)", "", R.NO_SUCH_PERSON),
]

HARD += [
    (said, "", R.NO_SUCH_PERSON)
    for said in (
        "550 5.1.1 unknown or illegal alias: ada@example.org",
        "550 #5.1.0 Address rejected.",
        "511 sorry, no mailbox here by that name (#5.1.1 - chkuser)",
        "550 sorry, no mailbox here by that name. (in reply to RCPT TO command)",
        "550-Callout verification failed: 550 No such user (in reply to RCPT TO command)",
        "5.1.0 - Unknown address error 550-'No such recipient here' (delivery attempts: 0)",
        "554 delivery error: dd This user doesn't have an account (ada@example.org) (in reply to end of DATA command)",
    )
]
HARD += [
    (said, "", R.NO_SUCH_DOMAIN)
    for said in (
        "550 5.4.310 DNS domain example.org does not exist [Message=InfoDomainNonexistent]",
        "550 Host mx.example.org not found",
        "5.1.2 - Bad destination host 'DNS Hard Error looking up example.org (MX):  NXDomain'",
    )
]

SOFT: list[tuple[str, str, Reason]] = [
    ("552 5.2.2 The email account that you tried to reach is over quota", "5.2.2", R.FULL),
    ("552 5.1.1 <ada@example.org> mailbox full", "5.1.1", R.FULL),
    ("550 5.2.1 The email account that you tried to reach is disabled", "5.2.1", R.SUSPENDED),
    ("552 5.3.4 Message size exceeds fixed limit", "5.3.4", R.TOO_LARGE),
    ("450 4.2.0 <ada@example.org>: Recipient address rejected: Greylisted", "4.2.0", R.WAITED),
    (
        "450 4.1.1 <ada@example.org>: Recipient address rejected: User unknown in virtual mailbox table",
        "4.1.1",
        R.NO_SUCH_PERSON,
    ),
    ("550 5.7.1 User unknown", "5.7.1", R.NO_SUCH_PERSON),
    ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example.net", "5.7.1", R.BLOCKED),
    ("550 5.1.1 [192.0.2.1] is on our blacklist", "5.1.1", R.BLOCKED),
    ("550 5.7.26 This mail is unauthenticated, which poses a security risk", "5.7.26", R.NOT_PROVEN),
    (
        "550 5.7.515 Access denied, sending domain example.org does not meet the required authentication level",
        "5.7.515",
        R.NOT_PROVEN,
    ),
    ("550 5.7.1 Message rejected as spam by Content Filtering", "5.7.1", R.SPAM),
    ("550 5.1.8 <news@example.org>: Sender address rejected: Domain not found", "5.1.8", R.SENDER),
    ("550 5.1.0 <news@example.org>: sender address rejected: user unknown", "5.1.0", R.SENDER),
    ("550 5.7.1 Unable to relay for ada@example.org", "5.7.1", R.RELAY),
    ("554 5.7.1 <ada@example.org>: Relay access denied", "5.7.1", R.RELAY),
    ("421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume", "4.7.0", R.TOO_MANY),
    ("452 4.2.2 The recipient's inbox is out of storage space", "4.2.2", R.FULL),
    ("connect to mx.example.org[192.0.2.1]:25: Connection timed out", "4.4.1", R.NETWORK),
    (
        "Host or domain name not found. Name service error for name=example.org type=MX: Host not found, try again",
        "4.4.3",
        R.NETWORK,
    ),
    ("554 5.6.0 virus found in message", "5.6.0", R.VIRUS),
    ("550 5.1.1 Message refused due to recipient preferences", "5.1.1", R.FILTERED),
    ("550 Unknown user ada@example.org (in reply to end of DATA command)", "5.0.0", R.FILTERED),
    ("550 user unknown", "5.0.0", R.NO_SUCH_PERSON),
    ("retry timeout exceeded", "", R.WAITED),
    ("5.3.2 System not accepting network messages", "5.3.2", R.SYSTEM),
    ("550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required", "5.7.133", R.NOT_PROVEN),
    ("メールボックスの容量が一杯です", "", R.FULL),
    ("550 I have no opinion", "", R.UNCLEAR),
    ("", "5.7.1", R.BLOCKED),
    ("", "4.4.7", R.WAITED),
    ("", "5.2.2", R.FULL),
]
SOFT += [
    ("550 Verification failed for <news@example.org> No Such User Here 550 Sender verify failed", "", R.SENDER),
    ("554 delivery error: dd Sorry, your message cannot be delivered. This account has been disabled", "", R.SUSPENDED),
    ("550 Ip frequency limited", "", R.TOO_MANY),
    ("554 5.7.5 Permanent Error Evaluating DMARC Policy", "", R.NOT_PROVEN),
    ("550 5.4.14 Hop count exceeded - possible mail loop", "", R.NETWORK),
    ("550 Mailbox unavailable or access denied (in reply to RCPT TO command)", "", R.SUSPENDED),
]

"""The phrases by which mail servers say why, in the dialects of many programs and some languages.

They are regular expressions over words in small letters with single blanks, in which addresses and links are gone.
Every repetition in them is bounded. A word that stands in the polite sentences around many bounces («program»,
«attachment», «from», «your server») stands here only with a neighbour that makes it mean something.
"""

import re
from typing import Final

from newsletter.feedback.bounces.verdicts import Reason

_PASSING: Final[tuple[tuple[Reason, tuple[str, ...]], ...]] = (
    (
        Reason.FULL,
        (
            r"over\W?quota",
            r"quota.{0,20}(?:exceed|full|violat|reached)",
            r"exceed(?:s|ed|ing)? .{0,40}(?:quota|storage|mail ?box|allowed size)",
            (
                r"(?:mail ?box|in ?box|mail ?folder|mail ?drop|account|user).{0,40}(?:\bfull\b|over|exceed|reached"
                r"|out of).{0,30}(?:quota|storage|limit|size|space|\bfull)"
            ),
            r"(?:mail ?box|in ?box|mail ?folder|mail ?drop|mail ?store|maildir) (?:\S{1,60} ){0,4}full\b",
            r"\bfull mail ?box",
            r"mail ?box ?full",
            r"exceededmaxsize|shutoffquota|quotaexceeded",
            r"(?:not enough|insufficient|out of) (?:\S{1,20} )?(?:disk|storage|mail ?box|inbox)\b",
            r"\bno (?:\S{1,20} )?(?:disk |storage |mail ?box )?(?:space|room)\b",
            r"dis[ck] (?:quota|full|space)",
            r"no space left",
            r"storage (?:limit|quota|space)",
            r"over the maximum allowed",
            r"too much mail data",
            r"mail ?box size limit",
            r"maximum (?:mail ?box|storage) size",
            r"容量|一杯|いっぱい|溢れ|已满|超出.{0,10}配额",
            r"bo[iî]te .{0,30}pleine|quota .{0,20}dépassé|postfach .{0,20}voll|speicherplatz|buz[oó]n .{0,20}lleno",
            r"casella .{0,20}piena|переполнен|caixa .{0,20}cheia|postvak .{0,20}vol\b",
        ),
    ),
    (
        Reason.TOO_LARGE,
        (
            (
                r"(?:message|mail|letter|e-mail|email|headers?|content|body) (?:\S{1,60} ){0,3}(?:too (?:big|large"
                r"|long)|exceeds)"
            ),
            r"(?:message|mail) (?:size|length)",
            r"\b(?:size|length)\b.{0,40}(?:exceed|limit|too (?:big|large))",
            r"exceeds? .{0,30}(?:message|maximum|max).{0,20}size",
            r"too large",
            r"サイズが大き",
        ),
    ),
    (Reason.VIRUS, (r"\bvirus", r"malware", r"trojan", r"infected", r"phishing", r"\bworm\b", r"ウイルス")),
    (
        Reason.NOT_PROVEN,
        (
            r"\bdmarc\b",
            r"\bspf\b",
            r"\bdkim\b",
            r"sender.?id\b",
            r"unauthenticated|not authenticated|must .{0,20}authenticat|authentication-?results",
            r"authentication (?:information|required|failed|fails|check|is required|needed)",
            r"fails? (?:to pass )?authentication|pass authentication|smtp auth",
            r"reverse (?:dns|look|name)|\brdns\b|\bptr\b|fcrdns|must have .{0,20}reverse",
            r"(?:ip|host ?)name lookup fail|ip name lookup|mismatch(?:es)? client|cannot find your",
            r"helo (?:command )?rejected|(?:invalid|bad) (?:helo|ehlo)|my name was rejected",
            r"helo\b.{0,30}(?:invalid|reject|denied|not)",
            r"unresolvable relay host|valid sender domain",
            r"starttls.{0,20}(?:first|required)|(?:tls|encryption) (?:is )?required",
        ),
    ),
    (
        Reason.SPAM,
        (
            r"spam",
            r"\bjunk (?:e-?)?mail",
            r"unsolicited",
            r"\bbulk (?:e-?mail|mail)",
            r"\bu[bc]e\b",
            r"unwanted (?:mail|message|email)",
            r"迷惑メール|垃圾邮件",
        ),
    ),
    (
        Reason.TOO_MANY,
        (
            r"too many (?!hops)",
            r"too (?:fast|frequent)|slow down|throttl",
            r"(?:rate|connection|message|sending) limit",
            r"exceeded .{0,30}(?:rate|connections|messages|per (?:hour|day|minute))",
            r"(?:hourly|daily) (?:limit|quota)",
            r"concurren|frequency limit|unusual(?:ly high)? rate|unexpected volume|excessive",
        ),
    ),
    (
        Reason.BLOCKED,
        (
            r"black.?list|block.?list|deny.?list",
            r"\brbl\b|dnsbl|sorbs\b|\(bl\)",
            r"blocked (?:using|by|for|from|due|at)|has been blocked|been temporarily blocked|is blocked by",
            (
                r"\b(?:ip|host|server|client|network|domain)\b.{0,40}(?:is|are|was|been"
                r"|currently) (?:\S{1,20} )?(?:blocked|listed|banned|denied)"
            ),
            r"reputation|\bbanned\b|bad (?:ip|host)",
            r"client host .{0,60}(?:rejected|blocked|denied)",
            r"connections? (?:not accepted|refused by policy|denied|rejected)",
            r"access (?:has been )?denied.{0,20}(?:\bip\b|banned|host)|denied by policy|permanently deferred",
            r"no access from",
            r"not allowed to (?:connect|send|mail)|not accepting (?:connections|mail|messages) from",
            r"your (?:ip|server|host|network)\b.{0,40}(?:block|list|reject|refus|ban|reputa|den[iy])",
            r"(?<!not )\blisted (?:in|at|on|by)\b",
            r"dynamic (?:ip|address|host)|dial-?up|smtp server of your isp|blocked for abuse",
            r"abuse(?:d)? (?:from|detected)",
            r"service refused|temporarily deferred|messages from .{0,40}(?:weren't|not) (?:sent|accepted)",
        ),
    ),
    (
        Reason.SENDER,
        (
            (
                r"(?<!to )(?<!to the )\b(?:sender|originator|return.?path"
                r"|envelope.?from)(?: \S{1,60}){0,4} (?:was |is |has been )?(?:reject|den(?:y|ied)|refus|invalid"
                r"|not |unknown|unrout|doesn't|verif|block|forbid)"
            ),
            r"(?:unroutable|invalid|bad|unknown|unverified|illegal|forged) (?:sender|from|originator)",
            r"sender(?:'s)? (?:address |domain )?(?:verif|check|rejected|refused|denied|unknown|invalid|does)",
            r"mail from:?.{0,60}(?:reject|den(?:y|ied)|refus|invalid|not )",
            r"(?:domain|address) of (?:the )?sender",
            r"(?:not a|only|are not) members?\b|members only|subscribers only",
            r"header.?from|from: header|from (?:address|domain|field|header).{0,40}(?:reject|den|refus|invalid|not )",
            r"not (?:a )?(?:permitted|authori[sz]ed|allowed) (?:to (?:post|send|use)|sender)",
        ),
    ),
    (
        Reason.RELAY,
        (
            r"relay(?:ing)? (?:\S{1,60} ){0,3}(?:denied|prohibited|not|refused|forbidden|rejected)",
            r"(?:unable|not (?:configured|allowed|permitted)|refuse) to relay|cannot relay|do not relay|relay access",
            r"relay(?:ing)? (?:denied|prohibited|refused)|not a(?:n open)? relay",
        ),
    ),
    (
        Reason.FILTERED,
        (
            (
                r"(?:recipient|user|owner|subscriber)(?: \S{1,20}){0,2} (?:preference|does not (?:accept|want"
                r"|wish)|refus|only accepts|has blocked|blocks)"
            ),
            r"recipient'?s? preference",
            r"(?:domain|mail|content|message) filter",
            r"\bfiltered\b|rejected by (?:the )?(?:recipient|user|owner|rule|filter|content|remote mail server)",
            r"white.?list|challenge.?response|refused by (?:user|recipient)|not in .{0,20}(?:address book|contacts)",
            r"resolver\.rst|not authori[sz]ed to send|restricted to|moderat(?:or|ed)|only accepts? (?:mail|messages)",
            r"reject(?:ed)? by .{0,20}polic|not allowed to receive|delivery not authorized|message refused by",
            r"受信拒否|ドメイン指定|拒收",
        ),
    ),
    (
        Reason.CONTENT,
        (
            r"content (?:was )?(?:reject|refus|denied|not |violat)",
            r"(?:security|company|local|site|corporate|message|content|mail|domain)(?:'s)? polic(?:y|ies)",
            r"polic(?:y|ies) (?:reason|violat|reject|restrict)",
            r"not (?:rfc ?\d{0,4} )?compl(?:y|iant)|non-compliant|violat\w{1,5} .{0,20}rfc",
            r"duplicate header|(?:invalid|missing|multiple) (?:message|header|mime|subject|date|from|message-id)",
            r"malformed|media error|conversion .{0,30}(?:not|prohib|fail)",
            r"(?:administrative|general) prohibition|content presents|blocked because its content",
            r"(?:illegal|banned|forbidden|prohibited|blocked) .{0,20}attachment",
            r"attachment.{0,30}(?:not allowed|block|reject|prohib)",
        ),
    ),
    (
        Reason.NETWORK,
        (
            r"connection (?:was |has been )?(?:refused|reset|closed|timed out|dropped|lost|failed)",
            r"connect(?:ion)? to .{0,120}: ",
            r"no route to host|network (?:error|is unreachable|unreachable|failure)|socket error",
            r"(?:could not|couldn't|can't|cannot|unable to|failed to) connect|did not accept our requests to connect",
            r"(?:server|host) (?:is )?(?:not reachable|unreachable|not responding|down)|remote host .{0,20}not respond",
            r"(?:host ?name|dns|mx|name) (?:server )?(?:lookup|query).{0,10} (?:fail|error|time)|servfail",
            r"temporary (?:dns|lookup|resolution|name)|name ?server.{0,30}(?:time|fail)",
            r"too many hops|duplicated? message-id|(?:mail|routing|message) loop|loops? back|hop count|no answer from",
            r"host not found, try again|name service error.{0,120}try again|name server loop",
            r"tls (?:negotiation|handshake|error)|bad certificate|certificate (?:verif|has|is not)",
        ),
    ),
    (
        Reason.WAITED,
        (
            r"retry time|timed? ?out|\bexpired\b",
            r"queue too long|too long in (?:the )?queue|(?:maximum|max) (?:queue|retry|time)",
            r"giv(?:en|ing) up after|could not be delivered (?:for|in|within|after)|not be delivered for",
            r"unable to deliver .{0,20} for \d",
            r"has been delayed|is delayed|not (?:yet )?been delivered|still (?:being )?tr|will be retried",
            r"will keep trying|failed \d{1,4} attempts",
            r"temporary (?:failure|error|problem)|temporarily|try (?:again|later)|please try|again later",
            r"later time|greylist",
            r"\bdeferred\b|warning message only",
            r"期限切れ|時間内に",
        ),
    ),
    (
        Reason.SYSTEM,
        (
            r"procmail|maildrop|(?:couldn't|can't|could not|cannot|unable to) (?:create|open|write|lock)",
            r"i/o error|input/output|system (?:error|failure|problem|config)|local (?:configuration )?error",
            r"internal (?:server )?error|configuration (?:error|problem)|server (?:busy|error|configuration)",
            r"service (?:currently |temporarily )?(?:unavailable|not available)",
            r"not accepting (?:network )?(?:connections|messages|mail)",
            r"mailer error|command (?:died|not|unrec|out of)|sequence of commands|syntax error|error in processing",
            r"exit(?:ed)? (?:with )?(?:status|code)|permission denied|pipe to|could not load|lookup error",
            r"resources? (?:temporarily )?unavailable|sadness|storedrv|mapi",
        ),
    ),
)

_WHO: Final = (
    r"\b(?:user|recipient|mail ?box|account|address|addressee|local.?part|person|e-?mail|alias|userid|login"
    r"|user name)\b"
)
_IS_NOBODY: Final = (
    r"(?:\bunknown|\bnot (?:be )?(?:found|exist|known|listed|recogni[sz]ed|valid|local|registered|defined|here|match)"
    r"|\bnot a (?:valid|known|registered)|\bnot in (?:the |our )?(?:directory|table|database|list)|\bnon-?existent"
    r"|does(?: not|n't) (?:exist|have)|is invalid|could(?: not|n't) be (?:found|located|resolved|verified)"
    r"|cannot be found|no longer (?:valid|available|active|in use|exists)|is deleted"
    r"|has been (?:deleted|removed)|isn't (?:listed|known|a valid)|not active)"
)
_NOT_A: Final = (
    r"(?:no such|no valid|not a valid|not valid|invalid|bad|wrong|illegal|non-?existent|unresolvable|unrouteable)"
)
_SOMEBODY: Final = r"(?:user|recipient|address|mail ?box|account|person|name|local|alias|userid|e-?mail|member)"

_LASTING: Final[tuple[tuple[Reason, tuple[str, ...]], ...]] = (
    (
        Reason.NO_MAIL,
        (
            r"null mx|no smtp service",
            r"(?:does(?: not|n't)|will not|won't|never) (?:accept|receive)s? (?:any )?(?:e-?mail|mail)\b(?! from)",
            r"doesn't receive e-?mail",
        ),
    ),
    (
        Reason.NO_SUCH_DOMAIN,
        (
            (
                r"\b(?:host|domain|machine|server)(?: or domain)?(?: name)?(?: …)? (?:is |was |could )?(?:unknown"
                r"|not (?:be )?found|does(?: not|n't) exist|not exist|is not reachable)"
            ),
            r"(?:unknown|no such|non-?existent) (?:mail |destination |remote )?(?:host|domain|system)",
            r"(?:invalid|bad|illegal) (?:destination|recipient) (?:host|domain|system)",
            r"unrouteable (?:mail )?domain|name service error.{0,120}not found|nxdomain|domain name not found",
            r"host address lookups failed permanently|name or service not known|no mx found|illegal host/domain name",
            r"\bhost \S{1,100} not found",
            r"couldn't find (?:any host|a mail exchanger)|no mail exchanger",
            r"because the domain|recipient'?s? domain.{0,40}(?:not exist|not found|invalid|unknown)",
            r"\bno (?:valid )?(?:mx|dns|a|mail)(?: or a)? records?\b",
            (
                r"(?:cannot|could not|can't|couldn't|unable to|not) (?:find|resolve) .{0,40}(?:\bdomain|\bhost"
                r"|\bmx\b|mail exchanger|mail server)"
            ),
            r"mx records point to non-?existent|domain .{0,60}(?:does not|doesn't) exist",
            r"域名不存在",
        ),
    ),
    (
        Reason.MOVED,
        (
            r"(?:has|have|account|user|mailbox|recipient) moved|moved (?:to|away|permanently)|no forwarding",
            r"no longer (?:on (?:this )?server|with us|with the|works|employed|at this|here)",
            r"(?:has|have) (?:left (?:the|us|our)|changed (?:\S{1,10} )?(?:e-?mail )?address)",
            r"new (?:e-?mail )?address (?:is|of)",
        ),
    ),
    (
        Reason.NO_SUCH_PERSON,
        (
            f"{_WHO}.{{0,60}}?{_IS_NOBODY}",
            (
                r"\bunknown.{0,20}\b(?:user|recipient|address|account|mail ?box|local.?part|person|name|login"
                r"|alias|destination)"
            ),
            rf"{_NOT_A} (?:\S{{1,20}} ){{0,3}}?{_SOMEBODY}",
            (
                r"\bno (?:user|mail ?box|account|person|recipient|one|such)\b.{0,30}\b(?:here|by that|with that"
                r"|of that|named|found|exists?|in (?:the|our))"
            ),
            r"recipn?ot?found|nosuchuser|usersearch|user_?unknown|unknown_?user",
            r"#5\.1\.0 address rejected",
            r"non répertorié dans l'annuaire|no se encuentra en el directorio",
            r"not (?:a registered|our customer|listed in|known here)",
            r"(?:didn't|could not|couldn't) (?:find the|find that) (?:user|recipient|address)",
            r"doesn't have (?:a|an) .{0,30}account|there is no one|who are you looking",
            r"destinataire (?:inconnu|inexistant|invalide)|adresse .{0,30}(?:invalide|inconnue|inexistante)",
            r"utilisateur inconnu|compte .{0,20}(?:inexistant|inconnu)",
            r"empf[äa]nger .{0,30}(?:unbekannt|nicht gefunden|existiert nicht)|unbekannter? (?:empf|benutz)",
            r"benutzer .{0,20}unbekannt",
            (
                r"(?:usuario|destinatario|cuenta|utente|casella|usuário|conta) .{0,20}(?:descon[oh]|no existe"
                r"|inexistente|sconosciut|inesistente|non esiste|não existe)"
            ),
            r"onbekende (?:gebruiker|ontvanger)|пользовател.{0,30}(?:не найден|не существует)|нет такого",
            r"(?:ящик|адрес).{0,20}не существует",
            r"(?:アドレス|ユーザ|宛先|リスト|受信者|メールボックス).{0,40}(?:見つか|存在しま|ありません)|[宛あ]て?先不明|ディレクトリ.{0,40}(?:見つか|ありません)",
            r"(?:用户|收件人|邮箱|帐号).{0,10}(?:无效|不存在)|사용자.{0,10}없",
        ),
    ),
)


def _compiled(
    table: tuple[tuple[Reason, tuple[str, ...]], ...],
) -> tuple[tuple[Reason, re.Pattern[str]], ...]:
    return tuple((reason, re.compile("|".join(f"(?:{phrase})" for phrase in phrases))) for reason, phrases in table)


PASSING: Final = _compiled(_PASSING)
"""What is said about us, the message, or the moment; asked in this order."""

LASTING: Final = _compiled(_LASTING)
"""What is said about an address that will not work again; asked in this order."""

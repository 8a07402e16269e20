"""The report of a mailing as one HTML page: no script, nothing loaded from anywhere, a table for each chart."""

from collections.abc import Sequence
from html import escape
from typing import Final

from newsletter.config import Settings
from newsletter.database.schema import DeliveryState
from newsletter.feedback.charts import Series, bars, columns, legend
from newsletter.feedback.figures import Figures, MailingReport, Share, percent
from newsletter.rendering.sheet import palette_sheet

UNTRACKED: Final = (
    "This newsletter does not track its readers: who opened it, and who followed which link, is not known to anybody."
)

STATES: Final = {
    DeliveryState.ACCEPTED: "accepted",
    DeliveryState.REFUSED: "refused",
    DeliveryState.UNKNOWN: "unknown",
    DeliveryState.DEFERRED: "put off",
    DeliveryState.CLAIMED: "leaving now",
    DeliveryState.PLANNED: "not sent yet",
    DeliveryState.SKIPPED: "left out",
}
"""The states of deliveries in words."""

_STYLE: Final = """
*{box-sizing:border-box}
body{margin:0;background:var(--background);color:var(--text);font:1.0625rem/1.6 var(--body-font);overflow-wrap:anywhere}
header{background:var(--primary);color:var(--on-primary);padding:1.5rem 0}
header>*{max-width:47rem;margin:0 auto;padding:0 1.5rem}
h1{font:700 1.6rem/1.25 var(--heading-font);text-wrap:balance}
h2{font:700 1.25rem/1.3 var(--heading-font);margin:2.25rem 0 .5rem}
main{max-width:47rem;margin:0 auto;padding:1.5rem;background:var(--surface)}
main>:first-child,main>:first-child>h2{margin-top:0}
main p,main ul,main dl,footer p{margin:0 0 1rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.6rem,1fr));gap:.75rem;margin:0 0 1.25rem}
.tiles div{background:var(--tint);border-radius:6px;padding:.7rem .9rem}
.tiles dt{font-size:.9375rem;line-height:1.35}
.tiles dd{margin:0;font:700 1.5rem/1.2 var(--heading-font)}
.tiles small{font:400 .9375rem/1.35 var(--body-font)}
.note,.warning{border-radius:6px;padding:.85rem 1.1rem;margin:0 0 1rem}
.note{background:var(--info)}
.warning{background:var(--warning)}
.note>:last-child,.warning>:last-child{margin:0}
.pair{display:flex;flex-wrap:wrap;gap:.5rem 2rem;align-items:flex-start;margin:0 0 1rem}
.pair>svg{flex:1 1 20rem;max-width:25rem;min-width:0;height:auto}
.scroll{overflow-x:auto;margin:0 0 1rem}
.pair>.scroll{flex:1 1 14rem}
table{border-collapse:collapse;width:100%;font-size:.9375rem}
caption{text-align:start;color:var(--muted);padding:0 0 .3rem}
th,td{text-align:start;padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:400}
thead th{font-weight:700}
.n{text-align:end;font-variant-numeric:tabular-nums;white-space:nowrap;padding-inline-end:0}
svg text{font:15px var(--body-font);fill:var(--text)}
svg .number{font-weight:700}
svg .ground{fill:var(--tint)}
svg .rule{stroke:var(--line);stroke-width:1}
.series-1{fill:var(--primary)}
.series-2{stroke:var(--accent);stroke-width:1}
.series-3{stroke:var(--muted);stroke-width:1}
.ground-2,.ground-3{fill:var(--surface)}
.ink-2{fill:var(--accent)}
.ink-3{fill:var(--muted)}
.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem}
.legend svg{vertical-align:-2px}
footer{max-width:47rem;margin:0 auto;padding:1rem 1.5rem 2.5rem;color:var(--muted);font-size:.9375rem}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
@media print{header{color:var(--text);background:none}main{padding:0}}
"""

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(report: MailingReport, settings: Settings) -> str:
    """The report as a page that needs nothing beside it.

    Raises:
        ConfigError: The project's colours cannot be used.
    """
    about = report.mailing
    title = f"Report of mailing {about.id}: {about.title}"
    when = about.started_at or about.created_at
    parts = (_summary(report), _left(report), _came_back(report), _over_time(report), _earlier(report))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="robots" content="noindex">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{palette_sheet(settings)}{_STYLE}</style>\n</head>\n<body>\n"
        f'<header><h1 dir="auto">{escape(about.title)}</h1>'
        f"<p>Mailing {about.id} to the list «{escape(about.list_slug)}», {escape(str(about.state))}, "
        f"begun {when:%d %B %Y at %H:%M} UTC</p></header>\n"
        f"<main>\n{''.join(part for part in parts if part)}</main>\n"
        f"<footer><p>{UNTRACKED}</p><p>Counted {report.made_at:%d %B %Y at %H:%M} UTC. What comes back after that is "
        f"in a newer report.</p></footer>\n</body>\n</html>\n"
    )


def notices(report: MailingReport) -> list[str]:
    """What somebody should do something about, in sentences."""
    said = []
    if unknown := report.states[DeliveryState.UNKNOWN]:
        said.append(
            f"Of {unknown:,} nobody knows whether they got it. See them:  "
            f"newsletter mailings unknowns {report.mailing.id}"
        )
    if report.policy:
        heard = f" They say: {'; '.join(report.policy_says)}" if report.policy_says else ""
        said.append(
            f"The mail servers of {_readers(report.policy)} did not want it from us, which is not the readers' fault: "
            f"nobody was taken off for it. See that mail from here is trusted:  newsletter doctor.{heard}"
        )
    said += [
        f"So much came back from {each.what} ({each.people:,}) that it is taken for the trouble of a whole domain: "
        "nobody there was taken off. Ask their postmaster, and leave them out until it is solved."
        for each in report.excused
    ]
    return said


def _readers(number: int) -> str:
    return f"{number:,} reader" if number == 1 else f"{number:,} readers"


def _summary(report: MailingReport) -> str:
    accepted = max(report.accepted, 1)
    tiles = [
        ("People", f"{report.audience:,}", ""),
        ("Accepted", f"{report.accepted:,}", percent(report.accepted / report.audience) if report.audience else ""),
        ("Came back", f"{report.bounced:,}", percent(report.bounced / accepted)),
        ("Marked as spam", f"{report.complained:,}", percent(report.complained / accepted)),
        ("Left", f"{report.unsubscribed:,}", percent(report.unsubscribed / accepted)),
    ]
    shown = "".join(
        f"<div><dt>{name}</dt><dd>{number} <small>{share}</small></dd></div>" for name, number, share in tiles
    )
    warnings = "".join(f'<p class="warning">{escape(each)}</p>' for each in notices(report))
    return (
        f'<section aria-labelledby="summary"><h2 id="summary">In short</h2><dl class="tiles">{shown}</dl>'
        f'{warnings}<p class="note">{escape(report.complaints_in_words)}</p></section>\n'
    )


def _left(report: MailingReport) -> str:
    rows = [(STATES[state], number) for state, number in _present(report)]
    if not rows:
        return '<section><h2 id="left">What left</h2><p>Nothing has left yet.</p></section>\n'
    best, most = max(rows, key=lambda row: row[1])
    drawn = _bars(
        rows,
        name="left",
        title="What became of the deliveries",
        description=f"Of {report.audience:,} deliveries {most:,} are {best}.",
        head=("State", "People"),
    )
    more = ""
    if report.delivered:
        more += f"<p>Of {report.delivered:,} the provider says that their own mail server took it.</p>"
    more += _table("Why messages were refused", ("Why", "People"), report.refused)
    more += _table("Why the provider dropped what it had taken", ("Why", "People"), report.dropped)
    more += _table("Why people were left out", ("Why", "People"), report.left_out)
    return f'<section aria-labelledby="left"><h2 id="left">What left</h2>{drawn}{more}</section>\n'


def _came_back(report: MailingReport) -> str:
    heading = '<section aria-labelledby="back"><h2 id="back">What came back</h2>'
    if not report.bounced:
        return f"{heading}<p>Nothing came back.</p></section>\n"
    kinds = [("address does not work", report.hard), ("not this time", report.soft), ("not from us", report.policy)]
    drawn = _bars(
        kinds,
        name="kinds",
        title="What it says about the address",
        description=f"{report.hard:,} addresses do not work, {report.soft:,} did not this time, "
        f"{report.policy:,} mail servers did not want it from us.",
        head=("What it says", "People"),
    )
    whom = "person is" if report.given_up == 1 else "people are"
    told = f"<p>{report.given_up:,} {whom} mailed no more because of this mailing.</p>"
    why = _bars(
        [(each.what, each.people) for each in report.bounced_why],
        name="why",
        title="Why messages came back",
        description=f"Most often: {report.bounced_why[0].what}.",
        head=("Why", "People"),
    )
    domains = ""
    if report.bounced_domains:
        domains = _bars(
            [(each.what, each.people) for each in report.bounced_domains],
            name="domains",
            title="From where messages came back",
            description="Domains with fewer than three people are told together.",
            head=("Domain", "People"),
        )
    return f"{heading}{drawn}{told}<h3>Why</h3>{why}<h3>From where</h3>{domains}</section>\n"


def _over_time(report: MailingReport) -> str:
    if not report.over_time:
        return ""
    labels = [each.what for each in report.over_time]
    taken = Series("accepted", tuple(each.accepted for each in report.over_time))
    back = (
        Series("came back", tuple(each.bounced for each in report.over_time)),
        Series("marked as spam", tuple(each.complained for each in report.over_time)),
        Series("left", tuple(each.unsubscribed for each in report.over_time)),
    )
    first = columns(
        labels,
        [taken],
        name="taken",
        title="Messages accepted over time",
        description=f"{report.accepted:,} in all, from {labels[0]} to {labels[-1]}.",
    )
    second = ""
    if any(sum(one.numbers) for one in back):
        drawn = columns(
            labels,
            back,
            name="answers",
            title="What came back over time",
            description=f"{report.bounced:,} came back, {report.complained:,} marked it as spam, "
            f"{report.unsubscribed:,} left, from {labels[0]} to {labels[-1]}.",
        )
        second = f'<h3>What came back over time</h3>{legend(back, name="answers")}<div class="pair">{drawn}</div>'
    rows = "".join(
        f'<tr><th scope="row">{each.what}</th><td class="n">{each.accepted:,}</td><td class="n">{each.bounced:,}</td>'
        f'<td class="n">{each.complained:,}</td><td class="n">{each.unsubscribed:,}</td></tr>'
        for each in report.over_time
        if each.accepted or each.bounced or each.complained or each.unsubscribed
    )
    head = "".join(f'<th scope="col" class="n">{name}</th>' for name in ("accepted", "back", "spam", "left"))
    return (
        '<section aria-labelledby="time"><h2 id="time">Over time</h2><h3>Messages accepted over time</h3>'
        f'<div class="pair">{first}</div>{second}<div class="scroll"><table><caption>Hour by hour on the first day, '
        f'then day by day; without those in which nothing happened</caption><thead><tr><th scope="col">Since it began'
        f"</th>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>\n"
    )


def compared(each: Figures) -> str:
    """An earlier mailing on one line."""
    taken = max(each.accepted, 1)
    return (
        f"{each.at:%d %b %Y}, «{each.title}»: {each.accepted:,} accepted, {percent(each.bounced / taken)} came back, "
        f"{percent(each.complained / taken)} marked it as spam, {percent(each.unsubscribed / taken)} left"
    )


def _earlier(report: MailingReport) -> str:
    if not report.earlier:
        return ""
    lines = "".join(f"<li>{escape(compared(each))}</li>" for each in report.earlier)
    return (
        '<section aria-labelledby="earlier"><h2 id="earlier">Mailings of this list before</h2>'
        f"<ul>{lines}</ul></section>\n"
    )


def _present(report: MailingReport) -> list[tuple[DeliveryState, int]]:
    return [(state, report.states[state]) for state in STATES if report.states[state]]


def _bars(rows: Sequence[tuple[str, int]], *, name: str, title: str, description: str, head: tuple[str, str]) -> str:
    """A chart, and the same as a table beside it."""
    drawn = bars(rows, name=name, title=title, description=description)
    table = _table(title, head, [Share(what, number) for what, number in rows])
    return f'<div class="pair">{drawn}{table}</div>'


def _table(caption: str, head: tuple[str, str], rows: Sequence[Share]) -> str:
    if not rows:
        return ""
    body = "".join(
        f'<tr><th scope="row">{escape(each.what)}</th><td class="n">{each.people:,}</td></tr>' for each in rows
    )
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead><tr><th scope="col">{head[0]}</th>'
        f'<th scope="col" class="n">{head[1]}</th></tr></thead><tbody>{body}</tbody></table></div>'
    )

"""A digest in every form: plain text, HTML, Slack's mark-up. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from forecasting.wording import Language
from sync.alerts.lead_lines import LeadLine

MAX_LINES: Final = 20
"""A digest shows so many deals, and so many leads by each rule, and counts the rest."""

_MORE: Final[Mapping[str, str]] = {"en": "... and {count} more", "nb": "... og {count} til"}
_NEXT: Final[Mapping[str, str]] = {"en": "Next: {step}", "nb": "Neste steg: {step}"}


@dataclass(frozen=True, slots=True)
class Line:
    """A deal or a bottleneck. amount: also what it costs a day. why, steps: one sentence each."""

    title: str
    amount: str
    why: tuple[str, ...]
    steps: tuple[str, ...]
    url: str | None


@dataclass(frozen=True, slots=True)
class Body:
    lines: Sequence[Line]
    leads: Sequence[LeadLine]
    language: Language


def text(body: Body) -> str:
    blocks = [
        "\n  ".join(
            [
                f"- {line.title} ({line.amount})",
                *line.why,
                *_next(line.steps, body.language),
                *([line.url] if line.url else []),
            ]
        )
        for line in body.lines[:MAX_LINES]
    ]
    more = _more(len(body.lines), body.language)
    blocks += [more] if more else []
    for lead in body.leads:
        links = [url or text for text, url in lead.links[:MAX_LINES]]
        left = _more(len(lead.links), body.language)
        rest = [*_next([lead.step], body.language), *links, *([left] if left else [])]
        blocks.append("\n  ".join([f"- {lead.title}", lead.why, *rest]))
    return "\n".join(blocks) + "\n"


def html(body: Body) -> str:
    rows = []
    for line in body.lines[:MAX_LINES]:
        title = escape(line.title)
        if line.url:
            title = f'<a href="{escape(line.url)}">{title}</a>'
        said = "<br>".join(escape(text) for text in (*line.why, *_next(line.steps, body.language)))
        rows.append(f"<li><b>{title}</b> ({escape(line.amount)})<br>{said}</li>")
    deals = f"<ul>{''.join(rows)}</ul>" if rows else ""
    left = _more(len(body.lines), body.language)
    more = f"<p>{escape(left)}</p>" if left else ""
    leads = f"<ul>{''.join(_html_leads(line, body.language) for line in body.leads)}</ul>"
    return (
        f'<!doctype html><html lang="{body.language}"><body>'
        f"{deals}{more}{leads if body.leads else ''}</body></html>"
    )


def _html_leads(line: LeadLine, language: Language) -> str:
    links = [
        f'<a href="{escape(url)}">{escape(text)}</a>' if url else escape(text)
        for text, url in line.links[:MAX_LINES]
    ]
    said = [escape(text) for text in (line.why, *_next([line.step], language))]
    left = _more(len(line.links), language)
    rest = [escape(left)] if left else []
    return f"<li><b>{escape(line.title)}</b><br>{'<br>'.join([*said, *links, *rest])}</li>"


def mrkdwn(body: Body) -> str:
    blocks = []
    for line in body.lines[:MAX_LINES]:
        title = f"*{slack(line.title)}*"
        if line.url:
            title = f"*{_slack_link(line.title, line.url)}*"
        said = "\n".join(slack(text) for text in (*line.why, *_next(line.steps, body.language)))
        blocks.append(f"• {title} ({slack(line.amount)})\n{said}")
    more = _more(len(body.lines), body.language)
    blocks += [more] if more else []
    for lead in body.leads:
        links = [_slack_link(text, url) for text, url in lead.links[:MAX_LINES]]
        left = _more(len(lead.links), body.language)
        said = "\n".join(slack(text) for text in (lead.why, *_next([lead.step], body.language)))
        listed = "\n".join([", ".join(links), *([left] if left else [])])
        blocks.append(f"• *{slack(lead.title)}*\n{said}\n{listed}")
    return "\n".join(blocks)


def _slack_link(text: str, url: str | None) -> str:
    return f"<{slack(url).replace('|', '%7C')}|{slack(text)}>" if url else slack(text)


def slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _next(steps: Sequence[str], language: Language) -> list[str]:
    return [_NEXT[language].format(step=step) for step in steps]


def _more(count: int, language: Language) -> str:
    """Of what is not shown; empty where all is."""
    left = count - MAX_LINES
    return _MORE[language].format(count=left) if left > 0 else ""

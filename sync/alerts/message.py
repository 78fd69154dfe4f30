"""One digest for one owner: which deals need them, why, and what to do next. Pure."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from html import escape
from typing import Final, Literal

from babel.numbers import format_currency, format_decimal

from forecasting.quality import fix

Language = Literal["en", "nb"]

Sentence = Callable[[str, Mapping[str, object], Language], str]
"""(rule, evidence, language) -> why, in one sentence."""

MAX_LINES: Final = 20
"""A digest shows so many deals and counts the rest."""

_MAX_TITLE: Final = 80
_LOCALES: Final[Mapping[str, str]] = {"en": "en", "nb": "nb_NO"}
_CURRENCY: Final[Mapping[str, str]] = {"en": "¤¤ #,##0;-¤¤ #,##0", "nb": "#,##0 ¤;-#,##0 ¤"}
_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")

_TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "you_1": "1 deal needs you",
        "you_n": "{count} deals need you",
        "owner_1": "1 deal needs {owner}",
        "owner_n": "{count} deals need {owner}",
        "nobody_1": "1 deal needs an owner",
        "nobody_n": "{count} deals need an owner",
        "left": "{owner} (deactivated)",
        "nobody": "nobody",
        "more": "... and {count} more",
        "no_title": "(deal without a name)",
        "no_amount": "no amount",
        "next": "Next: {step}",
    },
    "nb": {
        "you_1": "1 avtale trenger deg",
        "you_n": "{count} avtaler trenger deg",
        "owner_1": "1 avtale trenger {owner}",
        "owner_n": "{count} avtaler trenger {owner}",
        "nobody_1": "1 avtale trenger en eier",
        "nobody_n": "{count} avtaler trenger en eier",
        "left": "{owner} (deaktivert)",
        "nobody": "ingen",
        "more": "... og {count} til",
        "no_title": "(avtale uten navn)",
        "no_amount": "uten beløp",
        "next": "Neste steg: {step}",
    },
}


@dataclass(frozen=True, slots=True)
class Recipient:
    """A deal owner. email: None = unknown; active: False = has left, so mail would not be read."""

    name: str
    email: str | None
    active: bool


@dataclass(frozen=True, slots=True)
class Alerted:
    """One alert to be told. amount: in `currency`; amount_home: for the order, None = unknown."""

    alert_id: int
    deal_id: str
    deal: str
    rule: str
    evidence: Mapping[str, object]
    amount: Decimal | None
    currency: str | None
    amount_home: Decimal | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Task:
    """One alert as something to do. why, step: one sentence each."""

    deal_id: str
    rule: str
    why: str
    step: str


@dataclass(frozen=True, slots=True)
class Message:
    """A digest in every form a channel may need.

    key: the same for the same alerts. to: the owner's address, None = nobody to write to.
    subject speaks to the owner, headline of them. mrkdwn: Slack's mark-up, escaped. tasks: every
    alert by itself, for channels that are no digest.
    """

    key: str
    alert_ids: tuple[int, ...]
    at: datetime
    language: str
    owner: str
    to: str | None
    subject: str
    headline: str
    text: str
    html: str
    mrkdwn: str
    mrkdwn_headline: str
    tasks: tuple[Task, ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    title: str
    amount: str
    why: tuple[str, ...]
    steps: tuple[str, ...]
    url: str | None


def compose(
    alerts: Sequence[Alerted],
    owner: Recipient | None,
    *,
    connection: str,
    language: Language,
    sentence: Sentence,
    at: datetime,
) -> Message:
    """Tell `owner` (None = the deals have none) of their `alerts`: one line per deal, the largest
    amount first, deals of unknown amount last.
    """
    alert_ids = tuple(sorted(alert.alert_id for alert in alerts))
    lines = [_line(group, language, sentence) for group in _by_deal(alerts)]
    shown, left = lines[:MAX_LINES], len(lines) - MAX_LINES
    more = _TEXTS[language]["more"].format(count=left) if left > 0 else ""
    headline = _headline(len(lines), owner, language)
    reachable = owner is not None and owner.active
    return Message(
        key=f"{connection} {' '.join(map(str, alert_ids))}",
        alert_ids=alert_ids,
        at=at,
        language=language,
        owner=_owner_name(owner, language),
        to=owner.email if owner and reachable else None,
        subject=_counted("you", len(lines), language),
        headline=headline,
        text=_text(shown, more, language),
        html=_html(shown, more, language),
        mrkdwn=_mrkdwn(shown, more, language),
        mrkdwn_headline=_slack(headline),
        tasks=tuple(_task(alert, language, sentence) for alert in alerts),
    )


def money(amount: Decimal | None, currency: str | None, language: Language) -> str:
    """An amount in whole units as people of that language write it: "NOK 1,250,000",
    "1 250 000 kr".
    """
    if amount is None:
        return _TEXTS[language]["no_amount"]
    locale = _LOCALES[language]
    if currency is None:
        return format_decimal(amount, "#,##0", locale=locale)
    return format_currency(
        amount, currency, _CURRENCY[language], locale=locale, currency_digits=False
    )


def plain(text: str) -> str:
    """One line without control characters, for a title that anybody could have typed."""
    spaced = "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace()
        or (unicodedata.category(character) not in ("Cc", "Cs") and character not in _BIDI)
    )
    return " ".join(spaced.split())


def _by_deal(alerts: Sequence[Alerted]) -> list[list[Alerted]]:
    groups: dict[str, list[Alerted]] = {}
    for alert in sorted(alerts, key=lambda alert: alert.alert_id):
        groups.setdefault(alert.deal_id, []).append(alert)
    return sorted(groups.values(), key=lambda group: _rank(group[0]))


def _rank(alert: Alerted) -> tuple[bool, Decimal, str]:
    amount = alert.amount_home
    return amount is None, -(amount or Decimal(0)), alert.deal_id


def _line(group: Sequence[Alerted], language: Language, sentence: Sentence) -> _Line:
    first = group[0]
    title = plain(first.deal) or _TEXTS[language]["no_title"]
    if len(title) > _MAX_TITLE:
        title = f"{title[: _MAX_TITLE - 1]}…"
    return _Line(
        title=title,
        amount=money(first.amount, first.currency, language),
        why=tuple(plain(sentence(alert.rule, alert.evidence, language)) for alert in group),
        steps=tuple(dict.fromkeys(fix(alert.rule, language) for alert in group)),
        url=first.url,
    )


def _task(alert: Alerted, language: Language, sentence: Sentence) -> Task:
    why = plain(sentence(alert.rule, alert.evidence, language))
    return Task(alert.deal_id, alert.rule, why, fix(alert.rule, language))


def _headline(count: int, owner: Recipient | None, language: Language) -> str:
    if owner is None:
        return _counted("nobody", count, language)
    return _counted("owner", count, language, _owner_name(owner, language))


def _counted(kind: str, count: int, language: Language, owner: str = "") -> str:
    text = _TEXTS[language][f"{kind}_{'1' if count == 1 else 'n'}"]
    return text.format(count=count, owner=owner)


def _owner_name(owner: Recipient | None, language: Language) -> str:
    if owner is None:
        return _TEXTS[language]["nobody"]
    name = plain(owner.name)
    return name if owner.active else _TEXTS[language]["left"].format(owner=name)


def _next(line: _Line, language: Language) -> list[str]:
    return [_TEXTS[language]["next"].format(step=step) for step in line.steps]


def _text(lines: Sequence[_Line], more: str, language: Language) -> str:
    blocks = [
        "\n  ".join(
            [
                f"- {line.title} ({line.amount})",
                *line.why,
                *_next(line, language),
                *([line.url] if line.url else []),
            ]
        )
        for line in lines
    ]
    return "\n".join([*blocks, *([more] if more else [])]) + "\n"


def _html(lines: Sequence[_Line], more: str, language: Language) -> str:
    rows = []
    for line in lines:
        title = escape(line.title)
        if line.url:
            title = f'<a href="{escape(line.url)}">{title}</a>'
        body = "<br>".join(escape(text) for text in (*line.why, *_next(line, language)))
        rows.append(f"<li><b>{title}</b> ({escape(line.amount)})<br>{body}</li>")
    rest = f"<p>{escape(more)}</p>" if more else ""
    return (
        f'<!doctype html><html lang="{language}"><body><ul>{"".join(rows)}</ul>{rest}</body></html>'
    )


def _mrkdwn(lines: Sequence[_Line], more: str, language: Language) -> str:
    blocks = []
    for line in lines:
        title = f"*{_slack(line.title)}*"
        if line.url:
            title = f"*<{_slack(line.url).replace('|', '%7C')}|{_slack(line.title)}>*"
        body = "\n".join(_slack(text) for text in (*line.why, *_next(line, language)))
        blocks.append(f"• {title} ({_slack(line.amount)})\n{body}")
    return "\n".join([*blocks, *([more] if more else [])])


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

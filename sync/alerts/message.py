"""One digest for one owner: which deals and leads need them, why, and what to do next; and one for
the account: what holds its sale up. Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from forecasting.rule_words import fix
from forecasting.wording import Language
from sync.alerts import rendering
from sync.alerts.bottleneck_lines import AlertedBottleneck, bottleneck_lines
from sync.alerts.bottleneck_lines import headline as account_headline
from sync.alerts.digest import Message, Task
from sync.alerts.lead_lines import AlertedLead, lead_lines
from sync.alerts.rendering import Body, Line
from sync.alerts.texts import money, plain

Sentence = Callable[[str, Mapping[str, object], Language], str]
"""(rule, evidence, language) -> why, in one sentence."""

_MAX_TITLE: Final = 80

_TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "deal_1": "1 deal",
        "deal_n": "{count} deals",
        "lead_1": "1 lead",
        "lead_n": "{count} leads",
        "and": " and ",
        "you_1": "{what} needs you",
        "you_n": "{what} need you",
        "owner_1": "{what} needs {owner}",
        "owner_n": "{what} need {owner}",
        "nobody_1": "{what} needs an owner",
        "nobody_n": "{what} need an owner",
        "left": "{owner} (deactivated)",
        "nobody": "nobody",
        "no_title": "(deal without a name)",
    },
    "nb": {
        "deal_1": "1 avtale",
        "deal_n": "{count} avtaler",
        "lead_1": "1 lead",
        "lead_n": "{count} leads",
        "and": " og ",
        "you_1": "{what} trenger deg",
        "you_n": "{what} trenger deg",
        "owner_1": "{what} trenger {owner}",
        "owner_n": "{what} trenger {owner}",
        "nobody_1": "{what} trenger en eier",
        "nobody_n": "{what} trenger en eier",
        "left": "{owner} (deaktivert)",
        "nobody": "ingen",
        "no_title": "(avtale uten navn)",
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


Telling = Alerted | AlertedLead | AlertedBottleneck


def compose(
    alerts: Sequence[Telling],
    owner: Recipient | None,
    *,
    connection: str,
    language: Language,
    sentence: Sentence,
    at: datetime,
) -> Message:
    """Tell `owner` (None = they have none) of their `alerts`: one line per deal, the largest
    amount first, deals of unknown amount last; then one line per rule on leads. Bottlenecks are the
    account's, and a digest of their own.
    """
    on_account = [alert for alert in alerts if isinstance(alert, AlertedBottleneck)]
    on_deals = [alert for alert in alerts if isinstance(alert, Alerted)]
    on_leads = [alert for alert in alerts if isinstance(alert, AlertedLead)]
    alert_ids = tuple(sorted(alert.alert_id for alert in alerts))
    lines = [_line(group, language, sentence) for group in _by_deal(on_deals)]
    body = Body(
        [*bottleneck_lines(on_account, language), *lines],
        lead_lines(on_leads, language, at),
        language,
    )
    counts = (len(lines), len({alert.lead_id for alert in on_leads}))
    subject, headline = _counted("you", counts, language), _headline(counts, owner, language)
    if on_account:
        subject = headline = account_headline(len(on_account), connection, language)
    reachable = owner is not None and owner.active
    return Message(
        key=f"{connection} {' '.join(map(str, alert_ids))}",
        alert_ids=alert_ids,
        at=at,
        language=language,
        owner=connection if on_account else _owner_name(owner, language),
        to=owner.email if owner and reachable else None,
        subject=subject,
        headline=headline,
        text=rendering.text(body),
        html=rendering.html(body),
        mrkdwn=rendering.mrkdwn(body),
        mrkdwn_headline=rendering.slack(headline),
        tasks=tuple(_task(alert, language, sentence) for alert in on_deals),
    )


def _by_deal(alerts: Sequence[Alerted]) -> list[list[Alerted]]:
    groups: dict[str, list[Alerted]] = {}
    for alert in sorted(alerts, key=lambda alert: alert.alert_id):
        groups.setdefault(alert.deal_id, []).append(alert)
    return sorted(groups.values(), key=lambda group: _rank(group[0]))


def _rank(alert: Alerted) -> tuple[bool, Decimal, str]:
    amount = alert.amount_home
    return amount is None, -(amount or Decimal(0)), alert.deal_id


def _line(group: Sequence[Alerted], language: Language, sentence: Sentence) -> Line:
    first = group[0]
    title = plain(first.deal) or _TEXTS[language]["no_title"]
    if len(title) > _MAX_TITLE:
        title = f"{title[: _MAX_TITLE - 1]}…"
    return Line(
        title=title,
        amount=money(first.amount, first.currency, language),
        why=tuple(plain(sentence(alert.rule, alert.evidence, language)) for alert in group),
        steps=tuple(dict.fromkeys(fix(alert.rule, language) for alert in group)),
        url=first.url,
    )


def _task(alert: Alerted, language: Language, sentence: Sentence) -> Task:
    why = plain(sentence(alert.rule, alert.evidence, language))
    return Task(alert.deal_id, alert.rule, why, fix(alert.rule, language))


def _headline(counts: tuple[int, int], owner: Recipient | None, language: Language) -> str:
    if owner is None:
        return _counted("nobody", counts, language)
    return _counted("owner", counts, language, _owner_name(owner, language))


def _counted(kind: str, counts: tuple[int, int], language: Language, owner: str = "") -> str:
    """counts: of deals and of leads."""
    texts = _TEXTS[language]
    what = texts["and"].join(
        texts[f"{name}_{'1' if count == 1 else 'n'}"].format(count=count)
        for name, count in zip(("deal", "lead"), counts, strict=True)
        if count
    )
    return texts[f"{kind}_{'1' if sum(counts) == 1 else 'n'}"].format(what=what, owner=owner)


def _owner_name(owner: Recipient | None, language: Language) -> str:
    if owner is None:
        return _TEXTS[language]["nobody"]
    name = plain(owner.name)
    return name if owner.active else _TEXTS[language]["left"].format(owner=name)

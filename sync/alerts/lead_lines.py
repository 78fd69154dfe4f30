"""Leads in a digest: a line for each rule, by id and link alone. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from forecasting.wording import Language
from sync.alerts.lead_rules import UNANSWERED

_TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "lead": "lead {lead_id}",
        "lead_unanswered_1": "1 new lead that nobody has answered",
        "lead_unanswered_n": "{count} new leads that nobody has answered",
        "lead_unanswered_why_1": "Waiting for {hours} hours.",
        "lead_unanswered_why_n": "Waiting for {least} to {hours} hours.",
        "lead_unanswered_next": "Call or write, the longest waiting first.",
        "lead_forgotten_1": "1 lead with a score of {score}, without contact",
        "lead_forgotten_n": "{count} leads with a score of {score} or more, without contact",
        "lead_forgotten_why_1": "Nobody has been in touch for {days} days.",
        "lead_forgotten_why_n": "Nobody has been in touch for {days} days or more.",
        "lead_forgotten_next": "Get in touch, the best first.",
    },
    "nb": {
        "lead": "lead {lead_id}",
        "lead_unanswered_1": "1 nytt lead som ingen har svart",
        "lead_unanswered_n": "{count} nye leads som ingen har svart",
        "lead_unanswered_why_1": "Har ventet i {hours} timer.",
        "lead_unanswered_why_n": "Har ventet i {least} til {hours} timer.",
        "lead_unanswered_next": "Ring eller skriv, den som har ventet lengst først.",
        "lead_forgotten_1": "1 lead med poengsum {score}, uten kontakt",
        "lead_forgotten_n": "{count} leads med poengsum {score} eller mer, uten kontakt",
        "lead_forgotten_why_1": "Ingen har vært i kontakt på {days} dager.",
        "lead_forgotten_why_n": "Ingen har vært i kontakt på {days} dager eller mer.",
        "lead_forgotten_next": "Ta kontakt, den beste først.",
    },
}


@dataclass(frozen=True, slots=True)
class AlertedLead:
    """One alert on a lead to be told. evidence: `since` (ISO), and `score` where that counts."""

    alert_id: int
    lead_id: str
    rule: str
    evidence: Mapping[str, object]
    url: str | None

    @property
    def since(self) -> datetime:
        return datetime.fromisoformat(str(self.evidence["since"]))

    @property
    def score(self) -> int:
        return int(str(self.evidence.get("score") or 0))


@dataclass(frozen=True, slots=True)
class LeadLine:
    """links: text and address, None = the CRM has none that we know."""

    title: str
    why: str
    step: str
    links: tuple[tuple[str, str | None], ...]


def lead_lines(
    alerts: Sequence[AlertedLead], language: Language, at: datetime
) -> tuple[LeadLine, ...]:
    """First who waits for an answer, the longest waiting first; then the forgotten, the best
    first."""
    rules = sorted({alert.rule for alert in alerts}, key=lambda rule: rule != UNANSWERED)
    return tuple(
        _line(rule, [alert for alert in alerts if alert.rule == rule], language, at)
        for rule in rules
    )


def why(alert: AlertedLead, language: Language, at: datetime) -> str:
    """One alert by itself, in one sentence."""
    (line,) = lead_lines([alert], language, at)
    return line.why


def _line(rule: str, alerts: Sequence[AlertedLead], language: Language, at: datetime) -> LeadLine:
    texts = _TEXTS[language]
    number = "1" if len(alerts) == 1 else "n"
    waits = sorted(max(at - alert.since, timedelta(0)) for alert in alerts)
    values = {
        "count": len(alerts),
        "least": int(waits[0] / timedelta(hours=1)),
        "hours": int(waits[-1] / timedelta(hours=1)),
        "days": waits[0].days,
        "score": min(alert.score for alert in alerts),
    }
    ordered = sorted(alerts, key=lambda alert: (-alert.score, alert.since, alert.lead_id))
    return LeadLine(
        title=texts[f"{rule}_{number}"].format(**values),
        why=texts[f"{rule}_why_{number}"].format(**values),
        step=texts[f"{rule}_next"],
        links=tuple((texts["lead"].format(lead_id=a.lead_id), a.url) for a in ordered),
    )

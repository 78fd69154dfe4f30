"""Leads in an owner's digest, in every form and both languages."""

from datetime import timedelta

from forecasting.wording import Language
from sync.alerts.digest import Message
from sync.alerts.lead_lines import AlertedLead
from sync.alerts.message import Alerted, Recipient, compose
from sync.alerts.rendering import MAX_LINES
from tests.alerts.digests import KARI, sentence
from tests.alerts.test_message import ACME
from tests.fake_clock import START


def lead(
    number: int, rule: str = "lead_unanswered", *, hours: float = 30, score: int | None = None
) -> AlertedLead:
    since = (START - timedelta(hours=hours)).isoformat()
    url = f"https://crm.example.com/lead/{number}"
    return AlertedLead(100 + number, str(number), rule, {"since": since, "score": score}, url)


def message(
    *alerts: Alerted | AlertedLead, owner: Recipient | None = KARI, language: Language = "en"
) -> Message:
    return compose(alerts, owner, connection="main", language=language, sentence=sentence, at=START)


def test_who_waits_longest_and_scores_best_comes_first() -> None:
    found = message(
        lead(1, hours=25.5),
        lead(2, hours=71),
        lead(3, "lead_forgotten", hours=24 * 20, score=91),
        lead(4, "lead_forgotten", hours=24 * 16, score=97),
    )
    assert found.subject == "4 leads need you"
    assert found.text == (
        "- 2 new leads that nobody has answered\n"
        "  Waiting for 25 to 71 hours.\n"
        "  Next: Call or write, the longest waiting first.\n"
        "  https://crm.example.com/lead/2\n"
        "  https://crm.example.com/lead/1\n"
        "- 2 leads with a score of 91 or more, without contact\n"
        "  Nobody has been in touch for 16 days or more.\n"
        "  Next: Get in touch, the best first.\n"
        "  https://crm.example.com/lead/4\n"
        "  https://crm.example.com/lead/3\n"
    )
    assert found.tasks == ()


def test_deals_and_leads_are_one_digest() -> None:
    found = message(ACME, lead(1))
    assert found.subject == "1 deal and 1 lead need you"
    assert found.headline == "1 deal and 1 lead need Kari Nordmann"
    assert found.alert_ids == (1, 101)
    assert found.text.index("- Acme (NOK 1,250,000)") < found.text.index("- 1 new lead")
    assert [task.deal_id for task in found.tasks] == ["77"]
    assert message(lead(1), owner=None).headline == "1 lead needs an owner"


def test_in_norwegian() -> None:
    found = message(
        lead(1),
        lead(2, "lead_forgotten", hours=24 * 20, score=91),
        lead(3, "lead_forgotten", hours=24 * 20, score=95),
        language="nb",
    )
    assert found.subject == "3 leads trenger deg"
    assert found.text.startswith(
        "- 1 nytt lead som ingen har svart\n"
        "  Har ventet i 30 timer.\n"
        "  Neste steg: Ring eller skriv, den som har ventet lengst først.\n"
    )
    assert (
        "- 2 leads med poengsum 91 eller mer, uten kontakt\n"
        "  Ingen har vært i kontakt på 20 dager eller mer.\n" in found.text
    )


def test_html_and_slack_link_the_ids() -> None:
    found = message(lead(7))
    assert '<a href="https://crm.example.com/lead/7">lead 7</a>' in found.html
    assert "<https://crm.example.com/lead/7|lead 7>" in found.mrkdwn
    assert "<ul></ul>" not in found.html


def test_without_a_link_the_id_is_named_and_a_long_list_is_cut() -> None:
    many = [lead(number, hours=100 - number) for number in range(MAX_LINES + 3)]
    plain = [AlertedLead(a.alert_id, a.lead_id, a.rule, a.evidence, None) for a in many]
    found = message(*plain)
    assert found.text.count("  lead ") == MAX_LINES
    assert found.text.endswith("  ... and 3 more\n")
    assert found.html.count("lead 1<") == 1
    assert "... and 3 more" in found.html
    assert "... and 3 more" in found.mrkdwn

"""The digest that an owner gets."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.alerts.digest import Message
from sync.alerts.message import Alerted, Language, Recipient, compose, money, plain
from tests.fake_clock import START

KARI = Recipient("Kari Nordmann", "kari@example.com", active=True)
ACME = Alerted(
    alert_id=1,
    deal_id="77",
    deal="Acme",
    rule="stale",
    evidence={"days": 21},
    amount=Decimal("1250000.00"),
    currency="NOK",
    amount_home=Decimal("1250000.00"),
    url="https://crm.example.com/deal/77",
)
NASTY = 'A & B <script>alert("x")</script>'


def sentence(rule: str, evidence: Mapping[str, object], language: Language) -> str:
    if language == "nb":
        return f"{rule}: {evidence['days']} dager uten aktivitet."
    return f"{rule}: {evidence['days']} days without activity."


def message(*alerts: Alerted, owner: Recipient | None = KARI, language: Language = "en") -> Message:
    return compose(alerts, owner, connection="main", language=language, sentence=sentence, at=START)


def numbered(count: int) -> list[Alerted]:
    return [
        replace(ACME, alert_id=n, deal_id=str(n), deal=f"Deal {n:02}", amount_home=Decimal(n))
        for n in range(1, count + 1)
    ]


def test_a_digest_in_english() -> None:
    found = message(ACME)
    assert found.subject == "1 deal needs you"
    assert found.headline == "1 deal needs Kari Nordmann"
    assert found.text == (
        "- Acme (NOK 1,250,000)\n"
        "  stale: 21 days without activity.\n"
        "  Next: Contact the buyer and plan the next activity, or close the deal as lost.\n"
        "  https://crm.example.com/deal/77\n"
    )
    assert found.mrkdwn == (
        "• *<https://crm.example.com/deal/77|Acme>* (NOK 1,250,000)\n"
        "stale: 21 days without activity.\n"
        "Next: Contact the buyer and plan the next activity, or close the deal as lost."
    )
    assert found.to == "kari@example.com"


def test_a_digest_in_norwegian() -> None:
    found = message(ACME, replace(ACME, alert_id=2, deal_id="78", rule="overdue"), language="nb")
    assert found.subject == "2 avtaler trenger deg"
    assert found.headline == "2 avtaler trenger Kari Nordmann"
    assert "- Acme (1\u00a0250\u00a0000 kr)\n  stale: 21 dager uten aktivitet.\n" in found.text
    assert (
        "  Neste steg: Ta kontakt med kjøper og planlegg neste aktivitet, "
        "eller lukk avtalen som tapt.\n" in found.text
    )


def test_one_deal_with_two_findings_is_one_line() -> None:
    found = message(ACME, replace(ACME, alert_id=2, rule="overdue"))
    assert found.subject == "1 deal needs you"
    assert found.alert_ids == (1, 2)
    assert found.text.count("- Acme") == 1
    assert "stale: 21" in found.text
    assert "overdue: 21" in found.text


def test_the_largest_deals_come_first_and_unknown_amounts_last() -> None:
    small = replace(ACME, alert_id=2, deal_id="2", deal="Small", amount_home=Decimal(5))
    unknown = replace(ACME, alert_id=3, deal_id="3", deal="Unknown", amount=None, amount_home=None)
    # the smaller figure is the larger sum
    dollars = replace(
        ACME,
        alert_id=4,
        deal_id="4",
        deal="Dollars",
        currency="USD",
        amount=Decimal(900000),
        amount_home=Decimal(9000000),
    )
    lines = [
        line for line in message(unknown, small, ACME, dollars).text.splitlines() if line[0] == "-"
    ]
    assert lines == [
        "- Dollars (USD 900,000)",
        "- Acme (NOK 1,250,000)",
        "- Small (NOK 1,250,000)",
        "- Unknown (no amount)",
    ]


@pytest.mark.parametrize(("count", "more"), [(20, None), (37, 17)])
def test_a_long_digest_is_cut_and_counts_the_rest(count: int, more: int | None) -> None:
    found = message(*numbered(count))
    assert found.subject == f"{count} deals need you"
    assert found.text.count("- Deal") == 20
    assert len(found.alert_ids) == count
    for form in (found.text, found.html, found.mrkdwn):
        assert (f"and {more} more" in form) is (more is not None)
        assert f"Deal {count:02}" in form  # the largest is shown


@pytest.mark.parametrize(
    ("owner", "headline", "to"),
    [
        (None, "1 deal needs an owner", None),
        (Recipient("Ola", None, active=True), "1 deal needs Ola", None),
        (
            Recipient("Ola", "ola@example.com", active=False),
            "1 deal needs Ola (deactivated)",
            None,
        ),
    ],
)
def test_owners_who_cannot_be_written_to(
    owner: Recipient | None, headline: str, to: str | None
) -> None:
    found = message(ACME, owner=owner)
    assert (found.headline, found.to) == (headline, to)


class _Shape(HTMLParser):
    """Which elements a browser would make, and the text and links in them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str | None] = []
        self.shown = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.shown += data


def test_titles_cannot_break_out_of_html() -> None:
    url = 'https://crm.example.com/?a=1&b="><b>'
    found = message(replace(ACME, deal=NASTY, url=url))
    shape = _Shape(found.html)
    assert shape.tags == {"html", "body", "ul", "li", "b", "a", "br"}
    assert shape.links == [url]
    assert NASTY in shape.shown


def test_titles_cannot_mention_or_link_in_slack() -> None:
    found = message(
        replace(ACME, deal="<!channel> & <https://evil.example.com|Acme>", url="https://x.test/a|b")
    )
    assert found.mrkdwn.startswith(
        "• *<https://x.test/a%7Cb|&lt;!channel&gt; &amp; &lt;https://evil.example.com|Acme&gt;>*"
    )
    assert message(ACME, owner=Recipient("<!here>", None, True)).mrkdwn_headline == (
        "1 deal needs &lt;!here&gt;"
    )


@given(st.text())
def test_a_title_is_one_line_without_control_characters(title: str) -> None:
    shown = plain(title)
    assert shown == " ".join(shown.split())
    assert plain(shown) == shown
    assert not any(ord(character) < 32 or ord(character) == 127 for character in shown)
    found = message(replace(ACME, deal=title))
    assert found.text.count("\n") == 4


def test_terminal_escapes_and_reversed_text_are_taken_out() -> None:
    assert plain("Ac\x1b[31mme\u202e!\r\nX-Header: y") == "Ac[31mme! X-Header: y"


def test_a_deal_without_a_title_and_one_with_a_novel() -> None:
    assert "- (deal without a name) (" in message(replace(ACME, deal=" \n")).text
    first = message(replace(ACME, deal="x" * 200)).text.splitlines()[0]
    assert first == f"- {'x' * 79}… (NOK 1,250,000)"


def test_a_deal_without_a_link() -> None:
    found = message(replace(ACME, url=None))
    assert "https://" not in found.text + found.html + found.mrkdwn
    assert found.mrkdwn.startswith("• *Acme* (")


def test_each_finding_has_its_own_next_step_and_no_step_is_said_twice() -> None:
    text = message(ACME, replace(ACME, alert_id=2, rule="stuck")).text
    assert text.count("  Next: ") == 2
    assert "Next: Find out what holds it" in text
    twice = message(ACME, replace(ACME, alert_id=2, evidence={"days": 5})).text
    assert twice.count("  Next: ") == 1


def test_the_key_follows_from_the_alerts_alone() -> None:
    other = replace(ACME, alert_id=2, deal_id="2")
    assert message(ACME, other).key == message(other, ACME).key
    assert message(ACME).key != message(other).key
    different = compose(
        [ACME], KARI, connection="other", language="en", sentence=sentence, at=START
    )
    assert different.key != message(ACME).key


@pytest.mark.parametrize(
    ("amount", "currency", "language", "shown"),
    [
        (Decimal("1250000.49"), "NOK", "en", "NOK 1,250,000"),
        (Decimal("1250000.49"), "NOK", "nb", "1\u00a0250\u00a0000 kr"),
        (Decimal(-1250), "EUR", "nb", "-1\u00a0250 €"),
        (Decimal(-1250), "EUR", "en", "-EUR 1,250"),
        (Decimal(7), "XQZ", "nb", "7 XQZ"),
        (Decimal(1250), None, "en", "1,250"),
        (Decimal(0), "NOK", "en", "NOK 0"),
        (None, "NOK", "nb", "uten beløp"),
    ],
)
def test_money_as_people_write_it(
    amount: Decimal | None, currency: str | None, language: Language, shown: str
) -> None:
    assert money(amount, currency, language).replace("\u2212", "-") == shown

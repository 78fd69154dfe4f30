"""Episodes and deliveries in the tables, on both databases."""

from datetime import timedelta
from decimal import Decimal

from sync.alerts import inputs, store
from sync.alerts.rules import DealState
from sync.alerts.store import DeliveryState, RaiseReport
from tests.alerts.conftest import CONNECTION, RULES, Book


def test_an_alert_is_raised_once_per_episode(book: Book) -> None:
    book.add_deal("1")
    assert book.raise_and_resolve("desk", "mail") == RaiseReport(1, 0, 0)
    assert book.raise_and_resolve("desk", "mail") == RaiseReport(0, 0, 0)
    assert book.alerts() == [("1", "raised", None)]
    assert book.deliveries("desk") == book.deliveries("mail") == ["pending"]


def test_what_is_fixed_is_resolved_and_its_delivery_withdrawn(book: Book) -> None:
    book.add_deal("1")
    book.raise_and_resolve()
    book.fix("1")
    assert book.raise_and_resolve() == RaiseReport(raised=0, resolved=1, withdrawn=1)
    assert book.alerts() == [("1", "resolved", "fixed")]
    assert book.deliveries() == ["withdrawn"]


def test_what_comes_back_is_raised_anew(book: Book) -> None:
    book.add_deal("1")
    book.raise_and_resolve()
    book.fix("1")
    book.clock.advance(days=10)
    book.find("1")  # the finding's unbroken presence began after the alert
    assert book.raise_and_resolve() == RaiseReport(raised=1, resolved=1, withdrawn=1)
    assert book.alerts() == [("1", "resolved", "fixed"), ("1", "raised", None)]
    assert book.deliveries() == ["withdrawn", "pending"]


def test_closed_and_removed_deals_resolve_with_their_reason(book: Book) -> None:
    for deal_id in ("1", "2"):
        book.add_deal(deal_id)
    book.raise_and_resolve()
    book.change("1", status="won")
    book.change("2", removed_at=book.clock.now(), removed_reason="archived")
    assert book.raise_and_resolve().resolved == 2
    assert book.alerts() == [
        ("1", "resolved", "deal closed"),
        ("2", "resolved", "deal removed"),
    ]


def test_two_plans_made_at_once_raise_and_resolve_once(book: Book) -> None:
    book.add_deal("1")
    twice = book.plan()
    at = book.clock.now()
    assert store.raise_and_resolve(book.engine, CONNECTION, twice, ["desk"], at=at).raised == 1
    assert store.raise_and_resolve(book.engine, CONNECTION, twice, ["desk"], at=at).raised == 0
    assert book.deliveries() == ["pending"]
    book.fix("1")
    twice = book.plan()
    assert store.raise_and_resolve(book.engine, CONNECTION, twice, ["desk"], at=at).resolved == 1
    assert store.raise_and_resolve(book.engine, CONNECTION, twice, ["desk"], at=at).resolved == 0


def test_connections_do_not_touch_each_other(book: Book) -> None:
    book.add_deal("1")
    book.raise_and_resolve()
    found = inputs.read_inputs(book.engine, "other", rules=RULES)
    assert (found.findings, found.open_alerts, found.deals) == ([], [], {})
    assert inputs.waiting(book.engine, "other", "desk") == []
    assert store.delivery_counts(book.engine, "other") == {}
    assert store.send_again(book.engine, "other") == 0


def test_a_claim_is_taken_once(book: Book) -> None:
    for deal_id in ("1", "2"):
        book.add_deal(deal_id)
    book.raise_and_resolve()
    ((waiting),) = inputs.waiting(book.engine, CONNECTION, "desk")
    ids = [alert.alert_id for alert in waiting.alerts]
    at = book.clock.now()
    first = store.claim(book.engine, "desk", ids[:1], claimed_by="a", at=at)
    second = store.claim(book.engine, "desk", ids, claimed_by="b", at=at)
    assert (first, second) == ({ids[0]}, {ids[1]})
    assert store.claim(book.engine, "desk", ids, claimed_by="c", at=at) == frozenset()


def test_only_the_claimer_ends_a_claim(book: Book) -> None:
    book.add_deal("1")
    book.raise_and_resolve()
    (waiting,) = inputs.waiting(book.engine, CONNECTION, "desk")
    ids = [alert.alert_id for alert in waiting.alerts]
    at = book.clock.now()
    store.claim(book.engine, "desk", ids, claimed_by="a", at=at)
    sent = DeliveryState.SENT
    store.finish(book.engine, "desk", ids, claimed_by="b", state=sent, at=at)
    assert book.deliveries() == ["sending"]
    store.expire_claims(book.engine, CONNECTION, before=at + timedelta(seconds=1))
    assert book.deliveries() == ["uncertain"]
    store.finish(book.engine, "desk", ids, claimed_by="a", state=sent, at=at)  # slow, not dead
    assert book.deliveries() == ["sent"]


def test_amounts_are_compared_in_the_home_currency(book: Book) -> None:
    book.add_deal("1", amount=Decimal(10), currency="EUR", amount_home=Decimal(116))
    book.add_deal("2", amount=Decimal(10), currency="EUR", amount_home=None)
    book.add_deal("3", amount=Decimal(10), currency="SEK", amount_home=None)
    book.add_deal("4", amount=Decimal(10), currency=None, amount_home=None)
    book.add_deal("5", amount=None, currency="NOK", amount_home=None)
    rates = {"EUR": Decimal("11.50")}
    found = inputs.read_inputs(book.engine, CONNECTION, rules=RULES, rates=rates).deals
    assert {deal_id: state.amount_home for deal_id, state in found.items()} == {
        "1": Decimal(116),
        "2": Decimal(115),
        "3": None,
        "4": Decimal(10),
        "5": None,
    }
    assert found["1"] == DealState(is_open=True, removed=False, amount_home=Decimal(116))


def test_what_waits_is_grouped_by_owner(book: Book) -> None:
    book.add_deal("1")
    book.add_deal("2", owner_id="ola")
    book.add_deal("3", owner_id=None)
    book.add_deal("4", owner_id="unknown")
    book.add_deal("5")
    book.raise_and_resolve()
    found = {
        waiting.owner.name if waiting.owner else None: waiting
        for waiting in inputs.waiting(book.engine, CONNECTION, "desk")
    }
    deals = {name: [a.deal_id for a in waiting.alerts] for name, waiting in found.items()}
    assert deals == {
        "Kari Nordmann": ["1", "5"],
        "Ola Borte": ["2"],
        None: ["3"],
        "unknown": ["4"],
    }
    owner = found["Ola Borte"].owner
    assert owner is not None
    assert not owner.active
    (alert,) = found[None].alerts
    assert alert.url == "https://crm.example.com/deal/3?x={y}"

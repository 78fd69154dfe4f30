"""The first load: everything there is, page by page, and on from any page."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice

from sync.crm.base import Change, ChangeSource, DealStatus, Field, RemovalReason
from sync.sandbox.company import Event
from tests.crm.conftest import CREATED, Open, Portal, deal


def on(day: int, name: str, value: str | None, who: str = "human") -> Event:
    return Event(CREATED + timedelta(days=day), name, value, who)  # type: ignore[arg-type]


def story(portal: Portal, deal_id: str, field: Field) -> list[tuple[str | None, str | None]]:
    return [(c.old, c.new) for c in portal.mirror.changes[deal_id] if c.field is field]


def test_a_deal_comes_with_all_that_the_crm_holds(portal_of: Open) -> None:
    portal = portal_of(
        [
            deal(
                "a",
                values={
                    "currency": "EUR",
                    "amount": "1500.50",
                    "rep_probability": "0.7",
                    "forecast_category": "OMITTED",
                    "deal_type": "newbusiness",
                    "lead_source": "REFERRALS",
                    "next_step": "Call back",
                },
                contacts=2,
                companies=1,
                activities=[CREATED + timedelta(days=3)],
                next_activity_at=CREATED + timedelta(days=90),
            )
        ]
    )
    portal.pull()
    found = portal.mirror.deals[portal.crm.id_of("a")]
    assert found.name == "Deal a"
    assert (found.pipeline_id, found.stage_id) == ("default", "new")
    assert found.owner_id == portal.crm.owner_id("101")
    assert (found.amount, found.currency) == (Decimal("1500.5"), "EUR")
    assert found.amount_home == Decimal("17255.75")
    assert found.status is DealStatus.OPEN
    assert found.close_date == datetime(2026, 4, 30, 10, tzinfo=UTC)
    assert found.closed_at is None
    assert found.created_at == CREATED
    assert found.stage_probability == Decimal("0.2")
    assert found.rep_probability == Decimal("0.7")
    assert found.forecast_category == "OMITTED"
    assert (found.deal_type, found.lead_source) == ("newbusiness", "REFERRALS")
    assert found.next_step == "Call back"
    assert (found.contact_count, found.company_count) == (2, 1)
    assert found.last_activity_at == CREATED + timedelta(days=3)
    assert found.next_activity_at == CREATED + timedelta(days=90)


def test_history_comes_with_the_deals(portal_of: Open) -> None:
    portal = portal_of(
        [
            deal(
                "a",
                on(10, "stage", "offer"),
                on(20, "amount", "1200"),
                on(25, "close_date", "2026-05-31T10:00:00+00:00", "automation"),
                on(30, "owner", "102", "import"),
                on(40, "stage", "won"),
                on(40, "close_date", "2026-02-14T08:00:00+00:00"),
            )
        ]
    )
    portal.pull()
    deal_id = portal.crm.id_of("a")
    found = portal.mirror.deals[deal_id]
    assert found.status is DealStatus.WON
    assert found.closed_at == datetime(2026, 2, 14, 8, tzinfo=UTC)
    assert story(portal, deal_id, Field.STAGE) == [
        (None, "new"),
        ("new", "offer"),
        ("offer", "won"),
    ]
    assert story(portal, deal_id, Field.STATUS) == [(None, "open"), ("open", "won")]
    assert story(portal, deal_id, Field.AMOUNT) == [(None, "1000"), ("1000", "1200")]
    assert story(portal, deal_id, Field.CLOSE_DATE) == [
        (None, "2026-04-30T10:00:00Z"),
        ("2026-04-30T10:00:00Z", "2026-05-31T10:00:00Z"),
        ("2026-05-31T10:00:00Z", "2026-02-14T08:00:00Z"),
    ]
    changes: list[Change] = portal.mirror.changes[deal_id]
    by = {(c.field, c.new): c.source for c in changes}
    assert by[Field.STAGE, "offer"] is ChangeSource.HUMAN
    assert by[Field.CLOSE_DATE, "2026-05-31T10:00:00Z"] is ChangeSource.AUTOMATION
    assert by[Field.OWNER, portal.crm.owner_id("102")] is ChangeSource.INTEGRATION
    won = next(c for c in changes if c.field is Field.STATUS and c.new == "won")
    assert won.changed_at == CREATED + timedelta(days=40)


def test_pages_of_a_hundred_and_a_cursor_after_each(portal_of: Open) -> None:
    portal = portal_of(deal(str(n)) for n in range(220))
    pages = portal.pull()
    assert [len(page.deals) for page in pages] == [100, 100, 20]
    assert not any(page.history_read for page in pages)
    assert list(portal.mirror.deals) == portal.crm.deal_ids()
    assert len({str(page.cursor) for page in pages}) == 3
    assert portal.mirror.cursor == {"since": "2026-03-16T09:00:00Z"}


def test_an_interrupted_load_goes_on_where_it_stopped(portal_of: Open) -> None:
    portal = portal_of(deal(str(n)) for n in range(220))
    list(islice(portal.pages(), 1))
    portal.clock.advance(minutes=30)
    first, second = portal.crm.id_of("0"), portal.crm.id_of("219")
    portal.crm.edit(first, {"amount": "7"})
    portal.crm.archive(portal.crm.id_of("100"))  # the very deal at which the next page starts
    portal.sent()
    resumed = portal.source_of(portal.client)
    assert [len(page.deals) for page in portal.pages(resumed)] == [100, 19]
    # what changed before the resumed part, while nobody looked, is not lost
    assert portal.mirror.cursor == {"since": "2026-03-16T09:00:00Z"}
    portal.pull()
    assert portal.mirror.deals[first].amount == Decimal(7)
    assert second in portal.mirror.deals
    assert list(portal.mirror.deals) == [portal.crm.id_of(str(n)) for n in range(220) if n != 100]


def test_an_empty_crm_is_one_page_that_says_where_to_go_on(portal_of: Open) -> None:
    portal = portal_of()
    assert portal.source.deal_count() == 0
    pages = portal.pull()
    assert [(page.deals, page.cursor) for page in pages] == [
        ([], {"since": "2026-03-16T09:00:00Z"})
    ]


def test_the_deals_that_a_merge_retired_are_gone(portal_of: Open) -> None:
    portal = portal_of([deal("a"), deal("b"), deal("c")])
    a, b = portal.crm.id_of("a"), portal.crm.id_of("b")
    survivor = portal.crm.merge(a, b)
    portal.pull()
    assert set(portal.mirror.deals) == {survivor, portal.crm.id_of("c")}
    assert {(r.deal_id, r.reason, r.survivor_id) for r in portal.mirror.removals.values()} == {
        (a, RemovalReason.MERGED, survivor),
        (b, RemovalReason.MERGED, survivor),
    }


def test_the_url_stays_short_even_with_many_properties_of_our_own(portal: Portal) -> None:
    portal.pull()
    longest = max(len(r.path) + len(r.query) for r in portal.sandbox.requests)
    assert longest < 2_000


def test_contacts_beyond_a_list_are_counted_too(portal_of: Open) -> None:
    portal = portal_of([deal("a", contacts=1_203, companies=101), deal("b")])
    portal.pull()
    a, b = (portal.mirror.deals[portal.crm.id_of(key)] for key in "ab")
    assert (a.contact_count, a.company_count) == (1_203, 101)
    assert (b.contact_count, b.company_count) == (0, 0)


def test_values_that_cannot_be_understood_are_reported_with_the_page(portal_of: Open) -> None:
    portal = portal_of([deal("a", values={"amount": "about 5", "rep_probability": "0.5"})])
    [page] = portal.pull()
    assert {(u.field, u.raw) for u in page.unparsed} == {
        ("amount", "about 5"),
    }
    assert portal.mirror.deals[portal.crm.id_of("a")].amount is None


def test_percentages_are_taken_for_probabilities(portal_of: Open) -> None:
    portal = portal_of(
        [deal("a", values={"rep_probability": "0.7"})], forecast_probability="percent"
    )
    portal.pull()
    assert portal.mirror.deals[portal.crm.id_of("a")].rep_probability == Decimal("0.7")


def test_shuffled_history_tells_the_same_story(portal_of: Open) -> None:
    deals = [deal("a", on(1, "stage", "offer"), on(2, "stage", "new"), on(3, "stage", "lost"))]
    portal = portal_of(deals, history_order="shuffled")
    portal.pull()
    assert story(portal, portal.crm.id_of("a"), Field.STATUS) == [(None, "open"), ("open", "lost")]

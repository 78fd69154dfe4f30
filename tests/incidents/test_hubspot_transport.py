"""Incidents in which answers failed, came late, came wrong, or were refused."""

import logging

import pytest

from sync.errors import AuthError, TransientError
from sync.mirror import schema
from sync.sandbox.store.tokens import ALL_SCOPES
from tests.crm.conftest import deal
from tests.incidents.conftest import Build, House


def edit_all(house: House) -> None:
    for deal_id in house.crm.deal_ids():
        house.crm.edit(deal_id, {"amount": "7"})


def statuses(house: House) -> set[int]:
    return {entry.status for entry in house.sandbox.requests}


@pytest.mark.parametrize("path", ["/search", "/batch/read"])
def test_incident_14_too_many_requests_is_not_retried_for_post(house: House, path: str) -> None:
    """urllib3's Retry leaves POST alone, and search and batch reads are POST."""
    edit_all(house)
    house.sandbox.faults.add("rate_limited_429", times=3, path_contains=path, method="POST")
    assert house.pull()["updated"] == 3
    assert 429 in statuses(house)
    assert house.difference() == {}


def test_incident_15_reading_everything_trips_the_rate_limit(house_of: Build) -> None:
    """The account's own limits are on: 20 calls in 10 s, 4 searches a second."""
    house = house_of((deal(str(n), contacts=1) for n in range(700)), rate_limit=20, search_limit=4)
    house.pull()
    assert house.difference() == {}
    assert len(house.sandbox.requests) > 25
    assert statuses(house) == {200}


def test_incident_16_sync_dies_after_thirty_minutes(house_of: Build) -> None:
    """Tokens end while the daemon runs, at once or early; also for associations."""
    house = house_of([deal(key, contacts=1) for key in "abc"], oauth=True)
    house.pull()
    for minutes in (29, 31, 24 * 60):
        house.clock.advance(minutes=minutes)
        edit_all(house)
        house.pull()
        assert house.difference() == {}
    assert 401 not in statuses(house)  # they were renewed before their end
    for path in ("/pipelines/", "/search", "/associations/"):
        house.clock.advance(minutes=15)
        house.crm.edit(house.crm.id_of("a"), {"amount": str(len(path))})
        house.sandbox.meanwhile(path, house.crm.expire_all_tokens)
        house.pull()
        assert house.difference() == {}
    assert 401 in statuses(house)


@pytest.mark.parametrize("fault", ["rate_limited_429", "html_502", "html_200", "empty_body"])
def test_incident_17_the_refresh_of_the_token_fails_itself(house_of: Build, fault: str) -> None:
    house = house_of([deal(key) for key in "abc"], oauth=True)
    house.pull()
    house.clock.advance(minutes=60)
    edit_all(house)
    house.sandbox.faults.add(fault, times=2, path_contains="/oauth/")  # type: ignore[arg-type]
    house.pull()
    assert house.difference() == {}


@pytest.mark.parametrize("fault", ["html_502", "empty_body", "truncated_json", "null_200"])
@pytest.mark.parametrize("path", ["/search", "/batch/read", "/owners", "/pipelines"])
def test_incident_18_html_or_nothing_instead_of_json(house: House, fault: str, path: str) -> None:
    edit_all(house)
    house.clock.advance(minutes=60)
    house.sandbox.faults.add(fault, times=2, path_contains=path)  # type: ignore[arg-type]
    house.pull()
    assert house.sandbox.faults.pending() == []
    assert house.difference() == {}


def test_incident_19_a_pull_hangs_for_hours(house_of: Build) -> None:
    """An answer that does not come is given up, and asked for again."""
    house = house_of([deal("a")], connection={"request_timeout_s": 1.0})
    house.sandbox.faults.add("hang_before", path_contains="/deals/search", seconds=600)
    house.pull()
    assert house.sandbox.faults.pending() == []
    assert house.difference() == {}
    assert house.asked("/deals/search")


def test_incident_28_one_missing_scope_fails_the_whole_sync(house_of: Build) -> None:
    house = house_of([deal(key, contacts=2, companies=1) for key in "abc"])
    house.crm.set_scopes(house.sandbox.token, ["oauth", "crm.objects.deals.read"])
    house.pull()
    assert house.difference() == {}
    assert house.rows(schema.owner) == []
    assert len(house.rows(schema.stage)) == 4
    missing = {"owners": "crm.objects.owners", "rates": "settings.currencies"} | {
        f"{kind} of deals": f"crm.objects.{kind}" for kind in ("contacts", "companies")
    }
    for _ in range(2):  # a first load, and a pull of changes
        notes = house.context.notes
        for what, scope in missing.items():
            assert any(what in note.lower() and f"{scope}.read" in note for note in notes), what
        counts = {(row.contact_count, row.company_count) for row in house.held().values()}
        assert counts == {(None, None)}
        house.clock.advance(minutes=60)
        edit_all(house)
        house.pull()
        assert house.difference() == {}


@pytest.mark.parametrize(("kind", "counts"), [("contacts", (None, 1)), ("companies", (2, None))])
def test_incident_28_what_is_linked_is_left_out_by_kind(
    house_of: Build, kind: str, counts: tuple[int | None, int | None]
) -> None:
    house = house_of([deal(key, contacts=2, companies=1) for key in "abc"])
    house.crm.set_scopes(house.sandbox.token, ALL_SCOPES - {f"crm.objects.{kind}.read"})
    for _ in range(2):
        house.pull()
        assert house.difference() == {}
        held = {(row.contact_count, row.company_count) for row in house.held().values()}
        assert held == {counts}
        house.clock.advance(minutes=60)
        edit_all(house)


def test_incident_28_what_nothing_goes_without_is_said(house_of: Build) -> None:
    house = house_of([deal("a")])
    house.crm.set_scopes(house.sandbox.token, ["oauth", "crm.objects.owners.read"])
    with pytest.raises(AuthError, match=r"crm\.objects\.deals\.read"):
        house.pull()


@pytest.mark.parametrize("path", ["/batch/read", "/search", "/associations/", "/owners"])
def test_incident_29_a_maintenance_page_is_taken_for_an_empty_record(
    house: House, path: str
) -> None:
    """200 with HTML: the official client makes a record of it whose fields are all None."""
    edit_all(house)
    house.clock.advance(minutes=60)
    house.sandbox.faults.add("html_200", times=-1, path_contains=path)
    with pytest.raises(TransientError):
        house.pull()
    assert all(row.name and row.amount for row in house.held().values())
    assert all(row.name for row in house.rows(schema.owner))
    house.sandbox.faults.clear()
    house.clock.advance(minutes=15)
    house.pull()
    assert house.difference() == {}


def test_incident_31_the_token_stands_in_error_logs(
    house_of: Build, caplog: pytest.LogCaptureFixture
) -> None:
    house = house_of([deal("a")])
    caplog.set_level(logging.DEBUG)
    for fault in ("server_500", "html_502", "html_414", "reset_before", "truncated_json"):
        house.sandbox.faults.add(fault, times=-1, path_contains="/deals")
        error = house.try_to_pull().error
        assert error is not None
        assert house.sandbox.token not in f"{error} {error!r} {error.__cause__!r}"
        house.sandbox.faults.clear()
        house.clock.advance(minutes=15)
    house.crm.expire_token(house.sandbox.token)
    assert isinstance(house.try_to_pull().error, AuthError)
    assert house.sandbox.token not in caplog.text
    recorded = " ".join(str(row) for row in house.rows(schema.job_run))
    assert "500" in recorded
    assert house.sandbox.token not in recorded
    assert all(house.sandbox.token not in r.query for r in house.sandbox.requests)


def test_incident_31_an_object_of_the_same_name_overwrites_another(house_of: Build) -> None:
    """A customer's property may be called as one of our columns is."""
    house = house_of([deal("a")], connection={"extra_properties": ["*"]})
    for name in ("name", "status", "connection", "deal_id"):
        house.crm.add_property(name)
    a = house.crm.id_of("a")
    house.crm.edit(a, {"name": "x", "status": "won", "connection": "y", "deal_id": "1"})
    house.pull()
    assert house.difference() == {}
    row = house.held()[a]
    assert (row.connection, row.name, row.status) == ("portal", "Deal a", "open")
    assert {k: row.extra[k] for k in ("name", "deal_id")} == {"name": "x", "deal_id": "1"}


def test_incident_32_two_clients_in_one_process_share_a_token(house_of: Build) -> None:
    """Two portals whose deals have the same ids, pulled by turns."""
    one = house_of([deal("a", values={"name": "One"})])
    other = house_of([deal("a", values={"name": "Other"}), deal("b")])
    assert one.sandbox.token != other.sandbox.token
    for _ in range(2):
        one.pull()
        other.pull()
        one.clock.advance(minutes=15)
    assert one.difference() == other.difference() == {}
    assert {row.name for row in one.held().values()} == {"One"}
    assert statuses(one) == statuses(other) == {200}

"""What `check` finds out about a token."""

import pytest

from sync.crm.base import AccessCheck
from sync.errors import AuthError
from tests.crm.conftest import Portal

READING = "oauth", "crm.objects.deals.read"


def checked(portal: Portal) -> dict[str, AccessCheck]:
    return {check.what: check for check in portal.source.check()}


def test_a_token_with_every_scope_passes_and_nothing_is_written(portal: Portal) -> None:
    found = checked(portal)
    assert all(check.ok for check in found.values())
    assert found["account"].detail == f"portal {portal.crm.portal_id}, Europe/Oslo, NOK"
    assert found["search for deals"].detail == "3 deals"
    assert "first write-back" in found["property groups"].detail
    assert {check.needed_for for check in found.values()} == {
        "reading",
        "owners' names",
        "data quality",
        "goals set in HubSpot",
        "amounts in other currencies",
        "writing",
    }
    sent = portal.sent()
    assert [line for line in sent if not line.startswith("GET")] == [
        f"POST {portal.client.paths.deals_search}"
    ]
    assert len(sent) == len(found) + 1  # for the rates the account is asked for its currencies


def test_every_row_names_the_scope_that_it_needs(portal: Portal) -> None:
    scopes = {what: check.scope for what, check in checked(portal).items()}
    assert all(scopes.values())
    assert scopes["owners"] == "crm.objects.owners.read"
    assert scopes["deals"] == "crm.objects.deals.read"


def test_a_missing_scope_is_named_and_the_others_are_tried_all_the_same(portal: Portal) -> None:
    portal.crm.set_scopes(portal.sandbox.token, READING)
    found = checked(portal)
    missing = [what for what, check in found.items() if not check.ok]
    links = ["contacts of deals", "companies of deals"]
    assert missing == ["owners", *links, "goals", "exchange rates"]
    assert "crm.objects.owners.read" in found["owners"].remedy
    assert "settings.currencies.read" in found["exchange rates"].remedy


def test_without_deals_there_is_little_left(portal: Portal) -> None:
    portal.crm.set_scopes(portal.sandbox.token, ["oauth", "crm.objects.owners.read"])
    found = checked(portal)
    passed = [what for what, check in found.items() if check.ok]
    assert passed == ["account", "owners"]
    assert all(check.remedy for check in found.values() if not check.ok)


def test_a_token_that_is_refused_is_said_so_at_once(portal: Portal) -> None:
    stranger = portal.connect("pat-eu1-unknown")
    with pytest.raises(AuthError, match="refused the access token"):
        portal.source_of(stranger).check()
    assert stranger.requests == 1
    stranger.close()

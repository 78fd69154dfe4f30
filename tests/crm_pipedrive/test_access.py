"""What `dealpulse check` finds out about a token."""

import pytest

from sync.crm.pipedrive.access import check
from sync.crm.pipedrive.credentials import ApiToken
from sync.errors import AuthError
from tests.crm_pipedrive.conftest import Account, oauth


def test_an_administrators_token_may_do_everything(account: Account) -> None:
    checks = account.source.check()
    assert [check.what for check in checks if not check.ok] == []
    assert "Europe/Oslo, NOK" in checks[0].detail


def test_the_check_says_whose_token_it_is(account: Account) -> None:
    assert "; an administrator" in account.source.check()[0].detail
    plain = account.crm.tokens.add(account.crm.user_id("101"))
    account.reconnect(ApiToken(plain))
    assert "may see less" in account.source.check()[0].detail


def test_missing_scopes_are_named_one_by_one(account: Account) -> None:
    account.reconnect(oauth(account, scopes=("base", "deals:full")))
    remedies = {c.what: c.remedy for c in account.source.check() if not c.ok}
    assert remedies["users"] == "Give the app the scope users:read."
    assert "activities:full" in remedies["activities"]
    assert "goals:read" in remedies["goals"]
    assert "deals" not in remedies


def test_whether_leads_may_be_read_is_tried_where_they_are(account: Account) -> None:
    leads = {"leads", "archived leads", "persons"}
    assert not leads & {c.what for c in account.source.check()}
    assert {c.what for c in check(account.client, reads_leads=True) if c.ok} >= leads
    account.reconnect(oauth(account, scopes=("base", "deals:full", "leads:read")))
    found = {c.what: c for c in check(account.client, reads_leads=True)}
    assert (found["leads"].ok, found["leads"].needed_for) == (True, "the funnel")
    assert "contacts:read" in found["persons"].remedy


def test_a_refused_token_ends_the_check(account: Account) -> None:
    account.crm.tokens.revoke(account.sandbox.token)
    with pytest.raises(AuthError):
        account.source.check()

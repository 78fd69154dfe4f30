"""What the token may do, tried with the cheapest request for each."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from sync.crm.base import AccessCheck
from sync.crm.pipedrive import definitions, paths
from sync.crm.pipedrive.client import PipedriveClient, Query
from sync.errors import AuthError, PermanentError

_ONE: Final[Query] = {"limit": "1"}

Try = Callable[[], str]


def check(client: PipedriveClient, *, reads_leads: bool = False) -> list[AccessCheck]:
    """One result per permission; raises AuthError where the token itself is refused."""
    attempts = [*_attempts(client), *(_of_leads(client) if reads_leads else ())]
    return [_tried(what, attempt, use) for what, attempt, use in attempts]


def _attempts(client: PipedriveClient) -> Iterator[tuple[str, Try, str]]:
    listed = partial(_listed, client)

    def account() -> str:
        me = client.get(paths.ME, what="the token's user")["data"]
        found = definitions.account(me)
        admin = any(entry.get("admin") for entry in me.get("access") or ())
        who = "an administrator" if admin else "no administrator: may see less"
        return f"company {found.account_id}, {found.time_zone}, {found.home_currency}; {who}"

    def users() -> str:
        client.get(paths.USERS, what="the users")
        return "readable"

    def budget() -> str:
        ledger = client.ledger
        return f"{ledger.spent()} of {ledger.budget} tokens used by us in 24 hours"

    yield "account", account, "reading"
    yield "pipelines", listed(paths.PIPELINES, "the pipelines"), "reading"
    yield "deals", listed(paths.DEALS, "the deals"), "reading"
    yield "archived deals", listed(paths.ARCHIVED, "the archived deals"), "reading"
    yield "activities", listed(paths.ACTIVITIES, "the activities"), "reading"
    yield "users", users, "reading"
    yield "deal fields", listed(paths.FIELDS, "the deal fields"), "reading"
    goals = {"type.name": "deals_won"}
    yield "goals", listed(paths.GOALS, "the goals", goals), "goals set in Pipedrive"
    yield "daily tokens", budget, "reading"


def _of_leads(client: PipedriveClient) -> Iterator[tuple[str, Try, str]]:
    for path, what, use in (
        (paths.LEADS, "leads", "the funnel"),
        (paths.ARCHIVED_LEADS, "archived leads", "the funnel"),
        (paths.PERSONS, "persons", "mails with leads"),
    ):
        yield what, _listed(client, path, f"the {what}"), use


def _listed(client: PipedriveClient, path: str, what: str, query: Query = _ONE) -> Try:
    def attempt() -> str:
        client.get(path, query, what=what)
        return "readable"

    return attempt


def _tried(what: str, attempt: Try, use: str) -> AccessCheck:
    try:
        return AccessCheck(what, ok=True, detail=attempt(), needed_for=use)
    except AuthError as error:
        if not error.missing_scopes:
            raise
        remedy = f"Give the app the scope {' or '.join(error.missing_scopes)}."
        return AccessCheck(what, ok=False, detail=str(error), remedy=remedy, needed_for=use)
    except PermanentError as error:
        return AccessCheck(what, ok=False, detail=str(error), needed_for=use)

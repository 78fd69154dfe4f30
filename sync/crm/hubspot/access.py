"""What the access token may do, tried with the cheapest request for each."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from sync.crm.base import AccessCheck
from sync.crm.hubspot import definitions
from sync.crm.hubspot.client import HubSpotClient, Query
from sync.crm.hubspot.limits import SEARCH
from sync.crm.hubspot.properties import GROUP
from sync.errors import AuthError, PermanentError

SCOPES: Final = (
    "oauth",
    "crm.objects.deals.read",
    "crm.objects.deals.write",
    "crm.schemas.deals.read",
    "crm.schemas.deals.write",
    "crm.objects.owners.read",
    "crm.objects.contacts.read",
    "crm.objects.companies.read",
    "settings.currencies.read",
    "crm.objects.goals.read",
)
"""All that dealpulse uses; what an app asks for unless the configuration says otherwise."""

LEAD_SCOPES: Final = ("crm.objects.contacts.write", "crm.schemas.contacts.write")
"""What writing the lead score takes besides."""

_ONE: Final[Query] = [("limit", "1")]


def check(client: HubSpotClient, *, writes_leads: bool = False) -> list[AccessCheck]:
    """One result per permission; raises AuthError where the token itself is refused."""
    attempts = list(_attempts(client))
    if writes_leads:
        writing = _groups(client, "contacts", LEAD_SCOPES)
        attempts.append(
            ("contacts' property groups", writing, LEAD_SCOPES[1], "writing the lead score")
        )
    return [_tried(what, attempt, scope, use) for what, attempt, scope, use in attempts]


def _attempts(client: HubSpotClient) -> Iterator[tuple[str, Callable[[], str], str, str]]:
    paths = client.paths

    def listed(path: str, what: str, query: Query = _ONE) -> Callable[[], str]:
        def attempt() -> str:
            client.get(path, query, what=what, expect="results")
            return "readable"

        return attempt

    def account() -> str:
        record = client.get(paths.account, what="the account's details", expect="portalId")
        found = definitions.account(record)
        return f"portal {found.account_id}, {found.time_zone}, {found.home_currency}"

    def search() -> str:
        answer = client.post(
            paths.deals_search,
            {"limit": 1, "properties": ["hs_object_id"]},
            what="a search for deals",
            expect="total",
            bucket=SEARCH,
            idempotent=True,
        )
        return f"{answer['total']} deals"

    def rates() -> str:
        record = client.get(paths.account, what="the account's details", expect="portalId")
        others = definitions.account(record).currencies[1:]
        if not others:
            return "not needed: the account has one currency"
        client.get(paths.exchange_rates, _ONE, what="the exchange rates", expect="results")
        return f"readable, for {', '.join(others)}"

    deals, reading = "crm.objects.deals.read", "reading"
    yield "account", account, "oauth", reading
    yield "deals", listed(paths.deals, "the list of deals"), deals, reading
    yield "search for deals", search, deals, reading
    yield "pipelines", listed(paths.pipelines, "the deal pipelines"), deals, reading
    yield "owners", listed(paths.owners, "the owners"), "crm.objects.owners.read", "owners' names"
    for kind in ("contacts", "companies"):
        query = [*_ONE, ("associations", kind)]
        attempt = listed(paths.deals, f"the {kind} of deals", query)
        yield f"{kind} of deals", attempt, f"crm.objects.{kind}.read", "data quality"
    goals = "crm.objects.goals.read"
    yield "goals", listed(paths.goal_targets, "the goals"), goals, "goals set in HubSpot"
    yield "exchange rates", rates, "settings.currencies.read", "amounts in other currencies"
    scopes = ("crm.schemas.deals.write", "crm.objects.deals.write")
    yield "property groups", _groups(client, "deals", scopes), scopes[0], "writing"


def _groups(client: HubSpotClient, objects: str, scopes: Sequence[str]) -> Callable[[], str]:
    def attempt() -> str:
        path = client.paths.writing(objects).groups
        answer = client.get(path, what="the property groups", expect="results")
        there = any(group.get("name") == GROUP for group in answer["results"])
        state = "our group is there" if there else "our group is not there yet"
        return (
            f"readable, {state}; whether {' and '.join(scopes)} are granted shows at the first "
            "write-back, since trying would write"
        )

    return attempt


def _tried(what: str, attempt: Callable[[], str], scope: str, use: str) -> AccessCheck:
    try:
        return AccessCheck(what, ok=True, detail=attempt(), needed_for=use, scope=scope)
    except AuthError as error:
        if not error.missing_scopes and what == "account":
            raise
        scopes = " or ".join(error.missing_scopes) or scope
        remedy = f"Add the scope {scopes} to the token's app or service key in HubSpot."
        return AccessCheck(
            what, ok=False, detail=str(error), remedy=remedy, needed_for=use, scope=scope
        )
    except PermanentError as error:
        remedy = "Correct what the message names, then check again."
        return AccessCheck(
            what, ok=False, detail=str(error), remedy=remedy, needed_for=use, scope=scope
        )

"""Endpoint -> path, and what a call costs of the company's daily tokens.

Two generations side by side: what v2 has is read there (it is cheaper, and v1's twin may vanish);
users, leads, changelog, summary and goals exist in v1 only.
"""

import re
from typing import Final

ME: Final = "/api/v1/users/me"
USERS: Final = "/api/v1/users"
CURRENCIES: Final = "/api/v1/currencies"
GOALS: Final = "/api/v1/goals/find"
SUMMARY: Final = "/api/v1/deals/summary"
DEALS: Final = "/api/v2/deals"
ARCHIVED: Final = "/api/v2/deals/archived"
PIPELINES: Final = "/api/v2/pipelines"
STAGES: Final = "/api/v2/stages"
FIELDS: Final = "/api/v2/dealFields"
ACTIVITIES: Final = "/api/v2/activities"
PERSONS: Final = "/api/v2/persons"
LEADS: Final = "/api/v1/leads"
ARCHIVED_LEADS: Final = "/api/v1/leads/archived"
LEAD_LABELS: Final = "/api/v1/leadLabels"


def deal(deal_id: str) -> str:
    return f"{DEALS}/{_id(deal_id)}"


def changelog(deal_id: str) -> str:
    return f"/api/v1/deals/{_id(deal_id)}/changelog"


def field(code: str) -> str:
    return f"{FIELDS}/{code}"


def options(code: str) -> str:
    return f"{FIELDS}/{code}/options"


def activity(activity_id: str) -> str:
    return f"{ACTIVITIES}/{_id(activity_id)}"


_COSTS: Final[tuple[tuple[str, str, int], ...]] = (
    ("GET", r"/api/v1/users/me", 2),
    ("GET", r"/api/v1/users", 20),
    ("GET", r"/api/v1/leads", 20),
    ("GET", r"/api/v1/leads/archived", 40),
    ("GET", r"/api/v1/leadLabels", 10),
    ("GET", r"/api/v1/(currencies|goals/find)", 20),
    ("GET", r"/api/v1/deals/summary", 40),
    ("GET", r"/api/v1/deals/\d+/changelog", 20),
    ("GET", r"/api/v2/deals/archived", 20),
    ("GET", r"/api/v2/(pipelines|stages)", 5),
    ("GET", r"/api/v2/\w+", 10),
    ("GET", r"/api/v2/\w+/\w+", 1),
    ("(POST|PATCH)", r"/api/v2/.*", 5),
)
_UNKNOWN_COST: Final = 40
"""What the dearest call costs; a price list that lacks an entry must not overspend."""

_SCOPES: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("GET", r"/api/v1/users", ("users:read",)),
    ("GET", r"/api/v1/(users/me|currencies)", ("base",)),
    ("GET", r"/api/v1/goals/find", ("goals:read", "goals:full")),
    ("GET", r"/api/v1/deals/\d+/changelog", ("recents:read",)),
    ("GET", r"/api/v2/(deals.*|pipelines|stages)", ("deals:read", "deals:full")),
    ("GET", r"/api/v1/deals/.*", ("deals:read", "deals:full")),
    ("(POST|PATCH)", r"/api/v2/dealFields.*", ("deal-fields:full", "admin")),
    ("GET", r"/api/v2/dealFields.*", ("deals:read", "deal-fields:full")),
    ("PATCH", r"/api/v2/deals/.*", ("deals:full",)),
    ("GET", r"/api/v1/lead.*", ("leads:read", "leads:full")),
    ("GET", r"/api/v2/persons.*", ("contacts:read", "contacts:full")),
    ("GET", r"/api/v2/activities.*", ("activities:read", "activities:full")),
    ("(POST|PATCH)", r"/api/v2/activities.*", ("activities:full",)),
)


def cost(method: str, path: str) -> int:
    """Tokens by Pipedrive's price list, for when an answer does not say."""
    for verb, pattern, tokens in _COSTS:
        if re.fullmatch(verb, method) and re.fullmatch(pattern, path):
            return tokens
    return _UNKNOWN_COST


def scopes(method: str, path: str) -> tuple[str, ...]:
    """The OAuth scopes any one of which allows the call."""
    for verb, pattern, names in _SCOPES:
        if re.fullmatch(verb, method) and re.fullmatch(pattern, path):
            return names
    return ("base",)


def _id(number: str) -> str:
    """Pipedrive's ids are numbers; anything else would be another address."""
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"{number!r} is no id of Pipedrive's")
    return number

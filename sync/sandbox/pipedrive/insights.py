"""v1's figures: the summary of deals in one currency, and goals."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sync.sandbox.pipedrive.calls import Call, Reply
from sync.sandbox.pipedrive.errors import bad_request, not_found
from sync.sandbox.pipedrive.instants import rfc3339
from sync.sandbox.pipedrive.records import Deal
from sync.sandbox.pipedrive.shape import number
from sync.sandbox.pipedrive.v1_deal import effective_percent

_GOALS = {"statusCode": 20000, "statusText": "OK", "service": "statistics-goals-api"}
_CENT = Decimal("0.01")


def summary(call: Call) -> Reply:
    """Archived and deleted deals are left out. Converted at today's rates only."""
    home = call.crm.company.home_currency
    values: dict[str, dict[str, Decimal]] = {}
    for deal in _chosen(call):
        amount = deal.value or Decimal(0)
        weighted = amount * effective_percent(call.crm, deal) / 100
        sums = values.setdefault(deal.currency, {"n": Decimal(), "all": Decimal(), "w": Decimal()})
        sums["n"] += 1
        sums["all"] += amount
        sums["w"] += weighted
    rates = {code: call.crm.currencies.get(code, Decimal(0)) for code in values}
    total = sum((s["all"] * rates[c] for c, s in values.items()), Decimal())
    weighted_total = sum((s["w"] * rates[c] for c, s in values.items()), Decimal())
    return Reply(
        {
            "values_total": {
                code: {
                    **_sum(code, sums["all"], sums["n"]),
                    "value_converted": number((sums["all"] * rates[code]).quantize(_CENT)),
                    "value_converted_formatted": _money(home, sums["all"] * rates[code]),
                }
                for code, sums in values.items()
            },
            "weighted_values_total": {
                code: _sum(code, sums["w"], sums["n"]) for code, sums in values.items()
            },
            "total_count": int(sum((s["n"] for s in values.values()), Decimal())),
            "total_currency_converted_value": number(total.quantize(_CENT)),
            "total_weighted_currency_converted_value": number(weighted_total.quantize(_CENT)),
            "total_currency_converted_value_formatted": _money(home, total),
            "total_weighted_currency_converted_value_formatted": _money(home, weighted_total),
        }
    )


def find_goals(call: Call) -> Reply:
    """Without a filter by assignee, type or outcome only the caller's own."""
    query, you = call.query, call.token.user_id
    active = {"true": True, "false": False}.get(query.get("is_active", ""))
    everyones = any(name.startswith(("assignee.", "type.", "expected_outcome.")) for name in query)
    found = [
        goal
        for goal in call.crm.goals
        if query.get("type.name") in (None, goal["type"]["name"])
        and active in (None, goal["is_active"])
        and query.get("assignee.type") in (None, goal["assignee"]["type"])
        and query.get("expected_outcome.tracking_metric")
        in (None, goal["expected_outcome"]["tracking_metric"])
        and query.get("assignee.id") in (None, str(goal["assignee"]["id"]))
        and (everyones or you in (goal["owner_id"], goal["assignee"]["id"]))
        and _overlaps(goal, query.get("period.start", ""), query.get("period.end", "9999"))
    ]
    return Reply({"goals": found}, extra=_GOALS)


def goal_results(call: Call) -> Reply:
    """How many deals were won in the period, or for how much."""
    start, end = call.query.get("period.start"), call.query.get("period.end")
    if not start or not end:
        raise bad_request("period.start and period.end are required")
    goal = next((g for g in call.crm.goals if g["id"] == call.path["id"]), None)
    if goal is None:
        raise not_found()
    won = [
        deal
        for deal in call.crm.live()
        if deal.won_time is not None
        and start <= rfc3339(deal.won_time)[:10] <= end
        and (goal["assignee"]["type"] != "person" or deal.owner_id == goal["assignee"]["id"])
    ]
    rates = call.crm.currencies
    if goal["expected_outcome"]["tracking_metric"] == "sum":
        amounts = ((d.value or Decimal(0)) * rates.get(d.currency, Decimal(0)) for d in won)
        progress = number(sum(amounts, Decimal()))
    else:
        progress = len(won)
    return Reply({"goal": goal, "progress": progress}, extra=_GOALS)


def _chosen(call: Call) -> Iterator[Deal]:
    status = call.query.get("status")
    wanted = {
        "pipeline_id": call.whole("pipeline_id"),
        "stage_id": call.whole("stage_id"),
        "owner_id": call.whole("user_id"),
    }
    chosen = call.crm.filters.get(call.whole("filter_id") or 0)
    for deal in call.crm.live():
        if deal.is_archived or status not in (None, deal.status):
            continue
        if chosen is not None and deal.id not in chosen:
            continue
        if all(value in (None, getattr(deal, name)) for name, value in wanted.items()):
            yield deal


def _sum(code: str, value: Decimal, count: Decimal) -> dict[str, Any]:
    return {"value": number(value), "count": int(count), "value_formatted": _money(code, value)}


def _money(code: str, value: Decimal) -> str:
    return f"{code} {value:,.2f}"


def _overlaps(goal: dict[str, Any], start: str, end: str) -> bool:
    lasts = goal["duration"]
    return bool(lasts["start"] <= end and (lasts["end"] is None or lasts["end"] >= start))

"""The account: details, usage and currencies."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from sync.sandbox.hubspot.calls import Call, Reply
from sync.sandbox.hubspot.shape import paging
from sync.sandbox.store.instants import iso, to_ms
from sync.sandbox.store.rates import Rate


def details(call: Call) -> Reply:
    company = call.crm.company
    offset = call.crm.clock.now().astimezone(ZoneInfo(company.time_zone)).utcoffset() or timedelta()
    minutes = int(offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return Reply(
        200,
        {
            "portalId": call.crm.portal_id,
            "accountType": "STANDARD",
            "timeZone": company.time_zone,
            "companyCurrency": company.home_currency,
            "additionalCurrencies": call.crm.currencies[1:],
            "utcOffset": f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}",
            "utcOffsetMilliseconds": minutes * 60_000,
            "uiDomain": "app-eu1.hubspot.com",
            "dataHostingLocation": "eu1",
        },
    )


def daily_usage(call: Call) -> Reply:
    used = {
        "name": "private-apps-api-calls-daily",
        "usageLimit": call.behaviour.daily_limit,
        "currentUsage": call.limits.used_today,
        "collectedAt": iso(call.crm.now()),
        "fetchStatus": "SUCCESS",
        "resetsAt": iso(to_ms(call.limits.resets_at())),
    }
    return Reply(200, {"results": [used]})


def company_currency(call: Call) -> Reply:
    return Reply(
        200, {"id": call.crm.company.home_currency, "createdAt": iso(call.crm.deals_since)}
    )


def exchange_rates(call: Call) -> Reply:
    """Present and past ones, page by page."""
    versions = call.crm.rates.versions
    limit, start = int(call.text("limit", "100")), int(call.text("after", "0"))
    body: dict[str, object] = {
        "results": [_rate(call, version) for version in versions[start : start + limit]]
    }
    if start + limit < len(versions):
        link = f"{call.origin}/settings/v3/currencies/exchange-rates?after={start + limit}"
        body["paging"] = paging(str(start + limit), link)
    return Reply(200, body)


def current_exchange_rates(call: Call) -> Reply:
    """One unit of each additional currency in the company's own."""
    return Reply(
        200, {"results": [_rate(call, version) for version in call.crm.rates.current().values()]}
    )


def _rate(call: Call, version: Rate) -> dict[str, object]:
    return {
        "id": str(version.id),
        "fromCurrencyCode": version.currency,
        "toCurrencyCode": call.crm.company.home_currency,
        "conversionRate": float(version.rate),
        "visibleInUI": True,
        "effectiveAt": iso(version.effective),
        "createdAt": iso(version.created),
        "updatedAt": iso(version.updated),
    }

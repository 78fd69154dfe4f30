"""The account: details, usage and currencies."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from sync.sandbox.hubspot.calls import Call, Reply
from sync.sandbox.store.instants import iso, to_ms


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
    """One unit of each additional currency in the company's own."""
    company, since = call.crm.company, iso(call.crm.deals_since)
    results = [
        {
            "id": str(7_001 + position),
            "fromCurrencyCode": currency,
            "toCurrencyCode": company.home_currency,
            "conversionRate": float(company.exchange_rates[currency]),
            "visibleInUI": True,
            "effectiveAt": since,
            "createdAt": since,
            "updatedAt": since,
        }
        for position, currency in enumerate(call.crm.currencies[1:])
    ]
    return Reply(200, {"results": results})

"""HubSpot's webhooks: the v3 signature, and which deals a batch of events is about."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

from sync.crm.webhooks import Hint, Notification, Unreadable, Untrusted, is_id, parsed

MAX_AGE_MS: Final = 300_000
OWN_PREFIX: Final = "dealpulse_"
"""Our own write-back is no news."""

_DECODED: Final = re.compile("%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
_ID_KEYS: Final = ("objectId", "primaryObjectId", "newObjectId", "fromObjectId")
_DEALS: Final = ("0-3", None)


class HubSpotReceiver:
    """public_url: the app's target URL as configured there; what a proxy says does not count."""

    def __init__(self, public_url: str, client_secret: str) -> None:
        self._uri = _DECODED.sub(lambda found: unquote(found[0]), public_url)
        self._key = client_secret.encode()

    def hints(self, notification: Notification, *, now: datetime) -> Sequence[Hint]:
        self._check(notification, now)
        events = parsed(notification.body)
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            raise Unreadable
        return [hint for event in events for hint in _of(event, now)]

    def _check(self, notification: Notification, now: datetime) -> None:
        """Raises Untrusted, whatever is wrong: a forger learns nothing."""
        sent = notification.headers.get("x-hubspot-request-timestamp", "")
        shown = notification.headers.get("x-hubspot-signature-v3", "")
        if not (sent.isascii() and sent.isdigit() and len(sent) <= 16):
            raise Untrusted
        message = f"{notification.method}{self._uri}".encode() + notification.body + sent.encode()
        digest = hmac.new(self._key, message, hashlib.sha256).digest()
        genuine = hmac.compare_digest(base64.b64encode(digest), shown.encode())
        recent = abs(now.timestamp() * 1000 - int(sent)) <= MAX_AGE_MS
        if not (genuine and recent):
            raise Untrusted


def _of(event: dict[str, Any], now: datetime) -> Iterator[Hint]:
    """Documents say `eventType`, payloads `subscriptionType`; generic ones name the object type."""
    kind = str(event.get("subscriptionType") or event.get("eventType") or "")
    about_deals = kind.startswith("deal.") or (
        kind.startswith("object.") and event.get("objectTypeId") in _DEALS
    )
    if not about_deals or str(event.get("propertyName") or "").startswith(OWN_PREFIX):
        return
    portal = event.get("portalId")
    merged = event.get("mergedObjectIds")
    ids = [event.get(key) for key in _ID_KEYS] + (merged if isinstance(merged, list) else [])
    for deal_id in dict.fromkeys(str(i) for i in ids if is_id(i)):
        yield Hint(deal_id, _at(event.get("occurredAt"), now), str(portal) if portal else None)


def _at(occurred_ms: object, now: datetime) -> datetime:
    if isinstance(occurred_ms, int) and 0 < occurred_ms <= now.timestamp() * 1000:
        return datetime.fromtimestamp(occurred_ms / 1000, UTC)
    return now

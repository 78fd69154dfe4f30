"""Pipedrive's webhooks, version 2 and the older one: HTTP Basic, one event a request."""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime

from sync.crm.webhooks import Hint, Notification, Unreadable, Untrusted, is_id, parsed


class PipedriveReceiver:
    """Pipedrive signs nothing: the user and the password are all that there is."""

    def __init__(self, username: str, password: str) -> None:
        login = base64.b64encode(f"{username}:{password}".encode())
        self._expected = b"Basic " + login

    def hints(self, notification: Notification, *, now: datetime) -> Sequence[Hint]:
        shown = notification.headers.get("authorization", "")
        if not hmac.compare_digest(self._expected, shown.encode()):
            raise Untrusted
        event = parsed(notification.body)
        meta = event.get("meta") if isinstance(event, dict) else None
        if not isinstance(meta, dict):
            raise Unreadable
        if (meta.get("entity") or meta.get("object")) != "deal":
            return []
        company = meta.get("company_id")
        ids = (meta.get("entity_id"), meta.get("merged_to_id"), meta.get("merged_from_id"))
        older = meta.get("id") if "entity" not in meta else None
        return [
            Hint(str(deal_id), now, str(company) if company else None)
            for deal_id in (*ids, older)
            if is_id(deal_id)
        ]

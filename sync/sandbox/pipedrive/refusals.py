"""Faults in Pipedrive's words."""

from typing import Any

import orjson

from sync.sandbox.faults import Fault
from sync.sandbox.gate import Answer
from sync.sandbox.pipedrive.errors import CLOUDFLARE, ApiError, forbidden, over_limit

JSON = "application/json; charset=utf-8"
_WINDOW = {b"x-ratelimit-limit": b"20", b"x-ratelimit-reset": b"2"}


def refusal(fault: Fault) -> Answer | None:
    if fault.kind == "cloudflare_403":
        return Answer(403, "text/html; charset=UTF-8", CLOUDFLARE)
    if fault.kind == "rate_limited_429":
        return _answer(over_limit(), _WINDOW | {b"x-ratelimit-remaining": b"0"}, fault)
    if fault.kind == "daily_limit_429":
        left = {b"x-ratelimit-remaining": b"19", b"x-daily-ratelimit-token-remaining": b"0"}
        return _answer(over_limit(), _WINDOW | left, fault)
    error = {
        "payment_402": ApiError(402, "Company account is not open", extra={}),
        "forbidden_403": forbidden("You do not have permission to do this."),
        "maintenance_503": ApiError(503, "Scheduled maintenance", extra={}),
        "server_500": ApiError(500, "Internal server error", extra={}),
    }.get(fault.kind)
    return None if error is None else _answer(error, {}, fault)


def _answer(error: ApiError, headers: dict[bytes, bytes], fault: Fault) -> Answer:
    body: dict[str, Any] = error.body
    answer = Answer(error.status, JSON, orjson.dumps(body))
    for name, value in headers.items():
        answer.header(name, value)
    if fault.retry_after_s is not None:
        answer.header(b"retry-after", str(fault.retry_after_s).encode())
    return answer

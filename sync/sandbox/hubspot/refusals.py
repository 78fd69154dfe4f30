"""Faults in HubSpot's words."""

from uuid import uuid4

import orjson

from sync.sandbox.faults import Fault
from sync.sandbox.gate import HTML, Answer

JSON = "application/json;charset=utf-8"


HTML_403 = (
    b"<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head>"
    b"<body><h1>Sorry, you have been blocked</h1></body></html>"
)


def refusal(fault: Fault) -> Answer | None:
    if fault.kind == "cloudflare_403":
        return Answer(403, HTML, HTML_403)
    errors = {
        "locked_423": (423, "LOCKED", "This resource is locked; try again after 2 seconds."),
        "migration_477": (477, "MIGRATION_IN_PROGRESS", "This account is being moved."),
        "rate_limited_429": (429, "RATE_LIMITS", "You have reached your secondly limit."),
        "server_500": (500, "INTERNAL_ERROR", "There was a problem with the request."),
    }
    if fault.kind not in errors:
        return None
    status, category, message = errors[fault.kind]
    body = {
        "status": "error",
        "message": message,
        "correlationId": str(uuid4()),
        "category": category,
    }
    if status == 429:
        body |= {"errorType": "RATE_LIMIT", "policyName": "SECONDLY"}
    answer = Answer(status, JSON, orjson.dumps(body))
    wait = 60 if status == 477 and fault.retry_after_s is None else fault.retry_after_s
    if wait is not None:
        answer.header(b"retry-after", str(wait).encode())
    return answer

"""HubSpot's error bodies."""

from collections.abc import Mapping, Sequence
from uuid import uuid4

import orjson

from sync.sandbox.hubspot.calls import Reply
from sync.sandbox.limits import Exceeded
from sync.sandbox.store.refusals import Problem

_NAMES = {
    "TEN_SECONDLY_ROLLING": "ten_secondly_rolling",
    "SECONDLY": "secondly",
    "DAILY": "daily",
}
MISSING_SCOPES = (
    "This app hasn't been granted all required scopes to make this call. "
    "Read more about required scopes here: https://developers.hubspot.com/scopes."
)
NO_CREDENTIALS = (
    "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can "
    "find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"
)


class ApiError(Exception):
    """An answer other than success, as HubSpot words it."""

    def __init__(
        self,
        status: int,
        category: str,
        message: str,
        *,
        sub_category: str | None = None,
        errors: Sequence[Mapping[str, object]] = (),
        context: Mapping[str, Sequence[str]] | None = None,
        extra: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        body: dict[str, object] = {
            "status": "error",
            "message": message,
            "correlationId": str(uuid4()),
        }
        if category:
            body["category"] = category
        if sub_category:
            body["subCategory"] = sub_category
        if errors:
            body["errors"] = list(errors)
        if context:
            body["context"] = context
        self.reply = Reply(status, body | dict(extra or {}), dict(headers or {}))


def invalid(message: str, **context: Sequence[str]) -> ApiError:
    return ApiError(400, "VALIDATION_ERROR", message, context=context)


def refused(problems: Sequence[Problem], portal_id: int) -> ApiError:
    """The message carries the details once more, as text, as HubSpot's does."""
    details = [
        {
            "isValid": False,
            "message": p.message,
            "error": p.code,
            "name": p.name,
            "localizedErrorMessage": p.message,
            "portalId": portal_id,
        }
        for p in problems
    ]
    return ApiError(
        400,
        "VALIDATION_ERROR",
        f"Property values were not valid: {orjson.dumps(details).decode()}",
        errors=[problem_json(p) for p in problems],
    )


def problem_json(problem: Problem) -> dict[str, object]:
    return {
        "message": problem.message,
        "code": problem.code,
        "context": {"propertyName": [problem.name]},
    }


def not_found(message: str, object_id: str) -> ApiError:
    return ApiError(404, "OBJECT_NOT_FOUND", message, context={"id": [object_id]})


def no_credentials() -> ApiError:
    return ApiError(401, "INVALID_AUTHENTICATION", NO_CREDENTIALS)


def expired(seconds: int, at: str) -> ApiError:
    return ApiError(
        401,
        "EXPIRED_AUTHENTICATION",
        f"The OAuth token used to make this call expired {seconds} second(s) ago.",
        context={"expire time": [at]},
    )


def missing_scopes(scopes: Sequence[str]) -> ApiError:
    return ApiError(
        403,
        "MISSING_SCOPES",
        MISSING_SCOPES,
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": list(scopes)},
            }
        ],
    )


def rate_limited(exceeded: Exceeded, *, retry_after: bool) -> ApiError:
    headers = {"Retry-After": str(max(1, round(exceeded.wait_s)))} if retry_after else {}
    return ApiError(
        429,
        "",
        f"You have reached your {_NAMES[exceeded.policy]} limit.",
        extra={
            "errorType": "RATE_LIMIT",
            "policyName": exceeded.policy,
            "groupName": exceeded.group,
        },
        headers=headers,
    )

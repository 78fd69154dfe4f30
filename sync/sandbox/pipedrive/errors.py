"""What the simulated Pipedrive answers when it does not do as asked."""

from collections.abc import Mapping
from typing import Any

INFO = "Please check developers.pipedrive.com"
CLOUDFLARE = b"""<!DOCTYPE html>
<html><head><title>Access denied | pipedrive.com used Cloudflare to restrict access</title></head>
<body><h1>Error 1015</h1><p>You are being rate limited.</p>
<p>This error is produced by Cloudflare.</p></body></html>"""


class ApiError(Exception):
    """`extra`: further keys of the body."""

    def __init__(
        self,
        status: int,
        error: str,
        *,
        info: str | None = INFO,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.body: dict[str, Any] = {"success": False, "error": error, "error_info": info}
        self.body |= {"data": None, "additional_data": None} if extra is None else extra


def invalid(*problems: tuple[str, str]) -> ApiError:
    text = "; ".join(f"{key}: {problem}" for key, problem in problems)
    extra = {"data": None, "additional_data": None, "code": "ERR_SCHEMA_VALIDATION_FAILED"}
    return ApiError(400, f"Validation failed: {text}", extra=extra)


def bad_request(text: str) -> ApiError:
    return ApiError(400, text)


def not_found() -> ApiError:
    return ApiError(404, "Entity was not found", info="Object was not found.")


def frozen(text: str) -> ApiError:
    """A deal that is archived or deleted; the wording is not documented."""
    return ApiError(400, text)


def capped(what: str, code: str) -> ApiError:
    extra = {"data": None, "additional_data": None, "code": code}
    return ApiError(403, what, extra=extra)


def unauthorized() -> ApiError:
    return ApiError(401, "unauthorized access", extra={"errorCode": 401})


def invalid_token() -> ApiError:
    return ApiError(401, "Invalid token: access_token is invalid", extra={"errorCode": 401})


def scope_mismatch() -> ApiError:
    return ApiError(403, "Scope and URL mismatch", extra={})


def forbidden(text: str) -> ApiError:
    return ApiError(403, text)


def over_limit() -> ApiError:
    return ApiError(429, "Request over limit", info=None, extra={"errorCode": 429})

"""What an answer of Pipedrive means: JSON, or one of our errors by its remedy. Pure.

Bodies never go into errors; of Pipedrive's own `error` a shortened quotation does, without the
token. See BEHAVIOR.md for where each rule comes from.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from sync.crm.calls import AttemptFailed
from sync.errors import AuthError, PermanentError, TransientError

Json = dict[str, Any]

QUOTED_CHARS: Final = 300
BURST_S: Final = 2.0
"""Pipedrive counts bursts in windows of two seconds."""
MAX_BURST_WAIT_S: Final = 5.0
DAILY_PAUSE_S: Final = 3600.0
BLOCKED_PAUSE_S: Final = 6 * 3600.0
UNPAID_PAUSE_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer as it came; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What is needed to read an answer. scopes: any one of which would have allowed the call."""

    method: str
    what: str
    scopes: tuple[str, ...]
    secret: str = field(repr=False)


class Refused(PermanentError):
    """Pipedrive understood and refused. message: Pipedrive's own, quotable, may be empty."""

    def __init__(self, text: str, *, status: int, message: str = "", code: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.message = message
        self.code = code


class Paused(TransientError):
    """Every call of this account has to rest for `retry_after`, not this one alone."""

    def __init__(self, message: str, *, seconds: float) -> None:
        super().__init__(message, retry_after=timedelta(seconds=seconds))
        self.seconds = seconds


def read(answer: Answer, asked: Asked) -> Json:
    """The answer's JSON object. Raises AttemptFailed, AuthError, Refused or Paused."""
    if not 200 <= answer.status <= 299:
        raise failure(answer, asked)
    body = _json(answer)
    if body is None or body.get("success") is not True or "data" not in body:
        raise AttemptFailed(
            f"Pipedrive answered {asked.what} with {answer.status} but not with the JSON that was "
            f"asked for ({_looks(answer)}); usually a hiccup or a proxy in between.",
            ambiguous=True,
        )
    return body


def failure(answer: Answer, asked: Asked) -> Exception:
    """The error that an answer outside 2xx stands for."""
    body = _json(answer)
    message = quotable((body or {}).get("error"), asked.secret)
    status = answer.status
    if status == 401:
        return AuthError(
            f"Pipedrive refused the token (401){_said(message)}. Regenerating a user's token ends "
            "the old one at once, and an administrator can take the API away from a user: copy "
            "the token anew into the connection's environment variable and start again."
        )
    if status == 402:
        return Paused(
            "The Pipedrive company account is not open (402): its trial is over or it was not "
            "paid. Nothing is lost; it goes on by itself once the account is open again.",
            seconds=UNPAID_PAUSE_S,
        )
    if status == 403 and body is None:
        return _blocked()
    if status == 403:
        return _forbidden(body or {}, asked, message)
    if status == 429:
        return _too_much(answer, asked)
    if status >= 500 or status == 408:
        return AttemptFailed(
            f"Pipedrive answered {asked.what} with a fault of its own ({status}); see "
            "status.pipedrive.com if it lasts.",
            ambiguous=status != 408,
        )
    return _refusal(status, body, asked, message)


def is_daily(headers: Mapping[str, str]) -> bool:
    """Whether a 429 means the day's tokens, not the burst: only then waiting seconds is no use."""
    if number(headers.get("x-daily-ratelimit-token-remaining")) == 0:
        return True
    burst_left = number(headers.get("x-ratelimit-remaining"))
    return burst_left is not None and burst_left > 0


def number(text: str | None) -> int | None:
    """A header's whole number; None where there is none."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def quotable(message: object, secret: str = "") -> str:
    """Pipedrive's text on one line, shortened, without the token; empty where there is none."""
    if not isinstance(message, str):
        return ""
    text = " ".join(message.split())
    if secret:
        text = text.replace(secret, "[token]")
    return text if len(text) <= QUOTED_CHARS else text[: QUOTED_CHARS - 1] + "…"


def _json(answer: Answer) -> Json | None:
    """Amounts are exact: a number with a point comes as Decimal."""
    if "json" not in answer.headers.get("content-type", "").lower():
        return None
    try:
        body = json.loads(answer.body, parse_float=Decimal, parse_constant=str)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _looks(answer: Answer) -> str:
    if not answer.body:
        return "an empty body"
    kind = answer.headers.get("content-type", "no content type").split(";")[0]
    return f"{len(answer.body)} bytes of {kind}"


def _said(message: str) -> str:
    return f": {message.rstrip('.')}" if message else ""


def _blocked() -> Paused:
    return Paused(
        "Pipedrive's front door (Cloudflare) turned us away with a page instead of an answer "
        "(403), as it does when an app goes on calling after it was told to stop. dealpulse rests "
        "for hours. If other apps use the same token, give dealpulse one of its own.",
        seconds=BLOCKED_PAUSE_S,
    )


def _forbidden(body: Json, asked: Asked, message: str) -> Exception:
    code = str(body.get("code") or "")
    if "scope" in message.lower():
        names = " or ".join(asked.scopes)
        return AuthError(
            f"The app may not do this: {asked.what} needs the scope {names}. Add it to the app in "
            "Pipedrive's Marketplace Manager and let it be installed again.",
            missing_scopes=asked.scopes,
        )
    if asked.method != "GET" or code:
        return Refused(
            f"Pipedrive does not allow {asked.what} (403){_said(message)}.",
            status=403,
            message=message,
            code=code,
        )
    return AuthError(
        f"Pipedrive does not allow {asked.what} (403){_said(message)}. Use the token of an "
        "administrator: others see less, and totals would be too low.",
        missing_scopes=asked.scopes,
    )


def _too_much(answer: Answer, asked: Asked) -> Exception:
    if is_daily(answer.headers):
        return Paused(
            "The Pipedrive company's tokens of the day are used up, all apps together (429). "
            "dealpulse looks again in an hour; who used them stands in Pipedrive under Company "
            "settings > API usage.",
            seconds=DAILY_PAUSE_S,
        )
    reset = number(answer.headers.get("x-ratelimit-reset"))
    return AttemptFailed(
        f"Pipedrive's rate limit was reached at {asked.what} (429); other apps with the same token "
        "may be using it up, or rate_limit_share is too high.",
        wait_s=min(max(float(reset or 0), BURST_S), MAX_BURST_WAIT_S),
        throttled=True,
    )


def _refusal(status: int, body: Json | None, asked: Asked, message: str) -> Refused:
    hint = "."
    if body is None:
        hint = "; it did not answer as Pipedrive does: check base_url."
    elif status == 410:
        hint = "; Pipedrive has taken this part of its API away: update dealpulse."
    return Refused(
        f"Pipedrive refused {asked.what} ({status}){_said(message)}{hint}",
        status=status,
        message=message,
        code=str((body or {}).get("code") or ""),
    )

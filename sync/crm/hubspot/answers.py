"""What an answer of HubSpot means: JSON, or one of our errors by its remedy. Pure.

Bodies never go into errors; of HubSpot's own `message` a shortened quotation does, without the
token. See BEHAVIOR.md for where each rule comes from.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from sync.crm.calls import AttemptFailed
from sync.errors import AuthError, PermanentError

Json = dict[str, Any]

QUOTED_CHARS: Final = 300
MAX_THROTTLE_S: Final = 60.0
LOCK_S: Final = 2.0
"""HubSpot locks a record that is written too often for two seconds."""

_SCOPE_KEYS: Final = ("requiredGranularScopes", "requiredScopes")
_TLS_TROUBLE: Final = (522, 525, 526)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer as it came; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What is needed to read an answer: what was asked, when, in which zone the day ends.

    expect: the key without which an answer is not what was asked for; None = any JSON object.
    """

    what: str
    expect: str | None
    now: datetime
    zone: ZoneInfo
    secret: str = field(repr=False)


class Refused(PermanentError):
    """HubSpot understood and refused.

    message: HubSpot's own, quotable, may be empty. codes: of its single complaints.
    """

    def __init__(
        self, text: str, *, status: int, message: str = "", codes: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(text)
        self.status = status
        self.message = message
        self.codes = codes


def read(answer: Answer, asked: Asked) -> Json:
    """The answer's JSON object; `{}` where HubSpot answers without a body.

    Raises AttemptFailed, AuthError or Refused.
    """
    if answer.status == 204:
        return {}
    if not 200 <= answer.status <= 299:
        raise failure(answer, asked)
    body = _json(answer)
    if body is None or not _has(body, asked.expect):
        raise AttemptFailed(
            f"HubSpot answered {asked.what} with {answer.status} but not with the JSON that was "
            f"asked for ({_looks(answer)}); usually maintenance or a proxy in between.",
            ambiguous=True,
        )
    return body


def failure(answer: Answer, asked: Asked) -> Exception:
    """The error that an answer outside 2xx stands for."""
    told = _json(answer)
    body = told or {}
    message = quotable(body.get("message"), asked.secret)
    status = answer.status
    if status == 401:
        return AuthError(
            f"HubSpot refused the access token (401){_said(message)}. Make a new one in HubSpot, "
            "put it into the connection's environment variable and start again."
        )
    if status == 403:
        return _turned_away(asked) if told is None else _forbidden(body, asked, message)
    if status == 530:
        return AuthError(
            "HubSpot's front door turned the request away (530), which happens when the access "
            "token has a wrong format: copy it again, whole, into the environment variable."
        )
    waiting = _told_to_wait(answer, body, asked)
    if waiting is not None:
        return waiting
    if status >= 500 or status == 408:
        return _outage(status, asked)
    return _refusal(status, body, asked, message)


def quotable(message: object, secret: str = "") -> str:
    """HubSpot's text on one line, shortened, without the token; empty where there is none.

    Of the JSON that HubSpot writes into the text of its refusals only the messages stay.
    """
    if not isinstance(message, str):
        return ""
    said, details = message, _embedded(message)
    if details:
        reasons = dict.fromkeys(str(d.get("message") or d.get("error") or "") for d in details)
        said = message[: message.index("[")] + "; ".join(filter(None, reasons))
    text = " ".join(said.split())
    if secret:
        text = text.replace(secret, "[token]")
    return text if len(text) <= QUOTED_CHARS else text[: QUOTED_CHARS - 1] + "…"


def codes(body: Json) -> frozenset[str]:
    """Of HubSpot's single complaints: those in `errors` and those in the text of its message."""
    listed = [e.get("code") for e in body.get("errors") or () if isinstance(e, dict)]
    written = [detail.get("error") for detail in _embedded(body.get("message"))]
    return frozenset(str(code) for code in (*listed, *written) if code)


def seconds_to_midnight(now: datetime, zone: ZoneInfo) -> float:
    """Until the account's day ends, which is when HubSpot's daily count begins anew."""
    local = now.astimezone(zone)
    midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), zone)
    return max(1.0, midnight.timestamp() - now.timestamp())


def _json(answer: Answer) -> Json | None:
    if "json" not in answer.headers.get("content-type", "").lower():
        return None
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None


def _has(body: Json, expect: str | None) -> bool:
    if expect == "results":
        return isinstance(body.get("results"), list)
    return expect is None or body.get(expect) is not None


def _looks(answer: Answer) -> str:
    if not answer.body:
        return "an empty body"
    kind = answer.headers.get("content-type", "no content type").split(";")[0]
    return f"{len(answer.body)} bytes of {kind}"


def _said(message: str) -> str:
    return f": {message.rstrip('.')}" if message else ""


def _forbidden(body: Json, asked: Asked, message: str) -> AuthError:
    scopes = tuple(dict.fromkeys(_scopes(body)))
    if not scopes:
        return AuthError(
            f"HubSpot does not allow {asked.what} (403){_said(message)}. Check the user and the "
            "scopes of the access token."
        )
    names = " or ".join(scopes)
    return AuthError(
        f"The access token may not do this: {asked.what} needs the scope {names}. Add it to the "
        "token's app or service key in HubSpot, then start again.",
        missing_scopes=scopes,
    )


def _turned_away(asked: Asked) -> AttemptFailed:
    """A page is not HubSpot's word on the token."""
    return AttemptFailed(
        f"HubSpot's front door (Cloudflare), or a proxy in between, answered {asked.what} with a "
        "page of its own (403). If it lasts, see status.hubspot.com, and whether this machine's "
        "address may reach HubSpot: a firewall, VPN or proxy may be in the way."
    )


def _scopes(body: Json) -> Iterator[str]:
    errors = body.get("errors")
    parts = [body, *(errors if isinstance(errors, list) else [])]
    for part in parts:
        context = part.get("context") if isinstance(part, dict) else None
        for key in _SCOPE_KEYS:
            named = context.get(key) if isinstance(context, dict) else None
            if isinstance(named, list):
                yield from (scope for scope in named if isinstance(scope, str))


def _told_to_wait(answer: Answer, body: Json, asked: Asked) -> AttemptFailed | None:
    """429, 423 and 477: HubSpot names a pause; nothing was carried out."""
    told = _retry_after(answer)
    if answer.status == 429:
        return _rate_limited(str(body.get("policyName") or "").upper(), told, asked)
    if answer.status == 423:
        wait = min(max(told or 0.0, LOCK_S), MAX_THROTTLE_S)
        return AttemptFailed(
            f"HubSpot has locked what {asked.what} touches, after many writes (423).", wait_s=wait
        )
    if answer.status == 477:
        return AttemptFailed(
            "HubSpot is moving this account to another data centre (477) and asks for a pause; "
            "it goes on by itself afterwards.",
            wait_s=told or MAX_THROTTLE_S,
            throttled=True,
        )
    return None


def _rate_limited(policy: str, told: float | None, asked: Asked) -> AttemptFailed:
    if policy == "DAILY":
        return AttemptFailed(
            "The HubSpot account has used up its calls of the day, all apps together (429); "
            "it goes on by itself after midnight in the account's time zone.",
            wait_s=told or seconds_to_midnight(asked.now, asked.zone),
            throttled=True,
        )
    natural = 10.0 if policy.startswith("TEN_SECONDLY") else 1.0
    return AttemptFailed(
        f"HubSpot's rate limit was reached at {asked.what} (429{', ' + policy if policy else ''});"
        " other apps of the account may be using it up, or rate_limit_share is too high.",
        wait_s=min(max(told or 0.0, natural), MAX_THROTTLE_S),
        throttled=True,
    )


def _retry_after(answer: Answer) -> float | None:
    try:
        seconds = float(answer.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 < seconds < 10 * 86_400 else None


def _outage(status: int, asked: Asked) -> AttemptFailed:
    if status in _TLS_TROUBLE:
        text = f"HubSpot's front door could not reach HubSpot itself ({status})"
    else:
        text = f"HubSpot answered {asked.what} with a fault of its own ({status})"
    return AttemptFailed(f"{text}; see status.hubspot.com if it lasts.", ambiguous=status != 408)


def _refusal(status: int, body: Json, asked: Asked, message: str) -> Refused:
    category = str(body.get("category") or "")
    hint = "."
    if status == 404 and not body:
        hint = "; there is no such address: check base_url and api_version."
    elif status == 414:
        hint = "; the address is too long: read fewer properties at a time."
    elif 300 <= status <= 399:
        hint = "; it sends us elsewhere: check base_url."
    return Refused(
        f"HubSpot refused {asked.what} ({status}{', ' + category if category else ''})"
        f"{_said(message)}{hint}",
        status=status,
        message=message,
        codes=codes(body),
    )


def _embedded(message: object) -> list[Json]:
    """The JSON array of complaints that HubSpot puts behind the words of a message."""
    if not isinstance(message, str) or "[{" not in message:
        return []
    try:
        found = orjson.loads(message[message.index("[") :])
    except orjson.JSONDecodeError:
        return []
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []

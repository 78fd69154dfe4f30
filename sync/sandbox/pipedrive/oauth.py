"""The page of consent and the token endpoint of the simulated OAuth server."""

from base64 import b64decode
from binascii import Error as BadBase64
from urllib.parse import parse_qsl, urlencode

from sync.sandbox.pipedrive.crm import PipedriveCrm
from sync.sandbox.pipedrive.tokens import InvalidGrant


def consent(crm: PipedriveCrm, query: dict[str, str]) -> str | None:
    """Where the person who clicks "allow" is sent; None for an unknown app."""
    if query.get("client_id") != crm.tokens.client_id or "redirect_uri" not in query:
        return None
    answer = {"code": crm.tokens.code()}
    if "state" in query:
        answer["state"] = query["state"]
    return f"{query['redirect_uri']}?{urlencode(answer)}"


def exchange(crm: PipedriveCrm, authorization: str, form: bytes, origin: str) -> tuple[int, object]:
    """Status and body. `authorization`: the header, HTTP Basic with the client's id and secret."""
    if not _is_client(crm, authorization):
        return 400, _error("invalid_client", "Invalid client: client is invalid")
    fields = dict(parse_qsl(form.decode("utf-8", "replace")))
    try:
        if fields.get("grant_type") == "authorization_code":
            token, refresh = crm.tokens.exchange_code(fields.get("code", ""))
        elif fields.get("grant_type") == "refresh_token":
            token, refresh = crm.tokens.exchange_refresh_token(fields.get("refresh_token", ""))
        else:
            return 400, _error("unsupported_grant_type", "Unsupported grant type")
    except InvalidGrant as invalid:
        return 400, _error("invalid_grant", f"Invalid grant: {invalid}")
    return 200, {
        "access_token": token.value,
        "token_type": "Bearer",
        "expires_in": crm.behaviour.access_token_s,
        "refresh_token": refresh,
        "scope": ",".join(sorted(token.scopes)),
        "api_domain": origin,
    }


def _is_client(crm: PipedriveCrm, authorization: str) -> bool:
    scheme, _, encoded = authorization.partition(" ")
    try:
        given = b64decode(encoded, validate=True).decode()
    except (BadBase64, ValueError):
        return False
    return (
        scheme.lower() == "basic" and given == f"{crm.tokens.client_id}:{crm.tokens.client_secret}"
    )


def _error(kind: str, message: str) -> dict[str, object]:
    return {"success": False, "error": kind, "message": message}

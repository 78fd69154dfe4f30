"""HubSpot's log-in for apps: the page of consent, and the token endpoint."""

from urllib.parse import parse_qsl, urlencode

from sync.sandbox.crm import Crm
from sync.sandbox.store.tokens import ALL_SCOPES, InvalidGrant

Answer = tuple[int, dict[str, object]]


def consent(crm: Crm, query: dict[str, str]) -> str | None:
    """Where the person who clicks "allow" is sent; None for an unknown app."""
    if query.get("client_id") != crm.tokens.client_id or "redirect_uri" not in query:
        return None
    asked = frozenset(query.get("scope", "").split()) or ALL_SCOPES
    answer = {"code": crm.tokens.code(asked & ALL_SCOPES)}
    if "state" in query:
        answer["state"] = query["state"]
    return f"{query['redirect_uri']}?{urlencode(answer)}"


def exchange(crm: Crm, form: bytes) -> Answer:
    """Status and body; everything that is asked stands in the form."""
    fields = dict(parse_qsl(form.decode("utf-8", "replace")))
    client = fields.get("client_id"), fields.get("client_secret")
    if client != (crm.tokens.client_id, crm.tokens.client_secret):
        return _refused("BAD_CLIENT_SECRET", "missing or invalid client secret")
    life_s, rotate = crm.behaviour.access_token_s, crm.behaviour.rotates_refresh_token
    ends = crm.now() + life_s * 1000
    try:
        if fields.get("grant_type") == "authorization_code":
            token, refresh = crm.tokens.exchange_code(fields.get("code", ""), ends=ends)
        elif fields.get("grant_type") == "refresh_token":
            shown = fields.get("refresh_token", "")
            token, refresh = crm.tokens.exchange_refresh_token(shown, ends=ends, rotate=rotate)
        else:
            return _refused("BAD_GRANT_TYPE", "missing or unknown grant type")
    except InvalidGrant as invalid:
        kind = "BAD_AUTH_CODE" if "code" in str(invalid) else "BAD_REFRESH_TOKEN"
        return _refused(kind, str(invalid))
    return 200, {
        "token_type": "bearer",
        "access_token": token.value,
        "refresh_token": refresh,
        "expires_in": life_s,
    }


def _refused(status: str, message: str) -> Answer:
    return 400, {"status": status, "message": message}

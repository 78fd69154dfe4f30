"""Who we are to Pipedrive: a user's token, or an app's OAuth tokens."""

from typing import Protocol

from sync.crm.oauth import Credentials as AnyCredentials
from sync.crm.oauth import OAuthTokens, StaticToken


class Credentials(AnyCredentials, Protocol):
    """What goes into each request's header."""

    @property
    def burst(self) -> int:
        """Calls in two seconds on the smallest plan."""

    def header(self, secret: str) -> tuple[str, str]: ...


class ApiToken(StaticToken):
    """A user's personal token. It never ends, and can do all that its user can."""

    burst = 20

    def header(self, secret: str) -> tuple[str, str]:
        return "x-api-token", secret


class OAuth:
    """An installed app's tokens."""

    burst = 80

    def __init__(self, tokens: OAuthTokens) -> None:
        self._tokens = tokens

    def secret(self) -> str:
        return self._tokens.secret()

    def renew(self, refused: str) -> bool:
        return self._tokens.renew(refused)

    def header(self, secret: str) -> tuple[str, str]:
        return "Authorization", f"Bearer {secret}"

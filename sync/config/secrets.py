"""Secrets: read from the environment, only when wanted, and never shown.

`redact` is the last line of defence for text on its way out (logs, errors): it knows what tokens,
passwords in URLs and webhook addresses look like.
"""

import re
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from sync.config.model import ApiConnection, EmailChannel, WebhookChannel
from sync.errors import ConfigError

DATABASE_URL_ENV: Final = "DEALPULSE_DATABASE_URL"

_HIDDEN: Final = "***"
_NAMES: Final = (
    r"token|(?:api|access|private|service|secret)[_-]?key|hapikey|secret|"
    r"pass(?:word|wd|phrase)|pwd|authorization|credentials?"
)
_SECRET_NAME: Final = re.compile(rf"(?:.*[_.-])?(?:{_NAMES})", re.IGNORECASE)
_VALUES: Final = (
    re.compile(r"\bpat-[a-z]{2}\d?-[0-9a-f-]{8,}", re.IGNORECASE),
    re.compile(r"\bxox[a-z]-[\w-]{8,}"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"),
    re.compile(r"(?<=bearer )(?=\S*\d|\S{20})[\w.~+/=-]{6,}", re.IGNORECASE),
    re.compile(r"(?<=authorization: basic )[\w+/=]+", re.IGNORECASE),
    re.compile(r"(?<=://)[^\s/:@]*:[^\s/@]+(?=@)"),
    re.compile(
        r"https?://(?:hooks\.slack\.com|[\w.-]+\.webhook\.office\.com|[\w.-]*discord(?:app)?\.com"
        r"|[\w.-]+\.logic\.azure\.com(?::\d+)?|[\w.-]+(?::\d+)?/hooks)/\S+",
        re.IGNORECASE,
    ),
    re.compile(r"(?<![0-9a-fA-F])[0-9a-f]{40}(?![0-9a-fA-F])"),
    # refresh tokens of HubSpot's, access tokens of Pipedrive's, encryption keys
    re.compile(r"\b(?:na|eu|ap)\d-[0-9a-f]{4}-[0-9a-f-]{16,}", re.IGNORECASE),
    re.compile(r"\bv1u:[\w-]{20,}"),
    re.compile(r"(?<![\w-])[\w-]{43}=(?![\w=-])"),
)
_ASSIGNMENT: Final = re.compile(
    # password=hunter2, "token": "abc", --api-key='x y'; but not the prose "TOKEN: is not set"
    rf"""(?P<name>\b(?:[\w-]*[_-])?(?:{_NAMES})["']?\s*(?:=\s*|[:,]\s*(?=["'])))"""
    r"""(?P<value>"[^"]*"|'[^']*'|[^\s,;&})\]"']+)""",
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Whether something of this name would hold a secret: token, api_key, smtp_password, ..."""
    return _SECRET_NAME.fullmatch(name) is not None


def looks_secret(value: str) -> bool:
    """Whether the value itself has the shape of a token, a password in a URL or a webhook."""
    return any(pattern.search(value) for pattern in _VALUES)


def redact(text: str) -> str:
    """The text with everything that looks like a secret replaced by `***`."""
    for pattern in _VALUES:
        text = pattern.sub(_HIDDEN, text)
    return _ASSIGNMENT.sub(rf"\g<name>{_HIDDEN}", text)


class Secrets:
    """The secrets that a configuration names, looked up when asked for.

    Each look-up raises ConfigError naming the variable when it is unset or cannot be what it
    should be. Neither repr nor str shows a value.
    """

    def __init__(self, environ: Mapping[str, str], database_url: str) -> None:
        self._environ = environ
        self._database_url = SecretStr(environ.get(DATABASE_URL_ENV, "").strip() or database_url)

    def __repr__(self) -> str:
        return "Secrets(***)"

    def token(self, connection: ApiConnection) -> SecretStr:
        """The access token of a CRM account, fit for an HTTP header."""
        name = connection.token_env
        wanted = f"the access token of connection {connection.name!r}"
        token = self._value(name, wanted)
        if token[:1] in "\"'" and token[-1:] == token[:1]:
            raise ConfigError(f"{name}: the token stands in quotes; set the variable without them")
        if token.lower().startswith("bearer "):
            raise ConfigError(f"{name}: leave out the word 'Bearer'; set the token alone")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigError(
                f"{name}: the token has a space, line break or foreign character inside; "
                "copy it again, in one piece"
            )
        return SecretStr(token)

    def named(self, variable: str, wanted: str) -> SecretStr:
        """What this variable holds. `wanted`: what belongs there, for the error."""
        return SecretStr(self._value(variable, wanted))

    def if_set(self, variable: str) -> SecretStr | None:
        """What this variable holds, None where it is unset or empty."""
        value = self._environ.get(variable, "").strip()
        return SecretStr(value) if value else None

    def webhook_url(self, channel: WebhookChannel) -> SecretStr:
        """The address of an incoming webhook; whoever knows it can post."""
        url = self._value(channel.url_env, "the webhook's address")
        if not re.fullmatch(r"https?://[^\s/]+\S*", url):
            raise ConfigError(
                f"{channel.url_env}: this is not a web address; it has to start with https://"
            )
        return SecretStr(url)

    def smtp_password(self, channel: EmailChannel) -> SecretStr:
        """The mail server's password; only wanted where `username` is set. Spaces inside stay."""
        return SecretStr(self._value(channel.password_env, f"the mail password for {channel.host}"))

    def database_url(self) -> SecretStr:
        """Where the mirror lives, with its password if it has one."""
        return self._database_url

    def _value(self, name: str, wanted: str) -> str:
        value = self._environ.get(name)
        if value is None:
            raise ConfigError(f"{name} is not set: put {wanted} into this environment variable")
        value = value.strip().strip("\ufeff\u200b\u2060").strip()
        if not value:
            raise ConfigError(f"{name} is empty: put {wanted} into this environment variable")
        return value

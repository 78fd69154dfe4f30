"""Granting an OAuth app access: connect."""

import secrets
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

import typer

from sync.bootstrap import App, CalledConnection
from sync.cli.state import State, notices, screen
from sync.crm.oauth import OAuthTokens
from sync.errors import AuthError, ConfigError
from sync.mirror import read
from sync.mirror.tokens import new_key


def register(app: typer.Typer) -> None:
    app.command()(connect)


def connect(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="The connection, as the configuration names it.")
    ] = None,
    new_encryption_key: Annotated[
        bool,
        typer.Option("--new-key", help="Only print a fresh key for DEALPULSE_ENCRYPTION_KEY."),
    ] = False,
) -> None:
    """Grant your OAuth app access to a CRM account: open the address that is printed, allow, and
    paste the address that the browser ends up at.

    Only for connections with oauth.client_id. The tokens are stored in the mirror, encrypted.
    """
    if new_encryption_key:
        screen().print(new_key(), markup=False, highlight=False)
        return
    if name is None:
        raise ConfigError("Name the connection to grant access to: dealpulse connect NAME.")
    state: State = context.obj
    with state.app(migrate=True) as app:
        (settings,) = app.settings(name)
        if not isinstance(settings, CalledConnection):
            raise ConfigError(f"{name} reads files: there is nothing to connect.")
        tokens = app.oauth(settings)
        redirect_uri, sent = settings.oauth.redirect_uri, secrets.token_urlsafe(24)
        console = notices()
        console.print("Open this address, as an administrator of the account:", markup=False)
        url = tokens.authorizer.consent_url(redirect_uri=redirect_uri, state=sent)
        screen().print(url, markup=False, highlight=False, soft_wrap=True)
        console.print(
            f"The browser then goes to {redirect_uri}?... and may find nobody there: that is "
            "fine. Copy its whole address.",
            markup=False,
        )
        pasted = _asked()
        tokens.connect(code_in(pasted, state=sent), redirect_uri=redirect_uri)
        account_id = _same_account(app, settings, tokens)
        console.print(
            f"{name} is connected to account {account_id}. Restart dealpulse if it is running.",
            markup=False,
        )


def _asked() -> str:
    try:
        return str(typer.prompt("The address", err=True))
    except typer.Abort:
        raise ConfigError("Nothing was pasted, so nothing is connected. Run it again.") from None


def code_in(pasted: str, *, state: str) -> str:
    """The code in the address to which the browser was sent.

    Raises ConfigError where it does not answer to `state`, AuthError where access was refused.
    """
    answer = parse_qs(urlsplit(pasted.strip()).query)
    if "error" in answer:
        raise AuthError(
            f"Access was not granted ({answer['error'][0][:80]}): run the command again and allow "
            "it, as an administrator of the account."
        )
    if "code" not in answer or "state" not in answer:
        raise ConfigError(
            "This is not the address that the browser was sent to: it has to hold code=... and "
            "state=.... Copy the whole address."
        )
    if not secrets.compare_digest(answer["state"][0].encode(), state.encode()):
        raise ConfigError(
            "This address answers to another run of `dealpulse connect`: open the address that "
            "was printed just now."
        )
    return answer["code"][0]


def _same_account(app: App, settings: CalledConnection, tokens: OAuthTokens) -> str:
    """The account's id; nothing is kept of a grant for another one than the mirror holds."""
    source = app.connected(settings).source
    try:
        account_id = source.account().account_id
    finally:
        source.close()
    known = read.account(app.engine, settings.name)
    if known is not None and known.account_id != account_id:
        tokens.forget()
        raise ConfigError(
            f"Access was granted to account {account_id}, but {settings.name} mirrors account "
            f"{known.account_id}: choose that one, or give the other a connection of its own."
        )
    return account_id

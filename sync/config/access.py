"""How a connection shows who it is with OAuth, and how the CRM may call us."""

from pydantic import Field, model_validator

from sync.config.strict import Strict
from sync.config.values import EnvName, WebAddress


class OAuth(Strict):
    """An app of your own; `dealpulse connect` grants it access."""

    client_id: str | None = Field(
        None,
        description="The client id of your app; none = the token of token_env is used.",
        examples=["5d9c1f0e-0000-4000-8000-000000000000"],
    )
    client_secret_env: EnvName = Field(
        description="The environment variable that holds the app's client secret."
    )
    refresh_token_env: EnvName = Field(
        description="The environment variable that holds a refresh token from elsewhere; not "
        "needed after `dealpulse connect`."
    )
    encryption_key_env: EnvName = Field(
        "DEALPULSE_ENCRYPTION_KEY",
        description="The environment variable that holds the key with which tokens are stored; "
        "several are separated by commas, the newest first.",
    )
    redirect_uri: WebAddress = Field(
        "http://localhost:8787/oauth/callback",
        description="One of the app's redirect addresses. Nothing needs to answer there.",
    )


class HubSpotOAuth(OAuth):
    client_secret_env: EnvName = Field(
        "HUBSPOT_CLIENT_SECRET",
        description="The environment variable that holds the app's client secret.",
    )
    refresh_token_env: EnvName = Field(
        "HUBSPOT_REFRESH_TOKEN",
        description="The environment variable that holds a refresh token from elsewhere; not "
        "needed after `dealpulse connect`.",
    )
    authorize_url: WebAddress = Field(
        "https://app.hubspot.com/oauth/authorize", description="Only for the sandbox."
    )
    scopes: list[str] = Field(
        default_factory=list,
        description="What is asked for, exactly the scopes that the app requires; none = those "
        "that dealpulse uses.",
        examples=[["oauth", "crm.objects.deals.read"]],
    )


class PipedriveOAuth(OAuth):
    client_secret_env: EnvName = Field(
        "PIPEDRIVE_CLIENT_SECRET",
        description="The environment variable that holds the app's client secret.",
    )
    refresh_token_env: EnvName = Field(
        "PIPEDRIVE_REFRESH_TOKEN",
        description="The environment variable that holds a refresh token from elsewhere; not "
        "needed after `dealpulse connect`.",
    )
    authorize_url: WebAddress = Field(
        "https://oauth.pipedrive.com/oauth/authorize", description="Only for the sandbox."
    )
    token_url: WebAddress = Field(
        "https://oauth.pipedrive.com/oauth/token", description="Only for the sandbox."
    )


class HubSpotWebhooks(Strict):
    """Which deals changed, told by HubSpot at once; the pulls find them without it too."""

    enabled: bool = Field(
        False,
        description="Take HubSpot's webhooks at /webhooks/NAME of the daemon's web address.",
    )
    public_url: WebAddress | None = Field(
        None,
        description="The target URL exactly as it stands in the HubSpot app; it is part of what "
        "HubSpot signs.",
        examples=["https://hooks.example.com/webhooks/main"],
    )
    client_secret_env: EnvName = Field(
        "HUBSPOT_CLIENT_SECRET",
        description="The environment variable that holds the client secret of the app that sends "
        "them; its signature is checked.",
    )

    @model_validator(mode="after")
    def _a_signature_needs_the_address(self) -> "HubSpotWebhooks":
        if self.enabled and self.public_url is None:
            raise ValueError("needs public_url, the target URL that stands in the HubSpot app")
        return self


class PipedriveWebhooks(Strict):
    """Which deals changed, told by Pipedrive at once; the pulls find them without it too."""

    enabled: bool = Field(
        False,
        description="Take Pipedrive's webhooks at /webhooks/NAME of the daemon's web address.",
    )
    username: str = Field(
        "dealpulse",
        min_length=1,
        description="The HTTP user that you gave the webhook in Pipedrive.",
    )
    password_env: EnvName = Field(
        "PIPEDRIVE_WEBHOOK_PASSWORD",
        description="The environment variable that holds the webhook's HTTP password.",
    )

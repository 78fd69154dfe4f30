"""The configured channels, opened."""

from collections.abc import Sequence

from sync.alerts.channels.activity import ActivityChannel
from sync.alerts.channels.base import Channel
from sync.alerts.channels.console import ConsoleChannel
from sync.alerts.channels.email import EmailChannel
from sync.alerts.channels.webhook import WebhookChannel
from sync.config import model
from sync.config.secrets import Secrets
from sync.crm.base import FollowUps


def open_channels(
    channels: Sequence[model.Channel], secrets: Secrets, follow_ups: FollowUps | None = None
) -> list[Channel]:
    """The configured alert channels, each under a name that stays the same between runs.

    follow_ups: None where the CRM has no tasks; channels that are tasks are then left out.
    """
    opened: list[Channel] = []
    for number, channel in enumerate(channels):
        same = [c.kind for c in channels[:number]].count(channel.kind)
        name = channel.kind if same == 0 else f"{channel.kind}-{same + 1}"
        if isinstance(channel, model.ActivityChannel):
            opened += [ActivityChannel(name, follow_ups)] if follow_ups is not None else []
        else:
            opened.append(_open_channel(name, channel, secrets))
    return opened


def _open_channel(
    name: str,
    channel: model.ConsoleChannel | model.WebhookChannel | model.EmailChannel,
    secrets: Secrets,
) -> Channel:
    match channel:
        case model.ConsoleChannel():
            return ConsoleChannel(name)
        case model.WebhookChannel():
            return WebhookChannel(name, secrets.webhook_url(channel).get_secret_value())
        case model.EmailChannel():
            password = None
            if channel.username:
                password = secrets.smtp_password(channel).get_secret_value()
            return EmailChannel(name, channel, password)

"""The composition root: configuration in, connected parts out; only here are vendors named."""

import os
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine

from sync.alerts.channels.base import Channel
from sync.alerts.channels.console import ConsoleChannel
from sync.alerts.channels.email import EmailChannel
from sync.alerts.channels.webhook import WebhookChannel
from sync.clock import Clock, SystemClock
from sync.config import model
from sync.config.loader import Loaded, default_path, load
from sync.config.secrets import Secrets
from sync.crm.base import CrmSink, CrmSource
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.sink import HubSpotSink
from sync.crm.hubspot.source import HubSpotSource
from sync.crm.limiter import Limiter
from sync.errors import ConfigError
from sync.jobs.context import JobContext, Progress, Silent
from sync.mirror.engine import current_revision, open_engine, require_current, upgrade
from sync.writeback.fields import PROPERTY_NAMES


@dataclass(frozen=True, slots=True)
class Connected:
    """One CRM account, ready to be called; `requests` counts the HTTP requests sent so far."""

    settings: model.Connection
    source: CrmSource
    sink: CrmSink
    requests: Callable[[], int]


@dataclass(frozen=True, slots=True)
class App:
    """Everything that a command needs, opened from one configuration."""

    loaded: Loaded
    engine: Engine
    clock: Clock

    @property
    def config(self) -> model.Config:
        return self.loaded.config

    def settings(self, only: str | None = None) -> Sequence[model.Connection]:
        """The configured connections, or the one of that name."""
        if only is None:
            return self.config.connections
        chosen = [c for c in self.config.connections if c.name == only]
        if not chosen:
            names = ", ".join(c.name for c in self.config.connections)
            raise ConfigError(f"There is no connection {only!r}; the configuration has: {names}.")
        return chosen

    def context(
        self,
        settings: model.Connection,
        *,
        progress: Progress | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        allow_mass_change: bool = False,
        allow_mass_alert: bool = False,
    ) -> JobContext:
        """A job's surroundings, with the connection's token read from the environment now."""
        connected = connect(settings, self.loaded.secrets, self.clock)
        return JobContext(
            config=self.config,
            settings=settings,
            engine=self.engine,
            clock=self.clock,
            source=connected.source,
            sink=connected.sink,
            channels=open_channels(self.config.alerts.channels, self.loaded.secrets),
            requests=connected.requests,
            holder=holder(),
            progress=progress or Silent(),
            should_stop=should_stop,
            allow_mass_change=allow_mass_change,
            allow_mass_alert=allow_mass_alert,
        )


_PROCESS = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def holder() -> str:
    """This process, as it signs leases and claims; in a container the number alone would repeat."""
    return _PROCESS


@contextmanager
def open_app(
    config_path: Path | None,
    *,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    migrate: bool = False,
) -> Iterator[App]:
    """Open configuration and mirror. `migrate`: bring the mirror's tables up to date first;
    a mirror that is still empty is always set up.
    """
    variables = os.environ if environ is None else environ
    loaded = load(config_path or default_path(variables), variables)
    engine = open_engine(loaded.secrets.database_url().get_secret_value())
    try:
        if migrate or current_revision(engine) is None:
            upgrade(engine)
        else:
            require_current(engine)
        yield App(loaded=loaded, engine=engine, clock=clock or SystemClock())
    finally:
        engine.dispose()


def connect(settings: model.Connection, secrets: Secrets, clock: Clock) -> Connected:
    """Build the adapter of one connection; nothing is sent yet."""
    limiter = Limiter(share=settings.rate_limit_share, clock=clock)
    client = HubSpotClient(
        secrets.token(settings).get_secret_value(),
        base_url=settings.base_url,
        api_version=settings.api_version,
        timeout_s=settings.request_timeout_s,
        deadline_s=settings.deadline_s,
        limiter=limiter,
        clock=clock,
    )
    source = HubSpotSource(
        settings.name,
        client,
        lookback=timedelta(minutes=settings.lookback_minutes),
        own_properties=PROPERTY_NAMES,
        clock=clock,
    )
    sink = HubSpotSink(settings.name, client, clock)
    return Connected(settings, source, sink, lambda: client.requests)


def open_channels(channels: Sequence[model.Channel], secrets: Secrets) -> list[Channel]:
    """The configured alert channels, each under a name that stays the same between runs."""
    opened: list[Channel] = []
    for number, channel in enumerate(channels):
        same = [c.kind for c in channels[:number]].count(channel.kind)
        name = channel.kind if same == 0 else f"{channel.kind}-{same + 1}"
        opened.append(_open_channel(name, channel, secrets))
    return opened


def _open_channel(name: str, channel: model.Channel, secrets: Secrets) -> Channel:
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

"""The composition root: configuration in, connected parts out; only here are vendors named."""

import gc
import hashlib
import os
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine

from sync.alerts.channels.opening import open_channels
from sync.clock import Clock, SystemClock
from sync.config import model
from sync.config.loader import Loaded, default_path, load
from sync.config.rates import rates_for
from sync.config.secrets import Secrets
from sync.crm.base import CrmSink, CrmSource, FollowUps
from sync.crm.breaker import Breaker, Log
from sync.crm.files.book import Book
from sync.crm.files.intake import FolderSettings
from sync.crm.files.preview import Preview, preview
from sync.crm.files.sink import FileSink
from sync.crm.files.source import FileSource
from sync.crm.goals import GoalSource
from sync.crm.hubspot.access import LEAD_SCOPES, SCOPES
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.contact_sink import HubSpotContactSink
from sync.crm.hubspot.contacts import HubSpotContacts
from sync.crm.hubspot.goals import HubSpotGoals
from sync.crm.hubspot.paths import Paths
from sync.crm.hubspot.sink import HubSpotSink
from sync.crm.hubspot.source import HubSpotSource
from sync.crm.hubspot.webhook import HubSpotReceiver
from sync.crm.leads import LeadSink, LeadSource
from sync.crm.limiter import Limiter
from sync.crm.oauth import Authorizer, OAuthTokens
from sync.crm.pipedrive.client import PipedriveClient
from sync.crm.pipedrive.credentials import ApiToken, OAuth
from sync.crm.pipedrive.field_map import FieldMap
from sync.crm.pipedrive.follow_ups import PipedriveFollowUps
from sync.crm.pipedrive.goals import PipedriveGoals
from sync.crm.pipedrive.leads import PipedriveLeads
from sync.crm.pipedrive.ledger import Ledger
from sync.crm.pipedrive.memory import Memory
from sync.crm.pipedrive.sink import PipedriveSink
from sync.crm.pipedrive.source import PipedriveSource
from sync.crm.pipedrive.webhook import PipedriveReceiver
from sync.crm.webhooks import Receiver
from sync.errors import ConfigError
from sync.jobs.context import JobContext, Progress, Silent
from sync.mirror import read
from sync.mirror.adapter_state import AdapterState
from sync.mirror.engine import open_engine
from sync.mirror.revisions import current_revision, require_current, upgrade
from sync.mirror.tokens import SealedTokens
from sync.writeback.fields import PROPERTY_NAMES
from sync.writeback.fields import specs as property_specs
from sync.writeback.lead_fields import LEAD_NAMES

CalledConnection = model.HubSpotConnection | model.PipedriveConnection

COLLECT_AFTER = 20_000
"""New objects that hold others, before the youngest are looked through for garbage: about as many
as forty pages of deals."""


@dataclass(frozen=True, slots=True)
class Connected:
    """One CRM account, ready to be called; `requests` counts the HTTP requests sent so far.

    limit_used: the share (0-1) of the account's rate limit that our calls use now."""

    settings: model.Connection
    source: CrmSource
    sink: CrmSink
    requests: Callable[[], int]
    limit_used: Callable[[], float]
    follow_ups: FollowUps | None = None
    lead_source: LeadSource | None = None
    lead_sink: LeadSink | None = None
    goal_source: GoalSource | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """One CRM account's calls, whichever connections make them."""

    limiter: Limiter
    breaker: Breaker


@dataclass(frozen=True, slots=True)
class App:
    """Everything that a command needs, opened from one configuration.

    memories: what each Pipedrive connection has looked up, for as long as the process lives.
    traffic: each CRM account's, shared by all connections to it. log: told of outages, if any.
    """

    loaded: Loaded
    engine: Engine
    clock: Clock
    memories: dict[str, Memory] = field(default_factory=dict)
    traffic: dict[str, Traffic] = field(default_factory=dict)
    log: Log | None = None

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

    def connected(self, settings: model.Connection) -> Connected:
        """The CRM of a connection, with its token read from the environment now; nothing is sent
        yet."""
        match settings:
            case model.HubSpotConnection():
                return self._connect_hubspot(settings)
            case model.PipedriveConnection():
                return self._connect_pipedrive(settings)
            case model.FileConnection():
                return _connect_folder(settings, self.clock)

    def oauth(self, settings: CalledConnection) -> OAuthTokens:
        """The tokens of a connection with an app. Raises ConfigError for one without."""
        if settings.oauth.client_id is None:
            raise ConfigError(
                f"{settings.name} has no oauth.client_id: it takes its token from "
                f"{settings.token_env}, and there is nothing to connect."
            )
        secrets, variable = self.loaded.secrets, settings.oauth.encryption_key_env
        wanted = "the key with which tokens are stored (`dealpulse connect --new-key` prints one)"
        keys = secrets.named(variable, wanted).get_secret_value().split(",")
        store = SealedTokens(
            self.engine,
            settings.name,
            [key.strip() for key in keys],
            self.clock,
            key_name=variable,
            holder=holder(),
        )
        given = secrets.if_set(settings.oauth.refresh_token_env)
        return OAuthTokens(
            _authorizer(settings, secrets),
            store,
            self.clock,
            refresh_token=given.get_secret_value() if given else None,
        )

    def receivers(self, connections: Sequence[model.Connection]) -> dict[str, Receiver]:
        """Of the connections that take webhooks, by name."""
        found: dict[str, Receiver] = {}
        for settings in connections:
            if isinstance(settings, CalledConnection) and settings.webhooks.enabled:
                found[settings.name] = _receiver(settings, self.loaded.secrets)
        return found

    def _traffic(self, settings: CalledConnection) -> Traffic:
        """Shared by connections to one account, as soon as the mirror knows that they are; before
        that by those with the same token.
        """
        known = read.account(self.engine, settings.name)
        if known is not None:
            account = f"account {known.account_id}"
        elif settings.oauth.client_id is None:
            secret = self.loaded.secrets.token(settings).get_secret_value()
            account = hashlib.sha256(secret.encode()).hexdigest()
        else:
            account = settings.name
        return self.traffic.setdefault(
            f"{settings.kind} {settings.base_url} {account}",
            Traffic(
                Limiter(share=settings.rate_limit_share, clock=self.clock),
                Breaker(settings.name, self.clock, self.log),
            ),
        )

    def _connect_hubspot(self, settings: model.HubSpotConnection) -> Connected:
        traffic = self._traffic(settings)
        client = HubSpotClient(
            self.loaded.secrets.token(settings).get_secret_value()
            if settings.oauth.client_id is None
            else self.oauth(settings),
            base_url=settings.base_url,
            api_version=settings.api_version,
            timeout_s=settings.request_timeout_s,
            deadline_s=settings.deadline_s,
            limiter=traffic.limiter,
            clock=self.clock,
            breaker=traffic.breaker,
        )
        source = HubSpotSource(
            settings.name,
            client,
            lookback=timedelta(minutes=settings.lookback_minutes),
            own_properties=PROPERTY_NAMES,
            extra_properties=settings.extra_properties,
            contact_roles=self.config.process.asks_for_contact_roles,
            writes_leads=settings.leads.enabled and settings.leads.write_back,
            clock=self.clock,
        )
        sink = HubSpotSink(settings.name, client, self.clock)
        connected = Connected(
            settings,
            source,
            sink,
            lambda: client.requests,
            traffic.limiter.used,
            goal_source=HubSpotGoals(client),
        )
        if not settings.leads.enabled:
            return connected
        lookback = timedelta(minutes=settings.lookback_minutes)
        return replace(
            connected,
            lead_source=HubSpotContacts(client, lookback=lookback, own_properties=LEAD_NAMES),
            lead_sink=HubSpotContactSink(settings.name, client, self.clock, LEAD_NAMES),
        )

    def _connect_pipedrive(self, settings: model.PipedriveConnection) -> Connected:
        state = AdapterState(self.engine, settings.name, self.clock)
        traffic = self._traffic(settings)
        client = PipedriveClient(
            ApiToken(self.loaded.secrets.token(settings).get_secret_value())
            if settings.oauth.client_id is None
            else OAuth(self.oauth(settings)),
            base_url=settings.base_url,
            timeout_s=settings.request_timeout_s,
            deadline_s=settings.deadline_s,
            limiter=traffic.limiter,
            breaker=traffic.breaker,
            ledger=Ledger(
                share=settings.daily_budget_share,
                budget_tokens=settings.daily_budget_tokens,
                clock=self.clock,
                state=state,
            ),
            clock=self.clock,
        )
        lookback = timedelta(minutes=settings.lookback_minutes)
        memory = self.memories.setdefault(settings.name, Memory())
        specs = property_specs(self.config.language)
        known = read.account(self.engine, settings.name)
        source = PipedriveSource(
            settings.name,
            client,
            lookback=lookback,
            rescan_open=timedelta(hours=settings.rescan_open_hours),
            own_properties=specs,
            state=state,
            clock=self.clock,
            rates=rates_for(self.config, known.home_currency if known else None),
            memory=memory,
            reads_leads=settings.leads.enabled,
        )
        sink = PipedriveSink(settings.name, client, FieldMap(client, specs, state), source.reader)
        follow_ups = PipedriveFollowUps(client, source.reader, state)
        used = traffic.limiter.used
        every = timedelta(minutes=settings.leads.every_minutes)
        leads = PipedriveLeads(source.reader, lookback=lookback, every=every, memory=memory)
        return Connected(
            settings,
            source,
            sink,
            lambda: client.requests,
            used,
            follow_ups,
            lead_source=leads if settings.leads.enabled else None,
            goal_source=PipedriveGoals(client),
        )

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
        connected = self.connected(settings)
        progress = progress or Silent()
        progress.paced_by(connected.limit_used)
        return JobContext(
            config=self.config,
            settings=settings,
            engine=self.engine,
            clock=self.clock,
            source=connected.source,
            sink=connected.sink,
            channels=open_channels(
                self.config.alerts.channels, self.loaded.secrets, connected.follow_ups
            ),
            requests=connected.requests,
            holder=holder(),
            progress=progress,
            should_stop=should_stop,
            allow_mass_change=allow_mass_change,
            allow_mass_alert=allow_mass_alert,
            lead_source=connected.lead_source,
            lead_sink=connected.lead_sink,
            goal_source=connected.goal_source,
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
        _collect_seldom()
        yield App(loaded=loaded, engine=engine, clock=clock or SystemClock())
    finally:
        engine.dispose()


def _collect_seldom() -> None:
    """What is imported lives as long as the process does. A load makes so many objects, hardly any
    of them in cycles, that looking for garbage as often as Python does costs a quarter of its time.
    """
    if not gc.get_freeze_count():
        gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def _authorizer(settings: CalledConnection, secrets: Secrets) -> Authorizer:
    oauth = settings.oauth
    variable = oauth.client_secret_env
    secret = secrets.named(variable, f"the client secret of {settings.name}'s app")
    match settings:
        case model.HubSpotConnection():
            leads = settings.leads.enabled and settings.leads.write_back
            return Authorizer(
                vendor="HubSpot",
                connection=settings.name,
                authorize_url=settings.oauth.authorize_url,
                token_url=settings.base_url.rstrip("/") + Paths(settings.api_version).oauth_token,
                scopes=settings.oauth.scopes or (SCOPES + LEAD_SCOPES if leads else SCOPES),
                client_id=oauth.client_id or "",
                client_secret=secret.get_secret_value(),
            )
        case model.PipedriveConnection():
            return Authorizer(
                vendor="Pipedrive",
                connection=settings.name,
                authorize_url=settings.oauth.authorize_url,
                token_url=settings.oauth.token_url,
                basic=True,
                client_id=oauth.client_id or "",
                client_secret=secret.get_secret_value(),
            )


def _receiver(settings: CalledConnection, secrets: Secrets) -> Receiver:
    match settings:
        case model.HubSpotConnection():
            wanted = f"the client secret of the app that sends {settings.name} webhooks"
            secret = secrets.named(settings.webhooks.client_secret_env, wanted)
            return HubSpotReceiver(settings.webhooks.public_url or "", secret.get_secret_value())
        case model.PipedriveConnection():
            wanted = f"the HTTP password of the webhook of {settings.name}"
            secret = secrets.named(settings.webhooks.password_env, wanted)
            return PipedriveReceiver(settings.webhooks.username, secret.get_secret_value())


def _connect_folder(settings: model.FileConnection, clock: Clock) -> Connected:
    folder = FolderSettings(
        connection=settings.name,
        folder=Path(settings.folder),
        mapping=Path(settings.mapping) if settings.mapping else None,
        zone=settings.time_zone,
        home_currency=settings.home_currency,
        contents=settings.contents,
        max_drop_share=settings.max_drop_share,
    )
    book = Book(folder.folder)
    source = FileSource(folder, book, clock)
    sink = FileSink(folder, Path(settings.outbox), book)
    return Connected(settings, source, sink, lambda: source.files_read, lambda: 0.0)


def preview_file(
    file: Path, settings: model.FileConnection | None, *, mapping: Path | None, clock: Clock
) -> Preview:
    """What would be made of an export. settings: None = those of a new file connection."""
    assumed = settings or model.FileConnection(kind="file", name="files", folder="import")
    configured = Path(assumed.mapping) if assumed.mapping else None
    return preview(
        file,
        mapping=mapping or configured,
        zone=assumed.time_zone,
        home_currency=assumed.home_currency,
        clock=clock,
    )

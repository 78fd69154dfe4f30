"""The API's addresses in both path families, and what every call goes through."""

from collections.abc import Iterator
from typing import NamedTuple
from uuid import uuid4

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sync.sandbox.crm import Crm
from sync.sandbox.hubspot import (
    account,
    associations,
    batch,
    oauth,
    objects,
    owners,
    pipelines,
    properties,
    search,
)
from sync.sandbox.hubspot.calls import BadBody, Call, Handler, Reply, Scopes
from sync.sandbox.hubspot.errors import (
    ApiError,
    expired,
    invalid,
    missing_scopes,
    no_credentials,
    rate_limited,
    refused,
)
from sync.sandbox.limits import Group, Limits
from sync.sandbox.store.definitions import BadDefinition
from sync.sandbox.store.instants import iso
from sync.sandbox.store.links import OBJECT_NAMES
from sync.sandbox.store.refusals import Refused
from sync.sandbox.store.tokens import Token

DATED = ("2026-03", "2026-09")
NOT_FOUND_HTML = "<html><head><title>404 Not Found</title></head><body>Not Found</body></html>"


class Endpoint(NamedTuple):
    method: str
    path: str
    handler: Handler
    scopes: Scopes
    group: Group = "calls"


def _any(*scopes: str) -> Scopes:
    return lambda _: scopes


_READ, _WRITE = objects.read_scopes, objects.write_scopes
_OBJECTS = (
    Endpoint("GET", "", objects.list_objects, _READ),
    Endpoint("POST", "", objects.create_object, _WRITE),
    Endpoint("POST", "/search", search.search, _READ, "search"),
    Endpoint("POST", "/merge", objects.merge_objects, _WRITE),
    Endpoint("POST", "/batch/read", batch.batch_read, _READ),
    Endpoint("POST", "/batch/create", batch.batch_create, _WRITE),
    Endpoint("POST", "/batch/update", batch.batch_update, _WRITE),
    Endpoint("POST", "/batch/archive", batch.batch_archive, _WRITE),
    Endpoint("GET", "/{object_id}", objects.read_object, _READ),
    Endpoint("PATCH", "/{object_id}", objects.update_object, _WRITE),
    Endpoint("DELETE", "/{object_id}", objects.archive_object, _WRITE),
)
_SCHEMA_READ, _SCHEMA_WRITE = properties.schema_read, properties.schema_write
_PIPELINE_READ = _any(*properties.SCHEMA_READ)
_PROPERTIES = (
    Endpoint("GET", "", properties.list_properties, _SCHEMA_READ),
    Endpoint("POST", "", properties.create_property, _SCHEMA_WRITE),
    Endpoint("GET", "/groups", properties.list_groups, _SCHEMA_READ),
    Endpoint("POST", "/groups", properties.create_group, _SCHEMA_WRITE),
    Endpoint("GET", "/groups/{name}", properties.read_group, _SCHEMA_READ),
    Endpoint("PATCH", "/groups/{name}", properties.update_group, _SCHEMA_WRITE),
    Endpoint("POST", "/batch/create", properties.create_properties, _SCHEMA_WRITE),
    Endpoint("POST", "/batch/read", properties.read_properties, _SCHEMA_READ),
    Endpoint("POST", "/batch/archive", properties.archive_properties, _SCHEMA_WRITE),
    Endpoint("GET", "/{name}", properties.read_property, _SCHEMA_READ),
    Endpoint("PATCH", "/{name}", properties.update_property, _SCHEMA_WRITE),
    Endpoint("DELETE", "/{name}", properties.archive_property, _SCHEMA_WRITE),
)
_PIPELINES = (
    Endpoint("GET", "", pipelines.list_pipelines, _PIPELINE_READ),
    Endpoint("GET", "/{pipeline_id}", pipelines.read_pipeline, _PIPELINE_READ),
    Endpoint("GET", "/{pipeline_id}/stages", pipelines.list_stages, _PIPELINE_READ),
    Endpoint("GET", "/{pipeline_id}/stages/{stage_id}", pipelines.read_stage, _PIPELINE_READ),
)
_OWNER_READ = _any("crm.objects.owners.read")
_OWNERS = (
    Endpoint("GET", "", owners.list_owners, _OWNER_READ),
    Endpoint("GET", "/", owners.list_owners, _OWNER_READ),
    Endpoint("GET", "/{owner_id}", owners.read_owner, _OWNER_READ),
)
_LINK_READ, _LINK_WRITE = associations.read_scopes, associations.write_scopes
_OF_ONE = "/{from_type}/{object_id}/associations"
_LINKS_OF_ONE = (
    Endpoint("GET", _OF_ONE + "/{to_type}", associations.read_links, _LINK_READ, "associations"),
    Endpoint(
        "PUT",
        _OF_ONE + "/default/{to_type}/{to_id}",
        associations.link_default,
        _LINK_WRITE,
        "associations",
    ),
)
_PAIR = "/{from_type}/{to_type}/batch"
_LINKS_OF_MANY = (
    Endpoint("POST", _PAIR + "/read", associations.batch_read_links, _LINK_READ, "associations"),
    Endpoint(
        "POST",
        _PAIR + "/associate/default",
        associations.batch_link_default,
        _LINK_WRITE,
        "associations",
    ),
)
_ACCOUNT = (
    Endpoint("GET", "/details", account.details, _any("oauth")),
    Endpoint("GET", "/api-usage/daily/private-apps", account.daily_usage, _any("oauth")),
)
_CURRENCY_READ = _any("settings.currencies.read")
_CURRENCIES = (
    Endpoint("GET", "/company-currency", account.company_currency, _CURRENCY_READ),
    Endpoint("GET", "/exchange-rates", account.exchange_rates, _CURRENCY_READ),
    Endpoint("GET", "/exchange-rates/current", account.current_exchange_rates, _CURRENCY_READ),
)

# the form of a family's v3 (v4) address, of its dated one, and what lies below
_FAMILIES = (
    ("v3", "/crm/v3/objects/{object_type}", "/crm/objects/@/{object_type}", _OBJECTS),
    ("v3", "/crm/v3/properties/{object_type}", "/crm/properties/@/{object_type}", _PROPERTIES),
    ("v3", "/crm/v3/pipelines/{object_type}", "/crm/pipelines/@/{object_type}", _PIPELINES),
    ("v3", "/crm/v3/owners", "/crm/owners/@", _OWNERS),
    ("v4", "/crm/v4/objects", "/crm/objects/@", _LINKS_OF_ONE),
    ("v4", "/crm/v4/associations", "/crm/associations/@", _LINKS_OF_MANY),
    ("v3", "/account-info/v3", "/account-info/@", _ACCOUNT),
    ("v3", "/settings/v3/currencies", "/settings/currencies/@", _CURRENCIES),
)


class Api:
    """Answers calls on one CRM, one after the other."""

    def __init__(self, crm: Crm, limits: Limits) -> None:
        self.crm = crm
        self.limits = limits

    def starlette(self) -> Starlette:
        app = Starlette(
            routes=[*self._oauth_routes(), *self._routes()],
            exception_handlers={404: _html_not_found, 405: _html_not_found},
        )
        app.router.redirect_slashes = False
        return app

    def _oauth_routes(self) -> Iterator[Route]:
        async def consent(request: Request) -> Response:
            with self.crm.lock:
                target = oauth.consent(self.crm, dict(request.query_params))
            return RedirectResponse(target, 302) if target else Response(status_code=400)

        async def token(request: Request) -> Response:
            raw = await request.body()
            with self.crm.lock:
                status, body = oauth.exchange(self.crm, raw)
            return _response(Reply(status, body))

        yield Route("/oauth/authorize", consent)
        for version in ("v1", "v3", *DATED):
            yield Route(f"/oauth/{version}/token", token, methods=["POST"])

    def _routes(self) -> Iterator[Route]:
        for classic, old, dated, endpoints in _FAMILIES:
            addresses = [(classic, old)] + [(date, dated.replace("@", date)) for date in DATED]
            for version, base in addresses:
                for endpoint in endpoints:
                    yield self._route(version, base + endpoint.path, endpoint)

    def _route(self, version: str, path: str, endpoint: Endpoint) -> Route:
        async def answer(request: Request) -> Response:
            raw = await request.body()
            if any(request.path_params.get(n, "deals") not in allowed for n, allowed in _TYPES):
                return HTMLResponse(NOT_FOUND_HTML, status_code=404)
            with self.crm.lock:
                return _response(self._answer(request, version, endpoint, raw))

        return Route(path, answer, methods=[endpoint.method])

    def _answer(self, request: Request, version: str, endpoint: Endpoint, raw: bytes) -> Reply:
        try:
            token = self._authenticated(request)
        except ApiError as error:
            return error.reply
        exceeded = self.limits.count(endpoint.group, token.app_id)
        headers = self.limits.headers(endpoint.group, token.app_id)
        if exceeded is not None:
            retry_after = self.crm.behaviour.retry_after_on_429
            reply = rate_limited(exceeded, retry_after=retry_after).reply
        else:
            call = Call(
                self.crm,
                self.limits,
                token,
                version,
                str(request.base_url).rstrip("/"),
                request.path_params,
                {name: request.query_params.getlist(name) for name in request.query_params},
                raw,
            )
            reply = _outcome(endpoint, call)
        return Reply(reply.status, reply.body, headers | dict(reply.headers))

    def _authenticated(self, request: Request) -> Token:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        token = self.crm.tokens.find(value.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise no_credentials()
        ended = token.expired_at(self.crm.now())
        if ended is not None:
            raise expired(max(self.crm.now() - ended, 0) // 1000, iso(ended))
        return token


_SERVED = ("deals", "tasks", "contacts", "goal_targets")
_TYPES = (
    ("object_type", {a for a, name in OBJECT_NAMES.items() if name in _SERVED}),
    ("from_type", set(OBJECT_NAMES)),
    ("to_type", set(OBJECT_NAMES)),
)


def _outcome(endpoint: Endpoint, call: Call) -> Reply:
    scopes = endpoint.scopes(call)
    if not call.token.scopes & set(scopes):
        return missing_scopes(scopes).reply
    try:
        return endpoint.handler(call)
    except ApiError as error:
        return error.reply
    except Refused as refusal:
        return refused(refusal.problems, call.crm.portal_id).reply
    except (BadBody, BadDefinition) as bad:
        return invalid(str(bad)).reply


def _response(reply: Reply) -> Response:
    headers = dict(reply.headers)
    if reply.body is None:
        return Response(status_code=reply.status, headers=headers)
    headers["Content-Type"] = "application/json;charset=utf-8"
    headers["X-HubSpot-Correlation-Id"] = str(reply.body.get("correlationId") or uuid4())
    return Response(orjson.dumps(reply.body), status_code=reply.status, headers=headers)


async def _html_not_found(_: Request, __: Exception) -> Response:
    return HTMLResponse(NOT_FOUND_HTML, status_code=404)

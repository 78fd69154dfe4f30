"""The API's addresses, what each costs, and what every call goes through."""

from collections.abc import Iterator
from typing import NamedTuple
from uuid import uuid4

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sync.sandbox.pipedrive import (
    activities,
    deal_fields,
    deals,
    errors,
    history,
    insights,
    leads,
    notes,
    oauth,
    persons,
    settings,
)
from sync.sandbox.pipedrive.calls import Call, Handler, Reply
from sync.sandbox.pipedrive.crm import PipedriveCrm
from sync.sandbox.pipedrive.errors import ApiError
from sync.sandbox.pipedrive.ledger import Ledger, Traffic
from sync.sandbox.pipedrive.tokens import Token
from sync.sandbox.pipedrive.validation import Invalid

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=UTF-8"
V1, V2 = "/api/v1", "/api/v2"
_BARE_V1 = "/v1"  # https://api.pipedrive.com answers there too


class Endpoint(NamedTuple):
    """`scopes`: any one of them suffices."""

    method: str
    path: str
    handler: Handler
    cost: int
    scopes: tuple[str, ...]
    search: bool = False


_READ, _WRITE = ("deals:read", "deals:full"), ("deals:full",)
_DO_READ, _DO_WRITE = ("activities:read", "activities:full"), ("activities:full",)
_FIELD_READ, _FIELD_WRITE = (*_READ, "deal-fields:full", "admin"), ("deal-fields:full", "admin")
_FIELD_CHANGE = (*_FIELD_WRITE, "deals:full")
_SETUP, _USERS, _PAST = (*_READ, "admin"), ("users:read",), ("recents:read",)
_LEADS, _PEOPLE = ("leads:read", "leads:full"), ("contacts:read", "contacts:full")
_GOALS, _NOTES = ("goals:read", "goals:full"), (*_READ, "contacts:read", "contacts:full")

ENDPOINTS_V2 = (
    Endpoint("GET", "/deals", deals.list_deals, 10, _READ),
    Endpoint("GET", "/deals/archived", deals.list_archived, 20, _READ),
    Endpoint("GET", "/deals/search", deals.search_deals, 20, (*_READ, "search:read"), search=True),
    Endpoint("GET", "/deals/{id}", deals.read_deal, 1, _READ),
    Endpoint("POST", "/deals", deals.create_deal, 5, _WRITE),
    Endpoint("PATCH", "/deals/{id}", deals.update_deal, 5, _WRITE),
    Endpoint("DELETE", "/deals/{id}", deals.delete_deal, 3, _WRITE),
    Endpoint("GET", "/dealFields", deal_fields.list_fields, 10, _FIELD_READ),
    Endpoint("POST", "/dealFields", deal_fields.create_field, 5, _FIELD_WRITE),
    Endpoint("GET", "/dealFields/{field_code}", deal_fields.read_field, 1, _FIELD_READ),
    Endpoint("PATCH", "/dealFields/{field_code}", deal_fields.update_field, 5, _FIELD_CHANGE),
    Endpoint("DELETE", "/dealFields/{field_code}", deal_fields.delete_field, 3, _FIELD_WRITE),
    Endpoint("POST", "/dealFields/{field_code}/options", deal_fields.add_options, 5, _FIELD_CHANGE),
    Endpoint(
        "PATCH", "/dealFields/{field_code}/options", deal_fields.update_options, 5, _FIELD_CHANGE
    ),
    Endpoint(
        "DELETE", "/dealFields/{field_code}/options", deal_fields.delete_options, 3, _FIELD_CHANGE
    ),
    Endpoint("GET", "/activities", activities.list_activities, 10, _DO_READ),
    Endpoint("POST", "/activities", activities.create_activity, 5, _DO_WRITE),
    Endpoint("GET", "/activities/{id}", activities.read_activity, 1, _DO_READ),
    Endpoint("PATCH", "/activities/{id}", activities.update_activity, 5, _DO_WRITE),
    Endpoint("DELETE", "/activities/{id}", activities.delete_activity, 3, _DO_WRITE),
    Endpoint("GET", "/persons", persons.list_persons, 10, _PEOPLE),
    Endpoint("GET", "/persons/{id}", persons.read_person, 1, _PEOPLE),
    Endpoint("GET", "/pipelines", settings.list_pipelines, 5, _SETUP),
    Endpoint("GET", "/pipelines/{id}", settings.read_pipeline, 1, _SETUP),
    Endpoint("GET", "/stages", settings.list_stages, 5, _SETUP),
    Endpoint("GET", "/stages/{id}", settings.read_stage, 1, _SETUP),
)
ENDPOINTS_V1 = (
    Endpoint("GET", "/users", settings.list_users, 20, _USERS),
    Endpoint("GET", "/users/me", settings.read_me, 2, ("base",)),
    Endpoint("GET", "/users/{id}", settings.read_user, 2, _USERS),
    Endpoint("GET", "/currencies", settings.list_currencies, 20, ("base",)),
    Endpoint("GET", "/activityTypes", settings.list_activity_types, 20, (*_DO_READ, "admin")),
    Endpoint("GET", "/deals/summary", insights.summary, 40, _READ),
    Endpoint("GET", "/deals/{id}/changelog", history.changelog, 20, _PAST),
    Endpoint("GET", "/deals/{id}/flow", history.flow, 40, _PAST),
    Endpoint("PUT", "/deals/{id}/merge", history.merge, 40, _WRITE),
    Endpoint("GET", "/recents", history.recents, 20, (*_PAST, "search:read")),
    Endpoint("GET", "/leads", leads.list_leads, 20, _LEADS),
    Endpoint("GET", "/leads/archived", leads.list_archived, 40, _LEADS),
    Endpoint("GET", "/leads/{id}", leads.read_lead, 2, _LEADS),
    Endpoint("GET", "/leadLabels", leads.list_labels, 10, _LEADS),
    Endpoint("GET", "/leadSources", leads.list_sources, 2, _LEADS),
    Endpoint("GET", "/notes", notes.list_notes, 20, _NOTES),
    Endpoint("POST", "/notes", notes.create_note, 10, (*_WRITE, "contacts:full")),
    Endpoint("GET", "/notes/{id}", notes.read_note, 2, _NOTES),
    Endpoint("GET", "/goals/find", insights.find_goals, 20, _GOALS),
    Endpoint("GET", "/goals/{id}/results", insights.goal_results, 20, _GOALS),
)


class Api:
    """Answers calls on one account, one after the other."""

    def __init__(self, crm: PipedriveCrm, ledger: Ledger) -> None:
        self.crm = crm
        self.ledger = ledger
        self.traffic = Traffic(crm.behaviour, crm.clock, ledger)

    def starlette(self) -> Starlette:
        app = Starlette(
            routes=[
                Route("/oauth/authorize", self._consent),
                Route("/oauth/token", self._token, methods=["POST"]),
                *self._routes(),
            ],
            exception_handlers={404: _unknown, 405: _unknown},
        )
        app.router.redirect_slashes = False
        return app

    def _routes(self) -> Iterator[Route]:
        for base, name, endpoints in (
            (V2, V2, ENDPOINTS_V2),
            (V1, V1, ENDPOINTS_V1),
            (_BARE_V1, V1, ENDPOINTS_V1),
        ):
            for endpoint in endpoints:
                yield self._route(base, name, endpoint)

    def _route(self, base: str, name: str, endpoint: Endpoint) -> Route:
        operation = f"{endpoint.method} {name}{endpoint.path}"

        async def answer(request: Request) -> Response:
            raw = await request.body()
            with self.crm.lock:
                return self._answer(request, endpoint, operation, raw)

        return Route(base + endpoint.path, answer, methods=[endpoint.method])

    def _answer(self, request: Request, endpoint: Endpoint, operation: str, raw: bytes) -> Response:
        token = self._authenticated(request)
        if isinstance(token, ApiError):
            gateway = {"x-correlation-id": str(uuid4()), "x-401-by-gw": "true"}
            return _response(token.status, token.body, gateway)
        refusal = self.traffic.refuse(token, search=endpoint.search)
        if refusal == "blocked":
            return Response(errors.CLOUDFLARE, 403, media_type=HTML)
        if refusal is not None:
            error = errors.over_limit()
            return _response(429, error.body, self.traffic.headers(token, endpoint.method))
        query = {name: request.query_params[name] for name in request.query_params}
        query.pop("api_token", None)
        call = Call(self.crm, token, request.path_params, query, raw)
        status, body = _outcome(endpoint, call)
        if status < 400 or self.crm.behaviour.failed_calls_cost:
            self.ledger.spend(operation, endpoint.cost)
        headers = self.traffic.headers(token, endpoint.method)
        return _response(status, body, headers)

    def _authenticated(self, request: Request) -> Token | ApiError:
        host = request.headers.get("host", "").partition(":")[0]
        name, _, rest = host.partition(".")
        if rest == "pipedrive.com" and name not in ("api", self.crm.domain):
            return errors.unauthorized()
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.crm.tokens.find(value.strip(), oauth=True) or errors.invalid_token()
        key = request.headers.get("x-api-token", "")
        if not key and self.crm.behaviour.query_token:
            key = request.query_params.get("api_token", "")
        return self.crm.tokens.find(key, oauth=False) or errors.unauthorized()

    async def _consent(self, request: Request) -> Response:
        with self.crm.lock:
            target = oauth.consent(self.crm, dict(request.query_params))
        return RedirectResponse(target, 302) if target else Response(status_code=400)

    async def _token(self, request: Request) -> Response:
        raw = await request.body()
        origin = str(request.base_url).rstrip("/")
        with self.crm.lock:
            status, body = oauth.exchange(
                self.crm, request.headers.get("authorization", ""), raw, origin
            )
        return _response(status, body, {})


def _outcome(endpoint: Endpoint, call: Call) -> tuple[int, object]:
    try:
        if not call.token.scopes & set(endpoint.scopes):
            raise errors.scope_mismatch()
        reply: Reply = endpoint.handler(call)
    except ApiError as error:
        return error.status, error.body
    except Invalid as wrong:
        refused = errors.invalid(*wrong.problems)
        return refused.status, refused.body
    return reply.status, reply.body()


def _response(status: int, body: object, headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(body), status, headers, media_type=JSON)


async def _unknown(_: Request, __: Exception) -> Response:
    body = {"status": False, "error": "Unknown method ."}
    return _response(404, body, {})

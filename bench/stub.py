"""A HubSpot that costs next to nothing, in a process of its own, so that clients are measured.

It knows what a first load asks: the list from any id on, searches by id, batch reads, the account,
pipelines and owners; and what a cycle asks: searches by modification date, in which deals are found
once a request to `CHANGE` has changed them. Records of 40 properties are bytes made beforehand;
only ids are put in. Ids are unevenly dense, as in old accounts. Latency and rate limits can be set.
"""

import asyncio
import multiprocessing
import random
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

TOKEN = "bench-token"
CHANGE = "/bench/change/"
"""And a number: so many deals, spread over all, get another amount and are modified now. No call
of HubSpot's, and not counted."""

STAGES = ("new", "meeting", "offer", "won", "lost")
DIFFERENT = 1_000
"""So many different records; beyond that they repeat under other ids."""
FILLER = 17
"""Properties beside those that dealpulse reads: 40 in all."""


@dataclass(frozen=True, slots=True)
class Settings:
    """latency_s: each answer's; limited: 190 requests in any 10 s and 5 searches in any second.
    opaque: the list's `after` is no id, so that only searches can be made side by side.
    silent_after: once so many deals have been shown nothing is answered, until `Stub.go_on`.
    """

    deals: int
    latency_s: float = 0.0
    limited: bool = False
    opaque: bool = False
    silent_after: int | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """What the stub has seen: requests, how many of them were refused for their rate; deals shown
    in lists and searches, and how many of those again."""

    requests: int
    refused: int
    shown: int
    again: int


class Stub:
    """A running stub, as its parent sees it."""

    def __init__(self, url: str, pipe: Connection) -> None:
        self.url = url
        self._pipe = pipe

    def counted(self) -> Counted:
        """Since the last time."""
        self._pipe.send("count")
        return Counted(*self._pipe.recv())

    def go_on(self) -> None:
        """Answer again; what was not answered never will be."""
        self._pipe.send("go on")


@contextmanager
def serve(settings: Settings) -> Iterator[Stub]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, settings), daemon=True)
    process.start()
    try:
        yield Stub(ours.recv(), ours)
    finally:
        process.terminate()
        process.join(10)


def _run(pipe: Connection, settings: Settings) -> None:
    asyncio.run(_serve(pipe, settings))


async def _serve(pipe: Connection, settings: Settings) -> None:
    api = _Api(settings)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Protocol(api), "127.0.0.1", 0)

    def answer() -> None:
        match pipe.recv():
            case "go on":
                api.go_on()
            case "count":
                pipe.send(api.counted())

    loop.add_reader(pipe.fileno(), answer)
    pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await server.serve_forever()


_RATE = "X-HubSpot-RateLimit-Max: %d\r\nX-HubSpot-RateLimit-Interval-Milliseconds: 10000\r\n"
"""As in HubSpot's answers, but for those to searches."""

LIMIT = 190
NO_LIMIT = 1_000_000
"""Stated where nothing is limited: a client that keeps to what it is told would idle otherwise."""


class _Protocol(asyncio.Protocol):
    """HTTP/1.1 with kept connections, one request at a time on each."""

    def __init__(self, api: "_Api") -> None:
        self._api = api
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.decode("latin-1").split("\r\n")
        length = 0
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                length = int(value)
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        method, target, _ = lines[0].split(" ", 2)
        if self._api.silent():
            return
        status, body = self._api.answer(method, target, rest[:length])
        head_out = (
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json;charset=utf-8\r\n"
            f"Date: {formatdate(usegmt=True)}\r\n"
            f"{'' if target.endswith('/search') else _RATE % self._api.limit}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        payload = head_out.encode() + body
        if self._api.latency_s:
            asyncio.get_running_loop().call_later(self._api.latency_s, self._send, payload)
        else:
            self._send(payload)

    def _send(self, payload: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(payload)


class _Api:
    def __init__(self, settings: Settings) -> None:
        self.latency_s = settings.latency_s
        self._requests = self._refused = self._shown_deals = self._again = 0
        self._silent_after = settings.silent_after
        self.limit = LIMIT if settings.limited else NO_LIMIT
        self._windows = {"general": (LIMIT, 10.0), "search": (5, 1.0)} if settings.limited else {}
        self._turns: dict[str, deque[float]] = {"general": deque(), "search": deque()}
        self._token = "page:%s" if settings.opaque else "%s"
        self._ids = _ids(settings.deals)
        self._seen = bytearray(settings.deals)
        self._records = [_record(n) for n in range(DIFFERENT)]
        self._with_past = [record[:-1] + _past(n) for n, record in enumerate(self._records)]
        self._changed: dict[int, tuple[datetime, bytes]] = {}

    def silent(self) -> bool:
        return self._silent_after is not None and self._seen.count(1) >= self._silent_after

    def go_on(self) -> None:
        self._silent_after = None

    def _change(self, deals: int) -> None:
        at = datetime.now(UTC)
        for n in range(0, len(self._ids), max(len(self._ids) // deals, 1))[:deals]:
            self._changed[n] = at, _record(n % DIFFERENT, changed_at=at)

    def counted(self) -> tuple[int, ...]:
        """As `Counted`, since the last time."""
        found = self._requests, self._refused, self._shown_deals, self._again
        self._requests = self._refused = self._shown_deals = self._again = 0
        return found

    def answer(self, method: str, target: str, raw: bytes) -> tuple[int, bytes]:
        if target.startswith(CHANGE):
            self._change(int(target.removeprefix(CHANGE)))
            return 200, b"{}"
        self._requests += 1
        parts = urlsplit(target)
        path = parts.path.rstrip("/")
        if not self._allowed("search" if path.endswith("/search") else "general"):
            self._refused += 1
            policy = "SECONDLY" if path.endswith("/search") else "TEN_SECONDLY_ROLLING"
            return 429, orjson.dumps({"status": "error", "policyName": policy})
        if path.startswith("/account-info"):
            return 200, orjson.dumps(_ACCOUNT)
        if "/pipelines" in path:
            return 200, orjson.dumps(_PIPELINES)
        if any(kind in path for kind in _NONE):
            return 200, b'{"results":[]}'
        if path.endswith("/search"):
            return 200, self._search(orjson.loads(raw))
        if path.endswith("/batch/read"):
            return 200, self._batch(orjson.loads(raw))
        return 200, self._list(parse_qs(parts.query))

    def _allowed(self, bucket: str) -> bool:
        if bucket not in self._windows:
            return True
        limit, interval_s = self._windows[bucket]
        turns, now = self._turns[bucket], asyncio.get_running_loop().time()
        while turns and turns[0] <= now - interval_s:
            turns.popleft()
        if len(turns) >= limit:
            return False
        turns.append(now)
        return True

    def _list(self, query: dict[str, list[str]]) -> bytes:
        if query.get("archived") == ["true"]:
            return b'{"results":[]}'
        after = query.get("after", [self._token % 0])[0]
        if not after.startswith(self._token % ""):
            return b'{"results":[],"paging":{"next":{"after":"no token"}}}'
        start = bisect_left(self._ids, int(after.rpartition(":")[2]))
        stop = start + int(query.get("limit", ["10"])[0])
        paging = b""
        if stop < len(self._ids):
            token = (self._token % self._ids[stop]).encode()
            paging = b',"paging":{"next":{"after":"%s","link":""}}' % token
        page = range(start, min(stop, len(self._ids)))
        return b'{"results":[%s]%s}' % (self._listed(page), paging)

    def _search(self, body: dict[str, Any]) -> bytes:
        first, last, limit = 0, len(self._ids), int(body.get("limit", 10))
        window: dict[str, Any] | None = None
        for group in body.get("filterGroups", ()):
            for test in group["filters"]:
                if test["propertyName"] != "hs_object_id":
                    window = test
                    continue
                beyond = test["operator"] == "GT"
                first = bisect_left(self._ids, int(test["value"]) + beyond)
                if "highValue" in test:
                    last = bisect_right(self._ids, int(test["highValue"]))
        if window is not None:
            return self._modified(window, first, limit)
        down = body.get("sorts", [{}])[0].get("direction") == "DESCENDING"
        chosen = (
            range(max(first, last - limit), last)
            if down
            else range(first, min(first + limit, last))
        )
        return b'{"total":%d,"results":[%s]}' % (last - first, self._listed(chosen))

    def _modified(self, window: dict[str, Any], first: int, limit: int) -> bytes:
        """Of the changed deals from `first` on those that a window of dates holds."""
        since, until = int(window["value"]), int(window.get("highValue", window["value"]))
        found = [
            n
            for n, (at, _) in sorted(self._changed.items())
            if n >= first and since <= at.timestamp() * 1000 <= until
        ]
        return b'{"total":%d,"results":[%s]}' % (len(found), self._shown(found[:limit]))

    def _listed(self, numbers: range) -> bytes:
        self._shown_deals += len(numbers)
        self._again += self._seen[numbers.start : numbers.stop].count(1)
        self._seen[numbers.start : numbers.stop] = bytes([1]) * len(numbers)
        return self._shown(numbers)

    def _batch(self, body: dict[str, Any]) -> bytes:
        wanted = [bisect_left(self._ids, int(entry["id"])) for entry in body["inputs"]]
        past = bool(body.get("propertiesWithHistory"))
        return b'{"status":"COMPLETE","results":[%s]}' % self._shown(wanted, past=past)

    def _shown(self, numbers: Any, *, past: bool = False) -> bytes:
        shown = []
        records = self._with_past if past else self._records
        for n in numbers:
            rest = records[n % DIFFERENT]
            if n in self._changed:
                at, rest = self._changed[n]
                rest = rest[:-1] + _past(n % DIFFERENT, at) if past else rest
            deal_id = b"%d" % self._ids[n]
            shown.append(
                b'{"id":"%s","properties":{"hs_object_id":"%s"%s' % (deal_id, deal_id, rest)
            )
        return b",".join(shown)


def _ids(count: int) -> list[int]:
    """Four fifths of the ids lie close together in the last hundredth of their span."""
    source = random.Random(1)
    found, here = [], 9_000_000_000
    for n in range(count):
        here += source.randint(1, 2_000) if n < count // 5 else source.randint(1, 8)
        found.append(here)
    return found


def _record(n: int, *, changed_at: datetime | None = None) -> bytes:
    """All of a record behind its id."""
    source = random.Random(n)
    created = datetime(2021, 1, 4, 8, tzinfo=UTC) + timedelta(minutes=source.randrange(2_500_000))
    closing = created + timedelta(days=source.randrange(20, 200), seconds=source.randrange(86_400))
    stage = source.choice(STAGES)
    closed = stage in ("won", "lost")
    amount = source.randrange(5_000, 2_000_000) + _older(changed_at)
    modified = _iso(changed_at or created + timedelta(days=19, milliseconds=n))
    properties: dict[str, Any] = {
        "dealname": f"{source.choice(('Blåfjell', 'Nordvik', 'Havbris', 'Acme'))} {n} rammeavtale",
        "pipeline": "default",
        "dealstage": stage,
        "hubspot_owner_id": str(70_000_000 + source.randrange(40)),
        "amount": str(amount),
        "deal_currency_code": "NOK",
        "amount_in_home_currency": str(amount),
        "closedate": _iso(closing),
        "createdate": _iso(created),
        "hs_lastmodifieddate": modified,
        "hs_is_closed": str(closed).lower(),
        "hs_is_closed_won": str(stage == "won").lower(),
        "hs_deal_stage_probability": {"won": "1.0", "lost": "0.0"}.get(stage, "0.4"),
        "hs_forecast_probability": source.choice((None, "0.5", "0.75")),
        "hs_forecast_amount": str(amount / 2),
        "hs_manual_forecast_category": source.choice((None, "COMMIT", "BEST_CASE", "PIPELINE")),
        "dealtype": source.choice(("newbusiness", "existingbusiness")),
        "hs_analytics_source": "DIRECT_TRAFFIC",
        "closed_lost_reason": "Price" if stage == "lost" else None,
        "hs_next_step": None if closed else "Ring tilbake over påske",
        "notes_next_activity_date": None if closed else _iso(closing - timedelta(days=3)),
        "notes_last_updated": _iso(created + timedelta(days=18)),
        "hs_merged_object_ids": None,
    }
    properties |= {f"bench_property_{i}": f"value {source.randrange(10**9)}" for i in range(FILLER)}
    inner = orjson.dumps(properties)[1:-1]
    stamps = {"createdAt": _iso(created), "updatedAt": modified, "archived": False}
    linked = {
        "contacts": {"results": [{"id": str(source.randrange(10**9)), "type": "deal_to_contact"}]}
    }
    behind = orjson.dumps({**stamps, "associations": linked})[1:]
    return b"," + inner + b"}," + behind


def _older(changed_at: datetime | None) -> int:
    """What a change adds to the amount: each time another sum."""
    return 0 if changed_at is None else int(changed_at.timestamp()) % 100_000 + 1


def _past(n: int, changed_at: datetime | None = None) -> bytes:
    """The history of five properties, eleven versions in all, behind a record's last brace; of a
    changed record one more."""
    source = random.Random(-n)
    at = datetime(2021, 1, 4, 8, tzinfo=UTC) + timedelta(minutes=source.randrange(2_500_000))

    def versions(*values: str) -> list[dict[str, str]]:
        return [
            {
                "value": value,
                "timestamp": _iso(at + timedelta(days=9 * k)),
                "sourceType": "CRM_UI",
                "sourceId": f"userId:{source.randrange(100)}",
            }
            for k, value in reversed(list(enumerate(values)))
        ]

    histories = {
        "dealstage": versions("new", "meeting", "offer", source.choice(STAGES)),
        "amount": versions("10000", str(source.randrange(20_000, 90_000))),
        "closedate": versions(*(_iso(at + timedelta(days=30 * k)) for k in (1, 2, 3))),
        "hubspot_owner_id": versions("70000001"),
        "pipeline": versions("default"),
    }
    if changed_at is not None:
        latest = {**histories["amount"][0], "value": str(_older(changed_at))}
        histories["amount"].insert(0, latest | {"timestamp": _iso(changed_at)})
    return b',"propertiesWithHistory":' + orjson.dumps(histories) + b"}"


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_NONE = ("/associations", "/owners", "/properties", "/goal_targets", "/exchange-rates")
"""What this account has none of."""

_ACCOUNT = {
    "portalId": 147,
    "timeZone": "Europe/Oslo",
    "companyCurrency": "NOK",
    "additionalCurrencies": [],
    "uiDomain": "app.hubspot.com",
}
_PIPELINES = {
    "results": [
        {
            "id": "default",
            "label": "Sales",
            "displayOrder": 0,
            "stages": [
                {
                    "id": stage,
                    "label": stage.title(),
                    "displayOrder": n,
                    "metadata": {
                        "isClosed": str(stage in ("won", "lost")).lower(),
                        "probability": {"won": "1.0", "lost": "0.0"}.get(stage, "0.4"),
                    },
                }
                for n, stage in enumerate(STAGES)
            ],
        }
    ]
}

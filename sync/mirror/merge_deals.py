"""A page's deals beside those of the mirror: which are new, which differ; and into it with them.

The database does the comparing, over a temporary table of what came in; the statements are the
same on both. Rows come to Python only of deals that are not what they were.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Insert,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite

from sync.crm.base import Deal, Field
from sync.crm.plain import PlainDeals, instant_text
from sync.mirror.plain_rows import Columns, PlainRows, Row, json_text
from sync.mirror.schema import deal
from sync.mirror.staging import fill, put, staging
from sync.mirror.tombstones import TOMBSTONE
from sync.mirror.types import Instant

NAMES: Final = tuple(field.name for field in fields(Deal))
"""The columns that the CRM fills."""

COLUMN_OF: Final = {
    Field.STAGE: "stage_id",
    Field.STATUS: "status",
    Field.PIPELINE: "pipeline_id",
    Field.OWNER: "owner_id",
    Field.AMOUNT: "amount",
    Field.CLOSE_DATE: "close_date",
    Field.FORECAST_CATEGORY: "forecast_category",
    Field.NEXT_STEP: "next_step",
}
"""The fields whose differences can be history."""

incoming = staging(deal, NAMES, "leaves")
"""The deals of the page; `leaves`: the page itself says that the deal is removed."""

_plain = PlainRows(deal, NAMES)
_id = itemgetter(NAMES.index("deal_id"))
_modified_at = itemgetter(NAMES.index("modified_at"))
_extra = itemgetter(NAMES.index("extra"))
_NO_EXTRA: Final = "{}"
_same_deal = and_(
    deal.c.connection == bindparam("of_connection"), deal.c.deal_id == incoming.c.deal_id
)
_is_older = exists().where(_same_deal, deal.c.modified_at > incoming.c.modified_at)
_ECHO: Final = ("own", "modified_at")
"""All that our own write changes of a deal."""

_is_back = and_(not_(incoming.c.leaves), deal.c.removed_at.is_not(None))
_is_news = or_(
    *(
        incoming.c[name].is_distinct_from(deal.c[name])
        for name in NAMES
        if name not in ("deal_id", *_ECHO)
    ),
    _is_back,
)
_differs = or_(*(incoming.c[name].is_distinct_from(deal.c[name]) for name in _ECHO), _is_news)

_KNOWN: Final = "SELECT deal_id FROM deal WHERE connection = :connection AND deal_id"
_KNOWN_AMONG: Final = {
    "sqlite": text(f"{_KNOWN} IN (SELECT value FROM json_each(:ids))"),  # noqa: S608
    "postgresql": text(f"{_KNOWN} = ANY(:ids)"),
}
"""One parameter for all ids: as many as a page has, each one would cost as much as the look-up."""
_OLDER: Final = select(incoming.c.deal_id).where(_is_older)
_LEAVE_OLDER: Final = delete(incoming).where(_is_older)
_COUNT_NEW: Final = (
    select(func.count()).select_from(incoming).where(not_(exists().where(_same_deal)))
)
_CHANGED: Final = (
    select(
        incoming.c.deal_id,
        incoming.c.modified_at,
        _is_news,
        *(incoming.c[name] for name in COLUMN_OF.values()),
        *(deal.c[name] for name in COLUMN_OF.values()),
    )
    .select_from(incoming.join(deal, _same_deal))
    .where(_differs)
)


@dataclass(frozen=True, slots=True)
class Changed:
    """A deal that is not what the mirror held. `before`, `now`: what can be history. news: more
    than our own values and the date, which our own write changes."""

    deal_id: str
    modified_at: datetime
    news: bool
    before: Mapping[Field, Any]
    now: Mapping[Field, Any]


def columns(deals: Sequence[Deal]) -> Columns:
    """Plain values in the order of NAMES: of each deal the newest state; of equally new ones the
    last."""
    came = _plain.stored(deals.columns) if isinstance(deals, PlainDeals) else _plain.columns(deals)
    if len(set(ids(came))) == len(ids(came)):
        return came
    newest: dict[str, Row] = {}
    for row in zip(*came, strict=True):
        known = newest.get(_id(row))
        if known is None or _modified_at(row) >= _modified_at(known):
            newest[_id(row)] = row
    return list(zip(*newest.values(), strict=True))


def ids(came: Columns) -> Sequence[str]:
    found: Sequence[str] = _id(came)
    return found


def insert_new(
    transaction: Connection, connection: str, came: Columns, at: datetime
) -> Sequence[Row]:
    """Add the deals that the mirror has never held; returns the others, which are to be compared.

    So are new ones with fields of the customer's choice, of which empty ones are left out.
    """
    known = _known(transaction, connection, ids(came))
    if not known and _extra(came).count(_NO_EXTRA) == len(ids(came)):
        _insert(transaction, connection, came, at)
        return ()
    compared: list[Row] = []
    new: list[Row] = []
    for row in zip(*came, strict=True):
        is_new = _id(row) not in known and _extra(row) == _NO_EXTRA
        (new if is_new else compared).append(row)
    _insert(transaction, connection, list(zip(*new, strict=True)), at)
    return compared


def _insert(transaction: Connection, connection: str, new: Columns, at: datetime) -> None:
    """Columns that are empty throughout are not named: each value costs, also one that is none."""
    if not any(new):
        return
    filled = {
        name: column
        for name, column in zip(NAMES, new, strict=True)
        if column[0] is not None or any(value is not None for value in column)
    }
    count, seen = len(ids(new)), instant_text(at)
    ours = {"connection": connection, "first_seen_at": seen, "pulled_at": seen}
    put(transaction, deal, {**filled, **{name: [value] * count for name, value in ours.items()}})


def _known(transaction: Connection, connection: str, ids: Sequence[str]) -> set[str]:
    dialect = transaction.dialect.name
    given = {"connection": connection, "ids": json_text(ids) if dialect == "sqlite" else list(ids)}
    return set(transaction.execute(_KNOWN_AMONG[dialect], given).scalars())


def stage(transaction: Connection, rows: Sequence[Row], leaving: Collection[str]) -> None:
    """Make `incoming` hold these deals, each once."""
    fill(transaction, incoming, [(*row, _id(row) in leaving) for row in rows])


def leave_older(transaction: Connection, connection: str) -> frozenset[str]:
    """Drop what the mirror has a newer state of; returns the ids."""
    given = {"of_connection": connection}
    older = frozenset(transaction.execute(_OLDER, given).scalars())
    if older:
        transaction.execute(_LEAVE_OLDER, given)
    return older


def count_new(transaction: Connection, connection: str) -> int:
    counted: int = transaction.execute(_COUNT_NEW, {"of_connection": connection}).scalar_one()
    return counted


def changed(transaction: Connection, connection: str) -> list[Changed]:
    """The deals that the mirror holds otherwise; one marked as removed has changed by coming."""
    width = len(COLUMN_OF)
    return [
        Changed(
            deal_id,
            modified_at,
            bool(news),
            before=dict(zip(COLUMN_OF, values[width:], strict=True)),
            now=dict(zip(COLUMN_OF, values[:width], strict=True)),
        )
        for deal_id, modified_at, news, *values in transaction.execute(
            _CHANGED, {"of_connection": connection}
        )
    ]


def merge(transaction: Connection, connection: str, at: datetime, *, removed: bool) -> None:
    """Into the mirror with them. `removed`: some leave with this page, and keep the mark they have;
    all others are alive."""
    statement = _MERGE[transaction.dialect.name, removed]
    transaction.execute(statement, {"of_connection": connection, "at": at})


def _merge(dialect: str, *, keeping_marks: bool) -> Insert:
    table = sqlite.insert(deal) if dialect == "sqlite" else postgresql.insert(deal)
    at = bindparam("at", type_=Instant)
    source: Any = incoming
    marks: list[Any] = [literal(None, deal.c[name].type) for name in TOMBSTONE]
    if keeping_marks:
        source = incoming.outerjoin(deal, _same_deal)
        marks = [case((incoming.c.leaves, deal.c[name])) for name in TOMBSTONE]
    # "true" because SQLite would take the conflict clause for a join's otherwise
    chosen = (
        select(
            bindparam("of_connection", type_=deal.c.connection.type),
            *(incoming.c[name] for name in NAMES),
            at,
            at,
            *marks,
        )
        .select_from(source)
        .where(true())
    )
    names = ["connection", *NAMES, "first_seen_at", "pulled_at", *TOMBSTONE]
    inserted = table.from_select(names, chosen)
    kept = ("connection", "deal_id", "first_seen_at")
    return inserted.on_conflict_do_update(
        index_elements=["connection", "deal_id"],
        set_={name: inserted.excluded[name] for name in names if name not in kept},
    )


_MERGE: Final = {
    (dialect, keeping): _merge(dialect, keeping_marks=keeping)
    for dialect in ("sqlite", "postgresql")
    for keeping in (False, True)
}

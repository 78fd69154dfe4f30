"""What the CRM lists, beside what the mirror holds; compared by the database.

The listing stands in temporary tables of one database connection: nothing is left of it when the
process is killed, and no transaction is open while the CRM is being read.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    MetaData,
    Select,
    String,
    Table,
    and_,
    exists,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.schema import CreateTable, DropTable

from sync.crm.base import PEOPLE, SHOWN, ListPage, Removal, RemovalReason
from sync.mirror.database_errors import translated
from sync.mirror.engine import pulling, writing
from sync.mirror.merge_deals import NAMES
from sync.mirror.merge_extra import extra_tells_more
from sync.mirror.plain_rows import PlainRows, json_text
from sync.mirror.schema import deal
from sync.mirror.staging import insert_new_rows
from sync.mirror.types import Instant
from sync.mirror.upsert import insert

PAGE: Final = 5_000
_FIRST: Final = (
    "pipeline_id",
    "stage_id",
    "amount",
    "currency",
    "close_date",
    "owner_id",
    "name",
)
COMPARED: Final = (*_FIRST, *(name for name in SHOWN if name not in _FIRST))
"""What a difference is reported of, besides `extra`."""

_rows = PlainRows(deal, NAMES)
_listed = Table(
    "listed_deal",
    MetaData(),
    *(Column(name, deal.c[name].type, primary_key=name == "deal_id") for name in NAMES),
    prefixes=["TEMPORARY"],
)
_left = Table(
    "left_deal",
    MetaData(),
    Column("deal_id", String, primary_key=True),
    Column("reason", String, nullable=False),
    Column("removed_at", Instant, nullable=False),
    Column("survivor_id", String),
    prefixes=["TEMPORARY"],
)


_Group = tuple[str | None, str | None, str | None]


class Why(StrEnum):
    """MISSING: the mirror never held it. REMOVED: it holds it as removed. OLDER: it holds an
    earlier state. DIFFERENT: of one date, but not the same. GONE: the CRM does not list it."""

    MISSING = "missing"
    REMOVED = "removed"
    OLDER = "older"
    DIFFERENT = "different"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Difference:
    """A deal that is not in the mirror as the CRM lists it. `fields`: of COMPARED and `extra`
    those that differ, as (name, in the CRM, in the mirror). listed_at: modified then, None where it
    is gone. left_as: why it is gone, where the CRM says so.
    """

    deal_id: str
    why: Why
    name: str | None
    listed_at: datetime | None
    fields: tuple[tuple[str, str | None, str | None], ...] = ()
    left_as: RemovalReason | None = None


@dataclass(frozen=True, slots=True)
class GroupTotal:
    """Deals of one pipeline, stage and currency; amounts that are empty add nothing."""

    pipeline_id: str | None
    stage_id: str | None
    currency: str | None
    crm_deals: int
    mirror_deals: int
    crm_amount: Decimal
    mirror_amount: Decimal

    @property
    def agrees(self) -> bool:
        return (self.crm_deals, self.crm_amount) == (self.mirror_deals, self.mirror_amount)


@contextmanager
def reconciling(engine: Engine, connection: str, *, since: datetime) -> Iterator["Listing"]:
    """A listing that begins `since` and is forgotten at the block's end. What the mirror was told
    later than that is newer than the listing, and never held against it."""
    options: dict[str, Any] = {"dealpulse_begin": "BEGIN"}  # of SQLite: readers do not wait
    with translated(engine), engine.connect().execution_options(**options) as database:
        for table in (_listed, _left):
            with database.begin():
                database.execute(CreateTable(table))
        try:
            yield Listing(engine, database, connection, since)
        finally:
            for table in (_listed, _left):
                with database.begin():
                    database.execute(DropTable(table))


class Listing:
    """Filled page by page with `add`, then asked."""

    def __init__(
        self, engine: Engine, database: Connection, connection: str, since: datetime
    ) -> None:
        self._engine = engine
        self._database = database
        self._connection = connection
        self._since = since
        self._untold: frozenset[str] = frozenset()

    def add(self, page: ListPage) -> None:
        self._untold |= page.untold
        with self._database.begin():
            insert_new_rows(self._database, _listed, NAMES, _rows(page.deals))
        self.add_left(page.removals)

    def add_left(self, removals: Sequence[Removal]) -> None:
        """Deals that are known to be archived, or merged; what was said first counts."""
        rows = [
            {
                "deal_id": removal.deal_id,
                "reason": removal.reason.value,
                "removed_at": removal.removed_at,
                "survivor_id": removal.survivor_id,
            }
            for removal in removals
        ]
        with self._database.begin():
            _insert_new(self._database, _left, rows)

    @property
    def deals(self) -> int:
        """How many the CRM lists."""
        return self._number(select(func.count()).select_from(_listed))

    @property
    def mirrored(self) -> int:
        """How many living deals the mirror holds."""
        return self._number(select(func.count()).select_from(deal).where(self._living))

    @property
    def unexplained(self) -> int:
        """Living deals of the mirror that are neither listed, nor in the bin, nor merged."""
        query = select(func.count()).select_from(deal)
        return self._number(query.where(self._gone, not_(_in(_left))))

    def differing(self) -> Iterator[Difference]:
        """Deals to be read again, by id; gone ones are not among them."""
        same = and_(deal.c.connection == self._connection, deal.c.deal_id == _listed.c.deal_id)
        compared = [name for name in COMPARED if name not in self._untold]
        differs = or_(
            *(_listed.c[name].is_distinct_from(deal.c[name]) for name in compared),
            extra_tells_more(_listed, self._database.dialect.name),
        )
        query = (
            select(
                _listed,
                deal.c.deal_id.label("held"),
                deal.c.removed_at,
                deal.c.modified_at.label("held_at"),
                *(deal.c[name].label(f"held_{name}") for name in (*COMPARED, "extra")),
            )
            .select_from(_listed.outerjoin(deal, same))
            .where(
                or_(
                    deal.c.deal_id.is_(None),
                    and_(deal.c.removed_at.is_not(None), deal.c.pulled_at < self._since),
                    deal.c.modified_at < _listed.c.modified_at,
                    and_(deal.c.modified_at == _listed.c.modified_at, differs),
                )
            )
        )
        return (_difference(row, compared) for row in self._by_id(query, _listed.c.deal_id))

    def gone(self) -> Iterator[Difference]:
        """Living deals of the mirror that the CRM does not list; `left_as`: where that is known."""
        query = (
            select(deal.c.deal_id, deal.c.name, _left.c.reason)
            .select_from(deal.outerjoin(_left, _same(_left, deal)))
            .where(self._gone)
        )
        for row in self._by_id(query, deal.c.deal_id):
            reason = None if row.reason is None else RemovalReason(row.reason)
            yield Difference(row.deal_id, Why.GONE, row.name, None, left_as=reason)

    def left(self) -> Iterator[Removal]:
        """What is known of deals that left and that the mirror holds, as living or otherwise."""
        held = exists().where(
            deal.c.connection == self._connection,
            deal.c.deal_id == _left.c.deal_id,
            or_(deal.c.removed_at.is_not(None), deal.c.pulled_at < self._since),
        )
        query = select(_left).where(held, not_(exists().where(_same(_left, _listed))))
        for row in self._by_id(query, _left.c.deal_id):
            reason = RemovalReason(row.reason)
            yield Removal(row.deal_id, reason, row.removed_at, row.survivor_id)

    def no_longer_in_bin(self) -> Iterator[str]:
        """Deals that the mirror believes to be in the bin, and that are nowhere now."""
        query = select(deal.c.deal_id).where(
            deal.c.connection == self._connection,
            deal.c.removed_reason == RemovalReason.ARCHIVED.value,
            deal.c.pulled_at < self._since,
            not_(_in(_left)),
            not_(_in(_listed)),
        )
        return (row.deal_id for row in self._by_id(query, deal.c.deal_id))

    def heal_associations(self) -> int:
        """Take over the contacts, companies and roles that are told; returns how many deals they
        changed of."""
        told = [
            _listed.c[n].is_not(None) & _listed.c[n].is_distinct_from(deal.c[n]) for n in PEOPLE
        ]
        query = (
            select(_listed.c.deal_id, *(_listed.c[name] for name in PEOPLE))
            .select_from(_listed.join(deal, _listed.c.deal_id == deal.c.deal_id))
            .where(self._living, or_(*told))
        )
        healed = 0
        for row in self._by_id(query, _listed.c.deal_id):
            given = {name: value for name in PEOPLE if (value := getattr(row, name)) is not None}
            with writing(self._engine, alone=pulling(self._connection)) as transaction:
                transaction.execute(
                    deal.update()
                    .where(deal.c.connection == self._connection, deal.c.deal_id == row.deal_id)
                    .values(given)
                )
            healed += 1
        return healed

    def totals(self) -> list[GroupTotal]:
        """By pipeline, stage and currency, exactly."""
        crm = self._sums(_listed, _listed.c.deal_id.is_not(None))
        mirror = self._sums(deal, self._living_now)
        return [
            GroupTotal(*key, crm[key][0], mirror[key][0], crm[key][1], mirror[key][1])
            for key in sorted({*crm, *mirror}, key=lambda key: [part or "" for part in key])
        ]

    @property
    def _living_now(self) -> ColumnElement[bool]:
        return and_(deal.c.connection == self._connection, deal.c.removed_at.is_(None))

    @property
    def _living(self) -> ColumnElement[bool]:
        return and_(self._living_now, deal.c.pulled_at < self._since)

    @property
    def _gone(self) -> ColumnElement[bool]:
        return and_(self._living, not_(_in(_listed)))

    def _number(self, query: Select[int]) -> int:
        with self._database.begin():
            number: int = self._database.execute(query).scalar_one()
        return number

    def _by_id(self, query: Select[*tuple[Any, ...]], key: ColumnElement[str]) -> Iterator[Any]:
        """Rows in order of `key`, page by page, so that what is done about them may write."""
        last = ""
        while True:
            with self._database.begin():
                page = self._database.execute(
                    query.where(key > last).order_by(key).limit(PAGE)
                ).all()
            yield from page
            if len(page) < PAGE:
                return
            last = page[-1].deal_id

    def _sums(
        self, table: FromClause, condition: ColumnElement[bool]
    ) -> defaultdict[_Group, tuple[int, Decimal]]:
        """SQLite would add amounts as floating point: equal ones are counted there, and added
        here."""
        c = table.c
        key = (c.pipeline_id, c.stage_id, c.currency)
        query = select(*key, c.amount, func.count()).where(condition).group_by(*key, c.amount)
        sums: defaultdict[_Group, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
        with self._database.begin():
            for pipeline, stage, currency, amount, number in self._database.execute(query):
                deals, total = sums[pipeline, stage, currency]
                added = number * (amount or Decimal(0))
                sums[pipeline, stage, currency] = deals + number, total + added
        return sums


def _insert_new(database: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        database.execute(insert(database, table).on_conflict_do_nothing(), rows)


def _in(table: Table) -> ColumnElement[bool]:
    return exists().where(_same(table, deal))


def _same(one: Table, other: Table) -> ColumnElement[bool]:
    return one.c.deal_id == other.c.deal_id


def _difference(row: Any, compared: Sequence[str]) -> Difference:
    if row.held is None:
        return Difference(row.deal_id, Why.MISSING, row.name, row.modified_at)
    here = {name: getattr(row, name) for name in compared}
    held = {name: getattr(row, f"held_{name}") for name in compared}
    for name, value in row.extra.items():
        here[f"extra.{name}"], held[f"extra.{name}"] = value, row.held_extra.get(name)
    fields = tuple(
        (name, _text(value), _text(held[name]))
        for name, value in here.items()
        if value != held[name]
    )
    if row.removed_at is not None:
        why = Why.REMOVED
    else:
        why = Why.OLDER if row.held_at < row.modified_at else Why.DIFFERENT
    return Difference(row.deal_id, why, row.name, row.modified_at, fields)


def _text(value: Any) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value if value is None or isinstance(value, str) else json_text(value)

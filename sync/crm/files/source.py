"""Reading, for a CRM that gives files: what the import folder has told so far."""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from sync.clock import Clock
from sync.crm.base import (
    AccessCheck,
    Account,
    BinPage,
    Capabilities,
    Cursor,
    Deal,
    DealPage,
    DealStatus,
    ExchangeRate,
    FieldDefinition,
    HistoryPage,
    KnownStates,
    ListPage,
    Owner,
    Pipeline,
    Removal,
    RemovalReason,
    Stage,
    Unparsed,
)
from sync.crm.files import folder as folders
from sync.crm.files.book import Book, Held
from sync.crm.files.intake import FolderSettings, Intake, take_in
from sync.crm.files.mapping import Mapping as FileMapping
from sync.crm.files.mapping import StageMeaning, load_mapping
from sync.crm.files.rows import ONE_PIPELINE
from sync.crm.files.words import outcome_of, plain
from sync.errors import DealpulseError, RecordsRejected

PAGE = 500


class FileSource:
    """Cursor: `book`, `seq` of the file and `after`, the id of the deal up to which is read."""

    def __init__(self, settings: FolderSettings, book: Book, clock: Clock) -> None:
        self._settings = settings
        self._book = book
        self._clock = clock
        self._unsaid: list[str] = []
        self._refused: list[RecordsRejected] = []
        self._error: DealpulseError | None = None
        self.files_read = 0

    @property
    def connection(self) -> str:
        return self._settings.connection

    @property
    def capabilities(self) -> Capabilities:
        """No history: a file says how things are. Deletions: only where each file holds all. Roles:
        where a column is mapped to them."""
        return Capabilities(
            history=frozenset(),
            can_write=True,
            lists_removed=self._settings.contents == "full",
            contact_roles=True,
        )

    def _look(self) -> None:
        found: Intake = take_in(self._settings, self._book, self._clock)
        self.files_read += found.files
        self._unsaid += found.said
        self._refused += found.refused
        self._error = found.error

    def check(self) -> Sequence[AccessCheck]:
        return [*self._check_folder(), self._check_mapping(), *self._check_files()]

    def _check_folder(self) -> Iterator[AccessCheck]:
        folder = self._settings.folder
        try:
            there = folders.look(folder)
        except DealpulseError as error:
            yield AccessCheck("the import folder", False, str(error), "Create the folder.")
            return
        writable = os.access(folder, os.W_OK)
        yield AccessCheck(
            "the import folder",
            writable,
            f"{folder.absolute()}: {len(there)} exports",
            "" if writable else "Let dealpulse write there; it keeps what it has read.",
        )

    def _check_mapping(self) -> AccessCheck:
        if self._settings.mapping is None:
            return AccessCheck("the mapping", True, "none: guessed from the headings of each file")
        try:
            mapping = load_mapping(self._settings.mapping)
        except DealpulseError as error:
            return AccessCheck("the mapping", False, str(error), "Correct the mapping file.")
        return AccessCheck("the mapping", True, f"{len(mapping.columns)} columns")

    def _check_files(self) -> Iterator[AccessCheck]:
        """What was said of the last file that was read."""
        if not self._settings.folder.is_dir() or not (files := self._book.files()):
            return
        last = files[-1]
        defects = [f"{count} {name}" for name, count in last.report["defects"].items()]
        detail = f"{last.report['rows']} rows, {last.report['deals']} deals"
        if last.report["rejected"]:
            detail += f", {last.report['rejected']} rejected (see {last.name}.rejected.csv)"
        yield AccessCheck(f"the last file, {last.name}", True, "; ".join([detail, *defects]))

    def account(self) -> Account:
        return Account(
            account_id=f"file:{self._settings.connection}",
            time_zone=self._settings.zone,
            home_currency=self._settings.home_currency,
        )

    def pipelines(self) -> Sequence[Pipeline]:
        """Those of the mapping in its order, and whatever else living deals are in."""
        self._look()
        mapping = self._mapping()
        met: dict[str, list[str]] = {}
        for held in self._book.all():
            if held.removed_at is None:
                stages = met.setdefault(held.record.pipeline, [])
                if held.record.stage is not None and held.record.stage not in stages:
                    stages.append(held.record.stage)
        names = list(mapping.pipelines) if mapping else []
        names += sorted(name for name in met if name not in names)
        if mapping and mapping.stages and not names:
            names = [ONE_PIPELINE]
        return [
            _pipeline(name, position, mapping.stages_of(name) if mapping else (), met.get(name, []))
            for position, name in enumerate(names)
        ]

    def _mapping(self) -> FileMapping | None:
        return load_mapping(self._settings.mapping) if self._settings.mapping else None

    def owners(self) -> Sequence[Owner]:
        mapping = self._mapping()
        owners: dict[str, Owner] = {}
        for held in self._book.all():
            record = held.record
            if record.owner is not None:
                said = mapping.owner(record.owner_name or record.owner) if mapping else None
                owners[record.owner] = Owner(
                    owner_id=record.owner,
                    name=record.owner_name or record.owner,
                    email=record.owner_email,
                    active=said.active if said else True,
                    teams=(said.team,) if said and said.team else (),
                )
        return [owners[owner_id] for owner_id in sorted(owners)]

    def extra_fields(self) -> Sequence[FieldDefinition]:
        return ()

    def exchange_rates(self) -> Sequence[ExchangeRate]:
        return ()

    def deal_count(self) -> int | None:
        return len(self._book.living())

    def deals(
        self, cursor: Cursor | None, *, started_at: datetime, known: KnownStates
    ) -> Iterator[DealPage]:
        """Files that came meanwhile are taken in first. An error of one of them is raised after
        the pages of those before it."""
        self._look()
        book = self._book.identity
        seq, after = _position(cursor, book, self._last_seq())
        mapping = self._mapping()
        while True:
            held = self._book.changed_after(seq, after, PAGE)
            if not held:
                break
            seq, after = held[-1].seq, held[-1].record.deal_id
            yield self._page(held, {"book": book, "seq": str(seq), "after": after}, mapping)
        if cursor is None or self._unsaid or self._refused:
            said, self._unsaid = tuple(dict.fromkeys(self._unsaid)), []
            refused, self._refused = tuple(self._refused), []
            at = {"book": book, "seq": str(seq), "after": after}
            yield DealPage(at, left_out=said, refused=refused)
        if self._error is not None:
            raise self._error

    def _last_seq(self) -> int:
        files = self._book.files()
        return files[-1].seq if files else 0

    def _page(self, held: Sequence[Held], cursor: Cursor, mapping: FileMapping | None) -> DealPage:
        return DealPage(
            cursor=cursor,
            deals=[self._deal(each, mapping) for each in held],
            removals=[r for each in held if (r := _removal(each)) is not None],
            unparsed=[
                Unparsed(each.record.deal_id, name, raw)
                for each in held
                for name, raw in each.record.unparsed.items()
            ],
        )

    def removed(self, *, started_at: datetime) -> Iterator[Sequence[Removal]]:
        gone = [r for held in self._book.all() if (r := _removal(held)) is not None]
        for start in range(0, len(gone), PAGE):
            yield gone[start : start + PAGE]

    def bin_page(self, after: str | None, *, started_at: datetime) -> BinPage:
        return BinPage([gone for page in self.removed(started_at=started_at) for gone in page])

    def listing(self, *, started_at: datetime) -> Iterator[ListPage]:
        mapping = self._mapping()
        living = [held for held in self._book.all() if held.removed_at is None]
        for start in range(0, len(living), PAGE):
            page = living[start : start + PAGE]
            yield ListPage([self._deal(held, mapping) for held in page])

    def histories(self, deal_ids: Sequence[str]) -> Iterator[HistoryPage]:
        """Never asked for: a file tells no history."""
        return iter(())

    def read(self, deal_ids: Sequence[str], *, history: bool = False) -> DealPage:
        found = [h for h in self._book.by_id(deal_ids) if h.removed_at is None]
        return self._page(found, {}, self._mapping())

    def close(self) -> None:
        """Nothing is held open."""

    def _deal(self, held: Held, mapping: FileMapping | None) -> Deal:
        record, home = held.record, self._settings.home_currency
        return Deal(
            deal_id=record.deal_id,
            name=record.name,
            pipeline_id=record.pipeline,
            stage_id=record.stage,
            owner_id=record.owner,
            status=DealStatus(record.status),
            amount=record.amount,
            currency=record.currency,
            amount_home=record.amount if record.currency == home else None,
            close_date=record.close_date,
            closed_at=record.closed_at,
            created_at=record.created_at or held.first_seen,
            modified_at=held.modified_at,
            stage_probability=_chance(held, mapping),
            forecast_category=record.forecast_category,
            deal_type=record.deal_type,
            lead_source=record.lead_source,
            loss_reason=record.loss_reason,
            next_step=record.next_step,
            next_activity_at=record.next_activity_at,
            last_activity_at=record.last_activity_at,
            contact_count=record.contact_count,
            company_count=record.company_count,
            contact_roles=record.contact_roles,
            own=dict(held.own),
        )


def _position(cursor: Cursor | None, book: str, last: int) -> tuple[int, str]:
    """Where to go on; from the beginning where the cursor is of another book, or ahead of it."""
    if cursor is None or cursor.get("book") != book or int(cursor.get("seq", "0")) > last:
        return 0, ""
    return int(cursor["seq"]), cursor.get("after", "")


def _removal(held: Held) -> Removal | None:
    if held.removed_at is None:
        return None
    return Removal(held.record.deal_id, RemovalReason.ARCHIVED, held.removed_at)


def _chance(held: Held, mapping: FileMapping | None) -> Decimal | None:
    """The deal's own probability, or that of its stage."""
    record = held.record
    if record.closed:
        return Decimal(record.status == DealStatus.WON)
    if record.probability is not None or mapping is None or record.stage is None:
        return record.probability
    stage = mapping.stage(record.pipeline, record.stage)
    return stage.probability if stage else None


def _pipeline(
    name: str, position: int, stages: Sequence[StageMeaning], met: Sequence[str]
) -> Pipeline:
    listed = {plain(stage.name) for stage in stages}
    rank = {"open": 0, "won": 1, "lost": 2}
    others = [StageMeaning(name=s, outcome=outcome_of(s)) for s in met if plain(s) not in listed]
    others.sort(key=lambda stage: (rank[stage.outcome], stage.name))
    return Pipeline(
        pipeline_id=name,
        label=name,
        position=position,
        stages=tuple(_stage(stage, at) for at, stage in enumerate([*stages, *others])),
    )


def _stage(stage: StageMeaning, position: int) -> Stage:
    ended = {"won": Decimal(1), "lost": Decimal(0)}
    return Stage(
        stage_id=stage.name,
        label=stage.name,
        position=position,
        probability=ended.get(stage.outcome, stage.probability),
        is_closed=stage.outcome != "open",
        is_won=stage.outcome == "won",
    )

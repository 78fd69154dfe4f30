"""A mapping proposed from an export's headings and cells; a person looks through it. Pure."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from sync.crm.files import values
from sync.crm.files.broken import BrokenFile
from sync.crm.files.mapping import Mapping, StageMeaning
from sync.crm.files.tables import Cell, Table
from sync.crm.files.words import HEADINGS, Name, outcome_of, plain

_TELL_APART: tuple[Name, ...] = ("name", "organization", "contact", "created_at")
_USED_FIRST: tuple[Name, ...] = ("stage", "status", "id")


def guess(table: Table) -> Mapping:
    """Raises BrokenFile naming the headings where neither stage nor status is among them."""
    columns = dict(_columns(table.headings))
    if "stage" not in columns and "status" not in columns:
        raise BrokenFile(
            "no column looks like a stage or a status; its headings are: "
            f"{', '.join(table.headings)}. Say in a mapping file which is which"
        )
    if "id" not in columns and not any(name in columns for name in _TELL_APART):
        raise BrokenFile(
            "no column looks like an id or a name; its headings are: "
            f"{', '.join(table.headings)}. Say in a mapping file which is which"
        )
    return Mapping(
        columns={name: [heading] for name, heading in columns.items()},
        id_from=[] if "id" in columns else [n for n in _TELL_APART if n in columns],
        decimal=_mark(table, columns.get("amount")),
        stages=[] if "pipeline" in columns else _stages(table, columns),
    )


def _columns(headings: Sequence[str]) -> Iterator[tuple[Name, str]]:
    """Each heading to the first of our names that knows it, the most important names first."""
    left = {plain(heading): heading for heading in reversed(headings)}
    names = [*_USED_FIRST, *(name for name in HEADINGS if name not in _USED_FIRST)]
    found: dict[Name, str] = {}
    for name in names:
        for alias in HEADINGS[name]:
            if plain(alias) in left:
                found[name] = left.pop(plain(alias))
                break
    yield from ((name, found[name]) for name in HEADINGS if name in found)


def column(table: Table, heading: str | None) -> list[Cell]:
    """The cells below a heading."""
    if heading is None:
        return []
    at = table.headings.index(heading)
    return [row.cells[at] for row in table.rows]


def _mark(table: Table, heading: str | None) -> values.Mark:
    shown = values.decimal_mark(column(table, heading))
    return shown or ("comma" if table.delimiter == ";" else "point")


def _stages(table: Table, columns: dict[Name, str]) -> list[StageMeaning]:
    """The stages met, those with a usual probability in its order, the ended ones last."""
    stages = [values.text(cell) or "" for cell in column(table, columns.get("stage"))]
    usual = _usual_probability(table, columns, stages)
    names = {plain(name): name for name in reversed(stages) if name}
    met = [name for name in dict.fromkeys(stages) if name and names[plain(name)] == name]
    rank = {"open": 0, "won": 1, "lost": 2}
    met.sort(key=lambda name: (rank[outcome_of(name)], usual.get(name, Decimal(0))))
    return [
        StageMeaning(
            name=name,
            outcome=outcome_of(name),
            probability=usual.get(name) if outcome_of(name) == "open" else None,
        )
        for name in met
    ]


def _usual_probability(
    table: Table, columns: dict[Name, str], stages: Sequence[str]
) -> dict[str, Decimal]:
    cells = column(table, columns.get("probability"))
    percent = values.goes_to_100(cells, "point")
    found: dict[str, list[Decimal]] = {}
    for stage, cell in zip(stages, cells, strict=False):
        try:
            chance = values.share(cell, "point", percent=percent)
        except ValueError:
            continue
        if chance is not None:
            found.setdefault(stage, []).append(chance)
    return {stage: max(set(each), key=each.count) for stage, each in found.items()}

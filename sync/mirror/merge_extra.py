"""What came in of `deal.extra`, laid over what the mirror holds of it."""

from typing import Final

from sqlalchemy import Boolean, ColumnElement, Connection, Table, TextClause, literal_column, text

from sync.mirror.merge_deals import incoming

_HELD: Final = "FROM deal WHERE deal.connection = :connection AND deal.deal_id = i.deal_id"


def keep_untold(transaction: Connection, connection: str) -> None:
    """Into the staged deals go the values that the CRM does not tell any more, out of them go the
    empty ones. Equal values in other order become equal texts, so that they are no change."""
    transaction.execute(_KEEP[transaction.dialect.name], {"connection": connection})


def extra_tells_more(shown: Table, dialect: str) -> ColumnElement[bool]:
    """Whether `extra` of the table's row tells anything else than that of the joined deal does."""
    return literal_column(
        f"{_LAID[dialect].format(held='deal.extra', now=f'{shown.name}.extra')} <> deal.extra",
        Boolean,
    )


def _statement(over: str, nothing: str) -> TextClause:
    merged = over.format(held=f"coalesce((SELECT deal.extra {_HELD}), {nothing})", now="i.extra")
    told = f"i.extra <> {nothing}"
    kept = f"EXISTS (SELECT 1 {_HELD} AND deal.extra <> {nothing})"
    return text(f"UPDATE {incoming.name} AS i SET extra = {merged} WHERE {told} OR {kept}")  # noqa: S608


_LAID: Final = {
    # a JSON merge patch removes the keys whose new value is null
    "sqlite": "json_patch({held}, {now})",
    "postgresql": "jsonb_strip_nulls({held} || {now})",
}
_KEEP: Final = {
    "sqlite": _statement(_LAID["sqlite"], "'{}'"),
    "postgresql": _statement(_LAID["postgresql"], "'{}'::jsonb"),
}

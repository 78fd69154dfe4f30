"""What came in of `deal.extra`, laid over what the mirror holds of it."""

from typing import Final

from sqlalchemy import Connection, TextClause, text

from sync.mirror.merge_deals import incoming

_HELD: Final = "FROM deal WHERE deal.connection = :connection AND deal.deal_id = i.deal_id"


def keep_untold(transaction: Connection, connection: str) -> None:
    """Into the staged deals go the values that the CRM does not tell any more, out of them go the
    empty ones. Equal values in other order become equal texts, so that they are no change."""
    transaction.execute(_KEEP[transaction.dialect.name], {"connection": connection})


def _statement(over: str, nothing: str) -> TextClause:
    merged = over.format(held=f"coalesce((SELECT deal.extra {_HELD}), {nothing})", now="i.extra")
    told = f"i.extra <> {nothing}"
    kept = f"EXISTS (SELECT 1 {_HELD} AND deal.extra <> {nothing})"
    return text(f"UPDATE {incoming.name} AS i SET extra = {merged} WHERE {told} OR {kept}")  # noqa: S608


_KEEP: Final = {
    # a JSON merge patch removes the keys whose new value is null
    "sqlite": _statement("json_patch({held}, {now})", "'{}'"),
    "postgresql": _statement("jsonb_strip_nulls({held} || {now})", "'{}'::jsonb"),
}

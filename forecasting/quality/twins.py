"""Deals that are probably one and the same, and deals that are none at all."""

from datetime import timedelta
from typing import Final

import polars as pl

from forecasting.history import KEY

WITHIN: Final = timedelta(days=30)
"""Deals of one name opened further apart than this are rather a new sale, unless their amounts are
the same too."""

_SHORTEST: Final = 4
"""A name of fewer letters says too little to recognise a deal by."""

_TEST: Final = "test|testing|tester|testdeal|testavtale|dummy|asdf|qwerty|foo|bar|xxx|slett|slettes"
_FILLER: Final = (
    "deal|lead|opportunity|avtale|mulighet|kunde|customer|company|record|please|delete|ignore|ikke|"
    "bruk|do|not|use|my|new|ny|min|en|et|a|the|av|by|for|to|til|from|fra|no|nr"
)
_TEST_NAME: Final = (
    rf"^(?:(?:{_FILLER}|\d+) )*(?:{_TEST})\d*(?: (?:{_TEST}|{_FILLER}|[a-zæøå]|\d+)\d*)*$"
)
_TEST_SOURCE: Final = rf"^(?:{_TEST})$"


def bare(column: str) -> pl.Expr:
    """A name in small letters, without punctuation, company form or spaces that say nothing."""
    return (
        pl.col(column)
        .str.to_lowercase()
        .str.replace_all(r"[^\p{L}\p{N}]+", " ")
        .str.replace_all(r"\b(?:as|asa|ab|aps|oy|gmbh|ltd|inc|llc)\b", " ")
        .str.replace_all(r" +", " ")
        .str.strip_chars()
    )


def is_test() -> pl.Expr:
    """Whether name, source or type say that the deal is a trial of the CRM and no sale. A name has
    to consist of such words alone: "Penetration test, Acme" is a sale.
    """
    source = pl.any_horizontal(
        bare(column).str.contains(_TEST_SOURCE).fill_null(False)
        for column in ("lead_source", "deal_type")
    )
    return bare("name").str.contains(_TEST_NAME).fill_null(False) | source


def twins(deals: pl.DataFrame) -> pl.DataFrame:
    """Open deals that an older open deal of the same name probably is already.

    Same name but for case, punctuation and company form, and the same amount or opened within
    `WITHIN` of the one before. Columns: connection, deal_id, twin_id (the oldest of that name),
    twin_name, twins (how many of that name are open). The oldest itself is not among them.
    """
    named = (
        deals.filter(pl.col("status") == "open")
        .select(*KEY, "name", "amount", "created_at", bare=bare("name"))
        .filter(pl.col("bare").str.len_chars() >= _SHORTEST)
    )
    same = ("connection", "bare")
    several = (
        named.filter(pl.len().over(same) > 1)
        .sort("created_at", "deal_id")
        .with_columns(
            twins=pl.len().over(same).cast(pl.Int64),
            twin_id=pl.col("deal_id").first().over(same),
            twin_name=pl.col("name").first().over(same),
            since_last=pl.col("created_at").diff().over(same),
            same_amount=pl.col("amount").eq_missing(pl.col("amount").shift().over(same)),
        )
    )
    return several.filter(
        (pl.col("deal_id") != pl.col("twin_id"))
        & ((pl.col("since_last") <= WITHIN) | pl.col("same_amount"))
    ).select(*KEY, "twin_id", "twin_name", "twins")

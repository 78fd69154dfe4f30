"""Switches of the simulated HubSpot: limits, and conduct on which the sources disagree."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The defaults are what HubSpot documents or was seen to do.

    rate_limit: calls per rolling 10 s and token; None switches every rate limit off.
    search_limit: searches per second and account. daily_limit: calls per account day.
    index_lag_s: a search sees a write after 0 to this many seconds, different for each record.
    search_results: how far a search can be paged.
    search_hits: a hit shows the record as it is stored now, or as the index knows it.
    list_after: what `after` of a list is: the next record's id, or a token that tells nothing.
    search_body_limit: longest accepted search body, in characters.
    batch_errors: "atomic" writes nothing of a batch in which one input fails.
    required_by_stage: properties without which the 2026-09 API refuses a deal in that stage.
    unassociated: what a batch read of associations says of a record that has none.
    lists_stage_properties: whether `hs_v2_date_entered_<stage>` and its kin are listed.
    forecast_probability: the scale of the representative's own probability.
    """

    rate_limit: int | None = 190
    search_limit: int = 5
    association_limit: int = 150
    daily_limit: int = 1_000_000
    retry_after_on_429: bool = False
    index_lag_s: float = 0.0
    search_results: int = 10_000
    search_hits: Literal["stored", "indexed"] = "stored"
    list_after: Literal["id", "opaque"] = "id"
    search_body_limit: int | None = None
    unknown_filter: Literal["error", "empty"] = "error"
    batch_history_limit: int = 50
    batch_errors: Literal["partial", "atomic"] = "partial"
    merged_in_batch_update: Literal["omitted", "missing", "written"] = "omitted"
    merged_in_batch_read: Literal["survivor", "missing", "omitted"] = "survivor"
    merge_makes_new_record: bool = True
    read_only_writes: Literal["error", "ignored"] = "error"
    required_by_stage: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lists_stage_properties: bool = True
    computes_forecast_amount: bool = False
    forecast_probability: Literal["fraction", "percent"] = "fraction"
    unassociated: Literal["left_out", "error"] = "left_out"
    history_order: Literal["newest_first", "shuffled"] = "newest_first"
    url_limit: int = 16_384
    purge_after_days: int = 90
    access_token_s: int = 1_800
    rotates_refresh_token: bool = False

"""All calculations in a row on accounts as odd as they come: never NaN, never an exception."""

from datetime import UTC, date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecasting import explain, process, quality, velocity
from forecasting.deals import OWNER_SCHEMA
from forecasting.forecast import forecast
from forecasting.history import deals_as_of, pushes, stage_stays
from forecasting.methods import OpportunityStage
from forecasting.periods import periods_for
from tests.forecasting.frames import AS_OF, OWNERS, TODAY, ZONE, change, changes, deals, now
from tests.forecasting.methods.test_contract import ACCOUNTS

NO_OWNERS = pl.DataFrame(schema=OWNER_SCHEMA)


def assessed(
    frame: pl.DataFrame, history: pl.DataFrame, stages: pl.DataFrame, owners: pl.DataFrame
) -> list[pl.DataFrame]:
    about: dict[str, Any] = {"as_of": AS_OF, "today": TODAY, "zone": ZONE}
    stays = stage_stays(history, frame, stages, AS_OF)
    norms = process.stage_norms(stays, stages)
    findings = quality.find(frame, history, stages, owners, norms=norms, **about)
    scores = quality.score(frame, findings)
    silence = quality.silence(frame, history, **about)
    results = [
        stays,
        norms,
        findings,
        scores,
        silence,
        pushes(history, frame, AS_OF, ZONE, stages=stages),
        deals_as_of(history, frame, AS_OF, zone=ZONE, stages=stages),
        velocity.measure(frame, today=TODAY),
    ]
    for method in (OpportunityStage("crm"), OpportunityStage("learned")):
        predictions = method.fit(now(frame, history, stages)).predict(frame)
        periods = periods_for(TODAY, ["month", "quarter"])
        results += [
            predictions,
            forecast(method, predictions, frame, periods, today=TODAY),
            *(explain.explain(frame, findings, predictions, norms, said) for said in ("en", "nb")),
        ]
    open_deals = frame.filter(pl.col("status") == "open")["deal_id"].sort().to_list()
    for per_deal in (scores, silence, *results[-2:]):
        assert per_deal["deal_id"].to_list() == open_deals
    assert scores["quality_score"].is_between(0, 100).all()
    assert scores["quality_score"].null_count() == silence["stale_days"].null_count() == 0
    return results


def without_nan(frames: list[pl.DataFrame]) -> bool:
    return not any(
        column.is_nan().any() or column.is_infinite().any()
        for frame in frames
        for column in frame.iter_columns()
        if column.dtype.is_float()
    )


@pytest.mark.parametrize("owners", [OWNERS, NO_OWNERS], ids=["owners", "no owners"])
@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS)
def test_odd_accounts(
    account: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame], owners: pl.DataFrame
) -> None:
    assert without_nan(assessed(*account, owners))


instants = st.datetimes(
    AS_OF.replace(year=1970, tzinfo=None),
    AS_OF.replace(year=2099, tzinfo=None),
    timezones=st.just(UTC),
)
any_deal = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["open", "won", "lost"]),
        "pipeline_id": st.sampled_from(["sales", "other", None]),
        "stage_id": st.sampled_from(["qualified", "proposal", "won", "gone", None]),
        "owner_id": st.sampled_from(["1", "2", "9", None]),
        "amount": st.one_of(st.none(), st.floats(-1e9, 1e12)),
        "amount_problem": st.sampled_from([None, "missing", "no_rate"]),
        "close_date": st.one_of(st.none(), st.dates(date(1970, 1, 1), date(2099, 12, 31))),
        "created_at": instants,
        "closed_at": st.one_of(st.none(), instants),
        "stage_entered_at": st.one_of(st.none(), instants),
        "next_activity_at": st.one_of(st.none(), instants),
        "last_activity_at": st.one_of(st.none(), instants),
        "stage_probability": st.one_of(st.none(), st.floats(-1, 2)),
        "contact_count": st.one_of(st.none(), st.integers(0, 3)),
        "next_step": st.sampled_from([None, "", "Call"]),
    }
)
any_change = st.builds(
    lambda deal, field, new, old, hours, source: change(
        field,
        new,
        AS_OF + timedelta(hours=hours),
        old=old,
        deal_id=f"d{deal}",
        source=source,
    ),
    st.integers(1, 4),
    st.sampled_from(["stage", "status", "pipeline", "close_date", "owner", "amount"]),
    st.sampled_from([None, "proposal", "won", "open", "2026-04-01T00:00:00Z", "2026-05-01", "?"]),
    st.sampled_from([None, "qualified", "2026-03-01T12:00:00Z", "?"]),
    st.integers(-5000, 100),
    st.sampled_from(["human", "own", "diff"]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(any_deal, max_size=4),
    st.lists(
        any_change, max_size=8, unique_by=lambda c: (c["deal_id"], c["field"], c["changed_at"])
    ),
)
def test_any_account(rows: list[dict[str, Any]], history: list[dict[str, Any]]) -> None:
    account = ACCOUNTS["one deal"][2]
    assert without_nan(assessed(deals(*rows), changes(*history), account, OWNERS))

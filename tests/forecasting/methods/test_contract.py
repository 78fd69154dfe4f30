"""What `predict` of the stage probabilities keeps; all methods: tests/contract."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from forecasting.methods import METHODS, NotFittedError, OpportunityStage
from forecasting.methods.base import PREDICTION_SCHEMA, register
from tests.forecasting.frames import (
    AS_OF,
    NO_CHANGES,
    STAGES,
    TODAY,
    change,
    changes,
    deals,
    now,
    stage,
    stages,
    won_stays,
)

MAKERS: dict[str, Callable[[], OpportunityStage]] = {
    "opportunity_stage crm": lambda: OpportunityStage(probabilities="crm"),
    "opportunity_stage learned": lambda: OpportunityStage(probabilities="learned"),
}
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

ACCOUNTS: dict[str, tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]] = {
    "empty": (deals(), NO_CHANGES, stages()),
    "no stages": (deals({}), NO_CHANGES, stages()),
    "one deal": (deals({}), NO_CHANGES, STAGES),
    "all open": (deals({}, {"stage_id": "qualified"}, {"amount": None}), NO_CHANGES, STAGES),
    "all lost": (
        deals(*({"status": "lost", "stage_id": "lost", "closed_on": TODAY} for _ in range(3)), {}),
        NO_CHANGES,
        STAGES,
    ),
    "single stage": (
        deals({"stage_id": "only"}, {"status": "won", "stage_id": "only", "closed_on": TODAY}),
        changes(change("stage", "only", AS_OF - timedelta(days=9))),
        stages(stage("only", None)),
    ),
    "far dates": (
        deals(
            {"created_at": LONG_AGO, "close_date": date(1970, 1, 1)},
            {"close_date": date(2099, 12, 31)},
            {"created_at": LONG_AGO, "status": "won", "closed_on": date(1970, 1, 1)},
        ),
        NO_CHANGES,
        STAGES,
    ),
    "nothing known": (
        deals(dict.fromkeys(("pipeline_id", "stage_id", "owner_id", "amount", "close_date"))),
        NO_CHANGES,
        STAGES,
    ),
    "some history": (deals({}, *won_stays(5, 9)[0]), changes(*won_stays(5, 9)[1]), STAGES),
}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
class TestMethod:
    def test_it_has_to_be_fitted(self, maker: Callable[[], OpportunityStage]) -> None:
        with pytest.raises(NotFittedError, match="fit"):
            maker().predict(deals({}))

    @pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS)
    def test_every_open_deal_has_a_row_and_no_nan(
        self, maker: Callable[[], OpportunityStage], account: tuple[pl.DataFrame, ...]
    ) -> None:
        frame, history, known_stages = account
        predicted = maker().fit(now(frame, history, known_stages)).predict(frame)
        assert dict(predicted.schema) == PREDICTION_SCHEMA
        expected = frame.filter(pl.col("status") == "open")["deal_id"].sort()
        assert predicted["deal_id"].to_list() == expected.to_list()
        for column in ("win_probability", "weighted_amount"):
            assert not predicted[column].is_nan().any()
        assert predicted["win_probability"].drop_nulls().is_between(0, 1).all()

    def test_the_frames_given_are_not_changed(self, maker: Callable[[], OpportunityStage]) -> None:
        frames = ACCOUNTS["some history"]
        before = [frame.clone() for frame in frames]
        maker().fit(now(*frames)).predict(frames[0])
        for frame, copy in zip(frames, before, strict=True):
            assert_frame_equal(frame, copy)

    def test_the_order_of_rows_means_nothing(self, maker: Callable[[], OpportunityStage]) -> None:
        frames = ACCOUNTS["some history"]
        backwards = [frame.reverse() for frame in frames]
        assert_frame_equal(
            maker().fit(now(*frames)).predict(frames[0]),
            maker().fit(now(*backwards)).predict(backwards[0]),
        )

    def test_what_is_decided_later_teaches_nothing(
        self, maker: Callable[[], OpportunityStage]
    ) -> None:
        frame, history, known_stages = ACCOUNTS["some history"]
        early = datetime(2025, 6, 3, tzinfo=UTC)  # before any of them was won
        bare = frame.filter(pl.col("status") == "open")
        assert_frame_equal(
            maker().fit(now(frame, history, known_stages, as_of=early)).predict(bare),
            maker().fit(now(bare, NO_CHANGES, known_stages, as_of=early)).predict(bare),
        )

    def test_parameters_are_told_and_fit_returns_itself(
        self, maker: Callable[[], OpportunityStage]
    ) -> None:
        method = maker()
        before = dict(method.parameters)
        assert method.fit(now(deals({}), NO_CHANGES, STAGES)) is method
        assert dict(method.parameters) == before
        assert METHODS[method.name](**before).variant == method.variant


def test_a_name_is_taken_once() -> None:
    def another(**_: Any) -> OpportunityStage:
        return MAKERS["opportunity_stage crm"]()

    with pytest.raises(ValueError, match="opportunity_stage"):
        register("opportunity_stage")(another)

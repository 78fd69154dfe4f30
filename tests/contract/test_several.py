"""Several accounts of several vendors in one house: apart where they must be, together in sum."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from sync.bootstrap import App
from sync.config.model import Config
from sync.config.rates import rates_for
from sync.errors import AuthError, TransientError
from sync.report.all_connections import all_connections_report
from sync.report.forecast import forecast_report
from sync.report.naming import Segment
from tests.contract.house import house, mirrored, run
from tests.contract.world import World
from tests.contract.worlds import world_of
from tests.fake_clock import FakeClock

ACCOUNTS = (("hubspot", "norway"), ("hubspot", "sweden"), ("pipedrive", "denmark"))


@pytest.fixture
def worlds(tmp_path: Path, clock: FakeClock) -> Iterator[list[World]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(world_of(kind, tmp_path, clock, deals=10 + 5 * i, name=name))
            for i, (kind, name) in enumerate(ACCOUNTS)
        ]


@pytest.fixture
def app(
    worlds: Sequence[World], tmp_path: Path, clock: FakeClock, sqlite_template: Path
) -> Iterator[App]:
    shutil.copy(sqlite_template, tmp_path / "mirror.db")
    with house(worlds, tmp_path, clock, tmp_path / "mirror.db") as opened:
        yield opened


def test_each_mirrors_its_own_although_their_ids_are_the_same(
    app: App, worlds: Sequence[World]
) -> None:
    for world in worlds:
        for result in run(app, world):
            assert result.error is None, result.error
    norway, sweden, _ = worlds
    shared = set(norway.living()) & set(sweden.living())
    assert len(shared) == 10
    norway.delete(norway.living()[0])
    norway.price(norway.living()[1], 99)
    norway.clock.advance(minutes=15)
    run(app, norway)
    for world in worlds:
        assert mirrored(app, world) == world.truth()


@pytest.mark.parametrize("failing", [0, 2])
def test_one_that_fails_does_not_hurt_the_others(
    app: App, worlds: Sequence[World], failing: int
) -> None:
    faults = worlds[failing].faults
    assert faults is not None
    faults.add("server_500", times=-1)
    results = {world.name: run(app, world) for world in worlds}
    for i, world in enumerate(worlds):
        last = results[world.name][-1]
        if i == failing:
            assert last.job == "pull"
            assert isinstance(last.error, TransientError)
        else:
            assert last.ok
            assert mirrored(app, world) == world.truth()
    faults.clear()
    worlds[failing].clock.advance(minutes=15)
    run(app, worlds[failing])
    assert mirrored(app, worlds[failing]) == worlds[failing].truth()


def test_a_token_that_is_refused_names_its_own_variable(app: App, worlds: Sequence[World]) -> None:
    norway = worlds[0]
    norway.sandbox.crm.expire_token(norway.sandbox.token)  # type: ignore[attr-defined]
    (result,) = run(app, norway)
    assert isinstance(result.error, AuthError)
    assert "norway takes its token from NORWAY_TOKEN." in str(result.error)


class TestTogether:
    def test_the_sum_of_all_where_the_currency_is_one(
        self, app: App, worlds: Sequence[World]
    ) -> None:
        for world in worlds:
            run(app, world)
        total = all_connections_report(app.engine, app.config)
        each = [forecast_report(app.engine, w.name, Segment.TOTAL) for w in worlds]
        for period in total.rows:
            parts = [r for report in each for r in report.rows if r["period"] == period["period"]]
            assert len(parts) == 3
            for name in ("won_amount", "forecast", "open_deals"):
                assert period[name] == pytest.approx(sum(float(str(p[name])) for p in parts))
        assert total.title == "all connections: forecast, NOK"
        told = [report.facts for report in each]
        assert total.facts["as_of"] == total.facts["cut_off"] == min(f["as_of"] for f in told)  # type: ignore[type-var]
        assert total.facts["sample"] == sum(int(str(facts["sample"])) for facts in told)
        left_out = [facts["left_out"][period["period"]] for facts in told]  # type: ignore[index]
        assert total.facts["left_out"][period["period"]] == sum(left_out, Counter())  # type: ignore[index]

    def test_in_one_currency_where_they_differ(
        self, tmp_path: Path, clock: FakeClock, sqlite_template: Path
    ) -> None:
        shutil.copy(sqlite_template, tmp_path / "mirror.db")
        with ExitStack() as stack:
            hubspot = stack.enter_context(world_of("hubspot", tmp_path, clock, deals=20))
            files = stack.enter_context(world_of("file", tmp_path, clock, deals=20))
            files.settle()
            files.more["home_currency"] = "EUR"
            database = tmp_path / "mirror.db"
            with house([hubspot, files], tmp_path, clock, database) as app:
                run(app, hubspot)
                run(app, files)
                silent = all_connections_report(app.engine, app.config)
            assert not silent.rows
            assert "currencies differ (EUR, NOK)" in silent.notes[0]
            asked = {"reporting_currency": "EUR", "exchange_rates": {"NOK": 0.1}}
            with house([hubspot, files], tmp_path, clock, database, **asked) as app:
                total = all_connections_report(app.engine, app.config)
                crowns, euros = (
                    forecast_report(app.engine, name, Segment.TOTAL) for name in ("hubspot", "file")
                )
            for period, nok, eur in zip(total.rows, crowns.rows, euros.rows, strict=True):
                both = float(str(nok["won_amount"])) * 0.1 + float(str(eur["won_amount"]))
                assert period["won_amount"] == pytest.approx(both)
            with house(
                [hubspot, files], tmp_path, clock, database, reporting_currency="EUR"
            ) as app:
                without = all_connections_report(app.engine, app.config)
            assert not without.rows
            assert "hubspot is in NOK, which has no rate into EUR" in without.notes[0]


class TestRates:
    def config(self, **settings: object) -> Config:
        return Config.model_validate(
            {"connections": [{"kind": "hubspot", "name": "main"}], **settings}
        )

    def test_without_a_reporting_currency_they_are_into_the_home_currency(self) -> None:
        config = self.config(exchange_rates={"EUR": "11.5"})
        assert rates_for(config, "NOK") == {"EUR": Decimal("11.5")}

    def test_of_another_home_they_go_through_the_reporting_currency(self) -> None:
        config = self.config(reporting_currency="NOK", exchange_rates={"EUR": "12", "SEK": "1.2"})
        assert rates_for(config, "NOK") == {"EUR": Decimal(12), "SEK": Decimal("1.2")}
        assert rates_for(config, "SEK") == {"EUR": Decimal(10), "NOK": 1 / Decimal("1.2")}

    def test_a_home_without_a_rate_has_none(self) -> None:
        config = self.config(reporting_currency="NOK", exchange_rates={"EUR": "12"})
        assert rates_for(config, "DKK") == {}

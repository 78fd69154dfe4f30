"""What a daemon's cycles cost, by the benchmark that measures it for a million deals too."""

from pathlib import Path

from bench import cycles, stub
from bench.sync_clients import dealpulse


def test_a_quiet_cycle_writes_nothing_and_300_changes_take_twelve_requests(
    database_url: str, tmp_path: Path
) -> None:
    with stub.serve(stub.Settings(deals=700)) as server:
        assert dealpulse(server.url, database_url, str(tmp_path))["deals"] == 700
        cycles.take_past_as_read(database_url)
        _, quiet, changed, quiet_again = cycles.daemon(server.url, database_url, str(tmp_path))
    for found in (quiet, quiet_again):
        assert found["requests"] <= 6
        assert found["deals_written"] == 0
        assert not any(found["rows_added"].values())
    assert changed["requests"] <= 12
    assert changed["deals_written"] == 300
    assert changed["rows_added"].pop("deal_change") >= 300
    assert not any(changed["rows_added"].values())

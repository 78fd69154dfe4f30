from datetime import UTC, date, datetime, timedelta

from forecasting.quality import stale_days
from tests.forecasting.frames import AS_OF, TODAY, ZONE, change, changes, deals


def test_the_latest_of_activity_change_and_creation_counts() -> None:
    long_ago = AS_OF - timedelta(days=100)
    frame = deals(
        {"created_at": long_ago, "last_activity_at": AS_OF - timedelta(days=7)},
        {"created_at": long_ago, "last_activity_at": AS_OF - timedelta(days=7)},
        {"created_at": AS_OF - timedelta(days=4), "last_activity_at": None},
        {"status": "won", "closed_on": TODAY},
    )
    rows = changes(change("amount", "5", AS_OF - timedelta(days=2), deal_id="d2"))
    silence = stale_days(frame, rows, as_of=AS_OF, today=TODAY, zone=ZONE)
    assert silence.select("deal_id", "stale_days").rows() == [("d1", 7), ("d2", 2), ("d3", 4)]
    assert silence["last_activity_on"][0] == date(2026, 3, 9)


def test_days_are_the_accounts() -> None:
    """23:30 UTC on 15 March is 16 March in Oslo: today."""
    late = deals({"last_activity_at": datetime(2026, 3, 15, 23, 30, tzinfo=UTC)})
    for zone, days in ((ZONE, 0), ("UTC", 1)):
        silence = stale_days(late, changes(), as_of=AS_OF, today=TODAY, zone=zone)
        assert silence["stale_days"].item() == days


def test_an_activity_dated_ahead_counts_as_today() -> None:
    ahead = deals({"last_activity_at": AS_OF + timedelta(days=3)})
    silence = stale_days(ahead, changes(), as_of=AS_OF, today=TODAY, zone=ZONE)
    assert silence.row(0) == ("main", "d1", 0, TODAY)

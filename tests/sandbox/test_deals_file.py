"""Companies made of files: every row is a deal with the file's own values, or accounted for."""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import ConfigError
from sync.sandbox.company import Company, CompanyDeal
from sync.sandbox.deals_file import read_company

OLGA = Path(__file__).parents[1] / "fixtures" / "olga" / "opportunities.csv.gz"
SHARED = Path(__file__).parents[3] / "shared" / "data"
HEADER = "id,created_at,closed_at,status,amount,amount_open,expected_close,owner,type,source"


def shared(name: str) -> Path:
    path = SHARED / name / "deals.csv.gz"
    if not path.exists():
        pytest.skip(f"../shared/data/{name} is not beside this checkout")
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    """The file as Python's own reader sees it."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def instant(text: str) -> datetime:
    form = "%Y-%m-%d" if len(text) == 10 else "%Y-%m-%d %H:%M:%S"
    whole, _, fraction = text.partition(".")
    moment = datetime.strptime(whole, form).replace(tzinfo=UTC)
    return moment + timedelta(milliseconds=int(fraction)) if fraction else moment


def present(deal: CompanyDeal, field: str) -> str | None:
    values = [event.value for event in deal.events if event.field == field]
    return values[-1] if values else None


def present_instant(deal: CompanyDeal, field: str) -> datetime | None:
    text = present(deal, field)
    return None if text is None else datetime.fromisoformat(text)


def status(deal: CompanyDeal) -> str:
    stage = present(deal, "stage")
    return stage if stage in {"won", "lost"} else "open"


def closed_at(deal: CompanyDeal) -> datetime:
    return next(e.at for e in deal.events if e.field == "stage" and e.value in {"won", "lost"})


def write(folder: Path, *rows: str, header: str = HEADER, name: str = "some.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def read(folder: Path, *rows: str, **options: datetime | None) -> Company:
    return read_company(write(folder, *rows), **options)


def rejected(company: Company) -> Sequence[dict[str, object]]:
    rows = company.truth["rejected_rows"]
    assert isinstance(rows, list)
    return rows


def check_histories(company: Company) -> None:
    stages = {stage.id for stage in company.pipelines[0].stages}
    owners = {owner.id for owner in company.owners}
    for deal in company.deals:
        at = [event.at for event in deal.events]
        assert at == sorted(at)
        assert at[0] == deal.created_at
        moves = [event.value for event in deal.events if event.field == "stage"]
        assert set(moves) <= stages
        assert all(here != there for here, there in pairwise(moves))
        assert not {"won", "lost"} & set(moves[:-1])
        assert present(deal, "owner") in owners | {None}


# Whole files


@pytest.mark.parametrize("name", ["bpic2012", "maven"])
def test_a_canonical_file_is_all_there(name):
    path = shared(name)
    rows = rows_of(path)
    company = read_company(path)
    assert rejected(company) == []
    assert [deal.key for deal in company.deals] == [row["id"] for row in rows]
    assert company.time_zone == "UTC"
    check_histories(company)
    sums, expected = defaultdict(Decimal), defaultdict(Decimal)
    for deal, row in zip(company.deals, rows, strict=True):
        assert status(deal) == row["status"]
        assert deal.created_at == instant(row["created_at"])
        amount = row["amount_open"] if row["status"] == "open" else row["amount"]
        assert present(deal, "amount") == amount
        assert next(e for e in deal.events if e.field == "amount").value == row["amount_open"]
        sums[status(deal)] += Decimal(present(deal, "amount") or 0)
        expected[row["status"]] += Decimal(amount)
        assert present(deal, "owner") == row["owner"]
        assert present(deal, "deal_type") == (row["type"] or None)
        assert row["id"] in present(deal, "name")
        if row["status"] == "open":
            assert present(deal, "close_date") is None
        else:
            assert closed_at(deal) == instant(row["closed_at"])
            assert present_instant(deal, "close_date") == instant(row["closed_at"])
    assert sums == expected
    assert len(sums) == 3


def test_the_banks_event_log_becomes_its_stages():
    path = shared("bpic2012")
    company = read_company(path)
    assert [stage.label for stage in company.pipelines[0].stages] == [
        "A_SUBMITTED", "A_PARTLYSUBMITTED", "A_PREACCEPTED", "A_ACCEPTED", "A_FINALIZED",
        "O_SENT", "O_SENT_BACK", "Won", "Lost",
    ]  # fmt: skip
    assert company.truth["rejected_stage_events"] == []
    assert company.truth["events_after_end"] == 2246 + 7635 + 2807  # approved, declined, cancelled
    labels = {stage.id: stage.label for stage in company.pipelines[0].stages}
    logged = defaultdict(list)
    for row in rows_of(path.with_name("stage_events.csv.gz")):
        if row["activity"] not in {"A_APPROVED", "A_DECLINED", "A_CANCELLED"}:
            if logged[row["id"]] and logged[row["id"]][-1][1] == row["activity"]:
                continue
            logged[row["id"]].append((instant(row["time"]), row["activity"]))
    for deal in company.deals:
        moves = [(e.at, labels[e.value]) for e in deal.events if e.field == "stage"]
        assert [move for move in moves if move[1] not in {"Won", "Lost"}] == logged[deal.key]


def test_opportunities_keep_their_stages_and_dates():
    rows = rows_of(OLGA)
    company = read_company(OLGA)
    assert rejected(company) == []
    assert len(rows) == len(company.deals) == 6000
    check_histories(company)
    labels = {stage.id: stage.label for stage in company.pipelines[0].stages}
    assert list(labels.values()) == [
        "Prospecting", "Qualification", "Proposal", "Negotiation", "Won", "Lost",
    ]  # fmt: skip
    for deal, row in zip(company.deals, rows, strict=True):
        assert deal.key == row["opportunity_id"]
        assert present(deal, "name") == f"{row['opportunity_id']} {row['account_name']}"
        assert deal.created_at == instant(row["created_date"])
        assert present_instant(deal, "close_date") == instant(row["close_date"])
        assert present(deal, "amount") == row["amount"]
        assert present(deal, "owner") == row["owner"]
        assert present(deal, "loss_reason") == (row["loss_reason"] or None)
        moves = [labels[e.value] for e in deal.events if e.field == "stage"]
        if row["is_closed"] == "True":
            assert status(deal) == ("won" if row["is_won"] == "True" else "lost")
            assert closed_at(deal) == instant(row["close_date"])
            assert moves[-2] == (row["lost_at_stage"] or "Negotiation")
        else:
            assert moves[-1] == row["stage"]
        assert moves[0] == "Prospecting"
    pushed = [row["opportunity_id"] for row in rows if row["close_date_pushed"] == "True"]
    assert company.truth["close_date_pushed"] == pushed
    assert Counter(map(status, company.deals)) == {"lost": 3760, "won": 1824, "open": 416}


# What `until` hides


def test_the_past_knows_nothing_of_what_came_later():
    until = datetime(2025, 1, 1, tzinfo=UTC)
    then = read_company(OLGA, until=until)
    now = {deal.key: deal for deal in read_company(OLGA).deals}
    assert then.truth["created_after"] == 6000 - len(then.deals) > 0
    reopened = 0
    for deal in then.deals:
        assert max(event.at for event in deal.events) <= until
        assert deal.events == [e for e in now[deal.key].events if e.at <= until]
        reopened += status(deal) == "open" and status(now[deal.key]) != "open"
    assert reopened > 50


def test_an_amount_known_only_at_closing_is_not_known_before(tmp_path):
    row = "1,2026-01-01,2026-02-01,won,500,,,,,"
    (before,) = read(tmp_path, row, until=datetime(2026, 1, 15, tzinfo=UTC)).deals
    (after,) = read(tmp_path, row).deals
    assert present(before, "amount") is None
    assert present(after, "amount") == "500"


def test_until_needs_a_zone(tmp_path):
    with pytest.raises(ValueError, match="time zone"):
        read(tmp_path, until=datetime(2026, 1, 1))  # noqa: DTZ001


# Single rows


def test_values_stay_as_typed(tmp_path):
    company = read(
        tmp_path,
        "a,2026-01-01,,open,,20000.0,2026-03-31,Kari Nordmann,Pro,Web",
        "b,2026-01-01T10:00:00+02:00,2026-02-01 09:30:15.250,lost,1e3,0.10,2026-03-31,,,",
        "c,2026-01-01,,open,7,,,,,",
    )
    a, b, c = company.deals
    assert present(a, "amount") == "20000.0"
    assert a.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert present_instant(a, "close_date") == datetime(2026, 3, 31, tzinfo=UTC)
    assert present(a, "lead_source") == "Web"
    (owner,) = company.owners
    assert (owner.id, owner.first_name, owner.last_name) == ("Kari Nordmann", "Kari", "Nordmann")
    assert present(a, "owner") == owner.id
    assert b.created_at == datetime(2026, 1, 1, 8, tzinfo=UTC)
    assert [e.value for e in b.events if e.field == "amount"] == ["0.10", "1000"]
    assert closed_at(b) == datetime(2026, 2, 1, 9, 30, 15, 250_000, tzinfo=UTC)
    assert [e.value[:10] for e in b.events if e.field == "close_date"] == [
        "2026-03-31", "2026-02-01",
    ]  # fmt: skip
    assert present(b, "owner") is None
    assert present(c, "amount") == "7"
    assert [stage.label for stage in company.pipelines[0].stages] == ["Open", "Won", "Lost"]


def test_an_empty_final_amount_does_not_empty_the_known_one(tmp_path):
    (deal,) = read(tmp_path, "a,2026-01-01,2026-02-01,won,,900,,,,").deals
    assert present(deal, "amount") == "900"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",2026-01-01,,open,1,,,,,", "no id"),
        ("a,,,open,1,,,,,", "no created_at"),
        ("a,1 January,,open,1,,,,,", "created_at '1 January' is not"),
        ("a,2026-01-01,,pending,1,,,,,", "status 'pending' is none of"),
        ("a,2026-01-01,,won,1,,,,,", "won, but without the day of closing"),
        ("a,2026-01-01,2026-01-02,open,1,,,,,", "open, but with a day of closing"),
        ("a,2026-01-03,2026-01-02,lost,1,,,,,", "closed before it was created"),
        ('a,2026-01-01,,open,"1,000",,,,,', "amount '1,000' is not a plain number"),
        ("a,2026-01-01,,open,NaN,,,,,", "amount 'NaN' is not a plain number"),
        ("a,2026-01-01,,open,1,two,,,,", "amount_open 'two' is not"),
        ("a,2026-01-01,,open,1,,soon,,,", "expected_close 'soon' is not"),
        ("a,2026-01-01,,open,1", "5 cells under 10 column names"),
        ("good,2026-01-01,,open,1,,,,,", "the id good has been used before"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_line(tmp_path, row, reason):
    good = "good,2026-01-01,,open,1,,,,,"
    company = read(tmp_path, good, row, "last,2026-01-01,,open,1,,,,,")
    (bad,) = rejected(company)
    assert bad["line"] == 3
    assert bad["id"] == (row.split(",")[0] or None)
    assert reason in str(bad["reason"])
    assert [deal.key for deal in company.deals] == ["good", "last"]


def test_lines_are_counted_over_breaks_inside_quotes_and_blank_lines(tmp_path):
    company = read(tmp_path, '"two\nlines",2026-01-01,,open,1,,,,,', "", "bad,,,open,1,,,,,")
    assert [row["line"] for row in rejected(company)] == [5]
    assert [deal.key for deal in company.deals] == ["two\nlines"]


OPPORTUNITY = (
    "opportunity_id,account_name,owner,created_date,close_date,stage,amount,"
    "lost_at_stage,close_date_pushed,is_won,is_closed"
)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            "1,A,O,2026-01-01,2026-02-01,Dreaming,5,,False,False,False",
            "stage 'Dreaming' is none of",
        ),
        ("1,A,O,2026-01-01,2026-02-01,Closed Lost,5,,False,False,True", "stage '' is none of"),
        ("1,A,O,2026-01-01,2026-02-01,Closed Won,5,,False,False,True", "is_won is False, but"),
        ("1,A,O,2026-01-01,2026-02-01,Proposal,5,,False,False,True", "is_closed is True, but"),
    ],
)
def test_an_opportunity_that_contradicts_itself_is_rejected(tmp_path, row, reason):
    company = read_company(write(tmp_path, row, header=OPPORTUNITY))
    assert company.deals == []
    assert reason in str(rejected(company)[0]["reason"])


deal_texts = st.tuples(
    st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001
    st.timedeltas(timedelta(0), timedelta(days=900)),
    st.sampled_from(["open", "won", "lost"]),
    st.decimals(-(10**9), 10**9, places=2),
)


@given(st.lists(deal_texts, max_size=12))
def test_any_deals_come_through_exactly(tmp_path_factory, deals):
    folder = tmp_path_factory.mktemp("deals")
    rows = [
        f"{n},{made},{made + life if how != 'open' else ''},{how},{amount},,,,,"
        for n, (made, life, how, amount) in enumerate(deals)
    ]
    company = read(folder, *rows)
    assert rejected(company) == []
    check_histories(company)
    for deal, (made, life, how, amount) in zip(company.deals, deals, strict=True):
        assert deal.created_at == made.replace(tzinfo=UTC)
        assert status(deal) == how
        assert Decimal(present(deal, "amount") or "") == amount
        if how != "open":
            assert closed_at(deal) == (made + life).replace(tzinfo=UTC)


# Event logs


def test_stage_events_beside_a_file_or_given_become_history(tmp_path):
    deals = write(
        tmp_path,
        "1,2026-01-01,2026-01-10,won,5,,,,,",
        "2,2026-01-01,,open,5,,,,,",
        "3,2026-01-01,2026-01-05,lost,5,,,,,",
        name="deals.csv",
    )
    log = write(
        tmp_path,
        "1,2026-01-03,Offer sent,x",
        "1,2025-12-31,First call,x",  # out of order, and before the deal was made
        "1,2026-01-10,Signed,x",
        "2,2026-01-02,First call,x",
        "2,2026-01-04,Offer sent,x",
        "2,2026-01-05,Offer sent,x",
        "2,2026-01-06,First call,x",
        "9,2026-01-02,First call,x",
        "2,anon,First call,x",
        "2,2026-01-02,,x",
        header="id,time,activity,resource",
        name="log.csv",
    )
    company = read_company(deals, stage_events=log)
    assert {stage.id: stage.label for stage in company.pipelines[0].stages} == {
        "first_call": "First call",
        "offer_sent": "Offer sent",
        "won": "Won",
        "lost": "Lost",
    }
    assert [stage.id for stage in company.pipelines[0].stages][:2] == ["first_call", "offer_sent"]
    moves = {
        deal.key: [(e.at.day, e.value) for e in deal.events if e.field == "stage"]
        for deal in company.deals
    }
    assert moves == {
        "1": [(1, "first_call"), (3, "offer_sent"), (10, "won")],
        "2": [(1, "first_call"), (4, "offer_sent"), (6, "first_call")],
        "3": [(1, "first_call"), (5, "lost")],
    }
    check_histories(company)
    assert company.truth["events_after_end"] == 1
    assert company.truth["rejected_stage_events"] == [
        {"line": 9, "id": "9", "reason": "no such deal"},
        {"line": 10, "id": "2", "reason": "time 'anon' is not an ISO 8601 date or time"},
        {"line": 11, "id": "2", "reason": "no activity"},
    ]


def test_stages_have_ids_of_their_own_and_never_claim_certainty(tmp_path):
    names = ["Won", "won!", "Ærlig", *(f"Step {n}" for n in range(30))]
    deals = write(tmp_path, "1,2026-01-01,,open,5,,,,,")
    log = write(
        tmp_path,
        *(f"1,2026-01-{1 + n // 24:02}T{n % 24:02}:00,{name}" for n, name in enumerate(names)),
        header="id,time,activity",
        name="log.csv",
    )
    stages = read_company(deals, stage_events=log).pipelines[0].stages
    assert [stage.label for stage in stages] == [*names, "Won", "Lost"]
    assert len({stage.id for stage in stages}) == len(stages)
    opened = [stage.probability for stage in stages if not stage.is_closed]
    assert opened == sorted(opened)
    assert Decimal("0.1") <= opened[0] < opened[-1] <= Decimal("0.9")


# Files that cannot be used at all


def test_missing_columns_are_named_with_what_is_accepted(tmp_path):
    path = write(tmp_path, "1,2026-01-01", header="id,created_at")
    with pytest.raises(ConfigError) as error:
        read_company(path)
    text = str(error.value)
    assert str(path) in text
    assert "no column closed_at, status, amount." in text
    assert "opportunity_id, account_name" in text
    assert "amount_open, expected_close, owner, type, source" in text


def test_a_log_without_its_columns_is_refused(tmp_path):
    deals = write(tmp_path, "1,2026-01-01,,open,5,,,,,")
    log = write(tmp_path, "1", header="id", name="log.csv")
    with pytest.raises(ConfigError, match="no column time, activity"):
        read_company(deals, stage_events=log)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", "id,beløp".encode("latin-1"), "is not UTF-8"),
        ("a.csv.gz", b"id,created_at", "cannot be read"),
        ("a.csv.gz", gzip.compress(b"id,created_at" * 50, mtime=0)[:-20], "is damaged"),
        ("a.csv", (HEADER + ",id\n").encode(), "names a column twice"),
    ],
)
def test_an_unusable_file_says_what_is_wrong(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_company(path)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.csv cannot be read"):
        read_company(tmp_path / "nowhere.csv")


def test_a_byte_order_mark_and_an_empty_table_are_fine(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\ufeff" + HEADER + "\n", encoding="utf-8")
    company = read_company(path)
    assert company.deals == []
    assert company.owners == ()

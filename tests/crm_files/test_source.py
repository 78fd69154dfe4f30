"""What an import folder brings into the mirror, file after file."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from sync.crm.base import DealStatus
from sync.crm.files.folder import SETTLE_S
from sync.errors import ConfigError, PermanentError, SafetyStop
from tests.crm_files.conftest import HEAD, ROWS, Import, Make
from tests.fake_clock import FakeClock


class TestOneFile:
    def test_its_deals_as_they_are(self, folder: Import) -> None:
        folder.export(*ROWS)
        folder.pull()
        kitchen, _, garage = (folder.deals[i] for i in "123")
        assert kitchen.name == "Nytt kjøkken"
        assert (kitchen.amount, kitchen.currency) == (Decimal("1250000.5"), "NOK")
        assert kitchen.amount_home == kitchen.amount
        assert (kitchen.stage_id, kitchen.status) == ("Kvalifisering", DealStatus.OPEN)
        assert kitchen.close_date == datetime(2026, 4, 29, 22, tzinfo=UTC)
        assert kitchen.closed_at is None
        assert (kitchen.owner_id, kitchen.company_count, kitchen.contact_count) == ("Kari", 1, None)
        assert garage.status is DealStatus.WON
        assert garage.closed_at == datetime(2026, 2, 9, 23, tzinfo=UTC)
        assert garage.stage_probability == 1

    def test_roles_of_contacts_are_a_column(self, folder: Import) -> None:
        told = ("champion;  Decision  maker ", "", "-")
        rows = [f'{row};"{cell}"' for row, cell in zip(ROWS, told, strict=True)]
        folder.export(*rows, head=f"{HEAD};Kontaktroller")
        folder.pull()
        found = [folder.deals[i].contact_roles for i in "123"]
        assert found == ["Decision maker\nchampion", "", ""]

    def test_stages_and_owners_are_those_met(self, folder: Import) -> None:
        folder.export(*ROWS)
        source = folder.source
        (pipeline,) = source.pipelines()
        stages = {stage.label: stage for stage in pipeline.stages}
        assert list(stages) == ["Kvalifisering", "Tilbud", "Vunnet"]
        assert stages["Vunnet"].is_won
        assert [owner.name for owner in source.owners()] == ["Kari", "Per"]

    def test_is_read_once(self, folder: Import, clock: FakeClock) -> None:
        folder.export(*ROWS)
        assert sum(len(page.deals) for page in folder.pull()) == 3
        clock.advance(minutes=15)
        assert folder.pull() == []
        folder.export(*ROWS, name="the same again.csv")
        assert folder.pull() == []

    def test_is_left_while_it_grows(self, folder: Import, clock: FakeClock) -> None:
        """The second look finds another size; the pull after that takes it."""
        path = folder.export(*ROWS[:1])
        patient = clock.sleep

        def meanwhile(seconds: float) -> None:
            patient(seconds)
            if seconds == SETTLE_S and len(path.read_text("utf-8").splitlines()) < 4:
                folder.export(*ROWS)

        clock.sleep = meanwhile  # type: ignore[method-assign]
        assert folder.said(folder.pull()) == [
            "deals.csv is still being written; it is read next time"
        ]
        assert folder.deals == {}
        folder.pull()
        assert set(folder.deals) == {"1", "2", "3"}

    def test_an_interrupted_pull_goes_on(self, folder: Import) -> None:
        many = [f"{n};Deal {n};Tilbud;{n};;01.01.2026;Kari;X" for n in range(1300)]
        folder.export(*many)
        pages = folder.source.deals(None, started_at=folder.clock.now(), known=lambda ids: {})
        folder.cursor = next(pages).cursor
        pages.close()
        rest = [deal.deal_id for page in folder.pull() for deal in page.deals]
        assert len(rest) == 800
        assert len(set(rest)) == 800

    def test_from_the_beginning_once_the_book_is_lost(self, folder: Import) -> None:
        folder.export(*ROWS)
        folder.pull()
        for path in folder.folder.glob(".dealpulse*"):
            path.unlink()
        assert sum(len(page.deals) for page in folder.pull()) == 3


class TestTheNextFile:
    def test_brings_what_changed_dated_by_the_file(self, folder: Import, clock: FakeClock) -> None:
        folder.export(*ROWS)
        folder.pull()
        clock.advance(days=1)
        folder.export(ROWS[0].replace("Kvalifisering", "Tilbud"), *ROWS[1:], name="day2.csv")
        (page,) = folder.pull()
        (moved,) = page.deals
        assert (moved.deal_id, moved.stage_id) == ("1", "Tilbud")
        assert moved.modified_at == clock.now() - timedelta(seconds=SETTLE_S)

    def test_several_at_once_come_in_the_order_of_their_dates(
        self, folder: Import, clock: FakeClock
    ) -> None:
        row = "1;Kjøkken;{};100;;01.01.2026;Kari;Vik"
        for day, stage in ((9, "Tilbud"), (2, "Kvalifisering"), (16, "Forhandling")):
            at = datetime(2026, 3, day, tzinfo=UTC)
            folder.put(f"z{20 - day}.csv", f"{HEAD}\n{row.format(stage)}\n", at)
        folder.pull()
        assert folder.deals["1"].stage_id == "Forhandling"
        assert [file.name for file in folder.book.files()] == ["z18.csv", "z11.csv", "z4.csv"]

    def test_a_date_in_the_name_counts_before_the_files_own(
        self, folder: Import, clock: FakeClock
    ) -> None:
        folder.export(*ROWS, name="export_2026-03-02.csv")
        folder.pull()
        assert folder.deals["1"].modified_at == datetime(2026, 3, 2, 22, 59, 59, tzinfo=UTC)

    def test_an_older_one_is_not_read_and_said(self, folder: Import) -> None:
        folder.export(*ROWS)
        folder.pull()
        old = folder.clock.now() - timedelta(days=30)
        folder.put("old.csv", f"{HEAD}\n{ROWS[0]}\n", old)
        (said,) = folder.said(folder.pull())
        assert said.startswith("old.csv was not read: it is of 2026-02-14 09:00Z, older than")
        assert set(folder.deals) == {"1", "2", "3"}

    def test_a_deal_that_closes_without_a_date_closed_with_the_file(
        self, folder: Import, clock: FakeClock
    ) -> None:
        head, row = "Id;Fase;Verdi", "1;Tilbud;100"
        folder.put("a.csv", f"{head}\n{row}\n")
        folder.pull()
        clock.advance(days=3)
        folder.put("b.csv", f"{head}\n1;Tapt;100\n")
        folder.pull()
        assert folder.deals["1"].closed_at == clock.now() - timedelta(seconds=SETTLE_S)
        assert folder.deals["1"].created_at == datetime(2026, 3, 16, 9, 0, tzinfo=UTC)

    def test_the_modification_date_never_goes_back(self, folder: Import, clock: FakeClock) -> None:
        head = "Id;Fase;Verdi;Sist endret"
        folder.put("a.csv", f"{head}\n1;Tilbud;100;15.03.2026\n")
        folder.pull()
        before = folder.deals["1"].modified_at
        clock.advance(days=1)
        folder.put("b.csv", f"{head}\n1;Tilbud;200;01.03.2026\n")
        folder.pull()
        assert folder.deals["1"].amount == 200
        assert folder.deals["1"].modified_at >= before


class TestWhatIsMissing:
    def test_was_deleted_and_comes_back(self, folder: Import, clock: FakeClock) -> None:
        folder.export(*ROWS)
        folder.pull()
        clock.advance(days=1)
        folder.export(*ROWS[:2], name="b.csv")
        folder.pull()
        assert set(folder.deals) == {"1", "2"}
        (gone,) = [r for rs in folder.source.removed(started_at=clock.now()) for r in rs]
        assert (gone.deal_id, gone.removed_at) == (
            "3",
            datetime(2026, 3, 17, 9, 0, tzinfo=UTC) + timedelta(seconds=SETTLE_S),
        )
        assert folder.source.read(["1", "3"]).deals[0].deal_id == "1"
        clock.advance(days=1)
        folder.export(*ROWS, name="c.csv")
        folder.pull()
        assert set(folder.deals) == {"1", "2", "3"}
        assert list(folder.source.removed(started_at=clock.now())) == []

    def test_too_much_of_it_is_refused_with_what_to_do(
        self, folder: Import, clock: FakeClock
    ) -> None:
        folder.export(*ROWS)
        folder.pull()
        clock.advance(days=1)
        bad = folder.export(ROWS[0], name="b.csv")
        with pytest.raises(SafetyStop, match=r"2 of the 3 deals are not in it \(67%") as caught:
            folder.pull()
        assert "contents: delta" in str(caught.value)
        assert set(folder.deals) == {"1", "2", "3"}
        bad.unlink()
        folder.export(*ROWS[:2], name="c.csv")
        folder.pull()
        assert set(folder.deals) == {"1", "2"}

    def test_files_before_a_bad_one_come_in_first(self, folder: Import, clock: FakeClock) -> None:
        now = clock.now()
        folder.put("a.csv", "\n".join([HEAD, *ROWS]), now - timedelta(days=2))
        folder.put("b.csv", "no table at all", now - timedelta(days=1))
        folder.put("c.csv", "\n".join([HEAD, *ROWS[:2]]), now)
        with pytest.raises(PermanentError, match=r"b\.csv cannot be read: it has no headings"):
            folder.pull()
        assert set(folder.deals) == {"1", "2", "3"}

    def test_a_delta_deletes_only_what_it_calls_deleted(
        self, importing: Make, clock: FakeClock
    ) -> None:
        folder = importing(contents="delta")
        head = "Id;Fase;Verdi;Status"
        folder.put("a.csv", f"{head}\n1;Tilbud;1;åpen\n2;Tilbud;2;åpen\n")
        folder.pull()
        clock.advance(days=1)
        folder.put("b.csv", f"{head}\n2;Tilbud;2;slettet\n3;Tilbud;3;åpen\n")
        folder.pull()
        assert set(folder.deals) == {"1", "3"}
        assert not folder.source.capabilities.lists_removed

    def test_a_rejected_row_does_not_delete_its_deal(
        self, folder: Import, clock: FakeClock
    ) -> None:
        folder.export(*ROWS)
        folder.pull()
        clock.advance(days=1)
        folder.export(*ROWS[:2], ROWS[2] + ";too;many", name="b.csv")
        assert folder.said(folder.pull()) == [
            "b.csv, line 4: more_cells_than_headings (a delimiter inside a value without quotes?)"
        ]
        assert set(folder.deals) == {"1", "2", "3"}


class TestRejectedRows:
    def test_are_in_a_file_with_line_and_reason(self, folder: Import) -> None:
        path = folder.export(
            *ROWS, ";Uten id;Tilbud;5;;;;", "4;Uten fase;;5;;;;", "1;Annet;Tilbud;6;;;;"
        )
        folder.pull()
        lines = Path(f"{path}.rejected.csv").read_text("utf-8-sig").splitlines()
        assert lines == [
            f"line;reason;detail;{HEAD}",
            f"2;duplicate_id;line 7 has the same id;{ROWS[0]}",
            "5;no_id;every deal needs one;;Uten id;Tilbud;5;;;;",
            "6;no_stage;and no status either;4;Uten fase;;5;;;;",
        ]
        assert folder.deals["1"].name == "Annet"

    def test_nothing_in_it_runs_in_a_spreadsheet(self, folder: Import) -> None:
        path = folder.export(*ROWS, ";=cmd|'/c calc'!A0;Tilbud;-5;;;@x;")
        folder.pull()
        (row,) = Path(f"{path}.rejected.csv").read_text("utf-8-sig").splitlines()[1:]
        assert row == "5;no_id;every deal needs one;;'=cmd|'/c calc'!A0;Tilbud;-5;;;'@x;"

    def test_a_value_that_is_not_understood_is_counted_and_shown(self, folder: Import) -> None:
        path = folder.export("1;A;Tilbud;omtrent en million;snart;01.01.2026;Kari;X")
        (page, *_) = folder.pull()
        assert {(u.field, u.raw) for u in page.unparsed} == {
            ("amount", "omtrent en million"),
            ("close_date", "snart"),
        }
        assert "value_not_understood;close_date: snart" in Path(f"{path}.doubts.csv").read_text(
            "utf-8-sig"
        )

    def test_their_file_is_gone_once_they_are_put_right(
        self, folder: Import, clock: FakeClock
    ) -> None:
        path = folder.export(*ROWS, ";x;y;1;;;;")
        folder.pull()
        assert Path(f"{path}.rejected.csv").exists()
        clock.advance(minutes=15)
        folder.export(*ROWS)
        folder.pull()
        assert not Path(f"{path}.rejected.csv").exists()


class TestMapping:
    MAPPING = """
columns: {id: Nr, stage: Steg, amount: [Sum, Beløp], owner: Selger, name: Sak}
stages:
  - {name: Ny, probability: 10 %}
  - {name: Tilbud, probability: "0,5", aliases: [Tilbud sendt]}
  - {name: Signert, outcome: won}
owners:
  KN: {name: Kari Nordmann, email: kari@vik.example, team: Nord}
  Per: {active: false}
"""

    def mapped(self, importing: Make, tmp_path: Path, text: str = MAPPING) -> Import:
        path = tmp_path / "dult.yaml"
        path.write_text(text, "utf-8")
        return importing(mapping=path)

    def test_orders_stages_and_knows_owners(self, importing: Make, tmp_path: Path) -> None:
        folder = self.mapped(importing, tmp_path)
        folder.put(
            "a.csv",
            "Nr;Sak;Steg;Beløp;Selger\n1;A;tilbud SENDT;1,50;KN\n2;B;Signert;2;Per\n3;C;Rart;3;\n",
        )
        source = folder.source
        (pipeline,) = source.pipelines()
        assert [(s.label, s.probability) for s in pipeline.stages] == [
            ("Ny", Decimal("0.1")),
            ("Tilbud", Decimal("0.5")),
            ("Signert", Decimal(1)),
            ("Rart", None),
        ]
        owners = {owner.owner_id: owner for owner in source.owners()}
        assert owners["kari@vik.example"].name == "Kari Nordmann"
        assert owners["kari@vik.example"].teams == ("Nord",)
        assert not owners["Per"].active
        folder.pull()
        assert folder.deals["1"].stage_id == "Tilbud"
        assert folder.deals["1"].stage_probability == Decimal("0.5")
        assert folder.deals["2"].status is DealStatus.WON
        assert folder.book.files()[-1].report["defects"]["stage_not_in_mapping"] == 1

    def test_the_last_file_is_read_again_under_another_one(
        self, importing: Make, tmp_path: Path
    ) -> None:
        folder = self.mapped(importing, tmp_path)
        folder.put("a.csv", "Nr;Sak;Steg;Sum\n1;A;Avtalt;1\n")
        folder.pull()
        assert folder.deals["1"].status is DealStatus.OPEN
        text = self.MAPPING.replace("name: Signert,", "name: Signert, aliases: [Avtalt],")
        (tmp_path / "dult.yaml").write_text(text, "utf-8")
        folder.pull()
        assert folder.deals["1"].status is DealStatus.WON
        assert folder.pull() == []

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("columns: {id: Nr, stage: S, frob: X}", "columns.frob: must be one of: 'id', 'name'"),
            ("columns: {id: Nr}", "columns must name the stage or the status"),
            ("columns: {stage: S}", "columns must name the id, or id_from"),
            ("columns: {id: A, stage: A}", "columns: 'A' is mapped to id and to stage"),
            ("columns: {id: A, stage: B}\nstagez: []", "stagez: there is no such setting"),
            (
                "columns: {id: A, stage: B}\nstages: [{name: x, probability: lots}]",
                "stages.0.probability: must be a share like 0.2 or 20 %",
            ),
        ],
    )
    def test_a_mistake_in_it_is_named(
        self, importing: Make, tmp_path: Path, text: str, said: str
    ) -> None:
        folder = self.mapped(importing, tmp_path, text)
        with pytest.raises(ConfigError) as caught:
            folder.pull()
        assert said in str(caught.value)

    def test_a_file_without_its_columns_says_which(self, importing: Make, tmp_path: Path) -> None:
        folder = self.mapped(importing, tmp_path)
        folder.put("a.csv", "Id;Steg\n1;Ny\n")
        with pytest.raises(PermanentError, match="no column 'Nr' for the id; its headings are"):
            folder.pull()

    def test_without_an_id_what_tells_deals_apart(self, folder: Import) -> None:
        head = "Navn;Firma;Opprettet;Fase;Verdi"
        folder.put("a.csv", f"{head}\nKjøkken;Vik;01.01.2026;Tilbud;1\nBad;Vik;01.01.2026;Ny;2\n")
        folder.pull()
        first = dict(folder.deals)
        folder.clock.advance(days=1)
        folder.put("b.csv", f"{head}\nBad;Vik;01.01.2026;Tilbud;3\nKjøkken;Vik;01.01.2026;Ny;1\n")
        folder.pull()
        assert folder.deals.keys() == first.keys()


def test_a_missing_folder_says_what_to_do(folder: Import) -> None:
    folder.folder.rmdir()
    with pytest.raises(ConfigError, match="create it, or correct `folder`"):
        folder.pull()
    (check, *_) = folder.source.check()
    assert not check.ok


def test_headings_alone_delete_nothing(folder: Import, clock: FakeClock) -> None:
    folder.export(*ROWS)
    folder.pull()
    clock.advance(days=1)
    folder.export(name="empty.csv")
    with pytest.raises(SafetyStop, match="3 of the 3 deals are not in it"):
        folder.pull()
    assert set(folder.deals) == {"1", "2", "3"}


def test_a_file_that_may_not_be_read_is_named(folder: Import) -> None:
    (folder.folder / "deals.csv").mkdir()
    folder.export(*ROWS, name="more.csv")
    with pytest.raises(PermanentError, match=r"deals\.csv cannot be read: Is a directory"):
        folder.pull()


def test_a_mapping_that_names_what_is_not_there_names_it_and_what_is(
    importing: Make, tmp_path: Path
) -> None:
    path = tmp_path / "dult.yaml"
    path.write_text("columns: {id: Id, stage: Fase, amont: Verdi}\nstatges: []\n", "utf-8")
    folder = importing(mapping=path)
    folder.export(*ROWS)
    with pytest.raises(ConfigError) as caught:
        folder.pull()
    assert "statges: there is no such setting" in str(caught.value)
    assert "amont: must be one of" in str(caught.value)

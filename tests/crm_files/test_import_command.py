"""`dealpulse import` as a person runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crm_files.conftest import HEAD, ROWS

COMMAND = Path(sys.executable).with_name("dealpulse")
EXPORT = "\n".join([HEAD, *ROWS, ";Uten id;Tilbud;5;;;;"]) + "\n"


def dealpulse(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("DEALPULSE_")}
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=home,
        env={**inherited, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "salg.csv"
    path.write_bytes(EXPORT.encode("windows-1252"))
    return path


def test_a_dry_run_shows_what_is_understood_and_changes_nothing(
    export: Path, tmp_path: Path
) -> None:
    done = dealpulse(tmp_path, "import", "salg.csv", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "Read as windows-1252 text with semicolons" in done.stdout
    assert "4 rows: 3 deals, 1 rows rejected." in done.stdout
    for shown in ("Forventet lukkedato │ close_date", "1250000.5 NOK", "no_id", "line 5"):
        assert shown in done.stdout
    assert list(tmp_path.iterdir()) == [export]


def test_the_mapping_it_writes_is_one_it_reads(export: Path, tmp_path: Path) -> None:
    first = dealpulse(tmp_path, "import", "salg.csv", "--dry-run", "--write-mapping", "m.yaml")
    assert first.returncode == 0, first.stderr
    again = dealpulse(tmp_path, "import", "salg.csv", "--dry-run", "--mapping", "m.yaml")
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    kept = (tmp_path / "m.yaml").read_text("utf-8")
    assert "amount: Verdi" in kept
    refused = dealpulse(tmp_path, "import", "salg.csv", "--dry-run", "--write-mapping", "m.yaml")
    assert refused.returncode == 2
    assert (tmp_path / "m.yaml").read_text("utf-8") == kept


def test_without_it_the_file_goes_through_the_connection(export: Path, tmp_path: Path) -> None:
    missing = dealpulse(tmp_path, "import", "salg.csv")
    assert missing.returncode == 2
    assert dealpulse(tmp_path, "init", "--crm", "file").returncode == 0
    config = tmp_path / "dealpulse.yaml"
    config.write_text(
        "connections: [{kind: file, name: dult, folder: inn, time_zone: Europe/Oslo}]\n", "utf-8"
    )
    done = dealpulse(tmp_path, "import", "salg.csv")
    assert done.returncode == 7, done.stderr
    assert "dult: pull: 1 rejected, 3 created" in done.stderr
    assert "dult: assess: " in done.stderr
    assert (
        "Error: dult: 1 record was refused, the others went through: salg.csv, line 5: no_id "
        "(every deal needs one). salg.csv.rejected.csv has them all: correct the export"
    ) in done.stderr
    assert "1 no_id" in done.stderr
    assert "1 no_id" in done.stderr
    assert (tmp_path / "inn" / "salg.csv").read_bytes() == export.read_bytes()
    forecast = dealpulse(tmp_path, "forecast", "--format", "json")
    assert json.loads(forecast.stdout)[0]["currency"] == "NOK"
    assert dealpulse(tmp_path, "sync").returncode == 0  # nothing new, so nothing new is refused
    export.write_text("\n".join([HEAD, *ROWS]) + "\n", "utf-8")
    mended = dealpulse(tmp_path, "import", "salg.csv")
    assert mended.returncode == 0, mended.stderr


def test_a_file_that_is_no_export_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("nothing", "utf-8")
    done = dealpulse(tmp_path, "import", "x.csv", "--dry-run")
    assert done.returncode == 5
    assert "x.csv cannot be read: it has no headings" in done.stderr
    assert dealpulse(tmp_path, "import", "y.csv", "--dry-run").returncode == 2


def test_the_demo_runs_on_an_exported_crm(tmp_path: Path) -> None:
    done = dealpulse(tmp_path, "demo", "--crm", "file", "--deals", "80")
    assert done.returncode == 0, done.stderr
    assert "exported to" in done.stdout
    assert "dealpulse_win_probability" in done.stdout

"""The demo on every simulated CRM, as a person sees it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("dealpulse")


@pytest.mark.parametrize("crm", ["hubspot", "pipedrive"])
def test_a_deal_is_shown_as_its_crm_shows_it(crm: str) -> None:
    done = subprocess.run(
        [COMMAND, "demo", "--crm", crm, "--deals", "60", "--leads", "0"],
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=True,
    )
    calls = re.findall(r"dealpulse: call +(\S[^│]*?) +│", done.stdout)
    assert calls
    assert set(calls) <= {"Won this quarter", "Won later", "Not won"}

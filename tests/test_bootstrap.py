"""What opening the program does to its process."""

import gc
from pathlib import Path

from sync.bootstrap import open_app


def test_imports_are_not_looked_through_for_garbage_and_what_comes_later_is(
    database_url: str, tmp_path: Path
) -> None:
    config = tmp_path / "dealpulse.yaml"
    config.write_text("connections: [{kind: hubspot, name: portal, token_env: HUBSPOT_TOKEN}]\n")
    environ = {"DEALPULSE_DATABASE_URL": database_url, "HUBSPOT_TOKEN": "pat-test"}
    with open_app(config, environ=environ):
        kept = gc.get_freeze_count()
    assert kept > 0
    with open_app(config, environ=environ):
        assert gc.get_freeze_count() <= kept

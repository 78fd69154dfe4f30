"""The page on alerts names what the code has."""

from pathlib import Path
from typing import get_args

import pytest

from sync.alerts.rules import Resolution
from sync.alerts.store import KEEP_TRYING, MIN_ATTEMPTS, DeliveryState
from sync.config import model

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
KINDS = [channel.model_fields["kind"] for channel in get_args(get_args(model.Channel)[0])]


@pytest.mark.parametrize("word", [*DeliveryState, *Resolution])
def test_every_state_and_resolution_is_described(word: str) -> None:
    assert f"\n| `{word}` | " in PAGE


@pytest.mark.parametrize("kind", [get_args(field.annotation)[0] for field in KINDS])
def test_every_channel_has_a_paragraph(kind: str) -> None:
    assert f"\n**{kind}** " in PAGE


def test_the_number_of_tries_is_that_of_the_code() -> None:
    assert f"for {KEEP_TRYING.days} days, and at least {MIN_ATTEMPTS} times" in PAGE

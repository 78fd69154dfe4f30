"""What a person's word has been worth, against arithmetic by hand.

With normal priors of standard deviation log 2 the shifts solve one equation each: won deals less
those expected after the shift = shift / (log 2)^2, over the deals that the shift is of.
"""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from forecasting.methods import Intuitive
from tests.forecasting.frames import AS_OF, change, changes, deals, now
from tests.forecasting.methods.test_by_hand import MARCH

CREATED = AS_OF - timedelta(days=100)
CLOSED = CREATED + timedelta(days=10)


def decided(
    owner: str | None, won: int, lost: int, *words: tuple[int, str, str]
) -> tuple[list[Any], list[Any]]:
    """Deals of one person, each open for ten days, and what was said: (day, field, word)."""
    rows, moves = [], []
    for number in range(won + lost):
        deal_id, outcome = f"{owner}-{words[0][1]}-{number}", "won" if number < won else "lost"
        rows.append(
            {
                "deal_id": deal_id,
                "owner_id": owner,
                "status": outcome,
                "stage_id": outcome,
                "created_at": CREATED,
                "closed_at": CLOSED,
            }
        )
        moves += [
            change(field, word, CREATED + timedelta(days=day), deal_id=deal_id)
            for day, field, word in words
        ]
    return rows, moves


def fitted(
    *people: tuple[list[Any], list[Any]], opened: list[dict[str, Any]]
) -> tuple[Intuitive, pl.DataFrame]:
    """The method after it has seen the people's records; what it says of March."""
    rows, moves = [row for p in people for row in p[0]], [move for p in people for move in p[1]]
    snapshot = now(deals(*opened, *rows), changes(*moves))
    method = Intuitive("recalibrated").fit(snapshot)
    return method, method.deals(snapshot, [MARCH]).sort("deal_id")


EVEN = (0, "rep_probability", "0.5")


def test_each_person_is_corrected_by_their_record_and_few_deals_by_that_of_all() -> None:
    """All was said at even odds, log-odds 0. Kari won 5 of 20, Ola none of 2. With g for all, k for
    Kari, o for Ola, and 1 / (log 2)^2 = 2.0814:

        k: 5 - 20 / (1 + e^-(g + k)) = 2.0814 k        k = -.3229: 5 - 20 * .2836 = -.672
        o: 0 -  2 / (1 + e^-(g + o)) = 2.0814 o        o = -.2808:     -2 * .2922 = -.584
        g: the sum of the two        = 2.0814 g        g = k + o = -.6037

    Kari's even odds come to .2836 (her record alone: .25), Ola's to .2922 (his: 0): two deals
    say little of him, and most of his correction is that of all.
    """
    method, said = fitted(
        decided("kari", 5, 15, EVEN),
        decided("ola", 0, 2, EVEN),
        opened=[
            {"owner_id": "kari", "rep_probability": 0.5},
            {"owner_id": "ola", "rep_probability": 0.5},
            {"owner_id": "new", "rep_probability": 0.5},
            {"owner_id": "kari", "rep_probability": 0.8},
            {"owner_id": "kari"},
        ],
    )
    assert (method.sample_, method.won_) == (22, 5)
    assert method.general_["rep"] == pytest.approx(-0.6037, abs=1e-4)
    assert method.general_["category"] == 0  # nobody said one
    assert method.shifts_.rows() == [
        ("kari", 20, pytest.approx(-0.3229, abs=1e-4)),
        ("ola", 2, pytest.approx(-0.2808, abs=1e-4)),
    ]
    chances = said["win_probability"].to_list()
    # someone new: e^-.6037 = .5468, .5468 / 1.5468; .8 is odds of 4, times e^-.9266 = .3959: 1.5836
    assert chances[:4] == pytest.approx([0.2836, 0.2922, 0.3535, 1.5836 / 2.5836], abs=1e-4)
    assert chances[4] is None  # of which nothing is said, nothing can be corrected


def test_a_long_record_speaks_for_itself() -> None:
    """100 won of 400 at even odds: with g = k, 100 - 400 / (1 + e^-2k) = 2.0814 k. k = -.5418:
    100 - 400 * .2528 = -1.13, three thousandths from the record's own .25.
    """
    opened = [{"owner_id": "kari", "rep_probability": 0.5}]
    _, said = fitted(decided("kari", 100, 300, EVEN), opened=opened)
    assert said["win_probability"].item() == pytest.approx(0.2528, abs=1e-4)


def test_probabilities_and_categories_are_corrected_apart() -> None:
    """Of deals in nobody's charge, one shift each:

    2 of 10 at even odds: 2 - 10 * .3390 = -1.390 = 2.0814 * -.6678
    4 of 10 in COMMIT, .85 or log-odds 1.7346: 4 - 10 * .6407 = -2.407 = 2.0814 * -1.1563
    """
    method, said = fitted(
        decided(None, 2, 8, EVEN),
        decided(None, 4, 6, (0, "forecast_category", "COMMIT")),
        opened=[
            {"owner_id": None, "rep_probability": 0.5},
            {"owner_id": None, "forecast_category": "COMMIT"},
        ],
    )
    assert method.general_ == {
        "rep": pytest.approx(-0.6678, abs=1e-4),
        "category": pytest.approx(-1.1563, abs=1e-4),
    }
    assert said["win_probability"].to_list() == pytest.approx([0.3390, 0.6407], abs=1e-4)


def test_a_word_that_changed_counts_by_the_days_it_stood() -> None:
    """Five days at odds of 4 and five at 1/4 are even odds; a word after the end is none."""
    opened = [{"owner_id": "kari", "rep_probability": 0.5}]
    early, late, after = (
        (day, "rep_probability", word) for day, word in ((0, "0.8"), (5, "0.2"), (20, "0"))
    )
    steady, _ = fitted(decided("kari", 5, 15, EVEN), opened=opened)
    changed, _ = fitted(decided("kari", 5, 15, early, late, after), opened=opened)
    assert changed.shifts_["shift"].item() == pytest.approx(steady.shifts_["shift"].item())


def test_a_record_is_of_who_had_the_deal_last_while_it_was_open() -> None:
    handed = (EVEN, (0, "owner", "kari"), (4, "owner", "ola"), (20, "owner", "archive"))
    method, _ = fitted(
        decided("archive", 5, 15, *handed), opened=[{"owner_id": "ola", "rep_probability": 0.5}]
    )
    assert method.shifts_.select("owner_id", "deals").rows() == [("ola", 20)]


def test_below_ten_decided_deals_nobody_is_corrected() -> None:
    opened = [{"owner_id": "kari", "rep_probability": 0.5}]
    nine, said_of_nine = fitted(decided("kari", 2, 7, EVEN), opened=opened)
    ten, said_of_ten = fitted(decided("kari", 2, 8, EVEN), opened=opened)
    assert (nine.sample_, ten.sample_) == (0, 10)
    assert said_of_nine["win_probability"].item() == 0.5
    assert said_of_ten["win_probability"].item() < 0.5

"""Contacts' roles: read where an exit criterion asks for them, and for nothing otherwise."""

from collections.abc import Iterable

import pytest

from sync.config.process import Process
from sync.jobs import chain
from sync.jobs.process import ROLES_UNKNOWN
from sync.jobs.runner import run_job
from sync.sandbox.company import CompanyDeal
from tests.crm.conftest import deal
from tests.jobs.conftest import Build, House

ASKED: dict[str, object] = {
    "process": {"exit_criteria": [{"stage": "New", "contact_roles": ["Decision maker"]}]}
}


def three() -> Iterable[CompanyDeal]:
    return [deal("a", contacts=2), deal("b", contacts=1), deal("c")]


def labelled(house: House) -> House:
    house.crm.label_contact(house.crm.id_of("a"), 7, "Decision maker", "Champion")
    house.crm.label_contact(house.crm.id_of("b"), 8, "Budget holder")
    return house


@pytest.fixture
def house(house_of: Build) -> House:
    """Three deals; two have a contact with a role."""
    return labelled(house_of(three(), extra=ASKED))


def roles(house: House) -> list[str | None]:
    living = house.living()
    return [living[house.crm.id_of(key)].contact_roles for key in "abc"]


def test_a_first_load_tells_them_and_their_past_does_not_wipe_them_out(house: House) -> None:
    house.pull()
    assert roles(house) == ["Champion\nDecision maker", "Budget holder", ""]
    assert all(row.history_read_at is not None for row in house.living().values())


def test_a_changed_deal_brings_them_without_another_request(house_of: Build) -> None:
    sent = []
    for extra in ({}, ASKED):
        house = labelled(house_of(three(), extra=extra))
        house.pull()
        house.clock.advance(minutes=15)
        house.pull()  # what follows a first load, such as the CRM's goals
        house.crm.label_contact(house.crm.id_of("c"), 9, "Champion")
        house.crm.edit(house.crm.id_of("c"), {"amount": "5"})
        house.clock.advance(minutes=15)
        house.sent()
        house.pull()
        sent.append(len(house.sent()))
    assert roles(house)[2] == "Champion"
    assert sent[0] == sent[1]


def test_a_label_moves_no_date_and_the_sweep_finds_it_by_one_more_request(house: House) -> None:
    house.pull()
    house.clock.advance(minutes=60)
    house.sent()
    assert house.sweep()["associations"] == 0
    asked = [request for request in house.sent() if "associations/" in request]
    assert len(asked) == 1
    house.crm.label_contact(house.crm.id_of("b"), 8, "Decision maker")
    house.clock.advance(minutes=60)
    house.pull()
    assert roles(house)[1] == "Budget holder"
    assert house.sweep()["associations"] == 1
    assert roles(house)[1] == "Decision maker"


def test_nobody_asks_and_nothing_is_kept(house_of: Build) -> None:
    house = labelled(house_of(three()))
    house.pull()
    house.sweep()
    assert roles(house) == [None, None, None]


def test_while_none_is_known_the_criterion_is_left_out_and_says_what_to_do(house_of: Build) -> None:
    house = house_of(three())
    house.pull()
    asked = Process.model_validate(ASKED["process"])
    config = house.app.config.model_copy(update={"process": asked})
    measured = run_job(chain.PROCESS, house.restarted(config=config))
    assert measured.error is None
    assert ROLES_UNKNOWN in measured.notes

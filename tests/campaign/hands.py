"""What people do in a CRM between two cycles, and in the middle of one, drawn by lot."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

from sync.sandbox.crm import Crm
from sync.sandbox.store.instants import iso
from tests.fake_clock import FakeClock

PAUSES_S = (0.0, 0.0, 0.001, 0.5, 40.0)
"""Between two edits: none, so that several share a millisecond, up to most of a minute."""


class Hands:
    """Those of everybody who works in the CRM. `done`: what they did, for the report of a seed.

    Where the CRM's histories come in no order, no two edits share an instant: nothing could tell
    which was first.
    """

    def __init__(self, crm: Crm, clock: FakeClock, dice: Random) -> None:
        unordered = crm.behaviour.history_order == "shuffled"
        self._pauses = [max(s, 0.001) for s in PAUSES_S] if unordered else PAUSES_S
        self._crm = crm
        self._clock = clock
        self._dice = dice
        self._made = 0
        self.done: list[str] = []

    def work(self, edits: int) -> None:
        for _ in range(edits):
            act = self._dice.choice(_ACTS)
            with self._crm.lock:
                told = act(self)
            if told is not None:
                self.done.append(f"{self._clock.now():%H:%M:%S.%f} {act.__name__} {told}")
            self._clock.advance(seconds=self._dice.choice(self._pauses))

    def _some_deal(self) -> str | None:
        ids = self._crm.deal_ids()
        return self._dice.choice(ids) if ids else None

    def _stages(self, deal_id: str, outcome: str | None) -> list[str]:
        pipeline = self._crm.deal(deal_id)["pipeline"] or ""
        if pipeline not in self._crm.pipelines:
            return []
        return [s.id for s in self._crm.pipelines.get(pipeline).stages if s.outcome == outcome]

    def _move_to(self, outcome: str | None) -> str | None:
        deal_id = self._some_deal()
        stages = [] if deal_id is None else self._stages(deal_id, outcome)
        if deal_id is None or not stages:
            return None
        stage = self._dice.choice(stages)
        self._crm.edit(deal_id, {"dealstage": stage})
        return f"{deal_id} {stage}"

    def create(self) -> str:
        self._made += 1
        return self._crm.create(
            {"dealname": f"Made {self._made}", "amount": str(self._dice.randrange(1_000_000))},
            contacts=self._dice.randrange(3),
            companies=self._dice.randrange(3),
        )

    def edit(self) -> str | None:
        deal_id = self._some_deal()
        if deal_id is None:
            return None
        close = self._clock.now() + timedelta(days=self._dice.randrange(-60, 200))
        values: dict[str, str | None] = {
            "amount": self._dice.choice([None, "0", "12.50", str(self._dice.randrange(10**7))]),
            "dealname": f"Renamed {self._dice.randrange(10**6)}",
            "closedate": iso(int(close.timestamp() * 1000)),
            "hubspot_owner_id": self._dice.choice([None, *self._owners()]),
            "hs_next_step": self._dice.choice([None, "Call", "Send the offer, før fredag"]),
            "hs_manual_forecast_category": self._dice.choice([None, "COMMIT", "OMIT"]),
        }
        names = self._dice.sample(sorted(values), self._dice.randint(1, 3))
        self._crm.edit(
            deal_id,
            {name: values[name] for name in names},
            self._dice.choice(["CRM_UI", "CRM_UI", "INTEGRATION", "IMPORT"]),
        )
        return f"{deal_id} {names}"

    def move(self) -> str | None:
        """Forwards, backwards, or open again."""
        return self._move_to(None)

    def win(self) -> str | None:
        return self._move_to("won")

    def lose(self) -> str | None:
        return self._move_to("lost")

    def merge(self) -> str | None:
        ids = self._crm.deal_ids()
        if len(ids) < 2:
            return None
        winner, loser = self._dice.sample(ids, 2)
        return f"{winner} {loser} -> {self._crm.merge(winner, loser)}"

    def archive(self) -> str | None:
        deal_id = self._some_deal()
        if deal_id is not None:
            self._crm.archive(deal_id)
        return deal_id

    def restore(self) -> str | None:
        deal_id = self._binned()
        if deal_id is not None:
            self._crm.restore(deal_id)
        return deal_id

    def purge(self) -> str | None:
        deal_id = self._binned() if self._dice.random() < 0.7 else self._some_deal()
        if deal_id is not None:
            self._crm.purge(deal_id)
        return deal_id

    def call(self) -> str | None:
        deal_id = self._some_deal()
        if deal_id is not None:
            self._crm.log_activity(deal_id)
        return deal_id

    def associate(self) -> str | None:
        """A contact or a company more; no date of the deal moves."""
        deal_id = self._some_deal()
        if deal_id is None:
            return None
        kind = self._dice.choice(["contacts", "companies"])
        self._crm.associate("deals", int(deal_id), kind, self._dice.randrange(10**6, 2 * 10**6))
        return f"{deal_id} {kind}"

    def owner_leaves(self) -> str | None:
        owner = self._dice.choice(sorted(self._crm.owners.ids.values()))
        self._crm.deactivate_owner(owner)
        return owner

    def rename_stage(self) -> str:
        pipeline = self._dice.choice(list(self._crm.pipelines))
        stage = self._dice.choice(pipeline.stages)
        self._crm.rename_stage(pipeline.id, stage.id, f"{stage.label} 2")
        return stage.id

    def delete_stage(self) -> str | None:
        """An open one, while there are others; deals in it keep its id."""
        pipeline = self._dice.choice(list(self._crm.pipelines))
        open_stages = [stage for stage in pipeline.stages[1:] if stage.outcome is None]
        if len(open_stages) < 2 or self._dice.random() < 0.7:
            return None
        stage = self._dice.choice(open_stages)
        self._crm.delete_stage(pipeline.id, stage.id)
        return stage.id

    def add_property(self) -> str:
        self._made += 1
        self._crm.add_property(f"made_{self._made}")
        return f"made_{self._made}"

    def _binned(self) -> str | None:
        ids = self._crm.deals.table.ids(archived=True)
        return str(self._dice.choice(ids)) if ids else None

    def _owners(self) -> list[str]:
        return sorted(self._crm.owners.ids.values())


_ACTS: tuple[Callable[[Hands], str | None], ...] = (
    *[Hands.create] * 2,
    *[Hands.edit] * 8,
    *[Hands.move] * 4,
    *[Hands.win] * 2,
    *[Hands.lose] * 2,
    *[Hands.merge] * 2,
    *[Hands.archive] * 2,
    *[Hands.restore] * 2,
    Hands.purge,
    *[Hands.call] * 2,
    *[Hands.associate] * 2,
    Hands.owner_leaves,
    Hands.rename_stage,
    Hands.delete_stage,
    Hands.add_property,
)
"""The more often one stands here, the more often it is drawn."""

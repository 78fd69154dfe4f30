"""Pipelines and stages of the simulated Pipedrive. Winning and losing are no stages here."""

from collections.abc import Iterator
from dataclasses import dataclass

from sync.sandbox.pipedrive.instants import rfc3339
from sync.sandbox.store.refusals import Missing


@dataclass(slots=True)
class Stage:
    """`probability` in percent; 100 is what a new stage has until somebody sets it."""

    id: int
    pipeline_id: int
    name: str
    order: int
    probability: int
    days_to_rotten: int | None
    add_time: int
    update_time: int | None = None
    is_deleted: bool = False

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "order_nr": self.order,
            "name": self.name,
            "is_deleted": self.is_deleted,
            "deal_probability": self.probability,
            "pipeline_id": self.pipeline_id,
            "is_deal_rot_enabled": self.days_to_rotten is not None,
            "days_to_rotten": self.days_to_rotten,
            "add_time": rfc3339(self.add_time),
            "update_time": None if self.update_time is None else rfc3339(self.update_time),
        }


@dataclass(slots=True)
class Pipeline:
    id: int
    name: str
    order: int
    deal_probability: bool
    add_time: int
    update_time: int
    is_deleted: bool = False

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "name": self.name,
            "order_nr": self.order,
            "is_deleted": self.is_deleted,
            "is_deal_probability_enabled": self.deal_probability,
            "add_time": rfc3339(self.add_time),
            "update_time": rfc3339(self.update_time),
        }


class Pipelines:
    def __init__(self) -> None:
        self.pipelines: dict[int, Pipeline] = {}
        self.stages: dict[int, Stage] = {}

    def add(self, name: str, at: int, *, deal_probability: bool) -> Pipeline:
        number = len(self.pipelines) + 1
        pipeline = Pipeline(number, name, number, deal_probability, at, at)
        self.pipelines[number] = pipeline
        return pipeline

    def add_stage(
        self,
        pipeline_id: int,
        name: str,
        at: int,
        *,
        probability: int = 100,
        days_to_rotten: int | None = None,
    ) -> Stage:
        number = len(self.stages) + 1
        order = len(list(self.of(pipeline_id)))
        stage = Stage(number, pipeline_id, name, order, probability, days_to_rotten, at)
        self.stages[number] = stage
        return stage

    def of(self, pipeline_id: int) -> Iterator[Stage]:
        """The stages of a pipeline that are not deleted, in order."""
        own = (s for s in self.stages.values() if s.pipeline_id == pipeline_id)
        return iter(sorted((s for s in own if not s.is_deleted), key=lambda s: s.order))

    def first_stage(self, pipeline_id: int | None = None) -> Stage:
        """Of the pipeline, or of the one with the lowest order. Raises Missing."""
        if pipeline_id is None:
            standing = [p for p in self.pipelines.values() if not p.is_deleted]
            pipeline_id = min(standing, key=lambda p: p.order).id
        stage = next(self.of(pipeline_id), None)
        if stage is None:
            raise Missing(f"no stage in pipeline {pipeline_id}")
        return stage

    def stage(self, stage_id: object) -> Stage:
        """Deleted ones too. Raises Missing."""
        found = self.stages.get(_number(stage_id))
        if found is None:
            raise Missing(f"no stage {stage_id}")
        return found

    def pipeline(self, pipeline_id: object) -> Pipeline:
        """Raises Missing."""
        found = self.pipelines.get(_number(pipeline_id))
        if found is None:
            raise Missing(f"no pipeline {pipeline_id}")
        return found


def _number(given: object) -> int:
    text = str(given)
    return int(text) if text.isascii() and text.isdigit() else -1

"""Pipelines and stages of the simulated CRM, as an administrator can change them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from sync.sandbox.company import CompanyPipeline
from sync.sandbox.store.instants import iso
from sync.sandbox.store.refusals import Missing


@dataclass(slots=True)
class Stage:
    id: str
    label: str
    order: int
    probability: Decimal
    is_closed: bool
    is_won: bool
    created: int
    updated: int

    @property
    def outcome(self) -> str | None:
        if not self.is_closed:
            return None
        return "won" if self.is_won else "lost"

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "label": self.label,
            "displayOrder": self.order,
            "metadata": {
                "isClosed": "true" if self.is_closed else "false",
                "probability": str(float(self.probability)),
            },
            "createdAt": iso(self.created),
            "updatedAt": iso(self.updated),
            "archived": False,
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        }


@dataclass(slots=True)
class Pipeline:
    id: str
    label: str
    order: int
    stages: list[Stage]
    created: int
    updated: int

    def stage(self, stage_id: str) -> Stage:
        for stage in self.stages:
            if stage.id == stage_id:
                return stage
        raise Missing(f"no stage {stage_id} in pipeline {self.id}")

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "label": self.label,
            "displayOrder": self.order,
            "stages": [stage.as_json() for stage in self.stages],
            "createdAt": iso(self.created),
            "updatedAt": iso(self.updated),
            "archived": False,
        }


class Pipelines:
    """The account's pipelines by id; a deleted stage is simply gone, whoever still refers to it."""

    def __init__(self, pipelines: Iterable[CompanyPipeline], created: int) -> None:
        self._pipelines: dict[str, Pipeline] = {}
        for order, source in enumerate(pipelines):
            born = 0 if source.id == "default" else created  # HubSpot's own one is from 1970
            stages = [
                Stage(s.id, s.label, i, s.probability, s.is_closed, s.is_won, born, born)
                for i, s in enumerate(source.stages)
            ]
            self._pipelines[source.id] = Pipeline(
                source.id, source.label, order, stages, born, born
            )

    def __iter__(self) -> Iterator[Pipeline]:
        return iter(self._pipelines.values())

    def __contains__(self, pipeline_id: object) -> bool:
        return pipeline_id in self._pipelines

    def get(self, pipeline_id: str) -> Pipeline:
        """Raises Missing."""
        if pipeline_id not in self._pipelines:
            raise Missing(f"no pipeline {pipeline_id}")
        return self._pipelines[pipeline_id]

    def first(self) -> Pipeline:
        return next(iter(self._pipelines.values()))

    def stage(self, pipeline_id: str | None, stage_id: str | None) -> Stage | None:
        """The stage of that pipeline, or of any pipeline where none is named; None if deleted."""
        for pipeline in self._pipelines.values():
            if pipeline_id is None or pipeline.id == pipeline_id:
                for stage in pipeline.stages:
                    if stage.id == stage_id:
                        return stage
        return None

    def stages(self) -> Iterator[Stage]:
        for pipeline in self._pipelines.values():
            yield from pipeline.stages

    def holding(self, stage_id: str) -> Pipeline | None:
        """The first pipeline with that stage."""
        for pipeline in self._pipelines.values():
            if any(stage.id == stage_id for stage in pipeline.stages):
                return pipeline
        return None

    def delete_stage(self, pipeline_id: str, stage_id: str, at: int) -> None:
        pipeline = self.get(pipeline_id)
        pipeline.stages.remove(pipeline.stage(stage_id))
        pipeline.updated = at

    def rename_stage(self, pipeline_id: str, stage_id: str, label: str, at: int) -> None:
        stage = self.get(pipeline_id).stage(stage_id)
        stage.label = label
        stage.updated = at

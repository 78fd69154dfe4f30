"""Pipelines and their stages; no paging."""

from sync.sandbox.hubspot.calls import Call, Reply
from sync.sandbox.hubspot.errors import not_found
from sync.sandbox.store.pipelines import Pipeline
from sync.sandbox.store.refusals import Missing


def list_pipelines(call: Call) -> Reply:
    return Reply(200, {"results": [pipeline.as_json() for pipeline in call.crm.pipelines]})


def read_pipeline(call: Call) -> Reply:
    return Reply(200, _pipeline(call).as_json())


def list_stages(call: Call) -> Reply:
    return Reply(200, {"results": [stage.as_json() for stage in _pipeline(call).stages]})


def read_stage(call: Call) -> Reply:
    stage_id = call.path["stage_id"]
    try:
        return Reply(200, _pipeline(call).stage(stage_id).as_json())
    except Missing as missing:
        raise not_found(f"Stage {stage_id} does not exist", stage_id) from missing


def _pipeline(call: Call) -> Pipeline:
    pipeline_id = call.path["pipeline_id"]
    try:
        return call.crm.pipelines.get(pipeline_id)
    except Missing as missing:
        raise not_found(f"Pipeline {pipeline_id} does not exist", pipeline_id) from missing

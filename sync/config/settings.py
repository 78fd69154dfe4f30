"""The settings that the model knows, as a list: for the example, the documentation and hints."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sync.config.model import Config


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `path`: dotted, `[]` for a list's entries (`connections[].token_env`); entries
    of several kinds name it: `alerts.channels[email].host`.

    model: where it is declared. section: it only holds other settings.
    """

    path: str
    name: str
    model: type[BaseModel]
    section: bool

    @property
    def info(self) -> FieldInfo:
        return self.model.model_fields[self.name]

    @property
    def schema(self) -> dict[str, Any]:
        """Its part of the JSON Schema."""
        schema: dict[str, Any] = self.model.model_json_schema()["properties"][self.name]
        return schema

    @property
    def required(self) -> bool:
        return self.info.is_required()

    @property
    def default(self) -> Any:
        """Only where it is not required."""
        return self.info.get_default(call_default_factory=True)

    @property
    def description(self) -> str:
        return self.info.description or ""


def all_settings(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[Setting]:
    """Every setting in the model's order, each section before what is in it."""
    for name, info in model.model_fields.items():
        path = f"{prefix}{name}"
        inner = bare(info.annotation)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield Setting(path, name, model, section=True)
            yield from all_settings(inner, f"{path}.")
            continue
        entries = entry_models(inner)
        yield Setting(path, name, model, section=bool(entries))
        for entry in entries:
            mark = kind_of(entry) if len(entries) > 1 else ""
            yield from all_settings(entry, f"{path}[{mark}].")


def bare(annotation: Any) -> Any:
    """The annotation without its `Annotated` wrapping."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def entry_models(annotation: Any) -> list[type[BaseModel]]:
    """The models that the entries of a list can be; none where it is no list of models."""
    if get_origin(annotation) is not list:
        return []
    entry = bare(get_args(annotation)[0])
    members = get_args(entry) if get_origin(entry) in (Union, types.UnionType) else (entry,)
    return [member for member in members if isinstance(member, type) and _is_model(member)]


def kind_of(model: type[BaseModel]) -> str:
    """The value of `kind` by which an entry chooses this model; "" where entries are all alike."""
    if "kind" not in model.model_fields:
        return ""
    return str(choices(model.model_fields["kind"].annotation)[0])


def choices(annotation: Any) -> tuple[Any, ...]:
    """The values that a Literal allows; empty for everything else."""
    annotation = bare(annotation)
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def model_at(path: tuple[str | int, ...], data: Any) -> type[BaseModel] | None:
    """The model that governs the mapping at `path` of a document, None where there is none."""
    model: type[BaseModel] | None = Config
    models: list[type[BaseModel]] = []
    for step in path:
        data = data[step] if _has(data, step) else None
        if isinstance(step, int):
            model = _chosen(models, data)
            continue
        info = model.model_fields.get(step) if model else None
        inner = bare(info.annotation) if info else None
        models = entry_models(inner)
        model = inner if isinstance(inner, type) and _is_model(inner) else None
    return model


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the configuration file, for editors."""
    schema = Config.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _chosen(models: list[type[BaseModel]], data: Any) -> type[BaseModel] | None:
    kind = data.get("kind") if isinstance(data, dict) else None
    fitting = [model for model in models if kind_of(model) == kind]
    if not fitting and len(models) == 1:
        fitting = models
    return fitting[0] if fitting else None


def _has(data: Any, step: str | int) -> bool:
    if isinstance(step, int):
        return isinstance(data, list) and step < len(data)
    return isinstance(data, dict) and step in data


def _is_model(candidate: type) -> bool:
    return issubclass(candidate, BaseModel)

"""The mapping file: what the columns, stages, statuses and owners of an export mean."""

from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from sync.config import document
from sync.config.model import Strict
from sync.config.values import CurrencyCode, Email
from sync.crm.files import values
from sync.crm.files.words import STATUSES, Name, Status, outcome_of, plain, status_of
from sync.errors import ConfigError


def _share(value: Any) -> Any:
    """`20 %`, `0.2` or `0,2`."""
    if not isinstance(value, str):
        return value
    try:
        return values.share(value, "point", percent=False)
    except ValueError:
        raise ValueError("must be a share like 0.2 or 20 %") from None


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _column_names(found: AnyMapping[Name, Sequence[str]]) -> AnyMapping[Name, Sequence[str]]:
    twice: dict[str, str] = {}
    for name, headings in found.items():
        for heading in headings:
            if heading in twice:
                raise ValueError(f"{heading!r} is mapped to {twice[heading]} and to {name}")
            twice[heading] = name
    return found


Share = Annotated[Decimal, BeforeValidator(_share), Field(ge=0, le=1)]
Headings = Annotated[list[str], BeforeValidator(_several)]


class StageMeaning(Strict):
    """One stage, in the order of the list. aliases: other names it has or had in the files."""

    name: str = Field(min_length=1)
    probability: Share | None = None
    outcome: Literal["open", "won", "lost"] = "open"
    aliases: list[str] = Field(default_factory=list)


class OwnerMeaning(Strict):
    """What the file does not say of an owner. active: false for one who has left."""

    name: str | None = None
    email: Email | None = None
    active: bool = True
    team: str | None = None


class Mapping(Strict):
    """One mapping file. Whatever is left out is found in the file itself.

    columns: our name -> the heading, or the headings of which the first that is there counts.
    id_from: without an id column, the columns that together tell one deal from another.
    stages: of every pipeline that `pipelines` does not list.
    """

    columns: Annotated[dict[Name, Headings], AfterValidator(_column_names)]
    id_from: list[Name] = Field(default_factory=list)
    sheet: str | None = None
    header_row: int | None = Field(None, ge=1)
    encoding: Literal["utf-8", "windows-1252", "latin-1", "utf-16"] | None = None
    delimiter: Literal[";", ",", "tab", "|"] | None = None
    decimal: values.Mark | None = None
    dates: Literal["day-first", "month-first"] = "day-first"
    currency: CurrencyCode | None = None
    stages: list[StageMeaning] = Field(default_factory=list)
    pipelines: dict[str, list[StageMeaning]] = Field(default_factory=dict)
    status: dict[Status, list[str]] = Field(default_factory=dict)
    owners: dict[str, OwnerMeaning] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _tells_deals_apart(self) -> "Mapping":
        if "id" not in self.columns and not self.id_from:
            raise ValueError("columns must name the id, or id_from what tells deals apart")
        if "stage" not in self.columns and "status" not in self.columns:
            raise ValueError("columns must name the stage or the status of a deal")
        missing = [name for name in self.id_from if name not in self.columns]
        if missing:
            raise ValueError(f"id_from names {missing[0]}, which is not among the columns")
        return self

    def stages_of(self, pipeline: str) -> Sequence[StageMeaning]:
        return self.pipelines.get(pipeline, self.stages)

    def stage(self, pipeline: str, written: str) -> StageMeaning | None:
        """The stage that a cell names; None where the mapping does not know it."""
        wanted = plain(written)
        for stage in self.stages_of(pipeline):
            if wanted in (plain(stage.name), *map(plain, stage.aliases)):
                return stage
        return None

    def stage_or_guess(self, pipeline: str, written: str) -> StageMeaning:
        known = self.stage(pipeline, written)
        return known or StageMeaning(name=written, outcome=outcome_of(written))

    def status_of(self, written: str) -> Status | None:
        """What a status word means, by this file's words first."""
        wanted = plain(written)
        own = next((s for s, words in self.status.items() if wanted in map(plain, words)), None)
        return own or status_of(written)

    def owner(self, written: str) -> OwnerMeaning | None:
        """By the name in the file, or by the name or address that the mapping gives."""
        wanted = plain(written)
        for written_as, owner in self.owners.items():
            if wanted in {plain(said) for said in (written_as, owner.name, owner.email) if said}:
                return owner
        return None


def load_mapping(path: Path) -> Mapping:
    """Raises ConfigError with one line per mistake."""
    try:
        parsed = document.parse(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no mapping file at {path}: run `dealpulse import FILE --dry-run "
            f"--write-mapping {path}` to have one proposed"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except ConfigError as error:
        raise ConfigError(f"{path}, {error}") from None
    try:
        if parsed.problems:
            raise ConfigError(_listed(path, [text for _, text in parsed.problems]))
        return Mapping.model_validate(parsed.data)
    except ValidationError as error:
        raise ConfigError(_listed(path, [_said(e) for e in error.errors()])) from None


def _said(error: Any) -> str:
    where = ".".join(str(step) for step in error["loc"] if step != "[key]")
    what = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        what = "there is no such setting; see docs/files.md"
    if "[key]" in error["loc"]:
        what = f"must be one of: {error.get('ctx', {}).get('expected', '')}"
    return f"{where}: {what}" if where else what


def _listed(path: Path, problems: Sequence[str]) -> str:
    return "\n".join([f"{path}: what is wrong with this mapping:", *(f"  {p}" for p in problems)])


def as_yaml(mapping: Mapping) -> str:
    """The mapping as a file to be read and put right by a person."""
    said = mapping.model_dump(mode="json", exclude_defaults=True)
    said["columns"] = {
        name: headings[0] if len(headings) == 1 else headings
        for name, headings in said["columns"].items()
    }
    head = (
        "# What the columns of this export mean; see docs/files.md. Proposed by dealpulse: look\n"
        "# through it, above all at the order and the probabilities of the stages.\n"
    )
    words = ", ".join(STATUSES["won"][:3])
    note = f"# Status words are known in English and Norwegian ({words} ...); add others here.\n"
    return head + note + yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=96)

"""Whom quotas name, as the CRM knows them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Engine

from forecasting.quotas import Quota
from sync.mirror import frames
from sync.mirror.quotas import owner_emails


@dataclass(frozen=True, slots=True)
class People:
    """What segments are called: kind -> (lower-case id, name or e-mail -> id), and id -> name."""

    ids: Mapping[str, Mapping[str, str]]
    names: Mapping[str, Mapping[str, str]]
    team_of: Mapping[str, str | None]

    def known(self, quota: Quota) -> Quota | None:
        """`quota` with the id of its segment, and without a choice of all pipelines; None where
        nobody is called so."""
        if quota.pipelines and set(quota.pipelines) >= self.names["pipeline"].keys():
            quota = replace(quota, pipelines=())
        if quota.kind == "total":
            return quota
        found = self.ids[quota.kind].get(quota.segment.strip().casefold())
        return None if found is None else replace(quota, segment=found)

    def name(self, kind: str, segment: str) -> str:
        return "everyone" if kind == "total" else self.names[kind].get(segment, segment)


def read_people(engine: Engine, connection: str) -> People:
    owners = frames.owner_frame(engine, connection)
    emails = owner_emails(engine, connection)
    stages = frames.stage_frame(engine, connection)
    named = {
        "owner": list(owners.select("owner_id", "owner").iter_rows()),
        "team": [(team, team) for team in owners["team"].drop_nulls().unique()],
        "pipeline": list(stages.select("pipeline_id", "pipeline").unique().iter_rows()),
    }
    ids = {kind: _aliases(pairs) for kind, pairs in named.items()}
    ids["owner"] |= {email.casefold(): owner_id for email, owner_id in emails.items()}
    return People(
        ids=ids,
        names={kind: dict(pairs) for kind, pairs in named.items()},
        team_of=dict(owners.select("owner_id", "team").iter_rows()),
    )


def _aliases(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A name that several have is none's; ids always count."""
    pairs = list(pairs)
    names = [name.casefold() for _, name in pairs]
    return {name.casefold(): key for key, name in pairs if names.count(name.casefold()) == 1} | {
        key.casefold(): key for key, _ in pairs
    }

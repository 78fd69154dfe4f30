"""What `dealpulse check` tried, and what it would read and write."""

from collections.abc import Collection

from sync.config.model import Connection
from sync.crm.base import AccessCheck, CrmSink, CrmSource, PropertySpec, PropertyStatus
from sync.errors import AuthError, DealpulseError, PermanentError
from sync.report.table import Column, Report

_COLUMNS = (
    Column("outcome", ""),
    Column("what", "Tried"),
    Column("scope", "Scope"),
    Column("detail", "Found"),
    Column("remedy", "What to do"),
)


def check_report(
    source: CrmSource,
    sink: CrmSink,
    settings: Connection,
    specs: tuple[PropertySpec, ...],
    stages_named: Collection[str] = (),
) -> tuple[Report, list[str]]:
    """The report, and what failed. Write checks fail only where write-back is switched on.

    stages_named: the stages that the configuration gives norms for, by label or id.
    """
    checks = [*source.check(), _properties(sink, specs, settings.write_back.enabled)]
    if stages_named:
        checks.append(_stages(source, stages_named))
    needed = [c for c in checks if settings.write_back.enabled or c.needed_for != "writing"]
    failed = [f"{c.what}: {c.remedy or c.detail}" for c in needed if not c.ok]
    rows = [
        {
            "outcome": "ok" if c.ok else ("failed" if c in needed else "off"),
            "what": c.what,
            "scope": c.scope,
            "detail": c.detail,
            "remedy": "" if c.ok else c.remedy,
        }
        for c in checks
    ]
    writes = (
        f"Write-back is on: {len(specs)} properties on open deals."
        if settings.write_back.enabled
        else "Write-back is off: nothing will be written. Look at `dealpulse writeback plan`."
    )
    report = Report(
        title=f"{settings.name}: what the token may do",
        columns=_COLUMNS,
        rows=rows,
        facts={"connection": settings.name, "failed": failed},
        notes=[writes],
    )
    return report, failed


def _stages(source: CrmSource, named: Collection[str]) -> AccessCheck:
    what = "the stages in staleness.after_days"
    try:
        pipelines = source.pipelines()
    except DealpulseError as error:
        return AccessCheck(what, False, str(error))
    known = {text for p in pipelines for s in p.stages for text in (s.stage_id, s.label)}
    unknown = sorted(set(named) - known)
    if not unknown:
        return AccessCheck(what, True, "all there")
    there = ", ".join(sorted(s.label for p in pipelines for s in p.stages if not s.is_closed))
    return AccessCheck(
        what, False, f"no such stage: {', '.join(unknown)}", f"Name one of: {there}."
    )


def _properties(sink: CrmSink, specs: tuple[PropertySpec, ...], write_back: bool) -> AccessCheck:
    what = "our properties in the CRM"
    try:
        states = sink.property_states(specs)
    except (AuthError, PermanentError) as error:
        return AccessCheck(what, False, str(error), "Grant the scope named.", "writing")
    conflicts = [s for s in states if s.status is PropertyStatus.CONFLICT]
    if conflicts:
        detail = "; ".join(f"{s.name}: {s.detail}" for s in conflicts)
        return AccessCheck(what, False, detail, "Rename or delete these properties.", "writing")
    missing = sum(s.status is PropertyStatus.MISSING for s in states)
    when = "made at the first write-back" if write_back else "made once write-back is on"
    detail = f"{missing} of {len(states)} to be {when}" if missing else "all present"
    return AccessCheck(what, True, detail, needed_for="writing")

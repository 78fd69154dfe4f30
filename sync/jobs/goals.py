"""Taking in quotas from a file: all of its rows, or none."""

import csv
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from forecasting.quota_file import BadRow, read_quotas
from forecasting.quotas import Quota
from sync.clock import Clock
from sync.config.model import Config
from sync.errors import ConfigError
from sync.mirror.quotas import save_quotas
from sync.report.people import read_people

_LARGEST_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file says. unknown: quotas of somebody whom the CRM does not list."""

    quotas: list[Quota]
    bad: list[BadRow]
    unknown: list[Quota]


def check_quotas(engine: Engine, connection: str, config: Config, file: Path) -> Checked:
    """Raises ConfigError for a file that cannot be read at all."""
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            raise ConfigError(f"{file}: over 10 MB is no list of quotas.")
        text = file.read_text(encoding="utf-8-sig")
        quotas, bad = read_quotas(text, fiscal_year_starts=config.goals.fiscal_year_starts)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8: save it as CSV UTF-8.") from None
    except (ValueError, csv.Error) as error:
        raise ConfigError(f"{file}: {error}.") from None
    if not quotas and not bad:
        raise ConfigError(f"{file} has no rows under its headings.")
    people = read_people(engine, connection)
    unknown = [quota for quota in quotas if people.known(quota) is None]
    return Checked(quotas, bad, unknown)


def take_in(engine: Engine, clock: Clock, connection: str, checked: Checked) -> int:
    """Put the file's quotas in the place of all imported before; returns how many those were.

    Raises ConfigError, and takes nothing in, where a row is bad.
    """
    if checked.bad:
        first = checked.bad[0]
        raise ConfigError(
            f"Nothing was imported: {len(checked.bad)} rows are wrong, first line {first.line}: "
            f"{first.reason}. See all with --dry-run."
        )
    return save_quotas(engine, connection, "csv", checked.quotas, at=clock.now())

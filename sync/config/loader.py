"""From a file and the environment to a checked configuration, or one error that names everything
that is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from sync.config import document, problems
from sync.config.model import Config, Database
from sync.config.secrets import DATABASE_URL_ENV, Secrets
from sync.config.values import database_problem, without_password
from sync.errors import ConfigError

PATH_ENV: Final = "DEALPULSE_CONFIG"
DEFAULT_PATH: Final = Path("dealpulse.yaml")


@dataclass(frozen=True, slots=True)
class Loaded:
    """`config.database.url` is where the mirror lives, with any password shown as `***`;
    `secrets.database_url()` is the one to connect with."""

    config: Config
    secrets: Secrets
    path: Path


def default_path(environ: Mapping[str, str]) -> Path:
    """The file that is read when nobody names one."""
    return Path(environ.get(PATH_ENV) or DEFAULT_PATH)


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Read and check. Raises one ConfigError with one line per mistake.

    Variables that hold tokens are not looked at here: `secrets` does when they are needed.
    """
    text = _read(path)
    try:
        parsed = document.parse(text)
    except ConfigError as error:
        raise ConfigError(f"{path}, {error}") from None
    if parsed.data is None:
        raise ConfigError(f"{path} is empty: run `dealpulse init` to write one with comments")
    config, found = _validated(parsed.data)
    found = _once(parsed.problems + problems.secret_problems(parsed.data) + found)
    found += [((), problem) for problem in _environment_problems(environ)]
    if found or config is None:
        raise ConfigError(_report(path, parsed.lines, found))
    secrets = Secrets(environ, config.database.url)
    shown = without_password(secrets.database_url().get_secret_value())
    config = config.model_copy(update={"database": Database.model_construct(url=shown)})
    return Loaded(config, secrets, path)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration at {path}: run `dealpulse init` to write one, or name "
            f"another with --config or {PATH_ENV}"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None


def _validated(data: Any) -> tuple[Config | None, list[tuple[document.Path, str]]]:
    if not isinstance(data, dict):
        return None, [((), "must consist of settings, each a name, a colon and a value")]
    try:
        return Config.model_validate(data), []
    except ValidationError as error:
        return None, problems.model_problems(error, data)


def _environment_problems(environ: Mapping[str, str]) -> list[str]:
    url = environ.get(DATABASE_URL_ENV, "").strip()
    problem = database_problem(url) if url else None
    return [f"the environment variable {DATABASE_URL_ENV} {problem}"] if problem else []


def _once(found: list[tuple[document.Path, str]]) -> list[tuple[document.Path, str]]:
    """The first complaint about each place; later ones only follow from it."""
    return list({path: (path, text) for path, text in reversed(found)}.values())[::-1]


def _report(
    path: Path, lines: Mapping[document.Path, int], found: list[tuple[document.Path, str]]
) -> str:
    ordered = sorted(found, key=lambda each: (not each[0], _line(lines, each[0])))
    count = "one mistake" if len(ordered) == 1 else f"{len(ordered)} mistakes"
    return "\n".join([f"{path} has {count}:", *(_sentence(lines, *each) for each in ordered)])


def _sentence(lines: Mapping[document.Path, int], path: document.Path, text: str) -> str:
    if not path:
        return f"  {text}"
    return f"  {problems.dotted(path)}: {text} (line {_line(lines, path)})"


def _line(lines: Mapping[document.Path, int], path: document.Path) -> int:
    """The line of the setting, or of the nearest thing around it that is there."""
    while path not in lines and path:
        path = path[:-1]
    return lines.get(path, 1)

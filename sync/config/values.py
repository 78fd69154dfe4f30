"""The kinds of value that a setting can have. Each knows its form and says it in plain words."""

import re
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, WithJsonSchema


def _pattern(pattern: str, wanted: str) -> tuple[AfterValidator, WithJsonSchema]:
    """A text of this form; `wanted` completes "must be ...". The value itself is never quoted."""

    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise ValueError(f"must be {wanted}")
        return value

    schema = {"type": "string", "pattern": f"^({pattern})$"}
    return AfterValidator(check), WithJsonSchema(schema)


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):  # a folder, a bad name, an unknown name
        raise ValueError("is no known time zone; write one like Europe/Oslo") from None
    return value


def database_problem(value: str) -> str | None:
    """What is wrong with a database's address; None if nothing. Never quotes it."""
    scheme, separator, _ = value.partition("://")
    if scheme == "postgres":
        return "must start with postgresql://, not postgres://"
    if not separator or scheme.partition("+")[0] not in ("sqlite", "postgresql"):
        return "must start with sqlite:/// or postgresql://"
    try:
        urlsplit(value).port  # noqa: B018 - raises when the port is no number
    except ValueError:
        return "is not a database address; a / or # in the password has to be written %2F or %23"
    return None


def without_password(url: str) -> str:
    """The same address with its password, if it has one, as `***`."""
    parts = urlsplit(url)
    query = re.sub(r"(^|&)(password=)[^&]*", r"\1\2***", parts.query)
    if parts.password is None and query == parts.query:
        return url
    host = parts.netloc.rpartition("@")[2]
    user = f"{parts.username or ''}:***@" if parts.password is not None else ""
    login = user or (f"{parts.username}@" if parts.username else "")
    return urlunsplit(parts._replace(netloc=f"{login}{host}", query=query))


def _database_url(value: str) -> str:
    problem = database_problem(value)
    if problem:
        raise ValueError(problem)
    if without_password(value) != value:
        raise ValueError(
            "a password never stands in the file; leave this line out and set the whole address "
            "in the environment variable DEALPULSE_DATABASE_URL"
        )
    return value


_ENV, _ENV_SCHEMA = _pattern(
    "[A-Z][A-Z0-9_]*",
    "the name of an environment variable (capitals, digits and _, like HUBSPOT_TOKEN), "
    "never the secret itself",
)
_NAME, _NAME_SCHEMA = _pattern(
    "[a-z][a-z0-9_-]{0,39}",
    "a short name of small letters, digits, - and _, starting with a letter",
)
_CURRENCY, _CURRENCY_SCHEMA = _pattern("[A-Z]{3}", "a currency code of three capitals, like NOK")
_TIME, _TIME_SCHEMA = _pattern(r"([01]\d|2[0-3]):[0-5]\d", "a time of day, like 08:00")
_WEEKDAY = "(mon|tue|wed|thu|fri|sat|sun)"
_DAYS, _DAYS_SCHEMA = _pattern(f"{_WEEKDAY}([-,]{_WEEKDAY})*", "weekdays, like mon-fri or mon,wed")
_EMAIL, _EMAIL_SCHEMA = _pattern(
    r"([^<>@\r\n]+<[^\s<>@,;]+@[^\s<>@,;]+\.[^\s<>@,;]+>|[^\s<>@,;]+@[^\s<>@,;]+\.[^\s<>@,;]+)",
    "one e-mail address, like revops@example.com",
)
_WEB, _WEB_SCHEMA = _pattern(
    r"https?://[^\s/@?#]+(/[^\s@?#]*)?", "a web address without query or password"
)

EnvName = Annotated[str, _ENV, _ENV_SCHEMA]
ConnectionName = Annotated[str, _NAME, _NAME_SCHEMA]
CurrencyCode = Annotated[str, _CURRENCY, _CURRENCY_SCHEMA]
TimeOfDay = Annotated[str, _TIME, _TIME_SCHEMA]
Weekdays = Annotated[str, _DAYS, _DAYS_SCHEMA]
Email = Annotated[str, _EMAIL, _EMAIL_SCHEMA]
WebAddress = Annotated[str, _WEB, _WEB_SCHEMA]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
Rate = Annotated[Decimal, Field(gt=0)]
Days = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]

"""The kinds of value that a setting can have. Each knows its form and says it in plain words."""

import re
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, WithJsonSchema

from forecasting.selling_days import selling_days


def _text(form: str, pattern: str, wanted: str) -> tuple[AfterValidator, WithJsonSchema]:
    """A text of this pattern. `form` names it in the schema, `wanted` completes "must be ..."."""

    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise ValueError(f"must be {wanted}")
        return value

    schema = {"type": "string", "format": form, "pattern": f"^({pattern})$"}
    return AfterValidator(check), WithJsonSchema(schema)


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):  # a folder, a bad name, an unknown name
        raise ValueError("is no known time zone; write one like Europe/Oslo") from None
    return value


def _known_country(value: str) -> str:
    if value != "NONE":
        selling_days(value, ())
    return value


_SCHEMES = ("sqlite", "postgresql", "postgres", "postgresql+psycopg")


def database_problem(value: str) -> str | None:
    """What is wrong with a database's address; None if nothing. Never quotes it."""
    scheme, separator, _ = value.partition("://")
    if not separator or scheme not in _SCHEMES:
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


_WEEKDAY = "(mon|tue|wed|thu|fri|sat|sun)"
_ADDRESS = r"[^\s<>@,;]+@[^\s<>@,;]+\.[^\s<>@,;]+"

EnvName = Annotated[
    str,
    *_text(
        "environment variable",
        "[A-Z][A-Z0-9_]*",
        "the name of an environment variable (capitals, digits and _, like HUBSPOT_TOKEN), "
        "never the secret itself",
    ),
]
ConnectionName = Annotated[
    str,
    *_text(
        "short name",
        "[a-z][a-z0-9_-]{0,39}",
        "a short name of small letters, digits, - and _, starting with a letter",
    ),
]
CurrencyCode = Annotated[
    str, *_text("currency code", "[A-Z]{3}", "a currency code of three capitals, like NOK")
]
Country = Annotated[
    str,
    *_text(
        "country code",
        "[A-Z]{2}(-[A-Z0-9]{1,3})?|NONE",
        "a country's two capitals like NO, a part of one like DE-BY, or NONE",
    ),
    AfterValidator(_known_country),
]
PropertyPattern = Annotated[
    str,
    *_text(
        "property name",
        r"[a-z][a-z0-9_]*\*?|\*",
        "the internal name of a property (small letters, digits and _), a prefix followed by *, "
        "or * for all",
    ),
]
TimeOfDay = Annotated[
    str, *_text("time of day", r"([01]\d|2[0-3]):[0-5]\d", "a time of day, like 08:00")
]
Weekdays = Annotated[
    str,
    *_text("weekdays", f"{_WEEKDAY}([-,]{_WEEKDAY})*", "weekdays, like mon-fri or mon,wed"),
]
Email = Annotated[
    str,
    *_text(
        "e-mail address",
        rf"[^<>@\r\n]+<{_ADDRESS}>|{_ADDRESS}",
        "one e-mail address, like revops@example.com",
    ),
]
WebAddress = Annotated[
    str,
    *_text(
        "web address",
        r"https?://[^\s/@?#]+(/[^\s@?#]*)?",
        "a web address without query or password, like https://api.hubapi.com",
    ),
]
DatabaseUrl = Annotated[
    str,
    AfterValidator(_database_url),
    WithJsonSchema({"type": "string", "format": "database address"}),
]
TimeZone = Annotated[
    str, AfterValidator(_known_zone), WithJsonSchema({"type": "string", "format": "time zone"})
]
Rate = Annotated[Decimal, Field(gt=0)]
Days = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]

"""Plausible Norwegian names of customers, people and deals."""

import numpy as np

PEOPLE = (
    ("Ingrid", "Halvorsen"),
    ("Lars", "Bakke"),
    ("Marte", "Solberg"),
    ("Jonas", "Lie"),
    ("Silje", "Hagen"),
    ("Anders", "Moen"),
    ("Nora", "Strand"),
    ("Håkon", "Dahl"),
    ("Kari", "Nygård"),
    ("Øystein", "Berge"),
    ("Thea", "Lund"),
    ("Magnus", "Eide"),
)

_PLACES_AS_PREFIX = (
    "Fjord", "Nord", "Vest", "Berg", "Hav", "Skog", "Elve", "Bre", "Tinde", "Vidde", "Sund",
    "Kyst", "Fjell", "Polar", "Viken", "Trønder", "Lofot", "Sogne", "Mjøs", "Øst", "Holmen",
)  # fmt: skip
_TRADES = (
    "tech", "data", "kraft", "bygg", "logistikk", "sjømat", "maskin", "media", "energi", "marin",
    "regnskap", "eiendom", "transport", "teknikk", "industri", "helse", "elektro", "rør",
)  # fmt: skip
_TOWNS = (
    "", "", "", " Oslo", " Bergen", " Trondheim", " Stavanger", " Tromsø", " Drammen", " Bodø",
    " Ålesund", " Molde", " Hamar", " Skien", " Arendal", " Narvik", " Alta", " Kristiansand",
)  # fmt: skip
_FORMS = ("AS", "AS", "AS", "AS", "AS", "ASA", "SA", "AB", "ApS")

NEW_BUSINESS = ("Lisenser", "Plattform", "Pilot", "Implementering", "Analysepakke")
EXISTING_BUSINESS = ("Utvidelse", "Flere brukere", "Tilleggsmodul", "Serviceavtale", "Opplæring")
RENEWAL = ("Fornyelse", "Rammeavtale")

NEXT_STEPS = (
    "Book a meeting with the decision maker",
    "Send references",
    "Demo for the IT department",
    "Send the offer",
    "Clarify terms with legal",
    "Follow up the signature",
)
LOSS_REASONS = ("Price", "No decision", "Competitor", "Timing", "No budget", "Missing feature")
DUPLICATE = "Duplicate"


def customers(count: int, rng: np.random.Generator) -> list[str]:
    """So many companies; a large number repeats some names, as a country does."""
    picks = zip(
        rng.integers(0, len(_PLACES_AS_PREFIX), count).tolist(),
        rng.integers(0, len(_TRADES), count).tolist(),
        rng.integers(0, len(_TOWNS), count).tolist(),
        rng.integers(0, len(_FORMS), count).tolist(),
        strict=True,
    )
    return [
        f"{_PLACES_AS_PREFIX[prefix]}{_TRADES[trade]}{_TOWNS[town]} {_FORMS[form]}"
        for prefix, trade, town, form in picks
    ]


def address(first_name: str, last_name: str) -> str:
    """An e-mail address under a domain that exists for examples only."""
    plain = f"{first_name}.{last_name}".lower().translate(str.maketrans("åæø", "aao"))
    return f"{plain}@example.com"

"""The words of headings, statuses and stages that people use, in English and Norwegian. Pure."""

import functools
import re
import unicodedata
from collections.abc import Mapping
from typing import Final, Literal

Name = Literal[
    "id", "name", "pipeline", "stage", "status", "amount", "currency", "probability",
    "close_date", "created_at", "updated_at", "closed_at", "owner", "owner_email",
    "organization", "contact", "contact_email", "last_activity_at", "next_activity_at",
    "next_step", "contact_roles", "loss_reason", "lead_source", "deal_type", "forecast_category",
]  # fmt: skip
"""What a column can be to us."""

Status = Literal["open", "won", "lost", "ignored", "deleted"]

HEADINGS: Final[Mapping[Name, tuple[str, ...]]] = {
    "id": (
        "id", "deal id", "record id", "opportunity id", "external id", "deal number", "deal no",
        "salgs id", "salgsid", "mulighetsnr", "mulighetsnummer", "mulighet id", "avtale id",
        "avtalenr", "saksnr", "nr", "nummer",
    ),
    "name": (
        "name", "title", "deal", "deal name", "deal title", "opportunity", "opportunity name",
        "subject", "navn", "tittel", "mulighet", "mulighetsnavn", "avtale", "avtalenavn", "sak",
        "salgsmulighet", "emne",
    ),
    "pipeline": ("pipeline", "pipeline name", "sales process", "salgsløp", "salgsprosess"),
    "stage": (
        "stage", "deal stage", "sales stage", "phase", "pipeline stage", "fase", "steg",
        "salgsfase", "salgssteg", "trinn", "status i salget",
    ),
    "status": ("status", "deal status", "state", "outcome", "resultat", "utfall", "tilstand"),
    "amount": (
        "amount", "value", "deal value", "deal amount", "total amount", "offer total amount",
        "revenue", "sum", "price", "verdi", "beløp", "belop", "omsetning", "salgsverdi",
        "ordreverdi", "kontraktsverdi", "totalt",
    ),
    "currency": ("currency", "currency code", "deal currency", "valuta", "valutakode"),
    "probability": (
        "probability", "win probability", "deal probability", "sannsynlighet", "sjanse",
        "vinnersjanse",
    ),
    "close_date": (
        "close date", "closing date", "expected close date", "expected close", "forecast close",
        "forventet lukkedato", "forventet avslutning", "forventet avsluttet", "lukkedato",
        "avslutningsdato", "forventet dato",
    ),
    "created_at": (
        "created", "created at", "created time", "created date", "create date", "date created",
        "created on", "add time", "deal created", "opprettet", "opprettet dato",
        "opprettelsesdato", "registrert", "dato opprettet",
    ),
    "updated_at": (
        "updated", "updated at", "modified", "modified time", "last modified", "update time",
        "last modified date", "modified on", "endret", "sist endret", "oppdatert",
        "sist oppdatert", "endringsdato",
    ),
    "closed_at": (
        "closed", "closed at", "closed date", "won date", "won time", "lost date", "close time",
        "actual close date", "vunnet dato", "tapt dato", "lukket", "avsluttet", "lukket dato",
    ),
    "owner": (
        "owner", "deal owner", "deal owner name", "owner name", "rep", "sales rep", "salesperson",
        "assigned to", "account manager", "eier", "selger", "ansvarlig", "kundeansvarlig",
        "salgsansvarlig",
    ),
    "owner_email": ("owner email", "owner e mail", "rep email", "eier e post", "selger e post"),
    "organization": (
        "organization", "organisation", "company", "company name", "account", "account name",
        "customer", "client", "firma", "kunde", "kundenavn", "bedrift", "selskap",
        "organisasjon", "virksomhet",
    ),
    "contact": (
        "contact", "contact name", "contact person", "person", "kontakt", "kontaktperson",
        "kontaktnavn",
    ),
    "contact_roles": (
        "contact role", "contact roles", "buying role", "kontaktrolle", "kontaktroller",
    ),
    "contact_email": ("email", "e mail", "contact email", "e post", "epost"),
    "last_activity_at": (
        "last activity", "last activity date", "last contacted", "siste aktivitet",
        "sist kontaktet",
    ),
    "next_activity_at": (
        "next activity", "next activity date", "neste aktivitet", "neste oppfølging",
    ),
    "next_step": ("next step", "neste steg"),
    "loss_reason": (
        "lost reason", "loss reason", "closed lost reason", "reason lost", "tapsårsak",
        "årsak til tap", "tapsgrunn",
    ),
    "lead_source": ("source", "lead source", "deal source", "kilde", "leadkilde", "salgskilde"),
    "deal_type": ("type", "deal type", "product", "avtaletype", "produkt"),
    "forecast_category": ("forecast category", "forecast", "prognosekategori"),
}  # fmt: skip

STATUSES: Final[Mapping[Status, tuple[str, ...]]] = {
    "open": (
        "open", "active", "in progress", "new", "åpen", "apen", "aktiv", "pågår", "pagar", "ny",
        "utsatt", "postponed", "on hold",
    ),
    "won": ("won", "closed won", "win", "vunnet", "solgt", "signert", "payment done"),
    "lost": (
        "lost", "closed lost", "loss", "tapt", "avslått", "avslag", "disqualified",
        "ikke kvalifisert",
    ),
    "ignored": (),
    "deleted": ("deleted", "slettet"),
}  # fmt: skip


@functools.lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """For comparing: small letters, one space between words, no other signs."""
    words = re.findall(r"[\w#]+", unicodedata.normalize("NFC", text).casefold().replace("_", " "))
    return " ".join(words)


def status_of(text: str) -> Status | None:
    """What a word says of a deal; None where it is not known."""
    word = plain(text)
    return next((status for status, words in STATUSES.items() if word in words), None)


def outcome_of(stage: str) -> Literal["open", "won", "lost"]:
    """What a stage's name says of its deals: `Closed Won`, `Vunnet`; open where nothing."""
    status = status_of(stage)
    if status in ("won", "lost"):
        return status
    ended = set(plain(stage).split()) & {"won", "vunnet", "lost", "tapt"}
    if len(ended) == 1:
        return "won" if ended <= {"won", "vunnet"} else "lost"
    return "open"

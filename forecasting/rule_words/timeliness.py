"""What is said of deals that time has left behind."""

from collections.abc import Mapping
from typing import Final

from forecasting.rule_words.words import Words

WORDS: Final[Mapping[str, Words]] = {
    "overdue": Words(
        title={"en": "Overdue", "nb": "Over lukkedato"},
        why="An open deal whose close date has passed belongs to no period to come, "
        "so it is left out of the forecasts.",
        fix={
            "en": "Close the deal, or enter the date on which you now expect the decision.",
            "nb": "Lukk avtalen, eller legg inn datoen du nå venter avgjørelsen.",
        },
        message={
            "en": "The close date, {close_date:day}, passed {days:days} ago.",
            "nb": "Lukkedatoen, {close_date:day}, var for {days:days} siden.",
        },
        brief={"en": "overdue by {days:days}", "nb": "{days:days} over lukkedato"},
    ),
    "close_date_never_chosen": Words(
        title={"en": "Close date never chosen", "nb": "Lukkedato aldri valgt"},
        why="HubSpot fills in the last day of the month when a deal is created. Where nobody "
        "has touched it since, it says when the deal was typed in, not when it will close.",
        fix={
            "en": "Enter the date on which you expect the decision.",
            "nb": "Legg inn datoen du venter at avgjørelsen faller.",
        },
        message={
            "en": "The close date, {close_date:day}, is still the one the CRM suggested when the "
            "deal was created.",
            "nb": "Lukkedatoen, {close_date:day}, er fortsatt den CRM-et foreslo da avtalen ble "
            "opprettet.",
        },
        brief={"en": "close date never chosen", "nb": "lukkedato aldri valgt"},
    ),
    "close_date_pushed": Words(
        title={"en": "Close date keeps moving", "nb": "Lukkedatoen flyttes stadig"},
        why="A close date that has moved again and again will likely move once more; "
        "the buyer has not committed to it.",
        fix={
            "en": "Agree a date and the steps to it with the buyer, or close the deal as lost.",
            "nb": "Bli enig med kjøper om en dato og stegene dit, eller lukk avtalen som tapt.",
        },
        message={
            "en": "The close date was pushed {pushes:times}, {days:days} in all.",
            "nb": "Lukkedatoen er skjøvet {pushes:times}, til sammen {days:days}.",
        },
        brief={"en": "close date pushed {pushes:times}", "nb": "lukkedato skjøvet {pushes:times}"},
    ),
    "stale": Words(
        title={"en": "Stale", "nb": "Uten aktivitet"},
        why="Deals die of silence. The norm is the stage's own, since a week is long before a "
        "first meeting and short in a legal review.",
        fix={
            "en": "Contact the buyer and plan the next activity, or close the deal as lost.",
            "nb": "Ta kontakt med kjøper og planlegg neste aktivitet, eller lukk avtalen som tapt.",
        },
        message={
            "en": "No human activity since {last_activity:day}, {days} working days ago; the norm "
            "in {stage} is {norm_days}.",
            "nb": "Ingen aktivitet siden {last_activity:day}, {days} virkedager siden; normen i "
            "{stage} er {norm_days}.",
        },
        brief={
            "en": "no activity for {days} working days (norm {norm_days})",
            "nb": "ingen aktivitet på {days} virkedager (norm {norm_days})",
        },
    ),
    "archive_candidate": Words(
        title={"en": "Candidate for the archive", "nb": "Kan arkiveres"},
        why="A deal that no precedent speaks for hides the ones that can be won, and fills the "
        "pipeline with money that will not come.",
        fix={
            "en": "Close it as lost, or plan an activity if you know better.",
            "nb": "Lukk den som tapt, eller planlegg en aktivitet hvis du vet bedre.",
        },
        message={
            "en": "Silent for {days} working days: of {earlier} "
            "deals that stood for {from_days:days} or more {earlier_won} were won (at "
            "most {chance_at_most:percent}, 95 % interval).",
            "nb": "Uten aktivitet på {days} virkedager: av "
            "{earlier} avtaler som sto i {from_days:days} eller mer, ble {earlier_won} "
            "vunnet (høyst {chance_at_most:percent}, 95 %-intervall).",
        },
        brief={
            "en": "{earlier_won} of {earlier} that stood as long were won",
            "nb": "{earlier_won} av {earlier} som sto så lenge, ble vunnet",
        },
    ),
    "no_first_response": Words(
        title={"en": "No first response", "nb": "Ingen første kontakt"},
        why="The chance to reach somebody who asked falls by the hour; after days it is gone to "
        "whoever answered.",
        fix={
            "en": "Call the contact today, or hand the deal to somebody who can.",
            "nb": "Ring kontakten i dag, eller gi avtalen til noen som kan.",
        },
        message={
            "en": "Nobody has contacted the buyer in the {days} working days since "
            "{created_on:day}.",
            "nb": "Ingen har kontaktet kjøperen på de {days} virkedagene siden {created_on:day}.",
        },
        brief={"en": "nobody has made contact", "nb": "ingen har tatt kontakt"},
        needs={
            "en": "the CRM to tell when contacts were contacted",
            "nb": "at CRM-et forteller når kontaktene ble kontaktet",
        },
    ),
    "stuck": Words(
        title={"en": "Stuck", "nb": "Står fast"},
        why="The deal has been in its stage for longer than nearly every deal that was won, "
        "whatever is said about it.",
        fix={
            "en": "Find out what holds it, or move it back to the stage it is really in.",
            "nb": "Finn ut hva som holder den igjen, eller flytt den til fasen den egentlig er i.",
        },
        message={
            "en": "In {stage} for {days:days}; 9 of 10 won deals left it within {p90_days:days}.",
            "nb": "{days:days} i {stage}; 9 av 10 vunne avtaler forlot den innen {p90_days:days}.",
        },
        brief={
            "en": "in {stage} for {days:days} (won deals: {p90_days})",
            "nb": "{days:days} i {stage} (vunne avtaler: {p90_days})",
        },
        needs={
            "en": "20 won deals that passed through a stage",
            "nb": "20 vunne avtaler som har vært gjennom en fase",
        },
    ),
}

"""Rules about what is not there."""

from typing import Final

import polars as pl

from forecasting.quality.rule import Rule

_NO_AMOUNT: Final = pl.col("amount").is_null()
_NO_RATE: Final = (pl.col("amount_problem") == "no_rate").fill_null(False)

RULES: Final = (
    Rule(
        code="amount_missing",
        family="completeness",
        weight=20,
        when=_NO_AMOUNT & ~_NO_RATE,
        title={"en": "Amount is missing", "nb": "Beløp mangler"},
        why="A deal without an amount adds nothing to any forecast, however likely it is.",
        fix={
            "en": "Enter the amount you expect, even a rough one.",
            "nb": "Legg inn beløpet du venter, også om anslaget er grovt.",
        },
        message={"en": "The amount is missing.", "nb": "Beløpet mangler."},
        brief={"en": "amount missing", "nb": "beløp mangler"},
    ),
    Rule(
        code="no_rate",
        family="completeness",
        weight=5,
        when=_NO_AMOUNT & _NO_RATE,
        evidence={"currency": pl.col("currency")},
        title={"en": "No exchange rate", "nb": "Valutakurs mangler"},
        why="An amount in another currency cannot be added to the others without a rate, "
        "and taking it as 1 would be wrong by the whole rate.",
        fix={
            "en": "Ask whoever runs your CRM to add an exchange rate for this currency.",
            "nb": "Be den som driver CRM-et legge inn valutakurs for denne valutaen.",
        },
        message={
            "en": "The amount is in {currency}, for which there is no exchange rate.",
            "nb": "Beløpet er i {currency}, som det ikke finnes valutakurs for.",
        },
        brief={"en": "no rate for {currency}", "nb": "ingen kurs for {currency}"},
    ),
    Rule(
        code="close_date_missing",
        family="completeness",
        weight=15,
        when=pl.col("close_date").is_null(),
        title={"en": "Close date is missing", "nb": "Lukkedato mangler"},
        why="Without an expected close date a deal belongs to no period and is left out of all.",
        fix={
            "en": "Enter the date on which you expect the decision.",
            "nb": "Legg inn datoen du venter at avgjørelsen faller.",
        },
        message={"en": "The close date is missing.", "nb": "Lukkedatoen mangler."},
        brief={"en": "close date missing", "nb": "lukkedato mangler"},
    ),
    Rule(
        code="owner_missing",
        family="completeness",
        weight=15,
        when=pl.col("owner_id").is_null(),
        title={"en": "Owner is missing", "nb": "Eier mangler"},
        why="Nobody follows up a deal that nobody owns, and it is in no one's forecast.",
        fix={"en": "Assign an owner.", "nb": "Sett en eier på avtalen."},
        message={"en": "The deal has no owner.", "nb": "Avtalen har ingen eier."},
        brief={"en": "no owner", "nb": "ingen eier"},
    ),
    Rule(
        code="no_next_activity",
        family="completeness",
        weight=10,
        when=~pl.col("activity_planned")
        & (pl.col("next_step").is_null() | (pl.col("next_step").str.strip_chars() == "")),
        title={"en": "Nothing is planned", "nb": "Ingenting er planlagt"},
        why="A deal moves when somebody does something; with nothing planned it waits.",
        fix={
            "en": "Plan the next call or meeting, or write down the next step.",
            "nb": "Planlegg neste samtale eller møte, eller skriv ned neste steg.",
        },
        message={
            "en": "No activity is planned and no next step is stated.",
            "nb": "Ingen aktivitet er planlagt, og ikke noe neste steg er oppgitt.",
        },
        brief={"en": "nothing planned", "nb": "ingenting planlagt"},
    ),
    Rule(
        code="no_contact",
        family="completeness",
        weight=10,
        when=pl.col("contact_count") == 0,
        title={"en": "No contact", "nb": "Ingen kontaktperson"},
        why="A sale is made to people; without a contact nobody can be called or mailed, "
        "and activity is not logged on the deal.",
        fix={
            "en": "Associate the people you are talking to with the deal.",
            "nb": "Knytt dem du snakker med til avtalen.",
        },
        message={
            "en": "No contact is associated with the deal.",
            "nb": "Ingen kontaktperson er knyttet til avtalen.",
        },
        brief={"en": "no contact", "nb": "ingen kontaktperson"},
    ),
)

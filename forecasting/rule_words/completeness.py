"""What is said of what is not there."""

from collections.abc import Mapping
from typing import Final

from forecasting.rule_words.words import Words

WORDS: Final[Mapping[str, Words]] = {
    "amount_missing": Words(
        title={"en": "Amount is missing", "nb": "Beløp mangler"},
        why="A deal without an amount adds nothing to any forecast, however likely it is.",
        fix={
            "en": "Enter the amount you expect, even a rough one.",
            "nb": "Legg inn beløpet du venter, også om anslaget er grovt.",
        },
        message={"en": "The amount is missing.", "nb": "Beløpet mangler."},
        brief={"en": "amount missing", "nb": "beløp mangler"},
    ),
    "no_rate": Words(
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
    "close_date_missing": Words(
        title={"en": "Close date is missing", "nb": "Lukkedato mangler"},
        why="Without an expected close date a deal belongs to no period and is left out of all.",
        fix={
            "en": "Enter the date on which you expect the decision.",
            "nb": "Legg inn datoen du venter at avgjørelsen faller.",
        },
        message={"en": "The close date is missing.", "nb": "Lukkedatoen mangler."},
        brief={"en": "close date missing", "nb": "lukkedato mangler"},
    ),
    "owner_missing": Words(
        title={"en": "Owner is missing", "nb": "Eier mangler"},
        why="Nobody follows up a deal that nobody owns, and it is in no one's forecast.",
        fix={"en": "Assign an owner.", "nb": "Sett en eier på avtalen."},
        message={"en": "The deal has no owner.", "nb": "Avtalen har ingen eier."},
        brief={"en": "no owner", "nb": "ingen eier"},
    ),
    "next_step_missing": Words(
        title={"en": "Next step is missing", "nb": "Neste steg mangler"},
        why="Who cannot say what happens next waits for the buyer, and so does the forecast.",
        fix={
            "en": "Write down the next step, and whose it is.",
            "nb": "Skriv ned neste steg, og hvem som tar det.",
        },
        message={"en": "No next step is stated.", "nb": "Ikke noe neste steg er oppgitt."},
        brief={"en": "no next step", "nb": "ikke noe neste steg"},
        needs={
            "en": "at least one deal with a next step",
            "nb": "minst én avtale med et neste steg",
        },
    ),
    "no_next_activity": Words(
        title={"en": "Nothing is planned", "nb": "Ingenting er planlagt"},
        why="A deal moves when somebody does something; with nothing planned it waits.",
        fix={
            "en": "Plan the next call or meeting.",
            "nb": "Planlegg neste samtale eller møte.",
        },
        message={"en": "No activity is planned.", "nb": "Ingen aktivitet er planlagt."},
        brief={"en": "nothing planned", "nb": "ingenting planlagt"},
        needs={
            "en": "the CRM to tell of activities, done or planned",
            "nb": "at CRM-et forteller om aktiviteter, utførte eller planlagte",
        },
    ),
    "no_contact": Words(
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
        needs={
            "en": "the CRM to tell how many contacts a deal has",
            "nb": "at CRM-et forteller hvor mange kontaktpersoner en avtale har",
        },
    ),
    "no_company": Words(
        title={"en": "No company", "nb": "Ikke noe selskap"},
        why="Without a company nobody sees that two deals are with one buyer, or that the buyer "
        "is a customer already.",
        fix={
            "en": "Associate the company that buys with the deal.",
            "nb": "Knytt selskapet som kjøper til avtalen.",
        },
        message={
            "en": "No company is associated with the deal.",
            "nb": "Ikke noe selskap er knyttet til avtalen.",
        },
        brief={"en": "no company", "nb": "ikke noe selskap"},
        needs={
            "en": "the CRM to tell how many companies a deal has",
            "nb": "at CRM-et forteller hvor mange selskaper en avtale har",
        },
    ),
    "currency_missing": Words(
        title={"en": "Currency is missing", "nb": "Valuta mangler"},
        why="An amount without a currency is taken to be in the account's own, which can be wrong "
        "by the whole rate.",
        fix={"en": "Choose the deal's currency.", "nb": "Velg avtalens valuta."},
        message={
            "en": "The amount has no currency; it is read as your own.",
            "nb": "Beløpet har ingen valuta; det leses som deres egen.",
        },
        brief={"en": "no currency", "nb": "ingen valuta"},
        needs={
            "en": "at least one deal with a currency",
            "nb": "minst én avtale med valuta",
        },
    ),
    "loss_reason_missing": Words(
        title={"en": "Loss reason is missing", "nb": "Tapsgrunn mangler"},
        why="A loss teaches something only while somebody still knows why.",
        fix={
            "en": "Enter why the deal was lost, while it is remembered.",
            "nb": "Legg inn hvorfor avtalen ble tapt, mens det huskes.",
        },
        message={
            "en": "Lost on {closed_on:day} without a reason.",
            "nb": "Tapt {closed_on:day} uten oppgitt grunn.",
        },
        brief={"en": "no loss reason", "nb": "ingen tapsgrunn"},
        needs={
            "en": "at least one lost deal with a reason",
            "nb": "minst én tapt avtale med en grunn",
        },
    ),
    "close_day_missing": Words(
        title={"en": "Decided without a date", "nb": "Avgjort uten dato"},
        why="A win without a day belongs to no period, and counts in no result.",
        fix={
            "en": "Enter the day on which the deal was decided.",
            "nb": "Legg inn dagen avtalen ble avgjort.",
        },
        message={
            "en": "The deal is {status}, but on no known day.",
            "nb": "Avtalen har status {status}, men dagen er ikke kjent.",
        },
        brief={"en": "decided without a date", "nb": "avgjort uten dato"},
    ),
}

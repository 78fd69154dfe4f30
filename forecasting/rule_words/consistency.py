"""What is said of values that are there and cannot be right."""

from collections.abc import Mapping
from typing import Final

from forecasting.rule_words.words import Words

WORDS: Final[Mapping[str, Words]] = {
    "amount_not_positive": Words(
        title={"en": "Amount is zero or negative", "nb": "Beløpet er null eller negativt"},
        why="Zero is usually a placeholder for not known; a negative amount lowers the forecast.",
        fix={
            "en": "Enter the amount you expect; close the deal if nothing is to be sold.",
            "nb": "Legg inn beløpet du venter; lukk avtalen hvis ingenting skal selges.",
        },
        message={
            "en": "The amount is {amount:number}, which is not above zero.",
            "nb": "Beløpet er {amount:number}, som ikke er over null.",
        },
        brief={"en": "amount is {amount:number}", "nb": "beløpet er {amount:number}"},
    ),
    "owner_deactivated": Words(
        title={"en": "Owner is deactivated", "nb": "Eieren er deaktivert"},
        why="Deals of somebody who has left are followed up by nobody and alert nobody.",
        fix={
            "en": "Hand the deal to a colleague who is still here.",
            "nb": "Gi avtalen til en kollega som fortsatt arbeider her.",
        },
        message={
            "en": "The owner, {owner}, is no longer an active user.",
            "nb": "Eieren, {owner}, er ikke lenger en aktiv bruker.",
        },
        brief={"en": "owner no longer active", "nb": "eieren er ikke lenger aktiv"},
    ),
    "unknown_stage": Words(
        title={"en": "Stage no longer exists", "nb": "Fasen finnes ikke lenger"},
        why="A deal in a deleted stage is on no board, so nobody sees it, and no stage "
        "probability applies to it.",
        fix={
            "en": "Move the deal to the stage it is really in.",
            "nb": "Flytt avtalen til fasen den egentlig er i.",
        },
        message={
            "en": "The deal's stage ({stage}) no longer exists.",
            "nb": "Avtalens fase ({stage}) finnes ikke lenger.",
        },
        brief={"en": "stage no longer exists", "nb": "fasen finnes ikke lenger"},
    ),
    "amount_round": Words(
        title={"en": "Amount looks guessed: round", "nb": "Beløpet ser gjettet ut: rundt"},
        why="One digit and zeros, never changed since: a placeholder, where won deals seldom come "
        "to such a sum.",
        fix={
            "en": "Work the amount out from what is to be sold.",
            "nb": "Regn ut beløpet fra det som skal selges.",
        },
        message={
            "en": "The amount, {amount:number}, is round and was never changed; of won deals only "
            "{won_share:percent} are so round.",
            "nb": "Beløpet, {amount:number}, er rundt og aldri endret; av vunne avtaler er bare "
            "{won_share:percent} så runde.",
        },
        brief={"en": "amount looks guessed", "nb": "beløpet ser gjettet ut"},
        needs={
            "en": "20 won deals to compare with",
            "nb": "20 vunne avtaler å sammenligne med",
        },
    ),
    "amount_repeated": Words(
        title={"en": "Amount looks guessed: a default", "nb": "Beløpet ser gjettet ut: standard"},
        why="One sum on many open deals that won deals seldom come to is a default, not a price.",
        fix={
            "en": "Enter what this buyer is expected to pay.",
            "nb": "Legg inn det denne kjøperen ventes å betale.",
        },
        message={
            "en": "{deals} open deals ({open_share:percent}) have this amount, {amount:number}; "
            "of won deals {won_share:percent} do.",
            "nb": "{deals} åpne avtaler ({open_share:percent}) har dette beløpet, "
            "{amount:number}; av vunne avtaler har {won_share:percent} det.",
        },
        brief={"en": "amount looks like a default", "nb": "beløpet ser ut som en standard"},
        needs={
            "en": "20 won deals to compare with",
            "nb": "20 vunne avtaler å sammenligne med",
        },
    ),
    "close_date_heaped": Words(
        title={"en": "Close date on a period's end", "nb": "Lukkedato på periodeslutt"},
        why="Where far more deals are to close on a month's last day than ever did, that day "
        "stands for the month, or for not knowing.",
        fix={
            "en": "Enter the day on which the buyer decides, not the end of the period.",
            "nb": "Legg inn dagen kjøperen avgjør, ikke slutten av perioden.",
        },
        message={
            "en": "The close date, {close_date:day}, is a month's last day: {open_share:percent} "
            "of open deals close on one, {won_share:percent} of won deals did.",
            "nb": "Lukkedatoen, {close_date:day}, er månedens siste dag: {open_share:percent} av "
            "åpne avtaler lukkes da, {won_share:percent} av vunne ble det.",
        },
        brief={"en": "close date on a period's end", "nb": "lukkedato på periodeslutt"},
        needs={
            "en": "20 won deals to compare with",
            "nb": "20 vunne avtaler å sammenligne med",
        },
    ),
    "closed_before_created": Words(
        title={"en": "Closed before it was created", "nb": "Lukket før den ble opprettet"},
        why="Such a deal makes cycles negative and wins appear in periods that were over.",
        fix={
            "en": "Correct the close date, or the creation date of a deal entered afterwards.",
            "nb": "Rett lukkedatoen, eller opprettelsesdatoen for en avtale lagt inn i ettertid.",
        },
        message={
            "en": "Closed on {closed_on:day}, before it was created on {created_on:day}.",
            "nb": "Lukket {closed_on:day}, før den ble opprettet {created_on:day}.",
        },
        brief={"en": "closed before created", "nb": "lukket før opprettet"},
    ),
    "closed_in_the_future": Words(
        title={"en": "Closed in the future", "nb": "Lukket i fremtiden"},
        why="A deal that is decided was decided by today; a later day puts the win into a period "
        "that is still being forecast.",
        fix={
            "en": "Enter the day on which the deal was really decided.",
            "nb": "Legg inn dagen avtalen faktisk ble avgjort.",
        },
        message={
            "en": "Decided already, but closed on {closed_on:day}, which is yet to come.",
            "nb": "Allerede avgjort, men lukket {closed_on:day}, som ikke er kommet ennå.",
        },
        brief={"en": "closed in the future", "nb": "lukket i fremtiden"},
    ),
    "won_at_zero": Words(
        title={"en": "Won without an amount", "nb": "Vunnet uten beløp"},
        why="A win of nothing lowers the average deal, the velocity and every forecast after it.",
        fix={
            "en": "Enter what was sold.",
            "nb": "Legg inn det som ble solgt.",
        },
        message={
            "en": "Won on {closed_on:day} without an amount above zero.",
            "nb": "Vunnet {closed_on:day} uten et beløp over null.",
        },
        brief={"en": "won without an amount", "nb": "vunnet uten beløp"},
    ),
    "probability_against_stage": Words(
        title={"en": "Probability against the stage", "nb": "Sannsynlighet mot fasen"},
        why="A deal said to be far surer, or far less sure, than its stage is in the wrong stage "
        "or carries a wish.",
        fix={
            "en": "Move the deal to the stage it is in, or put the probability right.",
            "nb": "Flytt avtalen til fasen den er i, eller rett sannsynligheten.",
        },
        message={
            "en": "The deal says {stated:percent}, its stage {stage} {stage_says:percent}.",
            "nb": "Avtalen sier {stated:percent}, fasen {stage} {stage_says:percent}.",
        },
        brief={
            "en": "says {stated:percent}, stage {stage_says:percent}",
            "nb": "sier {stated:percent}, fasen {stage_says:percent}",
        },
        needs={
            "en": "a probability on deals and on their stages",
            "nb": "en sannsynlighet på avtaler og på fasene deres",
        },
    ),
    "stage_skipped": Words(
        title={"en": "Stage skipped", "nb": "Fase hoppet over"},
        why="Nearly every won deal went through the stage; who left it out has yet to do what is "
        "done there, or only the typing.",
        fix={
            "en": "Do what the stage asks for, or move the deal back to it.",
            "nb": "Gjør det fasen krever, eller flytt avtalen tilbake til den.",
        },
        message={
            "en": "The deal never was in {skipped}, through which won deals go.",
            "nb": "Avtalen har aldri vært i {skipped}, som vunne avtaler går gjennom.",
        },
        brief={"en": "skipped {skipped}", "nb": "hoppet over {skipped}"},
        needs={
            "en": "20 won deals to compare with",
            "nb": "20 vunne avtaler å sammenligne med",
        },
    ),
    "stage_moved_back": Words(
        title={"en": "Stage moved back", "nb": "Flyttet tilbake"},
        why="A step back says that an earlier one was taken too soon; what the deal was forecast "
        "on then was too much.",
        fix={
            "en": "Check what is missing for the later stage, and the close date with it.",
            "nb": "Se hva som mangler for den senere fasen, og sjekk lukkedatoen samtidig.",
        },
        message={
            "en": "Moved back from {came_from} to {stage} on {on:day}.",
            "nb": "Flyttet tilbake fra {came_from} til {stage} {on:day}.",
        },
        brief={"en": "moved back from {came_from}", "nb": "flyttet tilbake fra {came_from}"},
    ),
    "probable_duplicate": Words(
        title={"en": "Probably a duplicate", "nb": "Trolig en dublett"},
        why="One sale entered twice is forecast twice, and two people call one buyer.",
        fix={
            "en": "Merge it with the older deal, or name it by what is different.",
            "nb": "Slå den sammen med den eldre avtalen, eller gi den et navn som skiller dem.",
        },
        message={
            "en": "Probably the same sale as {twin} (deal {twin_id}), which was there before.",
            "nb": "Trolig samme salg som {twin} (avtale {twin_id}), som var der før.",
        },
        brief={"en": "probably a duplicate", "nb": "trolig en dublett"},
    ),
    "test_record": Words(
        title={"en": "Looks like a test", "nb": "Ser ut som en test"},
        why="A trial of the CRM counts as a sale in every figure until it is deleted.",
        fix={
            "en": "Delete the deal, or give it the name of the sale.",
            "nb": "Slett avtalen, eller gi den salgets navn.",
        },
        message={
            "en": "By its name, source or type this is a trial of the CRM: {name}.",
            "nb": "Etter navn, kilde eller type er dette en prøve av CRM-et: {name}.",
        },
        brief={"en": "looks like a test", "nb": "ser ut som en test"},
    ),
    "never_answered": Words(
        title={"en": "Contacts never answered", "nb": "Kontaktene har aldri svart"},
        why="A sale has two sides; where only ours was ever heard there is none yet.",
        fix={
            "en": "Find somebody who answers, or close the deal as lost.",
            "nb": "Finn noen som svarer, eller lukk avtalen som tapt.",
        },
        message={
            "en": "Contacted {attempts:times}, and nobody ever answered or met.",
            "nb": "Kontaktet {attempts:times}, og ingen har noen gang svart eller møtt.",
        },
        brief={"en": "nobody ever answered", "nb": "ingen har svart"},
        needs={
            "en": "the CRM to tell of replies or meetings",
            "nb": "at CRM-et forteller om svar eller møter",
        },
    ),
}

"""Rules about values that are there and cannot be right."""

from typing import Final

import polars as pl

from forecasting.quality.rule import Rule

SAME_AMOUNT: Final = 10
"""So many deals alike are a habit, fewer a coincidence."""

FAR_FROM_STAGE: Final = 0.3
"""So far apart, in probability, a deal and its stage contradict each other."""

_COMPARABLE: Final = pl.col("won_deals") >= pl.col("compare_with")

RULES: Final = (
    Rule(
        code="amount_not_positive",
        family="consistency",
        weight=20,
        when=pl.col("amount") <= 0,
        effect="amount",
        evidence={"amount": pl.col("amount")},
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
    Rule(
        code="owner_deactivated",
        family="consistency",
        weight=15,
        when=pl.col("owner_id").is_not_null() & pl.col("owner_gone"),
        evidence={"owner": pl.coalesce("owner", "owner_id")},
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
    Rule(
        code="unknown_stage",
        family="consistency",
        weight=15,
        when=~pl.col("stage_exists"),
        evidence={"stage": pl.coalesce("stage", "stage_id")},
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
    Rule(
        code="amount_round",
        family="consistency",
        weight=3,
        when=pl.col("rounded")
        & ~pl.col("amount_touched")
        & (pl.col("open_round") >= 2 * pl.col("won_round")),
        evidence={"amount": pl.col("amount"), "won_share": pl.col("won_round")},
        applies=_COMPARABLE,
        needs={
            "en": "20 won deals to compare with",
            "nb": "20 vunne avtaler å sammenligne med",
        },
        effect="amount",
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
    ),
    Rule(
        code="amount_repeated",
        family="consistency",
        weight=5,
        when=~pl.col("amount_touched")
        & (pl.col("same_open") >= SAME_AMOUNT)
        & (pl.col("same_open_share") >= 0.1)
        & (pl.col("same_open_share") >= 3 * pl.col("same_won_share")),
        evidence={
            "amount": pl.col("amount"),
            "deals": pl.col("same_open"),
            "open_share": pl.col("same_open_share"),
            "won_share": pl.col("same_won_share"),
        },
        applies=_COMPARABLE,
        needs={
            "en": "20 won deals to compare with",
            "nb": "20 vunne avtaler å sammenligne med",
        },
        effect="amount",
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
    ),
    Rule(
        code="close_date_heaped",
        family="consistency",
        weight=3,
        when=pl.col("at_month_end")
        & ~pl.col("close_date_suggested")
        & (pl.col("open_month_ends") >= SAME_AMOUNT)
        & (pl.col("open_at_month_end") >= 0.2)
        & (pl.col("open_at_month_end") >= 3 * pl.col("won_at_month_end")),
        evidence={
            "close_date": pl.col("close_date"),
            "open_share": pl.col("open_at_month_end"),
            "won_share": pl.col("won_at_month_end"),
        },
        applies=_COMPARABLE,
        needs={
            "en": "20 won deals to compare with",
            "nb": "20 vunne avtaler å sammenligne med",
        },
        effect="date",
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
    ),
    Rule(
        code="closed_before_created",
        family="consistency",
        weight=10,
        about="decided",
        when=pl.col("closed_on") < pl.col("created_on"),
        evidence={"closed_on": pl.col("closed_on"), "created_on": pl.col("created_on")},
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
    Rule(
        code="closed_in_the_future",
        family="consistency",
        weight=10,
        about="decided",
        when=pl.col("closed_on") > pl.col("today"),
        evidence={"closed_on": pl.col("closed_on")},
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
    Rule(
        code="won_at_zero",
        family="consistency",
        weight=10,
        about="decided",
        when=(pl.col("status") == "won")
        & ((pl.col("amount") <= 0) | (pl.col("amount_problem") == "missing")),
        evidence={"closed_on": pl.col("closed_on")},
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
    Rule(
        code="probability_against_stage",
        family="consistency",
        weight=5,
        when=(pl.col("stated") - pl.col("stage_says")).abs() >= FAR_FROM_STAGE,
        evidence={
            "stated": pl.col("stated"),
            "stage_says": pl.col("stage_says"),
            "stage": pl.coalesce("stage", "stage_id"),
        },
        applies=pl.col("stated").is_not_null() & pl.col("stage_says").is_not_null(),
        needs={
            "en": "a probability on deals and on their stages",
            "nb": "en sannsynlighet på avtaler og på fasene deres",
        },
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
    ),
    Rule(
        code="stage_skipped",
        family="consistency",
        weight=3,
        when=pl.col("skipped_stages") > 0,
        evidence={"skipped": pl.col("skipped"), "stages": pl.col("skipped_stages")},
        applies=_COMPARABLE,
        needs={
            "en": "20 won deals to compare with",
            "nb": "20 vunne avtaler å sammenligne med",
        },
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
    ),
    Rule(
        code="stage_moved_back",
        family="consistency",
        weight=5,
        when=pl.col("came_back_from").is_not_null(),
        evidence={
            "came_from": pl.col("came_back_from"),
            "stage": pl.coalesce("stage", "stage_id"),
            "on": pl.col("came_back_on"),
        },
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
    Rule(
        code="probable_duplicate",
        family="consistency",
        weight=15,
        when=pl.col("twin_id").is_not_null(),
        evidence={
            "twin": pl.col("twin_name"),
            "twin_id": pl.col("twin_id"),
            "deals": pl.col("twins"),
        },
        effect="gone",
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
    Rule(
        code="test_record",
        family="consistency",
        weight=20,
        about="any",
        when=pl.col("is_test"),
        evidence={"name": pl.col("name")},
        effect="gone",
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
    Rule(
        code="never_answered",
        family="consistency",
        weight=10,
        when=(pl.col("contact_attempts") >= pl.col("unanswered_attempts"))
        & pl.col("last_reply_at").is_null(),
        evidence={"attempts": pl.col("contact_attempts")},
        applies=pl.col("gives_replies"),
        needs={
            "en": "the CRM to tell of replies or meetings",
            "nb": "at CRM-et forteller om svar eller møter",
        },
        effect="gone",
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
    ),
)

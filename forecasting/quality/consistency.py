"""Rules about values that are there and cannot be right."""

from typing import Final

import polars as pl

from forecasting.quality.rule import Rule

RULES: Final = (
    Rule(
        code="amount_not_positive",
        family="consistency",
        weight=20,
        when=pl.col("amount") <= 0,
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
)

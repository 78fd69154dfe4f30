"""The documents say what the code does, in the numbers the code uses."""

import re
from pathlib import Path

import pytest

from forecasting import history, process
from forecasting.categories import DEFAULTS
from forecasting.methods import METHODS, OpportunityStage
from forecasting.methods.base import PREDICTION_SCHEMA
from forecasting.quality import RULES, QualitySettings
from forecasting.quality.rule import Rule

DOCS = Path(__file__).parents[2] / "docs"
WORDS = {
    *("deal", "status", "pipeline", "open_pipeline", "stage", "amount", "close_date", "closed_at"),
    *("win_rate", "win_probability", "stage_probability", "rep_probability", "weighted_amount"),
    *("forecast", "forecast_category"),
    *("opportunity_stage", "intuitive", "historical", "multivariable"),
    *("sales_velocity", "cycle_length_days"),
    *("quota", "attainment", "pacing", "coverage", "gap_to_quota"),
    *("push", "pull_in", "slip", "stale", "overdue", "stuck", "lifecycle"),
    *("finding", "quality_score", "waterfall"),
    *("mirror", "pull", "cursor", "tombstone", "sweep", "write-back", "journal", "undo"),
}
RULES_PAGE = (DOCS / "quality-rules.md").read_text("utf-8")
GLOSSARY = (DOCS / "glossary.md").read_text("utf-8")


def documented() -> dict[str, tuple[str, float]]:
    """rule -> the family it stands under, its weight."""
    found = {}
    family = ""
    for line in RULES_PAGE.splitlines():
        if heading := re.match(r"## (\w+): ", line):
            family = heading[1].lower()
        elif row := re.match(r"\| `(\w+)` \| ([\d.]+) \|", line):
            found[row[1]] = (family, float(row[2]))
    return found


def test_every_rule_is_documented_with_its_weight_and_family_and_no_other() -> None:
    assert documented() == {rule.code: (rule.family, float(rule.weight)) for rule in RULES}


def test_a_category_is_worth_what_the_page_says() -> None:
    page = (DOCS / "methods" / "intuitive.md").read_text("utf-8")
    said = {
        category: float(share) for category, share in re.findall(r"\b([A-Z_]{6,}) ([\d.]+)", page)
    }
    assert said == dict(DEFAULTS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_rules_are_named_and_weighed(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z_]+", rule.code)
    assert 0 < rule.weight <= 100
    assert rule.words.why.endswith(".")


def test_the_thresholds_are_those_of_the_code() -> None:
    settings = QualitySettings()
    assert f"default_after_days: {settings.default_after_days}" in RULES_PAGE
    assert f"minimum_after_days: {settings.minimum_after_days}" in RULES_PAGE
    assert f"moved later {settings.pushed_times} times or more" in RULES_PAGE
    assert f"at least {settings.stuck_stays} won stays" in RULES_PAGE
    assert f"`k = {process.PRIOR_STAYS:.0f}`" in RULES_PAGE
    assert f"{history.CLOSING.seconds} seconds before the closing" in RULES_PAGE


METHOD_PAGES = {page.stem: page for page in sorted((DOCS / "methods").glob("*.md"))}
HEADINGS = ["Formula", "Assumptions", "When it fails", "What it scored", "Source"]


def test_every_method_has_a_page() -> None:
    assert {method.replace("_", "-") for method in METHODS} < set(METHOD_PAGES)


@pytest.mark.parametrize("page", METHOD_PAGES.values(), ids=METHOD_PAGES)
def test_every_page_of_a_method_has_the_same_parts_in_the_same_order(page: Path) -> None:
    text = page.read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == HEADINGS
    parts = re.split(r"^## .+$", text, flags=re.MULTILINE)
    assert all(len(part.split()) > 20 for part in parts[1:]), "a part that says nothing"


def test_the_opportunity_stage_page_names_every_source_and_the_prior() -> None:
    page = (DOCS / "methods" / "opportunity-stage.md").read_text("utf-8")
    sources = ("learned_stage", "learned_pipeline", "learned_account", "crm_deal", "crm_stage")
    for name in (*sources, "unknown", "sample", "sample_won"):
        assert f"`{name}`" in page
    assert f"`prior_deals` ({OpportunityStage().prior_deals:.0f} unless set)" in page
    assert {"sample", "sample_won"} < set(PREDICTION_SCHEMA)


def entries() -> list[str]:
    return re.findall(r"^\*\*([^*]+)\*\*:", GLOSSARY, flags=re.MULTILINE)


def test_the_glossary_is_alphabetic() -> None:
    assert entries() == sorted(entries(), key=lambda word: word.lower().replace("_", " "))
    assert len(set(entries())) == len(entries())


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_word_of_ours_is_in_the_glossary(word: str) -> None:
    assert word in entries()

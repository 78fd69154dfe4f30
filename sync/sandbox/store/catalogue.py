"""HubSpot's own properties of deals and tasks: name, label, type, field type and nature."""

from collections.abc import Iterable

from sync.sandbox.store.definitions import Definition, Group, Option
from sync.sandbox.store.pipelines import Pipelines

DEAL_DEFAULTS = ("amount", "closedate", "createdate", "dealname", "dealstage", "pipeline")
"""What a read without `properties` shows, besides id and modification instant."""

ALWAYS = ("createdate", "hs_lastmodifieddate", "hs_object_id")

STAGE_PREFIXES = (
    ("hs_v2_date_entered_", "Date entered", "datetime"),
    ("hs_v2_date_exited_", "Date exited", "datetime"),
    ("hs_v2_latest_time_in_", "Latest time in", "number"),
    ("hs_v2_cumulative_time_in_", "Cumulative time in", "number"),
)

_TYPES = {
    "string": ("string", "text"),
    "text": ("string", "textarea"),
    "number": ("number", "number"),
    "datetime": ("datetime", "date"),
    "date": ("date", "date"),
    "bool": ("bool", "booleancheckbox"),
    "select": ("enumeration", "select"),
    "radio": ("enumeration", "radio"),
    "checkbox": ("enumeration", "checkbox"),
}

# name | label | kind | nature: "calc" calculated, "set" written by HubSpot, "" by anyone
_DEALS = """
dealname|Deal Name|string|
description|Deal Description|text|
pipeline|Pipeline|select|
dealstage|Deal Stage|radio|
hubspot_owner_id|Deal owner|select|
hubspot_owner_assigneddate|Owner assigned date|datetime|calc
dealtype|Deal Type|radio|
hs_priority|Priority|select|
createdate|Create Date|datetime|
hs_createdate|Object create date/time|datetime|set
hs_lastmodifieddate|Last Modified Date|datetime|set
hs_object_id|Record ID|number|set
hs_object_source_label|Record source|string|set
hs_merged_object_ids|Merged record IDs|checkbox|set
amount|Amount|number|
deal_currency_code|Currency|select|
hs_exchange_rate|Exchange rate|number|calc
amount_in_home_currency|Amount in company currency|number|calc
closedate|Close Date|datetime|
days_to_close|Days to close|number|calc
hs_days_to_close_raw|Days to close (without rounding)|number|calc
hs_is_closed|Is Deal Closed?|bool|calc
hs_is_closed_won|Is Closed Won|bool|calc
hs_is_closed_lost|Is closed lost|bool|calc
hs_is_open_count|Is open (numeric)|number|calc
hs_deal_stage_probability|Deal probability|number|calc
hs_projected_amount|Weighted amount|number|calc
hs_projected_amount_in_home_currency|Weighted amount in company currency|number|calc
hs_closed_amount|Closed Deal Amount|number|calc
hs_closed_amount_in_home_currency|Closed Deal Amount In Home Currency|number|calc
hs_open_amount_in_home_currency|Open deal amount in company currency|number|calc
hs_manual_forecast_category|Forecast category|select|
hs_forecast_probability|Forecast probability|number|
hs_forecast_amount|Forecast amount|number|calc
hs_next_step|Next step|string|
hs_next_step_updated_at|Next step updated at|datetime|calc
closed_lost_reason|Closed Lost Reason|text|
closed_won_reason|Closed Won Reason|text|
hs_analytics_source|Original Traffic Source|select|
num_associated_contacts|Number of Associated Contacts|number|calc
notes_last_updated|Last Activity Date|datetime|set
notes_last_contacted|Last Contacted|datetime|set
notes_next_activity_date|Next Activity Date|datetime|set
hs_sales_email_last_replied|Recent Sales Email Replied Date|datetime|set
hs_latest_meeting_activity|Latest meeting activity|datetime|set
num_contacted_notes|Number of times contacted|number|set
num_notes|Number of Sales Activities|number|set
hs_v2_date_entered_current_stage|Date entered current stage|datetime|calc
hs_v2_time_in_current_stage|Time in current stage|datetime|calc
"""

_TASKS = """
hs_timestamp|Due date|datetime|
hs_task_subject|Task Title|string|
hs_task_body|Task Notes|text|
hs_task_status|Task Status|select|
hs_task_priority|Priority|select|
hs_task_type|Task Type|select|
hs_task_reminders|Reminders|string|
hubspot_owner_id|Assigned to|select|
hs_createdate|Create date|datetime|set
hs_lastmodifieddate|Last modified date|datetime|set
hs_object_id|Record ID|number|set
hs_object_source|Record source|string|set
"""

_GOALS = """
hs_goal_name|Goal Name|string|
hs_goal_type|Goal Type|string|
hs_target_amount|Target Amount|number|
hs_goal_target_currency_code|Currency|string|
hs_start_datetime|Start Date|datetime|
hs_end_datetime|End Date|datetime|
hs_milestone|Milestone|string|
hubspot_owner_id|Owner|select|
hs_assignee_team_id|Assigned team|number|
hubspot_team_id|Owner's main team|number|
hs_pipeline_ids|Pipelines|checkbox|
hs_kpi_object_type_id|What is counted|string|
hs_kpi_metric_type|How it is counted|string|
hs_kpi_property_name|What is summed|string|
hs_kpi_filter_groups|Which records count|string|
hs_kpi_value|Progress|number|set
hs_createdate|Create date|datetime|set
hs_lastmodifieddate|Last modified date|datetime|set
hs_object_id|Record ID|number|set
"""

_CONTACTS = """
firstname|First Name|string|
lastname|Last Name|string|
email|Email|string|
phone|Phone Number|string|
lifecyclestage|Lifecycle Stage|radio|
hubspot_owner_id|Contact owner|select|
createdate|Create Date|datetime|set
lastmodifieddate|Last Modified Date|datetime|set
hs_object_id|Record ID|number|set
hs_object_source|Record source|string|set
hs_analytics_source|Original Traffic Source|select|
hs_analytics_num_page_views|Number of Pageviews|number|set
num_conversion_events|Number of Form Submissions|number|set
hs_email_click|Marketing emails clicked|number|set
hs_email_open|Marketing emails opened|number|set
notes_last_contacted|Last Contacted|datetime|set
hs_sales_email_last_replied|Recent Sales Email Replied Date|datetime|set
hs_latest_meeting_activity|Latest meeting activity|datetime|set
"""

_OPTIONS = {
    "lifecyclestage": (
        "subscriber:Subscriber",
        "lead:Lead",
        "marketingqualifiedlead:Marketing Qualified Lead",
        "salesqualifiedlead:Sales Qualified Lead",
        "opportunity:Opportunity",
        "customer:Customer",
        "evangelist:Evangelist",
        "other:Other",
    ),
    "dealtype": ("newbusiness:New Business", "existingbusiness:Existing Business"),
    "hs_priority": ("low:Low", "medium:Medium", "high:High"),
    "hs_manual_forecast_category": (
        "OMIT:Not forecasted",
        "PIPELINE:Pipeline",
        "BEST_CASE:Best case",
        "COMMIT:Commit",
        "CLOSED:Closed won",
    ),
    "hs_analytics_source": (
        "ORGANIC_SEARCH:Organic Search",
        "PAID_SEARCH:Paid Search",
        "EMAIL_MARKETING:Email Marketing",
        "SOCIAL_MEDIA:Organic Social",
        "REFERRALS:Referrals",
        "OTHER_CAMPAIGNS:Other Campaigns",
        "DIRECT_TRAFFIC:Direct Traffic",
        "OFFLINE:Offline Sources",
        "PAID_SOCIAL:Paid Social",
    ),
    "hs_task_status": (
        "NOT_STARTED:Not started",
        "IN_PROGRESS:In progress",
        "WAITING:Waiting",
        "COMPLETED:Completed",
        "DEFERRED:Deferred",
    ),
    "hs_task_priority": ("NONE:None", "LOW:Low", "MEDIUM:Medium", "HIGH:High"),
    "hs_task_type": ("EMAIL:Email", "CALL:Call", "TODO:To-do"),
}


def _definitions(table: str, group: str) -> list[Definition]:
    made = []
    for line in table.split("\n"):
        if not line:
            continue
        name, label, kind, nature = line.split("|")
        value_type, field_type = _TYPES[kind]
        made.append(
            Definition(
                name,
                label,
                value_type,
                "calculation_equation" if nature == "calc" else field_type,
                group,
                options=options(_OPTIONS.get(name, ())),
                calculated=nature == "calc",
                read_only=nature != "",
                external_options=name == "hubspot_owner_id",
                hubspot_defined=True,
            )
        )
    return made


def options(pairs: Iterable[str]) -> list[Option]:
    """From "value:label" texts."""
    split = (pair.partition(":") for pair in pairs)
    return [Option(value, label or value, i) for i, (value, _, label) in enumerate(split)]


def deal_definitions(pipelines: Pipelines, currencies: Iterable[str]) -> list[Definition]:
    definitions = _definitions(_DEALS, "dealinformation")
    by_name = {d.name: d for d in definitions}
    by_name["deal_currency_code"].options = options(currencies)
    by_name["pipeline"].options_from = lambda: [Option(p.id, p.label, p.order) for p in pipelines]
    by_name["dealstage"].options_from = lambda: [
        Option(s.id, s.label, i) for i, s in enumerate(pipelines.stages())
    ]
    return definitions


def deal_groups() -> list[Group]:
    return [
        Group("dealinformation", "Deal Information", 0),
        Group("deal_activity", "Deal Activity", 1),
        Group("deal_revenue", "Deal Revenue", 2),
    ]


class StageDefinitions:
    """`hs_v2_date_entered_<stage>` and its kin, for the stages there are when it is called."""

    def __init__(self, pipelines: Pipelines) -> None:
        self._pipelines = pipelines
        self._stages: list[tuple[str, str]] = []
        self._made: dict[str, Definition] = {}

    def __call__(self) -> dict[str, Definition]:
        stages = [(stage.id, stage.label) for stage in self._pipelines.stages()]
        if stages != self._stages:
            self._stages = stages
            made = [_of_stage(*stage, *kind) for stage in stages for kind in STAGE_PREFIXES]
            self._made = {definition.name: definition for definition in made}
        return self._made


def _of_stage(
    stage_id: str, stage_label: str, prefix: str, label: str, value_type: str
) -> Definition:
    return Definition(
        prefix + stage_id,
        f'{label} "{stage_label}"',
        value_type,
        "calculation_equation",
        calculated=True,
        read_only=True,
        hubspot_defined=True,
    )


def task_definitions() -> list[Definition]:
    return _definitions(_TASKS, "task")


def contact_definitions() -> list[Definition]:
    return _definitions(_CONTACTS, "contactinformation")


def goal_definitions() -> list[Definition]:
    return _definitions(_GOALS, "goal_target_information")


def goal_groups() -> list[Group]:
    return [Group("goal_target_information", "Goal Target Information", 0)]


def contact_groups() -> list[Group]:
    return [Group("contactinformation", "Contact Information", 0)]


def task_groups() -> list[Group]:
    return [Group("task", "Task Information", 0)]

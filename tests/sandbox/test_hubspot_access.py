"""Who may call: tokens, scopes, both path families, and what the account says of itself."""

import pytest

from tests.sandbox.conftest import Start


@pytest.mark.parametrize(
    ("old", "dated"),
    [
        ("/crm/v3/objects/deals", "/crm/objects/{}/deals"),
        ("/crm/v3/objects/0-3", "/crm/objects/{}/0-3"),
        ("/crm/v3/properties/deals", "/crm/properties/{}/deals"),
        ("/crm/v3/properties/deals/groups", "/crm/properties/{}/deals/groups"),
        ("/crm/v3/pipelines/deals", "/crm/pipelines/{}/deals"),
        ("/crm/v3/owners/", "/crm/owners/{}"),
        ("/account-info/v3/details", "/account-info/{}/details"),
        ("/settings/v3/currencies/company-currency", "/settings/currencies/{}/company-currency"),
    ],
)
@pytest.mark.parametrize("version", ["2026-03", "2026-09"])
def test_both_path_families_show_the_same_account(
    start: Start, old: str, dated: str, version: str
) -> None:
    client = start()
    by_old, by_date = client.get(old), client.get(dated.format(version))
    assert by_old.status_code == by_date.status_code == 200
    assert by_old.json() == by_date.json()


def test_an_unknown_address_or_version_is_an_html_404(start: Start) -> None:
    client = start()
    for path in ("/crm/v3/nothing", "/crm/objects/2025-09/deals", "/crm/v3/objects/llamas"):
        response = client.get(path)
        assert response.status_code == 404
        assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": ""}]
)
def test_a_wrong_token_is_refused(start: Start, header: dict[str, str]) -> None:
    client = start()
    del client.session.headers["Authorization"]
    response = client.send("GET", "/crm/v3/objects/deals", headers=header)
    assert response.status_code == 401
    assert response.json()["category"] == "INVALID_AUTHENTICATION"
    assert response.json()["correlationId"] == response.headers["X-HubSpot-Correlation-Id"]


def test_an_expired_token_says_since_when(start: Start) -> None:
    client = start()
    client.crm.expire_token(client.sandbox.token)
    client.clock.advance(seconds=90)
    body = client.get("/crm/v3/objects/deals").json()
    assert body["category"] == "EXPIRED_AUTHENTICATION"
    assert "expired 90 second(s) ago" in body["message"]
    assert body["context"]["expire time"] == ["2026-03-16T09:00:00Z"]


def test_a_missing_scope_is_named(start: Start) -> None:
    client = start()
    client.crm.set_scopes(client.sandbox.token, {"crm.objects.deals.read"})
    assert client.get("/crm/v3/objects/deals").status_code == 200
    assert client.get("/crm/v3/pipelines/deals").status_code == 200
    for method, path, scope in (
        ("PATCH", "/crm/v3/objects/deals/1", "crm.objects.deals.write"),
        ("POST", "/crm/v3/properties/deals", "crm.schemas.deals.write"),
        ("GET", "/crm/v3/owners/", "crm.objects.owners.read"),
        ("POST", "/crm/v3/objects/tasks", "crm.objects.contacts.write"),
        ("GET", "/settings/v3/currencies/exchange-rates/current", "settings.currencies.read"),
        ("GET", "/account-info/v3/details", "oauth"),
    ):
        response = client.send(method, path, json={})
        assert response.status_code == 403
        body = response.json()
        assert body["category"] == "MISSING_SCOPES"
        assert scope in body["errors"][0]["context"]["requiredGranularScopes"]


def test_a_further_token_has_its_own_scopes_and_signature(start: Start) -> None:
    client = start()
    token = client.crm.add_token({"crm.objects.deals.write", "crm.objects.deals.read"})
    deal_id = client.crm.id_of("a")
    path = f"/crm/v3/objects/deals/{deal_id}"
    client.patch(path, {"properties": {"amount": "5"}})
    client.send(
        "PATCH",
        path,
        json={"properties": {"amount": "6"}},
        headers={"Authorization": f"Bearer {token}"},
    )
    first, second = client.crm.history(deal_id, "amount")[1:]
    assert first["sourceType"] == second["sourceType"] == "INTEGRATION"
    assert first["sourceId"] != second["sourceId"]


def test_account_details(start: Start) -> None:
    details = start().get("/account-info/2026-09/details").json()
    assert details["timeZone"] == "Europe/Oslo"
    assert details["companyCurrency"] == "NOK"
    assert details["additionalCurrencies"] == ["EUR"]
    assert (details["utcOffset"], details["utcOffsetMilliseconds"]) == ("+01:00", 3_600_000)
    assert isinstance(details["portalId"], int)


def test_exchange_rates_are_of_one_unit_in_the_company_currency(start: Start) -> None:
    rates = start().get("/settings/v3/currencies/exchange-rates/current").json()["results"]
    assert [(r["fromCurrencyCode"], r["toCurrencyCode"], r["conversionRate"]) for r in rates] == [
        ("EUR", "NOK", 11.5)
    ]


def test_owners_are_listed_live_and_archived_apart_and_in_pages(start: Start) -> None:
    client = start()
    page = client.get("/crm/v3/owners/", limit=1).json()
    assert [owner["id"] for owner in page["results"]] == ["101"]
    assert page["results"][0]["teams"][0]["name"] == "North"
    rest = client.get("/crm/v3/owners/", limit=1, after=page["paging"]["next"]["after"]).json()
    assert [owner["id"] for owner in rest["results"]] == ["102"]
    assert "paging" not in rest
    assert "teams" not in rest["results"][0]
    (gone,) = client.get("/crm/v3/owners/", archived="true").json()["results"]
    assert (gone["id"], gone["userId"], gone["archived"]) == ("103", None, True)
    assert gone["userIdIncludingInactive"] > 0


def test_an_owner_who_leaves_moves_to_the_archived_list(start: Start) -> None:
    client = start()
    client.crm.deactivate_owner("102")
    live = client.get("/crm/v3/owners/").json()["results"]
    gone = client.get("/crm/v3/owners/", archived="true").json()["results"]
    assert [owner["id"] for owner in live] == ["101"]
    assert [owner["id"] for owner in gone] == ["102", "103"]
    assert client.get("/crm/v3/owners/102").status_code == 404
    assert client.get("/crm/v3/owners/102", archived="true").json()["email"] == "ola@fjord.example"


def test_pipelines_have_text_metadata_and_no_paging(start: Start) -> None:
    client = start()
    body = client.get("/crm/v3/pipelines/deals").json()
    assert set(body) == {"results"}
    (pipeline,) = body["results"]
    assert [(s["id"], s["metadata"]) for s in pipeline["stages"]] == [
        ("qualify", {"isClosed": "false", "probability": "0.2"}),
        ("propose", {"isClosed": "false", "probability": "0.6"}),
        ("closedwon", {"isClosed": "true", "probability": "1.0"}),
        ("closedlost", {"isClosed": "true", "probability": "0.0"}),
    ]
    assert client.get("/crm/v3/pipelines/deals/default").json() == pipeline
    stages = client.get("/crm/v3/pipelines/deals/default/stages").json()["results"]
    assert stages == pipeline["stages"]
    assert client.get("/crm/v3/pipelines/deals/default/stages/propose").json() == stages[1]
    assert client.get("/crm/v3/pipelines/deals/nope").json()["category"] == "OBJECT_NOT_FOUND"


def test_a_stage_deleted_under_its_deals_leaves_them_with_an_unknown_id(start: Start) -> None:
    client = start()
    client.crm.rename_stage("default", "propose", "Offer sent")
    client.crm.delete_stage("default", "qualify")
    (pipeline,) = client.get("/crm/v3/pipelines/deals").json()["results"]
    assert [s["label"] for s in pipeline["stages"]] == ["Offer sent", "Won", "Lost"]
    deal = client.get(
        f"/crm/v3/objects/deals/{client.crm.id_of('a')}",
        properties="dealstage,hs_deal_stage_probability,hs_v2_date_entered_qualify",
    ).json()["properties"]
    assert deal["dealstage"] == "qualify"
    assert deal["hs_deal_stage_probability"] is None
    assert "hs_v2_date_entered_qualify" not in deal


def test_requests_are_logged(start: Start) -> None:
    client = start()
    client.get("/crm/v3/objects/deals", limit=1)
    client.get("/crm/v3/nothing")
    log = [(r.method, r.path, r.query, r.status) for r in client.sandbox.requests]
    assert log == [
        ("GET", "/crm/v3/objects/deals", "limit=1", 200),
        ("GET", "/crm/v3/nothing", "", 404),
    ]
    client.sandbox.requests.clear()
    assert len(client.sandbox.requests) == 0

"""policies/obligations.yml: what it compiles to, and what the linter finds in it."""

from __future__ import annotations

import copy
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib.bank_calendar import FESTIVALS, BankCalendar, festival_date
from orchestration.lib.contracts import load_contracts
from orchestration.lib.policies import compile_policies, load_policies, policy_rows
from orchestration.lib.policies.obligations import SUPPRESSION_REASONS
from tests.policies.support import Edit, edit, findings, first, line_text, named, problems

Row = dict[str, Any]
E6, A8, PRIMARY = "mid_high_service_layers", "sub_branch_five_band", "branch_tiered_maintenance"
TABLES = (
    "cadence",
    "cadence_festival",
    "obligation_kind",
    "kind_channel",
    "kind_purpose",
    "obligation",
    "suppression_reason",
)


def rows(directory: Path, table: str) -> list[Row]:
    return policy_rows(load_policies(directory))[table]


def kinds(content: Row) -> Row:
    found: Row = first(content)["kinds"]
    return found


def sets(content: Row) -> Row:
    found: Row = first(content)["cadence_sets"]
    return found


def cadences(content: Row, name: str) -> Row:
    found: Row = sets(content)[name]["cadences"]
    return found


def cadence(content: Row, code: str) -> Row:
    (found,) = (each["cadences"][code] for each in sets(content).values() if code in each["cadences"])
    return found


def later_version(content: Row) -> None:
    later = copy.deepcopy(first(content))
    first(content)["effective_to"] = later["effective_from"] = date(2027, 1, 1)
    later.update(version="2", late_contact="5 days", leap_birthday="0301")
    content["versions"].append(later)


# What the State Council may announce for 2027, in shape if not in days.
YEAR_2027: Row = {
    "holidays": [festival_date(code, 2027) for code, festival in FESTIVALS.items() if festival.is_holiday],
    "working_weekends": [date(2027, 2, 14)],
}


def state_year(content: Row, year: int = 2027, **changes: list[date]) -> None:
    content["calendar_years"] = {year: {**YEAR_2027, **changes}}


# defect, kind, a part of what is found, text of the line that is named
DEFECTS: list[tuple[Edit, str, str, str]] = [
    # limits
    (lambda c: first(c).update(late_contact="-1 days"), "range", "late_contact -1", "late_contact: -1"),
    (lambda c: first(c).update(leap_birthday="0229"), "range", "leap_birthday '0229'", "leap_birthday:"),
    (lambda c: first(c)["consent_channels"].append("fax"), "unknown", "channel 'fax'", "- fax"),
    (lambda c: first(c)["consent_channels"].append("sms"), "overlap", "sms stands 2 times", "consent_channels:"),
    # kinds
    (lambda c: cadence(c, "diamond_contact").update(kind="tea"), "unknown", "kind 'tea'", "kind: tea"),
    (lambda c: kinds(c).update(tea=kinds(c)["forum"]), "unknown", "kind tea, which no cadence asks for", "tea:"),
    (
        lambda c: (
            kinds(c).update({"Afternoon tea": kinds(c)["forum"]}),
            cadence(c, "mid_high_forum").update(kind="Afternoon tea"),
            kinds(c).pop("forum"),
        ),
        "name",
        "kind 'Afternoon tea'",
        "Afternoon tea:",
    ),
    (lambda c: kinds(c)["forum"].update(channels=[]), "gap", "forum has no channel", "channels: []"),
    (lambda c: kinds(c)["forum"].update(purposes=[]), "gap", "forum has no purpose", "purposes: []"),
    (lambda c: kinds(c)["forum"].update(channels=["fax"]), "unknown", "channel 'fax'", "- fax"),
    (lambda c: kinds(c)["forum"].update(purposes=["tea"]), "unknown", "purpose 'tea'", "- tea"),
    (lambda c: kinds(c)["salon"]["purposes"].append("other"), "overlap", "purpose other stands 2 times", "purposes:"),
    (lambda c: kinds(c)["contact"]["channels"].append("sms"), "overlap", "channel sms stands 2 times", "channels:"),
    (
        lambda c: kinds(c)["product_message"]["channels"].append("letter"),
        "gap",
        "product_message is marketing by letter",
        "channels:",
    ),
    # who is owed it
    (lambda c: sets(c)["diamond_service"].update(scheme_code="gems"), "unknown", "scheme 'gems'", "scheme_code: gems"),
    (
        lambda c: sets(c)["diamond_service"].update(scheme_code="corporate_five_level"),
        "unknown",
        "scheme 'corporate_five_level'",
        "scheme_code: corporate_five_level",
    ),
    (lambda c: sets(c)["diamond_service"].update(tiers=["jade"]), "unknown", "'jade'", "- jade"),
    (lambda c: sets(c)["diamond_service"].update(tiers=[]), "gap", "diamond_service names no tier", "tiers: []"),
    (
        lambda c: sets(c)["diamond_service"]["tiers"].append("diamond"),
        "overlap",
        "tier of value_metals@1 diamond stands 2 times",
        "tiers:",
    ),
    (lambda c: sets(c).update(Gems=sets(c).pop("diamond_service")), "name", "cadence set 'Gems'", "Gems:"),
    (
        lambda c: (
            cadences(c, "diamond_service").clear(),
            kinds(c).pop("personal_contact"),
        ),
        "gap",
        "diamond_service has no cadence",
        "cadences: {}",
    ),
    (
        lambda c: cadences(c, "diamond_service").update(Call=cadences(c, "diamond_service").pop("diamond_contact")),
        "name",
        "cadence 'Call'",
        "Call:",
    ),
    (
        lambda c: cadences(c, "diamond_service").update(
            mid_high_forum=cadences(c, "diamond_service").pop("diamond_contact")
        ),
        "overlap",
        "cadence mid_high_forum stands in 2 sets",
        "mid_high_forum:",
    ),
    (
        lambda c: cadences(c, "sub_branch_contact").update(
            twice={"rule_id": "A8-08", "kind": "contact", "per": "month", "times": 2}
        ),
        "overlap",
        "twice and sub_branch_contact both ask for contact per month",
        "twice:",
    ),
    (
        lambda c: cadences(c, "front_line_service").update(
            mid_autumn={
                "rule_id": "E6-10",
                "kind": "festival_greeting",
                "per": "festival",
                "festivals": ["mid_autumn"],
            }
        ),
        "overlap",
        "mid_autumn and front_line_festival both ask for festival_greeting",
        "mid_autumn:",
    ),
    (
        lambda c: cadences(c, "sub_branch_congratulation").update(
            richer={**cadence(c, "sub_branch_birthday_visit"), "aum_at_least": "250万", "aum_at_most": "400万"}
        ),
        "overlap",
        "richer and sub_branch_birthday_visit both ask for birthday_visit",
        "richer:",
    ),
    # how often and when
    (lambda c: cadence(c, "diamond_contact").update(times=0), "range", "0 times per month", "times: 0"),
    (lambda c: cadence(c, "diamond_contact").update(times=32), "range", "32 times per month", "times: 32"),
    (lambda c: cadence(c, "mid_high_life_event").update(times=2), "range", "2 times per life_event", "times: 2"),
    (lambda c: cadence(c, "front_line_birthday").update(before="-1 days"), "range", "before -1 days", "before: -1"),
    (lambda c: cadence(c, "front_line_birthday").update(after="-1 days"), "range", "after -1 days", "after: -1"),
    (lambda c: cadence(c, "diamond_contact").update(after="3 days"), "shape", "after of a cadence per month", "after:"),
    (lambda c: cadence(c, "diamond_contact").update(lead="3 days"), "shape", "lead of a cadence per month", "lead:"),
    (lambda c: cadence(c, "mid_high_life_event").update(before="1 day"), "shape", "nobody foresees", "before:"),
    (lambda c: cadence(c, "mid_high_life_event").update(lead="1 day"), "shape", "nobody foresees", "lead:"),
    (lambda c: cadence(c, "front_line_birthday").update(lead="70 days"), "range", "before and lead are 71", "before:"),
    (lambda c: cadence(c, "mid_high_life_event").update(after="64 days"), "range", "late_contact are 71", "after:"),
    # festivals
    (lambda c: cadence(c, "front_line_festival").update(festivals=[]), "shape", "no festival", "festivals: []"),
    (lambda c: cadence(c, "diamond_contact").update(festivals=["labour"]), "shape", "per month", "festivals:"),
    (lambda c: cadence(c, "front_line_festival").update(festivals=["easter"]), "unknown", "'easter'", "- easter"),
    (
        lambda c: cadence(c, "front_line_festival").update(festivals=["labour", "labour"]),
        "overlap",
        "festival labour stands 2 times",
        "festivals:",
    ),
    # whom, by whom
    (lambda c: cadence(c, "phone_survey").update(sample_rate="0%"), "rate", "sample_rate 0", "sample_rate: 0%"),
    (lambda c: cadence(c, "phone_survey").update(sample_rate="101%"), "rate", "sample_rate 1.01", "sample_rate:"),
    (lambda c: cadence(c, "phone_survey").update(sample_rate="0.0000001%"), "rate", "sample_rate 1E-9", "sample_rate:"),
    (
        lambda c: cadence(c, "president_head_visit").update(performer_role="king"),
        "unknown",
        "role 'king'",
        "performer_role: king",
    ),
    (
        lambda c: cadence(c, "president_head_visit").update(performer_role="province_branch"),
        "nda",
        "province_branch meets customers without an NDA",
        "performer_role: province_branch",
    ),
    (
        lambda c: cadence(c, "sub_branch_birthday_visit").update(aum_at_least="301万"),
        "range",
        "aum_at_least 3,010,000.00 above aum_at_most 3,000,000.00",
        "aum_at_least: 301万",
    ),
    (
        lambda c: cadence(c, "sub_branch_birthday_visit").update(aum_at_most="299万"),
        "gap",
        "nobody in outlet_head_led has assets from 1,000,000.00 to 2,990,000.00",
        "sub_branch_birthday_visit:",
    ),
    (
        lambda c: cadence(c, "sub_branch_birthday_visit").update(aum_at_least="300万"),
        "gap",
        "nobody in relationship_and_head has assets from 3,000,000.00",
        "sub_branch_birthday_visit:",
    ),
    # suppression
    (lambda c: first(c)["suppressions"].pop("deceased"), "gap", "say nothing of deceased", "suppressions:"),
    (
        lambda c: first(c)["suppressions"].update(asleep={"rule_id": "G30", "label_zh": "睡眠"}),
        "unknown",
        "reason code 'asleep'",
        "asleep:",
    ),
    # rules and texts
    (lambda c: cadence(c, "diamond_contact").update(rule_id="A1-99"), "rule id", "quoted nowhere", "rule_id: A1-99"),
    (lambda c: first(c)["suppressions"]["closed"].update(rule_id="g30"), "rule id", "'g30'", "rule_id: g30"),
    (lambda c: first(c)["rules"][0].update(source_line=0), "rule id", "source_line 0", "source_line: 0"),
    (lambda c: kinds(c)["salon"].update(label_zh=" "), "text", "label_zh says nothing", "label_zh:"),
    (lambda c: first(c).update(approved_by="Policy_Desk "), "approval", "are both", "approved_by:"),
    # calendar
    (
        lambda c: state_year(c, working_weekends=[date(2027, 2, 15)]),
        "range",
        "working weekend 2027-02-15, a Monday",
        "working_weekends:",
    ),
    (
        lambda c: state_year(c, working_weekends=[date(2026, 2, 14)]),
        "range",
        "2026-02-14 in calendar year 2027",
        "working_weekends:",
    ),
    (
        lambda c: state_year(c, working_weekends=[date(2027, 2, 14)] * 2),
        "overlap",
        "2027-02-14 stands 2 times in working_weekends of 2027",
        "working_weekends:",
    ),
    (
        lambda c: state_year(c, working_weekends=[date(2027, 5, 1)]),
        "overlap",
        "2027-05-01 is a holiday as well",
        "working_weekends:",
    ),
    (
        lambda c: state_year(c, holidays=[d for d in YEAR_2027["holidays"] if d.month != 10]),
        "gap",
        "holidays of 2027 leave out 国庆",
        "holidays:",
    ),
    (lambda c: state_year(c, holidays=[]), "gap", "leave out 元旦, 春节, 劳动节, 端午, 中秋, 国庆", "holidays:"),
    (lambda c: state_year(c, year=3027), "range", "calendar year 3027", "holidays:"),
]


@pytest.mark.parametrize(("change", "kind", "found", "line"), DEFECTS, ids=named)
def test_each_defect_is_found_and_nothing_else(directory: Path, change: Edit, kind: str, found: str, line: str):
    edit(directory, "obligations", change)
    # What is owed has its place on the lists: actions.yml may have something to say as well.
    all_found = [f for f in findings(directory) if f.file != "actions.yml"]
    assert {f.kind for f in all_found} == {kind}, "\n".join(map(str, all_found))
    assert any(found in f.found and line in line_text(directory, f.file, f.line) for f in all_found), all_found
    assert all(f.mend and f.file == "obligations.yml" for f in all_found)


@pytest.mark.parametrize(
    ("change", "said", "line"),
    [
        (lambda c: first(c).update(late_contact="1 month"), "expected whole days", "late_contact: 1 month"),
        (lambda c: cadence(c, "diamond_contact").update(per="week"), "'week'", "per: week"),
        (lambda c: sets(c)["diamond_service"].update(strategy="eager"), "'eager'", "strategy: eager"),
        (lambda c: cadence(c, "diamond_contact").update(colour="red"), "unknown key", "colour: red"),
        (lambda c: c.update(calendar_years={2027: {"holidays": []}}), "found nothing", "2027:"),
        (lambda c: first(c).pop("leap_birthday"), "found nothing", "- version: '1'"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(directory: Path, change: Edit, said: str, line: str):
    edit(directory, "obligations", change)
    (problem,) = problems(directory)
    file, number, _ = problem.split(":", 2)
    assert said in problem
    assert line in line_text(directory, file, int(number))


def test_a_tier_that_a_later_version_of_its_scheme_drops_is_found(directory: Path):
    def drop_diamond(content: Row) -> None:
        later = copy.deepcopy(first(content))
        first(content)["effective_to"] = later["effective_from"] = date(2027, 1, 1)
        later["version"] = "2"
        later["tiers"] = [tier for tier in later["tiers"] if tier["tier_code"] != "diamond"]
        later["cells"] = [
            {**cell, "tier_code": cell["tier_code"].replace("diamond", "gold")} for cell in later["cells"]
        ]
        content["versions"].append(later)

    edit(directory, "value_metals", drop_diamond)
    assert [f.found for f in findings(directory)] == ["tier of value_metals@2 'diamond'"]
    edit(directory, "obligations", lambda c: first(c).update(effective_to=date(2027, 1, 1)))
    assert findings(directory) == []


def test_a_tier_whose_amounts_cannot_be_read_is_found_in_its_scheme_alone(directory: Path):
    edit(directory, A8, lambda c: first(c)["tiers"][3]["upper"].update(value="20 years"))
    assert {(f.file, f.kind) for f in findings(directory)} == {(f"{A8}.yml", "unit")}


def test_a_year_that_is_stated_whole_has_no_finding_and_is_known(directory: Path):
    edit(directory, "obligations", state_year)
    assert findings(directory) == []
    calendar = BankCalendar(load_policies(directory).obligations.calendar_years)
    assert calendar.next_working_day(date(2026, 12, 31)) == date(2027, 1, 4)
    assert calendar.is_working_day(date(2027, 2, 14))


# What customers are owed ---------------------------------------------------------------------------------------------


def owed(directory: Path, scheme: str, tier: str) -> set[tuple[str, str, int, str]]:
    """Kind, occasion, times and rule of what a tier is owed."""
    return {
        (row["kind"], row["occasion_code"], row["times"], row["rule_id"])
        for row in rows(directory, "cadence")
        if (row["scheme_code"], row["tier_code"]) == (scheme, tier)
    }


@pytest.mark.rule("E6-10", "E6-11", "E6-12", "G30")
def test_each_layer_is_owed_its_standard(directory: Path):
    every_layer = {
        ("contact", "month", 2),
        ("birthday_greeting", "birthday", 1),
        ("festival_greeting", "festival", 1),
        ("product_message", "month", 4),
    }
    upper = {("birthday_gift", "birthday", 1)}
    standard = {
        ("front_line", "E6-10"): every_layer | {("salon", "year", 2)},
        ("department_heads", "E6-11"): every_layer | upper | {("salon", "year", 2), ("contribution_gift", "year", 1)},
        ("presidents", "E6-12"): every_layer
        | upper
        | {("salon", "year", 3), ("contribution_gift", "year", 2), ("head_visit", "year", 2)},
    }
    for (tier, rule_id), expected in standard.items():
        assert owed(directory, E6, tier) == {(*each, rule_id) for each in expected}


@pytest.mark.rule("E6-10", "E6-11", "E6-12", "A8-12")
def test_every_layer_is_greeted_on_all_seven_festivals(directory: Path):
    greeted: dict[str, set[str]] = {}
    for row in rows(directory, "cadence_festival"):
        greeted.setdefault(row["cadence_code"], set()).add(row["festival_code"])
    greetings = {row["cadence_code"] for row in rows(directory, "cadence") if row["kind"] == "festival_greeting"}
    assert greeted == {code: set(FESTIVALS) for code in greetings}
    assert len(greetings) == 4


@pytest.mark.rule("A8-08", "A8-12", "G28")
def test_everybody_from_200000_on_is_contacted_and_greeted_under_the_sub_branch_plan(directory: Path):
    tiers = {tier.tier_code: tier for tier in load_policies(directory).scheme(A8).versions[0].tiers}
    for code, tier in tiers.items():
        common = {("contact", "month", 1, "A8-08"), ("festival_greeting", "festival", 1, "A8-12")}
        is_owed = tier.interval.lower_value("cny") >= 200_000
        assert (common <= owed(directory, A8, code)) is is_owed
        assert is_owed or not owed(directory, A8, code)


@pytest.mark.rule("A8-11", "G27")
def test_the_head_of_managers_congratulates_from_one_to_three_million(directory: Path):
    visits = [row for row in rows(directory, "cadence") if row["rule_id"] == "A8-11"]
    assert {(row["kind"], row["occasion_code"]) for row in visits} == {
        ("birthday_visit", "birthday"),
        ("life_event_visit", "life_event"),
    }
    assert {(row["aum_min_cny"], row["aum_max_cny"], row["performer_role_code"]) for row in visits} == {
        (Decimal(1_000_000), Decimal(3_000_000), "relationship_manager_head")
    }
    covered = [
        tier.interval
        for tier in load_policies(directory).scheme(A8).versions[0].tiers
        if tier.tier_code in {row["tier_code"] for row in visits}
    ]
    for amount in (Decimal(1_000_000), Decimal(2_000_000), Decimal(3_000_000)):
        assert sum(i.lower_value("cny") <= amount < i.upper_value("cny") for i in covered) == 1


@pytest.mark.rule("A8-13")
def test_whose_contribution_is_high_is_called_on_below_three_million(directory: Path):
    (visit,) = [row for row in rows(directory, "cadence") if row["rule_id"] == "A8-13"]
    assert (visit["scheme_code"], visit["tier_code"], visit["kind"]) == (
        "weighted_index",
        "important",
        "contribution_visit",
    )
    assert visit["aum_max_cny"] == Decimal("2999999.99")
    assert visit["aum_min_cny"] is None
    assert visit["performer_role_code"] == "personal_finance_department"


@pytest.mark.rule("A1-04")
def test_a_message_is_no_contact_with_a_diamond_customer(directory: Path):
    assert owed(directory, "value_metals", "diamond") == {("personal_contact", "month", 1, "A1-04")}
    channels = {row["channel"] for row in rows(directory, "kind_channel") if row["kind"] == "personal_contact"}
    assert channels == {"call", "visit"}


@pytest.mark.rule("A5-04", "A5-05", "A5-06", "D1-07", "E11-03", "G42")
def test_middle_and_high_customers_are_cared_for_and_heard(directory: Path):
    cared = {
        ("life_event_care", "life_event", 1, "A5-04"),
        ("opinion_visit", "half_year", 1, "A5-05"),
        ("forum", "year", 1, "A5-06"),
        ("portfolio_review", "half_year", 1, "D1-07"),
        ("survey_phone", "quarter", 1, "E11-03"),
    }
    assert owed(directory, PRIMARY, "wealth_manager") == owed(directory, PRIMARY, "private_wealth") == cared
    visited = {("survey_visit", "quarter", 1, "E11-03")}
    assert owed(directory, PRIMARY, "staff_maintained") == owed(directory, PRIMARY, "lobby_adopted") == visited
    lowest = {
        tier.tier_code: tier.interval.lower_value("cny")
        for tier in load_policies(directory).scheme(PRIMARY).versions[0].tiers
    }
    assert lowest["lobby_adopted"] < lowest["wealth_manager"] == 200_000


@pytest.mark.rule("E11-03")
def test_upper_tiers_are_surveyed_by_phone_and_the_others_in_person(directory: Path):
    channels = {(row["kind"], row["channel"]) for row in rows(directory, "kind_channel") if "survey" in row["kind"]}
    assert channels == {("survey_phone", "call"), ("survey_visit", "visit")}


@pytest.mark.rule("E11-03")
def test_a_sample_is_the_share_of_hashes_below_eight_digits(directory: Path):
    edit(directory, "obligations", lambda c: cadence(c, "visit_survey").update(sample_rate="100%"))
    drawn = {row["kind"]: (row["sample_rate"], row["sample_below"]) for row in rows(directory, "cadence")}
    assert drawn["survey_phone"] == (Decimal("0.05"), "0ccccccc")
    assert int("0ccccccc", 16) == 2**32 // 20
    assert drawn["survey_visit"] == (1, None)
    assert drawn["contact"] == (None, None)


@pytest.mark.rule("D1-14", "G37")
def test_a_strategy_is_a_name_for_how_often_its_customers_are_contacted(directory: Path):
    contacts = {
        row["cadence_code"]: (row["strategy_code"], row["times"])
        for row in rows(directory, "cadence")
        if row["kind"] in ("contact", "personal_contact")
    }
    assert set(contacts.values()) == {("active", 2), ("responsive", 1)}
    assert {row["strategy_code"] for row in rows(directory, "cadence")} == {"active", "responsive", "passive"}


@pytest.mark.rule("G30", "G35")
def test_marketing_and_messages_need_consent_and_every_reason_of_suppression_is_named(directory: Path):
    marketing = [row["kind"] for row in rows(directory, "obligation_kind") if row["is_marketing"]]
    assert marketing == ["product_message"]
    needs = {(row["channel"], row["needs_consent"]) for row in rows(directory, "kind_channel")}
    assert {channel for channel, is_needed in needs if is_needed} == {"call", "sms", "wechat", "email"}
    assert not {channel for channel, is_needed in needs if is_needed} & {c for c, is_needed in needs if not is_needed}
    reasons = {row["reason_code"]: row["rule_id"] for row in rows(directory, "suppression_reason")}
    assert tuple(reasons) == SUPPRESSION_REASONS
    assert reasons["risk_veto"] == "G35"


def test_no_contact_of_a_birthday_festival_or_life_event_is_taken_for_another_kind_of_gift(directory: Path):
    purposes: dict[str, set[str]] = {}
    for row in rows(directory, "kind_purpose"):
        purposes.setdefault(row["kind"], set()).add(row["purpose"])
    assert not purposes["contribution_gift"] & (purposes["birthday_gift"] | purposes["life_event_care"])
    assert not purposes["salon"] & purposes["forum"]
    log = next(c.values for c in load_contracts()["crm.contacts"].columns if c.name == "purpose")
    assert set().union(*purposes.values()) <= set(log)


# Tables --------------------------------------------------------------------------------------------------------------


def test_every_table_is_written_with_its_columns(directory: Path, tmp_path: Path):
    files = compile_policies(load_policies(directory), tmp_path / "compiled")
    for table in TABLES:
        (count,) = duckdb.sql(f"select count(*) from '{files[table]}'").fetchone() or (0,)
        assert count == len(rows(directory, table)) > 0
    assert duckdb.sql(f"select late_contact_days, leap_birthday from '{files['obligation']}'").fetchall() == [
        (7, "0228")
    ]


def test_cadences_are_numbered_as_they_stand_and_channels_as_they_are_preferred(directory: Path):
    order = {row["cadence_code"]: row["precedence"] for row in rows(directory, "cadence")}
    assert list(order.values()) == list(range(1, len(order) + 1))
    greeting = [row for row in rows(directory, "kind_channel") if row["kind"] == "festival_greeting"]
    assert [(row["channel"], row["preference"]) for row in greeting] == [("sms", 1), ("call", 2), ("wechat", 3)]


def test_every_version_has_its_own_rows_and_days(directory: Path):
    edit(directory, "obligations", later_version)
    assert findings(directory) == []
    assert [tuple(row.values()) for row in rows(directory, "obligation")] == [
        ("obligations@1", date(1990, 1, 1), date(2027, 1, 1), 7, "0228"),
        ("obligations@2", date(2027, 1, 1), date(9999, 12, 31), 5, "0301"),
    ]
    for table in TABLES:
        versions = [row["policy_version"] for row in rows(directory, table)]
        assert versions.count("obligations@1") == versions.count("obligations@2") > 0


def test_what_is_owed_restates_no_fact_and_has_its_own_hash(directory: Path):
    before = load_policies(directory)
    edit(directory, "obligations", lambda c: cadence(c, "diamond_contact").update(times=2))
    after = load_policies(directory)
    assert after.version_hashes() == before.version_hashes()
    assert after.policy_hash != before.policy_hash

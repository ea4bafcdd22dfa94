"""Every check of the audit is silent on a healthy warehouse and speaks up on the defect it is there for."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from orchestration.lib import audit
from orchestration.lib.contracts import load_contracts
from orchestration.lib.ledger import Batch, Ledger
from tests.conftest import AS_OF_DATE, BuiltHome
from tests.dbt import quarters, scorecards

TODAY = f"date '{AS_OF_DATE}'"
LEG_DAY = "intermediate.int_assets__leg_day"
PRICED = "core.fct_priced_value"
A_SECURITY = f"account_kind = 'security' and business_date = {TODAY}"
FOREIGN_MONEY = f"account_kind = 'deposit' and currency = 'USD' and business_date = {TODAY}"


def first(relation: str, condition: str = "true") -> str:
    """Picks one row of a table."""
    return f"rowid = (select min(rowid) from {relation} where {condition})"


def rewritten(view: str, query: str) -> str:
    """Puts a table in the place of a view; the query reads the view's rows as ``kept``."""
    return f"create table kept as select * from {view}; drop view {view}; create table {view} as {query}"


def an_event(kind: str, rule_id: str, day: str, change: str = "detail_code = null") -> str:
    """Tells an event of a customer in the books, sound but for the change."""
    row = (
        f"'{kind}' as event_id, {day} as business_date, customer_id, '{kind}' as event_kind, "
        f"cast(null as decimal(18, 2)) as amount_cny, {TODAY} as event_date, cast(null as varchar) as detail_code, "
        f"'{rule_id}' as rule_id, 'events@1' as policy_version"
    )
    return (
        f"insert into {EVENTS} by name select {row} from {ENTRIES} where {TODAYS_OWNER}; "
        f"update {EVENTS} set {change} where event_id = '{kind}'"
    )


DEPOSIT_LEG = first(LEG_DAY, f"account_kind = 'deposit' and business_date = {TODAY}")
OWNERS = "raw.core_banking__account_owners"
PRIMARY = "branch_tiered_maintenance"
MATRIX = "four_axes"
LOWEST_BAND = f"scheme_code = '{PRIMARY}' and tier_rank = 0"
EVALUATIONS = "core.fct_tier_evaluation"
CHANGES = "core.fct_tier_change"
TRANSITIONS = "tiering.tier_transition"
CROSSWALK = "tiering.scheme_crosswalk"
LAST_EVALUATION = date(2026, 4, 30)
MONTH_END = f"date '{LAST_EVALUATION}'"
MORROW = f"date '{LAST_EVALUATION}' + 1"
ENTRIES = "core.fct_book_entry"
ASSIGNMENTS = "core.fct_assignment_change"
CREDITS = "core.fct_revenue_credit"
GRANTS = "core.fct_access_grant_change"
EMPLOYEE_DAY = "intermediate.int_books__employee_day"
TODAYS_OWNER = first(ENTRIES, f"slot = 'a' and as_of_date = {TODAY}")
TODAYS_SPECIALIST = first(ENTRIES, f"slot = 'specialist' and as_of_date = {TODAY}")
TODAYS_WAITING = first(ENTRIES, f"slot = 'queue' and as_of_date = {TODAY}")
TODAYS_CHANGE = first(ASSIGNMENTS, f"business_date = {TODAY}")
AN_OWNER = f"(select employee_id from {ENTRIES} where {TODAYS_OWNER})"
A_MAINTAINED_CUSTOMER = f"(select customer_id from {ENTRIES} where {TODAYS_OWNER})"
A_MAINTENANCE = first(GRANTS, "purpose = 'maintenance'")
A_QUEUE_GRANT = first(GRANTS, "purpose = 'queue'")
OBLIGATIONS = "core.fct_obligation"
ACTIONS = "core.fct_action"
CADENCES = "core.fct_cadence_month"
A_DUE_ONE = first(OBLIGATIONS, f"status = 'due' and as_of_date = {TODAY}")
OFFERS = "core.fct_product_offer"
A_NEW_FAMILY = first(OFFERS, "offer_kind = 'cross_sell'")
A_HIGHER_GRADE = first(OFFERS, "offer_kind = 'up_sell'")
AN_UNSUITABLE_OFFER = first(OFFERS, "not is_suitable")
OFFERED = f"(select customer_id from {OFFERS} where {A_NEW_FAMILY})"
CONSENTS = "raw.crm__consents"
SUMMARIES = "core.fct_survey_month"
A_BRANCH_SUMMARY = first(SUMMARIES, "subject_kind = 'branch'")
AN_EMPLOYEE_SUMMARY = first(SUMMARIES, "subject_kind = 'employee'")
EVENTS = "core.fct_customer_event"
ARCHIVES = "maintenance.archive_completeness"
A_MAINTAINED_ARCHIVE = first(ARCHIVES, "collector_employee_id is not null")
AN_INCOMPLETE_ONE = first(ARCHIVES, "missing_count > 0")
PRIMARY_CHANGE = f"scheme_code = '{PRIMARY}' and valid_from = {MORROW}"
# Singular test -> SQL defects, each of which it has to find. Key tests are damaged by their own columns below.
DEFECTS: dict[str, list[str]] = {
    "assert_priced_values_are_the_assets": [
        f"update {PRICED} set value_cny = value_cny + 0.01 where {first(PRICED, f'as_of_date = {TODAY}')}",
        f"delete from {PRICED} where as_of_date = {TODAY}",
        *(
            f"insert into {LEG_DAY} by name select * replace (null as price_key, 0 as value_cny) from {LEG_DAY} "
            f"where {first(LEG_DAY, each)}"
            for each in (A_SECURITY, FOREIGN_MONEY)
        ),
    ],
    "assert_offers_may_be_made": [
        f"update {OFFERS} set customer_id = 'x' where {A_NEW_FAMILY}",
        rewritten(CONSENTS, f"select * replace (allowed and customer_id != {OFFERED} as allowed) from kept"),
        rewritten(CONSENTS, f"select * replace ({TODAY} + 1 as since) from kept"),
        f"delete from {ENTRIES} where customer_id = {OFFERED}",
        (
            "insert into intermediate.int_maintenance__suppressed_day "
            f"select {TODAY}, customer_id, 'risk_veto' from {OFFERS} where {A_NEW_FAMILY}"
        ),
        f"update {OFFERS} set offer_kind = 'cross_sell' where {A_HIGHER_GRADE}",
        f"update {OFFERS} set offer_rank = 21 where {A_NEW_FAMILY}",
        f"update {OFFERS} set is_suitable = true where {AN_UNSUITABLE_OFFER}",
        f"update {OFFERS} set is_suitable = true, unsuitable_reason_code = null where {AN_UNSUITABLE_OFFER}",
        (
            f"update core.dim_customer set birth_date = {TODAY} - 30000, risk_appetite = 'c5' "
            f"where customer_id = {OFFERED}; update {OFFERS} set risk_level = 'r3', is_suitable = true, "
            f"unsuitable_reason_code = null where {A_NEW_FAMILY}"
        ),
    ],
    "assert_survey_summaries_add_up": [
        *(
            f"update {SUMMARIES} set {name} = {name} + 1 where {A_BRANCH_SUMMARY}"
            for name in ("survey_count", "complaint_count", "sampled_count", "received_complaint_count")
        ),
        f"delete from {SUMMARIES} where subject_kind = 'bank'",
        f"update {SUMMARIES} set survey_count = 10000 where {AN_EMPLOYEE_SUMMARY}",
    ],
    "assert_actions_are_listed_or_counted": [
        f"delete from {ACTIONS} where {first(ACTIONS, f'business_date = {TODAY}')}",
        f"update {ACTIONS} set left_out_count = left_out_count + 1 where {first(ACTIONS, f'business_date = {TODAY}')}",
        f"update core.fct_action_branch_day set queue_count = queue_count + 1 where business_date = {TODAY}",
        f"delete from core.fct_action_branch_day where business_date = {TODAY}",
    ],
    "assert_nobody_is_approached_who_may_not_be": [
        (
            f"insert into intermediate.int_maintenance__suppressed_day select business_date, customer_id, 'deceased' "
            f"from {ACTIONS} where {first(ACTIONS, f'business_date = {TODAY}')}"
        ),
    ],
    "assert_compliance_counts_every_obligation": [
        *(
            f"update {CADENCES} set {change} where {first(CADENCES, f'as_of_date = {TODAY} and pending_count > 0')}"
            for change in (
                "due_count = due_count + 1",
                "done_count = done_count + 1",
                "pending_count = pending_count - 1, due_count = due_count - 1",
                "overdue_count = overdue_count + 1, due_count = due_count + 1",
                "suppressed_count = suppressed_count + 1",
                "is_final = true",
            )
        ),
        f"delete from {CADENCES} where {first(CADENCES, f'as_of_date = {TODAY} and pending_count > 0')}",
    ],
    "assert_obligations_have_one_fate": [
        f"update {OBLIGATIONS} set {change} where {A_DUE_ONE}"
        for change in (
            "status = null",
            "status = 'open'",
            "status = 'done'",
            "suppressed_reason_code = 'no_consent'",
            "due_to_date = as_of_date - 1",
            "due_from_date = due_to_date + 1",
            "status = 'done', done_contact_id = 'c'",
            "status = 'done', done_contact_id = 'c', done_date = due_to_date + 1",
            "status = 'done', done_contact_id = 'c', done_date = due_from_date - 1",
            "status = 'done', done_contact_id = 'c', done_date = due_from_date, created_date = due_to_date",
        )
    ],
    "assert_no_obligation_is_lost": [
        (
            f"insert into {OBLIGATIONS} select * replace ('other' as obligation_id, {TODAY} - 1 as as_of_date) "
            f"from {OBLIGATIONS} where {A_DUE_ONE}"
        ),
    ],
    "assert_contacts_close_one_of_a_kind": [
        f"update {OBLIGATIONS} set done_contact_id = 'c' where kind = 'contact' and as_of_date = {TODAY}",
    ],
    "assert_events_are_of_the_books": [
        an_event("maturity", "D1-08", TODAY, "amount_cny = 1e6"),
        an_event("maturity", "A8-10", TODAY, "amount_cny = 1"),
        an_event("maturity", "A8-10", TODAY, "amount_cny = null"),
        an_event("whim", "A8-10", TODAY),
        an_event("life_event", "A5-04", TODAY, "policy_version = 'events@0'"),
        an_event("life_event", "A5-04", TODAY, "customer_id = 'nobody'"),
    ],
    "assert_states_are_told_once": [
        (
            f"{an_event('missing_contact_data', 'E3-02', TODAY)}; "
            f"{an_event('missing_contact_data', 'E3-02', f'{TODAY} - 1')}"
        )
    ],
    "assert_archives_have_a_collector": [
        f"delete from {ARCHIVES} where {A_MAINTAINED_ARCHIVE}",
        f"update {ARCHIVES} set collector_employee_id = 'other' where {A_MAINTAINED_ARCHIVE}",
        f"update {ARCHIVES} set collector_role_code = null where {A_MAINTAINED_ARCHIVE}",
        f"update {ARCHIVES} set customer_id = 'nobody' where {A_MAINTAINED_ARCHIVE}",
        f"update {ARCHIVES} set completeness_rate = 1 where {AN_INCOMPLETE_ONE}",
        f"update {ARCHIVES} set missing_fields = null where {AN_INCOMPLETE_ONE}",
        f"update {ARCHIVES} set missing_fields = missing_fields || ',x' where {AN_INCOMPLETE_ONE}",
        f"update {ARCHIVES} set due_to_date = null where {AN_INCOMPLETE_ONE}",
    ],
    "assert_accounts_agree_with_products": [
        (
            "update core.fct_account_balance set value_cny = value_cny + 0.01 "
            f"where {first('core.fct_account_balance', f'as_of_date = {TODAY}')}"
        ),
        f"delete from core.fct_customer_product_balance where as_of_date = {TODAY} and value_cny != 0",
    ],
    "assert_orphan_customers_are_few": ["delete from core.dim_customer"],
    "assert_orphan_branches_are_few": ["delete from core.dim_branch where branch_id != 'unknown_branch'"],
    "assert_owners_add_up_to_account": [
        f"update {LEG_DAY} set value_cny = value_cny + 0.01 where {DEPOSIT_LEG}",
        f"delete from {LEG_DAY} where {DEPOSIT_LEG}",
    ],
    "assert_mart_keeps_all_assets": [
        f"delete from assets.customer_assets where {first('assets.customer_assets', 'aum_cny != 0')}"
    ],
    "assert_customer_totals_agree_with_products": [
        (
            "update core.fct_customer_measure set aum_cny = aum_cny + 0.01 "
            f"where {first('core.fct_customer_measure', f'measure_date = {TODAY}')}"
        ),
        f"delete from core.fct_customer_balance where as_of_date = {TODAY}",
    ],
    "assert_leg_values_are_known": [
        f"update {LEG_DAY} set value_cny = null where {first(LEG_DAY)}",
        f"update {LEG_DAY} set balance = null where {first(LEG_DAY)}",
    ],
    "assert_state_ends_on_as_of_date": [
        f"delete from core.fct_account_balance where as_of_date = {TODAY}",
        f"update core.fct_account_balance set as_of_date = {TODAY} + 1 where as_of_date = {TODAY}",
    ],
    "assert_products_are_known": [f"update {LEG_DAY} set product_family = 'unknown_family' where {DEPOSIT_LEG}"],
    "assert_merge_chains_end": [
        f"insert into intermediate.int_customer__successor values ({TODAY}, 'a', 'b'), ({TODAY}, 'b', 'a')",
    ],
    "assert_shares_add_up_to_one": [
        rewritten(OWNERS, "select * replace (cast(share + 0.01 as decimal(18, 8)) as share) from kept"),
        rewritten(OWNERS, "select * from kept where owner_role = 'primary'"),
    ],
    "assert_books_agree": [
        f"update audit.recon_gl_balance set status = 'break' where {first('audit.recon_gl_balance')}",
    ],
    "assert_bands_cover_every_value_once": [
        rewritten("policy.tier_band", f"select * from kept where not ({LOWEST_BAND})"),
        rewritten("policy.tier_band", f"select * from kept union all select * from kept where {LOWEST_BAND}"),
        rewritten("policy.tier_band", "select * from kept where upper_value < 9999999999999999.99"),
        rewritten("policy.tier_band", f"select * from kept where scheme_code != '{MATRIX}' or lower_value != 1"),
        rewritten("policy.tier_band", f"select * from kept where scheme_code != '{MATRIX}' or lower_value != 0"),
        rewritten("policy.tier_band", "select * replace (lower_value as upper_value) from kept"),
    ],
    "assert_history_agrees_with_todays_tiers": [
        f"delete from {CHANGES} where {first(CHANGES, PRIMARY_CHANGE)}",
        (
            f"insert into {CHANGES} by name select '{PRIMARY}' as scheme_code, 'nobody' as customer_id, "
            f"{TODAY} as valid_from, 'lobby_adopted' as tier_code"
        ),
        "delete from core.fct_customer_tier where tier_rank > 0",
    ],
    "assert_scope_and_tier_agree": [
        f"delete from tiering.customer_tier where scheme_code = '{PRIMARY}' and tier_rank > 0",
        f"update assets.customer_assets set is_in_scope = not is_in_scope where {first('assets.customer_assets')}",
        "update assets.customer_assets set entry_doors = null where is_in_scope",
    ],
    "assert_books_cover_scope": [
        f"delete from {ENTRIES} where {TODAYS_OWNER}",
        f"delete from {ENTRIES} where {TODAYS_WAITING}",
        f"insert into {ENTRIES} select * replace ('queue' as slot) from {ENTRIES} where {TODAYS_OWNER}",
        f"insert into {ENTRIES} select * replace ('nobody' as customer_id) from {ENTRIES} where {TODAYS_OWNER}",
        f"delete from intermediate.int_books__customer_day where customer_id = {A_MAINTAINED_CUSTOMER}",
    ],
    "assert_maintainers_are_allowed": [
        f"update {EMPLOYEE_DAY} set status = 'left' where employee_id = {AN_OWNER}",
        f"update {EMPLOYEE_DAY} set has_nda = false where employee_id = {AN_OWNER}",
        f"delete from {EMPLOYEE_DAY} where employee_id = {AN_OWNER}",
        (
            "update intermediate.int_books__customer_day set exclusion_code = 'risk_veto' "
            f"where customer_id = {A_MAINTAINED_CUSTOMER}"
        ),
        f"update {ENTRIES} set employee_id = {AN_OWNER} where slot = 'b' and customer_id = {A_MAINTAINED_CUSTOMER}",
        (
            f"update {ENTRIES} set employee_id = {AN_OWNER}, customer_id = {A_MAINTAINED_CUSTOMER} "
            f"where {TODAYS_SPECIALIST}"
        ),
    ],
    "assert_changes_lead_to_todays_books": [
        f"delete from {ASSIGNMENTS} where {first(ASSIGNMENTS)}",
        f"update {ASSIGNMENTS} set to_employee_id = 'other' where {first(ASSIGNMENTS)}",
        f"update {ASSIGNMENTS} set to_employee_id = null where {first(ASSIGNMENTS)}",
        f"update {ASSIGNMENTS} set customer_id = 'nobody' where {TODAYS_CHANGE}",
        f"update {ENTRIES} set employee_id = 'other' where {TODAYS_OWNER}",
        f"delete from {ENTRIES} where {TODAYS_OWNER}",
    ],
    "assert_changes_have_a_reason": [
        f"update {ASSIGNMENTS} set reason_code = 'whim' where {TODAYS_CHANGE}",
        f"update {ASSIGNMENTS} set reason_code = null where {TODAYS_CHANGE}",
    ]
    + [
        (
            f"update {ASSIGNMENTS} set slot = 'a', from_employee_id = 'other', reason_code = '{reason}' "
            f"where {TODAYS_CHANGE}"
        )
        for reason in ("continuity_upgrade", "continuity_downgrade", "new_in_scope", "parent_branch", "old_crm")
    ],
    "assert_capacity_is_kept": [
        (
            f"update {EMPLOYEE_DAY} set capacity = 0 where employee_id = {AN_OWNER}; "
            f"update {ENTRIES} set valid_from = as_of_date, reason_code = '{reason}' where {TODAYS_OWNER}"
        )
        for reason in ("new_in_scope", "customer_choice", "owner_left")
    ],
    "assert_books_add_up_to_the_bank": [
        f"update crm.book set aum_cny = aum_cny + 0.01 where {first('crm.book')}",
        f"update crm.book set customer_count = customer_count + 1 where {first('crm.book')}",
        f"delete from crm.exception_queue where {first('crm.exception_queue')}",
        f"delete from core.fct_customer_tier where {first('core.fct_customer_tier', 'tier_rank > 0')}",
        (
            "update core.fct_customer_measure set aum_cny = aum_cny + 0.01 "
            f"where measure_date = {TODAY} and customer_id = {A_MAINTAINED_CUSTOMER}"
        ),
    ],
    "assert_credits_equal_revenue": [
        # Nothing is earned on the day: a credit is one too many, and an item lacks its credits.
        f"insert into {CREDITS} select * replace ({TODAY} as business_date) from {CREDITS} where {first(CREDITS)}",
        rewritten(
            "raw.finance__revenue",
            (
                "select * from kept union all by name "
                f"select {TODAY} as business_date, {TODAY} as posted_date, 'r' as revenue_id, 0.01 as amount_cny"
            ),
        ),
    ],
    "assert_recipients_may_be_credited": [
        (f"update {CREDITS} set business_date = {TODAY}, recipient_id = 'nobody' where {first(CREDITS, condition)}")
        for condition in ("recipient_kind = 'employee'", "recipient_kind = 'pool'")
    ],
    "assert_grants_follow_the_books": [
        f"delete from {GRANTS} where {A_MAINTENANCE}",
        f"update {GRANTS} set is_granted = false where {A_MAINTENANCE}",
        f"update {GRANTS} set purpose = 'specialist' where {A_MAINTENANCE}",
        f"insert into {GRANTS} select * replace ('other' as employee_id) from {GRANTS} where {A_MAINTENANCE}",
        f"insert into {GRANTS} select * replace ('other' as employee_id) from {GRANTS} where {A_QUEUE_GRANT}",
        f"update {ENTRIES} set role_code = 'outlet_head' where slot = 'queue' and as_of_date = {TODAY}",
        f"update {EMPLOYEE_DAY} set status = 'left' where employee_id = {AN_OWNER}",
    ],
}

# Tests that have something to look at only when tiers are evaluated, as the build of that month end runs them.
MONTH_END_DEFECTS: dict[str, list[str]] = {
    "assert_every_scheme_is_evaluated": [
        f"delete from {EVALUATIONS} where scheme_code = 'rfm' and evaluation_date = {MONTH_END}",
        f"update {EVALUATIONS} set policy_version = 'rfm@0' where scheme_code = 'rfm'",
        f"update {EVALUATIONS} set scheme_code = 'other' where {first(EVALUATIONS, f'evaluation_date = {MONTH_END}')}",
    ],
    "assert_tiers_are_known_to_their_policy": [
        f"update {EVALUATIONS} set {column} where {first(EVALUATIONS, f'evaluation_date = {MONTH_END}')}"
        for column in (
            "tier_code = 'gold'",
            "tier_rank = 99",
            "indicative_tier_code = 'gold'",
            "indicative_tier_rank = 99",
            "policy_version = 'other@1'",
        )
    ]
    + ["update core.fct_customer_tier set tier_code = 'gold'"],
    "assert_tier_transition_adds_up": [
        f"delete from {TRANSITIONS} where {first(TRANSITIONS, f'month_end_date = {MONTH_END}')}",
        (
            f"update {TRANSITIONS} set customer_count = customer_count + 1 "
            f"where {first(TRANSITIONS, f'month_end_date = {MONTH_END}')}"
        ),
        f"update {TRANSITIONS} set from_tier_code = to_tier_code where to_tier_code != 'none'",
        f"update {EVALUATIONS} set change_kind = null where evaluation_date = {MONTH_END}",
    ],
    "assert_scheme_crosswalk_is_symmetric": [
        f"delete from {CROSSWALK} where {first(CROSSWALK, f'month_end_date = {MONTH_END}')}",
        (
            f"update {CROSSWALK} set customer_count = customer_count - 1 "
            f"where {first(CROSSWALK, f'month_end_date = {MONTH_END}')}"
        ),
        f"update {CROSSWALK} set customer_count = 1000",
        (
            f"insert into {CROSSWALK} by name select scheme_code, to_tier_code as tier_code, scheme_code as "
            "other_scheme_code, to_tier_code as other_tier_code, month_end_date, customer_count "
            f"from {TRANSITIONS} where month_end_date = {MONTH_END} and from_tier_code = to_tier_code limit 1"
        ),
    ],
}
# The same of the advance that begins on the morrow of the evaluation, when the tiers of all schemes change.
RFM_CHANGE = f"scheme_code = 'rfm' and valid_from = {MORROW}"
MORROW_DEFECTS: dict[str, list[str]] = {
    "assert_tier_changes_hold": [
        f"update {CHANGES} set tier_code = 'none' where {first(CHANGES, RFM_CHANGE)}",
        f"insert into {CHANGES} select * from {CHANGES} where {RFM_CHANGE}",
        f"insert into {CHANGES} select * replace (valid_from + 1 as valid_from) from {CHANGES} where {RFM_CHANGE}",
        f"update {CHANGES} set valid_from = {TODAY} + 1 where {first(CHANGES, RFM_CHANGE)}",
        "delete from tiering.customer_tier where scheme_code = 'rfm'",
    ],
}
QUARTER_END_DEFECTS = {**quarters.MONTH_END_DEFECTS, **scorecards.MONTH_END_DEFECTS}
QUARTER_DEFECTS = {**QUARTER_END_DEFECTS, **quarters.FIRST_DAY_DEFECTS}


def data_tests(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {n["name"]: n for n in manifest["nodes"].values() if n["resource_type"] == "test"}


def key_tests(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: node
        for name, node in data_tests(manifest).items()
        if (node.get("test_metadata") or {}).get("name") == "unique_combination"
    }


def failures(con: duckdb.DuckDBPyConnection, test: dict[str, Any]) -> int:
    return con.execute(f"select count(*) from ({test['compiled_code']})").fetchall()[0][0]


def test_no_data_test_finds_anything_in_a_healthy_warehouse(
    damaged: duckdb.DuckDBPyConnection, manifest: dict[str, Any]
) -> None:
    assert {name for name, node in data_tests(manifest).items() if failures(damaged, node)} == set()


def test_every_data_test_has_a_seeded_defect(manifest: dict[str, Any]) -> None:
    seeded = {*DEFECTS, *MONTH_END_DEFECTS, *MORROW_DEFECTS, *QUARTER_DEFECTS}
    assert set(data_tests(manifest)) == seeded | set(key_tests(manifest))


@pytest.mark.parametrize(
    ("name", "defect"), [pytest.param(n, d, id=f"{n}-{i}") for n, ds in DEFECTS.items() for i, d in enumerate(ds)]
)
def test_a_singular_test_finds_its_defect(
    damaged: duckdb.DuckDBPyConnection, manifest: dict[str, Any], name: str, defect: str
) -> None:
    for statement in defect.split("; "):
        damaged.execute(statement)
    assert failures(damaged, data_tests(manifest)[name]) > 0


Compiled = Callable[[date, date], dict[str, str]]
ADVANCES = {
    **dict.fromkeys(MONTH_END_DEFECTS, (LAST_EVALUATION - timedelta(days=1), LAST_EVALUATION)),
    **dict.fromkeys(MORROW_DEFECTS, (LAST_EVALUATION, AS_OF_DATE)),
    **dict.fromkeys(QUARTER_END_DEFECTS, (quarters.MONTH_END - timedelta(days=1), quarters.MONTH_END)),
    **dict.fromkeys(quarters.FIRST_DAY_DEFECTS, (quarters.START - timedelta(days=1), quarters.START)),
}


@pytest.mark.parametrize(
    ("name", "defect"),
    [
        pytest.param(n, d, id=f"{n}-{i}")
        for n, ds in {**MONTH_END_DEFECTS, **MORROW_DEFECTS}.items()
        for i, d in enumerate(ds)
    ],
)
def test_a_test_of_an_evaluation_is_silent_until_it_finds_its_defect(
    damaged: duckdb.DuckDBPyConnection, singular_tests: Compiled, name: str, defect: str
) -> None:
    test = {"compiled_code": singular_tests(*ADVANCES[name])[name]}
    assert failures(damaged, test) == 0
    damaged.execute(defect)
    assert failures(damaged, test) > 0


@pytest.mark.parametrize(
    ("name", "defect"),
    [pytest.param(n, d, id=f"{n}-{i}") for n, ds in QUARTER_DEFECTS.items() for i, d in enumerate(ds)],
)
def test_a_test_of_a_quarter_is_silent_until_it_finds_its_defect(
    damaged: duckdb.DuckDBPyConnection, singular_tests: Compiled, name: str, defect: str
) -> None:
    for statement in (*quarters.HEALTHY, *scorecards.HEALTHY):
        damaged.execute(statement)
    test = {"compiled_code": singular_tests(*ADVANCES[name])[name]}
    assert failures(damaged, test) == 0
    damaged.execute(defect)
    assert failures(damaged, test) > 0


def test_every_key_test_finds_a_row_that_occurs_twice_and_a_missing_part_of_the_key(
    damaged: duckdb.DuckDBPyConnection, manifest: dict[str, Any]
) -> None:
    unseen = []
    for name, node in key_tests(manifest).items():
        relation = manifest["nodes"][node["attached_node"]]["relation_name"]
        key = node["test_metadata"]["kwargs"]["columns"]
        as_of = node["test_metadata"]["kwargs"].get("as_of_column")
        types = dict(damaged.execute(f"select column_name, column_type from (describe {relation})").fetchall())
        # The date is a value of every key type but numbers, and lies in the partition that is tested.
        values = {
            column: "cast(1 as bigint)" if types[column] == "BIGINT" else f"cast('{AS_OF_DATE}' as {types[column]})"
            for column in {*key, *([as_of] if as_of else [])}
        }
        healthy = "healthy_" + name
        damaged.execute(f"create temp table {healthy} as select * from {relation}")
        as_view = damaged.execute(
            "select count(*) from duckdb_views() where schema_name || '.' || view_name = ?",
            [".".join(part.strip('"') for part in relation.split(".")[1:])],
        ).fetchall()[0][0]
        damaged.execute(f"drop {'view' if as_view else 'table'} {relation}")
        # A new table has none of the constraints that would turn the defect away.
        damaged.execute(f"create table {relation} as select * from {healthy}")
        row = ", ".join(f"{value} as {column}" for column, value in values.items())
        defects = {"twice": f"select {row} union all select {row}"}
        for column in key:
            if column != as_of:
                part = ", ".join(f"{'null' if c == column else v} as {c}" for c, v in values.items())
                defects[f"no {column}"] = f"select {part}"
        for defect, rows in defects.items():
            damaged.execute(f"insert into {relation} by name {rows}")
            if not failures(damaged, node):
                unseen.append((name, defect))
            damaged.execute(f"delete from {relation}")
    assert unseen == []


def test_a_data_test_without_a_result_counts_as_failed(built_home: BuiltHome, tmp_path: Path) -> None:
    results = json.loads((built_home.dbt_target / "run_results.json").read_text("utf-8"))
    results["results"] = [r for r in results["results"] if not r["unique_id"].endswith(".assert_books_agree")]
    (tmp_path / "run_results.json").write_text(json.dumps(results), encoding="utf-8")
    (tmp_path / "manifest.json").write_text((built_home.dbt_target / "manifest.json").read_text("utf-8"), "utf-8")
    blocking = [c for c in audit.dbt_checks(tmp_path) if c.blocks]
    assert [(c.check_name, c.detail) for c in blocking] == [("dbt.assert_books_agree", "did not run")]


Deliveries = dict[str, list[Batch]]


@pytest.fixture
def deliveries(built_home: BuiltHome) -> Deliveries:
    batches: Deliveries = {}
    for batch in sorted(Ledger(built_home.home.ledger).accepted(), key=lambda b: (b.business_date, b.sequence_no)):
        if batch.batch_id in built_home.record.inputs:
            batches.setdefault(batch.feed_id, []).append(batch)
    return batches


def drifted(con: duckdb.DuckDBPyConnection, built_home: BuiltHome, deliveries: Deliveries) -> list[str]:
    contracts = load_contracts()
    checks = audit.delivery_drift_checks(con, built_home.home, built_home.record, contracts, deliveries)
    checks += audit.money_drift_checks(con, built_home.record, contracts)
    assert {c.check_name.split(".")[1] for c in checks} == {"rows", "keys", "money"}
    return [c.check_name for c in checks if c.blocks]


def unconserved(con: duckdb.DuckDBPyConnection, built_home: BuiltHome, deliveries: Deliveries) -> list[str]:
    checks = audit.conservation_checks(con, built_home.record, load_contracts(), deliveries)
    assert len(checks) == 4
    return [c.check_name for c in checks if c.blocks]


def redelivered(
    built_home: BuiltHome, deliveries: Deliveries, feed_id: str, folder: Path, *, keep: float = 1, renamed: float = 0
) -> Deliveries:
    """The last delivery of a feed comes again, cut to a share of its rows, some of them under new keys."""
    last = deliveries[feed_id][-1]
    table = pq.read_table(built_home.home.lake / last.path / "part.parquet", partitioning=None)
    table = table.slice(0, int(table.num_rows * keep))
    key = load_contracts()[feed_id].key[0]
    new = int(table.num_rows * renamed)
    ids = [f"new-{n}" if n < new else v for n, v in enumerate(table[key].to_pylist())]
    table = table.set_column(table.column_names.index(key), key, [ids])
    pq.write_table(table, folder / "part.parquet")
    again = dataclasses.replace(
        last,
        batch_id=f"{feed_id}.{last.business_date}.{last.sequence_no + 1}",
        sequence_no=last.sequence_no + 1,
        row_count=table.num_rows,
        path=str(folder),
    )
    return {**deliveries, feed_id: [*deliveries[feed_id], again]}


def test_a_healthy_day_neither_drifts_nor_loses_money(
    damaged: duckdb.DuckDBPyConnection, built_home: BuiltHome, deliveries: Deliveries, tmp_path: Path
) -> None:
    again = redelivered(built_home, deliveries, "core_banking.deposit_accounts", tmp_path)
    assert drifted(damaged, built_home, again) == []
    assert unconserved(damaged, built_home, deliveries) == []


@pytest.mark.parametrize("feed_id", ["core_banking.deposit_accounts", "card.card_accounts"])
def test_a_truncated_but_consistent_file_drifts_in_rows_and_keys(
    damaged: duckdb.DuckDBPyConnection, built_home: BuiltHome, deliveries: Deliveries, tmp_path: Path, feed_id: str
) -> None:
    cut = redelivered(built_home, deliveries, feed_id, tmp_path, keep=0.4)
    assert drifted(damaged, built_home, cut) == [f"drift.rows.{feed_id}", f"drift.keys.{feed_id}"]


def test_as_many_rows_under_other_keys_drift_in_keys_alone(
    damaged: duckdb.DuckDBPyConnection, built_home: BuiltHome, deliveries: Deliveries, tmp_path: Path
) -> None:
    feed_id = "core_banking.deposit_accounts"
    renamed = redelivered(built_home, deliveries, feed_id, tmp_path, renamed=0.6)
    assert drifted(damaged, built_home, renamed) == [f"drift.keys.{feed_id}"]


def test_money_that_moves_from_a_branch_to_another_overnight_drifts(
    damaged: duckdb.DuckDBPyConnection, built_home: BuiltHome, deliveries: Deliveries
) -> None:
    damaged.execute(
        "update core.fct_branch_balance_day set balance_cny = balance_cny + 900000000 "
        f"where business_date = {TODAY} and product_family = 'deposit'"
    )
    assert drifted(damaged, built_home, deliveries) == ["drift.money.core_banking.deposit_accounts"]


@pytest.mark.parametrize(
    ("feed_id", "kind"),
    [
        ("core_banking.deposit_accounts", "deposit"),
        ("loan.loans", "loan"),
        ("card.card_accounts", "card"),
        ("brokerage.custody_accounts", "custody_margin"),
    ],
)
@pytest.mark.parametrize("defect", ["delete from {legs}", "update {legs} set currency = 'XTS'"])
def test_a_leg_that_is_lost_or_changes_its_currency_breaks_conservation(
    damaged: duckdb.DuckDBPyConnection,
    built_home: BuiltHome,
    deliveries: Deliveries,
    feed_id: str,
    kind: str,
    defect: str,
) -> None:
    one_leg = (
        f"(select min(rowid) from {LEG_DAY} where account_kind = '{kind}' and business_date = {TODAY} and balance != 0)"
    )
    damaged.execute(defect.format(legs=LEG_DAY) + f" where rowid = {one_leg}")
    assert unconserved(damaged, built_home, deliveries) == [f"conservation.{feed_id}"]


def test_breaks_of_the_books_are_listed_with_reason_and_age_oldest_first(
    damaged: duckdb.DuckDBPyConnection, built_home: BuiltHome
) -> None:
    assert audit.books_breaks(damaged, built_home.record) == []
    recon = "audit.recon_gl_balance"
    cells = damaged.execute(
        f"select branch_id, currency from {recon} where business_date = {TODAY} and product_family = 'deposit' "
        "and status = 'agreed' order by 1, 2 limit 4"
    ).fetchall()
    names = [f"branch {branch}, deposit, {currency}" for branch, currency in cells]
    days = [AS_OF_DATE - timedelta(days=age) for age in range(5)]

    def differ(cell: int, day: date, change: str, status: str = "break") -> None:
        branch, currency = cells[cell]
        where = f"branch_id = ? and currency = ? and product_family = 'deposit' and business_date = '{day}'"
        damaged.execute(f"update {recon} set status = '{status}', {change} where {where}", [branch, currency])

    differ(0, days[0], "difference = 1, ledger_balance = null")
    differ(1, days[0], "difference = 2, customer_balance = null")
    # Explained before it grew beyond what was explained: as old as the difference; a day of agreement begins it anew.
    for age, (status, difference) in enumerate([("break", 4), ("explained", 3), ("explained", 3)]):
        differ(2, days[age], f"difference = {difference}", status)
    differ(2, days[4], "difference = 9", "explained")
    # Explained differences alone are no break.
    differ(3, days[0], "difference = 5", "explained")
    assert audit.books_breaks(damaged, built_home.record) == [
        f"{names[2]}: ledger less customers 4.00, the amounts differ, since {days[2]}, 3 days",
        f"{names[1]}: ledger less customers 2.00, in the ledger alone, since {days[0]}, 1 days",
        f"{names[0]}: ledger less customers 1.00, not in the ledger, since {days[0]}, 1 days",
    ]

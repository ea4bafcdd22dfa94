"""Each expectation lets the healthy warehouse pass and is tripped by a defect made for it."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.lib.contracts import load_contracts
from orchestration.lib.expectation_run import (
    NO_DELIVERY,
    Suite,
    load_suites,
    run_suites,
)
from tests.expectations import appraisal, maintenance, scores

CUSTOMERS = "landing.core_banking__customers"
DEPOSITS = "landing.core_banking__deposit_accounts"
OWNERS = "landing.core_banking__account_owners"
DEPOSIT_TX = "landing.core_banking__deposit_transactions"
PRODUCTS = "landing.reference__products"
BRANCHES = "landing.reference__branches"
FX = "landing.market__fx_rates"
PRICES = "landing.market__instrument_prices"
WEALTH = "landing.wealth__wealth_holdings"
LOANS = "landing.loan__loans"
CARDS = "landing.card__card_accounts"
CARD_TX = "landing.card__card_transactions"
CUSTODY = "landing.brokerage__custody_accounts"
POSITIONS = "landing.brokerage__security_positions"
LEDGER = "landing.finance__gl_balances"
EMPLOYEES = "landing.hr__employees"
HOUSEHOLDS = "landing.crm__households"
ASSETS = "marts.assets__customer_assets"
MONTHLY = "marts.assets__customer_assets_monthly"
BRANCH_ASSETS = "marts.assets__branch_assets_daily"
TIERS = "marts.tiering__customer_tier"
OTHER_TIERS = "marts.tiering__customer_tier_other_schemes"
HISTORY = "marts.tiering__customer_tier_history"
TRANSITIONS = "marts.tiering__tier_transition"
CROSSWALK = "marts.tiering__scheme_crosswalk"
ENTERPRISES = "marts.tiering__enterprise_tier"
PROSPECTS = "marts.tiering__prospect"
ASSIGNMENTS = "marts.crm__assignment"
QUEUE = "marts.crm__exception_queue"
BOOKS = "marts.crm__book"
GRANTS = "marts.crm__access_grant"
CREDITS = "marts.appraisal__attribution"
PAIR = "scheme_code = 'rfm' and from_tier_code = 'low' and month_end_date = '2026-09-30'"
RFM = "scheme_code = 'rfm'"

# suite, defect ({t} is the suite's table), the expectations that it trips, and no others.
DEFECTS: list[tuple[str, str, set[str]]] = [
    (CUSTOMERS, "delete from {t}", {"rows_are_delivered"}),
    (
        CUSTOMERS,
        "update {t} set birth_date = '2026-11-01' where customer_id = '001'",
        {"birth_date_is_not_in_the_future"},
    ),
    (
        CUSTOMERS,
        "update {t} set birth_date = '1899-12-31' where customer_id = '001'",
        {"birth_date_is_after_1900"},
    ),
    (
        CUSTOMERS,
        "update {t} set birth_date = null where customer_id = '001'",
        {"birth_date_is_mostly_known"},
    ),
    (
        CUSTOMERS,
        "update {t} set opened_date = '2026-11-01' where customer_id = '001'",
        {"opened_date_is_not_in_the_future"},
    ),
    (
        CUSTOMERS,
        "update {t} set closed_date = opened_date - 1 where customer_id = '002'",
        {"closed_not_before_opened"},
    ),
    (
        CUSTOMERS,
        "update {t} set deceased_date = birth_date - 1 where customer_id = '002'",
        {"death_is_between_birth_and_business_date"},
    ),
    (
        CUSTOMERS,
        "update {t} set deceased_date = business_date + 1 where customer_id = '002'",
        {"death_is_between_birth_and_business_date"},
    ),
    (
        CUSTOMERS,
        "update {t} set annual_income = -0.01 where customer_id = '001'",
        {"annual_income_is_plausible"},
    ),
    (
        CUSTOMERS,
        "update {t} set home_branch_id = '' where customer_id = '001'",
        {"home_branch_is_mostly_known"},
    ),
    (DEPOSITS, "delete from {t}", {"rows_are_delivered"}),
    (
        DEPOSITS,
        "update {t} set balance = 100000000000.01 where account_id = 'a1'",
        {"balance_is_within_limits"},
    ),
    (DEPOSITS, "update {t} set balance = 0", {"balances_are_mostly_filled"}),
    (
        DEPOSITS,
        "update {t} set balance = -balance",
        {"no_currency_is_overdrawn_as_a_whole"},
    ),
    (
        DEPOSITS,
        "update {t} set balance = 0.01 where status = 'closed'",
        {"closed_account_is_empty"},
    ),
    (DEPOSITS, "update {t} set term_months = -1", {"term_is_plausible"}),
    (
        DEPOSITS,
        "update {t} set opened_date = '2026-11-01' where account_id = 'a1'",
        {"opened_date_is_not_in_the_future"},
    ),
    (
        DEPOSITS,
        "update {t} set maturity_date = opened_date - 1 where account_id = 'a2'",
        {"maturity_not_before_opened"},
    ),
    (
        OWNERS,
        (
            "update {t} set share = case customer_id when '001' then 1 when '002' then 0 end "
            "where customer_id <> '003'; delete from {t} where customer_id = '003'"
        ),
        {"share_is_above_0_up_to_1"},
    ),
    (
        OWNERS,
        "update {t} set share = 0.3 where customer_id = '002'",
        {"shares_of_an_account_sum_to_1"},
    ),
    (OWNERS, "update {t} set owner_role = 'joint'", {"account_has_one_primary_owner"}),
    (
        DEPOSIT_TX,
        "update {t} set amount = -100000000001 where transaction_id = 't2'",
        {"amount_is_within_limits"},
    ),
    (
        DEPOSIT_TX,
        "update {t} set posted_date = '2026-11-01' where transaction_id = 't2'",
        {"posted_date_is_not_in_the_future"},
    ),
    (DEPOSIT_TX, "update {t} set amount = -amount", {"salary_is_a_credit"}),
    (PRODUCTS, "update {t} set product_grade = 0", {"product_grade_is_plausible"}),
    (
        PRODUCTS,
        "update {t} set product_family = 'bond' where product_family = 'deposit'",
        {"a_deposit_product_exists"},
    ),
    (PRODUCTS, "update {t} set risk_level = null", {"investment_product_has_a_risk_level"}),
    (
        BRANCHES,
        "update {t} set parent_branch_id = branch_id where branch_id = 'b0'",
        {"branch_is_not_its_own_parent_or_successor"},
    ),
    (
        BRANCHES,
        "update {t} set successor_branch_id = branch_id where branch_id = 'b2'",
        {"branch_is_not_its_own_parent_or_successor"},
    ),
    (
        BRANCHES,
        "update {t} set opened_date = closed_date + 1 where branch_id = 'b2'",
        {"closed_not_before_opened"},
    ),
    (
        BRANCHES,
        "update {t} set successor_branch_id = null",
        {"closed_branch_names_a_successor"},
    ),
    (
        FX,
        "update {t} set rate_cny = 0 where currency = 'USD'",
        {"rate_is_positive_and_plausible"},
    ),
    (
        FX,
        "update {t} set rate_cny = 710 where currency = 'USD'",
        {"rate_is_positive_and_plausible"},
    ),
    (
        FX,
        "update {t} set rate_cny = 0.99999999 where currency = 'CNY'",
        {"yuan_is_worth_one_yuan"},
    ),
    (PRICES, "update {t} set price = 0", {"price_is_positive_and_plausible"}),
    (WEALTH, "update {t} set units = -0.000001", {"units_are_within_limits"}),
    (WEALTH, "update {t} set cost_amount = -1", {"cost_is_not_negative"}),
    (WEALTH, "update {t} set opened_date = '2026-11-01'", {"opened_date_is_not_in_the_future"}),
    (
        WEALTH,
        "update {t} set maturity_date = opened_date - 1",
        {"maturity_not_before_opened"},
    ),
    (
        LOANS,
        "update {t} set outstanding_balance = -1000000.01 where loan_id = 'l1'",
        {"outstanding_balance_is_within_limits"},
    ),
    (
        LOANS,
        "update {t} set principal = 1 where loan_id = 'l1'",
        {"outstanding_is_not_far_above_principal"},
    ),
    (LOANS, "update {t} set interest_rate = 4.35", {"interest_rate_is_a_fraction"}),
    (LOANS, "update {t} set days_past_due = -1", {"days_past_due_are_plausible"}),
    (LOANS, "update {t} set loan_class = 'pass'", {"long_overdue_loan_is_not_classed_pass"}),
    (LOANS, "update {t} set maturity_date = '2019-12-31'", {"maturity_not_before_opened"}),
    (
        CARDS,
        "update {t} set outstanding_balance = 100000001 where card_id = 'c1'",
        {"outstanding_balance_is_within_limits"},
    ),
    (
        CARDS,
        "update {t} set credit_limit = -1 where card_id = 'c1'",
        {"credit_limit_is_plausible"},
    ),
    (CARDS, "update {t} set credit_limit = 100", {"debit_card_has_no_credit_limit"}),
    (CARDS, "update {t} set opened_date = '2026-11-01'", {"opened_date_is_not_in_the_future"}),
    (
        CARD_TX,
        "update {t} set amount = 100000001 where transaction_kind = 'purchase'",
        {"amount_is_within_limits"},
    ),
    (CARD_TX, "update {t} set amount = abs(amount)", {"signs_follow_the_kind"}),
    (CARD_TX, "update {t} set amount = -abs(amount)", {"signs_follow_the_kind"}),
    (CARD_TX, "update {t} set posted_date = '2026-11-01'", {"posted_date_is_not_in_the_future"}),
    (CUSTODY, "update {t} set margin_balance = -0.01", {"margin_balance_is_within_limits"}),
    (CUSTODY, "update {t} set linked_date = '2026-11-01'", {"linked_date_is_not_in_the_future"}),
    (POSITIONS, "update {t} set quantity = -1", {"quantity_is_within_limits"}),
    (
        LEDGER,
        "delete from {t} where product_family = 'deposit'",
        {"deposits_are_covered"},
    ),
    (LEDGER, "update {t} set balance = -100000000000001", {"balance_is_within_limits"}),
    (EMPLOYEES, "update {t} set status = 'on_leave'", {"somebody_is_active"}),
    (EMPLOYEES, "update {t} set left_date = null", {"leaver_has_a_leaving_date"}),
    (EMPLOYEES, "update {t} set left_date = hired_date - 1", {"left_not_before_hired"}),
    (EMPLOYEES, "update {t} set capacity = -1", {"capacity_is_plausible"}),
    (HOUSEHOLDS, "update {t} set member_role = 'head'", {"household_has_at_most_one_head"}),
    (
        HOUSEHOLDS,
        (
            "insert into {t} by name select 'f1' as household_id, 'x' || i as customer_id, "
            "'member' as member_role, date '2024-01-01' as valid_from, "
            "date '2026-10-31' as business_date from range(20) as r(i)"
        ),
        {"household_is_of_plausible_size"},
    ),
    (
        HOUSEHOLDS,
        "update {t} set valid_to = valid_from - 1",
        {"membership_does_not_end_before_it_starts"},
    ),
    (ASSETS, "delete from {t}", {"rows_are_present"}),
    (
        ASSETS,
        "insert into {t} select * from {t} where customer_id = '003'",
        {"customer_appears_once"},
    ),
    (
        ASSETS,
        "update {t} set customer_id = null where customer_id = '003'",
        {"customer_appears_once"},
    ),
    (ASSETS, "update {t} set aum_cny = null where customer_id = '003'", {"aum_is_known"}),
    (
        ASSETS,
        "update {t} set aum_cny = aum_cny + 0.01 where customer_id = '001'",
        {"aum_is_the_sum_of_the_included_families"},
    ),
    (
        ASSETS,
        "update {t} set fund_cny = -1, aum_cny = aum_cny - 1 where customer_id = '003'",
        {"only_deposits_may_be_negative"},
    ),
    (
        ASSETS,
        "update {t} set aum_quarter_avg_cny = aum_quarter_avg_cny + 0.01 where customer_id = '003'",
        {"averages_agree_where_periods_coincide"},
    ),
    (
        ASSETS,
        "update {t} set aum_quarter_avg_cny = null where customer_id = '003'",
        {"averages_agree_where_periods_coincide"},
    ),
    (
        ASSETS,
        "update {t} set aum_month_avg_cny = 3 * aum_cny, aum_quarter_avg_cny = 3 * aum_cny",
        {"month_average_is_not_far_above_aum"},
    ),
    (
        ASSETS,
        "update {t} set is_month_partial = true, is_quarter_partial = false",
        {"longer_window_is_partial_when_the_shorter_is"},
    ),
    (
        ASSETS,
        "update {t} set is_in_scope = false where customer_id = '004'",
        {"open_door_puts_the_customer_in_scope"},
    ),
    (ASSETS, "update {t} set product_family_count = -1", {"family_count_is_plausible"}),
    (
        ASSETS,
        "update {t} set home_branch_id = null where customer_id = '003'",
        {"home_branch_is_known"},
    ),
    (
        ASSETS,
        "update {t} set home_branch_id = 'unknown_branch' where customer_id = '003'",
        {"unknown_branch_is_rare"},
    ),
    (
        MONTHLY,
        "insert into {t} select * from {t} where customer_id = '003'",
        {"customer_appears_once_a_month"},
    ),
    (
        MONTHLY,
        "update {t} set month_end_date = '2026-10-30'",
        {"month_end_is_the_last_day_of_a_month"},
    ),
    (MONTHLY, "update {t} set aum_cny = null where customer_id = '003'", {"aum_is_known"}),
    (
        MONTHLY,
        "update {t} set aum_quarter_avg_cny = aum_month_avg_cny + 0.01 where customer_id = '003'",
        {"quarter_average_of_its_first_month_is_the_month_average"},
    ),
    (BRANCH_ASSETS, "delete from {t}", {"rows_are_present"}),
    (
        BRANCH_ASSETS,
        "insert into {t} select * from {t} where currency = 'USD'",
        {"branch_family_and_currency_appear_once"},
    ),
    (
        BRANCH_ASSETS,
        "update {t} set branch_id = null where currency = 'USD'",
        {"branch_family_and_currency_appear_once"},
    ),
    (
        BRANCH_ASSETS,
        "update {t} set product_family = 'shares' where product_family = 'fund'",
        {"product_family_is_known"},
    ),
    (
        BRANCH_ASSETS,
        ("update {t} set balance_cny = balance + 0.01 where currency = 'CNY' and product_family = 'deposit'"),
        {"yuan_deposit_is_its_own_value"},
    ),
    (
        BRANCH_ASSETS,
        "update {t} set balance = -balance where currency = 'USD'",
        {"value_keeps_the_sign_of_the_balance"},
    ),
    (
        BRANCH_ASSETS,
        "update {t} set customer_count = 0 where currency = 'USD'",
        {"money_has_customers"},
    ),
    (
        TIERS,
        "insert into {t} select * from {t} where customer_id = '003' and scheme_code <> 'rfm'",
        {"customer_has_one_tier_per_scheme"},
    ),
    (
        TIERS,
        ("update {t} set tier_code = 'gold', indicative_tier_code = 'gold' where tier_code = 'lobby_adopted'"),
        {"tier_code_is_known"},
    ),
    (
        TIERS,
        "update {t} set tier_rank = 0 where tier_code = 'lobby_adopted'",
        {"only_no_tier_has_rank_0"},
    ),
    (
        TIERS,
        "update {t} set tier_code = 'staff_maintained' where tier_code = 'lobby_adopted'",
        {"tier_has_one_rank_and_one_label"},
    ),
    (
        TIERS,
        (
            "insert into {t} select * replace ('005' as customer_id, 60000 as measure_value) "
            "from {t} where tier_code = 'lobby_adopted'"
        ),
        {"tiers_by_measure_do_not_overlap"},
    ),
    (
        TIERS,
        "update {t} set decided_by = 'hand' where customer_id = '003' and scheme_code <> 'rfm'",
        {"way_of_deciding_is_known"},
    ),
    (
        TIERS,
        "update {t} set decided_by = 'individual' where tier_code = 'special_entry'",
        {"special_entry_comes_by_a_door"},
    ),
    (TIERS, "update {t} set grace_months_below = 13", {"grace_is_of_plausible_length"}),
    (
        TIERS,
        "update {t} set valid_from = as_of_date + 2 where customer_id = '003'",
        {"tier_is_valid_by_tomorrow"},
    ),
    (
        TIERS,
        "update {t} set policy_version = null where customer_id = '003'",
        {"policy_version_is_known"},
    ),
    (
        OTHER_TIERS,
        f"update {{t}} set as_of_date = '2026-08-31', evaluation_date = '2026-08-31' where {RFM} and tier_rank = 2",
        {"scheme_is_of_one_evaluation"},
    ),
    (OTHER_TIERS, f"update {{t}} set evaluation_date = null where {RFM}", {"scheme_is_of_one_evaluation"}),
    (OTHER_TIERS, f"update {{t}} set evaluation_date = '2026-08-31' where {RFM}", {"scheme_is_of_one_evaluation"}),
    (
        OTHER_TIERS,
        (
            "update {t} set as_of_date = as_of_date - 1, evaluation_date = as_of_date - 1, "
            f"valid_from = as_of_date where {RFM}"
        ),
        {"scheme_is_of_one_evaluation"},
    ),
    (
        OTHER_TIERS,
        f"update {{t}} set policy_version = 'rfm@0' where {RFM} and customer_id = '001'",
        {"scheme_is_of_one_evaluation"},
    ),
    (
        OTHER_TIERS,
        f"update {{t}} set policy_version = null where {RFM} and customer_id = '001'",
        {"scheme_is_of_one_evaluation"},
    ),
    (
        OTHER_TIERS,
        "update {t} set tier_rank = 3 where customer_id = '001' and tier_code = 'gold'",
        {"tier_has_one_rank_and_one_label"},
    ),
    (
        OTHER_TIERS,
        "update {t} set label_zh = '金' where customer_id = '001' and tier_code = 'gold'",
        {"tier_has_one_rank_and_one_label"},
    ),
    (OTHER_TIERS, "update {t} set tier_rank = 0 where tier_code = 'low'", {"tier_has_one_rank_and_one_label"}),
    (OTHER_TIERS, "update {t} set label_zh = null where tier_code = 'low'", {"tier_has_one_rank_and_one_label"}),
    (OTHER_TIERS, f"update {{t}} set decided_by = 'entry_door' where {RFM}", {"way_of_deciding_is_known"}),
    (OTHER_TIERS, f"update {{t}} set decided_by = null where {RFM}", {"way_of_deciding_is_known"}),
    (OTHER_TIERS, f"update {{t}} set grace_months_below = 13 where {RFM}", {"grace_and_validity_are_plausible"}),
    (OTHER_TIERS, f"update {{t}} set valid_from = valid_from + 1 where {RFM}", {"grace_and_validity_are_plausible"}),
    (OTHER_TIERS, f"update {{t}} set valid_from = null where {RFM}", {"grace_and_validity_are_plausible"}),
    (
        HISTORY,
        "insert into {t} select * replace (valid_from - 900 as valid_from) from {t} where valid_to is null",
        {"customer_has_one_open_interval", "intervals_follow_on_one_another"},
    ),
    (
        HISTORY,
        "update {t} set valid_to = valid_to - 1 where customer_id = '003' and valid_to is not null",
        {"intervals_follow_on_one_another"},
    ),
    (
        HISTORY,
        "update {t} set valid_to = valid_from where customer_id = '003' and valid_to is not null",
        {"intervals_follow_on_one_another"},
    ),
    (HISTORY, "update {t} set change_kind = 'moved' where customer_id = '003'", {"change_kind_is_known"}),
    (HISTORY, "update {t} set change_kind = 'downgrade' where tier_code = 'none'", {"change_kind_is_known"}),
    (HISTORY, "update {t} set tier_rank = 1 where tier_code = 'none'", {"change_kind_is_known"}),
    (HISTORY, "update {t} set policy_version = null where customer_id = '003'", {"policy_version_is_known"}),
    (
        TRANSITIONS,
        f"insert into {{t}} select * from {{t}} where {PAIR}",
        {"pair_of_tiers_appears_once"},
    ),
    (TRANSITIONS, f"update {{t}} set from_tier_code = null where {PAIR}", {"pair_of_tiers_appears_once"}),
    (TRANSITIONS, f"update {{t}} set customer_count = 0 where {PAIR}", {"somebody_moved_or_stayed"}),
    (
        TRANSITIONS,
        f"update {{t}} set from_tier_code = 'none', to_tier_code = 'none' where {PAIR}",
        {"somebody_moved_or_stayed"},
    ),
    (
        TRANSITIONS,
        "update {t} set month_end_date = month_end_date - 1",
        {"month_end_is_the_last_day_of_a_month"},
    ),
    (TRANSITIONS, f"update {{t}} set policy_version = 'rfm@0' where {PAIR}", {"scheme_has_one_policy_version"}),
    (TRANSITIONS, f"update {{t}} set policy_version = null where {PAIR}", {"scheme_has_one_policy_version"}),
    (TRANSITIONS, f"update {{t}} set customer_count = 9000 where {PAIR}", {"most_customers_stay_where_they_are"}),
    (
        CROSSWALK,
        "insert into {t} select * from {t} where month_end_date = '2026-09-30'",
        {"pair_of_tiers_appears_once"},
    ),
    (
        CROSSWALK,
        (
            "update {t} set tier_code = null where scheme_code = 'rfm'; "
            "update {t} set other_tier_code = null where other_scheme_code = 'rfm'"
        ),
        {"pair_of_tiers_appears_once"},
    ),
    (
        CROSSWALK,
        (
            "insert into {t} values ('rfm', 'best', 'rfm', 'low', '2026-09-30', 1), "
            "('rfm', 'low', 'rfm', 'best', '2026-09-30', -1)"
        ),
        {"schemes_are_two_and_tiers_are_tiers"},
    ),
    (
        CROSSWALK,
        (
            "update {t} set tier_code = 'none' where scheme_code = 'rfm'; "
            "update {t} set other_tier_code = 'none' where other_scheme_code = 'rfm'"
        ),
        {"schemes_are_two_and_tiers_are_tiers"},
    ),
    (CROSSWALK, "update {t} set customer_count = 0", {"schemes_are_two_and_tiers_are_tiers"}),
    (
        CROSSWALK,
        "update {t} set customer_count = 8 where scheme_code = 'rfm'",
        {"pair_counts_the_same_from_both_sides"},
    ),
    (CROSSWALK, "delete from {t} where scheme_code = 'rfm'", {"pair_counts_the_same_from_both_sides"}),
    (
        ENTERPRISES,
        "insert into {t} select * from {t} where enterprise_id = 'e2'",
        {"enterprise_has_one_tier_per_scheme"},
    ),
    (
        ENTERPRISES,
        "update {t} set enterprise_id = null where enterprise_id = 'e2'",
        {"enterprise_has_one_tier_per_scheme"},
    ),
    (ENTERPRISES, "update {t} set fiscal_year = 2027", {"fiscal_year_is_not_in_the_future"}),
    (ENTERPRISES, "update {t} set fiscal_year = null", {"fiscal_year_is_not_in_the_future"}),
    (ENTERPRISES, "update {t} set measure_value = -0.01 where enterprise_id = 'e1'", {"revenue_is_not_negative"}),
    (
        ENTERPRISES,
        "update {t} set measure_value = 100 where enterprise_id = 'e1'",
        {"tiers_by_revenue_do_not_overlap"},
    ),
    (PROSPECTS, "insert into {t} select * from {t} where prospect_id = 'p2'", {"prospect_appears_once"}),
    (PROSPECTS, "update {t} set prospect_id = null where prospect_id = 'p2'", {"prospect_appears_once"}),
    (PROSPECTS, "update {t} set met_date = '2026-11-01'", {"meeting_is_not_in_the_future"}),
    (PROSPECTS, "update {t} set met_date = null", {"meeting_is_not_in_the_future"}),
    (PROSPECTS, "update {t} set branch_id = null", {"branch_is_known"}),
    (
        ASSIGNMENTS,
        "update {t} set customer_id = '001' where customer_id = '003' and slot = 'a'",
        {"customer_has_one_owner_at_most"},
    ),
    (
        ASSIGNMENTS,
        "update {t} set customer_id = '001' where customer_id = '003' and slot = 'b'",
        {"customer_has_one_owner_at_most"},
    ),
    (ASSIGNMENTS, "update {t} set slot = 'c' where slot = 'specialist'", {"slot_is_known"}),
    (
        ASSIGNMENTS,
        "update {t} set employee_id = 'e1' where customer_id = '001' and slot = 'b'",
        {"owner_is_not_his_own_backup"},
    ),
    (ASSIGNMENTS, "update {t} set reason_code = null where slot = 'specialist'", {"reason_is_given"}),
    (ASSIGNMENTS, "update {t} set rule_id = null where slot = 'specialist'", {"reason_is_given"}),
    (
        ASSIGNMENTS,
        "update {t} set valid_from = '2026-11-01' where slot = 'specialist'",
        {"nobody_is_given_a_customer_of_tomorrow"},
    ),
    (
        ASSIGNMENTS,
        "update {t} set valid_from = null where slot = 'specialist'",
        {"nobody_is_given_a_customer_of_tomorrow"},
    ),
    (
        ASSIGNMENTS,
        "delete from {t} where slot = 'b' and customer_id = '003'",
        {"most_customers_have_a_backup"},
    ),
    (QUEUE, "update {t} set customer_id = '002'", {"customer_waits_once"}),
    (QUEUE, "update {t} set customer_id = null where customer_id = '004'", {"customer_waits_once"}),
    (QUEUE, "update {t} set rule_id = null where customer_id = '004'", {"somebody_must_see_to_it"}),
    (QUEUE, "update {t} set reason_code = null where customer_id = '004'", {"somebody_must_see_to_it"}),
    (QUEUE, "update {t} set owner_role_code = null where customer_id = '004'", {"somebody_must_see_to_it"}),
    (QUEUE, "update {t} set since_date = '2026-11-01' where customer_id = '004'", {"waiting_began_by_today"}),
    (QUEUE, "update {t} set since_date = null where customer_id = '004'", {"waiting_began_by_today"}),
    (QUEUE, "update {t} set due_date = '2026-10-30' where customer_id = '004'", {"reassignment_is_on_time"}),
    (BOOKS, "insert into {t} select * from {t} where employee_id = 'e2'", {"employee_appears_once"}),
    (BOOKS, "update {t} set employee_id = null where employee_id = 'e2'", {"employee_appears_once"}),
    (BOOKS, "update {t} set a_count = 2 where employee_id = 'e2'", {"counts_are_whole"}),
    (BOOKS, "update {t} set a_count = null where employee_id = 'e2'", {"counts_are_whole"}),
    (BOOKS, "update {t} set customer_count = null where employee_id = 'e2'", {"counts_are_whole"}),
    (BOOKS, "update {t} set customer_count = -1, a_count = -1 where employee_id = 'e2'", {"counts_are_whole"}),
    (BOOKS, "update {t} set b_count = -1 where employee_id = 'e2'", {"counts_are_whole"}),
    (BOOKS, "update {t} set b_count = null where employee_id = 'e2'", {"counts_are_whole"}),
    (
        BOOKS,
        "update {t} set customer_count = 2, a_count = 2 where employee_id = 'e1'",
        {"few_books_are_over_capacity"},
    ),
    (
        GRANTS,
        "update {t} set valid_to = '2026-08-10', as_of_date = '2026-08-10' where valid_to = '2026-08-05'",
        {"grants_follow_on_one_another"},
    ),
    (
        GRANTS,
        "update {t} set valid_to = valid_from, as_of_date = valid_from where valid_to = '2026-08-05'",
        {"grants_follow_on_one_another"},
    ),
    (
        GRANTS,
        "update {t} set valid_to = null, as_of_date = valid_from where valid_to = '2026-08-05'",
        {"grants_follow_on_one_another"},
    ),
    (GRANTS, "update {t} set customer_id = null where employee_id = 'e2'", {"grant_names_employee_and_customer"}),
    (GRANTS, "update {t} set employee_id = null where employee_id = 'e2'", {"grant_names_employee_and_customer"}),
    (
        GRANTS,
        "update {t} set purpose = 'curiosity' where employee_id = 'e2' and purpose = 'queue'",
        {"purpose_is_known"},
    ),
    (GRANTS, "update {t} set purpose = null where employee_id = 'e2' and purpose = 'queue'", {"purpose_is_known"}),
    (
        GRANTS,
        "update {t} set purpose = 'maintenance', customer_id = '001' where employee_id = 'e2' and purpose = 'queue'",
        {"grants_follow_on_one_another", "customer_is_maintained_by_one"},
    ),
    (GRANTS, "update {t} set basis = null where employee_id = 'e2'", {"basis_and_policy_version_are_known"}),
    (GRANTS, "update {t} set policy_version = null where employee_id = 'e2'", {"basis_and_policy_version_are_known"}),
    (GRANTS, "update {t} set as_of_date = valid_from where valid_to is not null", {"row_is_of_its_last_change"}),
    (GRANTS, "update {t} set as_of_date = null where purpose = 'acting_backup'", {"row_is_of_its_last_change"}),
    (
        CREDITS,
        "insert into {t} select * from {t} where is_shadow",
        {"credit_appears_once"},
    ),
    (CREDITS, "update {t} set recipient_id = null where is_shadow", {"credit_appears_once"}),
    (CREDITS, "update {t} set share = 0.99 where revenue_id = 'r3'", {"shares_of_a_revenue_item_sum_to_1"}),
    (
        CREDITS,
        "update {t} set is_shadow = false where is_shadow",
        {"shares_of_a_revenue_item_sum_to_1", "credits_are_within_the_fen_of_their_share"},
    ),
    (
        CREDITS,
        "delete from {t} where revenue_id = 'r2' and credit_kind = 'referrer'",
        {"shares_of_a_revenue_item_sum_to_1"},
    ),
    (CREDITS, "update {t} set amount_cny = 10.06 where is_shadow", {"credits_are_within_the_fen_of_their_share"}),
    (CREDITS, "update {t} set amount_cny = null where is_shadow", {"credits_are_within_the_fen_of_their_share"}),
    (CREDITS, "update {t} set credit_kind = 'bonus' where is_shadow", {"kinds_are_known"}),
    (CREDITS, "update {t} set recipient_kind = 'branch' where recipient_kind = 'pool'", {"kinds_are_known"}),
    (CREDITS, "update {t} set recipient_kind = 'employee' where credit_kind = 'pool'", {"kinds_are_known"}),
    (
        CREDITS,
        "update {t} set recipient_id = 'unknown_branch' where credit_kind = 'pool'",
        {"pools_of_unknown_branches_are_rare"},
    ),
    (CREDITS, "update {t} set rule_id = null where is_shadow", {"rule_and_policy_version_are_known"}),
    (CREDITS, "update {t} set policy_version = null where is_shadow", {"rule_and_policy_version_are_known"}),
    *maintenance.DEFECTS,
    *appraisal.DEFECTS,
    *scores.DEFECTS,
]

SUITES: dict[str, Suite] = {s.name: s for s in load_suites()}


def _damaged(healthy: Path, tmp_path: Path, suite: str, sql: str) -> Path:
    path = Path(shutil.copy(healthy, tmp_path / "warehouse.duckdb"))
    with duckdb.connect(str(path)) as con:
        con.execute(sql.format(t=SUITES[suite].table))
    return path


def test_every_expectation_judges_the_healthy_warehouse_and_passes(
    healthy: Path, tmp_path: Path, as_of_date: date
) -> None:
    results = run_suites(healthy, as_of_date, tmp_path)
    assert [r.check_name for r in results] == [f"gx.{s.name}.{e.name}" for s in load_suites() for e in s.expectations]
    assert [r for r in results if r.status != "pass" or r.failed_count] == []


@pytest.mark.parametrize(
    ("suite", "sql", "tripped"), DEFECTS, ids=[f"{s}-{'-'.join(sorted(t))}" for s, _, t in DEFECTS]
)
def test_a_defect_trips_exactly_the_expectations_made_for_it(
    healthy: Path, tmp_path: Path, as_of_date: date, suite: str, sql: str, tripped: set[str]
) -> None:
    damaged = _damaged(healthy, tmp_path, suite, sql)
    results = run_suites(damaged, as_of_date, tmp_path / "out", suites=(SUITES[suite],))
    failed = [r for r in results if r.status != "pass"]
    assert {r.check_name.rsplit(".", 1)[1] for r in failed} == tripped
    assert {r.status for r in failed} == {"fail"}
    assert all(r.failed_count > 0 for r in failed)


def test_every_expectation_has_a_defect_that_trips_it() -> None:
    declared = {(s.name, e.name) for s in load_suites() for e in s.expectations}
    tripped = {(suite, name) for suite, _, names in DEFECTS for name in names}
    assert declared - tripped == set()
    assert tripped - declared == set()


@pytest.mark.parametrize(
    ("day", "column", "same_as"),
    [
        ("2026-02-01", "aum_month_avg_cny", "aum_cny"),
        ("2026-03-15", "aum_year_avg_cny", "aum_quarter_avg_cny"),
    ],
)
def test_averages_are_compared_on_the_days_when_their_periods_coincide(
    healthy: Path, tmp_path: Path, day: str, column: str, same_as: str
) -> None:
    suite = SUITES[ASSETS]
    equal = f"update {{t}} set as_of_date = '{day}', aum_month_avg_cny = aum_cny, \
        aum_quarter_avg_cny = 1, aum_year_avg_cny = 1"
    path = _damaged(healthy, tmp_path, ASSETS, equal)
    as_of = date.fromisoformat(day)
    assert {r.status for r in run_suites(path, as_of, tmp_path / "a", suites=(suite,))} == {"pass"}
    with duckdb.connect(str(path)) as con:
        con.execute(f"update {suite.table} set {column} = {same_as} + 0.01")
    failed = [r for r in run_suites(path, as_of, tmp_path / "b", suites=(suite,)) if r.status == "fail"]
    assert [r.check_name.rsplit(".", 1)[1] for r in failed] == ["averages_agree_where_periods_coincide"]


def test_landing_suites_agree_with_the_contracts_on_owner_and_on_what_may_be_absent() -> None:
    feeds = {f"raw.{f.raw_table}": f for f in load_contracts().values()}
    landing = [s for s in load_suites() if s.name.startswith("landing.")]
    assert landing
    for suite in landing:
        feed = feeds[suite.table]
        assert suite.name == f"landing.{feed.raw_table}"
        assert suite.owner == feed.owner
        assert suite.may_be_empty == (feed.compulsory != "daily")


def test_every_compulsory_table_fails_when_it_is_empty() -> None:
    emptied = {suite for suite, sql, _ in DEFECTS if sql == "delete from {t}"}
    assert emptied == {s.name for s in load_suites() if not s.may_be_empty}


def test_queries_for_unexpected_rows_bring_no_value_of_the_data() -> None:
    for suite in load_suites():
        for expectation in suite.expectations:
            query = expectation.kwargs.get("unexpected_rows_query", "select 1 from {batch}")
            assert "{batch}" in query, expectation.name
            assert query.startswith(("select 1 from {batch}", "with ")), expectation.name
            assert "select 1 from" in query, expectation.name


def test_an_optional_feed_without_a_delivery_is_reported_as_skipped(
    healthy: Path, tmp_path: Path, as_of_date: date
) -> None:
    path = _damaged(healthy, tmp_path, WEALTH, "update {t} set business_date = '2026-10-30'")
    with duckdb.connect(str(path)) as con:
        con.execute(f"drop table {SUITES[LOANS].table}")
    suites = (SUITES[WEALTH], SUITES[LOANS], SUITES[CARDS])
    results = run_suites(path, as_of_date, tmp_path / "out", suites=suites)
    for suite in (WEALTH, LOANS):
        own = [r for r in results if r.suite == suite]
        assert len(own) == len(SUITES[suite].expectations)
        assert {(r.status, r.detail) for r in own} == {("skipped", NO_DELIVERY)}
    assert {r.status for r in results if r.suite == CARDS} == {"pass"}
    assert [p.name for p in (tmp_path / "out").iterdir()] == [f"{CARDS}.json"]


def test_a_compulsory_table_that_is_absent_is_an_error_that_names_it(
    healthy: Path, tmp_path: Path, as_of_date: date
) -> None:
    path = _damaged(healthy, tmp_path, ASSETS, "drop table {t}")
    results = run_suites(path, as_of_date, tmp_path / "out", suites=(SUITES[ASSETS],))
    assert len(results) == len(SUITES[ASSETS].expectations)
    assert {r.status for r in results} == {"error"}
    assert all("assets.customer_assets: expected the table" in r.detail for r in results)


def test_an_expectation_that_raises_is_an_error_while_the_others_are_judged(
    healthy: Path, tmp_path: Path, as_of_date: date
) -> None:
    path = _damaged(healthy, tmp_path, POSITIONS, "update {t} set quantity = -1")
    suite = SUITES[POSITIONS].model_copy(
        update={
            "expectations": (
                *SUITES[POSITIONS].expectations,
                SUITES[POSITIONS]
                .expectations[0]
                .model_copy(
                    update={
                        "name": "asks_for_a_column_that_is_not_there",
                        "kwargs": {"column": "nowhere", "min_value": 0},
                    }
                ),
                SUITES[WEALTH]
                .expectations[2]
                .model_copy(
                    update={
                        "name": "quotes_a_value_in_its_error",
                        "kwargs": {
                            "unexpected_rows_query": "select 1 from {batch} where cast(instrument_id as integer) > 0"
                        },
                    }
                ),
            )
        }
    )
    fail, absent, quoting = run_suites(path, as_of_date, tmp_path / "out", suites=(suite,))
    assert fail.status == "fail"
    assert absent.status == "error"
    assert "nowhere" in absent.detail
    assert quoting.status == "error"
    assert "ConversionException" in quoting.detail
    assert "i1" not in quoting.detail
    stored = (tmp_path / "out" / f"{POSITIONS}.json").read_text(encoding="utf-8")
    assert "i1" not in json.dumps([r["exception_info"] for r in json.loads(stored)["results"]])


def test_the_warehouse_can_be_written_again_after_a_run(healthy: Path, tmp_path: Path, as_of_date: date) -> None:
    path = _damaged(healthy, tmp_path, FX, "alter table {t} drop column rate_cny")
    results = run_suites(path, as_of_date, tmp_path / "out", suites=(SUITES[FX], SUITES[CARDS]))
    assert {r.status for r in results} == {"error", "pass"}
    with duckdb.connect(str(path)) as con:
        con.execute(f"alter table {SUITES[FX].table} add column rate_cny decimal(18,8)")


def test_two_runs_of_a_day_write_the_same_bytes(healthy: Path, tmp_path: Path, as_of_date: date) -> None:
    suites = (SUITES[ASSETS], SUITES[FX])
    for run in ("a", "b"):
        run_suites(healthy, as_of_date, tmp_path / run, suites=suites)
    for suite in suites:
        first, second = ((tmp_path / run / f"{suite.name}.json").read_bytes() for run in "ab")
        assert first == second


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("may_be_empty: false", "needs a blocking"),
        ("may_be_empty: true", "named twice"),
    ],
)
def test_a_suite_that_could_pass_on_nothing_or_hide_a_name_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "landing").mkdir()
    expectation = "{name: a, severity: warn, en: x, zh: x, type: ExpectColumnToExist, kwargs: {}}"
    (tmp_path / "landing" / "x__y.yaml").write_text(
        f"table: raw.x__y\ntitle: {{en: X, zh: X}}\nowner: o\nfilter: 'true'\n{text}\n"
        f"expectations: [{expectation}" + (f", {expectation}]" if "true" in text else "]"),
        encoding="utf-8",
    )
    with pytest.raises(ValueError, match=message):
        load_suites(tmp_path)


def test_the_fixture_has_every_landing_table_of_the_suites(landed_feeds: set[str]) -> None:
    landing = {s.table for s in load_suites() if s.name.startswith("landing.")}
    assert {f"raw.{load_contracts()[k].raw_table}" for k in landed_feeds} == landing

"""A tiny warehouse: typed as contracts and marts say, healthy, small enough to damage by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.lib.contracts import load_contracts
from tests.expectations import appraisal, maintenance, scores

AS_OF = date(2026, 10, 31)
EVALUATED = date(2026, 9, 30)

# One day's healthy rows per raw view, in the order of the columns named.
RAW_ROWS: dict[str, tuple[str, list[str]]] = {
    "core_banking.customers": (
        (
            "customer_id, sex, birth_date, annual_income, home_branch_id, opened_date, "
            "closed_date, deceased_date, is_employee"
        ),
        [
            "'001', 'f', '1970-02-28', 250000, 'b1', '2010-05-01', null, null, false",
            "'002', 'm', '1990-12-31', null, 'b1', '2015-01-01', '2026-01-31', '2026-01-15', false",
        ],
    ),
    "core_banking.deposit_accounts": (
        (
            "account_id, customer_id, product_code, branch_id, currency, balance, term_months, "
            "opened_date, maturity_date, status"
        ),
        [
            "'a1', '001', 'p1', 'b1', 'CNY', 120000.50, 0, '2010-05-01', null, 'open'",
            "'a2', '001', 'p1', 'b1', 'USD', 900, 12, '2026-01-01', '2027-01-01', 'open'",
            "'a3', '002', 'p1', 'b1', 'CNY', 0, 0, '2015-01-01', null, 'closed'",
        ],
    ),
    "core_banking.account_owners": (
        "account_id, customer_id, owner_role, share",
        [
            "'a1', '001', 'primary', 0.33333333",
            "'a1', '002', 'joint', 0.33333333",
            "'a1', '003', 'joint', 0.33333333",
        ],
    ),
    "core_banking.deposit_transactions": (
        "transaction_id, account_id, posted_date, amount, currency, transaction_kind",
        [
            "'t1', 'a1', '2026-10-31', 8000, 'CNY', 'salary'",
            "'t2', 'a1', '2026-10-30', -20, 'CNY', 'fee'",
        ],
    ),
    "reference.products": (
        "product_code, product_name, product_family, product_grade, risk_level, is_agency_sale",
        ["'p1', 'Demand', 'deposit', 1, null, false", "'p2', 'Fund A', 'fund', 2, 'r2', true"],
    ),
    "reference.branches": (
        ("branch_id, branch_name, branch_level, parent_branch_id, successor_branch_id, opened_date, closed_date"),
        [
            "'b0', 'Head', 'head_office', null, null, '2000-01-01', null",
            "'b1', 'Lake', 'outlet', 'b0', null, '2001-01-01', null",
            "'b2', 'Hill', 'outlet', 'b0', 'b1', '2001-01-01', '2020-01-01'",
        ],
    ),
    "market.fx_rates": ("currency, rate_cny", ["'CNY', 1", "'USD', 7.1", "'JPY', 0.047"]),
    "market.instrument_prices": ("instrument_id, currency, price", ["'i1', 'CNY', 1.2345"]),
    "wealth.wealth_holdings": (
        (
            "holding_id, customer_id, product_code, branch_id, instrument_id, currency, units, "
            "cost_amount, opened_date, maturity_date, status"
        ),
        ["'h1', '001', 'p2', 'b1', 'i1', 'CNY', 1000, 1100, '2025-01-01', '2027-01-01', 'open'"],
    ),
    "loan.loans": (
        (
            "loan_id, customer_id, product_code, branch_id, currency, principal, "
            "outstanding_balance, interest_rate, opened_date, maturity_date, days_past_due, "
            "loan_class, status"
        ),
        [
            ("'l1', '001', 'p3', 'b1', 'CNY', 500000, 420000, 0.0435, '2020-01-01', '2040-01-01', 0, 'pass', 'open'"),
            ("'l2', '002', 'p3', 'b1', 'CNY', 9000, 9500, 0.05, '2024-01-01', '2026-01-01', 120, 'doubtful', 'open'"),
        ],
    ),
    "card.card_accounts": (
        (
            "card_id, customer_id, product_code, branch_id, card_kind, card_grade, currency, "
            "outstanding_balance, credit_limit, opened_date, status"
        ),
        [
            "'c1', '001', 'p4', 'b1', 'credit', 'gold', 'CNY', 1200, 50000, '2019-01-01', 'open'",
            "'c2', '001', 'p4', 'b1', 'debit', 'standard', 'CNY', 0, null, '2019-01-01', 'open'",
        ],
    ),
    "card.card_transactions": (
        "transaction_id, card_id, posted_date, amount, currency, transaction_kind",
        [
            "'x1', 'c1', '2026-10-31', 300, 'CNY', 'purchase'",
            "'x2', 'c1', '2026-10-31', -30, 'CNY', 'refund'",
        ],
    ),
    "brokerage.custody_accounts": (
        ("custody_account_id, customer_id, broker_code, branch_id, currency, margin_balance, linked_date, status"),
        ["'k1', '001', 'br1', 'b1', 'CNY', 5000, '2018-01-01', 'open'"],
    ),
    "brokerage.security_positions": (
        "custody_account_id, instrument_id, quantity",
        ["'k1', 'i1', 100"],
    ),
    "finance.gl_balances": (
        "branch_id, product_family, currency, balance",
        ["'b1', 'deposit', 'CNY', 120000.50", "'b1', 'fund', 'CNY', 1234.50"],
    ),
    "hr.employees": (
        "employee_id, employee_name, branch_id, role_code, status, hired_date, left_date, capacity",
        [
            "'e1', 'A', 'b1', 'wealth_manager', 'active', '2015-01-01', null, 300",
            "'e2', 'B', 'b1', 'wealth_manager', 'left', '2015-01-01', '2026-06-30', null",
        ],
    ),
    "crm.households": (
        "household_id, customer_id, member_role, consent_date, valid_from, valid_to",
        [
            "'f1', '001', 'head', '2024-01-01', '2024-01-01', null",
            "'f1', '002', 'member', '2024-01-01', '2024-01-01', null",
        ],
    ),
}

_CNY = "decimal(18,2)"
ASSET_COLUMNS = (
    "deposit_cny",
    "wealth_cny",
    "fund_cny",
    "insurance_cny",
    "bond_cny",
    "precious_metal_cny",
    "securities_cny",
    "custody_margin_cny",
)
MARTS = f"""
create table assets.customer_assets (
    customer_id varchar, as_of_date date, home_branch_id varchar, household_id varchar,
    is_partial_window boolean, is_month_partial boolean, is_quarter_partial boolean,
    is_year_partial boolean, aum_cny {_CNY}, aum_month_avg_cny {_CNY}, aum_quarter_avg_cny {_CNY},
    aum_year_avg_cny {_CNY}, {", ".join(f"{c} {_CNY}" for c in ASSET_COLUMNS)},
    loan_balance_cny {_CNY}, card_spend_365d_cny {_CNY}, highest_card_grade varchar,
    product_family_count bigint, is_in_scope boolean, entry_doors varchar
);
create table assets.customer_assets_monthly (
    customer_id varchar, month_end_date date, as_of_date date, aum_cny {_CNY},
    aum_month_avg_cny {_CNY}, aum_quarter_avg_cny {_CNY}
);
create table assets.branch_assets_daily (
    branch_id varchar, product_family varchar, currency varchar, business_date date,
    as_of_date date, balance {_CNY}, balance_cny {_CNY}, customer_count bigint
);
create table tiering.customer_tier (
    customer_id varchar, scheme_code varchar, as_of_date date, tier_code varchar, tier_rank int,
    label_zh varchar, measure_code varchar, measure_value {_CNY}, indicative_tier_code varchar,
    grace_months_below int, decided_by varchar, rule_id varchar, valid_from date,
    policy_version varchar, evaluation_date date
);
create table tiering.customer_tier_history (
    customer_id varchar, scheme_code varchar, as_of_date date, valid_from date, valid_to date,
    tier_code varchar, tier_rank int, change_kind varchar, policy_version varchar
);
create table tiering.tier_transition (
    scheme_code varchar, month_end_date date, from_tier_code varchar, to_tier_code varchar,
    customer_count bigint, policy_version varchar
);
create table tiering.scheme_crosswalk (
    scheme_code varchar, tier_code varchar, other_scheme_code varchar, other_tier_code varchar,
    month_end_date date, customer_count bigint
);
create table tiering.enterprise_tier (
    enterprise_id varchar, scheme_code varchar, as_of_date date, tier_code varchar, tier_rank int,
    fiscal_year bigint, measure_value {_CNY}
);
create table tiering.prospect (
    prospect_id varchar, as_of_date date, met_date date, branch_id varchar
);
create table crm.access_grant (
    employee_id varchar, customer_id varchar, purpose varchar, as_of_date date, valid_from date, valid_to date,
    basis varchar, policy_version varchar
);
create table appraisal.attribution (
    revenue_id varchar, recipient_id varchar, credit_kind varchar, as_of_date date, business_date date,
    posted_date date, customer_id varchar, situation_code varchar, recipient_kind varchar, is_shadow boolean,
    share decimal(18,8), amount_cny {_CNY}, rule_id varchar, policy_version varchar
);
create table crm.assignment (
    customer_id varchar, slot varchar, slot_no bigint, as_of_date date, employee_id varchar, reason_code varchar,
    rule_id varchar, valid_from date
);
create table crm.exception_queue (
    customer_id varchar, rule_id varchar, as_of_date date, reason_code varchar, owner_role_code varchar,
    since_date date, due_date date
);
create table crm.book (
    employee_id varchar, as_of_date date, customer_count bigint, capacity bigint, a_count bigint, b_count bigint
);
insert into assets.customer_assets by name
select
    customer_id, date '{AS_OF}' as as_of_date, 'b1' as home_branch_id,
    false as is_partial_window, false as is_month_partial, false as is_quarter_partial,
    true as is_year_partial, deposit + fund as aum_cny, average as aum_month_avg_cny,
    average as aum_quarter_avg_cny, average as aum_year_avg_cny, deposit as deposit_cny,
    fund as fund_cny, null as securities_cny, 0 as custody_margin_cny, 2 as product_family_count,
    door <> '' as is_in_scope, door as entry_doors
from (values
    ('001', 126390.50, 1234.50, 125000.00, 'door_assets'),
    ('002', 0.00, 0.00, 10.00, ''),
    ('003', 60000.00, 0.00, 60000.00, 'door_assets'),
    ('004', -50.00, 0.00, 0.00, 'door_card')
) as t(customer_id, deposit, fund, average, door);
insert into assets.customer_assets_monthly
select
    customer_id, as_of_date, as_of_date, aum_cny, aum_month_avg_cny, aum_quarter_avg_cny
from assets.customer_assets;
insert into assets.branch_assets_daily
select * from (values
    ('b1', 'deposit', 'CNY', date '{AS_OF}', date '{AS_OF}', 120000.50, 120000.50, 2),
    ('b1', 'deposit', 'USD', date '{AS_OF}', date '{AS_OF}', 900.00, 6390.00, 1),
    ('b1', 'fund', 'CNY', date '{AS_OF}', date '{AS_OF}', 1000.00, 1234.50, 1)
);
insert into tiering.customer_tier
select
    customer_id, 'branch_tiered_maintenance', date '{AS_OF}', tier, tier_rank, label,
    'aum_month_avg', measure, tier, 0, decided_by, 'r', date '2026-10-01', '2026.1', date '{EVALUATED}'
from (values
    ('001', 'lobby_adopted', 3, '大堂认领', 125000.00, 'individual'),
    ('002', 'none', 0, '未纳入', 10.00, 'individual'),
    ('003', 'staff_maintained', 2, '员工维护', 60000.00, 'individual'),
    ('004', 'special_entry', 1, '特殊准入', 0.00, 'entry_door')
) as t(customer_id, tier, tier_rank, label, measure, decided_by);
insert into tiering.customer_tier
select
    customer_id, scheme, date '{EVALUATED}', tier, tier_rank, label, 'points', 1, tier, grace, decided_by, 'r',
    date '2026-10-01', scheme || '@1', date '{EVALUATED}'
from (values
    ('001', 'rfm', 'best', 2, '优', 0, 'individual'),
    ('002', 'rfm', 'low', 1, '低', 0, 'veto'),
    ('003', 'rfm', 'none', 0, '无', 0, 'individual'),
    ('001', 'family_card', 'gold', 2, '金卡', 1, 'grace'),
    ('002', 'family_card', 'gold', 2, '金卡', 0, 'household')
) as t(customer_id, scheme, tier, tier_rank, label, grace, decided_by);
insert into tiering.customer_tier_history
select customer_id, scheme, valid_from, valid_from, valid_to, tier, tier_rank, kind, 'v1' from (values
    ('001', 'branch_tiered_maintenance', date '2026-08-01', date '2026-10-01', 'special_entry', 1, 'enter'),
    ('001', 'branch_tiered_maintenance', date '2026-10-01', null, 'lobby_adopted', 3, 'upgrade'),
    ('003', 'branch_tiered_maintenance', date '2026-08-01', date '2026-09-10', 'staff_maintained', 2, 'enter'),
    ('003', 'branch_tiered_maintenance', date '2026-09-10', null, 'none', 0, 'exit'),
    ('001', 'rfm', date '2026-10-01', null, 'best', 2, 'enter')
) as t(customer_id, scheme, valid_from, valid_to, tier, tier_rank, kind);
insert into tiering.tier_transition values
    ('rfm', '{EVALUATED}', 'none', 'best', 5, 'rfm@1'),
    ('rfm', '{EVALUATED}', 'low', 'best', 900, 'rfm@1'),
    ('rfm', '{EVALUATED}', 'best', 'best', 600, 'rfm@1'),
    ('family_card', '{EVALUATED}', 'none', 'gold', 1, 'family_card@1'),
    ('rfm', '2026-08-31', 'none', 'none', 0, null);
insert into tiering.scheme_crosswalk values
    ('rfm', 'best', 'family_card', 'gold', '{EVALUATED}', 7),
    ('family_card', 'gold', 'rfm', 'best', '{EVALUATED}', 7),
    ('rfm', 'best', 'rfm', 'best', '2026-08-31', 7);
insert into tiering.enterprise_tier values
    ('e1', 'corporate_five_level', '{AS_OF}', 'small', 1, 2025, 99.99),
    ('e2', 'corporate_five_level', '{AS_OF}', 'large', 2, 2026, 100.00);
insert into tiering.prospect values
    ('p1', '{AS_OF}', '{AS_OF}', 'b1'), ('p2', '{AS_OF}', '2026-01-01', 'b1');
insert into crm.access_grant values
    ('e1', '001', 'maintenance', '2026-09-10', '2026-08-01', '2026-09-10', 'old_crm', 'books@1'),
    ('e2', '001', 'maintenance', '2026-09-10', '2026-09-10', null, 'customer_choice', 'books@1'),
    ('e1', '001', 'acting_backup', '2026-09-12', '2026-09-12', null, 'backup', 'books@1'),
    ('e1', '003', 'queue', '2026-08-05', '2026-08-01', '2026-08-05', 'deceased', 'books@1'),
    ('e1', '003', 'queue', '2026-08-09', '2026-08-09', null, 'deceased', 'books@1'),
    ('e2', '003', 'queue', '2026-08-09', '2026-08-09', null, 'deceased', 'books@1');
insert into appraisal.attribution
select
    revenue_id, recipient, kind, date '{AS_OF}', date '{AS_OF}', date '{AS_OF}', '001', 'held', recipient_kind,
    is_shadow, share, amount, 'G15', 'books@1'
from (values
    ('r1', 'e1', 'initial', 'employee', false, 1, 10.01),
    ('r1', 'e2', 'current', 'employee', true, 1, 10.01),
    ('r2', 'e1', 'referrer', 'employee', false, 0.5, -0.02),
    ('r2', 'b1', 'specialist', 'pool', false, 0.5, -0.01),
    ('r3', 'b1', 'pool', 'pool', false, 1, 3.00)
) as t(revenue_id, recipient, kind, recipient_kind, is_shadow, share, amount);
insert into crm.assignment values
    ('001', 'a', 1, '{AS_OF}', 'e1', 'old_crm', 'A9-09', '2020-01-01'),
    ('001', 'b', 1, '{AS_OF}', 'e3', 'backup', 'A9-20', '2026-10-31'),
    ('001', 'specialist', 10, '{AS_OF}', 'e3', 'referral', 'A9-07', '2026-10-30'),
    ('003', 'a', 1, '{AS_OF}', 'e2', 'new_in_scope', 'A9-10', '2026-10-31'),
    ('003', 'b', 1, '{AS_OF}', 'e4', 'backup', 'A9-20', '2026-10-31');
insert into crm.exception_queue values
    ('002', 'G35', '{AS_OF}', 'risk_veto', 'compliance_officer', '2026-10-01', null),
    ('004', 'G13', '{AS_OF}', 'owner_left', 'outlet_head', '2026-10-31', '2026-10-31');
insert into crm.book values
    ('e1', '{AS_OF}', 1, 1, 1, 0), ('e2', '{AS_OF}', 1, 300, 1, 0), ('e3', '{AS_OF}', 0, 0, 0, 1);
"""


def build_warehouse(path: Path) -> Path:
    """Write the healthy warehouse: every raw table of RAW_ROWS and the marts."""
    con = duckdb.connect(str(path))
    for schema in ("raw", "assets", "tiering", "crm", "maintenance", "appraisal"):
        con.execute(f"create schema {schema}")
    for feed_id, (columns, rows) in RAW_ROWS.items():
        feed = load_contracts()[feed_id]
        typed = ", ".join(f"{c.name} {c.sql_type}" for c in feed.raw_columns)
        con.execute(f"create table raw.{feed.raw_table} ({typed}, business_date date)")
        values = ", ".join(f"({row}, '{AS_OF}')" for row in rows)
        con.execute(f"insert into raw.{feed.raw_table} ({columns}, business_date) values {values}")
    con.execute(MARTS)
    con.execute(maintenance.tables(AS_OF))
    con.execute(appraisal.tables(AS_OF))
    con.execute(scores.tables(AS_OF))
    con.close()
    return path


@pytest.fixture(scope="session")
def as_of_date() -> date:
    return AS_OF


@pytest.fixture(scope="session")
def landed_feeds() -> set[str]:
    """Feeds whose raw table the healthy warehouse holds."""
    return set(RAW_ROWS)


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The healthy warehouse; copy it before damaging it."""
    return build_warehouse(tmp_path_factory.mktemp("healthy") / "warehouse.duckdb")

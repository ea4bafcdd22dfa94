"""What the demo bank is made of: calendar, currencies, products, instruments, roles, names."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

ECB_RATES = Path(__file__).resolve().parents[1] / "data" / "ecb_cny_cross_rates.csv"
CURRENCIES = ("CNY", "EUR", "USD", "HKD", "JPY", "GBP")
_RATE_COLUMNS = {
    "EUR": ("CNY_per_EUR", 1),
    "USD": ("CNY_per_USD", 1),
    "HKD": ("CNY_per_HKD", 1),
    "JPY": ("CNY_per_100JPY", 100),
    "GBP": ("CNY_per_GBP", 1),
}

# Public holidays of 2026 in mainland China (first day, last day); the exchanges are closed.
HOLIDAYS = (
    (date(2026, 1, 1), date(2026, 1, 3)),
    (date(2026, 2, 15), date(2026, 2, 23)),
    (date(2026, 4, 4), date(2026, 4, 6)),
    (date(2026, 5, 1), date(2026, 5, 5)),
    (date(2026, 6, 19), date(2026, 6, 21)),
    (date(2026, 9, 25), date(2026, 9, 27)),
    (date(2026, 10, 1), date(2026, 10, 7)),
)
# Days on which customers are greeted.
FESTIVALS = frozenset(
    (
        date(2026, 1, 1),
        date(2026, 2, 17),
        date(2026, 3, 3),
        date(2026, 5, 1),
        date(2026, 6, 19),
        date(2026, 9, 25),
        date(2026, 10, 1),
    )
)


def is_business_day(value: date) -> bool:
    """Weekdays that are no public holiday."""
    return value.weekday() < 5 and not any(first <= value <= last for first, last in HOLIDAYS)


def previous_business_day(value: date) -> date:
    """The last business day before ``value``."""
    value -= timedelta(days=1)
    while not is_business_day(value):
        value -= timedelta(days=1)
    return value


def business_days_of_month(value: date) -> list[date]:
    days = (value.replace(day=1) + timedelta(days=n) for n in range(31))
    return [day for day in days if day.month == value.month and is_business_day(day)]


def ecb_rates() -> dict[date, dict[str, Decimal]]:
    """CNY for one unit of each currency by fixing day, in date order."""
    rates: dict[date, dict[str, Decimal]] = {}
    with ECB_RATES.open(encoding="utf-8", newline="") as source:
        lines = (line for line in source if not line.startswith("#"))
        for row in csv.DictReader(lines):
            rates[date.fromisoformat(row["date"])] = {
                currency: Decimal(row[column]) / units for currency, (column, units) in _RATE_COLUMNS.items()
            }
    return rates


@dataclass(frozen=True)
class Product:
    code: str
    name: str
    family: str
    grade: int
    risk_level: str | None = None
    is_agency_sale: bool = False
    term_months: int = 0


PRODUCTS = (
    Product("d_dem", "活期储蓄", "deposit", 1),
    Product("d_ntc", "七天通知存款", "deposit", 1),
    Product("d_t03", "定期三个月", "deposit", 1, term_months=3),
    Product("d_t06", "定期六个月", "deposit", 1, term_months=6),
    Product("d_t12", "定期一年", "deposit", 2, term_months=12),
    Product("d_t36", "定期三年", "deposit", 2, term_months=36),
    Product("d_cd12", "大额存单一年", "deposit", 3, term_months=12),
    Product("d_fx", "外币活期", "deposit", 2),
    Product("d_fxt12", "外币定期一年", "deposit", 2, term_months=12),
    Product("w_fix06", "稳健理财六个月", "wealth", 2, "r2", term_months=6),
    Product("w_fix12", "稳健理财一年", "wealth", 2, "r2", term_months=12),
    Product("w_nav", "净值型理财", "wealth", 3, "r3"),
    Product("w_usd", "美元理财", "wealth", 3, "r2"),
    Product("f_money", "货币基金", "fund", 1, "r1", True),
    Product("f_bond", "债券基金", "fund", 2, "r2", True),
    Product("f_equity", "股票基金", "fund", 3, "r4", True),
    Product("f_qdii", "海外基金", "fund", 4, "r5", True),
    Product("i_life", "终身寿险", "insurance", 2, "r1", True),
    Product("i_annuity", "年金保险", "insurance", 3, "r1", True, 60),
    Product("b_sav36", "储蓄国债三年", "bond", 2, "r1", True, 36),
    Product("b_sav60", "储蓄国债五年", "bond", 2, "r1", True, 60),
    Product("m_gold", "积存金", "precious_metal", 2, "r3"),
    Product("m_silver", "账户银", "precious_metal", 2, "r4"),
    Product("s_custody", "第三方存管", "brokerage", 1),
    Product("c_debit", "借记卡", "card", 1),
    Product("c_credit", "信用卡", "card", 2),
    Product("l_mortgage", "住房贷款", "loan", 2),
    Product("l_consumer", "消费贷款", "loan", 1),
    Product("l_auto", "汽车贷款", "loan", 1),
    Product("p_quickpay", "快捷支付", "payment", 1),
)
PRODUCT_CODES = tuple(product.code for product in PRODUCTS)
PRODUCT_INDEX = {code: index for index, code in enumerate(PRODUCT_CODES)}


@dataclass(frozen=True)
class Instrument:
    instrument_id: str
    currency: str
    product_code: str  # the product under which the bank sells it; s_custody = listed security
    price: float
    yearly_volatility: float
    yearly_drift: float


def _instruments() -> tuple[Instrument, ...]:
    listed = [
        Instrument(f"sh6{n * 137 % 1000:05d}", "CNY", "s_custody", 4 + n * 7.3 % 90, 0.32, 0.04) for n in range(1, 41)
    ]
    etfs = [Instrument(f"sz159{n * 29 % 1000:03d}", "CNY", "s_custody", 0.8 + n * 0.37, 0.2, 0.04) for n in range(1, 9)]
    hong_kong = [
        Instrument(f"hk{n * 211 % 10000:05d}", "HKD", "s_custody", 9 + n * 31.7, 0.35, 0.03) for n in range(1, 9)
    ]
    funds = [
        Instrument(f"f00{n:04d}", "CNY", code, price, volatility, drift)
        for n, (code, price, volatility, drift) in enumerate(
            [("f_money", 1.0, 0.0, 0.016)] * 3
            + [("f_bond", 1.12, 0.02, 0.03)] * 10
            + [("f_equity", 1.85, 0.22, 0.05)] * 18,
            start=1,
        )
    ]
    overseas = [Instrument(f"q00{n:04d}", "USD", "f_qdii", 1.2 + 0.1 * n, 0.2, 0.06) for n in range(1, 5)]
    wealth = [Instrument(f"w26{n:04d}", "CNY", "w_nav", 1.02 + 0.01 * n, 0.03, 0.03) for n in range(1, 9)] + [
        Instrument(f"w27{n:04d}", "USD", "w_usd", 1.01, 0.01, 0.035) for n in range(1, 3)
    ]
    metals = [
        Instrument("au_g", "CNY", "m_gold", 812.0, 0.16, 0.05),
        Instrument("ag_g", "CNY", "m_silver", 11.8, 0.28, 0.02),
    ]
    return tuple(listed + etfs + hong_kong + funds + overseas + wealth + metals)


INSTRUMENTS = _instruments()

# role code -> people per outlet; the branch level each works at follows in people.py
TELLER = "teller"
LOBBY_MANAGER = "lobby_manager"
OUTLET_HEAD = "outlet_head"
WEALTH_MANAGER = "wealth_manager"
PRIVATE_WEALTH_MANAGER = "private_wealth_manager"
PRODUCT_MANAGER = "product_manager"
BRANCH_PRESIDENT = "branch_president"
ROLES = (
    TELLER,
    LOBBY_MANAGER,
    OUTLET_HEAD,
    WEALTH_MANAGER,
    PRIVATE_WEALTH_MANAGER,
    PRODUCT_MANAGER,
    BRANCH_PRESIDENT,
)

SURNAMES = tuple("王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余")
GIVEN = tuple("伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华文斌玉兰海燕志鹏雪梅晨宇轩欣怡子涵浩然")
PLACES = (
    "江",
    "河",
    "湖",
    "山",
    "桥",
    "东",
    "西",
    "南",
    "北",
    "新",
    "安",
    "平",
    "泰",
    "和",
    "兴",
    "盛",
)
OCCUPATIONS = (
    "worker",
    "civil_servant",
    "teacher",
    "doctor",
    "engineer",
    "self_employed",
    "manager",
    "farmer",
    "student",
    "retired",
)
EDUCATIONS = ("primary", "secondary", "college", "bachelor", "master", "doctor")
INTERESTS = ("reading", "travel", "sport", "music", "calligraphy", "cooking", "chess", "gardening")
BANKS = ("icbc", "abc", "ccb", "boc", "bocom", "cmb", "citic", "spdb", "cib")
MERCHANTS = (
    "grocery",
    "restaurant",
    "fuel",
    "clothing",
    "electronics",
    "travel",
    "health",
    "education",
    "entertainment",
)

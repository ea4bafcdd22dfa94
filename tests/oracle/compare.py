"""Cells of marts beside those of the oracle of assets and tiers; a difference is a line for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from orchestration.lib.home import Home
from tests.oracle.assets import BOOKS, PRIMARY, Book, Oracle

Rows = Mapping[Any, Mapping[str, Any]]


def rows_like(
    expected: Rows, marts: Home | Path, relation: str, key: tuple[str, ...], condition: str = "true"
) -> dict[Any, dict[str, Any]]:
    """Rows of a mart by key with the columns that are expected. ``marts``: a home's published version, or a file."""
    columns = [*key, *next(iter(expected.values()))]
    path = marts.current / "marts.duckdb" if isinstance(marts, Home) else marts
    with duckdb.connect(str(path), read_only=True) as con:
        found = con.execute(f"select {', '.join(columns)} from {relation} where {condition}").fetchall()
    rows = {row[: len(key)]: dict(zip(columns[len(key) :], row[len(key) :], strict=True)) for row in found}
    assert len(rows) == len(found), f"{relation}: a key is not unique"
    return {k[0] if len(key) == 1 else k: row for k, row in rows.items()}


def tiers_like(expected: Rows, marts: Home | Path, book: Book) -> dict[Any, dict[str, Any]]:
    return rows_like(expected, marts, "tiering.customer_tier", ("customer_id",), f"scheme_code = '{book.scheme}'")


def history_like(expected: Rows, marts: Home | Path, book: Book) -> dict[Any, dict[str, Any]]:
    key, condition = ("customer_id", "valid_from"), f"scheme_code = '{book.scheme}'"
    return rows_like(expected, marts, "tiering.customer_tier_history", key, condition)


def keyed_differences(expected: Rows, found: Rows) -> list[tuple[Any, str]]:
    """(Key, line) per row that only one side has, and per cell that differs."""
    assert expected
    lines = [(key, f"{key}: missing") for key in sorted(expected.keys() - found.keys())]
    lines += [(key, f"{key}: not expected, {found[key]}") for key in sorted(found.keys() - expected.keys())]
    lines += [
        (key, f"{key} {column}: expected {value}, found {found[key][column]}")
        for key, row in sorted(expected.items())
        if key in found
        for column, value in row.items()
        if found[key][column] != value
    ]
    return lines


def differences(expected: Rows, found: Rows) -> list[str]:
    return [line for _, line in keyed_differences(expected, found)]


def fact_differences(oracle: Oracle, marts: Home | Path) -> dict[str, list[tuple[Any, str]]]:
    """What differs in every mart that the oracle knows, by its name: (key, line)."""
    assets, monthly, tiers = oracle.customer_assets(), oracle.monthly(), oracle.tiers()
    for row in tiers.values():
        row.pop("entry_doors")  # stands in customer_assets
    found = {
        "customer_assets": (assets, rows_like(assets, marts, "assets.customer_assets", ("customer_id",))),
        "customer_assets_monthly": (
            monthly,
            rows_like(monthly, marts, "assets.customer_assets_monthly", ("month_end_date", "customer_id")),
        ),
    }
    for book in BOOKS:
        expected = tiers if book is PRIMARY else oracle.month_end_tiers(book)
        history = oracle.history(book)
        found[f"customer_tier {book.scheme}"] = expected, tiers_like(expected, marts, book)
        found[f"customer_tier_history {book.scheme}"] = history, history_like(history, marts, book)
    return {name: keyed_differences(*pair) for name, pair in found.items()}

"""Content hashes: of rows, whatever their order, with column names and types; not of database files."""

from __future__ import annotations

import hashlib

import duckdb


def content_hashes(con: duckdb.DuckDBPyConnection, relation: str, label: str, where: str = "true") -> dict[str, str]:
    """Hash of the rows of each label as hex, in one pass. ``label``: SQL of a text.

    Each row's md5 (64 bits of it; columns as text, joined by 0x1F, NULL as 0x00) is added up, so order does not
    count and duplicates do; column names, types and the row count go in as well.
    """
    shape = columns(con, relation)
    texts = ", ".join(f'coalesce(cast("{name}" as varchar), chr(0))' for name, _ in shape)
    rows = con.execute(
        f"select {label}, count(*), sum(cast(md5_number_lower(concat_ws(chr(31), {texts})) as hugeint)) "
        f"from {relation} where {where} group by all"
    ).fetchall()
    return {name: _digest(shape, totals) for name, *totals in rows}


def content_hash(con: duckdb.DuckDBPyConnection, relation: str) -> str:
    """Hash of all rows of a relation as hex."""
    one = content_hashes(con, relation, "''")
    return one.get("") or _digest(columns(con, relation), [0, None])


def columns(con: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    """Names and types of a relation's columns."""
    return [(name, kind) for name, kind, *_ in con.execute(f"describe select * from {relation}").fetchall()]


def _digest(shape: list[tuple[str, str]], totals: list[int | None]) -> str:
    return hashlib.sha256(repr((shape, tuple(totals))).encode()).hexdigest()

"""Content hashes: of rows, whatever their order, with column names and types; not of database files."""

from __future__ import annotations

import hashlib

import duckdb


def content_hash(con: duckdb.DuckDBPyConnection, relation: str, where: str = "true") -> str:
    """Hash of a relation's rows as hex.

    Each row's md5 (64 bits of it; columns as text, joined by 0x1F, NULL as 0x00) is added up, so order does not
    count and duplicates do; column names, types and the row count go in as well.
    """
    columns = con.execute(f"describe select * from {relation}").fetchall()
    texts = ", ".join(f'coalesce(cast("{name}" as varchar), chr(0))' for name, *_ in columns)
    row_text = f"concat_ws(chr(31), {texts})"
    totals = con.execute(
        f"select count(*), sum(cast(md5_number_lower({row_text}) as hugeint)) from {relation} where {where}"
    ).fetchone()
    shape = [(name, kind) for name, kind, *_ in columns]
    return hashlib.sha256(repr((shape, totals)).encode()).hexdigest()

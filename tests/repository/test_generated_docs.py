"""Generated pages say what the contracts say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestration.lib.contracts import CsvFormat, load_contracts
from orchestration.lib.docs import (
    DOCS_DIR,
    MANIFEST_FIELDS,
    render_landing_contract,
    write_docs,
)
from orchestration.lib.manifest import Manifest


def test_the_landing_contract_page_is_fresh():
    page = (DOCS_DIR / "landing_contract.md").read_text(encoding="utf-8")
    assert page == render_landing_contract(load_contracts()), "docs/landing_contract.md is stale: run `tierhouse docs`"


def test_every_feed_and_column_is_on_the_page():
    contracts = load_contracts()
    page = render_landing_contract(contracts)
    sections = dict(section.split("\n", 1) for section in page.split("\n### ")[1:])
    assert set(sections) == set(contracts)
    for feed_id, feed in contracts.items():
        lines = sections[feed_id].split("\n## ")[0].splitlines()
        rows = [line for line in lines if line.startswith("|")][2:]
        assert [row.split(" | ")[0].strip("|* ") for row in rows] == [column.name for column in feed.columns]


def test_a_changed_contract_changes_the_page():
    contracts = dict(load_contracts())
    feed = contracts["hr.employees"]
    contracts["hr.employees"] = replace(feed, csv=CsvFormat("\x01", "gb18030", header=False))
    page = render_landing_contract(contracts)
    assert "CSV: gb18030, delimiter `\\x01`, without header." in page
    assert page != render_landing_contract(load_contracts())


def test_every_manifest_field_is_explained():
    assert list(MANIFEST_FIELDS) == list(Manifest.model_fields)


def test_writing_pages_twice_changes_them_once(tmp_path: Path):
    assert write_docs(tmp_path) == [tmp_path / "landing_contract.md"]
    assert write_docs(tmp_path) == []

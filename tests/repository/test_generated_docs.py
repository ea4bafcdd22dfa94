"""Generated files say what their sources say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.lib import generated
from orchestration.lib.contracts import CsvFormat, load_contracts
from orchestration.lib.docs import MANIFEST_FIELDS, render_landing_contract
from orchestration.lib.manifest import Manifest
from orchestration.lib.mart_docs import render_marts
from orchestration.lib.marts import MARTS
from orchestration.lib.quality import SCHEMAS
from orchestration.lib.staging import STAGED_FEEDS


def sections(page: str, level: str) -> dict[str, list[str]]:
    """Heading -> first cells of the rows of its table."""
    found = {}
    for section in page.split(f"\n{level} ")[1:]:
        heading, body = section.split("\n", 1)
        rows = [line for line in body.split("\n## ")[0].splitlines() if line.startswith("|")][2:]
        found[heading] = [row.split(" | ")[0].strip("|* ") for row in rows]
    return found


# `make check` runs it: following every column through the SQL takes half a minute.
@pytest.mark.full
def test_generated_files_are_fresh():
    assert generated.stale_files() == [], "run `tierhouse docs`"


def test_stale_files_are_named_and_writing_heals_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    page, model = tmp_path / "docs" / "page.md", tmp_path / "models" / "model.sql"
    monkeypatch.setattr(generated, "PROJECT_ROOT", tmp_path)
    monkeypatch.setattr(generated, "render_files", lambda: {page: "new", model: "select 1"})
    page.parent.mkdir()
    page.write_text("old", encoding="utf-8")
    assert generated.stale_files() == ["docs/page.md", "models/model.sql"]
    generated.write_files()
    assert generated.stale_files() == []
    assert page.read_text(encoding="utf-8") == "new"


def test_every_feed_that_models_read_has_its_staging_model():
    names = {path.stem for path in generated.render_files() if path.suffix == ".sql"}
    assert names == {f"stg_{feed_id.replace('.', '__')}" for feed_id in STAGED_FEEDS}


def test_every_feed_and_column_is_on_the_page():
    contracts = load_contracts()
    columns = sections(render_landing_contract(contracts), "###")
    assert columns == {feed_id: [column.name for column in feed.columns] for feed_id, feed in contracts.items()}


def test_a_changed_contract_changes_the_page():
    contracts = dict(load_contracts())
    feed = contracts["hr.employees"]
    contracts["hr.employees"] = replace(feed, csv=CsvFormat("\x01", "gb18030", header=False))
    page = render_landing_contract(contracts)
    assert "CSV: gb18030, delimiter `\\x01`, without header." in page
    assert page != render_landing_contract(load_contracts())


def test_every_manifest_field_is_explained():
    assert list(MANIFEST_FIELDS) == list(Manifest.model_fields)


def test_every_published_mart_is_on_the_page():
    columns = sections(render_marts(generated.column_contents()), "##")
    assert list(columns) == [mart.relation for mart in MARTS] + [f"quality.{name}" for name in SCHEMAS]
    assert {name: columns[f"quality.{name}"] for name in SCHEMAS} == {n: s.names for n, s in SCHEMAS.items()}
    assert all(set(mart.key) <= set(columns[mart.relation]) for mart in MARTS)

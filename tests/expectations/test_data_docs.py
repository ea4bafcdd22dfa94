"""Data Docs are whole pages of their own: no outside host, no value of the data, no dead link."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from orchestration.lib.data_docs import build_data_docs
from orchestration.lib.expectation_run import ExpectationResult, load_suites, run_suites

SECRET_BALANCE = "98765432.1"
SECRET_ID = "x-7731-secret"

DAMAGE = f"""
update raw.core_banking__customers
set birth_date = '1850-03-04', customer_id = '{SECRET_ID}', annual_income = -{SECRET_BALANCE}
where customer_id = '001';
update raw.core_banking__deposit_accounts set balance = -{SECRET_BALANCE}, maturity_date =
opened_date - 1;
update assets.customer_assets
set customer_id = '{SECRET_ID}', aum_cny = {SECRET_BALANCE}, home_branch_id = 'unknown_branch';
alter table tiering.customer_tier drop column decided_by;
delete from raw.crm__households;
drop table raw.brokerage__security_positions;
"""


class Links(HTMLParser):
    """Every reference of a page, the text of its cells, and the tags it uses."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.references += [v or "" for k, v in attrs if k in {"href", "src", "action"}]


class Docs(NamedTuple):
    folder: Path
    results: list[ExpectationResult]

    @property
    def pages(self) -> list[Path]:
        return sorted(self.folder.rglob("*.html"))

    @property
    def index(self) -> str:
        return (self.folder / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def docs(healthy: Path, as_of_date: date, tmp_path_factory: pytest.TempPathFactory) -> Docs:
    folder = tmp_path_factory.mktemp("docs")
    warehouse = Path(shutil.copy(healthy, folder / "warehouse.duckdb"))
    with duckdb.connect(str(warehouse)) as con:
        con.execute(DAMAGE)
    results = run_suites(warehouse, as_of_date, folder / "validations")
    index = build_data_docs(results, folder / "validations", folder / "docs", as_of_date)
    assert index == folder / "docs" / "index.html"
    return Docs(folder / "docs", results)


def test_every_suite_that_ran_has_a_page_and_a_skipped_one_has_a_line_without(docs: Docs) -> None:
    skipped = {r.suite for r in docs.results if r.status == "skipped"}
    assert skipped == {"landing.crm__households", "landing.brokerage__security_positions"}
    ran = {s.name for s in load_suites()} - skipped
    assert {p.stem for p in docs.pages} == {"index"} | ran
    rows = re.findall(r"<tr>(.*?)</tr>", docs.index, re.DOTALL)
    for suite in load_suites():
        (row,) = [r for r in rows if f">{suite.title.zh}</span>" in r]
        assert f"<code>{suite.table}</code>" in row
        assert ("skipped: no delivery" in row) == (suite.name in skipped)
        assert (f'href="suites/{suite.name}.html"' in row) == (suite.name in ran)


def test_no_page_refers_to_an_outside_host(docs: Docs) -> None:
    for page in docs.pages:
        html = page.read_text(encoding="utf-8")
        assert "http://" not in html
        assert "https://" not in html
        assert all(not r.startswith("//") for r in Links(page).references)
    css = (docs.folder / "static" / "page.css").read_text(encoding="utf-8")
    css += (docs.folder / "static" / "bootstrap.min.css").read_text(encoding="utf-8")
    # Pictures lie inside the style sheet; the SVG namespace they name is no reference.
    assert re.findall(r"url\(\s*[\"']?(?!data:)[^\s\"']", css) == []
    assert "@import" not in css


def test_every_link_leads_to_a_file(docs: Docs) -> None:
    for page in docs.pages:
        local = [r for r in Links(page).references if not r.startswith(("data:", "#"))]
        assert local
        assert [r for r in local if not (page.parent / r).is_file()] == []


def test_no_page_needs_a_script_or_carries_advertising(docs: Docs) -> None:
    for page in docs.pages:
        assert "script" not in Links(page).tags
        text = page.read_text(encoding="utf-8").lower()
        assert "newsletter" not in text
        assert "walkthrough" not in text


def test_no_value_of_the_data_is_on_a_page_or_in_a_kept_result(docs: Docs) -> None:
    kept = [*docs.pages, *(docs.folder.parent / "validations").glob("*.json")]
    assert len(kept) > len(docs.pages)
    for path in kept:
        text = path.read_text(encoding="utf-8")
        for value in (SECRET_ID, SECRET_BALANCE, "1850-03-04"):
            assert value not in text, path.name


def test_the_index_lists_what_failed_with_its_reading_worst_first(docs: Docs) -> None:
    listed = docs.index[: docs.index.index("Deliveries")]
    failed = [r for r in docs.results if r.status in {"fail", "error"}]
    assert {r.status for r in failed} == {"fail", "error"}
    assert {r.severity for r in failed} == {"block", "warn"}
    for result in failed:
        assert result.description_zh in listed
    first_warning = listed.index("No birth date lies before 1900")
    assert listed.index("Every tier says how it was decided.") < first_warning
    passed = next(r for r in docs.results if r.status == "pass")
    assert passed.description_zh not in listed


@pytest.mark.parametrize(
    ("suite", "outcome"),
    [
        ("landing.market__fx_rates", "passed"),
        ("landing.core_banking__customers", "warned"),
        ("marts.assets__customer_assets", "blocked"),
        ("marts.tiering__customer_tier", "blocked"),
    ],
)
def test_a_suite_page_says_its_outcome_and_reads_each_expectation_in_both_languages(
    docs: Docs, suite: str, outcome: str
) -> None:
    html = (docs.folder / "suites" / f"{suite}.html").read_text(encoding="utf-8")
    assert re.search(r'class="badge badge-\w+">(\w+) ', html).group(1) == outcome  # type: ignore[union-attr]
    (declared,) = [s for s in load_suites() if s.name == suite]
    for expectation in declared.expectations:
        assert expectation.zh in html
    assert html.count("badge-dark") == sum(e.severity == "block" for e in declared.expectations)


def test_an_expectation_that_could_not_be_judged_says_why(docs: Docs) -> None:
    html = (docs.folder / "suites" / "marts.tiering__customer_tier.html").read_text("utf-8")
    assert "raised an exception" in html
    assert "decided_by" in html
    assert "traceback" not in html


def test_building_again_replaces_the_earlier_pages(healthy: Path, as_of_date: date, tmp_path: Path) -> None:
    suites = load_suites()[:2]
    for chosen in (suites, suites[:1]):
        results = run_suites(healthy, as_of_date, tmp_path / "v", suites=chosen)
        build_data_docs(results, tmp_path / "v", tmp_path / "docs", as_of_date)
    assert [p.stem for p in (tmp_path / "docs" / "suites").iterdir()] == [suites[0].name]

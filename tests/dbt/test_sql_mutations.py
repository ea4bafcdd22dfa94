"""Small errors put into the SQL of the models are noticed: by unit tests, by second readings, by the golden banks.

A drawn sample of all places where an error of the fixed list can be made, some of every model. What survives stands in
surviving_mutants.yml with the reason. `TIERHOUSE_MUTATION=write` writes docs/mutation.md anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import yaml

from orchestration.lib.home import PROJECT_ROOT, Home
from tests import support
from tests.appraisal.conftest import JudgedBank, judged_bank
from tests.conftest import BuiltHome
from tests.dbt.mutation import Judge, Stage, Verdict, run_unit_tests, sample, unit_test_queries
from tests.dbt.stages import FOLDER, nodes_with_logic, write_stage

__all__ = ["judged_bank"]  # a fixture of another folder
pytestmark = pytest.mark.full
PAGE = PROJECT_ROOT / "docs" / "mutation.md"
SURVIVORS = Path(__file__).with_name("surviving_mutants.yml")
LEAST_MUTANTS = 300
# One in twenty; what is known not to be noticed is listed, and the share may only shrink.
MOST_GAPS = 0.05
# Tests that read what models make of an invented bank a second time, in plain Python.
SECOND_READINGS = (
    "tests/books/test_attribution.py",
    "tests/maintenance/test_churn.py",
    "tests/maintenance/test_compliance_lives.py",
    "tests/maintenance/test_obligations_year.py",
    "tests/maintenance/test_offers.py",
    "tests/maintenance/test_service.py",
    "tests/policies/test_tier_rules.py",
)
HEAD = """# Mutation of the SQL

Small errors are put into what dbt compiled of the models, one at a time: a comparison flipped, a join key or a conjunct
of a filter dropped, sum for max, a default or a number changed, `and` for `or`, plus for minus, an outer join made
inner, a partition key dropped, an order turned. The sample is drawn by hash from every place of every model with logic,
more of larger models. An error counts as noticed when a unit test of the model fails, when the model makes other rows
of a bank that a test reads a second time in plain Python, or other rows of the small or the judged bank, whose golden
hashes stand in `tests/golden.json`. Written by `tests/dbt/test_sql_mutations.py`.

"""
# Month ends on which the small bank stood before its last two days.
EARLIER = (date(2026, 3, 31), date(2026, 4, 30))


@pytest.fixture(scope="module")
def stages(
    built_home: BuiltHome, judged_bank: JudgedBank, small_bank: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Stage]:
    """The banks of the suite as runs of their models left them."""
    folder = tmp_path_factory.mktemp("stages")
    read_again = folder / "second_readings"
    pytest_again = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.dbt.stages"]
    subprocess.run(
        [*pytest_again, f"--basetemp={folder / 'tmp'}", "-k", "not small_bank and not published", *SECOND_READINGS],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT), FOLDER: str(read_again)},
        check=True,
    )
    found = [Stage(path) for path in sorted(read_again.iterdir())]

    home = Home(folder / "home")
    for day in EARLIER:
        outcome = support.published(support.advance(home, small_bank, day))
        assert outcome.plan is not None
        found.append(_kept(folder, f"small bank {day}", home, outcome.plan.chunks[-1].base_date, built_home.home))
    found.append(_kept(folder, "small bank", built_home.home, built_home.record.base_date))
    before_last = max(date.fromisoformat(d) for d in _days(judged_bank.home))
    found.append(_kept(folder, "judged bank", judged_bank.home, before_last))
    return found


def _days(home: Home) -> list[str]:
    """As-of dates of the published versions but the last."""
    lines = [json.loads(line) for line in home.publish_log.read_text("utf-8").splitlines()]
    return [line["as_of_date"] for line in lines if "as_of_date" in line][:-1]


def _kept(folder: Path, name: str, home: Home, base: date | None, final: Home | None = None) -> Stage:
    manifest = json.loads((home.root / "dbt_target" / "manifest.json").read_text("utf-8"))
    place = folder / name.replace(" ", "_")
    write_stage(place, name, home.warehouse, base.isoformat() if base else None, nodes_with_logic(manifest))
    return Stage(place, final=final.warehouse if final else None)


@pytest.fixture(scope="module")
def verdicts(stages: list[Stage], built_home: BuiltHome, tmp_path_factory: pytest.TempPathFactory) -> list[Verdict]:
    target = tmp_path_factory.mktemp("unit") / "target"
    run_unit_tests(stages[-2].folder / "warehouse.duckdb", target)
    judge = Judge(unit_test_queries(target), stages)
    judged = [v for v in judge.verdicts(sample(judge.mutants())) if v.level != "invalid"]
    if os.environ.get("TIERHOUSE_MUTATION") == "write":
        PAGE.write_text(render(judged), encoding="utf-8")
    return judged


def explained() -> dict[str, dict[str, str]]:
    content: dict[str, dict[str, str]] = yaml.safe_load(SURVIVORS.read_text("utf-8"))
    return content


def test_what_is_not_noticed_is_explained_and_gaps_are_few(verdicts: list[Verdict]) -> None:
    survivors = {str(v.mutant) for v in verdicts if v.level == "survived"}
    known = explained()
    assert len(verdicts) >= LEAST_MUTANTS
    assert survivors - set(known) == set(), "kill it by a row of a unit test, or explain it"
    assert set(known) - survivors == set(), "these are noticed by now: take them from the list"
    gaps = [name for name in survivors if known[name]["kind"] == "gap"]
    assert len(gaps) <= MOST_GAPS * len(verdicts)


def test_every_model_with_logic_has_mutants_in_the_sample(verdicts: list[Verdict], stages: list[Stage]) -> None:
    judged = {v.mutant.model for v in verdicts}
    mutable = {name for name, by_operator in Judge({}, stages).mutants().items() if any(by_operator.values())}
    assert judged == mutable


def render(verdicts: list[Verdict]) -> str:
    """docs/mutation.md."""
    known = explained()
    kinds = {str(v.mutant): known.get(str(v.mutant), {}).get("kind", "gap") for v in verdicts if v.level == "survived"}
    return "".join(_lines(verdicts, kinds, known))


def _lines(verdicts: list[Verdict], kinds: dict[str, str], known: dict[str, dict[str, str]]) -> Iterator[str]:
    number = Counter(v.level for v in verdicts)
    equivalent = sum(kind == "equivalent" for kind in kinds.values())
    gaps = len(kinds) - equivalent
    killable = len(verdicts) - equivalent
    yield HEAD
    yield (
        "| | mutants |\n|---|---|\n"
        f"| judged | {len(verdicts)} |\n"
        f"| noticed by the model's own dbt unit tests | {number['unit test']} |\n"
        f"| noticed by a second reading in plain Python | {number['second reading']} |\n"
        f"| noticed by the golden banks alone | {number['golden bank']} |\n"
        f"| survived, equivalent: no data can show the error | {equivalent} |\n"
        f"| survived, a gap | {gaps} |\n"
        f"| **survival of what could be noticed** | **{gaps / killable:.1%}** |\n"
        f"| survival of all, equivalent ones too | {len(kinds) / len(verdicts):.1%} |\n\n"
    )
    for title, key in (("operator", "operator"), ("model", "model")):
        yield f"## By {title}\n\n| {title} | mutants | unit tests | second readings | golden banks | survived |\n"
        yield "|---|---|---|---|---|---|\n"
        groups = sorted({getattr(v.mutant, key) for v in verdicts})
        for group in groups:
            of = Counter(v.level for v in verdicts if getattr(v.mutant, key) == group)
            cells = (of["unit test"], of["second reading"], of["golden bank"], of["survived"])
            yield f"| {group} | {of.total()} | {' | '.join(map(str, cells))} |\n"
        yield "\n"
    yield "## Survivors\n\n| error | kind | why |\n|---|---|---|\n"
    for name in sorted(kinds):
        why = known.get(name, {}).get("because", "")
        yield f"| {name.replace('|', '&#124;')} | {kinds[name]} | {why} |\n"

"""`tierhouse policy diff`: a draft is replayed beside the policies in force, and the deployment is left as it is."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.lib import warehouse
from orchestration.lib.home import POLICIES_DIR, Home
from orchestration.lib.policies import PolicyError, load_policies
from orchestration.lib.policies.diff import SchemeDiff, diff_policies, load_draft, write_report
from orchestration.lib.policies.trial import Trial, TrialFailed
from tests.conftest import BuiltHome
from tests.policies.support import PRIMARY, Edit, edit, first, tier

WAN = 10_000


def draft_file(directory: Path, change: Edit, name: str = PRIMARY) -> Path:
    """A draft of a scheme in a file that is not called like it."""
    edit(directory, name, change)
    return (directory / f"{name}.yml").rename(directory / "my_draft.yml")


def cut_at(content: dict[str, object], number: int, value: str) -> None:
    """Move the cut between a tier and the one below it; its household's cut stays."""
    tier(content, number)["lower"]["value"] = value
    tier(content, number - 1)["upper"]["value"] = value


def renamed(content: dict[str, object], version: str) -> None:
    first(content).update(version=version, effective_from="2026-06-01", author="a_desk", approved_by="a_committee")


@pytest.fixture(scope="module")
def lower_cut(built_home: BuiltHome, tmp_path_factory: pytest.TempPathFactory) -> SchemeDiff:
    """The primary scheme with 10万 moved to 6万."""
    directory = tmp_path_factory.mktemp("draft")
    for file in POLICIES_DIR.glob("*.yml"):
        (directory / file.name).write_text(file.read_text("utf-8"), "utf-8")
    path = draft_file(directory, lambda c: (cut_at(c, 1, "6万"), renamed(c, "2027")))
    (diff,) = diff_policies(load_draft(path), built_home.home)
    return diff


def files_of(home: Home) -> dict[str, str]:
    return {
        str(path.relative_to(home.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.root.rglob("*"))
        if path.is_file()
    }


def month_averages(home: Home) -> dict[str, Decimal]:
    """Customers' month average at the last kept month end, as the deployment has it."""
    with warehouse.connect(home.warehouse, read_only=True) as con:
        rows = con.execute(
            "select customer_id, aum_month_avg_cny from core.fct_month_measure where asset_set = 'standard' "
            "and evaluation_date = (select max(evaluation_date) from core.fct_month_measure)"
        ).fetchall()
    return dict(rows)


def test_a_replay_of_the_policies_in_force_gives_what_the_deployment_decided(
    built_home: BuiltHome, tmp_path: Path
) -> None:
    trial = Trial.of_home(built_home.home, tmp_path / "trial")
    trial.replay(load_policies(), trial.month_ends(), "again")

    columns = "evaluation_date, scheme_code, customer_id, measure_value, indicative_tier_code, tier_code, "
    columns += "grace_months_below, recent_ranks, decided_by, rule_id, valid_from, policy_version, change_kind"
    # Only the last build's households are kept.
    where = "where scheme_code != 'family_card'"
    with trial.connect() as con:
        replayed = con.execute(f"select {columns} from trial.again {where} order by all").fetchall()
    with warehouse.connect(built_home.home.warehouse, read_only=True) as con:
        built = con.execute(f"select {columns} from core.fct_tier_evaluation {where} order by all").fetchall()
    assert len({row[0] for row in built}) >= 2
    assert replayed == built


def test_the_movers_are_those_between_the_old_cut_and_the_new(built_home: BuiltHome, lower_cut: SchemeDiff) -> None:
    between = {name for name, value in month_averages(built_home.home).items() if 6 * WAN <= value < 10 * WAN}
    moved = {m.customer_id: (m.from_tier, m.to_tier) for m in lower_cut.movers}
    # Grace may hold one of them in a tier above both cuts; all who move lie between them.
    assert moved
    assert set(moved) <= between
    assert set(moved.values()) == {("staff_maintained", "lobby_adopted")}
    assert lower_cut.moved == len(moved) == lower_cut.matrix["staff_maintained", "lobby_adopted"]
    assert lower_cut.matrix.get(("staff_maintained", "staff_maintained"), 0) > 0


def test_every_customer_is_counted_once_whatever_he_is_counted_by(built_home: BuiltHome, lower_cut: SchemeDiff) -> None:
    averages = month_averages(built_home.home)
    assert sum(lower_cut.matrix.values()) == sum(t.in_force for t in lower_cut.tiers) == len(averages)
    rows: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    for (before, after), count in lower_cut.matrix.items():
        rows[before] += count
        columns[after] += count
    assert {t.tier_code: t.in_force for t in lower_cut.tiers if t.in_force} == dict(rows)
    assert {t.tier_code: t.draft for t in lower_cut.tiers if t.draft} == dict(columns)
    # Money moves between tiers and is neither made nor lost.
    assert sum(t.in_force_aum_cny for t in lower_cut.tiers) == sum(t.draft_aum_cny for t in lower_cut.tiers) > 0
    # Owners: everyone with a tier has one, in one branch.
    for side in ("in_force", "draft"):
        tiered = sum(getattr(t, side) for t in lower_cut.tiers if t.tier_code != "none")
        assert tiered == sum(getattr(r, side) for r in lower_cut.roles)
        assert tiered == sum(getattr(r, side) for r in lower_cut.branches)
    assert {r.role_code for r in lower_cut.roles} >= {"teller", "outlet_head", "wealth_manager"}
    last = lower_cut.months[-1]
    assert (last.in_force, last.draft) == tuple(
        sum(getattr(t, side) for t in lower_cut.tiers if t.tier_code != "none") for side in ("in_force", "draft")
    )


def test_a_draft_that_says_the_same_moves_nobody(built_home: BuiltHome, directory: Path) -> None:
    path = draft_file(directory, lambda c: renamed(c, "2"), "six_level")
    (diff,) = diff_policies(load_draft(path), built_home.home)
    assert diff.movers == ()
    assert [m.moved for m in diff.months] == [0] * len(diff.months)
    assert all(before == after for before, after in diff.matrix)
    assert diff.in_force_stability == diff.draft_stability
    assert diff.in_force_stability.customer_months > 0


def test_a_scheme_that_is_new_finds_everyone_without_a_tier_before(built_home: BuiltHome, directory: Path) -> None:
    path = draft_file(directory, lambda c: c.update(scheme_code="seven_level"), "six_level")
    (diff,) = diff_policies(load_draft(path), built_home.home, months=1)
    assert diff.scheme_code == "seven_level"
    assert diff.in_force_version is None
    assert {before for before, _ in diff.matrix} == {"none"}
    assert diff.moved == len(month_averages(built_home.home)) == diff.months[-1].draft
    # A scheme without owners gives nobody work; one month end shows no change.
    assert (diff.roles, diff.branches) == ((), ())
    assert diff.draft_stability.per_customer_year is None
    assert len(diff.months) == 1


def test_a_folder_is_compared_scheme_by_scheme_where_it_says_something_new(
    built_home: BuiltHome, directory: Path
) -> None:
    edit(directory, "six_level", lambda c: cut_at(c, 1, "2万"))
    edit(directory, "sub_branch_five_band", lambda c: cut_at(c, 1, "4万"))
    draft = load_draft(directory)
    assert draft.scheme_codes == ("six_level", "sub_branch_five_band")
    assert [d.scheme_code for d in diff_policies(draft, built_home.home, months=1)] == list(draft.scheme_codes)


def test_the_command_prints_and_reports_and_writes_nothing_to_the_deployment(
    built_home: BuiltHome, directory: Path, tmp_path: Path
) -> None:
    before = files_of(built_home.home)
    path = draft_file(directory, lambda c: (cut_at(c, 1, "6万"), renamed(c, "2027")))
    report = tmp_path / "report.html"
    result = CliRunner().invoke(
        app, ["policy", "diff", str(path), "--home", str(built_home.home.root), "--out", str(report)]
    )
    assert result.exit_code == 0, result.output
    assert files_of(built_home.home) == before
    assert re.search(r"[1-9]\d* customers would move at 2026-04-30", result.output)
    assert "author a_desk" in " ".join(result.output.split())
    assert "Nothing was written" in " ".join(result.output.split())
    assert report.read_text("utf-8").startswith("<!DOCTYPE html>")


class _Tables(HTMLParser):
    """Cells of a page's tables, and whatever it would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.fetched: list[str] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag in ("td", "th"):
            self.cells.append("")
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.cells[-1] += data


def test_the_report_shows_the_figures_and_fetches_nothing(lower_cut: SchemeDiff, tmp_path: Path) -> None:
    write_report([lower_cut], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    page = _Tables()
    page.feed(text)
    assert page.fetched == []
    assert "url(" not in text
    assert "http" not in text
    cells = [cell.strip() for cell in page.cells]
    for row in lower_cut.tiers:
        assert f"{row.in_force:,}" in cells
        assert f"{row.draft_aum_cny:,.2f}" in cells
    for mover in lower_cut.movers:
        assert mover.customer_id in cells
    assert "财富私行" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: tier(c, 1)["lower"].update(value="9万"), r"my_draft\.yml:\d+ .*: .+"),
        (lambda c: tier(c, 1).pop("label_zh"), r"my_draft\.yml:\d+: versions\[0\]\.tiers\[1\]\.label_zh: .+"),
        (lambda c: first(c).update(approved_by=first(c)["author"]), r"my_draft\.yml:\d+: .*must differ.*"),
        (lambda c: first(c).pop("approved_by"), r"my_draft\.yml:\d+: .*approved_by.*"),
    ],
)
def test_a_draft_that_is_wrong_is_refused_by_its_own_line(
    built_home: BuiltHome, directory: Path, change: Edit, said: str
) -> None:
    path = draft_file(directory, change)
    result = CliRunner().invoke(app, ["policy", "diff", str(path), "--home", str(built_home.home.root)])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines
    assert all(re.fullmatch(said, line) for line in lines), result.output


def test_weights_that_were_never_measured_cannot_be_compared(built_home: BuiltHome, directory: Path) -> None:
    edit(
        directory,
        "asset_classes",
        lambda c: first(c)["asset_sets"]["standard"]["families"]["fund"].update(coefficient=0.5),
    )
    with pytest.raises(PolicyError, match=r"asset_classes\.yml: differs from the file in force"):
        load_draft(directory)


def test_month_ends_at_which_an_asset_set_was_not_measured_are_named(
    built_home: BuiltHome, directory: Path, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    home.lake.mkdir(parents=True)
    for name in ("warehouse", "ledger", "journal"):
        shutil.copy(getattr(built_home.home, name), getattr(home, name))
    with warehouse.connect(home.warehouse) as con:
        con.execute(
            "delete from core.fct_month_measure where asset_set != 'standard' and evaluation_date < '2026-04-01'"
        )
    measure = {"quantity": "assets", "asset_set": "net_of_loans"}
    draft = load_draft(draft_file(directory, lambda c: first(c).update(measure=measure), "six_level"))

    with pytest.raises(TrialFailed, match=r"'net_of_loans' was not measured at 2026-03-31; .* \(--months 1\)"):
        diff_policies(draft, home)
    (diff,) = diff_policies(draft, home, months=1)
    assert sum(diff.matrix.values()) == len(month_averages(home))
    # Who owes more than he has is in the lowest level under the draft, which has no floor.
    assert {after for _, after in diff.matrix} <= {f"level_{n}" for n in range(1, 7)}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("corporate_five_level", lambda c: cut_at(c, 1, "200万")),
        ("six_level", lambda c: c.update(is_enabled=False)),
    ],
)
def test_only_enabled_schemes_of_customers_can_be_replayed(directory: Path, name: str, change: Edit) -> None:
    path = draft_file(directory, change, name)
    with pytest.raises(PolicyError, match=r"my_draft\.yml: found a scheme that is disabled or not of customers"):
        load_draft(path)


def test_without_a_draft_or_a_published_version_there_is_nothing_to_compare(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="found no policy file"):
        load_draft(tmp_path / "nowhere.yml")
    with pytest.raises(PolicyError, match="nothing to compare"):
        load_draft(directory)
    draft = load_draft(draft_file(directory, lambda c: cut_at(c, 1, "6万")))
    with pytest.raises(TrialFailed, match="nothing has been published yet"):
        diff_policies(draft, Home(tmp_path / "empty"))

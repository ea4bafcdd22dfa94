"""The `tierhouse` command."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestration.lib.contracts import load_contracts
from orchestration.lib.home import PROJECT_ROOT, Home

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Tierhouse: customer tiers, kept every day.")
land_app = typer.Typer(no_args_is_help=True, help="Deliveries of the bank.")
app.add_typer(land_app, name="land")
policy_app = typer.Typer(no_args_is_help=True, help="Policies: the bank's rules.")
app.add_typer(policy_app, name="policy")
feed_app = typer.Typer(no_args_is_help=True, help="Files for other systems.")
app.add_typer(feed_app, name="feed")
books_app = typer.Typer(no_args_is_help=True, help="Books: who maintains whom.")
app.add_typer(books_app, name="books")
churn_app = typer.Typer(no_args_is_help=True, help="Churn: who is about to leave.")
app.add_typer(churn_app, name="churn")
quarter_app = typer.Typer(no_args_is_help=True, help="Quarters: what people were paid on stays.")
app.add_typer(quarter_app, name="quarter")
postgres_app = typer.Typer(no_args_is_help=True, help="PostgreSQL: the marts for readers of whom each sees his own.")
app.add_typer(postgres_app, name="postgres")

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Home of the deployment (default: TIERHOUSE_HOME or ./var)."),
]
Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"])]
console = Console()


def _fail(message: str) -> typer.Exit:
    Console(stderr=True).print(f"[red]error:[/red] {message}", soft_wrap=True, highlight=False)
    return typer.Exit(1)


def _delivered_dates(landing: Path) -> tuple[date, date] | None:
    """First and last business date that any delivery folder below a landing root is named after."""
    days = [
        entry.name
        for feed in load_contracts().values()
        if (landing / feed.system / feed.entity).is_dir()
        for entry in os.scandir(landing / feed.system / feed.entity)
        if re.fullmatch(r"\d{4}-\d\d-\d\d", entry.name)
    ]
    return (date.fromisoformat(min(days)), date.fromisoformat(max(days))) if days else None


@app.command()
def run(
    landing: Annotated[Path | None, typer.Option(help="Landing root (default: <home>/landing).")] = None,
    home: HomeOption = None,
    through: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last business date to build.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for another build to end.")] = 0,
) -> None:
    """Land what is new, build, audit and publish up to the last complete business date."""
    deployment = Home.resolve(home)
    root = (landing or deployment.landing).resolve()
    if not root.is_dir():
        raise _fail(f"{root}: no such landing folder; give --landing DIR")
    delivered = _delivered_dates(root)
    if delivered is None:
        raise _fail(f"{root}: no delivery <system>/<entity>/<date> of a known feed below it")
    from orchestration.lib.journal import Journal

    published = Journal(deployment.journal).last_published()
    first = date.fromisoformat(published["first_date"]) if published else delivered[0]
    last = through.date() if through else delivered[1]
    os.environ.update(
        TIERHOUSE_HOME=str(deployment.root),
        TIERHOUSE_LANDING=str(root),
        TIERHOUSE_WAIT=str(wait),
        TIERHOUSE_FIRST_DATE=min(first, last).isoformat(),
        DAGSTER_HOME=str(deployment.dagster),
        DAGSTER_DISABLE_TELEMETRY="1",
        DO_NOT_TRACK="1",
    )
    from orchestration.runner import run_daily_build

    failure = run_daily_build(deployment, last, is_strict=through is not None)
    if failure:
        raise _fail(failure)
    from orchestration.lib.summary import summary_rows

    rows = summary_rows(deployment)
    if not rows:
        raise _fail("nothing has been published yet")
    for name, value in rows:
        console.print(f"{name:<22} {value}", soft_wrap=True, highlight=False)


@app.command("demo-bank")
def demo_bank(
    out: Annotated[Path, typer.Option(help="Folder for landing/ and truth/.")],
    start: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First business date.")],
    through: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last business date.")],
    customers: Annotated[int, typer.Option(min=1)] = 20_000,
    seed: int = 1,
) -> None:
    """Generate the deliveries of an invented bank: same arguments, same bytes."""
    from orchestration.lib.demo_bank import generate

    generate(
        out,
        customers=customers,
        start=start.date(),
        through=through.date(),
        seed=seed,
        progress=console.print,
    )


@land_app.command("check")
def land_check(
    path: Annotated[Path, typer.Argument(help="A landing root, or any folder of it.")],
) -> None:
    """Say what is wrong with deliveries before they are sent. Writes nothing."""
    from orchestration.lib.landing import check

    findings = check(path)
    for finding in findings:
        console.print(f"- {finding}", soft_wrap=True, highlight=False)
    if any(finding.level in ("reject", "quarantine") for finding in findings):
        raise typer.Exit(1)


@policy_app.command("check")
def policy_check(
    policies: Annotated[Path | None, typer.Option(help="Folder of policy files (default: those in force).")] = None,
    literal: Annotated[Path | None, typer.Option(help="Instead: a file of bands copied word for word.")] = None,
) -> None:
    """Say what is wrong with policies: file, line, rule, defect and mend. Writes nothing."""
    from orchestration.lib.policies import PolicyError, load_policies
    from orchestration.lib.policies.lint import lint
    from orchestration.lib.policies.literal import literal_findings

    summary = ""
    try:
        if literal:
            findings = literal_findings(literal)
            summary = f"{literal.name}: no findings"
        else:
            read = load_policies(policies)
            findings = [str(finding) for finding in lint(read)]
            dated = read.dated(is_disabled_too=True)
            summary = f"{len(dated)} policies, {sum(len(versions) for _, versions in dated)} versions: no findings"
    except PolicyError as error:
        findings = str(error).splitlines()
    for finding in findings:
        typer.echo(finding)  # as it is: rich would take brackets for markup
    if findings:
        raise typer.Exit(1)
    typer.echo(summary)


@policy_app.command("diff")
def policy_diff(
    draft: Annotated[Path, typer.Argument(help="A scheme's YAML file, or a folder of policy files.")],
    home: HomeOption = None,
    months: Annotated[int | None, typer.Option(min=1, help="Only the last so many kept month ends.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write an HTML report to this file.")] = None,
) -> None:
    """Say what a draft would change: replay it and the policies in force over the kept month ends."""
    from orchestration.lib.policies import PolicyError
    from orchestration.lib.policies.diff import diff_policies, load_draft, print_report, write_report
    from orchestration.lib.policies.trial import TrialFailed

    try:
        diffs = diff_policies(load_draft(draft), Home.resolve(home), months)
    except PolicyError as error:
        for line in str(error).splitlines():
            typer.echo(line)
        raise typer.Exit(1) from error
    except TrialFailed as error:
        raise _fail(str(error)) from error
    print_report(diffs, console)
    if out:
        write_report(diffs, out)
        console.print(f"report: {out}", soft_wrap=True, highlight=False)


@feed_app.command("crm")
def feed_crm(
    out: Annotated[Path, typer.Option(help="Folder for crm/assignment_change/<date>/.")],
    start: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First business date.")],
    through: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last business date (default: the published one).")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write the changes of who maintains whom of past days again: same days, same bytes."""
    from orchestration.lib.crm_feed import FeedError, replay_changes

    try:
        written = replay_changes(Home.resolve(home), out, start.date(), through.date() if through else None)
    except FeedError as error:
        raise _fail(str(error)) from error
    console.print(f"{len(written)} days below {out}", soft_wrap=True, highlight=False)


@books_app.command("propose")
def books_propose(home: HomeOption = None) -> None:
    """Work out a rebalancing for the day after the last built one. Nobody moves until it is accepted."""
    from orchestration.lib.books.accept import propose
    from orchestration.lib.books.propose import NoState
    from orchestration.lib.books.results import BooksError
    from orchestration.lib.build import BuildLocked, build_lock
    from orchestration.lib.journal import Journal
    from orchestration.lib.policies import PolicyError, load_policies
    from orchestration.lib.warehouse import connect

    deployment = Home.resolve(home)
    published = Journal(deployment.journal).last_published()
    if published is None:
        raise _fail("nothing has been published yet; run `tierhouse run` first")
    try:
        go_live = load_policies().book_version(date.fromisoformat(published["as_of_date"])).go_live_date
        with build_lock(deployment), connect(deployment.warehouse, read_only=True) as con:
            day, proposal = propose(deployment, con, go_live)
    except (BooksError, BuildLocked, NoState, PolicyError) as error:
        raise _fail(str(error)) from error
    console.print(f"proposal of {day}: {len(proposal)} moves; accept it with `tierhouse books accept {day} ...`")


@books_app.command("accept")
def books_accept(
    proposal: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Date of the proposal.")],
    effective: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="First day of the new owners, not published yet.")
    ],
    by: Annotated[str, typer.Option(help="Who accepts.")],
    approved_by: Annotated[str, typer.Option(help="Who approves; another person.")],
    home: HomeOption = None,
) -> None:
    """Accept a proposal whole: its moves take effect on a day. It is journaled with both names."""
    from orchestration.lib.books.accept import accept
    from orchestration.lib.books.results import BooksError
    from orchestration.lib.build import BuildLocked, build_lock

    deployment = Home.resolve(home)
    try:
        with build_lock(deployment, 60):
            moves = accept(deployment, proposal.date(), effective.date(), by, approved_by)
    except (BooksError, BuildLocked) as error:
        raise _fail(str(error)) from error
    console.print(f"{moves} customers move on {effective:%Y-%m-%d}, when that day is built")


@books_app.command("show")
def books_show(
    proposal: Annotated[
        datetime | None, typer.Argument(formats=["%Y-%m-%d"], help="Date of a proposal (default: a list of them).")
    ] = None,
    home: HomeOption = None,
) -> None:
    """List the proposals, or the moves of one."""
    from rich.table import Table

    from orchestration.lib.books.accept import summaries
    from orchestration.lib.books.results import BooksError, proposal_of

    deployment = Home.resolve(home)
    rows: Sequence[tuple[str, ...]]
    try:
        if proposal is None:
            names = ["proposed", "moves", "units", "accepted for"]
            rows = summaries(deployment)
        else:
            moves = proposal_of(deployment, proposal.date())
            names = [
                "branch_id",
                "customer_id",
                "from_employee_id",
                "to_employee_id",
                "saving",
                "shadow_price",
                "method",
            ]
            rows = [tuple("" if row[n] is None else str(row[n]) for n in names) for row in moves.to_pylist()]
    except BooksError as error:
        raise _fail(str(error)) from error
    table = Table(*names)
    for row in rows:
        table.add_row(*row)
    console.print(table)


@churn_app.command("calibrate")
def churn_calibrate(
    home: HomeOption = None,
    target_precision: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of the customers warned of in red who are to leave.")
    ] = 0.5,
    out: Annotated[Path | None, typer.Option(help="Write the proposed churn.yml to this file.")] = None,
) -> None:
    """Propose ranges and points from the deployment's history, as a diff of churn.yml. No policy is changed."""
    from orchestration.lib.churn.calibrate import calibrate
    from orchestration.lib.churn.history import CalibrationFailed, read_history
    from orchestration.lib.churn.proposal import FILE, policy_diff, proposed_text
    from orchestration.lib.policies.load import policies_dir

    path = policies_dir() / FILE
    try:
        history = read_history(Home.resolve(home))
        proposed = proposed_text(path, calibrate(history, target_precision), history.as_of_date)
    except CalibrationFailed as error:
        raise _fail(str(error)) from error
    if out and out.resolve() == path.resolve():
        raise _fail(f"{out}: is the policy in force; write the proposal elsewhere, have it approved, then copy it")
    typer.echo(policy_diff(path, proposed), nl=False)
    if out:
        out.write_text(proposed, encoding="utf-8")


QuarterCode = Annotated[str, typer.Argument(help="The quarter, such as 2026Q3.")]


@quarter_app.command("object")
def quarter_object(
    quarter: QuarterCode,
    file: Annotated[Path, typer.Argument(help="Objections and findings of conduct (.csv, .yml).")],
    by: Annotated[str, typer.Option(help="Who files it.")],
    approved_by: Annotated[str, typer.Option(help="Who approves; another person.")],
    home: HomeOption = None,
) -> None:
    """File objections to a quarter that is not closed. The next build applies them; both names are journaled."""
    from orchestration.lib.appraisal.close import file_objections
    from orchestration.lib.appraisal.objections import ObjectionError
    from orchestration.lib.appraisal.record import QuarterError
    from orchestration.lib.build import BuildLocked, build_lock

    deployment = Home.resolve(home)
    try:
        with build_lock(deployment, 60):
            filed = file_objections(deployment, quarter, file, by, approved_by)
    except (BuildLocked, ObjectionError, QuarterError) as error:
        raise _fail(str(error)) from error
    console.print(f"{len(filed)} entries are filed to {quarter}; `tierhouse run` applies them")


@quarter_app.command("close")
def quarter_close(
    quarter: QuarterCode,
    by: Annotated[str, typer.Option(help="Who closes it.")],
    approved_by: Annotated[str, typer.Option(help="Who approves; another person.")],
    home: HomeOption = None,
) -> None:
    """Freeze a quarter as it is published: scorecards, evidence, flags, policy. It is closed once."""
    from orchestration.lib.appraisal.close import close_quarter
    from orchestration.lib.appraisal.objections import ObjectionError
    from orchestration.lib.appraisal.record import QuarterError
    from orchestration.lib.build import BuildLocked, build_lock

    deployment = Home.resolve(home)
    try:
        with build_lock(deployment, 60):
            event = close_quarter(deployment, quarter, by, approved_by)
    except (BuildLocked, ObjectionError, QuarterError) as error:
        raise _fail(str(error)) from error
    console.print(
        f"{quarter} is closed as of {event['closed_as_of']} from version {event['version']}, content hash "
        f"{event['content_hash']}",
        soft_wrap=True,
        highlight=False,
    )


@quarter_app.command("verify")
def quarter_verify(
    quarter: Annotated[str | None, typer.Argument(help="A closed quarter (default: all of them).")] = None,
    home: HomeOption = None,
) -> None:
    """Prove closed quarters again: chain, files, published rows, and every cell from its evidence. Writes nothing."""
    from orchestration.lib.appraisal.verify import unnamed_folders, verify_quarters

    deployment = Home.resolve(home)
    verified = verify_quarters(deployment, quarter)
    if quarter and not verified:
        raise _fail(f"{quarter}: expected a closed quarter, found none of that code; see `tierhouse quarter list`")
    for each in verified:
        word = f"{len(each.findings)} findings" if each.findings else "no findings"
        console.print(
            f"{each.period_code} {each.content_hash}: {each.cell_count} cells computed again, {word}",
            soft_wrap=True,
            highlight=False,
        )
        for finding in each.findings:
            typer.echo(f"- {finding}")
    unnamed = unnamed_folders(deployment)
    for name in unnamed:
        typer.echo(f"- {name}: a folder of quarters that the journal does not name; remove it, or restore the journal")
    if unnamed or any(each.findings for each in verified):
        raise typer.Exit(1)


@quarter_app.command("list")
def quarter_list(home: HomeOption = None) -> None:
    """List the quarters that are appraised: provisional, final or closed, and what was filed to them."""
    from rich.table import Table

    from orchestration.lib.appraisal.close import quarter_rows

    names = ["quarter", "state", "through", "scorecards", "objections", "closed as of", "by", "content hash"]
    table = Table(*names)
    for row in quarter_rows(Home.resolve(home)):
        table.add_row(*row)
    console.print(table)


@app.command()
def explain(
    customer: Annotated[str, typer.Argument(help="The customer's id, as the bank's systems have it.")],
    scheme: Annotated[str | None, typer.Option(help="Scheme code (default: the primary scheme).")] = None,
    day: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="A kept evaluation (default: the last).")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Say why a customer has a tier: accounts, threshold, margin, grace, the rule in its own words."""
    from orchestration.lib.explain import ExplainError, print_explanation
    from orchestration.lib.explain import explain as explained
    from orchestration.lib.policies import PolicyError, load_policies

    try:
        policies = load_policies()
        explanation = explained(Home.resolve(home), policies, customer, scheme, day.date() if day else None)
    except (ExplainError, PolicyError) as error:
        raise _fail(str(error)) from error
    print_explanation(explanation, policies, console)


@app.command("explain-score")
def explain_score(
    employee: Annotated[str, typer.Argument(help="The employee's id, as hr.employees has it.")],
    period: Annotated[str, typer.Argument(help="The quarter, as 2026Q3.")],
    measure: Annotated[str | None, typer.Argument(help="One measure; it is shown with all its customers.")] = None,
    home: HomeOption = None,
) -> None:
    """Say how an employee's quarter was scored: each cell's arithmetic, its customers, gates and flags."""
    from orchestration.lib.explain_score import ExplainScoreError, print_scorecard, read_scorecard
    from orchestration.lib.policies import PolicyError, load_policies

    try:
        card = read_scorecard(Home.resolve(home), load_policies(), employee, period, measure)
    except (ExplainScoreError, PolicyError) as error:
        raise _fail(str(error)) from error
    print_scorecard(card, console, with_customers=measure is not None)


@app.command()
def scorecard(
    employee: Annotated[str, typer.Argument(help="The employee's id, as hr.employees has it.")],
    period: Annotated[str, typer.Argument(help="The quarter, as 2026Q3.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    home: HomeOption = None,
) -> None:
    """Write an employee's quarter as one HTML page that opens and prints without the internet."""
    from orchestration.lib.explain_score import ExplainScoreError, read_scorecard, scorecard_page
    from orchestration.lib.policies import PolicyError, load_policies

    try:
        page = scorecard_page(read_scorecard(Home.resolve(home), load_policies(), employee, period))
    except (ExplainScoreError, PolicyError) as error:
        raise _fail(str(error)) from error
    out.write_text(page, encoding="utf-8")
    console.print(f"{out} written")


@app.command()
def override(
    check_name: Annotated[str, typer.Argument(help="The blocking check, as the verdict names it.")],
    day: Annotated[datetime, typer.Option("--date", formats=["%Y-%m-%d"], help="As-of date it is for.")],
    reason: Annotated[str, typer.Option(help="Why the data are right all the same.")],
    by: Annotated[str, typer.Option(help="Who asks.")],
    approved_by: Annotated[str, typer.Option(help="Who approves; another person.")],
    home: HomeOption = None,
) -> None:
    """Let one blocking check pass for one date. It is journaled and named in the publish log."""
    from orchestration.lib.audit import is_overridable, record_override
    from orchestration.lib.build import BuildLocked, build_lock
    from orchestration.lib.journal import two_names

    names = two_names(by, approved_by)
    if not reason.strip() or names is None:
        raise _fail("an override needs a reason and two different names (--by, --approved-by)")

    if not is_overridable(check_name):
        raise _fail(
            f"{check_name}: a dbt test cannot be overridden, since nothing is built behind it; have the delivery "
            "corrected, or explain a ledger difference in <home>/explained_differences.yml"
        )
    deployment = Home.resolve(home)
    try:
        with build_lock(deployment, 60):
            record_override(deployment, check_name, day.date(), reason.strip(), names)
    except BuildLocked as error:
        raise _fail(str(error)) from error
    console.print(f"{check_name} is overridden for {day:%Y-%m-%d}; run the build again")


@app.command()
def rollback(
    version: Annotated[int, typer.Argument(help="The version that readers shall see again.")],
    reason: Annotated[str, typer.Option(help="What is wrong with the versions after it.")],
    by: Annotated[str, typer.Option(help="Who asks.")],
    approved_by: Annotated[str, typer.Option(help="Who approves; another person.")],
    home: HomeOption = None,
) -> None:
    """Show readers an older version again, under the next number. It is in the publish log with both names."""
    from orchestration.lib.build import BuildLocked, build_lock
    from orchestration.lib.rollback import RollbackError, roll_back

    deployment = Home.resolve(home)
    try:
        with build_lock(deployment, 60):
            entry = roll_back(deployment, version, reason, by, approved_by)
    except (BuildLocked, RollbackError) as error:
        raise _fail(str(error)) from error
    console.print(
        f"version {entry['version']} shows version {version} again, as of {entry['as_of_date']}; mend the cause and "
        "run, the next build makes a new version",
        soft_wrap=True,
        highlight=False,
    )


@app.command()
def purge(
    customer: Annotated[str, typer.Argument(help="The customer's id, as the bank's systems have it.")],
    landing: Annotated[Path, typer.Option(help="Landing archive: root of every delivery.")],
    by: Annotated[str, typer.Option(help="Who asks.")],
    approved_by: Annotated[str, typer.Option(help="Who approves; another person.")],
    home: HomeOption = None,
) -> None:
    """Take a customer's name, id number, mobile and address out of the lake and the landing archive, for good."""
    from orchestration.lib.build import BuildLocked, build_lock
    from orchestration.lib.purge import PurgeError
    from orchestration.lib.purge import purge as purge_customer

    deployment = Home.resolve(home)
    try:
        with build_lock(deployment, 60):
            done = purge_customer(deployment, landing, load_contracts(), customer, by, approved_by)
    except (BuildLocked, PurgeError) as error:
        raise _fail(str(error)) from error
    console.print(
        f"customer {customer} is purged: {done.lake_files} files of the lake, {done.archive_files} of the archive; do "
        "the same in backups, and have the sources stop delivering him",
        soft_wrap=True,
        highlight=False,
    )


@app.command()
def rebuild(
    backup: Annotated[Path, typer.Option("--from", help="A home's backup: its lake/ and published/quarters/.")],
    landing: Annotated[Path, typer.Option(help="Landing archive: root of every delivery.")],
    home: HomeOption = None,
) -> None:
    """Make a lost deployment again in an empty home, build by build, and prove that it publishes the same content."""
    from orchestration.lib.rebuild import RebuildError
    from orchestration.lib.rebuild import rebuild as rebuild_home

    deployment = Home.resolve(home)

    def build_through(into: Home, root: Path, last: date) -> str:
        delivered = _delivered_dates(landing)
        os.environ.update(
            TIERHOUSE_HOME=str(into.root),
            TIERHOUSE_LANDING=str(root),
            TIERHOUSE_FIRST_DATE=(delivered[0] if delivered else last).isoformat(),
            DAGSTER_HOME=str(into.dagster),
            DAGSTER_DISABLE_TELEMETRY="1",
            DO_NOT_TRACK="1",
        )
        from orchestration.runner import run_daily_build

        return run_daily_build(into, last, is_strict=True)

    try:
        count = rebuild_home(deployment, Home.resolve(backup), landing.resolve(), build_through, console.print)
    except RebuildError as error:
        raise _fail(str(error)) from error
    console.print(f"{count} builds made again, each with the content of the lost one")


@app.command()
def alerts(
    send: Annotated[bool, typer.Option("--send", help="Post what changed to TIERHOUSE_ALERT_WEBHOOK.")] = False,
    landing: Annotated[Path | None, typer.Option(help="Landing root (default: <home>/landing).")] = None,
    home: HomeOption = None,
) -> None:
    """Show what is wrong now, one line per root cause with its owner; with --send, tell what changed since."""
    from datetime import UTC

    from orchestration.lib.alerts import OPEN, Alert, NotDelivered, causes, notify
    from orchestration.lib.webhook import AlertSettingError, webhook

    deployment = Home.resolve(home)
    root = (landing or deployment.landing).resolve()
    found = causes(deployment, load_contracts(), datetime.now(UTC), root)
    for cause in found:
        typer.echo(Alert(OPEN, cause).text)
    if not found:
        typer.echo("nothing is wrong")
    if not send:
        return
    try:
        post = webhook(os.environ)
        if post is None:
            raise _fail("TIERHOUSE_ALERT_WEBHOOK is not set: there is nowhere to send to")
        told = notify(deployment, lambda: found, post)
    except (AlertSettingError, NotDelivered) as error:
        raise _fail(str(error)) from error
    typer.echo(f"{len(told)} alerts sent")


def _address(variable: str, whose: str) -> str:
    address = os.environ.get(variable)
    if not address:
        raise _fail(f"{variable} is not set; expected the address of the database as {whose}: postgresql://...")
    return address


@postgres_app.command("setup")
def postgres_setup(
    is_printed: Annotated[bool, typer.Option("--print", help="Only show the SQL, for psql.")] = False,
) -> None:
    """Make roles, tables, policies and masks, as the superuser of TIERHOUSE_POSTGRES_ADMIN_URL."""
    from orchestration.lib.policies import PolicyError
    from orchestration.lib.policies.load import load_access
    from orchestration.lib.postgres.load import ADMIN_URL, PostgresError, set_up
    from orchestration.lib.postgres.setup import setup_statements

    try:
        access = load_access()
        if is_printed:
            typer.echo("begin;\n" + ";\n".join(setup_statements(access)) + ";\ncommit;")
            return
        count = set_up(_address(ADMIN_URL, "a superuser"), access)
    except (PolicyError, PostgresError) as error:
        raise _fail(str(error)) from error
    console.print(f"{count} statements ran; versions are loaded by the daily run or `tierhouse postgres load`")


@postgres_app.command("load")
def postgres_load(home: HomeOption = None) -> None:
    """Load the published version, if the database of TIERHOUSE_POSTGRES_URL has an older one."""
    from orchestration.lib.policies import PolicyError
    from orchestration.lib.postgres.load import URL, PostgresError, load_version, versions_kept

    try:
        loaded = load_version(Home.resolve(home), _address(URL, "tierhouse_loader"), kept=versions_kept(os.environ))
    except (PolicyError, PostgresError) as error:
        raise _fail(str(error)) from error
    console.print(f"version {loaded['version']}: {loaded['rows']:,} rows in {loaded['partitions']} partitions written")


@postgres_app.command("readers")
def postgres_readers(
    file: Annotated[Path, typer.Argument(help="CSV: login_name, employee_id, branch_id; several rows for several.")],
) -> None:
    """Say which employee and which branches each login is; what was said before is replaced."""
    from orchestration.lib.postgres.load import URL, PostgresError, read_readers, set_readers

    try:
        rows = read_readers(file)
        set_readers(_address(URL, "tierhouse_loader"), rows)
    except (OSError, PostgresError) as error:
        raise _fail(str(error)) from error
    console.print(f"{len({row[0] for row in rows})} logins in {len(rows)} rows")


@app.command()
def docs(
    check: Annotated[bool, typer.Option("--check", help="Only say which files are stale.")] = False,
) -> None:
    """Write the generated files: staging models, sources and the landing contract's page."""
    from orchestration.lib.generated import stale_files, write_files

    if not check:
        write_files()
        return
    stale = stale_files()
    if stale:
        raise _fail(f"stale generated files: {', '.join(stale)}; run `tierhouse docs` and commit them")


@app.command()
def dev(
    home: HomeOption = None,
    landing: Annotated[Path | None, typer.Option(help="Landing root (default: <home>/landing).")] = None,
    port: int = 3000,
) -> None:
    """Serve the Dagster UI on 127.0.0.1."""
    from orchestration.lib.dagster_home import prepare_dagster_home
    from orchestration.lib.journal import Journal

    deployment = Home.resolve(home)
    prepare_dagster_home(deployment)
    published = Journal(deployment.journal).last_published()
    root = (landing or deployment.landing).resolve()
    environment = {
        **os.environ,
        "TIERHOUSE_HOME": str(deployment.root),
        "TIERHOUSE_LANDING": str(root),
        "DAGSTER_HOME": str(deployment.dagster),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        **({"TIERHOUSE_FIRST_DATE": published["first_date"]} if published else {}),
    }
    console.print(f"Dagster UI: http://127.0.0.1:{port}")
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-w",
        str(PROJECT_ROOT / "workspace.yaml"),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    with contextlib.suppress(KeyboardInterrupt):
        raise typer.Exit(subprocess.run(command, cwd=PROJECT_ROOT, env=environment, check=False).returncode)


if __name__ == "__main__":
    app()

"""The plan of a build and the one dbt build that carries it out."""

import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, dbt_assets
from dagster_dbt.asset_utils import get_manifest_and_translator_from_dbt_assets, get_subset_selection_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from orchestration.defs.landing import raw_key
from orchestration.defs.partitions import BUSINESS_DATES, ONE_RUN, STRICT_TAG, WRITER_POOL
from orchestration.defs.session import BuildSession
from orchestration.lib import fault
from orchestration.lib.audit import audit
from orchestration.lib.build import (
    AFTER_MODELS,
    DbtFailed,
    has_results,
    prepare_chunk,
    run_dbt,
    start_build,
)
from orchestration.lib.contracts import load_contracts
from orchestration.lib.expectation_run import preload
from orchestration.lib.planning import MissingFeed
from orchestration.lib.policies import PolicyError, load_policies, policy_table_names
from orchestration.lib.policies.lint import lint
from orchestration.lib.warehouse import build_table_names
from orchestration.progress import MARK
from orchestration.project import dbt_project

POLICY_CHECK = dg.AssetCheckSpec(
    name="policies_without_findings",
    asset=dg.AssetKey(["policy", "scheme"]),
    blocking=True,
    description="What `tierhouse policy check` finds. With a finding nothing is built; the published version stays.",
)
# Of dbt's log: a model was built, a test was run.
_RESULT_EVENTS = ("LogModelResult", "LogTestResult")


def _plan_specs() -> list[dg.AssetSpec]:
    raw = [raw_key(feed) for feed in load_contracts().values()]
    policies = [
        dg.AssetSpec(
            key=dg.AssetKey(["policy", name]),
            group_name="policy",
            description="Rules compiled from policies/, dated.",
            owners=["team:policy_owner"],
            kinds={"parquet"},
            skippable=True,
        )
        for name in policy_table_names()
    ]
    tables = [
        dg.AssetSpec(
            key=dg.AssetKey(["build", name]),
            deps=raw,
            group_name="plan",
            description="What the next build is made of: its days, the deliveries in force, its limits.",
            owners=["team:warehouse"],
            kinds={"parquet"},
            skippable=True,
        )
        for name in build_table_names()
    ]
    return [*policies, *tables]


def policy_check_result() -> dg.AssetCheckResult:
    """The policy files judged as `tierhouse policy check` does: every problem is a line of the description."""
    try:
        findings = [str(finding) for finding in lint(load_policies())]
    except PolicyError as error:
        findings = str(error).splitlines()
    return dg.AssetCheckResult(
        asset_key=POLICY_CHECK.asset_key,
        check_name=POLICY_CHECK.name,
        passed=not findings,
        severity=dg.AssetCheckSeverity.ERROR,
        description="\n".join(findings) or None,
        metadata={"findings": len(findings)},
    )


@dg.multi_asset(
    name="plan_next_build",
    specs=_plan_specs(),
    check_specs=[POLICY_CHECK],
    partitions_def=BUSINESS_DATES,
    backfill_policy=ONE_RUN,
    pool=WRITER_POOL,
)
def plan_next_build(
    context: dg.AssetExecutionContext, session: BuildSession
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Choose base, days and deliveries of the next build; nothing follows when nothing is new."""
    through = date.fromisoformat(context.partition_key_range.end)
    checked = policy_check_result()
    yield checked
    if not checked.passed:
        raise dg.Failure(str(checked.description), allow_retries=False)
    try:
        policies = load_policies()
        is_strict = context.run.tags.get(STRICT_TAG, "true") == "true"
        plan = start_build(session.home, load_contracts(), policies, through, is_strict=is_strict)
    except (MissingFeed, PolicyError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    session.set_plan(plan)
    if plan is None:
        context.log.info(f"{MARK}nothing new to build")
        return
    metadata: dict[str, dg.MetadataValue | str | int] = {
        "build_id": plan.build_id,
        "as_of_date": plan.as_of_date.isoformat(),
        "base_date": plan.base_date.isoformat() if plan.base_date else "none: from the first day",
        "new_deliveries": len(plan.new_batches),
        "restating_deliveries": dg.MetadataValue.md(
            "\n".join(f"- `{b.batch_id}`" for b in plan.restating_batches) or "none"
        ),
        "policy_hash": plan.policy_hash,
    }
    for spec in _plan_specs():
        yield dg.MaterializeResult(asset_key=spec.key, metadata=metadata)


def _preload() -> None:
    """Import what audit and publish need: Great Expectations and the drawing of PNG pictures."""
    preload()
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401


class Translator(DagsterDbtTranslator):
    """dbt's folders are Dagster's groups; descriptions are dbt's own, without compiled SQL."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return str(dbt_resource_props["fqn"][1])

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return str(dbt_resource_props["description"])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return ["team:warehouse"]


@dbt_assets(
    manifest=dbt_project.manifest_path,
    project=dbt_project,
    name="build_warehouse",
    partitions_def=BUSINESS_DATES,
    backfill_policy=ONE_RUN,
    pool=WRITER_POOL,
    dagster_dbt_translator=Translator(),
)
def build_warehouse(context: dg.AssetExecutionContext, session: BuildSession) -> Iterator[Any]:
    """Advance the state and build the marts: one dbt call per advance, the last with every test."""
    plan = session.plan
    if plan is None:
        raise dg.Failure("this run planned no build; materialize from land_deliveries on", allow_retries=False)
    home, contracts, policies = session.home, load_contracts(), load_policies()
    target = Path(home.root / "dbt_target")
    for number, chunk in enumerate(plan.chunks, start=1):
        context.log.info(
            f"{MARK}advance {number} of {len(plan.chunks)}: {chunk.base_date or 'nothing'} to {chunk.as_of_date}"
        )
        prepare_chunk(home, plan, chunk, contracts, policies)
        if number < len(plan.chunks):
            run_dbt(home, plan, chunk, ["run"])
            continue
        # These take seven seconds to import: they load while DuckDB works.
        threading.Thread(target=_preload, daemon=True).start()
        error = yield from _streamed(context, partial(run_dbt, home, plan, chunk, _build_arguments(context)))
    fault.point(AFTER_MODELS)
    if error is not None:
        # A failing test stops all that comes after it, so the verdict that names it is written here.
        if not has_results(target):
            raise error
        verdict = audit(home, plan.build_id, contracts, target)
        raise dg.Failure(verdict.reasons(), allow_retries=False)


def _build_arguments(context: dg.AssetExecutionContext) -> list[str]:
    """Everything that the run selects, in one dbt call, so that a failing test stops all that comes after it."""
    manifest, translator, _ = get_manifest_and_translator_from_dbt_assets([context.assets_def])
    chosen, indirect = get_subset_selection_for_context(
        context=context,
        manifest=manifest,
        select=None,
        exclude=None,
        selector=None,
        dagster_dbt_translator=translator,
        current_dbt_indirect_selection_env=None,
    )
    arguments = ["build", "--exclude-resource-type", "unit_test", *chosen]
    return [*arguments, "--indirect-selection", indirect] if indirect else arguments


def _streamed(context: dg.AssetExecutionContext, run: Callable[..., object]) -> Generator[Any, None, DbtFailed | None]:
    """Dagster's events of a dbt call as its nodes finish; returns why it failed. dbt has a thread of this process.

    A process of its own would import dbt again, parse, and write every event of its log as JSON for this one to read.
    """
    from dbt_common.events.functions import msg_to_dict

    manifest, translator, _ = get_manifest_and_translator_from_dbt_assets([context.assets_def])
    results: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
    is_stopped = threading.Event()

    def listen(event: Any) -> None:
        if event.info.name in _RESULT_EVENTS:
            results.put(msg_to_dict(event))
        elif event.info.name == "NodeCompiling" and is_stopped.is_set():
            raise DbtFailed("the run was stopped")

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, listener=listen)
        running.add_done_callback(lambda _: results.put(None))
        try:
            while (event := results.get()) is not None:
                yield from DbtCoreCliEventMessage(event, event_history_metadata={}).to_default_asset_events(
                    manifest, translator, context, project=dbt_project
                )
        except BaseException:
            is_stopped.set()  # by hand: what is at work is finished, no other node begins
            raise
    error = running.exception()
    if error is None or isinstance(error, DbtFailed):
        return error
    raise error

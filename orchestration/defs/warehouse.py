"""The plan of a build and the one dbt build that carries it out."""

import threading
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets

from orchestration.defs.landing import raw_key
from orchestration.defs.partitions import BUSINESS_DATES, ONE_RUN, STRICT_TAG, WRITER_POOL
from orchestration.defs.session import BuildSession
from orchestration.lib import fault
from orchestration.lib.audit import audit
from orchestration.lib.build import (
    AFTER_MODELS,
    dbt_environment,
    environment,
    forget_results,
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
# Everything of a build runs in one dbt call, so that a failing test stops all that comes after it.
_EXCLUDED = ["--exclude-resource-type", "unit_test"]


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
def build_warehouse(context: dg.AssetExecutionContext, session: BuildSession, dbt: DbtCliResource) -> Iterator[Any]:
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
            # In this process: a history has an advance per month, and starting dbt for each takes four seconds.
            run_dbt(home, plan, chunk, ["run"])
            continue
        with environment(dbt_environment(home, plan, chunk)):
            forget_results(target)
            # These take seven seconds to import: they load while dbt, a process of its own, starts on one core.
            threading.Thread(target=_preload, daemon=True).start()
            invocation = dbt.cli(["build", *_EXCLUDED], context=context, target_path=target, raise_on_error=False)
            yield from invocation.stream()
    fault.point(AFTER_MODELS)
    error = invocation.get_error()
    if error is not None:
        # A failing test stops all that comes after it, so the verdict that names it is written here.
        if not has_results(target):
            raise error
        verdict = audit(home, plan.build_id, contracts, target)
        raise dg.Failure(verdict.reasons(), allow_retries=False)

"""The Dagster instance of a deployment lives in its home: runs of the command line show in the UI."""

from __future__ import annotations

from orchestration.lib.files import write_atomically
from orchestration.lib.home import Home

_DAGSTER_YAML = """\
telemetry: {enabled: false}
nux: {enabled: false}
event_log_storage:
  module: orchestration.event_log
  class: HeldOpenEventLog
  config: {base_dir: {env: DAGSTER_HOME}}
concurrency:
  pools: {default_limit: 1, granularity: op}
  runs: {max_concurrent_runs: 1}
run_retries: {enabled: true, max_retries: 1, retry_on_asset_or_op_failure: false}
run_monitoring: {enabled: true}
"""


def prepare_dagster_home(home: Home) -> None:
    """Write dagster.yaml (telemetry off, one writer, one run at a time) unless the deployment has its own."""
    path = home.dagster / "dagster.yaml"
    if not path.exists():
        write_atomically(path, _DAGSTER_YAML)

"""Policies: a bank's rules as reviewed YAML, compiled to the dated tables that dbt joins."""

from orchestration.lib.policies.compile import compile_policies, policy_rows, policy_table_names
from orchestration.lib.policies.load import PolicyError, PolicySet, load_policies, version_at

__all__ = [
    "PolicyError",
    "PolicySet",
    "compile_policies",
    "load_policies",
    "policy_rows",
    "policy_table_names",
    "version_at",
]

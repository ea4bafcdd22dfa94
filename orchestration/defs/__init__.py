"""Dagster definitions, by step of the data's way."""

import warnings

# Backfill policies are beta in Dagster 1.13, which is pinned: said once here, not on every start.
warnings.filterwarnings("ignore", message=".*backfill_policy.*")

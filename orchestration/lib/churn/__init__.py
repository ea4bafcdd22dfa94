"""Churn: ranges and points proposed from what happened to customers after they were warned of, or not."""

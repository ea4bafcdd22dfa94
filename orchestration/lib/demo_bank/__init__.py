"""A made-up bank of any size: deterministic landing deliveries of every feed, and the truth."""

from orchestration.lib.demo_bank.generate import generate

__all__ = ["generate"]

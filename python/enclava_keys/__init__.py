"""API keys, model allowlists and exact budgets for LLM gateways, enforced in the gateway's own process."""

from enclava_keys._native import __version__

__all__ = ["__version__"]

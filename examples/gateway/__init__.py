"""A gateway to copy: keys, budgets and the API Keys page in front of any OpenAI-compatible upstream.

`python -m gateway` runs it, `python -m gateway token` signs an admin in. What can be set is in `settings.py`.
"""

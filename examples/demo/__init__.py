"""The whole story of one key, told by the gateway next door: `python -m demo`."""

"""The native half of the package. Import from `enclava_keys`."""

from typing import Final

__all__ = ["__version__"]

__version__: Final[str]

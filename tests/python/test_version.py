"""The package, its native module, its metadata and the sources it was built from carry one version."""

import tomllib
from importlib.metadata import version
from pathlib import Path

import enclava_keys
from enclava_keys import _native

ROOT = Path(__file__).parents[2]


def test_versions_agree() -> None:
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    expected = manifest["workspace"]["package"]["version"]
    assert enclava_keys.__version__ == expected
    assert _native.__version__ == expected
    assert version("enclava-keys") == expected


def test_the_installed_package_is_tested_not_the_source_tree() -> None:
    assert ROOT / "python" not in Path(enclava_keys.__file__).parents


def test_package_is_typed() -> None:
    assert (Path(enclava_keys.__file__).parent / "py.typed").exists()

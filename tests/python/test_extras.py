"""Where an extra is not installed, the error says which."""

import pytest
from programs import python


@pytest.mark.parametrize(
    ("package", "module", "extra"),
    [("starlette", "asgi", "asgi"), ("starlette", "console", "console"), ("jwt", "console", "console")],
)
def test_a_missing_extra_is_named(package: str, module: str, extra: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; import enclava_keys.{module}"
    done = python("-c", program)
    assert done.returncode != 0
    assert f"pip install 'enclava-keys[{extra}]'" in done.stderr

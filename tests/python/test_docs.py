"""Every public name has a docstring, and the stubs show editors the same: `BLESS=1 pytest` copies them."""

from __future__ import annotations

import ast
import inspect
import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import enclava_keys
from enclava_keys import _native, arguments, ledger, store, values

if TYPE_CHECKING:
    from collections.abc import Iterator

STUBS = Path(__file__).parents[2] / "python" / "enclava_keys" / "_native.pyi"
Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def documented() -> Iterator[tuple[Documented, object]]:
    """Each class, method and function of the stubs, and what it is when the program runs."""
    for node in ast.parse(STUBS.read_text()).body:
        if isinstance(node, Documented):
            thing = getattr(_native, node.name)
            yield node, thing
            for member in ast.iter_child_nodes(node):
                if isinstance(member, Documented) and not member.name.startswith("__"):
                    yield member, getattr(thing, member.name)


def test_stubs_show_the_docstrings() -> None:
    pairs = [(node, inspect.getdoc(thing)) for node, thing in documented()]
    undocumented = [node.name for node, doc in pairs if not doc]
    assert not undocumented
    if os.environ.get("BLESS"):
        bless([(node, doc or "") for node, doc in pairs])
    shown = [(node.name, ast.get_docstring(node)) for node, _ in documented()]
    assert shown == [(node.name, doc) for node, doc in pairs], "BLESS=1 copies the docstrings to the stubs"


def bless(pairs: list[tuple[Documented, str]]) -> None:
    lines = STUBS.read_text().split("\n")
    for node, doc in sorted(pairs, key=lambda pair: pair[0].lineno, reverse=True):
        first = node.body[0]
        indent = " " * (node.col_offset + 4)
        told = textwrap.indent(f'"""{doc}{chr(10) if chr(10) in doc else ""}"""', indent).split("\n")
        if ast.get_docstring(node) is not None:
            lines[first.lineno - 1 : first.end_lineno] = told
        elif isinstance(node, ast.ClassDef):
            lines[first.lineno - 1 - len(getattr(first, "decorator_list", [])) : first.lineno - 1] = [
                *told,
                *lines[first.lineno - 1 - len(getattr(first, "decorator_list", [])) : first.lineno - 1],
            ]
        else:
            assert lines[first.lineno - 1].endswith(" ...")
            lines[first.lineno - 1 : first.lineno] = [lines[first.lineno - 1].removesuffix(" ..."), *told]
    STUBS.write_text("\n".join(lines))


@pytest.mark.parametrize(
    "module", [enclava_keys, arguments, ledger, store, values], ids=lambda it: it.__name__
)
def test_every_public_name_is_documented(module: object) -> None:
    assert inspect.getdoc(module)
    for name in module.__all__:  # type: ignore[attr-defined]
        thing = getattr(module, name)
        if isinstance(thing, type) or inspect.isroutine(thing):
            assert inspect.getdoc(thing), name
            for member, value in getattr(thing, "__dict__", {}).items():
                if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                    assert inspect.getdoc(value), f"{name}.{member}"

"""Rules of the house that a reader can rely on: small modules, no pickles, no hidden randomness, names that say nothing of places."""

import ast
import re
from pathlib import Path

import pytest

root = Path(__file__).parent.parent
modules = sorted(
    p
    for p in (root / "potential_flow").rglob("*.py")
    if p.name not in ("__init__.py", "_modidx.py")
)


@pytest.mark.parametrize("path", modules, ids=lambda p: p.name)
def test_module(path):
    text = path.read_text(encoding="utf-8")
    code = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert len(code) <= 250, f"{len(code)} lines"
    assert not re.search(
        r"torch\.(load|save)\(|pickle|np\.random|torch\.manual_seed\((?!seed\))", text
    )
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            parent_is_public = isinstance(node, ast.ClassDef) or node.col_offset == 0
            if parent_is_public and len(node.body) > 2:
                assert ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"

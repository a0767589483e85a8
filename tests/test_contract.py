"""Every method of the package, as the contract sees it at its smallest.

The chapters hold the full contract; here no method can be forgotten.
"""

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from potential_flow.engine.behaviour import dead_fields
from potential_flow.engine.contract import lopsided
from potential_flow.engine.method import methods

root = Path(__file__).resolve().parent.parent
SMALL = {"points": 300, "charges": 64, "L": 4.0}  # sizes that cost time and prove nothing more


def classes():
    "Every complete method of the package."
    return [cls for cls in methods().values() if cls.__module__.startswith("potential_flow.")]


def small(cls):
    "A method for the lopsided data, at its smallest."
    method = cls.fitted(lopsided((3,))[0])
    large = {k: n for k, n in SMALL.items() if getattr(method, k, 0) > n}
    return replace(method, **large)


@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.__name__)
def test_no_field_is_without_effect(cls):
    y, _ = lopsided((3,))
    method = small(cls)
    dead = dead_fields(method, y[::8])
    assert not dead, dead


def test_every_field_is_explained():
    "The comment behind a field is its documentation; a shape needs none."
    facts = []
    for method in map(small, classes()):
        documented = type(method).__doc__ or ""
        for field in fields(method):
            if f"{field.name} (" not in documented:
                facts.append(f"{type(method).__name__}.{field.name}")
    assert not facts, facts


def test_starts_obey_seed_and_temperature():
    for method in map(small, classes()):
        gens = [torch.Generator().manual_seed(seed) for seed in (0, 0, 1)]
        first, again, other = (method.prior(5, gen) for gen in gens)
        cold = method.prior(5, torch.Generator().manual_seed(0), temperature=0.5)
        assert first.dtype == torch.float64 and first.equal(again)
        assert not first.equal(other) and not first.equal(cold)


def test_every_method_is_checked_in_a_chapter():
    "The name of each method stands in a notebook of `methods` that calls `check_method`."
    checked = set()
    for path in sorted((root / "nbs" / "methods").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        # the cells that define a method prove nothing
        proofs = "\n".join(s for s in sources if not s.startswith("#| export"))
        if "check_method(" in proofs:
            checked |= set(re.findall(r"\w+", proofs))
    missing = [cls.__name__ for cls in classes() if cls.__name__ not in checked]
    assert not missing, missing

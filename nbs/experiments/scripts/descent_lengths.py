"""How long should a descent be? Runs that `pf_compare` has left, followed for other lengths.

python descent_lengths.py --out DIR equilibrium_digits/runs equilibrium_swiss_roll/runs
Every (run, length) is a line of DIR/scores.jsonl, which is written anew.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch

from potential_flow.core import generator
from potential_flow.engine.checkpoint import load_run
from potential_flow.engine.solvers import generate
from potential_flow.engine.steps import euler
from potential_flow.methods.equilibrium import EquilibriumMatching
from potential_flow.tools.data import load_data
from potential_flow.tools.metrics import confidence, digit_classifier, energy_distance

LENGTHS = (1.0, 1.25, 1.5, 2.0, 3.0)


def scores_of(x, data):
    "Energy distance to the test part, over that of the training part for images; confidence."
    x, test = x.double(), data.held_out().double()
    found = {"energy": energy_distance(x, test)}
    if x.ndim > 2:
        found["energy_ratio"] = found["energy"] / energy_distance(data.whole().double(), test)
        found["confidence"] = confidence(digit_classifier(data.whole(), data.labels), x)
    return found


def lines_of(folder):
    "One run, at every length."
    run = load_run(folder)
    # other strengths and shares are other methods
    if run.method != EquilibriumMatching(run.method.shape, horizon=run.method.horizon):
        return
    data = load_data(run.data, run.n, run.options["seed"])
    for length in LENGTHS:
        method = replace(run.method, horizon=length)
        x = generate(method, run.best, 5000, generator(0), steps=100, step=euler).x
        line = {"data": run.data, "seed": run.recipe.seed, "length": length}
        yield line | scores_of(x, data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    with open(given.out / "scores.jsonl", "w") as file:
        for runs in given.runs:
            for folder in sorted(runs.iterdir()):
                for line in lines_of(folder):
                    print(json.dumps(line), file=file, flush=True)


if __name__ == "__main__":
    main()

"""AUROC of digits of a class held out of training, for equilibrium matching and VAPO.

python strangers.py --out DIR --workers 16
Every (method, class, seed) appends a line to DIR/auroc.jsonl; what is there is not done again.
"""

import argparse
from pathlib import Path

import torch
from lines import add_missing
from sklearn.metrics import roc_auc_score

from potential_flow.core import flat, generator
from potential_flow.engine.training import Recipe, Run
from potential_flow.methods.equilibrium import EquilibriumEnergy, EquilibriumMatching
from potential_flow.methods.gaussian_path import log_density
from potential_flow.methods.vapo import VAPO
from potential_flow.tools.data import digits

METHODS = {"energy": EquilibriumEnergy, "field": EquilibriumMatching, "VAPO": VAPO}
OPTIONS = {"energy": {"fine": 0.3}, "field": {"fine": 0.3}, "VAPO": {"nu": 0.05}}


def rolled(method, net, x, length=1.0, steps=20):
    "Where gradient descent of a given length ends."
    for _ in range(steps):
        x = x - length / steps * method.slope(net, x).detach()
    return x


def of_equilibrium(method, net, x):
    "Scores of points: stranger is larger."
    end, zero = rolled(method, net, x), x.new_zeros(len(x))
    found = {
        "length of f": flat(method.slope(net, x).detach()).norm(dim=1),
        "way of a descent": flat(end - x).norm(dim=1),
    }
    losses = [method.loss(net, x, generator(k)).detach() for k in range(32)]
    found["loss at the point"] = torch.stack(losses).mean(0)
    if isinstance(method, EquilibriumEnergy):
        found["energy"] = net(x, zero).detach()
        found["fall of the energy"] = found["energy"] - net(end, zero).detach()
    return found


def of_vapo(method, net, x):
    "Minus the log-density at one time of the path, the best of those tried."
    lam = 1.0
    state = x * float(method.path(torch.tensor(lam)).mu)
    return {"energy": -log_density(method, net, state, lam).detach()}


def job(task):
    "One class held out, one seed, one method: its line."
    name, label, seed, steps = task
    torch.set_num_threads(1)
    images = digits()
    known = images.whole()[images.labels != label]
    method = METHODS[name].fitted(known, **OPTIONS[name])
    torch.manual_seed(seed)
    recipe = Recipe(steps, 256, 1e-3, warmup=200, seed=seed)
    run = Run(method, method.network(dropout=0.1), recipe)
    run.fit(known, progress=False)
    net = run.best.requires_grad_(False)
    scored = of_vapo if name == "VAPO" else of_equilibrium
    new = (images.test_labels == label).numpy()
    scores = scored(method, net, images.held_out())
    found = {each: float(roc_auc_score(new, value)) for each, value in scores.items()}
    return [{"method": name, "label": label, "seed": seed, "steps": steps, "auroc": found}]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--classes", type=int, default=10)
    given = parser.parse_args()
    tasks = [
        (name, label, int(seed), given.steps)
        for seed in given.seeds.split(",")
        for label in range(given.classes)
        for name in METHODS
    ]
    path = given.out / "auroc.jsonl"
    add_missing(path, ("method", "label", "seed"), job, tasks, given.workers)


if __name__ == "__main__":
    main()

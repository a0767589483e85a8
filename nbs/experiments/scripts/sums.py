"""Sums of energies, of equilibrium matching and of VAPO: either data set (or), both (and).

python sums.py --out DIR --workers 2
Every (problem, method, seed) appends lines to DIR/scores.jsonl; what is there is not done again.
"""

import argparse
from pathlib import Path

import torch
from lines import add_missing
from torch import nn

from potential_flow.core import flat, generator
from potential_flow.engine.solvers import generate
from potential_flow.engine.steps import Nesterov, heun
from potential_flow.engine.training import Recipe, Run
from potential_flow.methods.equilibrium import EquilibriumEnergy
from potential_flow.methods.gaussian_path import _link, composed
from potential_flow.methods.vapo import VAPO
from potential_flow.tools.data import digits, load_data
from potential_flow.tools.metrics import confidence, digit_classifier, energy_distance

# half of the length and of the breadth
HALF_BAR = torch.tensor([1.5, 0.4])


class Mean(nn.Module):
    "The sum of two energies, over two: the descent has the length of one."

    def __init__(self, nets):
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, x, s):
        return sum(net(x, s) for net in self.nets) / len(self.nets)


class Least(Mean):
    "The smaller of two energies, each counted from its mean on its own data."

    def __init__(self, nets, lows):
        super().__init__(nets)
        self.lows = lows

    def forward(self, x, s):
        energies = [net(x, s) - low for net, low in zip(self.nets, self.lows)]
        return torch.stack(energies).amin(0)


class Product(nn.Module):
    "VAPO's residual of the product of two densities, at every time of the path."

    def __init__(self, method, nets):
        super().__init__()
        self.nets, self.method = nn.ModuleList(nets), method

    def forward(self, x, s):
        scales = self.method.scales(s)
        bowl, _ = _link(self.method, s)
        # Φ = bowl |x|²/2 + depth ln ρ: of two potentials one bowl is too much
        rest = (scales.curvature - bowl) / scales.size * flat(x).square().sum(1) / 2
        return (sum(net(x, s) for net in self.nets) + rest).to(x.dtype)


class Residuals(Mean):
    "The sum of VAPO's residuals: the product of two densities over the Gaussian of their size."

    def forward(self, x, s):
        return sum(net(x, s) for net in self.nets)


class Mixture(nn.Module):
    "VAPO's residual of the mixture of densities."

    def __init__(self, method, parts):
        super().__init__()
        self.nets = nn.ModuleList(part[-1] for part in parts)
        self.net = composed(method, *parts)

    def forward(self, x, s):
        return self.net(x, s)


def bar(n, gen, turned):
    "Points of an upright or of a lying bar."
    half = HALF_BAR.flip(0) if turned else HALF_BAR
    return (2 * torch.rand(n, 2, generator=gen) - 1) * half


def parts_of(problem, seed):
    "Two data sets, and test points of what their sum is to give."
    if problem == "bars, and":
        gen = generator(seed)
        due = (2 * torch.rand(5000, 2, generator=gen) - 1) * HALF_BAR[1]
        return [bar(5000, gen, turned) for turned in (False, True)], due
    if problem == "clusters, or":
        data = load_data("gaussians8", 10_000, seed)
        right = data.train[:, 0] > 0.5
        return [data.train[~right], data.train[right]], data.test
    images = digits()
    odd = images.labels % 2 == 1
    return [images.whole()[~odd], images.whole()[odd]], images.held_out()


def scores_of(problem, x, due):
    "Energy distance to what is due; the share in the square, or in the second set."
    x, due = x.double(), due.double()
    found = {"energy": energy_distance(x, due)}
    if problem == "bars, and":
        return found | {"share": float((x.abs() <= 0.45).all(1).double().mean())}
    if problem == "clusters, or":
        return found | {"share": float((x[:, 0] > 0.5).double().mean())}
    images = digits()
    teacher = digit_classifier(images.whole(), images.labels)
    training = energy_distance(images.whole().double(), due)
    guess = torch.as_tensor(teacher.predict(flat(x).numpy()))
    found["energy"] = found["energy"] / training
    found["confidence"] = confidence(teacher, x)
    return found | {"share": float((guess % 2 == 1).double().mean())}


def learnt(method, y, seed):
    "A network of one data set."
    image = len(method.shape) > 1
    sizes = {"dropout": 0.1} if image else {"width": 96}
    torch.manual_seed(seed)
    steps = 2500 if image else 1500
    run = Run(method, method.network(**sizes), Recipe(steps, 256, 1e-3, warmup=200, seed=seed))
    run.fit(y, progress=False)
    return run.best.requires_grad_(False)


def drawn(method, net, seed):
    "Samples with at most a hundred evaluations."
    descent = isinstance(method, EquilibriumEnergy)
    step, steps = (Nesterov(0.3), 60) if descent else (heun, 25)
    return generate(method, net, 5000, generator(seed), steps=steps, step=step).x


def mixture_of(method, nets, parts):
    "The energy of points that are in either set."
    if isinstance(method, EquilibriumEnergy):
        lows = [float(net(y, y.new_zeros(len(y))).mean()) for net, y in zip(nets, parts)]
        return {"the smaller one": Least(nets, lows)}
    shares = [len(part) / sum(map(len, parts)) for part in parts]
    weighed = [(share, method, net) for share, net in zip(shares, nets)]
    return {"logarithm of the sum": Mixture(method, weighed)}


def job(task):
    "One problem, one method, one seed: a line for each rule of adding."
    problem, name, seed = task
    torch.set_num_threads(1)
    parts, due = parts_of(problem, seed)
    # both parts are learnt in the units of all
    together = torch.cat(parts)
    if name == "energy":
        method = EquilibriumEnergy.fitted(together, fine=0.3)
    else:
        method = VAPO.fitted(together, nu=0.05)
    nets = [learnt(method, part, seed) for part in parts]
    every = due if problem == "bars, and" else together
    sums = {"both at once": learnt(method, every, seed)}
    if name == "energy":
        sums["sum"] = Mean(nets)
    elif problem == "bars, and":
        sums["sum of the logarithms"] = Product(method, nets)
        sums["sum of the residuals"] = Residuals(nets)
    if problem != "bars, and":
        sums |= mixture_of(method, nets, parts)
    lines = []
    for rule, net in sums.items():
        scores = scores_of(problem, drawn(method, net, seed), due)
        lines.append({"problem": problem, "method": name, "rule": rule, "seed": seed} | scores)
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seeds", default="0,1,2")
    given = parser.parse_args()
    tasks = [
        (problem, name, int(seed))
        for seed in given.seeds.split(",")
        for problem in ("bars, and", "clusters, or", "digits, or")
        for name in ("energy", "VAPO")
    ]
    path = given.out / "scores.jsonl"
    add_missing(path, ("problem", "method", "seed"), job, tasks, given.workers)


if __name__ == "__main__":
    main()

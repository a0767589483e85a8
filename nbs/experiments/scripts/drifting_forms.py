"""Which difference of the two charge distributions should a generator follow, with which kernels?

python drifting_forms.py --out DIR --workers 2 [--steps 2000] [--seeds 0,1,2]
Every (toy, case, seed) appends a line to DIR/scores.jsonl; what is there is not done again.
"""

import argparse
import math
import time
from pathlib import Path
from typing import NamedTuple

import torch
from lines import add_missing

from potential_flow.core import flat, generator
from potential_flow.engine.solvers import generate
from potential_flow.engine.steps import euler
from potential_flow.engine.training import Recipe, Run
from potential_flow.methods.drifting import Drifting, squared_distances
from potential_flow.nets.trunks import MLP
from potential_flow.physics.kernels import score
from potential_flow.tools.data import load_data
from potential_flow.tools.metrics import energy_distance, outliers


def log_weight_of(kernel, sigma, d2, more=0):
    "ln of the kernel's density with an exponent larger by `more`; at D = ∞ the same Gaussian."
    log_weight = score(kernel, sigma, d2.dtype)(d2, None)
    if kernel.gaussian or not more:
        return log_weight
    # the kernel falls like (1 + r²/z²)^(−(N+D)/2), with z² = σ² D
    return log_weight - more * torch.log1p(d2 / (kernel.D * sigma**2))


def pull(log_weight, x, points):
    "Sums of w (y − x) and of w over the points, with the largest weight taken out, and its log."
    largest = log_weight.amax(1, keepdim=True)
    weight = (log_weight - largest).exp()
    total = weight.sum(1, keepdim=True)
    return weight @ points - total * x, total, largest


class FieldDifference(Drifting):
    "E_p − E_q, of charges that are one in sum: over the mean of both E_z at all points."

    @torch.no_grad()
    def drift(self, x, y):
        found, rows, points = 0.0, flat(x), flat(y)
        to_data, to_others = squared_distances(x, y), squared_distances(x, None)
        for kernel, sigma in self.kernels:
            forces, log_scales, log_sums = [], [], []
            for d2, others, count in ((to_data, points, len(y)), (to_others, rows, len(x) - 1)):
                force, total, largest = pull(log_weight_of(kernel, sigma, d2), rows, others)
                forces.append(force)
                log_scales.append(largest - math.log(count))
                log_sums.append(log_scales[-1] + total.log())
            # the mean in the logarithm: where nothing is near, all weights are zero in float32
            log_mean = torch.cat(log_sums).logsumexp(0) - math.log(2 * len(x))
            of_data, of_others = ((scale - log_mean).exp() for scale in log_scales)
            found += forces[0] * of_data - forces[1] * of_others
        return (found / len(self.widths)).view_as(x)


class LogDifference(Drifting):
    "∇ ln p − ∇ ln q, of the smoothed densities; one near charge draws the whole way."

    power = 0  # added to the exponent of the kernel

    @torch.no_grad()
    def drift(self, x, y):
        found, rows, points = 0.0, flat(x), flat(y)
        to_data, to_others = squared_distances(x, y), squared_distances(x, None)
        for kernel, sigma in self.kernels:
            for d2, others, sign in ((to_data, points, 1), (to_others, rows, -1)):
                # ∇ of (r² + z²)^(−p) has the exponent p + 1 above, and p below
                above = log_weight_of(kernel, sigma, d2, self.power + 1)
                below = log_weight_of(kernel, sigma, d2, self.power)
                force, _, largest = pull(above, rows, others)
                found += sign * force * (largest - below.logsumexp(1, keepdim=True)).exp()
        return (found / len(self.widths)).view_as(x)


class PotentialDifference(LogDifference):
    "∇ ln V_p − ∇ ln V_q, of the two electric potentials."

    power = -1


class Case(NamedTuple):
    "What is compared, and how it is trained."

    cls: type = Drifting
    fields: dict = {}  # of the method
    batch: int = 256
    lr: float = 3e-4
    net: dict = {}  # arguments of the network


INF = math.inf
CASES = {
    "posterior means, D = ∞": Case(),
    "posterior means, D = 128": Case(fields={"D": (128.0,)}),
    "posterior means, D = 8": Case(fields={"D": (8.0,)}),
    "posterior means, D = 1": Case(fields={"D": (1.0,)}),
    "fields, D = ∞": Case(FieldDifference),
    "fields, D = 1": Case(FieldDifference, {"D": (1.0,)}),
    "∇ ln V, D = 1": Case(PotentialDifference, {"D": (1.0,)}),
    "∇ ln p, D = 1": Case(LogDifference, {"D": (1.0,)}),
    "D = 1 wide, D = ∞ narrow": Case(fields={"D": (INF, INF, 1.0)}),
    "one width, 0.3": Case(fields={"widths": (0.3,)}),
    "five widths, 0.05 … 0.8": Case(fields={"widths": (0.05, 0.1, 0.2, 0.4, 0.8)}),
    "batch 64": Case(batch=64),
    "batch 1024": Case(batch=1024),
    "sines, rate 1e-3": Case(lr=1e-3),
    "SiLU layers, rate 3e-4": Case(net={"trunk": MLP}),
    "SiLU layers, rate 2e-3": Case(lr=2e-3, net={"trunk": MLP}),
}
TOYS = ("swiss_roll", "gaussians8", "checkerboard")


def job(task):
    "One toy, one case, one seed: its line."
    toy, name, seed, steps = task
    torch.set_num_threads(1)
    case = CASES[name]
    data, start = load_data(toy, 10_000, seed), time.time()
    method = case.cls((2,), points=512, **case.fields)
    torch.manual_seed(seed)
    net = method.network(width=128, **case.net)
    # as many points seen with every batch
    recipe = Recipe(steps * 256 // case.batch, case.batch, case.lr, seed=seed)
    run = Run(method, net, recipe)
    run.fit(data.train, progress=False)
    x = generate(method, run.best, 10_000, generator(seed), steps=1, step=euler).x
    test = data.test.double()
    line = {
        "toy": toy,
        "case": name,
        "seed": seed,
        "steps": run.step,
        "energy": energy_distance(x.double(), test),
        "training points": energy_distance(data.train.double(), test),
        "outliers": outliers(x.double(), data.train.double()),
        "seconds": round(time.time() - start),
    }
    return [line]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", default="0,1,2")
    given = parser.parse_args()
    tasks = [
        (toy, case, int(seed), given.steps)
        for seed in given.seeds.split(",")
        for toy in TOYS
        for case in CASES
    ]
    path = given.out / "scores.jsonl"
    add_missing(path, ("toy", "case", "seed"), job, tasks, given.workers)


if __name__ == "__main__":
    main()

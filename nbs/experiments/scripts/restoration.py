"""Denoising of 8×8 digits by the lines of PFGM++, from the noise's own level on.

python restoration.py --out DIR --workers 9
Every (D, seed) appends lines to DIR/restoration.jsonl; what is there is not done again.
"""

import argparse
import math
from pathlib import Path

import torch
from lines import add_missing

from potential_flow.core import flat, generator
from potential_flow.engine.solvers import decode, narrow
from potential_flow.engine.training import Recipe, Run
from potential_flow.methods.pfgmpp import PFGMpp
from potential_flow.tools.data import digits

EXTRA = (8.0, 128.0, math.inf)
LEVELS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)  # in units of the model: deviations of the images


def psnr(images, x, y):
    "Peak signal over noise in decibels, of pixels between 0 and 1."
    error = flat(images.units.to_units(x) - images.units.to_units(y)).double()
    peak = float(images.units.to_units(y).max())
    return float(-10 * (error.square().mean(1) / peak**2).log10().mean())


def rows(images, method, net, level, seed):
    "Scores at one level of noise: of the noisy images, of their mean, and along the lines."
    y = images.held_out()
    noise = torch.randn(y.shape, generator=generator(1000 + seed))
    noisy = y + level * noise
    levels = torch.full((len(y),), level)
    with torch.no_grad():
        mean = narrow(net)(noisy, levels).clamp(method.low, method.high)
    found = {"noisy": noisy, "one evaluation": mean}
    for steps in (3, 9):
        lines = decode(method, net, noisy, steps=steps, start=level)
        found[f"lines, {lines.nfe} evaluations"] = lines.x.float()
    for name, x in found.items():
        score = images.judge(x)
        kept = {each: score[each] for each in ("confidence", "energy_ratio", "nn_ratio")}
        yield {"what": name, "level": level, "psnr": psnr(images, x, y), **kept}


def job(task):
    "One D and one seed: a line for each level and way."
    D, seed, steps = task
    torch.set_num_threads(1)
    images = digits()
    train = images.whole()
    method = PFGMpp.fitted(train, D=float(D))
    torch.manual_seed(seed)
    run = Run(method, method.network(dropout=0.1), Recipe(steps, 256, seed=seed))
    run.fit(train, progress=False)
    net, found = run.best.requires_grad_(False), []
    for level in LEVELS:
        for row in rows(images, method, net, level, seed):
            found.append({"D": D, "seed": seed, "steps": steps} | row)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    tasks = [(str(D), seed, given.steps) for seed in range(given.seeds) for D in EXTRA]
    path = given.out / "restoration.jsonl"
    add_missing(path, ("D", "seed"), job, tasks, given.workers)


if __name__ == "__main__":
    main()

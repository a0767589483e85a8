"""Images with one evaluation, in a VAE's codes and in a classifier's features.

python drifting_codes.py OUT --data mnist --root data --workers 4 [--steps 8000] [--seeds 0,1,2]
Every (seed, case) appends a line to OUT/scores.jsonl; what is there already is not done again.
"""

import argparse
import copy
import json
import math
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from potential_flow.core import generator, spread_over
from potential_flow.engine.solvers import generate
from potential_flow.engine.steps import Multistep, euler
from potential_flow.engine.training import Recipe, Run
from potential_flow.methods.drifting import Drifting
from potential_flow.methods.flow_matching import FlowMatching
from potential_flow.nets.latent import VAE, Evidence, codes, latent_flow, standardise
from potential_flow.tools.data import load_data
from potential_flow.tools.metrics import ImageClassifier, image_scores, nn_ratio, train_classifier

CASES = {
    "codes, flow matching": (FlowMatching, {}, 20),
    "codes, drifting, D = ∞": (Drifting, {"points": 2048}, 1),
    "codes, drifting, D = 8": (Drifting, {"points": 2048, "D": (8.0,)}, 1),
    "codes, drifting, D = 1": (Drifting, {"points": 2048, "D": (1.0,)}, 1),
    "pixels and features, drifting": (None, {}, 1),
}


def autoencoder(data, given):
    "The VAE of all cases, trained once."
    path, shape = Path(given.out) / "vae.safetensors", data.shape
    vae = VAE(shape, given.latent, 16 if shape[1] > 8 else 32)
    if not path.exists():
        torch.manual_seed(0)
        vae = VAE(shape, given.latent, 16 if shape[1] > 8 else 32).to(given.device)
        recipe = Recipe(min(3000, given.steps), 128, 2e-3, seed=0)
        run = Run(Evidence(shape), vae, recipe)
        run.fit(data.whole(), progress=False)
        save_file(run.best.cpu().state_dict(), path)
    vae.load_state_dict(load_file(path))
    return vae.to(given.device).eval().requires_grad_(False)


def critics(data, given):
    "Classifiers that have seen different halves: the first one judges, the second one teaches."
    classes, found = int(data.labels.max()) + 1, []
    pixels = None
    for half in (0, 1):
        path = Path(given.out) / f"critic-{half}.safetensors"
        if not path.exists():
            pixels = data.units.pixels(data.train).float() if pixels is None else pixels
            own, labels = pixels[half::2].to(given.device), data.labels[half::2].to(given.device)
            net = train_classifier(own, labels, given.lessons, seed=half)
            save_file(net.state_dict(), path)
        net = ImageClassifier(data.shape, classes)
        net.load_state_dict(load_file(path))
        found.append(net.eval().requires_grad_(False))
    return found


def in_codes(case, seed, data, given):
    "Images of a method that has learnt the codes of a VAE, and how near they are to others."
    cls, fields, evaluations = CASES[case]
    vae = autoencoder(data, given)
    images = data.whole().to(given.device)
    gen = torch.Generator(given.device).manual_seed(0)
    code, shift, scale = standardise(codes(vae, images, gen))
    code = code.cpu()
    method = cls.fitted(code, **fields)
    torch.manual_seed(seed)
    net = method.network(width=512, depth=4).to(given.device)
    run = Run(method, net, Recipe(given.steps, 512, 1e-3, seed=seed))
    run.fit(code, progress=False)
    step, steps = (euler, 1) if evaluations == 1 else (Multistep(end=1), evaluations - 1)
    gen = torch.Generator(given.device).manual_seed(seed)
    out = generate(method, run.best, given.n, gen, steps=steps, step=step)
    flow = latent_flow(run, vae, shift, scale).to(given.device)
    return flow.decode(out.x.float()).cpu(), out.nfe


def references(data, given):
    "Training images as they are, and out of their codes: what no generator of codes can beat."
    vae, gen = autoencoder(data, given), torch.Generator(given.device).manual_seed(0)
    images = data.whole()[spread_over(len(data), given.n)].to(given.device)
    return {
        "training images": images.cpu(),
        "their reconstructions": vae.decode(codes(vae, images, gen)).cpu(),
    }


def drawn(run_net, shape, n, seed, device):
    "Images of a generator, in parts."
    noise = torch.randn(n, *shape, generator=generator(seed))
    with torch.no_grad():
        parts = [run_net(part.to(device), None).cpu() for part in noise.split(1000)]
    return torch.cat(parts)


def in_features(seed, data, given, teacher):
    "Images of a generator that drifts in pixels and in the features of the teacher at once."
    images, device = data.whole().to(given.device), given.device
    teacher, units = copy.deepcopy(teacher).to(device), data.units
    to_pixels = copy.deepcopy(units).to(device).to_units

    def seen(x):
        return teacher.body(to_pixels(x)) / teacher.unit

    with torch.no_grad():
        features = torch.cat([seen(part) for part in images.split(1000)])
    by_pixels, by_features = Drifting.fitted(images), Drifting.fitted(features)
    torch.manual_seed(seed)
    net = by_pixels.network(width=1024, depth=4).to(device)
    average = copy.deepcopy(net).requires_grad_(False)
    optimiser = torch.optim.Adam(net.parameters(), 5e-4)
    gen = torch.Generator(device).manual_seed(seed)
    for i in range(given.steps):
        optimiser.param_groups[0]["lr"] = 2.5e-4 * (1 + math.cos(math.pi * i / given.steps))
        x = net(torch.randn(256, *data.shape, generator=gen, device=device), None)
        rows = torch.randint(len(images), (2048,), generator=gen, device=device)
        loss = 0.0
        for method, point, whole in ((by_pixels, x, images), (by_features, seen(x), features)):
            target = point.detach() + method.drift(point.detach(), whole[rows])
            loss = loss + (point - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            for mean, weight in zip(average.parameters(), net.parameters()):
                mean.lerp_(weight, 1 - min(0.999, (1 + i) / (10 + i)))
    return drawn(average, data.shape, given.n, seed, device), 1


def judged(x, data, judge):
    "Fréchet distance to the test images in the judge's features, and copies."
    real = data.units.pixels(data.test).float()
    found = image_scores(data.units.to_units(x), real, judge, allow_few=True)
    train, test = data.whole()[:5000], data.held_out()[:2000]
    return {
        "frechet": found["frechet_inception_distance"],
        "precision": found["precision"],
        "recall": found["recall"],
        "nn_ratio": nn_ratio(x[:2000], train, test),
    }


def written(given, line):
    "A line more in the file."
    with open(Path(given.out) / "scores.jsonl", "a") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def work(job):
    "One seed of one case, to a line of the file."
    case, seed, given = job
    torch.set_num_threads(1)
    data, start = load_data(given.data, root=given.root), time.time()
    judge, teacher = critics(data, given)
    if CASES[case][0] is None:
        x, nfe = in_features(seed, data, given, teacher)
    else:
        x, nfe = in_codes(case, seed, data, given)
    line = {"case": case, "seed": seed, "evaluations": nfe, "n": len(x), "steps": given.steps}
    line |= judged(x, data, judge) | {"seconds": round(time.time() - start)}
    written(given, line)
    shown = data.units.to_units(x[:36]).contiguous()
    save_file({"samples": shown}, Path(given.out) / f"{case}-{seed}.safetensors")
    return line


def main():
    "All cases and seeds that are not there yet."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    for name, default in (("data", "mnist"), ("root", "data"), ("seeds", "0,1,2")):
        parser.add_argument(f"--{name}", default=default)
    for name, default in (("workers", 1), ("steps", 8000), ("n", 10_000), ("latent", 32)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in (("lessons", 1000),):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    path = Path(given.out) / "scores.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.exists() else []
    done = {(line["case"], line["seed"]) for line in map(json.loads, lines)}
    # what all cases share comes first
    data = load_data(given.data, root=given.root)
    autoencoder(data, given)
    judge, _ = critics(data, given)
    for case, x in references(data, given).items():
        if (case, 0) not in done:
            line = {"case": case, "seed": 0, "evaluations": 0, "n": len(x)}
            written(given, line | judged(x, data, judge))
    seeds = [int(seed) for seed in given.seeds.split(",")]
    jobs = [(case, seed, given) for seed in seeds for case in CASES if (case, seed) not in done]
    context = torch.multiprocessing.get_context("spawn")
    with context.Pool(given.workers) as pool:
        for line in pool.imap_unordered(work, jobs):
            print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()

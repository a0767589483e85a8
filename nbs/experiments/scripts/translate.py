"""IFM and EFM between two data sets: coloured threes to twos, and points of the plane.

    python translate.py OUT [--workers 8] [--device cpu] [--share 1.0] [--only plane]
        [--cases "EFM;OTIFM, w = 0.3"] [--seeds 0,1,2]

Each line of OUT/rows.jsonl is one case with one seed; lines that are there are not made again.
"""

import argparse
import json
import multiprocessing
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch.nn.functional import interpolate

from potential_flow.core import generator
from potential_flow.engine.training import Recipe, Run
from potential_flow.methods.efm import EFM, translate
from potential_flow.methods.efm_field import EFMPublished
from potential_flow.methods.ifm import IFM, OTIFM, IFMSine
from potential_flow.tools.data import hue, hue_error, load_data
from potential_flow.tools.dataset import Images
from potential_flow.tools.metrics import image_scores, mean_distance, nearest, train_classifier
from potential_flow.tools.plots import image_grid, save_figure

# heun asks twice a step, and `readout` once more
STEPS = (4, 9, 25)
AS_09 = {"L": 30.0, "even": True, "jitter": 0.0, "noise": 0.05, "charges": 2000}
DROPOUT = 0.2
DIGITS = {
    "OTIFM, w = 0.3, 400 steps": (OTIFM, {"width": 0.3}, DROPOUT, 400),
    "OTIFM, w = 0.3": (OTIFM, {"width": 0.3}, DROPOUT, 4000),
    "IFM, w = 0.3": (IFM, {"width": 0.3}, DROPOUT, 4000),
    "EFM": (EFM, {}, DROPOUT, 4000),
    "EFM, published target": (EFMPublished, AS_09 | {"points": 40_000}, DROPOUT, 4000),
    "OTIFM, w = 0.3, no dropout": (OTIFM, {"width": 0.3}, 0.0, 4000),
    "OTIFM, w = 0.707": (OTIFM, {}, DROPOUT, 4000),
    "IFM, sine, w = 0.3": (IFMSine, {"width": 0.3}, DROPOUT, 4000),
}
MNIST = {"OTIFM, w = 0.3, 800 steps": (OTIFM, {"width": 0.3}, DROPOUT, 800)}
PLANE = {
    "IFM, w = 0.707": (IFM, {}),
    "OTIFM, w = 0.3": (OTIFM, {"width": 0.3}),
}
EXACT = {"OTIFM, w = 0.3, exact field": (OTIFM, {"width": 0.3})}
PARTS = {"plane": PLANE, "exact": EXACT, "digits": DIGITS, "mnist": MNIST}
SETS = ("gaussians8", "moons")


class Job(NamedTuple):
    "One case with one seed."

    part: str  # digits, mnist, plane or exact
    case: str
    seed: int
    device: str
    share: float  # of the training steps
    out: str  # folder

    @property
    def key(self) -> tuple:
        "What a finished job is known by."
        return self.part, self.case, self.seed


def trained(job: Job, kind, options: dict, data, source, steps: int, batch: int, **sizes) -> Run:
    "A run at its last step, and how long it took."
    y, other = data.to(job.device), source.to(job.device)
    method = kind.fitted(data, source=source, **options)
    torch.manual_seed(job.seed)
    net = method.network(**sizes).to(job.device)
    recipe = Recipe(max(1, int(steps * job.share)), batch, method.lr, seed=job.seed)
    run = Run(method, net, recipe)
    start = time.perf_counter()
    run.fit(y, source=other)
    run.options["training_seconds"] = time.perf_counter() - start
    return run


def carried(run: Run, job: Job, y, steps: int, reverse: bool = False):
    "Points of one plate, carried to the other."
    gen = generator(job.seed, job.device)
    return translate(run.method, run.best, y.to(job.device), gen, reverse, steps=steps)


def judge_twos(pixels, lost, start, images, twos, classifier) -> dict:
    "Share of twos, hue error over that of a random pairing, spread, Fréchet distance."
    before = hue(start)
    shuffled = before[torch.randperm(len(before), generator=generator(0))]
    random = float(hue_error(before, shuffled).mean())
    true, kept = images.units.pixels(twos.test), pixels[~lost]
    fid = image_scores(kept, true, classifier, allow_few=True)["frechet_inception_distance"]
    as_two = (classifier(kept).argmax(1) == 2).double().sum() / len(pixels)
    return {
        "as_two": float(as_two),
        "hue": float(hue_error(hue(kept), before[~lost]).mean()) / random,
        "spread": mean_distance(kept, kept) / mean_distance(true, true),
        "frechet": fid,
        "lost": int(lost.sum()),
        "exploded": exploded(kept, true, images.units.pixels(twos.train)),
    }


def exploded(kept, true, learnt) -> float:
    "Share of images further from all training images than 1.5 times any test image."
    furthest = nearest(true, learnt).max()
    return float((nearest(kept, learnt) > 1.5 * furthest).double().mean())


def pictures(part: str) -> Images:
    "Coloured digits of 8×8, or of MNIST at 16×16."
    if part == "digits":
        return load_data("coloured-digits")
    large = load_data("coloured-mnist", root="data")

    def small(levels):
        shrunk = interpolate(levels.float(), size=16, mode="bilinear", antialias=True)
        return shrunk.round().clamp(0, 255).to(torch.uint8)

    labels = {"labels": large.labels, "test_labels": large.test_labels}
    return Images(small(large.train), small(large.test), **labels, class_names=large.class_names)


def digits(job: Job) -> list:
    "Threes to twos."
    images = pictures(job.part)
    threes, twos = images.of_class(3), images.of_class(2)
    pixels = images.units.pixels(images.train)
    classifier = train_classifier(pixels, images.labels, 1500)
    kind, options, dropout, steps = PARTS[job.part][job.case]
    # a thousand images of each: without it the pairs are learnt by heart
    sizes = {"width": 512, "depth": 3, "dropout": dropout}
    run = trained(job, kind, options, twos.whole(), threes.whole(), steps, 256, **sizes)
    start, rows = images.units.pixels(threes.test), []
    for count in STEPS:
        out = carried(run, job, threes.held_out(), count)
        x, lost = out.x.float().cpu(), out.lost.cpu()
        found = judge_twos(images.units.to_units(x), lost, start, images, twos, classifier)
        rows.append({"evaluations": out.nfe} | found)
        if job.seed == 0 and job.case == next(iter(PARTS[job.part])):
            pairs = torch.stack([start[:48], images.units.to_units(x[:48])], 1).flatten(0, 1)
            path = Path(job.out) / f"{job.part}-{out.nfe}.png"
            save_figure(image_grid(pairs.clamp(0, 1), 16), path)
    return rows


def plane(job: Job) -> list:
    "Eight Gaussians to moons, and back."
    source, target = (load_data(name, 10_000, job.seed + i) for i, name in enumerate(SETS))
    kind, options = PLANE[job.case]
    sizes = {"width": 192, "depth": 4}
    run = trained(job, kind, options, target.whole(), source.whole(), 6000, 512, **sizes)
    rows = []
    for reverse in (False, True):
        start, end = (target, source) if reverse else (source, target)
        for steps in STEPS:
            out = carried(run, job, start.held_out(), steps, reverse)
            x = out.x[~out.lost].float().cpu()
            scores = {name: float(value) for name, value in end.judge(x).items()}
            way = {"reverse": reverse, "evaluations": out.nfe, "lost": int(out.lost.sum())}
            rows.append(way | scores)
    return rows


def exact(job: Job) -> list:
    "Eight Gaussians to moons along the lines of all tubes, without a network."
    source, target = (load_data(name, 10_000, job.seed + i) for i, name in enumerate(SETS))
    kind, options = EXACT[job.case]
    method = kind.fitted(target.whole(), source=source.whole(), **options)
    net = method.ideal(target.whole(), source=source.whole())
    out = translate(method, net, source.held_out(), generator(job.seed), steps=9)
    scores = {name: float(value) for name, value in target.judge(out.x.float()).items()}
    return [{"reverse": False, "evaluations": out.nfe, "lost": int(out.lost.sum())} | scores]


def done(job: Job) -> dict:
    "A job and its rows; a failure is a row that says why."
    torch.set_num_threads(1)
    start = time.perf_counter()
    try:
        rows = {"plane": plane, "exact": exact}.get(job.part, digits)(job)
    except (ImportError, RuntimeError, ValueError) as error:
        rows = [{"error": f"{type(error).__name__}: {error}"}]
    found = {"part": job.part, "case": job.case, "seed": job.seed, "share": job.share}
    return found | {"seconds": round(time.perf_counter() - start, 1), "rows": rows}


def main() -> None:
    "All jobs that are not done yet."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--share", type=float, default=1.0, help="of the training steps")
    parser.add_argument("--only", default="", help="digits, mnist, plane or exact")
    parser.add_argument("--cases", default="", help="some of them, between semicolons")
    parser.add_argument("--seeds", default="0,1,2", help="of training")
    given = parser.parse_args()
    path = Path(given.out) / "rows.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    there = [json.loads(line) for line in lines]
    known = {(row["part"], row["case"], row["seed"]) for row in there}
    chosen, jobs = [case.strip() for case in given.cases.split(";") if case], []
    for seed in map(int, given.seeds.split(",")):
        for part, cases in PARTS.items():
            if given.only not in ("", part):
                continue
            wanted = [case for case in cases if not chosen or case in chosen]
            jobs += [Job(part, case, seed, given.device, given.share, given.out) for case in wanted]
    jobs = [job for job in jobs if job.key not in known]
    with multiprocessing.get_context("spawn").Pool(given.workers) as pool:
        for found in pool.imap_unordered(done, jobs):
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

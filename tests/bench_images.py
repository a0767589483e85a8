"""Speed of the networks for images in training, and what takes the time.

Run by hand: python tests/bench_images.py [--quick] [--compiled] [--processes 2] [--targets].
Times are those that the processor spent in this process (on one thread, so that other work on the
machine counts little), the smallest of several steps that alternate between the networks: PFGM++
at its default D, 28×28, batches of 128, forward, backward, AdamW. With --processes it is the clock,
of one process with so many threads and of so many processes with one thread each, by PyTorch's
DistributedDataParallel; only an idle machine answers that. With --targets it is the share of a
training step that the target of a field takes, with 60,000 random images of that size: all of the
loss but the network.
"""

import argparse
import os
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from potential_flow.methods.efm import EFM
from potential_flow.methods.efm_field import EFMDirection
from potential_flow.methods.pfgm_field import PFGMField
from potential_flow.methods.pfgmpp import PFGMpp
from potential_flow.nets.images import ImageBackbone, small, unet

SHAPE = (1, 28, 28)
BATCH = 128
TRANSFORMER = dict(
    backbone="diffusers:DiTTransformer2DModel",
    patch_size=4,
    num_layers=4,
    num_attention_heads=2,
    attention_head_dim=64,
)
ROWS = dict(channels_last=False)
NETWORKS = {
    "28, 14, 7": unet(32, 64, 64, **ROWS),
    "28, 14, 7, channels last": unet(32, 64, 64, channels_last=True),
    "28, 14, 7, attention at 14": unet(32, 64, 64, attention=(1,), attention_head_dim=8, **ROWS),
    "14, 7: small": small() | ROWS,
    "14, 7: small, channels last": small() | dict(channels_last=True),
    "7: patches of 4": unet(96, patch=4, **ROWS),
    "7: transformer, patches of 4": TRANSFORMER | ROWS,
}
KINDS = {
    "convolution": ("convolution",),
    "matrix": ("aten::mm", "aten::addmm", "aten::bmm", "baddbmm"),
    "norm": ("norm",),
    "silu": ("silu",),
    "copies": ("copy_", "aten::cat", "contiguous", "shuffle", "upsample"),
}


class Trained:
    "A network with its optimiser, one step at a time."

    def __init__(self, arguments, batch=BATCH, seed=0):
        torch.manual_seed(seed)
        self.method, self.batch = PFGMpp(SHAPE), batch
        self.net = self.method.network(net=ImageBackbone(SHAPE, **arguments)).train()
        self.opt = torch.optim.AdamW(self.net.parameters(), 1e-3)
        self.y, self.best = torch.randn(batch, *SHAPE), float("inf")

    def step(self, net=None):
        "One step; the loss."
        loss = self.method.loss(net or self.net, self.y, torch.Generator().manual_seed(0)).mean()
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss.item()

    def timed(self):
        "One step, by the processor's clock."
        start = time.process_time()
        self.step()
        self.best = min(self.best, time.process_time() - start)

    def products(self):
        "Millions of multiply-adds of an image's way forward."
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.net(self.y, torch.ones(self.batch))
        return counter.get_total_flops() / 2e6 / self.batch

    def shares(self):
        "What takes the time of a step, by kind of operation."
        with profile(activities=[ProfilerActivity.CPU]) as record:
            self.step()
        events = record.key_averages()
        total = sum(event.self_cpu_time_total for event in events)
        found = dict.fromkeys([*KINDS, "other"], 0.0)
        for event in events:
            kinds = [kind for kind, words in KINDS.items() if any(w in event.key for w in words)]
            found[(kinds or ["other"])[0]] += event.self_cpu_time_total / total
        return found


def table(networks, repeats):
    "One row per network."
    made = {name: Trained(arguments) for name, arguments in networks.items()}
    for trained in made.values():
        trained.step()
    for _ in range(repeats):
        for trained in made.values():
            trained.timed()
    heads = ["million", "M products", "ms", "images/s", "GFLOP/s", *KINDS, "other"]
    print(f"{'network':32}" + "".join(f"{head:>12}" for head in heads))
    for name, trained in made.items():
        count = sum(values.numel() for values in trained.net.parameters()) / 1e6
        products, seconds = trained.products(), trained.best / trained.batch
        # forward once, backward twice
        rate = 6 * products / seconds / 1e3
        numbers = [f"{count:.2f}", f"{products:.0f}", f"{1e3 * seconds:.2f}", f"{1 / seconds:.0f}"]
        numbers += [f"{rate:.0f}"] + [f"{share:.0%}" for share in trained.shares().values()]
        print(f"{name:32}" + "".join(f"{number:>12}" for number in numbers), flush=True)


def matrix_rates():
    "GFLOP/s of a product of matrices, in float32 and bfloat16."
    for dtype in (torch.float32, torch.bfloat16):
        x, best = torch.randn(512, 512).to(dtype), float("inf")
        for _ in range(10):
            start = time.process_time()
            x @ x
            best = min(best, time.process_time() - start)
        print(f"{dtype}: {2 * 512**3 / best / 1e9:.1f} GFLOP/s on one thread")


# "as fitted": what `fitted` chooses for so many images
TARGETS = {
    "PFGM, all charges": (PFGMField, dict(points=0)),
    "PFGM, 4,096 of them (as fitted)": (PFGMField, {}),
    "EFM, all charges": (EFM, dict(averaged=True)),
    "EFM, single charges (as fitted)": (EFM, {}),
    "EFM, a table": (EFM, dict(points=256)),
    "direction, a table (as fitted)": (EFMDirection, dict(points=4096)),
    "direction, 4,096 charges": (EFMDirection, dict(points=0)),
    "PFGM++, which has no sum": (PFGMpp, {}),
}


class Answered:
    "A network's answer without the network: what is left of a loss is its target."

    def __init__(self, net, x):
        with torch.no_grad():
            self.answer = net(x, torch.ones(len(x)))

    def __call__(self, x, s):
        return self.answer


def seconds(function, repeats):
    "The least that the processor spends, after one call that does not count."
    best = float("inf")
    function()
    for _ in range(repeats):
        start = time.process_time()
        function()
        best = min(best, time.process_time() - start)
    return best


def target_row(cls, given, y, repeats, batch=128):
    "Seconds of `prepare`, of a target and of a step."
    method, gen = cls.fitted(y, **given), torch.Generator().manual_seed(0)
    start = time.process_time()
    prepared = method.prepare(y, gen)
    before = time.process_time() - start
    torch.manual_seed(0)
    backbone = ImageBackbone(SHAPE, **small() | dict(method.backbone))
    net = method.network(net=backbone).train()
    opt = torch.optim.AdamW(net.parameters(), 1e-3)
    answered = Answered(net, y[:batch])

    def step():
        loss = method.loss(net, y[:batch], gen, **prepared).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()

    def target():
        method.loss(answered, y[:batch], gen, **prepared)

    return before, seconds(target, repeats), seconds(step, repeats)


def targets(repeats):
    "One row per target."
    y = torch.randn(60_000, *SHAPE, generator=torch.Generator().manual_seed(0))
    heads = ["prepare, s", "target, ms", "step, ms", "share"]
    print(f"{'target':32}" + "".join(f"{head:>12}" for head in heads))
    for name, (cls, given) in TARGETS.items():
        before, target, step = target_row(cls, given, y, repeats)
        numbers = [f"{before:.1f}", f"{1e3 * target:.1f}", f"{1e3 * step:.0f}"]
        numbers.append(f"{target / step:.1%}")
        print(f"{name:32}" + "".join(f"{number:>12}" for number in numbers), flush=True)


def one_of(rank, world, threads, steps):
    "A process of a training on several."
    torch.set_num_threads(threads)
    trained = Trained(small(), seed=rank)
    net = trained.net
    if world > 1:
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29513"}
        dist.init_process_group("gloo", rank=rank, world_size=world)
        net = nn.parallel.DistributedDataParallel(net)
    for step in range(steps + 2):
        if step == 2:
            start, used = time.perf_counter(), time.process_time()
        trained.step(net)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    if rank == 0:
        images = world * steps * BATCH
        spent = f"{1e3 * used * world / images:.2f} ms of processor an image"
        print(f"{world} × {threads} threads: {images / seconds:.0f} images/s, {spent}", flush=True)
    if world > 1:
        dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few steps")
    parser.add_argument("--compiled", action="store_true", help="a compiled network, too (minutes)")
    parser.add_argument("--targets", action="store_true", help="what the fields cost in a step")
    parser.add_argument("--processes", type=int, default=0, help="by the clock, so many")
    given = parser.parse_args()
    if given.processes:
        steps = 3 if given.quick else 20
        for world, threads in ((1, 1), (1, given.processes), (given.processes, 1)):
            mp.spawn(one_of, (world, threads, steps), nprocs=world)
        return
    torch.set_num_threads(1)
    if given.targets:
        targets(repeats=2 if given.quick else 5)
        return
    matrix_rates()
    networks = NETWORKS
    if given.compiled:
        networks = networks | {"14, 7: small, compiled": small() | ROWS | dict(compiled=True)}
    table(networks, repeats=2 if given.quick else 8)


if __name__ == "__main__":
    main()

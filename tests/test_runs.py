"""Runs that cannot be lost: killed at any moment, written twice, read while written, tampered with.

Trainings are children of this process, made by fork, so that none has to import the library.
"""

import copy
import json
import os
import random
import signal
import sys
import threading
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from potential_flow.core import generator
from potential_flow.engine.batches import lent_generators
from potential_flow.engine.checkpoint import load_run, read_checkpoint, save_run
from potential_flow.engine.signals import Stopped
from potential_flow.engine.training import Recipe, Run, steps
from potential_flow.methods.pfgmpp import PFGMpp
from potential_flow.nets.trunks import ResidualMLP
from potential_flow.tools import cli
from potential_flow.tools.data import load_data
from potential_flow.tools.shell import script
from potential_flow.tools.toys import moons

pytestmark = pytest.mark.usefixtures("one_thread")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are made by fork")
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
KILLS = 60
STEPS = 400


def fresh_run(count=STEPS):
    "A small run with dropout."
    method = PFGMpp((2,), D=8)
    with lent_generators(0):
        net = method.network(width=16, depth=2, trunk=ResidualMLP, dropout=0.2)
    return Run(method, net, Recipe(steps=count, batch=16))


def data():
    return moons(300, generator(0))


def child(action):
    "A process that does something; its exit code is 0 if nothing was raised."
    number = os.fork()
    if number:
        return number
    # what the parent was told to ignore, its children would ignore, too
    for name in SIGNALS[1:]:
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        action()
        code = 0
    except Stopped as stop:
        code = 128 + stop.signum
    finally:
        os._exit(code)


def same(one, other):
    pairs = zip(one.ema.state_dict().values(), other.ema.state_dict().values())
    return one.losses == other.losses and all(a.equal(b) for a, b in pairs)


class Reader(threading.Thread):
    "Reads a checkpoint all the time, as somebody who samples from a run that still trains."

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.done, self.read, self.failed = folder, False, 0, []

    def run(self):
        while not self.done:
            try:
                read_checkpoint(self.folder)
                self.read += 1
            except ValueError as error:
                self.failed.append(str(error))
            time.sleep(0.02)


def go_on(folder):
    "Train from the checkpoint, and save at every step."
    load_run(folder).fit(data(), out=folder, save_every=1)


@needs_fork
def test_sixty_kills(tmp_path):
    "Whatever stops a training: the checkpoint loads, and the end is that of an unstopped one."
    luck, folder = random.Random(0), tmp_path / "run"
    save_run(fresh_run(), folder)
    reader = Reader(folder)
    reader.start()
    stopped = {}
    for number in range(KILLS):
        before = load_run(folder).step
        if before >= STEPS - 20:
            break

        process = child(partial(go_on, folder))
        time.sleep(luck.uniform(0.0, 0.25))
        name = SIGNALS[number % 4]
        os.kill(process, getattr(signal, name))
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        stopped.setdefault(name, []).append(code)
        run = load_run(folder)
        assert run.step >= before and len(run.losses) == run.step
    reader.done = True
    reader.join()
    assert reader.read > 10 and not reader.failed, reader.failed[:3]
    for name, codes in stopped.items():
        number = getattr(signal, name)
        # killed before the training began, stopped by it, or just too late
        assert set(codes) <= {-number, 128 + number, 1, 0}, (name, codes)
    last = load_run(folder).fit(data(), out=folder)
    assert same(last, fresh_run().fit(data()))
    leftovers = [path.name for path in folder.iterdir() if path.suffix == ".part"]
    assert not leftovers
    assert len(weights_in(folder)) == 1


@needs_fork
def test_a_signal_leaves_the_step_it_came_in(tmp_path):
    for number in (getattr(signal, name) for name in SIGNALS[1:]):
        folder = tmp_path / str(number)
        process = child(partial(train_until_signal, folder, number))
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 128 + number
        assert load_run(folder).step == 5


def train_until_signal(folder, number):
    "Five steps, and a signal."

    def watch(event):
        if event.step == 5:
            signal.raise_signal(number)

    fresh_run().fit(data(), out=folder, watch=watch, progress=False)


def saved_until(run, folder, name, before):
    "A save that is killed just before or just after a file of this kind is moved into place."
    replace = os.replace

    def killing(part, path):
        if before and name in str(path):
            os._exit(9)
        replace(part, path)
        if name in str(path):
            os._exit(9)

    os.replace = killing
    save_run(run, folder)


def weights_in(folder):
    return sorted(path.name for path in folder.glob("weights-*"))


@needs_fork
@pytest.mark.parametrize("before", (True, False), ids=("before", "after"))
@pytest.mark.parametrize("name", ("weights-", "checkpoint.json"))
def test_killed_between_its_two_files(tmp_path, name, before):
    "Another run at the same step, which may replace the first: one of both is there, whole."
    folder, runs = tmp_path / "run", []
    for seed in (0, 1):
        run = fresh_run(5)
        run.recipe = replace(run.recipe, seed=seed)
        runs.append(run.fit(data()))
    first, second = runs
    save_run(first, folder)
    process = child(partial(saved_until, second, folder, name, before))
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9
    there = second if name == "checkpoint.json" and not before else first
    assert same(load_run(folder), there)
    assert same(load_run(folder).fit(data()), there)
    # what was left behind goes with the next checkpoint, and nothing else
    other = folder / "weights-00000005-mine.safetensors"
    other.write_text("mine")
    save_run(there, folder)
    (mine,) = set(weights_in(folder)) - {other.name}
    assert json.loads((folder / "checkpoint.json").read_text())["weights"] == mine
    assert not list(folder.glob(".*.part")) and same(load_run(folder), there)


@needs_fork
def test_the_second_writer_is_refused(tmp_path):
    folder = tmp_path / "run"

    def train():
        fresh_run(100_000).fit(data(), out=folder, save_every=1)

    first = child(train)
    while not (folder / "checkpoint.json").exists():
        time.sleep(0.02)
    with pytest.raises(ValueError, match="no other process trains in"):
        fresh_run().fit(data(), out=folder)
    with pytest.raises(ValueError, match="no other process trains in"):
        save_run(fresh_run(), folder)
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    # the lock went with its process
    run = load_run(folder)
    assert save_run(run, folder) == folder


def test_another_run_is_not_overwritten(tmp_path, capsys):
    out = str(tmp_path / "run")
    small = {"data": "moons", "n": 100, "batch": 16, "width": 8, "depth": 2}
    cli.pf_train(out, steps=30, **small)
    with pytest.raises(ValueError, match="another run's checkpoint"):
        cli.pf_train(out, steps=2, **small)
    assert load_run(out).step == 30
    assert cli.pf_train(out, steps=2, overwrite=True, **small).step == 2


class Noisy(torch.utils.data.Dataset):
    "Items that draw from all three global generators."

    def __len__(self):
        return 60

    def __getitem__(self, row):
        drawn = np.random.randn(), random.gauss(0, 1)
        return torch.tensor(drawn, dtype=torch.float32) + torch.randn(2) + row / 60


def test_a_data_set_with_random_items_goes_on(tmp_path):
    "Two runs of one seed are the same run, and so is one that was cut off."
    whole, again = (fresh_run(20).fit(load_data(Noisy())) for _ in range(2))
    assert same(whole, again)
    half = fresh_run(20)
    list(steps(half, load_data(Noisy()), 10))
    save_run(half, tmp_path)
    assert half.step == 10 and not same(half, whole)
    assert same(load_run(tmp_path).fit(load_data(Noisy())), whole)


def mutations(meta, luck, count):
    "Stored configurations with something wrong in them."
    values = (
        None,
        -1,
        0,
        10**12,
        1e300,
        "",
        "x" * 1000,
        [],
        {},
        [[[]]],
        True,
        "../../x",
        "os:system",
    )
    for _ in range(count):
        changed = copy.deepcopy(meta)
        place = changed
        while True:
            key = luck.choice(list(place))
            inner = place[key]
            if isinstance(inner, dict) and inner and luck.random() < 0.7:
                place = inner
                continue
            if luck.random() < 0.2:
                del place[key]
            else:
                place[key] = luck.choice(values)
            break
        yield changed


def survives(folder, capsys):
    "A command on a bad checkpoint ends well or with one line."
    capsys.readouterr()
    arguments = [str(folder), "--n", "4", "--steps", "2", "--device", "cpu"]
    code = 0
    try:
        script(cli.pf_sample)([*arguments, "--out", str(folder / "samples")])
    except SystemExit as end:
        code = end.code
    error = capsys.readouterr().err
    assert code in (0, None) or (code == 2 and error.count("\n") == 1), error


def test_two_hundred_mutations_of_the_json(tmp_path, capsys, monkeypatch):
    # a picture asks the checkpoint nothing more
    monkeypatch.setattr(cli, "_draw_samples", lambda *_: None)
    folder = save_run(fresh_run(20).fit(data()), tmp_path / "run")
    stored, modules = folder / "checkpoint.json", set(sys.modules)
    meta = json.loads(stored.read_text())
    inside = {path.name for path in tmp_path.iterdir()}
    for changed in mutations(meta, random.Random(1), 200):
        stored.write_text(json.dumps(changed))
        survives(folder, capsys)
    new = {name.partition(".")[0] for name in set(sys.modules) - modules}
    assert "os:system" not in new and {path.name for path in tmp_path.iterdir()} == inside
    stored.write_text(json.dumps(meta))
    assert load_run(folder).step == 20


def damaged(tensors, good, luck):
    "Bytes of a weights file with something wrong in them."
    kind, name = luck.randrange(4), luck.choice(sorted(tensors))
    if kind == 0:
        return good[: luck.randrange(len(good))]
    if kind == 1:
        flipped = bytearray(good)
        flipped[luck.randrange(len(good))] ^= 1 << luck.randrange(8)
        return bytes(flipped)
    left = {key: value for key, value in tensors.items() if key != name}
    if kind == 2:
        return left
    return left | {name: torch.zeros(luck.choice(((), (3,), (2, 2))), dtype=torch.float16)}


def test_a_hundred_mutations_of_the_weights(tmp_path, capsys, monkeypatch):
    # a picture asks the checkpoint nothing more
    monkeypatch.setattr(cli, "_draw_samples", lambda *_: None)
    folder = save_run(fresh_run(20).fit(data()), tmp_path / "run")
    meta, tensors = read_checkpoint(folder)
    weights = folder / meta["weights"]
    good, luck = weights.read_bytes(), random.Random(2)
    for _ in range(100):
        bad = damaged(tensors, good, luck)
        weights.write_bytes(bad) if isinstance(bad, bytes) else save_file(bad, weights)
        survives(folder, capsys)
    weights.write_bytes(good)
    assert load_file(weights).keys() == tensors.keys()

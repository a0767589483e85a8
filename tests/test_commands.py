"""The console commands as a shell sees them: exit codes, one-line errors, interruption, a full disk, and two processes."""

import inspect
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from fastcore.script import anno_parser
from safetensors.torch import load_file

from potential_flow.tools import cli
from potential_flow.core import generator
from potential_flow.tools.data import moons
from potential_flow.methods.pfgmpp import PFGMpp
from potential_flow.engine.training import Recipe, Run, fit, load_run, save_run

BIN = Path(sys.executable).parent
SMALL = ["--data", "moons", "--n", "200", "--batch", "32", "--width", "16", "--depth", "2"]


def command(name, *args, **kwargs):
    return subprocess.run(
        [BIN / name, *map(str, args)], capture_output=True, text=True, timeout=300, **kwargs
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    r = command("pf_train", "--out", out, "--steps", 30, *SMALL)
    assert r.returncode == 0, r.stderr
    return out


def test_train_sample_evaluate(trained, tmp_path):
    assert json.loads((trained / "checkpoint.json").read_text())["step"] == 30
    r = command("pf_sample", trained, "--out", tmp_path, "--n", 20)
    assert r.returncode == 0 and load_file(tmp_path / "samples.safetensors")["samples"].shape == (
        20,
        2,
    )
    r = command("pf_evaluate", trained, "--n", 200, "--out", tmp_path)
    assert (
        r.returncode == 0
        and json.loads((tmp_path / "metrics.json").read_text())["energy_floor"] > 0
    )


def test_two_processes_draw_the_same_samples(trained, tmp_path):
    for out, batch in (("a", 2000), ("b", 2000), ("c", 7)):
        assert (
            command(
                "pf_sample",
                trained,
                "--out",
                tmp_path / out,
                "--n",
                40,
                "--seed",
                3,
                "--batch",
                batch,
            ).returncode
            == 0
        )
    a, b, c = (load_file(tmp_path / k / "samples.safetensors")["samples"] for k in "abc")
    assert a.equal(b) and (a - c).abs().max() < 1e-4


@pytest.mark.parametrize(
    "name", ["pf_demo", "pf_train", "pf_sample", "pf_evaluate", "pf_translate"]
)
def test_help(name):
    r = command(name, "--help")
    assert r.returncode == 0 and "usage: " + name in r.stdout


@pytest.mark.parametrize(
    "args, word",
    [
        (["pf_train", "--method", "gan"], "a method out of"),
        (["pf_train", "--data", "cats"], "a data set out of"),
        (["pf_train", "--steps", "0", "--data", "moons"], "positive steps"),
        (["pf_train", "--lr", "-1", "--data", "moons"], "positive lr"),
        (["pf_train", "--device", "abacus", "--data", "moons"], "a device"),
        (
            ["pf_train", "--data", "moons", "--opts", "sigma_min=9 sigma_max=1"],
            "sigma_min < sigma_max",
        ),
        (["pf_train", "--data", "moons", "--opts", "colour=3"], "a name out of"),
        (["pf_train", "--data", "mnist"], "needed MNIST"),
        (["pf_train", "--resume"], "checkpoint.json"),
        (["pf_sample", "nowhere"], "checkpoint.json"),
        (["pf_evaluate", "nowhere"], "checkpoint.json"),
        (["pf_translate", "nowhere", "x", "y"], "checkpoint.json"),
        (["pf_train", "--source", "moons", "--data", "swiss_roll"], "two data sets"),
        (
            ["pf_train", "--method", "efm", "--data", "moons", "--source", "cats"],
            "a data set out of",
        ),
        (["pf_train", "--steps", "many"], "invalid int value"),
    ],
)
def test_mistakes_end_with_one_line_and_code_2(args, word, tmp_path):
    r = command(args[0], *args[1:], cwd=tmp_path)
    assert r.returncode == 2 and word in r.stderr and "Traceback" not in r.stderr
    assert not list(tmp_path.rglob("checkpoint.json")) and not list(tmp_path.rglob("*.part"))


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    r = command("pf_train", "--out", tmp_path / "file" / "x", "--data", "moons")
    assert r.returncode == 2 and "can be written" in r.stderr


def test_a_full_disk_leaves_the_old_checkpoint(trained):
    code = (
        "import resource, sys; from potential_flow.tools.cli import *; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
        f"script(pf_train)(['--resume', '--out', {str(trained)!r}])"
    )
    before = sorted(p.name for p in trained.iterdir())
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert r.returncode == 2 and r.stderr.startswith("pf_train: ") and "Traceback" not in r.stderr
    assert sorted(p.name for p in trained.iterdir()) == before and load_run(trained).step == 30


def test_control_c_leaves_a_checkpoint_to_go_on_from(tmp_path):
    p = subprocess.Popen(
        [BIN / "pf_train", "--out", tmp_path, "--steps", "100000", "--save_every", "20", *SMALL],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # a shell's background jobs are born deaf to it
    )
    wait_for(tmp_path / "checkpoint.json", p)
    p.send_signal(signal.SIGINT)
    err = p.communicate(timeout=60)[1]
    assert p.returncode == 2 and "go on with --resume" in err and "Traceback" not in err
    assert load_run(tmp_path).step > 0 and not list(tmp_path.glob(".*part"))


def wait_for(path, process, seconds=120):
    end = time.time() + seconds
    while not path.exists() and time.time() < end and process.poll() is None:
        time.sleep(0.05)
    assert path.exists(), process.communicate()


@pytest.mark.parametrize("delay", [0.0, 0.013, 0.05, 0.11, 0.3])
def test_a_killed_process_leaves_a_checkpoint_that_loads(tmp_path, delay):
    p = subprocess.Popen(
        [BIN / "pf_train", "--out", tmp_path, "--steps", "100000", "--save_every", "1", *SMALL],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(tmp_path / "checkpoint.json", p)
    time.sleep(delay)
    os.kill(p.pid, signal.SIGKILL)
    p.wait()
    run = load_run(tmp_path)
    assert run.step >= 1 and len(run.losses) == run.step


def test_a_run_resumed_in_another_process_is_bit_identical(tmp_path):
    make = (
        "import torch; from potential_flow.core import generator; from potential_flow.tools.data import moons;"
        "from potential_flow.engine.training import fit, load_run, save_run; torch.set_num_threads(1);"
    )
    half, resumed = str(tmp_path / "half"), str(tmp_path / "resumed")
    rest = f"{make} run = load_run({half!r}); [0 for _ in fit(run, moons(300, generator(0)), progress=False)]; save_run(run, {resumed!r})"
    torch.set_num_threads(1)

    def fresh():
        torch.manual_seed(0)
        m = PFGMpp((2,), D=8)
        return Run(
            m, m.network(width=16, depth=2, residual=True, dropout=0.2), Recipe(steps=40, batch=32)
        )

    y = moons(300, generator(0))
    whole = fresh()
    for _ in fit(whole, y, progress=False):
        pass
    first = fresh()
    for _ in fit(first, y, 15, progress=False):
        pass
    save_run(first, half)
    subprocess.run([sys.executable, "-c", rest], check=True)
    for a, b in zip(whole.net.state_dict().values(), load_run(resumed).net.state_dict().values()):
        assert a.equal(b)


def test_the_demo_suggests_commands_that_parse():
    hints = re.findall(r"\\n  (pf_\w+) ([^\\\"]+)", inspect.getsource(cli.pf_demo))
    assert len(hints) >= 3
    for name, rest in hints:
        anno_parser(getattr(cli, name)).parse_args(shlex.split(rest.replace("{out}", "x")))

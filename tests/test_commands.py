"""The console commands as a shell sees them: exit codes, one-line errors, Ctrl-C, a full disk."""

import inspect
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
import torch
from fastcore.script import anno_parser
from safetensors.torch import load_file

from potential_flow.core import generator
from potential_flow.engine.checkpoint import load_run, save_run
from potential_flow.engine.training import Recipe, Run, steps
from potential_flow.methods.pfgmpp import PFGMpp
from potential_flow.nets.trunks import ResidualMLP
from potential_flow.tools import cli
from potential_flow.tools.data import load_data
from potential_flow.tools.files import write_images
from potential_flow.tools.shell import spelt
from potential_flow.tools.toys import moons

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parent.parent
NAMES = ["pf_demo", "pf_train", "pf_sample", "pf_evaluate", "pf_translate", "pf_fid"]
NAMES += ["pf_compare"]
SMALL = ["--data", "moons", "--n", "200", "--batch", "32", "--width", "16", "--depth", "2"]
# none of these is needed before a picture is drawn, a file is read or a score is computed
HEAVY = ["torchvision", "sklearn", "matplotlib", "torch_fidelity", "scipy", "PIL"]


def process(name, *args, **kwargs):
    "A command in a process of its own."
    words = [BIN / name, *map(str, args)]
    return subprocess.run(words, capture_output=True, text=True, timeout=300, **kwargs)


def python(code):
    "A piece of Python in a process of its own."
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def command(capsys, name, *args):
    "A command as its console script calls it, in this process: exit code and error stream."
    capsys.readouterr()
    code = 0
    try:
        cli.script(getattr(cli, name))([str(arg) for arg in args])
    except SystemExit as end:
        code = end.code or 0
    return code, capsys.readouterr().err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    "A run of 30 steps, trained by the installed command."
    out = tmp_path_factory.mktemp("run")
    ended = process("pf_train", "--out", out, "--steps", 30, *SMALL)
    assert ended.returncode == 0, ended.stderr
    return out


def test_train_sample_evaluate(trained, tmp_path, capsys):
    assert json.loads((trained / "checkpoint.json").read_text())["step"] == 30
    assert command(capsys, "pf_sample", trained, "--out", tmp_path, "--n", 20)[0] == 0
    assert load_file(tmp_path / "samples.safetensors")["samples"].shape == (20, 2)
    assert command(capsys, "pf_evaluate", trained, "--n", 200, "--out", tmp_path)[0] == 0
    scores = json.loads((tmp_path / "metrics.json").read_text())
    assert scores["energy"] > scores["energy_floor"] > 0
    assert (scores["samples"], scores["lost"]) == (200, 0)


def test_two_processes_draw_the_same_samples(trained, tmp_path, capsys):
    usual = (trained, "--n", 40, "--seed", 3)
    assert process("pf_sample", *usual, "--out", tmp_path / "a").returncode == 0
    assert command(capsys, "pf_sample", *usual, "--out", tmp_path / "b")[0] == 0
    assert command(capsys, "pf_sample", *usual, "--out", tmp_path / "c", "--batch", 7)[0] == 0
    files = [tmp_path / out / "samples.safetensors" for out in "abc"]
    first, second, in_batches = (load_file(file)["samples"] for file in files)
    assert first.equal(second)
    assert (first - in_batches).abs().max() < 1e-5


def test_console_scripts_are_installed():
    installed = {entry.name: entry for entry in entry_points(group="console_scripts")}
    for name in NAMES:
        target = f"potential_flow.tools.cli:{name.removeprefix('pf_')}_command"
        assert installed[name].value == target
        assert callable(installed[name].load())


@pytest.mark.parametrize("name", NAMES)
def test_help(name, capsys):
    with pytest.raises(SystemExit) as end:
        cli.script(getattr(cli, name))(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0 and "usage: " + name in text
    parameters = inspect.signature(getattr(cli, name)).parameters
    for parameter in parameters:
        assert parameter in text
    # the parser explains the arguments, so that the description need not
    assert "Arguments" not in text


def test_heavy_packages_wait_until_they_are_used():
    code = f"import sys, potential_flow.tools.cli; print([n for n in {HEAVY} if n in sys.modules])"
    assert python(code).stdout.strip() == "[]"


MISTAKES = [
    (["pf_train", "--method", "gan"], "a method out of"),
    (["pf_train", "--data", "cats"], "a data set out of"),
    (["pf_train", "--steps", "0", "--data", "moons"], "positive number of steps"),
    (["pf_train", "--lr", "-1", "--data", "moons"], "positive lr"),
    (["pf_train", "--device", "abacus", "--data", "moons"], "a device"),
    (["pf_train", "--data", "moons", "--opts", "sigma_min=9 sigma_max=1"], "sigma_min < sigma_max"),
    (["pf_train", "--data", "moons", "--opts", "colour=3"], "a name out of"),
    (["pf_train", "--data", "moons", "--recipe", "colour=3"], "a name out of"),
    (["pf_train", "--data", "moons", "--opts", "D=x"], "needed D of PFGMpp to be a number"),
    (["pf_train", "--data", "moons", "--opts", "D=8 D=9"], "needed D once"),
    (["pf_train", "--data", "moons", "--recipe", "ema=x"], "ema of Recipe"),
    (["pf_train", "--data", "moons", "--net-args", "width=x"], "width of MLP"),
    (["pf_train", "--data", "moons", "--net-args", "depth=2.5"], "depth of MLP"),
    (["pf_train", "--data", "moons", "--net-args", "D=3"], "network of PFGMpp, got D"),
    (["pf_train", "--data", "moons", "--net-args", "width=8", "--width", "9"], "not both"),
    (["pf_train", "--data", "moons", "--workers", "-1"], "number of workers"),
    (["pf_train", "--data", "moons", "--held_out", "2"], "a held-out share"),
    (["pf_train", "--data", "mnist"], "needed MNIST"),
    (["pf_train", "--resume"], "checkpoint.json"),
    (["pf_sample", "nowhere"], "checkpoint.json"),
    (["pf_evaluate", "nowhere"], "checkpoint.json"),
    (["pf_translate", "nowhere", "x", "y"], "checkpoint.json"),
    (["pf_compare", "nowhere.toml"], "can be read"),
    (["pf_train", "--source", "moons", "--data", "swiss_roll"], "two data sets"),
    (["pf_train", "--method", "efm", "--data", "moons", "--source", "cats"], "a data set out of"),
    (["pf_train", "--steps", "many"], "invalid int value"),
]


@pytest.mark.parametrize("args, word", MISTAKES, ids=[" ".join(args) for args, _ in MISTAKES])
def test_mistakes_end_with_one_line_and_code_2(args, word, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, error = command(capsys, *args)
    assert code == 2 and word in error
    # argparse prints its usage above the error
    assert error.startswith("usage: ") or error.count("\n") == 1
    assert not list(tmp_path.rglob("checkpoint.json")) and not list(tmp_path.rglob("*.part"))


TEXT = "a,b,k\n" + "1,2,ü\n3,4,v\n" * 9
# what is in a file, and a word of the sentence that it ends with; or nothing: it is trained on
TABLES = {
    "semicolons.csv": (TEXT.replace(",", ";").encode(), ""),
    "tabs.csv": (TEXT.replace(",", "\t").encode("utf-8-sig"), ""),
    "utf16.csv": (TEXT.encode("utf-16"), ""),
    "excel.csv": (("sep=;\n" + TEXT.replace(",", ";")).encode(), ""),
    "latin.csv": (TEXT.encode("latin-1"), "encoding UTF-8"),
    "blanks.csv": (TEXT.replace(",", " ").encode(), "commas, semicolons, tabs"),
    "decimals.csv": (TEXT.replace(",", ";").replace("1;", "1,5;").encode(), "decimal point"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_any_delimiter_and_encoding(name, tmp_path, capsys):
    content, word = TABLES[name]
    (tmp_path / name).write_bytes(content)
    words = ["--data", tmp_path / name, "--label_column", "k", "--steps", 1, "--batch", 8]
    code, error = command(capsys, "pf_train", "--out", tmp_path / "run", *words)
    assert code == (2 if word else 0) and word in error and "Traceback" not in error
    assert not word or (error.startswith("pf_train: needed") and name in error)


@pytest.mark.parametrize("ending", ["csv", "npy", "npz"])
def test_columns_of_unlike_kinds_and_constant_ones(ending, tmp_path, capsys):
    "Each comes out at its own size, the constant ones to the last digit."
    own = torch.randn(400, 3, generator=generator(0)).double() * torch.tensor([1e-6, 1e6, 0])
    own[:, 2] = 0.1
    path = tmp_path / f"own.{ending}"
    writers = {"npy": np.save, "npz": lambda path, y: np.savez(path, x=y)}
    writers["csv"] = lambda path, y: np.savetxt(path, y, delimiter=",")
    writers[ending](path, own.numpy())
    words = ["--steps", 60, "--batch", 128, "--width", 32, "--depth", 2, "--out", tmp_path / "run"]
    assert command(capsys, "pf_train", "--data", path, *words)[0] == 0
    assert command(capsys, "pf_sample", tmp_path / "run", "--n", 200)[0] == 0
    x = np.loadtxt(tmp_path / "run" / "samples.csv", delimiter=",", skiprows=1)
    assert set(x[:, 2]) == {0.1}
    ratio = x.std(0)[:2] / own.std(0)[:2].numpy()
    assert 0.3 < ratio.min() and ratio.max() < 3, ratio


def test_arrays_of_unknown_names_and_folders_of_folders(tmp_path, capsys):
    y = torch.randn(20, 2, generator=generator(0)).numpy()
    np.savez(tmp_path / "odd.npz", u=y, v=y)
    levels = torch.randint(0, 255, (4, 1, 8, 8), dtype=torch.uint8, generator=generator(0))
    write_images(levels, tmp_path / "deep" / "train" / "cats" / "siamese")
    write_images(levels, tmp_path / "bad")
    for i in range(17):
        (tmp_path / "bad" / f"broken{i:02d}.png").write_bytes(b"")
    for words, parts in (
        (["odd.npz"], ["got the names u, v", "train or x or data or samples"]),
        (["deep"], ["the class cats", "in folders below it: siamese"]),
        (["bad", "--strict"], ["17 others: broken00.png, ", "broken04.png … and 12 more"]),
    ):
        path, *flags = words
        args = ["--data", tmp_path / path, "--out", tmp_path / "run", *flags]
        code, error = command(capsys, "pf_train", *args)
        assert code == 2 and error.count("\n") == 1
        assert all(part in error for part in parts), error


def test_a_mistake_in_a_process_of_its_own(tmp_path):
    (tmp_path / "file").write_text("")
    ended = process("pf_train", "--out", tmp_path / "file" / "x", "--data", "moons")
    assert ended.returncode == 2 and "can be written" in ended.stderr
    assert ended.stderr.startswith("pf_train: ") and ended.stderr.count("\n") == 1


@pytest.fixture
def translated(tmp_path, capsys, monkeypatch):
    "A run of three steps between two files; where they lie."
    monkeypatch.chdir(tmp_path)
    for name, seed in (("plate", 0), ("start", 1), ("other", 2)):
        np.save(f"{name}.npy", moons(60, generator(seed)).numpy())
    words = ["--method", "EFM", "--data", "plate.npy", "--source", "start.npy", "--out", "run"]
    sizes = ["--batch", 8, "--width", 8, "--depth", 1, "--steps", 3]
    assert command(capsys, "pf_train", *words, *sizes)[0] == 0
    (tmp_path / "moved").mkdir()
    return tmp_path


def resumed(capsys, steps, *words):
    "Exit code, error and steps of the run that goes on."
    code, error = command(capsys, "pf_train", "--out", "run", "--resume", "--steps", steps, *words)
    return code, error, load_run("run").step


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    code = "from potential_flow.tools.shell import script\ndef pf_try():\n    'Try.'\n"
    file = tmp_path / "pf_try.py"
    file.write_text(code + "    print('text')\nscript(pf_try)([])")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, file], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_both_data_sets_of_a_run_may_move_and_not_change(translated, capsys):
    for option, name in (("data", "plate.npy"), ("source", "start.npy")):
        file, there = Path(name), Path("moved") / name
        kept = file.read_bytes()
        file.write_bytes(Path("other.npy").read_bytes())
        code, error, step = resumed(capsys, 9)
        assert (code, step) == (2, load_run("run").step) and f"own --{option}, 54 points" in error
        file.unlink()
        code, error, step = resumed(capsys, 9)
        assert code == 2 and f"--{option} and where they are now" in error and name in error
        code, error, _ = resumed(capsys, 9, f"--{option}", "other.npy")
        assert code == 2 and f"own --{option}, 54 points" in error and "other.npy" in error
        there.write_bytes(kept)
        done = load_run("run").step + 1
        assert resumed(capsys, done, f"--{option}", there) == (0, "", done)
        # it is remembered where they lie
        assert resumed(capsys, done + 1) == (0, "", done + 1)
    run = load_run("run")
    assert [Path(name).parent.name for name in (run.data, run.source)] == ["moved", "moved"]
    y, other = (load_data(f"{name}.npy") for name in ("moved/plate", "other"))
    with pytest.raises(ValueError, match="the source that this run has seen"):
        run.fit(y, steps=20, source=other)


def test_a_run_without_its_data_draws_samples_and_says_what_is_missing(tmp_path, capsys):
    levels = torch.randint(0, 255, (20, 1, 8, 8), dtype=torch.uint8, generator=generator(0))
    for name in ("cat", "dog"):
        write_images(levels, tmp_path / "pets" / name)
    words = ["--data", tmp_path / "pets", "--size", 4, "--out", tmp_path / "run", "--steps", 2]
    assert command(capsys, "pf_train", *words, "--batch", 8, "--width", 8)[0] == 0
    (tmp_path / "pets").rename(tmp_path / "kept")
    usual = (tmp_path / "run", "--n", 40, "--out", tmp_path / "out")
    assert command(capsys, "pf_sample", *usual, "--png")[0] == 0
    assert len(list((tmp_path / "out" / "images").glob("*.png"))) == 40
    code, error = command(capsys, "pf_evaluate", *usual)
    assert code == 2 and "--data and where they are now" in error and "pets" in error
    code, error = command(capsys, "pf_evaluate", *usual, "--data", "moons")
    assert code == 2 and "of shape (1, 4, 4) as the run's" in error
    assert command(capsys, "pf_evaluate", *usual, "--data", tmp_path / "kept") == (0, "")
    # classes of other names are other classes, though the images are the same
    (tmp_path / "kept" / "cat").rename(tmp_path / "kept" / "bird")
    words = ["--resume", "--steps", 3, "--data", tmp_path / "kept"]
    code, error = command(capsys, "pf_train", "--out", tmp_path / "run", *words)
    assert code == 2 and "own classes (cat, dog)" in error and "got bird, dog" in error


@pytest.mark.parametrize("name", ["pf_sample", "pf_evaluate"])
def test_a_network_that_answers_nan_has_no_samples(name, trained, tmp_path, capsys):
    run = load_run(trained)
    with torch.no_grad():
        for weight in run.ema.module.parameters():
            weight.fill_(torch.nan)
    save_run(run, tmp_path / "broken")
    code, error = command(capsys, name, tmp_path / "broken", "--n", 20, "--out", tmp_path / "out")
    assert code == 2 and error.count("\n") == 1 and "20 lost of 20" in error
    assert not list((tmp_path / "out").iterdir())


def test_a_full_disk_leaves_the_old_checkpoint(trained):
    code = f"""
import resource
from potential_flow.tools.cli import train_command

resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
train_command(["--resume", "--out", {str(trained)!r}])
"""
    before = sorted(file.name for file in trained.iterdir())
    ended = python(code)
    assert ended.returncode == 2 and ended.stderr.startswith("pf_train: ")
    assert "Traceback" not in ended.stderr
    assert sorted(file.name for file in trained.iterdir()) == before
    assert load_run(trained).step == 30


def long_training(out, save_every, **kwargs):
    "A training that will not end by itself, once its first checkpoint is there."
    args = [BIN / "pf_train", "--out", out, "--steps", "100000", "--save_every", save_every]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    training = subprocess.Popen([*args, *SMALL], **pipes, **kwargs)
    first, end = out / "checkpoint.json", time.time() + 250
    while not first.exists() and time.time() < end and training.poll() is None:
        time.sleep(0.05)
    if not first.exists():
        training.kill()
        raise AssertionError(training.communicate())
    return training


def hears_control_c():
    "A shell's background jobs are born deaf to SIGINT."
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_control_c_leaves_a_checkpoint_to_go_on_from(tmp_path):
    training = long_training(tmp_path, "20", preexec_fn=hears_control_c)
    training.send_signal(signal.SIGINT)
    error = training.communicate(timeout=250)[1]
    assert training.returncode == 130 and "go on with --resume" in error
    assert "Traceback" not in error
    assert load_run(tmp_path).step > 0 and not list(tmp_path.glob(".*part"))


def test_a_killed_process_leaves_a_checkpoint_that_loads(tmp_path):
    training = long_training(tmp_path, "1")
    time.sleep(0.03)
    os.kill(training.pid, signal.SIGKILL)
    training.wait()
    run = load_run(tmp_path)
    assert run.step >= 1 and len(run.losses) == run.step


def fresh_run():
    "A run with dropout, so that torch's own generator matters too."
    torch.manual_seed(0)
    method = PFGMpp((2,), D=8)
    net = method.network(width=16, depth=2, trunk=ResidualMLP, dropout=0.2)
    return Run(method, net, Recipe(steps=40, batch=32))


def test_a_run_resumed_in_another_process_is_bit_identical(tmp_path):
    half, resumed = str(tmp_path / "half"), str(tmp_path / "resumed")
    rest = f"""
import torch
from potential_flow.core import generator
from potential_flow.engine.checkpoint import load_run, save_run
from potential_flow.methods import pfgmpp
from potential_flow.tools.toys import moons

torch.set_num_threads(1)
run = load_run({half!r})
run.fit(moons(300, generator(0)), progress=False)
save_run(run, {resumed!r})
"""
    torch.set_num_threads(1)
    y = moons(300, generator(0))
    whole = fresh_run()
    whole.fit(y, progress=False)
    first = fresh_run()
    list(steps(first, y, 15, progress=False))
    save_run(first, half)
    ended = python(rest)
    assert ended.returncode == 0, ended.stderr
    last = load_run(resumed)
    assert (first.step, last.step) == (15, 40)
    for mine, theirs in zip(whole.net.state_dict().values(), last.net.state_dict().values()):
        assert mine.equal(theirs)


def test_the_demo_suggests_commands_that_parse():
    hints = re.findall(r'\\n  (pf_\w+) (.+)"$', inspect.getsource(cli.pf_demo), re.M)
    assert len(hints) >= 3
    for name, rest in hints:
        words = shlex.split(rest.replace("{out}", "x"))
        anno_parser(getattr(cli, name)).parse_args(words)


def commands_in_pages():
    "The commands of this project in fenced blocks of its pages, (page, words)."
    for path in sorted(ROOT.glob("nbs/**/*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        texts = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown"]
        for block in re.findall(r"^```\w*\n(.*?)^```", "\n".join(texts), re.M | re.S):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith(tuple(NAMES)):
                    yield path.name, shlex.split(line, comments=True)


def test_commands_in_the_pages_parse():
    found = list(commands_in_pages())
    assert len(found) >= 8
    for page, (name, *words) in found:
        parser = anno_parser(getattr(cli, name))
        try:
            parser.parse_args([spelt(word) for word in words])
        except SystemExit as error:
            raise AssertionError(f"{page}: {name} {shlex.join(words)}") from error

"""Comparisons that cannot be lost: killed twice, finished, nothing done twice, the same table.

Invocations are children of this process, made by fork, so that none has to import the library.
"""

import os
import signal
import time

import pytest
import torch

from potential_flow.tools.cards import Card
from potential_flow.tools.compare import compare
from potential_flow.tools.spec import read_journal

METHODS = ("FlowMatching", "PFGMpp", "VPFB", "VAPO")
STEPS = 8
SPEC = {
    "title": "Four methods on digits",
    "images": STEPS * 16,
    "seeds": [0, 1, 2],
    "common": {"data": "digits", "batch": 16, "width": 8, "depth": 1},
    "evaluate": {"n": 20, "seeds": [0], "steps": [2], "during": [0.5]},
    "runs": [{"method": method} for method in METHODS],
}
# on the way and at the end
CARDS = len(METHODS) * 3 * 2
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are made by fork")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    "Threads of the parent do not survive a fork."
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def invocation(out, group=0):
    "A process that compares, in a group of its own or of another; its exit code is 0 if it ends."
    number = os.fork()
    if number:
        os.setpgid(number, group or number)
        return number
    code = 1
    try:
        os.setpgid(0, group)
        compare(SPEC, out, save_every=2)
        code = 0
    finally:
        os._exit(code)


def killed(out, cards):
    "Two invocations at once, killed as a group when so many cards are there."
    first = invocation(out)
    both = first, invocation(out, first)
    end = time.time() + 200
    while len(list((out / "cards").glob("*.json"))) < cards and time.time() < end:
        time.sleep(0.01)
    os.killpg(first, signal.SIGKILL)
    ends = [os.waitpid(number, 0)[1] for number in both]
    assert [os.WIFSIGNALED(status) for status in ends] == [True, True]
    return {path: path.stat().st_mtime_ns for path in (out / "cards").glob("*.json")}


@needs_fork
def test_killed_twice_it_finishes_and_does_nothing_twice(tmp_path):
    out, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    # first, so that what it imports and reads is there for the children
    found = compare(SPEC, undisturbed)
    assert not found.failures and len(found.cards) == CARDS

    kept = killed(out, 4)
    kept |= killed(out, len(kept) + 8)
    assert 12 <= len(kept) < CARDS
    both = [invocation(out), invocation(out)]
    assert [os.waitpid(number, 0)[1] for number in both] == [0, 0]

    # what was there has not been touched
    cards = list((out / "cards").glob("*.json"))
    assert len(cards) == CARDS
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    trained, judged = {}, []
    for entry in read_journal(out):
        assert "failed" not in entry
        if "trained" in entry:
            first, last = entry["trained"]
            trained.setdefault(entry["run"], []).extend(range(first, last))
        else:
            judged.append(entry["card"])
    assert len(judged) == len(set(judged))
    # a stretch may lack its line, where the kill came between the checkpoint and the journal
    assert all(len(steps) == len(set(steps)) for steps in trained.values())

    assert (out / "table.md").read_text() == (undisturbed / "table.md").read_text()
    for path in cards:
        one, other = Card.load(path), Card.load(undisturbed / "cards" / path.name)
        assert (one.scores, one.model) == (other.scores, other.model)


def test_workers_share_the_runs(tmp_path, capsys):
    small = SPEC | {"runs": SPEC["runs"][:2], "seeds": [0, 1], "images": 32}
    small |= {"common": SPEC["common"] | {"data": "moons", "n": 100}}
    alone = compare(small, tmp_path / "alone")
    said = [line.split(",")[:2] for line in capsys.readouterr().out.splitlines()]
    shared = compare(small, tmp_path / "shared", workers=2)
    # both say every stretch of training and every card
    assert len(said) == 16
    again = [line.split(",")[:2] for line in capsys.readouterr().out.splitlines()]
    assert sorted(map(str, again)) == sorted(map(str, said))
    assert shared.table() == alone.table() and not shared.failures
    entries = read_journal(tmp_path / "shared")
    assert len([entry for entry in entries if "card" in entry]) == 8
    assert len([entry for entry in entries if "trained" in entry]) == 8
    with pytest.raises(ValueError, match="needed a score out of energy, "):
        compare(small | {"score": "enrgy"}, tmp_path / "shared", workers=2)
    assert read_journal(tmp_path / "shared") == entries

"""A network of yours behind every method, and the U-Net that images get by themselves.

For each method that takes a network: yours and the one that is made are called in the same way and
answer in the same shapes; it trains, is stored, and samples.
"""

import inspect

import pytest
import torch
from torch import nn

from potential_flow.core import generator, message
from potential_flow.engine.checkpoint import load_run, save_run
from potential_flow.engine.method import methods
from potential_flow.engine.solvers import generate
from potential_flow.methods.vapo import VAPOAutonomous
from potential_flow.nets.images import ImageBackbone, suited, unet
from potential_flow.tools import plan
from potential_flow.tools.data import load_data

pytestmark = pytest.mark.usefixtures("one_thread")
IMAGE = (1, 12, 12)
# tables of targets that cost time and prove nothing more; lines by arc length are long
QUICK = {"points": 60, "charges": 20}


class Mine(nn.Module):
    "Points and numbers from a linear map of the coordinates."

    def __init__(self, size, images=1, numbers=0):
        super().__init__()
        self.size, self.images, self.numbers = size, images, numbers
        self.layer = nn.Linear(size + 1, size * images + numbers)

    def forward(self, x, s):
        out = self.layer(torch.cat([x.flatten(1), s[:, None]], 1))
        parts = out.split([self.size] * self.images + [1] * self.numbers, 1)
        points = [part.view_as(x) for part in parts[: self.images]]
        answer = (*points, *[part[:, 0] for part in parts[self.images :]])
        return answer if len(answer) > 1 else answer[0]


def classes():
    "Every method of the package, and the one without a closed form."
    found = [cls for cls in methods().values() if cls.__module__.startswith("potential_flow.")]
    return [*found, VAPOAutonomous]


def shapes(answer):
    "The shapes of an answer's parts."
    parts = answer if isinstance(answer, tuple) else (answer,)
    return [tuple(part.shape) for part in parts]


def mine_for(method):
    "A network of the answer that the method wants."
    seen = method.backbone or {}
    return Mine(method.N, seen.get("images", 1), seen.get("numbers", 0))


@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.__name__)
def test_yours_and_the_one_that_is_made(cls):
    "The same call, answers of the same shapes, a loss; sizes beside it are refused."
    y = torch.randn(40, 3, generator=generator(0))
    method = cls.fitted(y)
    known = inspect.signature(method.network).parameters
    assert "net" in known, f"{cls.__name__}.network takes no network"
    yours, made = method.network(net=mine_for(method)), method.network(width=8, depth=1)
    x, s = y[:5], torch.linspace(0.2, 0.9, 5)
    parts = len(shapes(yours(x, s)))
    # a field's log magnitude, which the made network always has, is not asked of yours
    assert shapes(yours(x, s)) == shapes(made(x, s))[:parts]
    assert "no sizes beside a network of yours" in message(
        lambda: method.network(net=mine_for(method), width=8)
    )
    small = {name: n for name, n in QUICK.items() if getattr(method, name, 0) > n}
    method = cls.fitted(y, **small)
    loss = method.loss(yours, y, generator(1), **method.prepare(y, generator(2)))
    loss.mean().backward()
    assert loss.isfinite().all()
    assert all(values.grad is not None for values in yours.parameters())


@pytest.fixture
def small_presets(monkeypatch):
    "A smaller U-Net where there would be a large one."

    def preset(shape):
        return unet(8, 8, norm_num_groups=4, time_embedding_dim=16) if suited(shape) else None

    monkeypatch.setattr(plan, "suited", preset)


def images():
    "Forty pictures of 12×12: digits with a border."
    digits = load_data("digits").whole()[:40]
    return load_data(nn.functional.pad(digits, (2, 2, 2, 2), value=float(digits.min())))


@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.__name__)
def test_images_train_a_unet_by_themselves(cls, tmp_path, small_presets):
    "Three steps, a checkpoint, the same network again, two lines."
    if cls.backbone is None:
        pytest.skip("no network of images by itself")
    data = images()
    names = {field for field in QUICK if field in cls.__dataclass_fields__}
    opts = " ".join(f"{name}={QUICK[name]}" for name in sorted(names) if getattr(cls, name))
    path = f"{cls.__module__}:{cls.__name__}"
    words = plan.Plan(data="pictures", method=path, opts=opts, steps=3, batch=4)
    run = plan.new_run(words, data, {})
    assert any(isinstance(part, ImageBackbone) for part in run.net.modules())
    run.fit(data, progress=False)
    assert run.skipped == 0
    save_run(run, tmp_path)
    again = load_run(tmp_path)
    samples = [
        generate(run.method, net, 2, generator(0), steps=2) for net in (run.best, again.best)
    ]
    one, other = (found.x for found in samples)
    assert one.shape == (2, *IMAGE) and one.nan_to_num(7.0).equal(other.nan_to_num(7.0))
    assert one[~samples[0].lost].isfinite().all()

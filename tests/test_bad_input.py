"""Every public entry says what was needed and what came.

A case is a call and a word of the sentence it must end with.
"""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from potential_flow import core
from potential_flow.engine import solvers, training
from potential_flow.engine.checkpoint import load_run
from potential_flow.engine.config import build_net
from potential_flow.engine.method import find_method, from_config
from potential_flow.methods.drifting import Drifting, fitted_widths
from potential_flow.methods.efm import EFM, capacitor, translate
from potential_flow.methods.efm_field import EFMDirection, EFMPublished
from potential_flow.methods.equilibrium import EquilibriumFlux, EquilibriumMatching
from potential_flow.methods.ifm import IFM
from potential_flow.methods.pfgm import PFGM
from potential_flow.methods.pfgm_field import PFGMField, calc_growths
from potential_flow.methods.pfgmpp import PFGMpp
from potential_flow.methods.potential import Potential, PotentialMinibatch
from potential_flow.methods.ratio import PotentialRatio, anomaly_score, composed
from potential_flow.methods.vapo import VAPO, log_time
from potential_flow.methods.vpfb import VPFB, VPFBPublished
from potential_flow.nets.heads import EnergyNet, FieldNet, PlateNet, ScalarNet
from potential_flow.nets.latent import VAE, Evidence, codes, standardise
from potential_flow.nets.precondition import Denoiser, SheetFarField
from potential_flow.nets.trunks import MLP, SIREN, ResidualMLP
from potential_flow.physics import fields, kernels, multipole, sheet
from potential_flow.physics.charges import Charges, _chunks, join
from potential_flow.tools import data, dataset, metrics, plots

y = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
nan, inf = torch.full((3, 2), math.nan), math.inf
labels, masked = torch.arange(30) % 3, np.ma.masked_less(y.numpy(), 0)
one_hot = torch.eye(3)[labels]
K, C, S, M = kernels.StudentKernel(2), Charges(y), sheet.isotropic_sheet((2,)), PFGMpp((2,))
ideal, Minibatch = M.ideal(y), PotentialMinibatch((2,))
PFGM_PATH = "potential_flow.methods.pfgm:PFGM"


def fit(data, **options):
    "Train a small network on what a user has."
    return training.Run(M, M.network(width=4)).fit(data, **options)


CASES = [
    # exact physics
    (lambda: Charges(torch.zeros(0, 2)), "at least one charge"),
    (lambda: Charges(nan), "finite y"),
    (lambda: Charges(y.long()), "float32 or float64"),
    (lambda: Charges(y, q=torch.ones(5)), "q to be"),
    (lambda: Charges(y, z=inf), "finite z"),
    (lambda: Charges([[1.0]]), "torch tensor"),
    (lambda: join(C, Charges(torch.zeros(3, 5))), "one shape"),
    (lambda: list(_chunks(C, 0)), "per chunk"),
    (lambda: fields.field(torch.zeros(4, 3), 1.0, C), r"shape \(B, 2\)"),
    (lambda: fields.field(nan, 1.0, C), "finite x"),
    (lambda: fields.field(y, torch.ones(7), C), r"shape \(30,\)"),
    (lambda: fields.field(y, math.nan, C), "finite z"),
    (lambda: fields.log_potential(torch.zeros(4), 1.0, C), r"\(B, \*shape\)"),
    (
        lambda: fields.posterior_mean(y, 1.0, Charges(y, q=-1.0), fields.coulomb(1.5)),
        "positive charges",
    ),
    (lambda: sheet.fit_sheet(y[:1]), "two points"),
    (lambda: sheet.isotropic_sheet((2,), -1), "standard deviation"),
    (
        lambda: sheet.GaussianSheet(torch.zeros(2), torch.tensor([-1.0])),
        "non-negative eigenvalues",
    ),
    (
        lambda: sheet.sheet_log_potential(sheet.isotropic_sheet((1,)), torch.zeros(1, 1), 1.0),
        "N ≥ 2",
    ),
    (lambda: sheet.sheet_log_density(S, y, 0.0), "positive sigma"),
    (lambda: sheet.sheet_log_density(S, y[:, :1], 1.0), r"shape \(B, 2\)"),
    (lambda: multipole.moments(Charges(y, q=0.0)), "total charge"),
    (lambda: kernels.StudentKernel(0), "positive integer"),
    (lambda: kernels.StudentKernel(2, 0), "D > 0"),
    (lambda: kernels.StudentKernel(2, math.nan), "D of StudentKernel to be a number"),
    (lambda: kernels.StudentKernel(2, 1e9), r"D ≤ 1e\+06, or inf"),
    (lambda: kernels.sample_noise(K, (3,), torch.ones(2)), "shape of 2"),
    (lambda: kernels.moved_mass(K, -1, 1), "positive radius"),
    (lambda: kernels.ideal_denoiser(K, y)(y, 0.0), "positive s"),
    # potentials
    (lambda: Potential((1,)), "at least two data coordinates"),
    (lambda: Potential.fitted(torch.ones(5, 2)), "data that vary"),
    (lambda: Potential.fitted(y, z_max=0.5), "outside the data"),
    (lambda: Potential((2,), points=0), "one training point"),
    (lambda: Potential((2,)).loss(None, y), "the table that `prepare` makes"),
    (lambda: Potential((2,), mean=(0.0,)), "a mean of 2"),
    (lambda: Potential((2,), cov=(1.0, 2.0, 3.0)), "a covariance of"),
    (lambda: Potential((2,), gradient_weight=-1.0), "weights ≥ 0"),
    (lambda: Potential.fitted(torch.randn(50, 400)), "PotentialRatio has no such limit"),
    (lambda: Minibatch.loss(lambda x, s: x, y), "returns scalars"),
    (lambda: PotentialRatio((2,), contrast=0.0, denoise=0.0, follow=0.0), "not all 0"),
    (
        lambda: PotentialRatio((2,), P_mean=400.0, P_std=0.1).loss(
            lambda x, s: x[:, 0], y.double()
        ),
        "finite weights",
    ),
    (lambda: Minibatch.loss(lambda x, s: x[:, 0].detach(), y), "differentiated"),
    (lambda: anomaly_score(PotentialRatio((2,)), lambda x, s: s, y, -1.0), "positive height"),
    (lambda: composed(PotentialRatio((2,))), "at least one part"),
    # capacitors
    (lambda: EFM((2,), L=0.0), "a distance L > 0"),
    (lambda: EFM((2,), L=0.1), "z_min < L/4"),
    (lambda: EFM((1,)), "at least two data coordinates"),
    (lambda: EFM((2,), omega=-1.0), "omega ≥ 0"),
    (lambda: EFM((2,), jitter=-1.0), "jitter ≥ 0"),
    (lambda: EFM((2,), near_target=1.0), r"near_target in \(0, 1\)"),
    (lambda: EFMPublished((2,), gamma=-1.0), "gamma ≥ 0"),
    (lambda: EFMDirection((2,), charges=0), "charges ≥ 1"),
    (lambda: EFMDirection((2,), noise=-1.0), "noise ≥ 0"),
    (lambda: EFM((2,), radius=0.0), "a positive radius"),
    (lambda: capacitor(EFM((2,), omega=0.0), y), "source data where omega = 0"),
    (lambda: capacitor(EFM((2,)), y, y), "none for a Gaussian"),
    (lambda: capacitor(EFM((2,), omega=0.0), y, torch.randn(5, 3)), r"shape \(B, 2\)"),
    (lambda: capacitor(EFM((2,), omega=0.0), y, y[:0]), "each plate"),
    (lambda: EFM((2,), omega=0.0).prior(3), "to `translate`"),
    (lambda: EFM((2,)).starts(torch.zeros(3, 5)), r"shape \(B, 2\)"),
    (lambda: translate(EFM((2,)), None, nan), "finite y"),
    (lambda: translate(M, None, y), "such as EFM"),
    (lambda: PlateNet((2,), 0.0), "positive L"),
    # variational potential flows
    (lambda: VAPO((2,), nu=0.0), "positive nu"),
    (lambda: VAPO((2,), omega=-1.0), "positive nu, omega"),
    (lambda: VAPO((2,), low=2.0, high=1.0), "low < high"),
    (lambda: VAPO((2,), lam_min=50.0), "lam_min below"),
    (lambda: VPFB((2,), t_min=1.0), "t_min in"),
    (lambda: VPFBPublished((2,), cosine=-1.0), "weights ≥ 0"),
    (lambda: log_time(VAPO(), 0.0), r"t in \(0, 1\]"),
    (
        lambda: VAPO().loss(torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU()), y),
        "twice differentiable",
    ),
    (lambda: VAPO().loss(lambda x, s: x, y), "returns scalars"),
    (lambda: VPFBPublished((2,)).loss(lambda x, s: x[:, 0], y[:1]), "at least two points"),
    (lambda: EnergyNet((2,), "tree"), "module:Class"),
    # one evaluation, no time, tubes
    (lambda: Drifting((2,), widths=()), "at least one width"),
    (lambda: Drifting((2,), widths=(0.1, 0.2, 0.3), D=(1.0, 2.0)), "one for each width"),
    (lambda: Drifting((2,)).drift(y, y[:, :1]), r"y of shape \(B, 2\)"),
    (lambda: Drifting.fitted(nan), "finite y"),
    (lambda: fitted_widths(y[:2]), "three points"),
    (lambda: EquilibriumMatching((2,), decay=2.0), "least < decay < 1"),
    (lambda: EquilibriumMatching((2,), horizon=0.0), "positive horizon"),
    (lambda: EquilibriumMatching((2,)).loss(lambda x, s: x[:, :1], y), "points of shape"),
    (lambda: EquilibriumFlux((2,), least=0.5), "least < decay < 1"),
    (lambda: IFM.fitted(y, source=y[:, :1]), "source of shape"),
    # images and points by name and from files
    (lambda: data.load_data("cats"), "a data set out of"),
    (lambda: data.load_data("digits:12"), "digits"),
    (lambda: data.coloured(torch.zeros(2, 3, 4, 4)), "grey images"),
    (lambda: data.read_points("nowhere", (2,)), "a folder of images"),
    (
        lambda: metrics.train_classifier(torch.zeros(4, 1, 8, 8), torch.zeros(3).long()),
        "one label per image",
    ),
    # latent spaces
    (lambda: VAE((1, 9, 9)), "multiples of 4"),
    (lambda: VAE((1, 8, 8), 0), "positive latent"),
    (lambda: Evidence((1, 8, 8), -1.0), "positive noise"),
    (lambda: codes(VAE((1, 8, 8), 4, 4), torch.zeros(2, 1, 8, 8), copies=0), "one copy"),
    (lambda: standardise(torch.ones(4, 2)), "codes that vary"),
    # networks
    (lambda: MLP(2, 2, width=0), "positive sizes"),
    (lambda: ResidualMLP(2, 2, dropout=1.5), "dropout"),
    (lambda: SIREN(2, 2, w0=-1), "frequency"),
    (lambda: ScalarNet((2,), fade=-1.0), "fade"),
    (lambda: FieldNet((2,), trunk="forest:Tree"), "an imported Module"),
    (lambda: FieldNet((2,))(torch.zeros(3, 4), torch.ones(3)), r"shape \(B, 2\)"),
    (lambda: Denoiser((2,), -3), "D ≥ 0.05"),
    (lambda: Denoiser((2,), sigma_data=0), "sigma_data"),
    (lambda: SheetFarField(Denoiser((2,)), S, -1), "positive radius"),
    (lambda: build_net({"name": "GPT"}), "class and the arguments"),
    (lambda: M.network(net=torch.nn.Linear(2, 2), width=3), "no sizes beside"),
    # methods
    (lambda: find_method("gan"), "a method out of"),
    (lambda: from_config({"name": "PFGM"}), "the class and the arguments"),
    (lambda: from_config({"class": PFGM_PATH, "arguments": {"colour": 3}}), "fields of PFGM"),
    (lambda: PFGM((0,)), "positive integers"),
    (lambda: PFGM((2,), z_min=0), "z_min < z_max"),
    (lambda: PFGM((2,), low=1, high=0), "low < high"),
    (lambda: PFGMField((2,), gamma=0), "positive gamma"),
    (lambda: PFGMpp((2,), D=0), "D ≥ 0.05"),
    (lambda: PFGMpp((2,), sigma_min=3, sigma_max=2), "sigma_min < sigma_max"),
    (lambda: PFGMpp((2,), sigma_max=inf), "sigma_min < sigma_max"),
    (lambda: PFGMpp((3072,), sigma_max=1e11), r"sigma_max ≤ 1.8e\+10"),
    (lambda: PFGMpp((2,), D="8"), "D of PFGMpp to be a number"),
    (lambda: PFGMpp((2,), D=None), "D of PFGMpp to be a number"),
    (lambda: PFGMpp.fitted(y, sigma_max="9"), "sigma_max of PFGMpp"),
    (lambda: M.times(2.5), "number of steps"),
    (lambda: M.times("8"), "number of steps"),
    (lambda: PFGM((2,), z_max=1e13), "z_max ≤"),
    (lambda: PFGM((2,), P_std=30.0), "within 6 P_std"),
    (lambda: PFGMField((2,), growths=10**5), "growths that end"),
    (lambda: Potential((2,), z_max=1e13), "z_max ≤"),
    (lambda: Potential((2,), mean=1.0), "mean, a tuple of numbers"),
    (lambda: Potential((2,), harmonic=inf), "harmonic between"),
    (lambda: PotentialRatio((2,), decay=inf), "decay between"),
    (lambda: VAPO((2,), lam_min=-inf), "a path whose shares"),
    (lambda: VPFB((2,), omega=1e13), "a path whose shares"),
    (lambda: M.velocity(lambda x, s: None, y, y[:, 0]), "returns points"),
    (lambda: VAPO().velocity(lambda x, s: None, y, y[:, 0]), "tensors of 30 rows"),
    (lambda: VPFB().loss(lambda x, s: {"x": x}, y), "tensors of 30 rows"),
    (lambda: calc_growths(torch.zeros(3, 2)), "wider than"),
    (lambda: M.loss(ideal, torch.zeros(3, 5)), r"shape \(B, 2\)"),
    # solvers
    (lambda: solvers.sample(lambda x, s: x, y, torch.tensor([1.0, 2.0, 2.0])), "monotone"),
    (lambda: solvers.sample(lambda x, s: x, y, torch.ones(1)), "two times"),
    (lambda: solvers.dopri5(0), "positive tolerances"),
    (lambda: solvers.generate(M, ideal, 0), "positive number"),
    (lambda: solvers.generate(M, ideal, 5, steps=0), "positive number of steps"),
    (lambda: solvers.generate(M, ideal, 5, temperature=0), "temperature"),
    (lambda: solvers.decode(M, ideal, y, batch=0), "positive number of lines"),
    (lambda: solvers.encode(M, ideal, torch.zeros(3, 4)), r"shape \(B, 2\)"),
    (lambda: solvers.log_prob(M, ideal, nan), "finite y"),
    (lambda: solvers.log_prob(M, ideal, y[:0]), "one data point"),
    (lambda: solvers.encode(M, ideal, y[:0]), "one data point"),
    (lambda: solvers.generate(M, ideal, 5, 0), "a generator"),
    (lambda: solvers.generate(ideal, M, 5), "a method"),
    (lambda: solvers.generate(M, ideal, 5, step="heun"), r"dopri5\(\)"),
    (lambda: solvers.generate(M, ideal, 5, step=solvers.dopri5), r"dopri5\(\)"),
    (lambda: solvers.generate(M, ideal, 5, label="cat"), "labels, whole numbers"),
    (lambda: solvers.generate(M, ideal, 5, temperature="1"), "temperature to be a number"),
    (lambda: solvers.bits_per_dim(y[:, 0], (2,), levels=0), "positive number of levels"),
    (lambda: solvers.bits_per_dim(y[:, 0], (2,), scale=-1), "positive scale"),
    (lambda: solvers.bits_per_dim(y[:, 0], (2,), scale=torch.ones(3)), r"of shape \(2,\)"),
    (lambda: solvers.bits_per_dim([0.0], (2,)), "a tensor"),
    (lambda: solvers.bits_per_dim(y[:, 0], 2), "a shape"),
    # training, data, metrics
    (lambda: training.Recipe(batch=0), "positive number"),
    (lambda: training.Recipe(ema=1), "ema decay"),
    (lambda: training.Recipe(lr="2"), "lr of Recipe to be a number"),
    (lambda: fit(nan), "finite data"),
    (lambda: fit(y, minutes="1"), "minutes to be a number"),
    (lambda: fit(y, watch=1), r"watch\(event\)"),
    (lambda: fit(y, out=7), "path of a folder"),
    (lambda: fit(y, workers=-1), "a number of workers"),
    (lambda: fit(y, steps=np.array([3, 4])), "number of steps"),
    (lambda: fit(y, labels=labels), "beside the points"),
    (lambda: fit(y, source=y), r"PFGMpp asks for \(none\)"),
    # numbers as text, counts that are none
    (lambda: M.network(width="3"), "width of MLP to be a whole number"),
    (lambda: M.network(depth=2.5), "depth of MLP to be a whole number"),
    (lambda: M.network(D=8), "arguments of the network of PFGMpp, got D"),
    (lambda: M.network(widht=8), "arguments of MLP"),
    (lambda: FieldNet((2,), R0="1"), "R0 of FieldNet to be a number"),
    (lambda: PlateNet((2,), inf), "finite, positive L"),
    (lambda: EnergyNet((2,), frequencies=-1), "number of frequencies"),
    (lambda: VAE((1, 8, 8), latent="4"), "latent of VAE"),
    (lambda: codes(VAE((1, 8, 8), 4, 4), torch.zeros(2, 1, 8, 8), batch=-1), "number of images"),
    (lambda: training.Recipe(lr=inf), "a positive lr"),
    (lambda: training.Run(M, M.network(width=4), n=2.5), "number of points"),
    (lambda: M.prior(-1), "number of lines"),
    (lambda: M.prior(3, temperature="1"), "temperature to be a number"),
    (lambda: solvers.slerp(y, y, "0.5"), "to be a number"),
    (lambda: solvers.dopri5("1"), "rtol to be a number"),
    (lambda: solvers.encode(M, ideal, y, label=0), "a network that takes labels"),
    (lambda: fields.field(y, "1", C), "z to be a number"),
    (lambda: fields.field(y, 1.0, C, budget=0.5), "number of pairs"),
    (lambda: Charges(y, q="1"), "q to be a number"),
    (lambda: kernels.sample_log_radius(K, -3), "number of draws"),
    (lambda: sheet.isotropic_sheet((2,), "1"), "to be a number"),
    (lambda: sheet.sample_sheet(S, 2.5), "number of points"),
    (lambda: sheet.sheet_posterior_mean(S, y, 1.0, count=0), "number of nodes"),
    (lambda: capacitor(EFM((2,)), y, charges=0), "number of charges"),
    (lambda: calc_growths(y, sigma="1"), "sigma to be a number"),
    (lambda: core.generator(np.array([1, 2])), "a seed"),
    # pictures
    (lambda: plots.scatter(y), "a label with its points"),
    (lambda: plots.scatter("moons", y), "a label with its points"),
    (lambda: plots.scatter(("moons", y[:, :1])), "points of moons with two coordinates"),
    (lambda: plots.scatter(("moons", masked)), "none of them masked"),
    (lambda: plots.scatter(("moons", y), lim=-1.0), "half the width"),
    (lambda: plots.image_grid(torch.zeros(3, 1, 8, 8), 2.5), "number of columns"),
    (lambda: plots.curve([1.0], smooth=-1), "values in a mean"),
    (lambda: plots.plane(n="9"), "grid points"),
    # options of the data
    (lambda: data.load_data("moons", n=5.0), "n of Options to be a whole number"),
    (lambda: data.load_data("moons", held_out="0.1"), "held_out of Options to be a number"),
    (lambda: data.load_data("moons", held_out=-0.1), "a held-out share"),
    (lambda: data.load_data(y, held_out=inf), "a held-out share"),
    (lambda: data.load_data("nowhere", size="8"), "size of Options"),
    (lambda: data.load_data("nowhere", size=0), "a positive size"),
    (lambda: data.load_data("nowhere", channels=2), "1 or 3 channels"),
    (lambda: data.load_data("nowhere", flips="yes"), "flips of Options to be true or false"),
    (lambda: data.load_data(dataset.Data(y, y), flips=True), "loaded already"),
    (lambda: data.load_data(b"moons"), "a name, a path"),
    (lambda: data.digits("5"), "number of test images"),
    (lambda: data.moons(2.5), "number of points"),
    (lambda: data.moons(5, 0), "a generator"),
    (lambda: dataset.Data(y, y).judge(y, most=-1), "number of points"),
    (lambda: dataset.Data(y, y).judge(y.tolist()), "samples, a tensor"),
    # what people have for data
    (lambda: fit([(point, 1, "a.png") for point in y]), "tuple of 3"),
    (lambda: data.load_data([(point, 1, "a.png") for point in y]), "tuple of 3"),
    (lambda: fit((y, labels, labels)), "items of one shape"),
    (lambda: fit([*y, torch.zeros(3)]), "items of one shape"),
    (lambda: fit([*y[1:], (y[0], 1)]), "for all items or for none"),
    (lambda: data.load_data([*y, torch.zeros(3)]), "items of one shape"),
    (lambda: fit([{"x": point} for point in y]), "items that are tensors"),
    (lambda: fit(masked), "none of them masked"),
    (lambda: fit((y, np.ma.masked_equal(labels.numpy(), 2))), "none of them masked"),
    (lambda: data.load_data(masked), "none of them masked"),
    (lambda: data.load_data((y, np.ma.masked_equal(labels.numpy(), 2))), "none of them masked"),
    (lambda: fit(y.numpy().astype(str)), "array of numbers"),
    (lambda: fit(y.to_sparse()), "dense"),
    (lambda: data.load_data(y.to_sparse()), "a dense tensor or an array"),
    (lambda: data.load_data((y, labels + 10**12)), r"labels below 1000 .*got 1000000000002 among"),
    (lambda: data.load_data(Path("moons")), "a path that exists"),
    (lambda: fit((y, ["cat"] * 30)), "instead of words"),
    (lambda: fit((y, np.array(["cat"] * 30))), "labels for each of 30"),
    (lambda: fit((y, one_hot)), r"argmax\(1\)"),
    (lambda: fit((y, one_hot.long())), r"argmax\(1\)"),
    (lambda: fit([(y[0], one_hot[0])] * 9), r"argmax\(\)"),
    (lambda: fit([(y[0], "cat")] * 9), "labels that are whole numbers"),
    (lambda: fit((y, labels[:9])), "labels for each of 30"),
    (lambda: data.load_data((y, ["cat"] * 30)), "instead of words"),
    (lambda: data.load_data((y, one_hot)), r"argmax\(1\)"),
    (lambda: data.load_data((y, labels[:9])), "labels for each of 30"),
    (lambda: dataset.Data(y, y, test_labels=labels), "beside test labels"),
    (lambda: dataset.Data(y, y, labels=labels, test_labels=labels + 1), "training part has"),
    (lambda: dataset.Data(y, y, labels=labels, test_labels=labels[:9]), "test labels for each"),
    (lambda: dataset.Data(y.numpy(), y), "tensors"),
    (lambda: training.Run(M, torch.nn.Identity()), "weights to train"),
    (lambda: training.Run(M, M.network(width=4), {"steps": 5}), "a Recipe"),
    (lambda: training.Recipe(seed="a"), "seed of Recipe"),
    (lambda: load_run("/nonexistent"), "checkpoint.json"),
    (lambda: data.load_data("moons", 0), "two points"),
    (lambda: data.load_data("moons", "9"), "n of Options to be a whole number"),
    (lambda: data.gaussian_mixture(5, N=0), "positive N"),
    (lambda: data.mnist("/nonexistent", download=False), "needed MNIST"),
    (lambda: metrics.energy_distance(y, torch.zeros(3, 5)), r"shape \(B, 2\)"),
    (lambda: metrics.sliced_w2(nan, y), "finite x"),
    (lambda: metrics.mmd2(y, nan), "finite y"),
    (lambda: metrics.energy_distance(y[:0], y), "at least one point in x"),
    (lambda: metrics.judge(nan, data.moons), "finite x"),
    (lambda: plots.image_grid(torch.zeros(0, 1, 8, 8)), "at least one of the images"),
    (lambda: plots.trajectories(torch.zeros(3, 2, 2), torch.zeros(2)), "as many nodes"),
    (
        lambda: metrics.image_scores(torch.zeros(10, 1, 8, 8), torch.zeros(10, 1, 8, 8), "digits"),
        "2,048",
    ),
    (lambda: metrics.PixelSet(torch.full((3, 1, 8, 8), 2.0)), r"pixels in \[0, 1\]"),
    (lambda: core.generator(-1), "seed"),
    (lambda: core.slope(y, y[:, 0], floor=2), "between 0 and 1"),
    (lambda: core.log_sphere_area(-1), "positive"),
]


NAMES = [f"{i}-{word[:24]}" for i, (_, word) in enumerate(CASES)]


@pytest.mark.parametrize("call, word", CASES, ids=NAMES)
def test_refused_with_a_sentence(call, word):
    with pytest.raises((ValueError, TypeError)) as refused:
        call()
    sentence = str(refused.value)
    assert re.search(word, sentence)
    assert re.search("needed .*got", sentence, re.S)


def test_there_are_at_least_forty():
    assert len(CASES) >= 40

"""Speed and memory of the exact field.

Against the broadcast of all differences and against its own two matrix products, as the machine
is and with denormal numbers flushed to zero; the field of two plates against the broadcast; the
potential and gradient of a Gaussian sheet with a full covariance.

Run by hand: python tests/bench_fields.py [--quick]. Times are medians of runs that alternate in
one process; memory is the peak of the resident set above what the inputs take, measured in a
process of its own for each row.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

import torch

from potential_flow.physics.capacitor import Capacitor
from potential_flow.physics.charges import Charges
from potential_flow.physics.fields import field
from potential_flow.physics.sheet import fit_sheet, sheet_grad_log_potential, sheet_log_potential

N = 3072
MEMORY = """
import bench_fields as bench
x, z, charges = bench.inputs({M}, {B})
small = bench.inputs(256)
bench.{name}(*small)
before = bench.peak_mb(reset=True)
bench.{name}(x, z, charges)
print(bench.peak_mb() - before)
"""


def broadcast(x, z, charges):
    "The usual code, written after the formula: every difference is formed."
    height = z[:, None, None].expand(-1, len(charges), 1)
    difference = torch.cat([x[:, None] - charges.y, height], 2)  # (B, M, N + 1)
    distance = difference.square().sum(2).sqrt()
    nearest = distance.amin(1, keepdim=True)
    weights = (nearest / distance) ** difference.shape[2]
    E = (weights[:, :, None] * difference).sum(1)
    return E / E.norm(dim=1, keepdim=True)


def exact(x, z, charges):
    "Ours."
    return field(x, z, charges)


def products(x, z, charges):
    "What the field cannot do without."
    return (x @ charges.y.T) @ charges.y


def inputs(M, B=128):
    "Noisy points at very different heights, so that weights of every size occur."
    gen = torch.Generator().manual_seed(0)
    y = torch.randn(M, N, generator=gen)
    z = torch.rand(B, generator=gen) * 10 + 0.1
    x = y[:B] + z[:, None] * torch.randn(B, N, generator=gen)
    return x, z, Charges(y)


def seconds(function, *args):
    "Time of one call."
    started = time.perf_counter()
    function(*args)
    return time.perf_counter() - started


def medians(functions, *args, repeats=5):
    "Median times of several functions whose runs alternate, in milliseconds."
    for function in functions:
        function(*args)  # warm up, and cache the norms of the charges
    times = [[seconds(function, *args) for function in functions] for _ in range(repeats)]
    return [sorted(column)[repeats // 2] * 1e3 for column in zip(*times)]


def peak_mb(reset=False):
    "Peak resident memory of this process since the last reset, in MB (Linux)."
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def memory(name, M, B=128):
    "Peak memory above the inputs, in MB, in a fresh process."
    code = MEMORY.format(name=name, M=M, B=B)
    command = [sys.executable, "-c", code]
    folder = Path(__file__).parent
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return float(done.stdout)


def denormals():
    "How much slower a matrix product, a product and an exponential are with denormal numbers."
    gen = torch.Generator().manual_seed(0)
    normal = torch.rand(128, 2048, generator=gen)
    values = torch.randn(2048, 1024, generator=gen)
    tiny = normal * 1e-40
    far = torch.full((128, 2048), -740.0, dtype=torch.float64)
    cases = (
        ("matrix product", lambda operand: operand @ values, normal, tiny),
        ("elementwise", lambda operand: operand * 0.5, normal, tiny),
        ("exponential", torch.exp, far + 740, far),
    )
    for name, function, plain, small in cases:
        ratio = medians([function], small)[0] / medians([function], plain)[0]
        print(f"denormal numbers in a {name}: {ratio:.1f} times as slow")


def plates(M=4096, B=64, L=5.0):
    "A batch between two plates of M charges each."
    x, z, lower = inputs(M, B)
    other = torch.randn(M, N, generator=torch.Generator().manual_seed(1))
    upper = Charges(other, -1 / M, L)
    z = z.clamp(max=0.9 * L)
    capacitor = Capacitor(lower, upper)

    def both(x, z):
        return broadcast(x, z, lower) - broadcast(x, z - L, upper)

    (ours,) = medians([capacitor.field], x, z)
    (theirs,) = medians([both], x, z, repeats=1)
    print(f"two plates of {M} charges, batch {B}: field {ours:.1f} ms,", end=" ")
    print(f"broadcast {theirs:.0f} ms, ratio {theirs / ours:.0f}")


def sheet(B=16):
    "Potential and gradient of a sheet with a full covariance, per point."
    gen = torch.Generator().manual_seed(2)
    y = torch.randn(2 * N, N, generator=gen).double()
    fitted = fit_sheet(y)
    x, z = y[:B] + 0.5, torch.rand(B, generator=gen).double() + 0.1

    def value_and_gradient():
        sheet_log_potential(fitted, x, z)
        sheet_grad_log_potential(fitted, x, z)

    (both,) = medians([value_and_gradient])
    print(f"Gaussian sheet, full covariance: value and gradient {both / B:.1f} ms a point")


def row(M):
    "Time of the field and of its two products, with denormal numbers and without."
    points = inputs(M)
    for flush in (False, True):
        torch.set_flush_denormal(flush)
        ours, bare = medians([exact, products], *points)
        mode = "flushed" if flush else "as it is"
        print(f"{M:8d}  {mode:9s} {ours:9.1f} {bare:13.1f} {ours / bare:7.2f}")
    torch.set_flush_denormal(False)
    print(f"{M:8d}  memory of the field above the inputs: {memory('exact', M):.0f} MB")
    return points, ours


def main():
    "All rows."
    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, {threads} threads, 128 queries, N = {N}, float32")
    denormals()
    print(" charges  denormals  field ms  two products   ratio")
    points, ours = row(4096)
    if "--quick" not in sys.argv:
        (theirs,) = medians([broadcast], *points, repeats=1)
        print(f"    4096  broadcast {theirs:9.0f} ms, ratio {theirs / ours:.0f},", end=" ")
        print(f"memory {memory('broadcast', 4096):.0f} MB")
        del points
        row(50_000)
    plates()
    sheet()


if __name__ == "__main__":
    main()

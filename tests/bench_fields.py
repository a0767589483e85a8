"""Speed and memory of the exact field, against the broadcast of differences and against its own two matrix products;
the field of two plates against the same; the potential and gradient of a Gaussian sheet with a full covariance.

Run by hand: python tests/bench_fields.py [--quick]. Times are medians of runs that alternate in one process; memory is
the peak of the resident set above what the inputs take, measured in a process of its own for each row.
"""

import re
import subprocess
import sys
import time

import torch

from potential_flow.physics.capacitor import Capacitor
from potential_flow.physics.charges import Charges
from potential_flow.physics.fields import field
from potential_flow.physics.multipole import (
    fit_sheet,
    sheet_grad_log_potential,
    sheet_log_potential,
)


def broadcast(x, z, y):
    "The usual code: every difference is formed. Written after the formula, not after anybody's source."
    d = torch.cat([x[:, None] - y, z[:, None, None].expand(-1, len(y), 1)], 2)  # (B, M, N + 1)
    dist = d.square().sum(2).sqrt()
    w = (dist.amin(1, keepdim=True) / dist) ** d.shape[2]
    E = (w[..., None] * d).sum(1)
    return E / E.norm(dim=1, keepdim=True)


def exact(x, z, y):
    return field(x, z, y)


def products(x, z, y):
    return (x @ y.T).softmax(1) @ y


def inputs(M, N, B=128):
    g = torch.Generator().manual_seed(0)
    y = torch.randn(M, N, generator=g)
    z = torch.rand(B, generator=g) * 5 + 0.1
    return y[:B] + z[:, None] * torch.randn(B, N, generator=g), z, y


def seconds(f, *args):
    t = time.perf_counter()
    f(*args)
    return time.perf_counter() - t


def peak_mb(reset=False):
    "Peak resident memory of this process since the last reset, in MB (Linux)."
    if reset:
        open("/proc/self/clear_refs", "w").write("5")
    return int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 1024


def memory(name, M, N):
    "Peak memory above the inputs, in MB, in a fresh process."
    code = (
        f"import bench_fields as b\nx, z, y = b.inputs({M}, {N}); q = b.inputs(256, {N}); c = b.Charges(y)\n"
        f"f = b.{name}; warm = f(q[0], q[1], b.Charges(q[2]) if f is b.exact else q[2])\nbefore = b.peak_mb(reset=True)\n"
        f"f(x, z, c if f is b.exact else y)\nprint(b.peak_mb() - before)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=__file__.rsplit("/", 1)[0],
    )
    return float(out.stdout)


def median(f, *args, repeats=5):
    return sorted(seconds(f, *args) for _ in range(repeats))[repeats // 2]


def plates(N, M=4096, B=64, L=5.0):
    "A batch between two plates of M charges each."
    x, z, y = inputs(M, N, B)
    other = torch.randn(M, N, generator=torch.Generator().manual_seed(1))
    z = z.clamp(max=0.9 * L)
    c = Capacitor(Charges(y), Charges(other, -1 / M, L))
    c.field(x, z)  # warm up, and cache the norms of the charges
    fast = median(c.field, x, z)
    slow = median(lambda: broadcast(x, z, y) - broadcast(x, z - L, other), repeats=3)
    print(
        f"two plates of {M} charges, batch {B}: field {fast * 1e3:.1f} ms   broadcast {slow * 1e3:.0f} ms   ratio {slow / fast:.0f}"
    )


def sheet(N, B=16):
    "Potential and gradient of a sheet with a full covariance, per point."
    y = torch.randn(2 * N, N, generator=torch.Generator().manual_seed(2)).double()
    s, x, z = fit_sheet(y), y[:B] + 0.5, torch.rand(B).double() + 0.1
    both = lambda: (sheet_log_potential(s, x, z), sheet_grad_log_potential(s, x, z))
    both()
    print(
        f"Gaussian sheet, full covariance, N = {N}: value and gradient {median(both) / B * 1e3:.1f} ms a point"
    )


if __name__ == "__main__":
    N = 3072
    sizes = [4096] if "--quick" in sys.argv else [4096, 50_000]
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, 128 queries, N = {N}, float32"
    )
    plates(N)
    sheet(N)
    for M in sizes:
        x, z, y = inputs(M, N)
        c = Charges(y)
        field(x, z, c), products(x, z, y)  # warm up, and cache the norms of the charges
        t_exact = [seconds(exact, x, z, c) for _ in range(1)]
        t_products = []
        for _ in range(5):
            t_products.append(seconds(products, x, z, y))
            t_exact.append(seconds(exact, x, z, c))
        e, p = sorted(t_exact[1:])[2], sorted(t_products)[2]
        print(
            f"M = {M:6d}  field {e * 1e3:8.1f} ms   two products {p * 1e3:8.1f} ms   ratio {e / p:5.2f}   memory {memory('exact', M, N):6.0f} MB"
        )
        if M <= 4096:
            b = sorted(seconds(broadcast, x, z, y) for _ in range(3))[1]
            print(
                f"M = {M:6d}  broadcast {b * 1e3:8.0f} ms   ratio to field {b / e:5.0f}   memory {memory('broadcast', M, N):6.0f} MB"
            )

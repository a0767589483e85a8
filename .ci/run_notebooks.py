"""Execute the notebooks in a real Jupyter kernel, honouring nbdev's directives and front matter; nothing is written.

python .ci/run_notebooks.py [part of a path ...]
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient

root = Path(__file__).parent.parent
skipped = {"notest", "slow", "gpu"}


def directives(source):
    return {w for line in source.splitlines() if line.startswith("#|") for w in [line[2:].strip()]}


def execute(path):
    nb, start = nbformat.read(path, 4), time.time()
    if nb.cells and "skip_exec: true" in nb.cells[0].source:
        return f"skipped  {path.relative_to(root)} (skip_exec)"
    for cell in nb.cells:
        if cell.cell_type == "code" and (
            directives(cell.source) & (skipped | {"eval: false"}) or "nbdev_export()" in cell.source
        ):
            cell.source = ""
    NotebookClient(
        nb, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    return f"ok  {time.time() - start:5.0f} s  {path.relative_to(root)}"


if __name__ == "__main__":
    paths = [
        p
        for p in sorted((root / "nbs").rglob("*.ipynb"))
        if ".ipynb_checkpoints" not in p.parts
        and (len(sys.argv) == 1 or any(a in str(p) for a in sys.argv[1:]))
    ]
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for path, future in [(p, pool.submit(execute, p)) for p in paths]:
            try:
                print(future.result(), flush=True)
            except Exception as e:
                failed += 1
                print(f"FAILED  {path.relative_to(root)}\n{str(e)[-2000:]}", flush=True)
    sys.exit(failed > 0)

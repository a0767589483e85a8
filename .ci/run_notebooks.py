"""Execute notebooks in a real Jupyter kernel, by nbdev's directives and front matter.

python .ci/run_notebooks.py [part of a path ...]     nothing is written
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient

root = Path(__file__).resolve().parent.parent
SKIPPED = {"notest", "slow", "gpu", "eval: false"}


def directives(source):
    "What stands behind #| in a cell."
    return {line[2:].strip() for line in source.splitlines() if line.startswith("#|")}


def selected(words):
    "Notebooks whose path holds one of the words; all of them without words."
    for path in sorted((root / "nbs").rglob("*.ipynb")):
        name = path.relative_to(root).as_posix()
        if ".ipynb_checkpoints" not in path.parts and any(word in name for word in words or [""]):
            yield path


def execute(path):
    "Run a notebook; one line that says how long it took."
    notebook, start = nbformat.read(path, 4), time.time()
    name = path.relative_to(root)
    if notebook.cells and "skip_exec: true" in notebook.cells[0].source:
        return f"skipped  {name} (skip_exec)"
    for cell in notebook.cells:
        exports = "nbdev_export()" in cell.source
        if cell.cell_type == "code" and (exports or directives(cell.source) & SKIPPED):
            cell.source = ""
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources=place).execute()
    return f"ok  {time.time() - start:5.0f} s  {name}"


def main():
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        running = {path: pool.submit(execute, path) for path in selected(sys.argv[1:])}
        for path, future in running.items():
            try:
                print(future.result(), flush=True)
            except Exception as error:
                failed += 1
                print(f"FAILED  {path.relative_to(root)}\n{str(error)[-2000:]}", flush=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())

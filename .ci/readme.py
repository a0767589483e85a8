"""README.md from nbs/index.ipynb: markdown verbatim, code fenced, text outputs fenced, notebook links to the site, images to files.

python .ci/readme.py          write README.md
python .ci/readme.py --check  exit 1 if README.md differs
"""

import base64
import re
import sys
from configparser import ConfigParser
from pathlib import Path

import nbformat

root = Path(__file__).parent.parent
config = ConfigParser(delimiters=["="])
config.read(root / "settings.ini")
cfg = config["DEFAULT"]
site = cfg["doc_host"] + cfg["doc_baseurl"]


def page(match):
    "A link to a notebook becomes a link to its page: leading numbers are dropped, as the docs do."
    parts = match[2].split("/")
    return f"{match[1]}({site}/{'/'.join([*parts[:-1], re.sub(r'^[0-9]+[a-z]?_', '', parts[-1])]).lower()}.html{match[3] or ''})"


def outputs(cell, name):
    for out in cell.get("outputs", []):
        data = out.get("data", {})
        if out["output_type"] == "stream":
            yield "```\n" + out["text"].rstrip() + "\n```"
        elif "image/png" in data:
            file = root / "nbs" / "images" / f"{name}.png"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(base64.b64decode(data["image/png"]))
            alt = re.search(r"^#\|\s*fig-alt:\s*(.*)$", cell.source, re.M)
            yield f"![{alt[1] if alt else name}](nbs/images/{name}.png)"
        elif "text/markdown" in data:
            yield data["text/markdown"]
        elif "text/plain" in data:
            yield "```\n" + data["text/plain"].rstrip() + "\n```"


def blocks():
    nb = nbformat.read(root / "nbs" / "index.ipynb", 4)
    for i, cell in enumerate(nb.cells):
        source = cell.source.strip()
        if cell.cell_type == "markdown":
            yield re.sub(r"(\[[^\]]*\])\(([\w/]+)\.ipynb(#[\w-]+)?\)", page, source)
            continue
        if re.search(r"^#\|\s*hide$", source, re.M) or not source:
            continue
        if not re.search(r"^#\|\s*echo:\s*false", source, re.M):
            yield "```python\n" + re.sub(r"^#\|.*\n", "", source, flags=re.M).strip() + "\n```"
        yield from outputs(cell, f"index-{i}")


text = (
    "<!-- Generated from nbs/index.ipynb by .ci/readme.py: edit the notebook. -->\n\n"
    + "\n\n".join(blocks())
    + "\n"
)
readme = root / "README.md"
if "--check" in sys.argv:
    same = readme.exists() and readme.read_text(encoding="utf-8") == text
    print(
        "README.md is in sync"
        if same
        else "README.md differs from nbs/index.ipynb: run python .ci/readme.py"
    )
    sys.exit(not same)
readme.write_text(text, encoding="utf-8")

"""README.md from nbs/index.ipynb: markdown as it is, code and text outputs fenced.

Links to notebooks become links to the site, and images become files.

python .ci/readme.py          write README.md
python .ci/readme.py --check  exit 1 if README.md differs
"""

import base64
import re
import sys
from configparser import ConfigParser
from pathlib import Path

import nbformat

root = Path(__file__).resolve().parent.parent
config = ConfigParser(delimiters=["="])
config.read(root / "settings.ini")
settings = config["DEFAULT"]
SITE = settings["doc_host"] + settings["doc_baseurl"]
HEAD = "<!-- Generated from nbs/index.ipynb by .ci/readme.py: edit the notebook. -->"
LINK = re.compile(r"(\[[^\]]*\])\(([\w/]+)\.ipynb(#[\w-]+)?\)")


def page(link):
    "A link to a notebook as a link to its page: leading numbers are dropped, as the docs do."
    text, path, anchor = link.groups()
    *folders, name = path.split("/")
    name = re.sub(r"^[0-9]+[a-z]?_", "", name)
    address = "/".join([*folders, name]).lower()
    return f"{text}({SITE}/{address}.html{anchor or ''})"


def fenced(text, language=""):
    return f"```{language}\n{text}\n```"


def image(cell, data, name):
    "An image as a file of the repository, and the line that shows it."
    file = root / "nbs" / "images" / f"{name}.png"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(base64.b64decode(data))
    words = re.search(r"^#\|\s*fig-alt:\s*(.*)$", cell.source, re.M)
    return f"![{words[1] if words else name}](nbs/images/{name}.png)"


def outputs(cell, name):
    "The outputs of a cell as blocks of Markdown."
    for out in cell.get("outputs", []):
        data = out.get("data", {})
        if out["output_type"] == "stream":
            yield fenced(out["text"].rstrip())
        elif "image/png" in data:
            yield image(cell, data["image/png"], name)
        elif "text/markdown" in data:
            yield data["text/markdown"]
        elif "text/plain" in data:
            yield fenced(data["text/plain"].rstrip())


def blocks():
    "The notebook as blocks of Markdown."
    notebook = nbformat.read(root / "nbs" / "index.ipynb", 4)
    for i, cell in enumerate(notebook.cells):
        source = cell.source.strip()
        if cell.cell_type == "markdown":
            yield LINK.sub(page, source)
            continue
        if not source or re.search(r"^#\|\s*hide$", source, re.M):
            continue
        if not re.search(r"^#\|\s*echo:\s*false", source, re.M):
            yield fenced(re.sub(r"^#\|.*\n", "", source, flags=re.M).strip(), "python")
        yield from outputs(cell, f"index-{i}")


def main():
    text = "\n\n".join([HEAD, *blocks()]) + "\n"
    readme = root / "README.md"
    if "--check" not in sys.argv:
        readme.write_text(text, encoding="utf-8")
        return 0
    same = readme.exists() and readme.read_text(encoding="utf-8") == text
    advice = "README.md differs from nbs/index.ipynb: run python .ci/readme.py"
    print("README.md is in sync" if same else advice)
    return not same


if __name__ == "__main__":
    sys.exit(main())

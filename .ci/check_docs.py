"""Check the documentation without Quarto: nbdev processes every page, Pandoc reads it.

Links, headings and formulas are checked, and what a reader sees: no member without words of its
own, no output line wider than the page. Needs pypandoc_binary; formulas are checked by KaTeX
where KATEX names a folder with node_modules/katex.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pypandoc

root = Path(__file__).resolve().parent.parent
EXTENSIONS = (
    "auto_identifiers",
    "fenced_divs",
    "bracketed_spans",
    "tex_math_dollars",
    "footnotes",
    "implicit_figures",
    "link_attributes",
)
FORMAT = "+".join(["ipynb-gfm_auto_identifiers", *EXTENSIONS])
COLUMNS = 90  # of a printed output line
UNDOCUMENTED = "Call self as a function"

# reads [[page, display?, formula], ...] and prints what KaTeX refuses
KATEX = """
const katex = require('katex');
let text = '';
process.stdin.on('data', part => text += part);
process.stdin.on('end', () => {
  const refused = [];
  for (const [page, displayMode, formula] of JSON.parse(text)) {
    try {
      katex.renderToString(formula, {displayMode, throwOnError: true, strict: 'error'});
    } catch (error) {
      refused.push(page + ': ' + error.message);
    }
  }
  console.log(JSON.stringify(refused));
});
"""


def page_name(path):
    "Where Quarto puts a notebook: the leading number dropped, lower case."
    name = re.sub(r"^[0-9]+[a-z]?_", "", path.name)
    return path.with_name(name).with_suffix(".html").as_posix().lower()


def notebooks(folder):
    "The notebooks below a folder."
    found = sorted(folder.rglob("*.ipynb"))
    return [path for path in found if ".ipynb_checkpoints" not in path.parts]


def tree(notebook):
    "Pandoc's tree of a processed notebook."
    for cell in notebook.cells:
        cell.pop("has_sd", None)
        for out in cell.get("outputs", []):
            if out.get("output_type") == "execute_result" and out.get("execution_count") is None:
                out["execution_count"] = 1
    return json.loads(pypandoc.convert_text(nbformat.writes(notebook), "json", format=FORMAT))


def walk(node):
    "All elements of a Pandoc tree."
    if isinstance(node, dict):
        if "t" in node:
            yield node["t"], node.get("c")
        for child in node.values():
            yield from walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from walk(child)


def texts(out):
    "What an output shows as text; pages in HTML or Markdown wrap by themselves."
    data = out.get("data", {})
    if out["output_type"] == "stream":
        yield out["text"]
    elif not {"text/html", "text/markdown", "image/png", "image/svg+xml"} & set(data):
        yield data.get("text/plain", "")


def as_seen(page, notebook):
    "Members without words of their own, and output lines wider than the page."
    for cell in notebook.cells:
        outs = cell.get("outputs", [])
        if UNDOCUMENTED in cell.source or any(UNDOCUMENTED in json.dumps(out) for out in outs):
            yield f"{page}: {UNDOCUMENTED!r}: {cell.source[:60]!r}"
        lines = [line for out in outs for text in texts(out) for line in text.splitlines()]
        for line in lines:
            if len(line) > COLUMNS:
                yield f"{page}: an output line of {len(line)} columns: {line[:60]!r}"


def in_sidebar(sources):
    "Pages of the sidebar that do not exist, and notebooks that it leaves out."
    listed = set(re.findall(r"[\w/]+\.ipynb", (root / "_quarto.yml").read_text()))
    present = {path.relative_to(root / "nbs").as_posix() for path in sources}
    yield from (f"_quarto.yml: {name} does not exist" for name in sorted(listed - present))
    yield from (f"_quarto.yml: {name} is missing" for name in sorted(present - listed))


def links(page, page_tree, headings):
    "Links that lead nowhere."
    for kind, content in walk(page_tree):
        # images of processed notebooks are outputs, embedded in the page
        if kind != "Link":
            continue
        url, _, anchor = content[2][0].partition("#")
        if re.match(r"https?:|mailto:|attachment:", url):
            continue
        target = Path(os.path.normpath(page.parent / url)) if url else page
        name = page_name(target) if target.suffix in (".ipynb", ".html") else None
        if name not in headings:
            yield f"{page}: broken link to {content[2][0]}"
        elif anchor and anchor not in headings[name]:
            yield f"{page}: no heading #{anchor} in {name}"


def formulas(page, page_tree):
    "Every formula of a page: page, displayed?, TeX."
    for kind, content in walk(page_tree):
        if kind == "Math":
            yield str(page), content[0]["t"] == "DisplayMath", content[1]


def refused(found):
    "Formulas that KaTeX refuses; none are checked where it is not installed."
    folder = os.environ.get("KATEX", "")
    if not folder:
        print("formulas not checked: set KATEX to a folder with node_modules/katex")
        return []
    command, text = ["node", "-e", KATEX], json.dumps(found)
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, cwd=folder, check=True
    )
    return json.loads(done.stdout)


def main():
    from nbdev.quarto import refresh_quarto_yml
    from nbdev.serve import proc_nbs

    refresh_quarto_yml()
    proc_nbs(force=True, n_workers=2)
    proc = root / "_proc"
    files, sources = notebooks(proc), notebooks(root / "nbs")
    bad = list(in_sidebar(sources))
    if len(files) < len(sources):
        bad.append(f"{len(files)} pages of {len(sources)} notebooks")
    trees, headings, found = {}, {}, []
    for file in files:
        page, notebook = file.relative_to(proc), nbformat.read(file, 4)
        bad += as_seen(page, notebook)
        trees[page] = tree(notebook)
        anchors = {content[1][0] for kind, content in walk(trees[page]) if kind == "Header"}
        headings[page_name(page)] = anchors
    for page, page_tree in trees.items():
        bad += links(page, page_tree, headings)
        found += formulas(page, page_tree)
    bad += refused(found)
    print("\n".join(bad))
    print(f"{len(files)} pages, {len(found)} formulas, {len(bad)} problems")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

"""Check the documentation without Quarto: every page is processed by nbdev, read by Pandoc, and its links, images and formulas are checked.

Needs the package pypandoc_binary; formulas are checked by KaTeX where node and the npm package katex are at hand (KATEX=folder).
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
FORMAT = "ipynb-gfm_auto_identifiers+auto_identifiers+fenced_divs+bracketed_spans+tex_math_dollars+footnotes+implicit_figures+link_attributes"


def page_name(path):
    "Where Quarto puts a notebook: the leading number dropped, lower case."
    return (
        path.with_name(re.sub(r"^[0-9]+[a-z]?_", "", path.name))
        .with_suffix(".html")
        .as_posix()
        .lower()
    )


def tree(path):
    "Pandoc's tree of a processed notebook."
    nb = nbformat.read(path, 4)
    for cell in nb.cells:
        cell.pop("has_sd", None)
        for out in cell.get("outputs", []):
            if out.get("output_type") == "execute_result" and out.get("execution_count") is None:
                out["execution_count"] = 1
    return json.loads(pypandoc.convert_text(nbformat.writes(nb), "json", format=FORMAT))


def walk(node):
    "All elements of a Pandoc tree."
    if isinstance(node, dict):
        if "t" in node:
            yield node["t"], node.get("c")
        for v in node.values():
            yield from walk(v)
    elif isinstance(node, list):
        for v in node:
            yield from walk(v)


def main():
    from nbdev.quarto import refresh_quarto_yml
    from nbdev.serve import proc_nbs

    refresh_quarto_yml()
    proc_nbs(force=True, n_workers=2)
    proc, bad, formulas = root / "_proc", [], []
    files = [p for p in sorted(proc.rglob("*.ipynb")) if ".ipynb_checkpoints" not in p.parts]
    sources = [p for p in (root / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts]
    if len(files) < len(sources):
        bad.append(f"{len(files)} pages of {len(sources)} notebooks")
    trees = {p.relative_to(proc): tree(p) for p in files}
    ids = {page_name(p): {c[1][0] for t, c in walk(v) if t == "Header"} for p, v in trees.items()}
    sidebar = set(re.findall(r"[\w/]+\.ipynb", (root / "_quarto.yml").read_text()))
    bad += [f"_quarto.yml: {s} does not exist" for s in sidebar if not (root / "nbs" / s).exists()]
    bad += [
        f"_quarto.yml: {p.relative_to(root / 'nbs')} is missing"
        for p in sources
        if p.relative_to(root / "nbs").as_posix() not in sidebar
    ]
    for page, t in trees.items():
        for kind, c in walk(t):
            if kind == "Math":
                formulas.append((str(page), c[0]["t"] == "DisplayMath", c[1]))
            if kind in ("Link", "Image"):
                url, _, anchor = c[2][0].partition("#")
                if re.match(r"https?:|mailto:|attachment:", url) or not url and kind == "Image":
                    continue
                if kind == "Image":
                    continue  # images of processed notebooks are outputs, embedded in the page
                target = Path(os.path.normpath(page.parent / url)) if url else page
                name = page_name(target) if target.suffix in (".ipynb", ".html") else None
                if name is None or name not in ids:
                    bad.append(f"{page}: broken link to {c[2][0]}")
                elif anchor and anchor not in ids[name]:
                    bad.append(f"{page}: no heading #{anchor} in {name}")
    bad += katex(formulas)
    print(f"{len(files)} pages, {len(formulas)} formulas, {len(bad)} problems")
    print("\n".join(bad))
    return 1 if bad else 0


def katex(formulas):
    "Formulas that KaTeX refuses; none are checked where it is not installed."
    folder = os.environ.get("KATEX", "")
    if not folder:
        print("formulas not checked: set KATEX to a folder with node_modules/katex")
        return []
    code = (
        "const k=require('katex');let s='';process.stdin.on('data',d=>s+=d).on('end',()=>{const r=[];for(const [p,d,f] of JSON.parse(s))"
        "try{k.renderToString(f,{displayMode:d,throwOnError:true,strict:'error'})}catch(e){r.push(p+': '+e.message)}console.log(JSON.stringify(r))})"
    )
    out = subprocess.run(
        ["node", "-e", code],
        input=json.dumps(formulas),
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
    )
    return json.loads(out.stdout)


if __name__ == "__main__":
    sys.exit(main())

"""What a reader can rely on: one idea a line, short functions, documented names, no hidden state.

Every test gathers the places that fall short and shows all of them. Source is read, not run, but
for the last two tests, which import the package.
"""

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
from pathlib import Path
from typing import NamedTuple

root = Path(__file__).resolve().parent.parent
package = root / "potential_flow"

WIDTH = 100  # columns
PROSE_WIDTH = 88  # columns of tutorials and the index, which are read on the site
STATEMENTS = 300  # in a module
BODY = 25  # lines of a function, its docstring apart
NODES_WORST = 7.5  # syntax nodes in a code line, in any module
NODES_MEAN = 6.5  # and over the package
NOTEBOOK_BYTES = 500_000
VERBS = {"loss", "prior", "times", "velocity", "ideal", "network"}
HOOKS = 5  # that a method may override beside the verbs
HEAVY = ("matplotlib", "torchvision", "sklearn", "torch_fidelity")  # imported where they are used
HIDDEN_STATE = re.compile(r"torch\.(load|save|seed|manual_seed)|(np|numpy)\.random|random\.seed")
LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


class Piece(NamedTuple):
    "A script, a module or a code cell."

    name: str
    code: str
    width: int  # columns allowed


def ours(folder, pattern):
    "Files below a folder, without those that tools leave behind."
    for path in sorted((root / folder).rglob(pattern)):
        if not {".ipynb_checkpoints", "__pycache__"} & set(path.parts):
            yield path


def modules():
    "The modules of the package; the index that nbdev writes is not for readers."
    return [p for p in ours("potential_flow", "*.py") if p.name != "_modidx.py"]


def cells(path):
    "The code cells of a notebook; lines of IPython become `pass`."
    narrow = "tutorials" in path.parts or path.name == "index.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for i, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            code = re.sub(r"(?m)^[%!].*$", "pass", "".join(cell["source"]))
            name = f"{path.relative_to(root)}, cell {i}"
            yield Piece(name, code, PROSE_WIDTH if narrow else WIDTH)


def pieces():
    "All Python of the project: package, notebooks, tests, continuous integration."
    scripts = [*modules(), *ours("tests", "*.py"), *ours(".ci", "*.py"), root / "setup.py"]
    for path in scripts:
        yield Piece(str(path.relative_to(root)), path.read_text(encoding="utf-8"), WIDTH)
    for path in ours("nbs", "*.ipynb"):
        yield from cells(path)


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(tree):
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]


def code_lines(code):
    "How many lines hold code: all that a token covers, comments and blank lines apart."
    covered = set()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type not in LAYOUT:
            covered.update(range(token.start[0], token.end[0] + 1))
    return len(covered)


def syntax_nodes(tree):
    apart = (ast.Load, ast.Store, ast.Module)
    return sum(not isinstance(node, apart) for node in ast.walk(tree))


def show(facts):
    assert not facts, "\n" + "\n".join(sorted(facts))


def written_by_nbdev(code):
    "Numbers of the lines of `__all__`, whose layout is nbdev's."
    for node in ast.parse(code).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            yield from range(node.lineno, node.end_lineno + 1)


def test_width():
    facts = []
    for piece in pieces():
        apart = set(written_by_nbdev(piece.code))
        for number, line in enumerate(piece.code.splitlines(), 1):
            if len(line) > piece.width and number not in apart:
                facts.append(f"{piece.name}, line {number}: {len(line)} columns")
    for number, line in enumerate((root / ".ci" / "run").read_text().splitlines(), 1):
        if len(line) > WIDTH:
            facts.append(f".ci/run, line {number}: {len(line)} columns")
    show(facts)


def test_one_statement_a_line():
    facts = []
    for piece in pieces():
        seen = set()
        for node in ast.walk(ast.parse(piece.code)):
            if not isinstance(node, ast.stmt):
                continue
            if node.lineno in seen:
                facts.append(f"{piece.name}, line {node.lineno}: several statements")
            seen.add(node.lineno)
    show(facts)


def test_modules_hold_one_idea():
    facts = []
    for path in modules():
        count = sum(isinstance(node, ast.stmt) for node in ast.walk(tree_of(path)))
        if count > STATEMENTS:
            facts.append(f"{path.relative_to(root)}: {count} statements, at most {STATEMENTS}")
    show(facts)


def test_functions_fit_a_screen():
    facts = []
    for path in modules():
        for node in functions(tree_of(path)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            if length > BODY:
                facts.append(f"{path.relative_to(root)}: {node.name} has {length} lines")
    show(facts)


def exported(tree):
    "Public functions and classes of a module, and the public members of its public classes."
    kinds = (ast.FunctionDef, ast.ClassDef)
    public = [n for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")]
    for node in public:
        yield node
        if isinstance(node, ast.ClassDef):
            members = [n for n in node.body if isinstance(n, kinds)]
            yield from [n for n in members if not n.name.startswith("_")]


def test_exported_names_are_documented():
    facts = []
    for path in modules():
        for node in exported(tree_of(path)):
            place = f"{path.relative_to(root)}, line {node.lineno}: {node.name}"
            if not ast.get_docstring(node):
                facts.append(f"{place} has no docstring")
            if isinstance(node, ast.FunctionDef) and node.returns is None:
                facts.append(f"{place} has no return type")
    show(facts)


def test_syntax_nodes():
    facts = []
    all_nodes, all_lines = 0, 0
    for path in modules():
        text = path.read_text(encoding="utf-8")
        nodes, lines = syntax_nodes(ast.parse(text)), code_lines(text)
        all_nodes += nodes
        all_lines += lines
        # a module of a few imports has no style to measure
        if lines > 20 and nodes / lines > NODES_WORST:
            facts.append(f"{path.relative_to(root)}: {nodes / lines:.2f} syntax nodes a code line")
    mean = all_nodes / all_lines
    if mean > NODES_MEAN:
        facts.append(f"the package: {mean:.2f} syntax nodes a code line, at most {NODES_MEAN}")
    show(facts)


def given_back(tree):
    "Nodes below `fork_rng`, and in `lent_generators`: both give the global generators back."
    for node in ast.walk(tree):
        forks = isinstance(node, ast.With) and "fork_rng" in ast.unparse(node.items[0])
        lends = isinstance(node, ast.FunctionDef) and node.name == "lent_generators"
        if forks or lends:
            yield from ast.walk(node)


def hidden_state(tree):
    "Pickles and global generators, by what is imported and what is called."
    apart = set(given_back(tree))
    for node in ast.walk(tree):
        if node in apart:
            continue
        if isinstance(node, ast.Import):
            if any(alias.name == "pickle" for alias in node.names):
                yield node.lineno, "import pickle"
        elif isinstance(node, ast.ImportFrom) and node.module == "pickle":
            yield node.lineno, "import pickle"
        elif isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            if HIDDEN_STATE.fullmatch(text):
                yield node.lineno, text


def test_no_hidden_state():
    facts = []
    for path in modules():
        for line, text in hidden_state(tree_of(path)):
            facts.append(f"{path.relative_to(root)}, line {line}: {text}")
    show(facts)


def test_nothing_stands_beside_the_title():
    "nbdev makes a page's head of the cell with the title, and drops the rest of that cell."
    facts = []
    for path in ours("nbs", "*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        texts = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown"]
        lines = [line for line in texts[0].splitlines() if line.strip()]
        if not all(line.startswith(("# ", "> ")) for line in lines) or len(lines) > 2:
            facts.append(f"{path.relative_to(root)}: {len(lines)} lines in the cell of the title")
    show(facts)


def test_code_is_not_the_text_of_a_link():
    "nbdev links names of the package by itself, and a link within a link is shown raw."
    facts = []
    for path in ours("nbs", "*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                found = re.findall(r"\[`\w+`\]\([^)]*\)", "".join(cell["source"]))
                facts += [f"{path.relative_to(root)}: {link}" for link in found]
    show(facts)


def test_hidden_state_is_found():
    code = "import pickle\nimport torch\ntorch.manual_seed(0)\nnp.random.rand(3)\n"
    assert len(list(hidden_state(ast.parse(code)))) == 3
    allowed = "torch.Generator().manual_seed(0)\n"
    allowed += "with torch.random.fork_rng():\n    torch.manual_seed(0)\n"
    assert not list(hidden_state(ast.parse(allowed)))


def test_no_patch():
    facts = []
    for path in modules():
        for node in functions(tree_of(path)):
            if any("patch" in ast.unparse(d) for d in node.decorator_list):
                facts.append(f"{path.relative_to(root)}: {node.name} is patched into a class")
    show(facts)


def test_hooks_of_a_method():
    "At most five hooks beside the six verbs, each overridden by two classes."
    protocol = tree_of(package / "engine" / "method.py")
    (base,) = [n for n in protocol.body if isinstance(n, ast.ClassDef) and n.name == "Method"]
    public = {n.name for n in functions(base) if not n.name.startswith("_")}
    hooks = public - VERBS - {"N"}
    facts = []
    if len(hooks) > HOOKS:
        facts.append(f"{len(hooks)} hooks: {', '.join(sorted(hooks))}")
    used = dict.fromkeys(hooks, 0)
    for path in ours("potential_flow/methods", "*.py"):
        for owner in ast.walk(tree_of(path)):
            if isinstance(owner, ast.ClassDef):
                for name in hooks & {n.name for n in functions(owner)}:
                    used[name] += 1
    facts += [f"{name} is overridden {n} times" for name, n in used.items() if n < 2]
    show(facts)


def test_notebooks_are_small():
    sizes = {p: p.stat().st_size for p in ours("nbs", "*.ipynb")}
    large = [(p, size) for p, size in sizes.items() if size > NOTEBOOK_BYTES]
    show([f"{path.relative_to(root)}: {size // 1000} kB" for path, size in large])


IMPORTS = """
import importlib, pkgutil, sys
import potential_flow
for found in pkgutil.walk_packages(potential_flow.__path__, "potential_flow."):
    before = set(sys.modules)
    importlib.import_module(found.name)
    heavy = {name for name in sys.argv[1:] if name in set(sys.modules) - before}
    if heavy:
        print(found.name, "imports", ", ".join(sorted(heavy)))
"""


def test_imports_are_light():
    command = [sys.executable, "-c", IMPORTS, *HEAVY]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr[-2000:]
    show(done.stdout.splitlines())


def test_the_table_of_methods_is_new():
    "The README's table was made when all methods were there: outputs are not made again in CI."
    from potential_flow.engine.method import methods

    told = (root / "README.md").read_text(encoding="utf-8")
    missing = [name for name in methods() if f"| `{name}` |" not in told]
    assert not missing, missing

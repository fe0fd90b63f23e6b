"""Hygiene: files in git, dependencies between modules, sizes and version pins."""

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

TOP = {
    ".ci", ".github", ".gitignore", ".pre-commit-config.yaml", "CHANGELOG.md", "CITATION.cff",
    "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "_config.yml", "_toc.yml",
    "benchmarks", "book", "constraints.txt", "ecgcore", "ecgsim", "environment.yml", "notebooks",
    "pyproject.toml", "results", "tests", "workflow",
}  # fmt: skip

LEVELS = [
    {"errors", "leads", "arrays", "progress"},
    {"files"},
    {"data"},
    {"labels", "splits", "preprocessing", "ecgsim"},
    {"models", "statistics"},
    {"training", "explanations", "plots"},
    {"runs"},
    {"cli"},
]
"""A module or package imports only from levels above its own in this list, and from itself."""

NO_TORCH = {"data", "labels", "splits", "preprocessing", "statistics"}
LARGEST_FILE, LARGEST_FUNCTION, WIDEST_LINE = 350, 60, 90


@pytest.fixture(scope="module")
def tracked(root: Path) -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    return [root / name for name in names if name and (root / name).exists()]


def notebooks(root: Path) -> list[Path]:
    return sorted((root / "notebooks").glob("*.ipynb"))


def sources(root: Path) -> list[Path]:
    return [path for name in ("ecgcore", "ecgsim") for path in (root / name).rglob("*.py")]


def test_the_root_holds_only_what_belongs_there(root: Path, tracked: list[Path]) -> None:
    assert {path.relative_to(root).parts[0] for path in tracked} <= TOP


def test_no_large_file_no_date_or_version_in_a_name(root: Path, tracked: list[Path]) -> None:
    odd = re.compile(r"(19|20)\d{2}[-_]?\d{2}|_v\d|final|backup|\.dat$|\.npy$|\.safetensors$|\.pt$")
    for path in tracked:
        assert path.stat().st_size <= 2**20, path
        assert not odd.search(path.name), path


def test_no_machine_path_and_no_registry(root: Path, tracked: list[Path]) -> None:
    # written in pieces, or this file would match its own patterns
    words = ["/" + "work/", "/" + "root/", "/" + "home/", "pypi" + ".org", "registry." + "npmjs"]
    for path in tracked:
        if path.suffix not in {".png", ".ico", ".woff2"}:
            text = path.read_text(encoding="utf-8")
            assert not [word for word in words if word in text], path


def test_nothing_is_unpickled_and_parquet_is_read_without_threads(root: Path) -> None:
    """``files.read_parquet`` says why: a build's preparation once died after its work."""
    banned = re.compile(r"\bimport pickle\b|pickle\.loads?\(|allow_pickle=True|read_pickle")
    for path in [*sources(root), *notebooks(root)]:
        text = path.read_text(encoding="utf-8").replace("import pickle\n", "")
        assert not banned.search(text), path
        assert text.count("torch.load(") == text.count("weights_only=True"), path
        assert not re.search(r"\b(pd|pandas|pq)\.read_(parquet|table)\b", text), path


def test_notebooks_are_clean_sources(root: Path) -> None:
    allowed = {"parameters", "hide-input", "hide-output", "remove-cell"}
    assert notebooks(root)
    for path in notebooks(root):
        content = json.loads(path.read_text(encoding="utf-8"))
        assert content["metadata"]["kernelspec"]["name"] == "python3", path.name
        assert "papermill" not in content["metadata"], path.name
        code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
        for cell in code:
            assert not cell["outputs"], path.name
            assert cell["execution_count"] is None, path.name
            assert set(cell["metadata"].get("tags", [])) <= allowed, path.name
        assert code[0]["metadata"]["tags"] == ["parameters"], path.name
        assert f'.begin("{path.stem}")' in "".join(code[1]["source"]), path.name
        prose = ["".join(c["source"]) for c in content["cells"] if c["cell_type"] == "markdown"]
        assert len(re.findall(r"^# ", "\n".join(prose), flags=re.M)) == 1, path.name


def test_notebooks_show_their_experiment(root: Path) -> None:
    """Limit code to 200 lines; at least half is visible: lines in each, cells in all."""
    all_cells = []
    for path in notebooks(root):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        sizes = [len("".join(cell["source"]).splitlines()) for cell in code]
        assert sum(sizes) <= 200, f"{path.name}: {sum(sizes)} code lines"
        body = [
            ("hide-input" not in cell["metadata"].get("tags", []), size)
            for cell, size in zip(code[1:], sizes[1:], strict=True)
        ]
        visible = sum(size for is_visible, size in body if is_visible)
        assert visible * 2 >= sum(size for _, size in body), path.name
        all_cells += [is_visible for is_visible, _ in body]
    assert sum(all_cells) * 2 >= len(all_cells)


def test_visible_code_fits_the_page(root: Path) -> None:
    """A line of more than 90 characters would have to be scrolled sideways."""
    for path in notebooks(root):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for cell in cells:
            is_folded = {"hide-input", "parameters"} & set(cell["metadata"].get("tags", []))
            if cell["cell_type"] == "code" and not is_folded:
                lines = "".join(cell["source"]).splitlines()
                assert not [line for line in lines if len(line) > WIDEST_LINE], path.name


def test_every_figure_of_a_notebook_has_caption_and_alt_text(root: Path) -> None:
    names = []
    for path in notebooks(root):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            is_plot = re.search(r"^(\w+ = )?plots\.\w+\(", "".join(cell["source"]), re.M)
            if cell["cell_type"] != "code" or not is_plot:
                continue
            shown = cell["metadata"].get("mystnb", {})
            assert len(shown.get("image", {}).get("alt", "")) > 25, (path.name, cell["source"])
            assert shown["figure"]["caption"].endswith("."), path.name
            names.append(shown["figure"]["name"])
    assert len(names) == len(set(names)) > 10


def test_pages_name_only_files_that_exist(root: Path) -> None:
    folders = "ecgcore|ecgsim|book|benchmarks|tests|workflow|notebooks|results"
    path = re.compile(rf"`((?:{folders})/[\w./-]*)`")
    pages = [*root.glob("*.md"), *(root / "book").rglob("*.md"), *notebooks(root)]
    named = {(page.name, name) for page in pages for name in path.findall(page.read_text("utf-8"))}
    assert len(named) > 20
    assert not sorted((page, name) for page, name in named if not (root / name).exists())


def test_every_exercise_has_a_solution(root: Path) -> None:
    pages = [*notebooks(root), *(root / "book").rglob("*.md")]
    for path in pages:
        text = path.read_text(encoding="utf-8").replace("\\n", "\n")
        labels = set(re.findall(r"\{exercise\}[^`]*?:label: ([\w-]+)", text))
        solved = set(re.findall(r"\{solution\} ([\w-]+)", text))
        assert labels == solved, path.name
        assert "{admonition} Exercise" not in text, f"{path.name}: use exercise and solution"


def level_of(module: str) -> int:
    return next(i for i, level in enumerate(LEVELS) if module in level)


def test_every_script_can_be_imported(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(root / "benchmarks")
    monkeypatch.setattr(sys, "path", list(sys.path))  # some add folders of their own
    for script in [*(root / "workflow").glob("*.py"), *(root / "benchmarks").glob("*.py")]:
        importlib.import_module(script.stem)


def test_imports_point_in_one_direction(root: Path) -> None:
    for path in sources(root):
        package, module, *_ = path.relative_to(root).parts
        own = module.removesuffix(".py") if package == "ecgcore" else package
        if own.startswith("__") or own == "cli":  # entry points import anything, when called
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name.split(".")[0] for alias in node.names]
                assert own not in NO_TORCH or "torch" not in names or node not in tree.body, path
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ecgcore"):
                for used in (node.module or "").split(".")[1:2] or [a.name for a in node.names]:
                    assert used == own or level_of(used) < level_of(own), f"{path} imports {used}"
            elif own != "ecgsim" and (getattr(node, "module", None) or "").startswith("ecgsim"):
                is_lazy = node not in tree.body
                assert is_lazy, f"{path}: ecgsim is imported where it is needed, not by all"


def test_the_library_stays_small_and_documented(root: Path) -> None:
    for path in sources(root):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= LARGEST_FILE, path
        tree = ast.parse(text)
        assert ast.get_docstring(tree), path
        for node in tree.body:
            named = isinstance(node, ast.FunctionDef | ast.ClassDef)
            if named and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name}"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                n_lines = (node.end_lineno or 0) - node.lineno + 1
                docstring = ast.get_docstring(node, clean=False)
                n_lines -= len(docstring.splitlines()) if docstring else 0
                assert n_lines <= LARGEST_FUNCTION, f"{path}: {node.name} has {n_lines} lines"


def project(root: Path) -> dict[str, object]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_environment_holds_the_same_pins(root: Path) -> None:
    declared = project(root)
    extras = declared["optional-dependencies"]
    wanted = {
        canonical(re.split(r"[<>=\[ ]", text)[0])
        for text in declared["dependencies"] + extras["book"] + extras["test"]
    }
    pins = {}
    for line in (root / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("==")
        assert version, f"constraints.txt: {line} is not a pin"
        pins[canonical(name)] = version
    conda = yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))
    listed = conda["dependencies"][-1]["pip"]
    in_conda = {canonical(t.split("==")[0]): t.split("==")[1] for t in listed if "==" in t}
    assert set(in_conda) == wanted
    assert all(pins[name] == version for name, version in in_conda.items())
    assert f"torch=={pins['torch']}" in (root / "Makefile").read_text(encoding="utf-8")
    assert int(pins["jupyter-book"].split(".")[0]) < 2


def test_the_citation_can_be_used(root: Path) -> None:
    cited = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["version"] == project(root)["version"]
    assert f"## {cited['version']}" in (root / "CHANGELOG.md").read_text(encoding="utf-8")

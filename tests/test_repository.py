"""Hygiene: what may lie in git, how modules depend on each other, that pins agree."""

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

TOP = {
    ".ci", ".github", ".gitignore", ".pre-commit-config.yaml", "CHANGELOG.md", "CITATION.cff",
    "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "_config.yml", "_toc.yml",
    "benchmarks", "book", "constraints.txt", "ecgcore", "environment.yml", "notebooks",
    "pyproject.toml", "results", "tests", "workflow",
}  # fmt: skip

LAYERS = [
    {"errors", "files", "leads", "parameters", "provenance", "published", "recorded",
     "run_directory", "runs"},
    {"ptbxl", "wfdb16", "simulate", "archive_tables", "own", "transfer"},
    {"signals", "resampling", "splits", "tasks", "territories"},
    {
        "models", "compare", "metrics", "datasets", "calibrate", "calibrated", "contrasts", "fetch",
        "growth",
        "quality", "inputs", "realism",
    },
    {"train", "training"},
    {
        "beats", "explain", "faithful", "fills", "grids", "plots", "segments", "study", "trained",
        "variants",
    },
    {"claimed", "course", "explain_record", "explorer", "run_facts"},
    {"staging", "doctor", "gpus", "launch", "release", "cli"},
]  # fmt: skip
"""A module may import from its own layer and from those above it in this list."""

NO_TORCH = {"compare", "metrics", "signals", "splits", "tasks", "ptbxl", "wfdb16", "simulate"}


@pytest.fixture(scope="module")
def tracked(root: Path) -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    return [root / name for name in names if name and (root / name).exists()]


def notebooks(root: Path) -> list[Path]:
    return sorted((root / "notebooks").glob("*.ipynb"))


def test_the_root_holds_only_what_belongs_there(root: Path, tracked: list[Path]) -> None:
    assert {path.relative_to(root).parts[0] for path in tracked} <= TOP


def test_no_large_file_no_date_or_version_in_a_name(root: Path, tracked: list[Path]) -> None:
    odd = re.compile(r"(19|20)\d{2}[-_]?\d{2}|_v\d|final|backup|\.dat$|\.npy$|\.safetensors$|\.pt$")
    for path in tracked:
        assert path.stat().st_size <= 2**20, path
        assert not odd.search(path.name), path


def test_no_machine_path_and_no_registry(root: Path, tracked: list[Path]) -> None:
    # written in pieces, or this file would hold what it looks for
    words = ["/" + "work/", "/" + "root/", "/" + "home/", "pypi" + ".org", "registry." + "npmjs"]
    for path in tracked:
        if path.suffix not in {".png", ".ico", ".woff2"}:
            text = path.read_text(encoding="utf-8")
            assert not [word for word in words if word in text], path


def test_nothing_is_unpickled(root: Path) -> None:
    banned = re.compile(
        r"\btorch\.load\b|\bimport pickle\b|\bpickle\.|allow_pickle=True|read_pickle"
    )
    for path in [*(root / "ecgcore").rglob("*.py"), *notebooks(root)]:
        assert not banned.search(path.read_text(encoding="utf-8")), path


def test_parquet_is_read_without_threads(root: Path) -> None:
    """files.read_parquet says why: found as a build whose preparation died after its work."""
    for path in [*(root / "ecgcore").rglob("*.py"), *notebooks(root)]:
        assert not re.search(r"\b(pd|pandas|pq)\.read_(parquet|table)\b", path.read_text()), path


def test_notebooks_are_clean_sources(root: Path) -> None:
    allowed = {"parameters", "hide-input", "remove-cell"}
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
        assert f'study.begin("{path.stem}")' in "".join(code[1]["source"]), path.name
        titles = re.findall(r"^# ", "\n".join(
            "".join(c["source"]) for c in content["cells"] if c["cell_type"] == "markdown"
        ), flags=re.M)  # fmt: skip
        assert len(titles) == 1, f"{path.name}: one title a page"


def test_every_figure_of_a_notebook_has_caption_and_alt_text(root: Path) -> None:
    names = []
    for path in notebooks(root):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] != "code" or not re.search(
                r"^\s*(\w+ = )?plots\.\w+\(", source, re.M
            ):
                continue
            shown = cell["metadata"]["mystnb"]
            assert len(shown["image"]["alt"]) > 40, path.name
            assert shown["figure"]["caption"].endswith("."), path.name
            names.append(shown["figure"]["name"])
    assert len(names) == len(set(names)) > 10


def layer_of(module: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if module in layer)


def test_imports_point_one_way(root: Path) -> None:
    for path in (root / "ecgcore").rglob("*.py"):
        own = path.relative_to(root / "ecgcore").parts[0].removesuffix(".py")
        if own.startswith("__"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ecgcore"):
                parts = (node.module or "").split(".")[1:2] or [a.name for a in node.names]
            elif isinstance(node, ast.Import):
                parts = []
                assert own not in NO_TORCH or "torch" not in [a.name for a in node.names], path
            else:
                continue
            for used in parts:
                assert layer_of(used) <= layer_of(own), f"{path}: {own} imports {used}"


def test_every_module_and_public_function_says_what_it_is(root: Path) -> None:
    for path in (root / "ecgcore").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), path
        for node in tree.body:
            named = isinstance(node, ast.FunctionDef | ast.ClassDef)
            if named and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name}"


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
        assert version, f"constraints.txt: {line} is no pin"
        pins[canonical(name)] = version
    conda = yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))
    listed = conda["dependencies"][-1]["pip"]
    found = {canonical(t.split("==")[0]): t.split("==")[1] for t in listed if "==" in t}
    assert set(found) == wanted
    assert all(pins[name] == version for name, version in found.items())
    assert f"torch=={pins['torch']}" in (root / "Makefile").read_text(encoding="utf-8")
    assert int(pins["jupyter-book"].split(".")[0]) < 2


def test_the_citation_can_be_used(root: Path) -> None:
    cited = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["version"] == project(root)["version"]
    assert f"## {cited['version']}" in (root / "CHANGELOG.md").read_text(encoding="utf-8")

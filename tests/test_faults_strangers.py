"""Files from strangers: nothing of them is executed, nothing escapes from where it belongs."""

import ast
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from archives import write_archive
from fault_kills import small_book, write_notebook
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from safetensors.torch import save_file

from ecgcore import datasets, own, ptbxl, staging, study, train, wfdb16
from ecgcore.errors import EcgcoreError
from ecgcore.models import build

BANNED_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
BANNED_CALLS = {
    "eval", "exec", "compile", "torch.load", "np.fromregex", "pd.read_pickle", "yaml.load",
    "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen", "__import__",
}  # fmt: skip
BANNED_KEYWORDS = {"allow_pickle", "shell", "weights_only"}
EVIL = "$(touch pwned); `touch pwned` & touch pwned | touch pwned > pwned"
SCRIPT = "<script>document.title = 'pwned'</script><img src=x onerror=alert(1)>"


def sources(root: Path) -> dict[str, str]:
    """Every line of Python of the library, the notebooks and the book's own extensions."""
    found = {str(p): p.read_text() for place in ("ecgcore", "book/_ext", "benchmarks")
             for p in (root / place).rglob("*.py")}  # fmt: skip
    for path in (root / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        found[str(path)] = "\n".join(code)
    return found


def faults_of(source: str) -> list[str]:
    """What a source does that could run what a file holds."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            found += [name for name in names if name.split(".")[0] in BANNED_MODULES]
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in BANNED_CALLS:
                found.append(name)
            on = [k.arg for k in node.keywords if ast.unparse(k.value) != "False"]
            found += sorted(BANNED_KEYWORDS & set(filter(None, on)))
    return found


def test_nothing_can_be_unpickled_or_evaluated(root: Path) -> None:
    assert faults_of("import pickle") == ["pickle"]
    assert faults_of("torch.load(f)") == ["torch.load"]
    assert faults_of("np.load(f, allow_pickle=True)") == ["allow_pickle"]
    checked = sources(root)
    assert len(checked) > 100
    for path, source in checked.items():
        assert not faults_of(source), path


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


def test_pickled_weights_and_arrays_are_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": Payload()}, tmp_path / "weights.safetensors")
    with pytest.raises(EcgcoreError, match="no whole safetensors file"):
        train.load_model(tmp_path / "weights.safetensors")
    store = wfdb16.prepare(ptbxl.Archive(write_archive(tmp_path / "a")), tmp_path / "store")
    np.save(tmp_path / "store" / "adu_100.npy", np.array([Payload()]), allow_pickle=True)
    with pytest.raises(EcgcoreError, match="cannot be read"):
        wfdb16.open_store(store.path).adu(100)
    (tmp_path / "store" / "adu_100.npy").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(EcgcoreError, match="cannot be read"):
        wfdb16.open_store(store.path).adu(100)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "described",
    ["{", "[]", "{}", '{"name": "cnn1d"}', '{"name": 3, "rate_hz": 1, "n_samples": 2}',
     '{"name": "cnn1d", "rate_hz": "x", "n_samples": 100}',
     '{"name": "cnn1d", "rate_hz": 100, "n_samples": 100, "n_leads": 99999999999}',
     '{"name": "imn", "rate_hz": 100, "n_samples": 100, "options": {"n_outputs": 1e99}}',
     '{"name": "cnn1d", "rate_hz": 100, "n_samples": 100, "options": [1]}',
     '{"name": "cnn1d", "rate_hz": 100, "n_samples": 100, "options": {"dropout": "x"}}',
     "[" * 100_000],
)  # fmt: skip
def test_a_false_description_of_a_model_is_told(tmp_path: Path, described: str) -> None:
    path = tmp_path / "w.safetensors"
    state = build("cnn1d", rate_hz=100, n_samples=100).state_dict()
    save_file(state, path, metadata={"ecgcore_model": described})
    with pytest.raises(EcgcoreError):
        train.load_model(path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.dat", "..\\secret.dat", "s3://b/x.dat"])
def test_a_header_that_names_files_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    archive = ptbxl.Archive(write_archive(tmp_path / "a", 2))
    stem = archive.stems(100)[0]
    shutil.copy(f"{stem}.dat", tmp_path / "a" / "records100" / "secret.dat")
    header = Path(f"{stem}.hea")
    header.write_text(header.read_text().replace("00001_lr.dat", name))
    for read in (lambda: own.load_record(stem), lambda: archive.signals(100)):
        with pytest.raises(EcgcoreError, match="elsewhere"):
            read()


@pytest.mark.parametrize("segment", ["../b/00002_lr", "/etc/passwd"])
def test_segments_elsewhere_are_refused(tmp_path: Path, segment: str) -> None:
    write_archive(tmp_path, 2)
    (tmp_path / "b").symlink_to(tmp_path / "records100" / "00000")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "multi.hea").write_text(f"multi/1 12 100 1000\n{segment} 1000\n")
    with pytest.raises(EcgcoreError):
        own.load_record(tmp_path / "x" / "multi")


def test_links_in_an_archive_show_nothing_of_other_files(tmp_path: Path) -> None:
    archive = ptbxl.Archive(write_archive(tmp_path / "a", 2))
    secret = tmp_path / "secret"
    secret.write_text("password: swordfish\n" * 3)
    stems = archive.stems(100)
    for stem, suffix in zip(stems, (".dat", ".hea"), strict=True):
        Path(stem + suffix).unlink()
        Path(stem + suffix).symlink_to(secret)
    store = wfdb16.prepare(archive, tmp_path / "store", (500,))
    assert len(store.table) == 2
    with pytest.raises(EcgcoreError) as told:
        wfdb16.prepare(archive, tmp_path / "store2")
    assert "password" not in str(told.value)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a\\..\\b"])
def test_a_list_of_checksums_cannot_look_elsewhere(tmp_path: Path, name: str) -> None:
    archive = ptbxl.Archive(write_archive(tmp_path / "a", 2))
    (archive.path / "SHA256SUMS.txt").write_text(f"{'0' * 64} {name}\n")
    with pytest.raises(EcgcoreError, match="leads out of the archive's folder"):
        archive.verify()


def test_a_database_cannot_name_records_elsewhere(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a", 2)
    table = pd.read_csv(archive / "ptbxl_database.csv")
    for name in ("/etc/passwd", "../x", "records100/../../x", "C:\\x"):
        table.assign(filename_lr=[name, name]).to_csv(archive / "ptbxl_database.csv", index=False)
        with pytest.raises(EcgcoreError, match="no usable filename_lr"):
            ptbxl.Archive(archive)


def test_shell_syntax_in_a_parameter_is_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    notebook = write_notebook(tmp_path / "toy.ipynb", 'run.finish(results={"seen": tier})')
    done = subprocess.run(
        [sys.executable, "-m", "ecgcore", "run", str(notebook), "-p", f"tier={EVIL}",
         "--out", f"a {EVIL[:13]}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert json.loads((run / "results.json").read_text())["seen"] == EVIL
    assert study.is_whole(run)
    assert not list(tmp_path.rglob("pwned"))


def test_shell_syntax_in_the_name_of_an_archive_is_text(root: Path, tmp_path: Path) -> None:
    for name in ("ecgcore", "workflow", "notebooks"):
        (tmp_path / name).symlink_to(root / name)
    archive = write_archive(tmp_path / "my ptb;touch pwned `touch pwned` $(touch pwned)", 4)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--cores", "1",
         "--configfile", "workflow/tiers/ptbxl-500.yaml", "--nolock", "--quiet", "all",
         "--config", f"archive={archive}", "--", "_build/data/ptbxl-500/store/store.json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    store = datasets.open_data(str(tmp_path / "_build/data/ptbxl-500/store"))
    assert len(store.table) == 4
    assert not list(tmp_path.glob("**/pwned"))


def test_markup_in_a_report_or_a_name_is_shown_as_text(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    table = pd.DataFrame({"report": [SCRIPT], "scp_codes": [{SCRIPT: 1.0}]})
    shown = [
        new_output("execute_result", data={"text/html": table.to_html(), "text/plain": SCRIPT}),
        new_output("stream", name="stdout", text=f"record 1: {SCRIPT}\n"),
    ]
    cell = new_code_cell("show()", execution_count=1, outputs=shown)
    book = new_notebook(cells=[new_markdown_cell("# Title\n\nThe new page."), cell])
    facts = {
        "git_commit": "a" * 40, "git_dirty": False, "seconds": 90.0, "peak_memory_mib": 512,
        "archive": {"name": f"{SCRIPT}*[x](javascript:alert(1)) {{{{x}}}}", "is_simulated": False,
                    "device": f"cpu {SCRIPT}"},
    }  # fmt: skip
    params = {"notebook": "page", "task": f"{EVIL}\n~~~\n{SCRIPT}\n```\n"}
    card = staging.run_card("page", facts, params, "smoke")
    book.cells.insert(1, card)
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    book.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    staged = small_book(tmp_path)
    (staged / "book" / "index.md").unlink()
    nbformat.write(book, staged / "book" / "index.ipynb")
    staging.build_book(staged, tmp_path / "html")
    page = (tmp_path / "html" / "book" / "index.html").read_text()
    assert page.count("document.title = ") + page.count("document.title =") >= 4
    assert "<script>document.title" not in page
    assert "<img src=x" not in page
    assert 'href="javascript' not in page

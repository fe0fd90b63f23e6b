"""Every command that README and book show is executed as shown, on fewer records.

Long commands are shortened by adding parameters; ``make`` and the workflow only print their plans,
since ``make test`` itself runs them.
"""

import os
import re
import subprocess
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMMAND = re.compile(r"(make|python|papermill|pip|source|cp|pre-commit|\.ci/\S+|\.venv/\S+) \S.*")
ELSEWHERE = (
    "python benchmarks/", "python -m ecgcore explain RECORD", "python -m ecgcore fetch",
    "cp -r workflow/profiles/slurm", ".ci/slurm", ".venv/bin/python -m pip install",
    ".venv/bin/python -m snakemake --snakefile workflow/Snakefile --profile my-slurm",
    ".venv/bin/python -m pytest",
)  # fmt: skip
"""Commands that need a cluster, PhysioNet or hours; other tests cover them."""
SHORT = {
    "frequency_train": {"folds": 2, "epochs": 1, "n_resamples": 100, "max_records": 80},
    "imn_train": {"epochs": 1, "max_train_records": 24, "explained_records": 4,
                  "deletion_records": 2, "n_resamples": 100, "rate_hz": 50},
}  # fmt: skip
NOT_LINKED = {".git", ".gitignore", "_build", ".snakemake"}
"""What commands in the tests must not share with this checkout."""
DONE: set[str] = set()
"""Commands executed in this process."""
# One process, so that commands on two pages are executed once; the practice page has a dozen runs,
# which take minutes on a busy machine.
pytestmark = [pytest.mark.xdist_group("shown"), pytest.mark.timeout(1500)]


def pages() -> dict[str, str]:
    """Return Markdown of README, pages and notebooks; test_course.py executes the sessions."""
    prose = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "book").rglob("*.md")]
    prose = [path for path in prose if not path.name.startswith("session_")]
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in prose}
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        texts[path.name] = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    return texts


def blocks(text: str) -> list[tuple[str, str, str]]:
    """Return (language, name to save it as, content) of a page's blocks, in order."""
    pattern = r"(?:Save this as `([^`]+)`:\n\n)?^```(bash|python|yaml)\n(.*?)^```"
    matches = re.findall(pattern, text, re.DOTALL | re.MULTILINE)
    return [(language, name, content) for name, language, content in matches]


def commands(block: str) -> list[str]:
    lines = block.replace("\\\n", " ").splitlines()
    return [re.sub(r"\s{2,}", " ", re.sub(r"\s+#.*", "", line)) for line in lines if line.strip()]


def inline(text: str) -> list[str]:
    """Return the commands inside sentences or tables."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [span for span in re.findall(r"`([^`\n]+)`", prose) if COMMAND.fullmatch(span)]


SHOWN = {name: text for name, text in pages().items() if blocks(text) or inline(text)}


@pytest.fixture
def place(tmp_path: Path, simulated_archive: Path) -> Path:
    """Return a substitute for the checkout, in which commands may leave files."""
    here, header = tmp_path / "checkout", next((simulated_archive / "records500").rglob("*_hr.hea"))
    data = here / "path" / "to"
    data.mkdir(parents=True)
    for path in ROOT.iterdir():
        if path.name not in NOT_LINKED:
            (here / path.name).symlink_to(path)
    subprocess.run(["git", "init", "--quiet", str(here)], check=True)
    (data / "ptb-xl").symlink_to(simulated_archive)
    (data / "my_ecg.hea").symlink_to(header)
    (data / f"{header.stem}.dat").symlink_to(header.with_suffix(".dat"))
    return here


def shorter(command: str) -> str:
    """Return the same command with fewer records and epochs."""
    for name, parameters in SHORT.items():
        path = f"notebooks/{name}.ipynb"
        if f"run {path}" in command:
            short = "".join(f" -p {k}={v}" for k, v in parameters.items() if f"{k}=" not in command)
            short += "" if "archive=" in command else ' -p archive="$STORE"'
            command = command.replace(path, path + short)
        elif f"papermill {path}" in command:
            command += "".join(f" -p {k} {v}" for k, v in parameters.items())
            command += ' -p archive "$STORE"'
    return command


def execute(script: str, place: Path, store: str) -> str:
    """Return what the shell prints for a script, which must succeed."""
    path = f"{place}/.venv/bin{os.pathsep}{os.environ['PATH']}"  # as after `source activate`
    environment = {**os.environ, "STORE": store, "PATH": path}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=place, env=environment,
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{script}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
    return done.stdout + done.stderr


def run_command(command: str, place: Path, store: str) -> None:
    if command in DONE or command.startswith(ELSEWHERE):
        return
    if command.startswith("make"):
        archive = re.sub(r"ARCHIVE=\S+", "ARCHIVE=path/to/ptb-xl", command)
        for line in commands(execute(archive.replace("make", "make -n", 1), place, store)):
            if " progress -- " in line:
                dry = line.partition(" progress -- ")[2] + " --dry-run"
                assert "rule book:" in execute(dry, place, store)
    elif command.endswith("--dry-run"):
        assert re.search(r"frequency_train|run\s+100", execute(command, place, store))
    else:
        execute(shorter(command), place, store)
    if not re.search("my_store|my-slurm|runs/", command):
        DONE.add(command)  # no later command needs its output


@pytest.mark.parametrize("page", sorted(SHOWN))
def test_shown_commands_do_what_they_promise(page: str, place: Path, small_store: str) -> None:
    """They run in the page's order, so that a command may use another's output."""
    for language, name, content in blocks(SHOWN[page]):
        if language == "yaml" and name:
            (place / name).write_text(few_runs(content))
        elif language == "python" and re.match("from|import", content):  # else part of a notebook
            code = content.replace('"simulated"', repr(small_store))
            (place / "shown.py").write_text(code)
            execute("python shown.py", place, small_store)
        elif language == "bash":
            for command in commands(content):
                run_command(command, place, small_store)
    for command in inline(SHOWN[page]):
        if command != "python -m ecgcore prepare":
            run_command(command, place, small_store)


def few_runs(content: str) -> str:
    """Return a tier with the grid's first cells, on few records."""
    grid = yaml.safe_load(content)
    group = grid["runs"]["frequency_train"]
    group["grid"] = {"model": ["cnn1d"], "rate_hz": [62, 75], "seed": [1]}
    group["fixed"] |= {"epochs": 1, "n_resamples": 100}
    grid["simulate"] |= {"records": 80, "prevalence": {"NORM": 0.5, "AF": 0.5}}
    grid["summaries"]["frequency_sweep"]["fixed"] = {"n_resamples": 100}
    return yaml.safe_dump(grid)


def test_the_shown_commands_are_found() -> None:
    assert commands("make book \\\n  TIER=smoke  # small\n") == ["make book TIER=smoke"]
    assert sum(len(blocks(text)) + len(inline(text)) for text in SHOWN.values()) > 20

"""Write a simulated archive in PTB-XL's layout, with the layers that only a simulator knows."""

import dataclasses
import hashlib
import json
import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore import files
from ecgcore.errors import EcgcoreError
from ecgcore.leads import INDEPENDENT
from ecgcore.simulate.cohort import (
    CONDITIONS,
    Case,
    Draft,
    checked_prevalence,
    draft,
    plan_cohort,
)
from ecgcore.simulate.noise import NoiseLevels
from ecgcore.simulate.record import LAYERS, SimulatedRecord, simulate_record
from ecgcore.simulate.shortcut import Shortcut
from ecgcore.simulate.table import COLUMNS, frontal_axis_deg, row, statements
from ecgcore.wfdb16 import encode_record

VERSION = 1
"""Of the generator: it goes up when the same seed gives other records."""

SUFFIX = {100: "lr", 500: "hr"}
CHUNK = 25
Progress = Callable[[int, int], None]


def simulate_archive(
    path: Path | str,
    *,
    n_records: int,
    seed: int,
    rates_hz: Sequence[int] = (100, 500),
    prevalence: Mapping[str, float] | None = None,
    noise: NoiseLevels | float = 1.0,
    shortcut: Shortcut | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Make an archive of simulated 12-lead ECGs of 10 s.

    Parameters
    ----------
    path
        Folder to make; it must not exist. It appears when it is whole.
    n_records, seed
        The same pair gives the same bytes, whatever ``jobs`` is.
    rates_hz
        100, 500 or both, samples per second.
    prevalence
        Share of each leading condition (``NORM``, ``AF``, ``MI``, ``STTC``, ``CD``, ``HYP``);
        default :data:`ecgcore.simulate.cohort.PREVALENCE`, near PTB-XL's.
    noise
        Levels, or a factor on the default levels.
    shortcut
        Plants a label-correlated artefact; see :class:`ecgcore.simulate.shortcut.Shortcut`.
    jobs
        Worker processes.
    progress
        Called with the records done and the total.

    Returns
    -------
    Path
        ``path``. Beside PTB-XL's files it holds ``simulation.json`` (all parameters),
        ``simulation.csv`` (one row a record: the truth that was drawn) and ``layers/NAME/``, laid
        out like the archive, with signed contributions in mV for the records that have them; NAME
        is one of :data:`ecgcore.simulate.record.LAYERS`.

    Raises
    ------
    EcgcoreError
        ``path`` exists, or a parameter is impossible.
    """
    path, rates = Path(path), _checked_rates(rates_hz)
    levels = noise if isinstance(noise, NoiseLevels) else NoiseLevels().times(float(noise))
    _check(path, n_records, shortcut, jobs)
    shares = checked_prevalence(prevalence)
    cases = plan_cohort(n_records, seed, shares, shortcut)
    about = {
        "generator": "ecgcore.simulate",
        "version": VERSION,
        "n_records": n_records,
        "seed": seed,
        "rates_hz": list(rates),
        "prevalence": shares,
        "noise": dataclasses.asdict(levels),
        "shortcut": None if shortcut is None else dataclasses.asdict(shortcut),
        "layers": list(LAYERS),
    }
    with files.told_in_words(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with files.told_in_words(path), files.alone(path):
        if _is_there(path, about):  # made by the process that we waited for
            return path
        partial = path.with_name(path.name + ".partial")
        chunks = [
            _Chunk(partial, tuple(cases[start : start + CHUNK]), seed, rates, levels, shortcut)
            for start in range(0, len(cases), CHUNK)
        ]
        _fill(partial, chunks, about, jobs, progress)
        os.replace(partial, path)
    return path


def _is_there(path: Path, about: dict[str, object]) -> bool:
    file = path / "simulation.json"
    same = json.loads(json.dumps(about))
    return file.exists() and json.loads(file.read_text(encoding="utf-8")) == same


@dataclasses.dataclass(frozen=True)
class _Chunk:
    root: Path
    cases: tuple[Case, ...]
    seed: int
    rates_hz: tuple[int, ...]
    noise: NoiseLevels
    shortcut: Shortcut | None


@dataclasses.dataclass(frozen=True)
class _Written:
    rows: list[dict[str, object]]
    truths: list[dict[str, object]]
    sums: dict[str, str]


def _fill(
    partial: Path,
    chunks: list[_Chunk],
    about: dict[str, object],
    jobs: int,
    progress: Progress | None,
) -> None:
    shutil.rmtree(partial, ignore_errors=True)
    n_records = sum(len(chunk.cases) for chunk in chunks)
    _make_folders(partial, n_records, chunks[0].rates_hz)
    done: list[_Written] = []
    for written in _in_order(chunks, jobs):
        done.append(written)
        if progress is not None:
            progress(sum(len(part.rows) for part in done), n_records)
    _write_tables(partial, done, chunks[0].rates_hz, about)


def draw(
    case: Case, seed: int, noise: NoiseLevels, shortcut: Shortcut | None
) -> tuple[Draft, SimulatedRecord]:
    """One record of the archive, with all its parts; what the tests and figures look into."""
    plan = draft(case, seed)
    record = simulate_record(
        np.random.default_rng([seed, 4, case.ecg_id]),
        plan.heart,
        plan.rhythm,
        plan.findings,
        noise=noise,
        shortcut=shortcut if case.has_shortcut else None,
    )
    return plan, record


def _write_chunk(chunk: _Chunk) -> _Written:
    written = _Written([], [], {})
    for case in chunk.cases:
        plan, record = draw(case, chunk.seed, chunk.noise, chunk.shortcut)
        values = row(plan, record, chunk.seed)
        written.rows.append(values)
        written.truths.append(_truth(plan, record))
        for rate_hz in chunk.rates_hz:
            stem = _stem(case.ecg_id, rate_hz)
            for name, adu in record.at(rate_hz).items():
                folder = "" if name == "signal" else f"layers/{name}/"
                place = f"{folder}records{rate_hz}/{stem}"
                for suffix, content in encode_record(stem.split("/")[1], adu, rate_hz).items():
                    # Not beside and renamed: the whole archive is built beside its final place.
                    with open(f"{chunk.root}/{place}{suffix}", "wb") as file:
                        file.write(content)
                    written.sums[f"{place}{suffix}"] = hashlib.sha256(content).hexdigest()
    return written


def _truth(plan: Draft, record: SimulatedRecord) -> dict[str, object]:
    """What was drawn, one row of ``simulation.csv``."""
    severity = {
        f"severity_{next(iter(finding.codes))}": finding.severity for finding in plan.findings
    }
    return {
        "ecg_id": plan.case.ecg_id,
        "condition": plan.case.condition,
        "findings": " ".join(next(iter(finding.codes)) for finding in plan.findings),
        "severity": max(severity.values(), default=np.nan),
        "mean_rr_s": plan.rhythm.mean_rr_s,
        "rr_cv": plan.rhythm.rr_cv,
        "pr_s": plan.heart.pr_s,
        "axis_deg": frontal_axis_deg(plan),
        "episode_start_s": plan.rhythm.episode_s[0] if plan.rhythm.episode_s else np.nan,
        "episode_end_s": plan.rhythm.episode_s[1] if plan.rhythm.episode_s else np.nan,
        "f_wave_coarseness": plan.rhythm.coarseness,
        "atrial_hz": plan.rhythm.atrial_hz,
        "n_ectopic": int((record.beats.kind > 0).sum()),
        "variants": " ".join(name.replace(" ", "_") for name in plan.heart.variants),
        "has_shortcut": plan.case.has_shortcut,
        **{f"{name}_rms_mv": value for name, value in record.noise_rms_mv.items()},
        "layers": " ".join(name for name in LAYERS if name in record.parts),
    }


def _in_order(chunks: list[_Chunk], jobs: int) -> Iterator[_Written]:
    if jobs == 1 or len(chunks) == 1:
        yield from map(_write_chunk, chunks)
        return
    # Spawned, not forked: the caller may hold threads (torch, a notebook kernel).
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(
            min(jobs, len(chunks)), mp_context=context, initializer=_die_with_parent
        ) as pool:
            yield from pool.map(_write_chunk, chunks)
    except BrokenProcessPool:
        raise EcgcoreError(
            f"simulate: one of {jobs} processes was ended from outside, as happens where memory is "
            "short; run it again with fewer --jobs."
        ) from None


def _die_with_parent() -> None:
    """End this worker when its parent is killed, which would otherwise leave it waiting for ever
    or, worse, writing into the folder that the next call makes."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _stem(ecg_id: int, rate_hz: int) -> str:
    return f"{ecg_id // 1000 * 1000:05d}/{ecg_id:05d}_{SUFFIX[rate_hz]}"


def _make_folders(root: Path, n_records: int, rates_hz: tuple[int, ...]) -> None:
    for place in (root, *(root / "layers" / name for name in LAYERS)):
        for rate_hz in rates_hz:
            for thousand in range(n_records // 1000 + 1):
                folder = place / f"records{rate_hz}" / f"{thousand * 1000:05d}"
                folder.mkdir(parents=True, exist_ok=True)


def _write_tables(
    root: Path, done: list[_Written], rates_hz: tuple[int, ...], about: dict[str, object]
) -> None:
    table = pd.DataFrame([values for part in done for values in part.rows], columns=list(COLUMNS))
    table.to_csv(root / "ptbxl_database.csv", index=False)
    statements().to_csv(root / "scp_statements.csv")
    truths = pd.DataFrame([values for part in done for values in part.truths])
    truths.to_csv(root / "simulation.csv", index=False, float_format="%.6g")
    names = [f"filename_{SUFFIX[rate_hz]}" for rate_hz in rates_hz]
    lines = [str(stem) for name in names for stem in table[name]]
    (root / "RECORDS").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (root / "simulation.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    sums = {name: value for part in done for name, value in part.sums.items()}
    for file in sorted(root.iterdir()):
        if file.is_file():
            sums[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    listed = "".join(f"{sums[name]} {name}\n" for name in sorted(sums))
    (root / "SHA256SUMS.txt").write_text(listed, encoding="utf-8")


def _checked_rates(rates_hz: Sequence[int]) -> tuple[int, ...]:
    rates = tuple(sorted(set(rates_hz)))
    if not rates or set(rates) - set(SUFFIX):
        raise EcgcoreError(
            f"parameter rates_hz is {tuple(rates_hz)}: an archive holds 100 Hz, 500 Hz or both; "
            "make other rates from these with ecgcore.signals."
        )
    return rates


def _check(path: Path, n_records: int, shortcut: Shortcut | None, jobs: int) -> None:
    if path.exists():
        raise EcgcoreError(
            f"{path}: exists, so no archive is simulated there; delete it or name another folder."
        )
    if not 1 <= n_records <= 99_999:
        raise EcgcoreError(f"parameter n_records is {n_records}: give 1 to 99999 records.")
    if jobs < 1:
        raise EcgcoreError(f"parameter jobs is {jobs}: give at least one worker process.")
    if shortcut is None:
        return
    for name, value, allowed in (
        ("condition", shortcut.condition, CONDITIONS),
        ("lead", shortcut.lead, INDEPENDENT),
    ):
        if value not in allowed:
            raise EcgcoreError(
                f"parameter shortcut.{name} is {value!r}: use one of {', '.join(allowed)}."
            )

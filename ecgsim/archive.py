"""Write a simulated archive in PTB-XL's layout, with the layers that only a simulator knows."""

import dataclasses
import hashlib
import itertools
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
from ecgcore.data import LAYERS, encode_record
from ecgcore.errors import EcgcoreError
from ecgcore.leads import INDEPENDENT
from ecgsim.cohort import CONDITIONS, Case, RecordPlan, check_prevalence, plan_cohort, plan_record
from ecgsim.noise import NoiseLevels
from ecgsim.record import SimulatedRecord, simulate_record
from ecgsim.shortcut import Shortcut
from ecgsim.table import STATEMENTS, database_row, frontal_axis_deg

VERSION = 2
"""Version of the generator: it goes up when the same seed gives other records."""

SUFFIX = {100: "lr", 500: "hr"}
CHUNK = 25


@dataclasses.dataclass(frozen=True)
class _Settings:
    """What decides the content of an archive."""

    n_records: int
    seed: int
    rates_hz: tuple[int, ...]
    prevalence: dict[str, float]
    noise: NoiseLevels
    shortcut: Shortcut | None
    device_confounding: float

    def as_json(self) -> str:
        """Return the content of ``simulation.json``."""
        content = {"generator": "ecgsim", "version": VERSION, **dataclasses.asdict(self)}
        return json.dumps({**content, "layers": list(LAYERS)}, indent=2) + "\n"


def simulate_archive(
    to: Path | str,
    *,
    n_records: int,
    seed: int,
    rates_hz: Sequence[int] = (100, 500),
    prevalence: Mapping[str, float] | None = None,
    noise: NoiseLevels | float = 1.0,
    shortcut: Shortcut | None = None,
    device_confounding: float = 0.0,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write an archive of simulated 12-lead ECGs of 10 s and return its folder.

    Beside PTB-XL's files the archive holds ``simulation.json`` (all parameters), ``simulation.csv``
    (one row per record: the true values) and ``layers/NAME/``, laid out like the archive, with
    signed contributions in mV for the records that have them; NAME is one of
    :data:`ecgcore.data.LAYERS`.

    Parameters
    ----------
    to
        Folder to write; it must not exist. It appears only when it is complete.
    n_records, seed
        The same pair gives the same bytes, for any number of ``jobs`` (worker processes).
    rates_hz
        100, 500 or both, samples per second.
    prevalence
        Share of each leading condition (``NORM``, ``AF``, ``MI``, ``STTC``, ``CD``, ``HYP``);
        default :data:`ecgsim.cohort.PREVALENCE`, near PTB-XL's.
    noise
        Levels, or a factor on the default levels.
    shortcut
        Plants a label-correlated artefact; see :class:`ecgsim.shortcut.Shortcut`.
    device_confounding
        0 (the device is independent of the condition) to 1 (every record in AF comes from the
        device with most noise above 60 Hz); see :func:`ecgsim.devices.draw_device`.
    progress
        Called with the number of finished records and the total.

    Raises
    ------
    EcgcoreError
        ``to`` exists, or a parameter is impossible.
    """
    to, rates, shares = Path(to), tuple(sorted(set(rates_hz))), check_prevalence(prevalence)
    levels = noise if isinstance(noise, NoiseLevels) else NoiseLevels().times(float(noise))
    settings = _Settings(n_records, seed, rates, shares, levels, shortcut, device_confounding)
    _check_parameters(to, settings, jobs)
    with files.file_errors(to):
        to.parent.mkdir(parents=True, exist_ok=True)
    with files.file_errors(to), files.locked(to):
        file = to / "simulation.json"
        if file.exists() and file.read_text(encoding="utf-8") == settings.as_json():
            return to  # written by the process that we waited for
        partial = to.with_name(to.name + ".partial")
        _write_archive(partial, settings, jobs, progress)
        os.replace(partial, to)
    return to


_Chunk = tuple[Path, list[Case], _Settings]
"""Where to write which records, a unit of work."""
Row = dict[str, object]
_Written = tuple[list[Row], list[Row], dict[str, str]]
"""Rows of the database, rows of ``simulation.csv``, and hashes by file."""


def _write_archive(
    partial: Path, settings: _Settings, jobs: int, progress: Callable[[int, int], None] | None
) -> None:
    shutil.rmtree(partial, ignore_errors=True)
    _make_folders(partial, settings)
    chosen = (settings.n_records, settings.seed, settings.prevalence, settings.shortcut)
    cases = plan_cohort(*chosen, device_confounding=settings.device_confounding)
    starts = range(0, len(cases), CHUNK)
    chunks = [(partial, cases[start : start + CHUNK], settings) for start in starts]
    done: list[_Written] = []
    for written in _in_order(chunks, jobs):
        done.append(written)
        if progress is not None:
            progress(min(len(done) * CHUNK, len(cases)), len(cases))
    _write_tables(partial, done, settings)


def draw(
    case: Case, seed: int, noise: NoiseLevels, shortcut: Shortcut | None = None
) -> tuple[RecordPlan, SimulatedRecord]:
    """Return the plan and the record of one case, with all its parts, as in the archive."""
    plan = plan_record(case, seed)
    record = simulate_record(
        np.random.default_rng([seed, 4, case.ecg_id]),
        plan.heart,
        plan.rhythm,
        plan.findings,
        noise=noise,
        shortcut=shortcut if case.has_shortcut else None,
        device=case.device,
    )
    return plan, record


def _write_chunk(chunk: _Chunk) -> _Written:
    root, cases, settings = chunk
    rows: list[Row] = []
    true_values: list[Row] = []
    sums: dict[str, str] = {}
    for case in cases:
        plan, record = draw(case, settings.seed, settings.noise, settings.shortcut)
        rows.append(database_row(plan, record, settings.seed))
        true_values.append(_true_values(plan, record))
        for rate_hz in settings.rates_hz:
            stem = f"{case.ecg_id // 1000 * 1000:05d}/{case.ecg_id:05d}_{SUFFIX[rate_hz]}"
            encoded: dict[int, dict[str, bytes]] = {}
            for name, adu in record.at(rate_hz).items():
                folder = "" if name == "signal" else f"layers/{name}/"
                if id(adu) not in encoded:
                    encoded[id(adu)] = encode_record(stem.split("/")[1], adu, rate_hz)
                for suffix, content in encoded[id(adu)].items():
                    place = f"{folder}records{rate_hz}/{stem}{suffix}"
                    # No rename file by file: the whole archive is built beside its final place.
                    with open(f"{root}/{place}", "wb") as file:
                        file.write(content)
                    sums[place] = hashlib.sha256(content).hexdigest()
    return rows, true_values, sums


def _true_values(plan: RecordPlan, record: SimulatedRecord) -> Row:
    """One row of ``simulation.csv``: what was drawn."""
    rhythm, findings = plan.rhythm, plan.findings
    start_s, end_s = rhythm.episode_s or (np.nan, np.nan)
    return {
        "ecg_id": plan.case.ecg_id,
        "condition": plan.case.condition,
        "findings": " ".join(next(iter(finding.codes)) for finding in findings),
        "severity": max((finding.severity for finding in findings), default=np.nan),
        "mean_rr_s": rhythm.mean_rr_s,
        "rr_cv": rhythm.rr_cv,
        "f_wave_coarseness": rhythm.coarseness,
        "atrial_hz": rhythm.atrial_hz,
        "pr_s": plan.heart.pr_s,
        "axis_deg": frontal_axis_deg(plan),
        "episode_start_s": start_s,
        "episode_end_s": end_s,
        "n_ectopic": int((record.beats.kind > 0).sum()),
        "variants": " ".join(name.replace(" ", "_") for name in plan.heart.variants),
        "has_shortcut": plan.case.has_shortcut,
        **{f"{name}_rms_mv": value for name, value in record.noise_rms_mv.items()},
        "layers": " ".join(name for name in LAYERS if name in record.parts),
    }


def _in_order(chunks: list[_Chunk], jobs: int) -> Iterator[_Written]:
    """Write the chunks, in this process or in several, and return their results in order."""
    if jobs == 1 or len(chunks) == 1:
        yield from map(_write_chunk, chunks)
        return
    context = multiprocessing.get_context("spawn")  # the caller may hold threads
    try:
        with ProcessPoolExecutor(
            min(jobs, len(chunks)), mp_context=context, initializer=_die_with_parent
        ) as pool:
            yield from pool.map(_write_chunk, chunks)
    except BrokenProcessPool:
        raise EcgcoreError(
            f"simulate: one of {jobs} worker processes was killed, as happens where memory is "
            "short; run it again with fewer --jobs."
        ) from None


def _die_with_parent() -> None:
    """End this worker when its parent is killed.

    Otherwise it would wait for ever or, worse, write into the folder of the next call.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _make_folders(root: Path, settings: _Settings) -> None:
    places = (root, *(root / "layers" / name for name in LAYERS))
    thousands = range(0, settings.n_records + 1, 1000)
    for place, rate_hz, first in itertools.product(places, settings.rates_hz, thousands):
        (place / f"records{rate_hz}" / f"{first:05d}").mkdir(parents=True, exist_ok=True)


def _write_tables(root: Path, done: list[_Written], settings: _Settings) -> None:
    table = pd.DataFrame([row for rows, _, _ in done for row in rows])
    table.to_csv(root / "ptbxl_database.csv", index=False)
    STATEMENTS.to_csv(root / "scp_statements.csv")
    true_values = pd.DataFrame([row for _, rows, _ in done for row in rows])
    true_values.to_csv(root / "simulation.csv", index=False, float_format="%.6g")
    names = [f"filename_{SUFFIX[rate_hz]}" for rate_hz in settings.rates_hz]
    lines = "".join(f"{stem}\n" for name in names for stem in table[name])
    (root / "RECORDS").write_text(lines, encoding="utf-8")
    (root / "simulation.json").write_text(settings.as_json(), encoding="utf-8")
    sums = {name: value for _, _, part in done for name, value in part.items()}
    for file in sorted(root.iterdir()):
        if file.is_file():
            sums[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    listing = "".join(f"{sums[name]} {name}\n" for name in sorted(sums))
    (root / "SHA256SUMS.txt").write_text(listing, encoding="utf-8")


def _check_parameters(to: Path, settings: _Settings, jobs: int) -> None:
    shortcut, problem = settings.shortcut, ""
    if not 1 <= settings.n_records <= 99_999:
        problem = f"n_records is {settings.n_records}: give 1 to 99999 records"
    elif not settings.rates_hz or set(settings.rates_hz) - set(SUFFIX):
        problem = f"rates_hz is {settings.rates_hz}: an archive holds 100 Hz, 500 Hz or both"
    elif not 0 <= settings.device_confounding <= 1:
        problem = f"device_confounding is {settings.device_confounding}: give a share from 0 to 1"
    elif jobs < 1:
        problem = f"jobs is {jobs}: give at least one worker process"
    elif shortcut is not None and shortcut.condition not in CONDITIONS:
        problem = (
            f"shortcut.condition is {shortcut.condition!r}: use one of {', '.join(CONDITIONS)}"
        )
    elif shortcut is not None and shortcut.lead not in INDEPENDENT:
        problem = f"shortcut.lead is {shortcut.lead!r}: use one of {', '.join(INDEPENDENT)}"
    if problem:
        raise EcgcoreError(f"parameter {problem}.")
    if to.exists():
        raise EcgcoreError(
            f"{to}: exists, so no archive is simulated there; delete it or name another folder."
        )

"""Write a simulated archive in PTB-XL's layout, with the layers that only a simulator knows."""

import dataclasses
import hashlib
import itertools
import json
import multiprocessing
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore import files
from ecgcore.data import LAYERS, encode_record
from ecgcore.errors import EcgcoreError
from ecgsim.cohort import Case, RecordPlan, check_prevalence, plan_cohort, plan_record
from ecgsim.noise import NoiseLevels
from ecgsim.record import SimulatedRecord, simulate_record
from ecgsim.table import STATEMENTS, database_row

VERSION = 2
"""Version of the generator; it increases when a seed no longer gives the same records."""

SUFFIX = {100: "lr", 500: "hr"}
CHUNK = 25


@dataclasses.dataclass(frozen=True)
class _Settings:
    """What determines the content of an archive."""

    n_records: int
    seed: int
    rates_hz: tuple[int, ...]
    prevalence: dict[str, float]
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
    device_confounding: float = 0.0,
    jobs: int = 1,
) -> Path:
    """Write an archive of simulated 12-lead ECGs of 10 s and return its folder.

    Beside PTB-XL's files the archive holds ``simulation.json`` (all parameters) and
    ``layers/NAME/``, laid out like the archive, with signed contributions in mV for the records
    that have them; NAME is one of :data:`ecgcore.data.LAYERS`.

    The folder ``to`` must not exist; it appears only when it is complete. The same ``n_records``
    and ``seed`` give the same bytes for any number of ``jobs`` (worker processes). ``rates_hz`` are
    100, 500 or both. ``prevalence`` is the share of each leading condition (:data:`CONDITIONS
    <ecgsim.cohort.CONDITIONS>`), by default :data:`ecgsim.cohort.PREVALENCE`, near PTB-XL's.
    ``device_confounding`` runs from 0 (the device is independent of the condition) to 1 (every
    record with AF comes from the device with the most noise above 60 Hz; see
    :func:`ecgsim.devices.draw_device`). Raises ``EcgcoreError`` if ``to`` exists or a parameter is
    impossible.
    """
    to, rates, shares = Path(to), tuple(sorted(set(rates_hz))), check_prevalence(prevalence)
    settings = _Settings(n_records, seed, rates, shares, device_confounding)
    _check_parameters(to, settings, jobs)
    with files.file_errors(to):
        to.parent.mkdir(parents=True, exist_ok=True)
    with files.file_errors(to), files.locked(to):
        file = to / "simulation.json"
        if file.exists() and file.read_text(encoding="utf-8") == settings.as_json():
            return to  # written by the process that we waited for
        partial = to.with_name(to.name + ".partial")
        _write_archive(partial, settings, jobs)
        os.replace(partial, to)
    return to


_Chunk = tuple[Path, list[Case], _Settings]
"""A unit of work: which records to write, and where."""
Row = dict[str, object]
_Written = tuple[list[Row], dict[str, str]]
"""Rows of the database, and hashes by file."""


def _write_archive(partial: Path, settings: _Settings, jobs: int) -> None:
    shutil.rmtree(partial, ignore_errors=True)
    _make_folders(partial, settings)
    chosen = (settings.n_records, settings.seed, settings.prevalence)
    cases = plan_cohort(*chosen, device_confounding=settings.device_confounding)
    starts = range(0, len(cases), CHUNK)
    chunks = [(partial, cases[start : start + CHUNK], settings) for start in starts]
    _write_tables(partial, list(_in_order(chunks, jobs)), settings)


def draw(case: Case, seed: int, noise: NoiseLevels) -> tuple[RecordPlan, SimulatedRecord]:
    """Return the plan and the record of one case, with all its parts, as in the archive."""
    plan = plan_record(case, seed)
    record = simulate_record(
        np.random.default_rng([seed, 4, case.ecg_id]),
        plan.heart,
        plan.rhythm,
        plan.findings,
        noise=noise,
        device=case.device,
    )
    return plan, record


def _write_chunk(chunk: _Chunk) -> _Written:
    root, cases, settings = chunk
    rows: list[Row] = []
    sums: dict[str, str] = {}
    for case in cases:
        plan, record = draw(case, settings.seed, NoiseLevels())
        rows.append(database_row(plan, record, settings.seed))
        for rate_hz in settings.rates_hz:
            stem = f"{case.ecg_id // 1000 * 1000:05d}/{case.ecg_id:05d}_{SUFFIX[rate_hz]}"
            encoded: dict[int, dict[str, bytes]] = {}
            for name, adu in record.at(rate_hz).items():
                folder = "" if name == "signal" else f"layers/{name}/"
                if id(adu) not in encoded:
                    encoded[id(adu)] = encode_record(stem.split("/")[1], adu, rate_hz)
                for suffix, content in encoded[id(adu)].items():
                    place = f"{folder}records{rate_hz}/{stem}{suffix}"
                    # No file needs a rename: the whole archive is built beside its final place.
                    with open(f"{root}/{place}", "wb") as file:
                        file.write(content)
                    sums[place] = hashlib.sha256(content).hexdigest()
    return rows, sums


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
            f"simulate: one of {jobs} worker processes was killed, as happens when memory runs "
            "out; run it again with fewer --jobs."
        ) from None


def _die_with_parent() -> None:
    """End this worker when its parent is killed.

    Otherwise it would wait forever or, worse, write into the folder of the next call.
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


def _write_tables(root: Path, chunks: list[_Written], settings: _Settings) -> None:
    table = pd.DataFrame([row for rows, _ in chunks for row in rows])
    table.to_csv(root / "ptbxl_database.csv", index=False)
    STATEMENTS.to_csv(root / "scp_statements.csv")
    names = [f"filename_{SUFFIX[rate_hz]}" for rate_hz in settings.rates_hz]
    lines = "".join(f"{stem}\n" for name in names for stem in table[name])
    (root / "RECORDS").write_text(lines, encoding="utf-8")
    (root / "simulation.json").write_text(settings.as_json(), encoding="utf-8")
    sums = {name: value for _, part in chunks for name, value in part.items()}
    for file in sorted(root.iterdir()):
        if file.is_file():
            sums[file.name] = files.sha256(file)
    listing = "".join(f"{sums[name]} {name}\n" for name in sorted(sums))
    (root / "SHA256SUMS.txt").write_text(listing, encoding="utf-8")


def _check_parameters(to: Path, settings: _Settings, jobs: int) -> None:
    limits = {
        "n_records": (settings.n_records, 1, 99_999),
        "seed": (settings.seed, 0, 2**63),
        "device_confounding": (settings.device_confounding, 0, 1),
        "jobs": (jobs, 1, 512),
    }
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise EcgcoreError(f"{name}: {value}; expected a number from {low:,} to {high:,}.")
    if not settings.rates_hz or set(settings.rates_hz) - set(SUFFIX):
        raise EcgcoreError(f"rates_hz: {settings.rates_hz}; expected 100, 500 or both.")
    if to.exists():
        raise EcgcoreError(f"{to}: already exists; delete it or name another folder.")

"""From an archive to a prepared store: resumable, parallel, in constant memory, all or nothing."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from ecgcore.errors import EcgcoreError
from ecgcore.wfdb16 import arrayfile
from ecgcore.wfdb16.decode import decode_into, read_signals_adu
from ecgcore.wfdb16.layout import N_LEADS
from ecgcore.wfdb16.store import INFO, LAYERS, LAYOUT_VERSION, TABLE, Store, open_store

if TYPE_CHECKING:
    from ecgcore.ptbxl import Archive

DURATION_S = 10
CHUNK = 128
"""Records decoded at a time: 15 MiB at 500 Hz."""

LOG = "done.jsonl"
"""Which parts of an unfinished store are done, and what was found in them."""

Issue = dict[str, Any]
"""One row of the quality report; see :mod:`ecgcore.quality`."""

Progress = Callable[[int, int], None]
"""Called with records done and records in all."""


@dataclass(frozen=True)
class _Part:
    """Some records of one rate, and where they go."""

    rate_hz: int
    start: int
    ecg_ids: tuple[int, ...]
    stems: tuple[str, ...]
    file: Path


def prepare(
    archive: "Archive",
    to: Path | str,
    rates_hz: Sequence[int] | None = None,
    *,
    strict: bool = False,
    jobs: int = 2,
    wait_s: float = 3600.0,
    progress: Progress | None = None,
) -> Store:
    """Decode an archive once into a store of int16 files.

    A record that cannot be decoded at one of the rates is left out at all of them and listed in
    the store's ``quality``. An interrupted call goes on where it stopped; a second process waits.

    Parameters
    ----------
    archive
        An opened archive.
    to
        Folder of the store; made whole or not at all. Opened if it is there already.
    rates_hz
        Which rates; by default all that the archive has.
    strict
        Stop at the first damaged record instead of leaving it out.
    jobs
        Threads that read and decode.
    wait_s
        How long to wait for another process that prepares the same store.

    Raises
    ------
    EcgcoreError
        A rate that the archive lacks, a damaged record under ``strict``, no record left, a full
        or unwritable disk, a folder that holds something else.
    """
    to = Path(to)
    rates = tuple(rates_hz) if rates_hz is not None else archive.rates_hz
    for rate_hz in rates:
        archive.check_rate(rate_hz)
    if not rates:
        raise EcgcoreError(
            f"{archive.name}: holds no records (no folder records100 or records500)."
        )
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(to.with_name(to.name + ".prepare.lock"), timeout=wait_s):
            ready = _existing(archive, to, rates)
            if ready is not None and not (strict and ready.info["n_left_out"]):
                return ready
            _build(archive, to, rates, strict, jobs, progress)
    except Timeout:
        raise EcgcoreError(
            f"{to}: another process is preparing this store; wait for it to end, then try again."
        ) from None
    except OSError as error:
        raise _told(error, to) from error
    return open_store(to)


def _existing(archive: "Archive", to: Path, rates: Sequence[int]) -> Store | None:
    """The store that is already there, if it will do."""
    if not to.exists() or not any(to.iterdir()):
        return None
    if not (to / INFO).exists():
        raise EcgcoreError(f"{to}: holds files that are no store; choose an empty folder.")
    store = open_store(to)
    if store.fingerprint != archive.fingerprint:
        raise EcgcoreError(
            f"{to}: is the store of another archive ({store.name}); choose another folder or "
            "delete it."
        )
    return store if set(rates) <= set(store.rates_hz) else None


def _build(
    archive: "Archive",
    to: Path,
    rates: Sequence[int],
    strict: bool,
    jobs: int,
    progress: Progress | None,
) -> None:
    partial = to.with_name(to.name + ".partial")
    key = {"fingerprint": archive.fingerprint, "rates_hz": list(rates), "chunk": CHUNK}
    done = _resume(partial, key)
    parts = list(_parts(archive, rates, partial))
    _check_space(archive, rates, partial, done)
    for rate_hz in rates:
        file = partial / f"adu_{rate_hz}.npy"
        if not file.exists():
            arrayfile.create(file, len(archive.table), rate_hz * DURATION_S)
    issues = _decode_all(parts, done, partial, strict, jobs, progress)
    _finish(archive, partial, rates, issues)
    old = to.with_name(to.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if to.exists():
        os.replace(to, old)
    os.replace(partial, to)
    shutil.rmtree(old, ignore_errors=True)


def _parts(archive: "Archive", rates: Sequence[int], partial: Path) -> Iterator[_Part]:
    ids = archive.table.index.to_list()
    for rate_hz in rates:
        stems = archive.stems(rate_hz)
        for start in range(0, len(ids), CHUNK):
            stop = start + CHUNK
            file = partial / f"adu_{rate_hz}.npy"
            yield _Part(rate_hz, start, tuple(ids[start:stop]), tuple(stems[start:stop]), file)


def _resume(partial: Path, key: dict[str, Any]) -> dict[tuple[int, int], list[Issue]]:
    """Parts that an earlier call finished; an unfinished store of anything else is dropped."""
    log = partial / LOG
    lines: list[dict[str, Any]] = []
    if log.exists():
        for line in log.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:  # the line being written when the power went
                break
    if not lines or lines[0] != key:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        lines = [key]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return {(line["rate_hz"], line["start"]): line["issues"] for line in lines[1:]}


def _check_space(
    archive: "Archive", rates: Sequence[int], partial: Path, done: dict[tuple[int, int], Any]
) -> None:
    n_samples = len(archive.table) * sum(rates) * DURATION_S
    n_samples -= sum(CHUNK * rate_hz * DURATION_S for rate_hz, _ in done)
    needed, free = arrayfile.row_bytes(n_samples), shutil.disk_usage(partial).free
    if needed > free:
        raise EcgcoreError(
            f"{partial.parent}: the disk is too full for this store: {needed / 2**30:.2g} GiB "
            f"needed, {free / 2**30:.2g} GiB free; free some space or choose another folder."
        )


def _decode_all(
    parts: Sequence[_Part],
    done: dict[tuple[int, int], list[Issue]],
    partial: Path,
    strict: bool,
    jobs: int,
    progress: Progress | None,
) -> list[Issue]:
    """Decode what is not done yet; note each part once its samples are written."""
    todo = [part for part in parts if (part.rate_hz, part.start) not in done]
    issues = [issue for found in done.values() for issue in found]
    n_all = sum(len(part.stems) for part in parts)
    n_done = n_all - sum(len(part.stems) for part in todo)
    with (
        open(partial / LOG, "a", encoding="utf-8") as log,
        ThreadPoolExecutor(max_workers=max(1, jobs)) as pool,
    ):
        try:
            for part, found in zip(todo, pool.map(_decode, todo), strict=True):
                if strict:
                    _refuse_damaged(found)
                line = {"rate_hz": part.rate_hz, "start": part.start, "issues": found}
                log.write(json.dumps(line) + "\n")
                log.flush()
                issues += found
                n_done += len(part.stems)
                if progress:
                    progress(n_done, n_all)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return issues


def _decode(part: _Part) -> list[Issue]:
    """Decode one part into its place in the file; runs in a thread."""
    adu = np.empty((len(part.stems), N_LEADS, part.rate_hz * DURATION_S), dtype=np.int16)
    problems = decode_into(adu, part.stems, part.rate_hz)
    arrayfile.write_rows(part.file, part.start, adu)
    return [
        {
            "ecg_id": part.ecg_ids[position],
            "rate_hz": part.rate_hz,
            "lead": "",
            "kind": problem.kind,
            "severity": "error",
            "detail": problem.detail,
        }
        for position, problem in problems.items()
    ]


def _refuse_damaged(issues: Sequence[Issue]) -> None:
    for issue in issues:
        if issue["severity"] == "error":
            raise EcgcoreError(
                f"strict: record {issue['ecg_id']} is damaged: {issue['detail']} "
                "(without strict it is left out and listed.)"
            )


def _finish(
    archive: "Archive", partial: Path, rates: Sequence[int], issues: Sequence[Issue]
) -> None:
    """Drop damaged records from the arrays and write the tables; ``store.json`` last."""
    damaged = {issue["ecg_id"] for issue in issues if issue["severity"] == "error"}
    kept = [row for row, ecg_id in enumerate(archive.table.index) if ecg_id not in damaged]
    if not kept:
        first = next(issue["detail"] for issue in issues if issue["severity"] == "error")
        raise EcgcoreError(
            f"{archive.name}: none of its {len(archive.table)} records can be decoded; "
            f"the first: {first}"
        )
    (partial / LOG).unlink()  # from here on the arrays no longer match it
    if damaged:
        for rate_hz in rates:
            arrayfile.keep_rows(partial / f"adu_{rate_hz}.npy", kept, rate_hz * DURATION_S)
    table = archive.table.iloc[kept]
    table = table.assign(scp_codes=table["scp_codes"].map(json.dumps))
    table.to_parquet(partial / TABLE)
    archive.statements.to_csv(partial / "statements.csv")
    columns = ["ecg_id", "rate_hz", "lead", "kind", "severity", "detail"]
    pd.DataFrame(issues, columns=columns).to_csv(partial / "quality.csv", index=False)
    if archive.is_simulated:
        for rate_hz in rates:
            _copy_layers(archive, partial, rate_hz, set(table.index))
    info = {
        "layout": LAYOUT_VERSION,
        "name": archive.name,
        "fingerprint": archive.fingerprint,
        "rates_hz": list(rates),
        "n_records": len(kept),
        "n_left_out": len(damaged),
        "simulation": archive.simulation,
    }
    (partial / INFO).write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")


def _copy_layers(archive: "Archive", partial: Path, rate_hz: int, kept: set[int]) -> None:
    """Decode the layers of a simulated archive: only the records that have one."""
    for layer in LAYERS:
        stems = {k: v for k, v in archive.layer_stems(rate_hz, layer).items() if k in kept}
        file, n_samples = partial / f"{layer}_{rate_hz}.npy", rate_hz * DURATION_S
        np.save(partial / f"{layer}_{rate_hz}_ids.npy", np.array(list(stems), dtype=np.int64))
        arrayfile.create(file, len(stems), n_samples)
        paths = list(stems.values())
        for start in range(0, len(paths), CHUNK):
            adu = read_signals_adu(paths[start : start + CHUNK], rate_hz, n_samples)
            arrayfile.write_rows(file, start, adu)


def _told(error: OSError, to: Path) -> EcgcoreError:
    """The sentence for an error of the file system."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EcgcoreError(
            f"{to}: the disk is full; free some space and prepare again: what is done is kept."
        )
    return EcgcoreError(f"{to}: cannot be written ({error.strerror}: {error.filename}).")

"""From an archive to a prepared store: resumable, parallel, in constant memory, all or nothing."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from ecgcore import files
from ecgcore.errors import EcgcoreError
from ecgcore.wfdb16 import arrayfile, checks
from ecgcore.wfdb16.checks import Issue
from ecgcore.wfdb16.decode import decode_into
from ecgcore.wfdb16.finish import finish
from ecgcore.wfdb16.layout import N_LEADS
from ecgcore.wfdb16.store import CHUNK, DURATION_S, INFO, Store, is_current, open_store

if TYPE_CHECKING:
    from ecgcore.ptbxl import Archive

LOG = "done.jsonl"
"""Which parts of an unfinished store are done, and what was found in them."""

Progress = Callable[[int, int], None]
"""Called with records done and records in all."""


@dataclass(frozen=True)
class _Part:
    """Some records of one rate, and where they go."""

    rate_hz: int
    start: int
    ecg_ids: tuple[int, ...]
    stems: tuple[str, ...]
    file: Path | None


@dataclass(frozen=True)
class _Done:
    """What was found in a part: issues, and a key of each record for the search of duplicates."""

    issues: list[Issue]
    keys: dict[int, str]


_Progress = dict[tuple[int, int], _Done]
"""Parts that are done, by rate and start."""


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

    A record that is damaged at one of the rates is left out at all of them; that and all else
    that was noticed is listed in the store's ``quality`` (:mod:`ecgcore.wfdb16.checks`).
    An interrupted call goes on where it stopped; a second process waits.

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
        raise files.told(error, to) from error
    return open_store(to)


def inspect(
    archive: "Archive", rates_hz: Sequence[int], *, progress: Progress | None = None
) -> list[Issue]:
    """All issues that :func:`prepare` would note, without writing anything."""
    done: _Progress = {}
    parts = list(_parts(archive, rates_hz, None))
    for number, part in enumerate(parts, start=1):
        done[part.rate_hz, part.start] = _decode(part)
        if progress:
            progress(number, len(parts))
    return _all_issues(archive, rates_hz, done)


def _existing(archive: "Archive", to: Path, rates: Sequence[int]) -> Store | None:
    """The store that is already there, if it will do."""
    files.mend(to)
    if not to.exists() or not any(to.iterdir()):
        return None
    if not (to / INFO).exists():
        raise EcgcoreError(f"{to}: holds files that are no store; choose an empty folder.")
    if not is_current(to):
        return None  # an older version's: made again
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
        arrayfile.create(partial / f"adu_{rate_hz}.npy", len(archive.table), rate_hz * DURATION_S)
    _decode_all(parts, done, partial, strict, jobs, progress)
    issues = _all_issues(archive, rates, done)
    (partial / LOG).unlink()  # from here on the arrays may no longer match it
    finish(archive, partial, rates, issues, _twins(rates, done))
    files.put(partial, to)


def _parts(archive: "Archive", rates: Sequence[int], partial: Path | None) -> Iterator[_Part]:
    ids = archive.table.index.to_list()
    for rate_hz in rates:
        stems = archive.stems(rate_hz)
        for start in range(0, len(ids), CHUNK):
            stop = start + CHUNK
            file = partial / f"adu_{rate_hz}.npy" if partial else None
            yield _Part(rate_hz, start, tuple(ids[start:stop]), tuple(stems[start:stop]), file)


def _resume(partial: Path, key: dict[str, Any]) -> _Progress:
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
    return {(line["rate_hz"], line["start"]): _read_done(line) for line in lines[1:]}


def _read_done(line: dict[str, Any]) -> _Done:
    keys = {int(ecg_id): key for ecg_id, key in line["keys"].items()}
    return _Done([Issue(**issue) for issue in line["issues"]], keys)


def _check_space(archive: "Archive", rates: Sequence[int], partial: Path, done: _Progress) -> None:
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
    done: _Progress,
    partial: Path,
    strict: bool,
    jobs: int,
    progress: Progress | None,
) -> None:
    """Decode what is not in ``done``; note each part there and in the log once it is written."""
    todo = [part for part in parts if (part.rate_hz, part.start) not in done]
    n_all = sum(len(part.stems) for part in parts)
    n_done = n_all - sum(len(part.stems) for part in todo)
    if strict:
        _refuse_damaged(issue for found in done.values() for issue in found.issues)
    with (
        open(partial / LOG, "a", encoding="utf-8") as log,
        ThreadPoolExecutor(max_workers=max(1, jobs)) as pool,
    ):
        try:
            for part, found in zip(todo, pool.map(_decode, todo), strict=True):
                done[part.rate_hz, part.start] = found
                line = {"rate_hz": part.rate_hz, "start": part.start, **asdict(found)}
                log.write(json.dumps(line) + "\n")
                log.flush()
                if strict:
                    _refuse_damaged(found.issues)
                n_done += len(part.stems)
                if progress:
                    progress(n_done, n_all)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _decode(part: _Part) -> _Done:
    """Decode one part into its place in the file; runs in a thread."""
    adu = np.empty((len(part.stems), N_LEADS, part.rate_hz * DURATION_S), dtype=np.int16)
    problems = decode_into(adu, part.stems, part.rate_hz)
    if part.file:
        arrayfile.write_rows(part.file, part.start, adu)
    issues = checks.check_signals(adu, part.ecg_ids, part.rate_hz, problems)
    keys = zip(part.ecg_ids, checks.digests(adu), strict=True)
    return _Done(issues, {e: key for k, (e, key) in enumerate(keys) if k not in problems})


def _refuse_damaged(issues: Iterable[Issue]) -> None:
    for issue in issues:
        if issue.severity == "error":
            raise EcgcoreError(
                f"strict: record {issue.ecg_id} at {issue.rate_hz} Hz: {issue.detail} "
                "(Without strict, damaged records are left out and listed.)"
            )


def _all_issues(archive: "Archive", rates: Sequence[int], done: _Progress) -> list[Issue]:
    """Everything found: in the signals, between records, and in the tables."""
    issues = [issue for found in done.values() for issue in found.issues]
    for rate_hz, twins in _twins(rates, done).items():
        issues += checks.check_twins(twins, archive.table, rate_hz)
    return issues + checks.check_tables(archive, rates)


def _twins(rates: Sequence[int], done: _Progress) -> dict[int, dict[int, int]]:
    """Records that repeat an earlier one, by rate."""
    keys: dict[int, dict[int, str]] = {rate_hz: {} for rate_hz in rates}
    for (rate_hz, _), found in done.items():
        keys[rate_hz] |= found.keys
    return {rate_hz: checks.find_twins(of_rate) for rate_hz, of_rate in keys.items()}

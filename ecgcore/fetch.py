"""PTB-XL from PhysioNet or a mirror: in parallel, resumed, verified, whole or not at all."""

import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pooch
from filelock import FileLock, Timeout

from ecgcore import files
from ecgcore.errors import EcgcoreError
from ecgcore.ptbxl import (
    CHECKSUMS,
    DATABASE,
    RATES_HZ,
    STATEMENTS,
    Archive,
    check_names,
    read_checksums,
)
from ecgcore.transfer import Transfer

PTBXL_URL = "https://physionet.org/files/ptb-xl/1.0.3/"
"""PTB-XL 1.0.3, file by file (CC BY 4.0; doi:10.13026/kfzx-aw45)."""

Progress = Callable[[int, int], None]
"""Called with files done and files in all."""


@dataclass(frozen=True)
class Plan:
    """What a fetch will do: ``files`` to get with their SHA-256, and their estimated size."""

    files: Mapping[str, str]
    n_bytes: int

    def __str__(self) -> str:
        return f"{len(self.files):,} files, about {self.n_bytes / 1e9:.2g} GB"


def fetch(
    to: Path | str,
    *,
    rates_hz: Sequence[int] | None = None,
    base_url: str = PTBXL_URL,
    jobs: int = 8,
    transfer: Transfer | None = None,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
) -> Archive:
    """Fetch an archive in PTB-XL's layout, or what is missing of it.

    Every file is compared with the archive's ``SHA256SUMS.txt``. What arrived before a break is
    kept and not fetched again; a new archive gets its name only once it is whole.

    Parameters
    ----------
    to
        Folder of the archive; if it is there, wrong and missing files are replaced.
    rates_hz
        Which sampling rates; all by default.
    base_url
        Folder that holds ``SHA256SUMS.txt``, or a zip file of the whole archive (``.zip``).
    jobs
        Files at a time.
    transfer
        Retries and time-outs.
    progress, announce
        Called with files done and in all; with a sentence on size before the transfer.

    Raises
    ------
    EcgcoreError
        Server unreachable, file missing or wrong after retries, unsafe path, full disk, another
        process at work. Running it again goes on where it stopped.
    """
    to = Path(to)
    for rate_hz in rates_hz or ():
        if rate_hz not in RATES_HZ:
            raise EcgcoreError(f"rate: PTB-XL has no {rate_hz} Hz; expected 100 or 500.")
    transfer = transfer or Transfer()
    say = announce or (lambda _: None)
    folder = to if (to / DATABASE).exists() else to.with_name(to.name + ".partial")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(to.with_name(to.name + ".fetch.lock"), timeout=0):
            if to.exists() and folder != to and any(to.iterdir()):
                raise EcgcoreError(f"{to}: holds files that are no archive; choose another folder.")
            folder.mkdir(exist_ok=True)
            if base_url.lower().endswith(".zip"):
                _from_zip(folder, base_url, rates_hz, transfer, say)
            else:
                _file_by_file(folder, base_url, rates_hz, jobs, transfer, progress, say)
            if folder != to:
                if to.exists():
                    to.rmdir()
                os.replace(folder, to)
    except Timeout:
        raise EcgcoreError(f"{to}: another process is fetching to this folder.") from None
    except OSError as error:
        raise files.told(error, to) from error
    return Archive(to)


def plan(listed: Mapping[str, str], rates_hz: Sequence[int] | None = None) -> Plan:
    """Which of the listed files are needed, by name and SHA-256.

    Raises
    ------
    EcgcoreError
        A name that leads out of the archive's folder.
    """
    check_names(listed)
    left_out = {
        f"records{rate_hz}" for rate_hz in RATES_HZ if rate_hz not in (rates_hz or RATES_HZ)
    }
    files = {n: digest for n, digest in listed.items() if n.split("/")[0] not in left_out}
    return Plan(files, sum(map(_estimate, files)))


def _estimate(name: str) -> int:
    """Bytes of a file, judged by its name: listings carry no sizes."""
    rate_hz = next((rate for rate in RATES_HZ if name.startswith(f"records{rate}/")), 0)
    if not rate_hz:
        return 10_000_000 if name == DATABASE else 50_000
    return 240 * rate_hz if name.endswith(".dat") else 700


def _file_by_file(
    folder: Path,
    base_url: str,
    rates_hz: Sequence[int] | None,
    jobs: int,
    transfer: Transfer,
    progress: Progress | None,
    say: Callable[[str], None],
) -> None:
    base_url = base_url.rstrip("/") + "/"
    pooch.get_logger().setLevel("ERROR")
    listing = folder / (CHECKSUMS + ".partial")
    listing.unlink(missing_ok=True)
    transfer(base_url + CHECKSUMS, str(listing), None)
    wanted = plan(read_checksums(listing), rates_hz)
    for needed in (DATABASE, STATEMENTS):
        if needed not in wanted.files:
            raise EcgcoreError(
                f"{base_url}{CHECKSUMS}: does not list {needed}; not a PTB-XL archive."
            )
    say(f"{base_url}: {wanted}")
    registry = {name: f"sha256:{digest}" for name, digest in wanted.files.items()}
    for parent in {(folder / name).parent for name in registry}:
        parent.mkdir(parents=True, exist_ok=True)  # pooch's own making of folders can race
    remote = pooch.create(path=folder, base_url=base_url, registry=registry)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            arrivals = pool.map(lambda name: _one(remote, name, transfer), registry)
            for n_done, _ in enumerate(arrivals, start=1):
                if progress:
                    progress(n_done, len(registry))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    os.replace(listing, folder / CHECKSUMS)


def _one(remote: pooch.Pooch, name: str, transfer: Transfer) -> None:
    """Fetch one file unless it is there and right; wrong bytes are tried again."""
    for _ in range(3):
        try:
            remote.fetch(name, downloader=transfer)
            return
        except EcgcoreError:
            raise
        except ValueError:  # pooch: the hash differs
            continue
    raise EcgcoreError(
        f"{remote.get_url(name)}: its bytes differ from {CHECKSUMS}, three times in a row; "
        "the mirror is damaged: name another."
    )


def _from_zip(
    folder: Path,
    url: str,
    rates_hz: Sequence[int] | None,
    transfer: Transfer,
    say: Callable[[str], None],
) -> None:
    """Fetch the zip of the whole archive beside the folder, unpack what is wanted, verify."""
    file = folder.with_name(folder.name + ".zip")
    say(f"{url}: one zip file (about 1.8 GB for the whole of PTB-XL 1.0.3)")
    if not zipfile.is_zipfile(file):
        transfer(url, str(file), None)
    try:
        with zipfile.ZipFile(file) as archive:
            _unpack(archive, folder, rates_hz)
        verify(folder, rates_hz)
    except zipfile.BadZipFile as error:
        raise EcgcoreError(f"{url}: is not a whole zip file ({error}); run it again.") from None
    finally:
        file.unlink()  # unpacked, or of no use


def _unpack(archive: zipfile.ZipFile, folder: Path, rates_hz: Sequence[int] | None) -> None:
    """Unpack the members of a PTB-XL zip, less the folder around them."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    check_names(member.filename for member in members)
    for member in members:
        if stat.S_ISLNK(member.external_attr >> 16):
            raise EcgcoreError(f"{member.filename!r}: is a link; expected plain files only.")
    databases = [m.filename for m in members if PurePosixPath(m.filename).name == DATABASE]
    if not databases:
        raise EcgcoreError(f"{archive.filename}: holds no {DATABASE}; not a PTB-XL archive.")
    prefix = min(databases, key=len).removesuffix(DATABASE)
    inside = {m.filename.removeprefix(prefix): m for m in members if m.filename.startswith(prefix)}
    for name in plan(dict.fromkeys(inside, ""), rates_hz).files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".partial")
        with archive.open(inside[name]) as source, open(partial, "wb") as out:
            shutil.copyfileobj(source, out)
        os.replace(partial, target)


def verify(folder: Path, rates_hz: Sequence[int] | None = None) -> None:
    """Compare an archive with its ``SHA256SUMS.txt``; ``EcgcoreError`` names what is wrong."""
    wrong = Archive(folder).verify(rates_hz=rates_hz)
    if len(wrong):
        first = wrong.iloc[0]
        raise EcgcoreError(
            f"{folder / first['file']}: {first['problem']} ({len(wrong)} such files of those that "
            f"{CHECKSUMS} lists); fetch the archive again."
        )

"""Download published datasets with pooch: in parallel, verified, and resumable."""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import requests
from tqdm import tqdm

from ecgcore import files
from ecgcore.data.archive import CHECKSUMS, DATABASE, STATEMENTS, read_checksums
from ecgcore.errors import EcgcoreError, check_choice

RETRIES, TIMEOUT_S, N_AT_A_TIME = 4, 30.0, 8
_NETWORKS = {
    62: "a636ac66f58e7d22a8b1a8426bca797d7ddecd5da23f2e524e4f0f29705bd853",
    100: "0bae5137250b0236408780664674f8fd253bace98d8950bae90d3c3cce6804db",
    250: "a7b7d7267d26b14806ffbf19523772f0027a43cf581999df2aea63caa195a4d4",
    500: "becd97ddb1b081046edc561735530953e834f8d97275d916b5cd5e986562cfe4",
}
"""SHA-256 over the sorted names and the bytes of the tensors of five folds, by rate in Hz."""
_CHECKPOINT = "checkpoints/ptb-xl/{}hz/cnn1d/fold_{}/best.pt"


def _check_networks(folder: Path) -> None:
    """Compare the tensors with the published ones, and write safetensors files beside them."""
    import torch
    from safetensors.torch import save_file

    for rate_hz, expected in _NETWORKS.items():
        digest = hashlib.sha256()
        for fold in range(1, 6) if (folder / _CHECKPOINT.format(rate_hz, 1)).exists() else ():
            path = folder / _CHECKPOINT.format(rate_hz, fold)
            state = torch.load(path, map_location="cpu", weights_only=True)
            for name in sorted(state):
                digest.update(name.encode() + state[name].contiguous().numpy().tobytes())
            save_file(state, published_weights(folder, rate_hz)[fold - 1])
            if fold == 5 and digest.hexdigest() != expected:
                raise EcgcoreError(f"{path.parents[1]}: these are not the published networks.")


def published_weights(folder: Path | str, rate_hz: int) -> list[Path]:
    """Return the weights of paper B's CNN1D at one rate, one file per fold, in a fetched folder."""
    name = f"sampling-matters-cnn1d-{rate_hz}hz-fold{{}}.safetensors"
    return [Path(folder, name.format(fold)) for fold in range(1, 6)]


class Dataset(NamedTuple):
    """A published dataset, incomplete without the ``needed`` files.

    Its ``SHA256SUMS.txt`` lists all files; where it has none, ``check`` verifies the needed ones.
    """

    title: str
    url: str
    size: str
    needed: tuple[str, ...]
    check: Callable[[Path], None] | None = None


_PHYSIONET = "https://physionet.org/files"
DATASETS = {
    "ptbxl": Dataset(
        "PTB-XL 1.0.3",
        f"{_PHYSIONET}/ptb-xl/1.0.3/",
        "3 GB at both rates, 0.6 GB at 100 Hz alone",
        (DATABASE, STATEMENTS),
    ),
    "ludb": Dataset("LUDB 1.0.1", f"{_PHYSIONET}/ludb/1.0.1/", "30 MB", ("ludb.csv",)),
    "sampling-matters": Dataset(
        "the networks of Sampling Matters",
        "https://github.com/vlbthambawita/AF_detection_vs_freq/raw/"
        "3b4e80eb3bb476282046aea512ec2d7531b034ba/",
        "12 MB",
        tuple(_CHECKPOINT.format(rate_hz, k) for rate_hz in _NETWORKS for k in range(1, 6)),
        _check_networks,
    ),
}
"""PTB-XL: CC BY 4.0, doi:10.13026/kfzx-aw45. LUDB: ODC-By 1.0, doi:10.13026/eegm-h675. The CNN1D of
arXiv 2604.16437, 4 rates x 5 folds: MIT License."""


def fetch(
    name: str, to: Path | str, *, rates_hz: Sequence[int] | None = None, mirror: str | None = None
) -> Path:
    """Fetch a dataset of :data:`DATASETS`, or its files that are missing or damaged.

    Returns the folder; a new one gets its name only when it is complete. Every file is verified,
    and files already fetched are kept. ``rates_hz`` selects sampling rates (default: all);
    ``mirror`` is the URL of another folder with the same files. Prints the size, and shows progress
    on a terminal. Raises ``EcgcoreError`` if the server is unreachable or sends a web page, a file
    is missing or wrong after all retries, a path is unsafe, or the disk is full; the same call then
    continues.
    """
    check_choice("dataset", name, DATASETS)
    dataset, to = DATASETS[name], files.expand(to)
    url = (mirror or dataset.url).rstrip("/") + "/"
    with files.file_errors(to):
        to.parent.mkdir(parents=True, exist_ok=True)
        with files.locked(to, wait_s=0):
            is_there = any((to / file).exists() for file in dataset.needed)
            if to.exists() and not is_there and any(to.iterdir()):
                why = f"contains files that are not {dataset.title}; choose another folder"
                raise EcgcoreError(f"{to}: {why}.")
            folder = to if is_there else to.with_name(to.name + ".partial")
            folder.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as inside:
                listed: Mapping[str, str | None] = dict.fromkeys(dataset.needed)
                if not dataset.check:
                    _fetch_files(url, Path(inside), {CHECKSUMS: None})
                    listed = read_checksums(Path(inside, CHECKSUMS))
                selected = _of_rates(listed, dataset, rates_hz)
                print(f"{url}: {len(selected):,} files of {dataset.title} ({dataset.size})")
                _fetch_files(url, folder, selected)
                if dataset.check:
                    dataset.check(folder)
                else:
                    os.replace(Path(inside, CHECKSUMS), folder / CHECKSUMS)
            if folder != to:
                files.replace_folder(folder, to)
    return to


def _of_rates(
    listed: Mapping[str, str | None], dataset: Dataset, rates_hz: Sequence[int] | None
) -> dict[str, str | None]:
    """Return the files of some sampling rates (default: all), and those that belong to none."""
    matches = {n: re.search(r"(?:^|/)(?:records(\d+)|(\d+)hz)/", n) for n in listed}
    rate_of = {n: int(match[1] or match[2]) if match else 0 for n, match in matches.items()}
    known = sorted(set(rate_of.values()) - {0})
    for rate_hz in set(rates_hz or ()) - set(known):
        raise EcgcoreError(f"rate: {rate_hz} Hz is not in {dataset.title}; choose from {known}.")
    return {n: digest for n, digest in listed.items() if rate_of[n] in (0, *(rates_hz or known))}


def _fetch_files(url: str, folder: Path, digests: Mapping[str, str | None]) -> None:
    """Fetch files in parallel, except those that are already there and correct."""
    import pooch  # imports tqdm.auto, which warns in a kernel without widgets

    remote = pooch.create(folder, url, registry=dict(digests), retry_if_failed=RETRIES)
    pooch.get_logger().setLevel("ERROR")
    for parent in {(folder / name).parent for name in digests}:
        parent.mkdir(parents=True, exist_ok=True)  # pooch creates them without a lock
    with ThreadPoolExecutor(N_AT_A_TIME) as pool, requests.Session() as session:

        def download(address: str, output_file: str, _: object) -> None:
            with session.get(address, stream=True, timeout=TIMEOUT_S) as answer:
                answer.raise_for_status()
                if answer.headers.get("Content-Type", "").startswith("text/html"):
                    raise ValueError("the server sent a web page; sign in")
                with open(output_file, "wb") as file:
                    file.writelines(answer.iter_content(1 << 16))

        def fetch_one(name: str) -> None:
            try:
                remote.fetch(name, downloader=download)
            except (requests.exceptions.RequestException, ValueError) as error:
                cause = str(error).partition(": expected")[0]  # from pooch
                why = f"failed {RETRIES + 1} times in a row ({cause}); check network and address"
                why += ", or name another mirror, and run it again: fetched files are kept"
                raise EcgcoreError(f"{remote.get_url(name)}: {why}.") from None

        try:
            arrivals = pool.map(fetch_one, digests)
            list(tqdm(arrivals, total=len(digests), unit="file", disable=None))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise

"""Fetching from a local server that misbehaves in every way we could think of."""

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from archives import write_archive
from filelock import FileLock
from refusal import refused
from safetensors.torch import load_file

from ecgcore.data import Archive, fetch
from ecgcore.data.fetch import DATASETS
from ecgcore.errors import EcgcoreError

ONE = "records100/00000/00003_lr.dat"


class Server(ThreadingHTTPServer):
    """A server of a folder; ``faults`` maps a file to what goes wrong and how often."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.faults: dict[str, tuple[str, int]] = {}
        self.requests: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.lstrip("/")
        self.server.requests[name] += 1
        fault, times = self.server.faults.get(name, ("", 0))
        if times < self.server.requests[name]:
            fault = ""
        file = Path(self.directory) / name
        if fault.isdigit() or not file.is_file():
            self.send_error(int(fault or 404))
            return
        content = file.read_bytes()
        content = b"?" + content[1:] if fault == "wrong" else content
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if fault == "page" else "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if fault == "drop" else content)
        self.close_connection = True


def sums_of(folder: Path) -> str:
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS.txt")
    return "".join(
        f"{hashlib.sha256(p.read_bytes()).hexdigest()} {p.relative_to(folder).as_posix()}\n"
        for p in paths
    )


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small archive with checksums, as on a mirror."""
    folder = write_archive(tmp_path_factory.mktemp("mirror") / "ptb-xl")
    (folder / "SHA256SUMS.txt").write_text(sums_of(folder), encoding="utf-8")
    return folder


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    with Server(folder) as served, pytest.MonkeyPatch.context() as patch:
        patch.setattr("pooch.core.time.sleep", lambda _: None)
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield served
        served.shutdown()
        thread.join()


@pytest.fixture
def server(origin: Path) -> Iterator[Server]:
    with serving(origin.parent) as served:
        yield served


def get(server: Server, to: Path, **options: object) -> Archive:
    return Archive(fetch("ptbxl", to, mirror=f"{server.url}/ptb-xl", **options))  # type: ignore[arg-type]


def test_only_the_requested_rate_is_fetched_and_the_other_later(
    server: Server, origin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = get(server, tmp_path / "a", rates_hz=(100,))
    assert archive.rates_hz == (100,)
    assert archive.verify().empty
    assert not any(name.startswith("ptb-xl/records500") for name in server.requests)
    server.requests.clear()
    assert get(server, tmp_path / "a").rates_hz == (100, 500)
    assert not any(name.startswith("ptb-xl/records100") for name in server.requests)
    assert sums_of(tmp_path / "a") == sums_of(origin)
    assert "26 files of PTB-XL 1.0.3" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert DATASETS["ptbxl"].url.endswith("/1.0.3/")


@pytest.mark.parametrize("fault", ["drop", "503", "wrong"])
def test_a_transient_fault_is_overcome(
    server: Server, origin: Path, tmp_path: Path, fault: str
) -> None:
    server.faults[f"ptb-xl/{ONE}"] = (fault, 2)
    assert sums_of(get(server, tmp_path / "a").path) == sums_of(origin)
    assert server.requests[f"ptb-xl/{ONE}"] == 3


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("404", r"00003_lr\.dat: failed 5 times in a row \(404"),
        ("wrong", r"00003_lr\.dat: .*hash of downloaded file.*does not match"),
    ],
)
def test_a_persistent_fault_is_named_and_received_files_are_kept(
    server: Server, origin: Path, tmp_path: Path, fault: str, sentence: str
) -> None:
    server.faults[f"ptb-xl/{ONE}"] = (fault, 99)
    refused(sentence, get, server, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    n_arrived = len(list((tmp_path / "a.partial").rglob("*.dat")))
    assert n_arrived > 0
    server.faults.clear()
    server.requests.clear()
    assert sums_of(get(server, tmp_path / "a").path) == sums_of(origin)
    assert sum(name.endswith(".dat") for name in server.requests) == 12 - n_arrived


def test_a_web_page_instead_of_checksums_is_recognised(server: Server, tmp_path: Path) -> None:
    server.faults["ptb-xl/SHA256SUMS.txt"] = ("page", 99)
    refused(r"SHA256SUMS\.txt: .*the server sent a web page", get, server, tmp_path / "a")


def test_a_file_damaged_on_disk_is_fetched_again(
    server: Server, origin: Path, tmp_path: Path
) -> None:
    archive = get(server, tmp_path / "a")
    (archive.path / ONE).write_bytes(b"damaged")
    server.requests.clear()
    get(server, tmp_path / "a")
    assert sums_of(archive.path) == sums_of(origin)
    assert set(server.requests) == {"ptb-xl/SHA256SUMS.txt", f"ptb-xl/{ONE}"}


def test_wrong_requests_are_refused_before_fetching(server: Server, tmp_path: Path) -> None:
    refused(r".*check network", fetch, "ptbxl", tmp_path / "a", mirror="http://127.0.0.1:9/x")
    refused(r"SHA256SUMS.txt: failed.*404", fetch, "ptbxl", tmp_path / "a", mirror=server.url)
    refused(r"250 Hz is not in PTB-XL 1.0.3", get, server, tmp_path / "a", rates_hz=(250,))
    (tmp_path / "thesis.txt").write_text("mine")
    refused("contains files that are not PTB-XL", get, server, tmp_path)
    with (
        FileLock(tmp_path / "a.lock"),
        pytest.raises(EcgcoreError, match="another process is working there"),
    ):
        get(server, tmp_path / "a")


def test_published_networks_are_verified_by_their_tensors(shared: Path, tmp_path: Path) -> None:
    """Checkpoints with the published tensors pass; one with a changed weight does not."""
    mirror, name = tmp_path / "mirror", "sampling-matters-cnn1d-62hz-fold{}.safetensors"
    for fold in range(1, 6):
        state = load_file(shared / "published-weights" / name.format(fold))
        place = mirror / f"checkpoints/ptb-xl/62hz/cnn1d/fold_{fold}/best.pt"
        place.parent.mkdir(parents=True)
        torch.save(state, place)
    with serving(mirror) as server:
        options = {"mirror": server.url, "rates_hz": (62,)}
        folder = fetch("sampling-matters", tmp_path / "a", **options)
        again = load_file(folder / name.format(5))
        assert all(torch.equal(again[key], state[key]) for key in state)
        state["classifier.2.bias"] += 1
        torch.save(state, place)
        refused("not the published networks", fetch, "sampling-matters", tmp_path / "b", **options)

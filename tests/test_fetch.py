"""Fetching from a server on loopback that misbehaves in every way we could think of."""

import hashlib
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from archives import write_archive
from filelock import FileLock

from ecgcore.errors import EcgcoreError
from ecgcore.fetch import PTBXL_URL, check_names, fetch, plan
from ecgcore.ptbxl import Archive
from ecgcore.transfer import Transfer

QUICK = Transfer(retries=3, timeout_s=2.0, wait_s=0.01)
ONE = "records100/00000/00003_lr.dat"


class Server(ThreadingHTTPServer):
    """Serves a folder; ``faults`` maps a file to what goes wrong, and how often."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.faults: dict[str, tuple[str, int]] = {}
        self.requests: Counter[str] = Counter()
        self.ranges: list[str] = []
        self.with_ranges = True

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
        if times >= self.server.requests[name] and fault.isdigit():
            self.send_error(int(fault))
            return
        file = Path(self.directory) / name
        if not file.is_file():
            self.send_error(404)
            return
        content, start = file.read_bytes(), 0
        if times >= self.server.requests[name] and fault == "wrong":
            content = b"?" + content[1:]
        wanted = self.headers.get("Range")
        if wanted and self.server.with_ranges:
            self.server.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if times >= self.server.requests[name] and fault == "drop":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif times >= self.server.requests[name] and fault == "stall":
            time.sleep(0.6)
        elif fault == "slow":
            for k in range(0, len(body), 4096):
                self.wfile.write(body[k : k + 4096])
                time.sleep(0.01)
        else:
            self.wfile.write(body)


def sums_of(folder: Path) -> str:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS.txt")
    return "".join(
        f"{hashlib.sha256(p.read_bytes()).hexdigest()} {p.relative_to(folder).as_posix()}\n"
        for p in files
    )


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small archive with checksums, as a mirror holds it."""
    folder = write_archive(tmp_path_factory.mktemp("mirror") / "ptb-xl")
    (folder / "SHA256SUMS.txt").write_text(sums_of(folder), encoding="utf-8")
    return folder


@pytest.fixture
def server(origin: Path) -> Iterator[Server]:
    served = Server(origin.parent)
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


def get(server: Server, to: Path, **options: object) -> Archive:
    return fetch(to, base_url=f"{server.url}/ptb-xl", transfer=QUICK, **options)  # type: ignore[arg-type]


def same(a: Path, b: Path) -> bool:
    return sums_of(a) == sums_of(b)


def test_all_files_arrive_and_are_right(server: Server, origin: Path, tmp_path: Path) -> None:
    said: list[str] = []
    steps: list[tuple[int, int]] = []
    archive = get(
        server,
        tmp_path / "new" / "a",
        announce=said.append,
        progress=lambda *now: steps.append(now),
    )
    assert same(archive.path, origin)
    assert archive.rates_hz == (100, 500)
    assert archive.verify().empty
    assert "26 files" in said[0]
    assert steps[-1] == (26, 26)
    assert sorted(p.name for p in (tmp_path / "new").iterdir() if p.suffix != ".lock") == ["a"]


def test_only_the_wanted_rate_is_fetched_and_the_other_later(
    server: Server, origin: Path, tmp_path: Path
) -> None:
    archive = get(server, tmp_path / "a", rates_hz=(100,))
    assert archive.rates_hz == (100,)
    assert archive.verify().empty
    assert not any(name.startswith("ptb-xl/records500") for name in server.requests)
    server.requests.clear()
    assert get(server, tmp_path / "a").rates_hz == (100, 500)
    assert not any(name.startswith("ptb-xl/records100") for name in server.requests)
    assert same(tmp_path / "a", origin)


@pytest.mark.parametrize("fault", ["drop", "503", "500", "429", "wrong"])
def test_a_fault_that_passes_is_overcome(
    server: Server, origin: Path, tmp_path: Path, fault: str
) -> None:
    server.faults[f"ptb-xl/{ONE}"] = (fault, 2)
    assert same(get(server, tmp_path / "a").path, origin)
    assert server.requests[f"ptb-xl/{ONE}"] == 3


def test_a_dropped_file_goes_on_where_it_stopped(
    server: Server, origin: Path, tmp_path: Path
) -> None:
    server.faults[f"ptb-xl/{ONE}"] = ("drop", 1)
    get(server, tmp_path / "a")
    assert server.ranges == ["bytes=8192-"]  # whole blocks of the 12,000 bytes that came


def test_a_server_without_ranges_starts_the_file_again(
    server: Server, origin: Path, tmp_path: Path
) -> None:
    server.with_ranges = False
    server.faults[f"ptb-xl/{ONE}"] = ("drop", 2)
    assert same(get(server, tmp_path / "a").path, origin)


def test_a_slow_server_is_waited_for(server: Server, origin: Path, tmp_path: Path) -> None:
    server.faults[f"ptb-xl/{ONE}"] = ("slow", 1)
    assert same(get(server, tmp_path / "a").path, origin)


def test_a_silent_server_is_asked_again(server: Server, origin: Path, tmp_path: Path) -> None:
    server.faults[f"ptb-xl/{ONE}"] = ("stall", 1)
    impatient = Transfer(retries=2, timeout_s=0.2, wait_s=0.01)
    archive = fetch(tmp_path / "a", base_url=f"{server.url}/ptb-xl/", transfer=impatient)
    assert same(archive.path, origin)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("404", "00003_lr.dat: the server answers 404 Not Found"),
        ("503", "answers 503 Service Unavailable, 4 times in a row"),
        ("wrong", "00003_lr.dat: its bytes differ from SHA256SUMS.txt"),
    ],
)
def test_a_fault_that_stays_is_told_and_what_arrived_is_kept(
    server: Server, origin: Path, tmp_path: Path, fault: str, said: str
) -> None:
    server.faults[f"ptb-xl/{ONE}"] = (fault, 99)
    with pytest.raises(EcgcoreError, match=said):
        get(server, tmp_path / "a", jobs=1)
    assert not (tmp_path / "a").exists()
    arrived = len(list((tmp_path / "a.partial").rglob("*.dat")))
    assert arrived > 0
    server.faults.clear()
    server.requests.clear()
    assert same(get(server, tmp_path / "a").path, origin)
    assert sum(name.endswith(".dat") for name in server.requests) == 12 - arrived


def test_a_file_damaged_on_disk_is_fetched_again(
    server: Server, origin: Path, tmp_path: Path
) -> None:
    archive = get(server, tmp_path / "a")
    (archive.path / ONE).write_bytes(b"damaged")
    assert archive.verify().to_dict("records") == [{"file": ONE, "problem": "differs"}]
    server.requests.clear()
    get(server, tmp_path / "a")
    assert same(archive.path, origin)
    assert set(server.requests) == {"ptb-xl/SHA256SUMS.txt", f"ptb-xl/{ONE}"}


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(EcgcoreError, match=r"the connection broke.*check the network"):
        fetch(tmp_path / "a", base_url="http://127.0.0.1:9/x", transfer=QUICK)


def test_wrong_folder_of_a_mirror(server: Server, tmp_path: Path) -> None:
    with pytest.raises(EcgcoreError, match=r"SHA256SUMS.txt: the server answers 404"):
        fetch(tmp_path / "a", base_url=server.url, transfer=QUICK)


def test_a_folder_with_other_files_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(EcgcoreError, match="holds files that are no archive"):
        get(server, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_two_processes_do_not_fetch_to_one_folder(server: Server, tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / "a.fetch.lock"),
        pytest.raises(EcgcoreError, match="another process is fetching"),
    ):
        get(server, tmp_path / "a")


def test_a_rate_that_ptbxl_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(EcgcoreError, match="PTB-XL has no 250 Hz"):
        fetch(tmp_path / "a", rates_hz=(250,), base_url="http://127.0.0.1:9/")


@pytest.mark.parametrize("name", ["../x.csv", "/etc/x", "a/../../x", "C:/x", "..\\x"])
def test_a_path_that_climbs_out_is_refused(name: str) -> None:
    with pytest.raises(EcgcoreError, match="leads out of the archive's folder"):
        check_names(["ptbxl_database.csv", name])


def test_the_estimate_is_about_right(ptbxl_500: Path) -> None:
    listed = Archive(ptbxl_500)
    sizes = sum(p.stat().st_size for p in ptbxl_500.rglob("records*/**/*") if p.is_file())
    names = {
        f"{n}{s}": ""
        for r in (100, 500)
        for n in listed.table[{100: "filename_lr", 500: "filename_hr"}[r]]
        for s in (".dat", ".hea")
    }
    assert plan(names).n_bytes == pytest.approx(sizes, rel=0.05)
    assert plan(names, (100,)).n_bytes < plan(names).n_bytes / 4
    assert PTBXL_URL.endswith("/1.0.3/")


@pytest.fixture
def zipped(origin: Path, tmp_path: Path) -> Path:
    """The archive as PhysioNet zips it: in a folder with a long name."""
    file = origin.parent / "ptb-xl.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(p for p in origin.rglob("*") if p.is_file()):
            archive.write(path, f"ptb-xl-a-large-dataset-1.0.3/{path.relative_to(origin)}")
    return file


def get_zip(server: Server, to: Path, **options: object) -> Archive:
    return fetch(to, base_url=f"{server.url}/ptb-xl.zip", transfer=QUICK, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", ["", "drop", "503"])
def test_a_zip_is_unpacked_and_verified(
    server: Server, origin: Path, zipped: Path, tmp_path: Path, fault: str
) -> None:
    server.faults["ptb-xl.zip"] = (fault, 1)
    assert same(get_zip(server, tmp_path / "a").path, origin)
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".lock"] == ["a"]


def test_a_zip_goes_on_after_the_process_ended(
    server: Server, origin: Path, zipped: Path, tmp_path: Path
) -> None:
    server.faults["ptb-xl.zip"] = ("drop", 1)
    url = f"{server.url}/ptb-xl.zip"
    with pytest.raises(EcgcoreError, match="the connection broke"):
        fetch(tmp_path / "a", base_url=url, transfer=Transfer(retries=0))
    assert same(get_zip(server, tmp_path / "a").path, origin)
    (start,) = server.ranges
    assert int(start.removeprefix("bytes=").rstrip("-")) > 0.4 * zipped.stat().st_size


def test_one_rate_of_a_zip(server: Server, zipped: Path, tmp_path: Path) -> None:
    assert get_zip(server, tmp_path / "a", rates_hz=(500,)).rates_hz == (500,)


@pytest.mark.parametrize("name", ["../evil.txt", "x/../../evil.txt", "/evil.txt"])
def test_a_zip_that_climbs_out_is_refused(
    server: Server, zipped: Path, tmp_path: Path, name: str
) -> None:
    with zipfile.ZipFile(zipped, "a") as archive:
        archive.writestr(name, "evil")
    with pytest.raises(EcgcoreError, match="leads out of the archive's folder"):
        get_zip(server, tmp_path / "deep" / "a")
    assert not list(tmp_path.rglob("*evil*"))
    assert not (tmp_path / "deep" / "a").exists()


def test_a_zip_with_a_link_is_refused(server: Server, zipped: Path, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("ptb-xl-a-large-dataset-1.0.3/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(zipped, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(EcgcoreError, match="is a link"):
        get_zip(server, tmp_path / "a")


def test_what_is_no_zip_and_what_is_another_zip(
    server: Server, zipped: Path, tmp_path: Path
) -> None:
    zipped.write_bytes(b"<html>please log in</html>")
    with pytest.raises(EcgcoreError, match="is not a whole zip file"):
        get_zip(server, tmp_path / "a")
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(EcgcoreError, match=r"holds no ptbxl_database\.csv"):
        get_zip(server, tmp_path / "a")


def test_a_zip_with_wrong_bytes_is_refused(
    server: Server, origin: Path, zipped: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(zipped, "w") as archive:
        for path in sorted(p for p in origin.rglob("*") if p.is_file()):
            content = b"x" if path.name == "00003_lr.dat" else path.read_bytes()
            archive.writestr(path.relative_to(origin).as_posix(), content)
    with pytest.raises(EcgcoreError, match=r"00003_lr\.dat: differs"):
        get_zip(server, tmp_path / "a")
    assert not (tmp_path / "a").exists()

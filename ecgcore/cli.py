"""The command line: thin, one function a command, one sentence an error.

The only module that reads environment variables: ``ECGCORE_ARCHIVE`` is the archive that
``run`` and ``doctor`` use when none is named; ``CUDA_VISIBLE_DEVICES`` the GPUs that runs share.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ecgcore import files
from ecgcore.errors import EcgcoreError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when done, 2 after an error told in one sentence."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except EcgcoreError as error:
        print(f"ecgcore: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"ecgcore: {files.told(error, 'files')}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ecgcore: stopped; run the same command again to go on.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ecgcore", description="ECG deep learning, as a study.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="execute a notebook with parameters")
    run.set_defaults(command=_run)
    run.add_argument("notebook", type=Path)
    run.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    run.add_argument("-f", "--file", type=Path, help="YAML file of parameters")
    run.add_argument("--out", type=Path, required=True, help="run directory")
    run.add_argument("--timeout", type=int, metavar="S", help="longest time for one cell")
    run.add_argument("--force", action="store_true", help="repeat a run that is there already")
    run.add_argument(
        "--keep-heap",
        action="store_true",
        help="keep freed memory: large batches on a CPU are faster, memory stays at its peak",
    )

    run.add_argument(
        "--one-gpu", action="store_true", help="take one GPU that no other such run has, or wait"
    )

    params = commands.add_parser("params", help="list the parameters of a notebook")
    params.set_defaults(command=_params)
    params.add_argument("notebook", type=Path)

    simulate = commands.add_parser("simulate", help="write a simulated archive")
    simulate.set_defaults(command=_simulate)
    simulate.add_argument("--to", type=Path, required=True)
    simulate.add_argument("--records", type=int, default=1500)
    simulate.add_argument("--seed", type=int, default=1)
    simulate.add_argument("--jobs", type=int, default=1)
    simulate.add_argument(
        "--prevalence",
        nargs="*",
        metavar="NAME=SHARE",
        help="shares of conditions; PTB-XL's if none",
    )

    fetch = commands.add_parser("fetch", help="download PTB-XL 1.0.3 and verify it")
    fetch.set_defaults(command=_fetch)
    fetch.add_argument("dataset", choices=["ptbxl"])
    fetch.add_argument("--to", type=Path, required=True)
    fetch.add_argument("--rate", type=int, action="append", metavar="HZ", help="100 or 500; both")
    fetch.add_argument("--mirror", metavar="URL", help="another place, or the URL of the zip")
    fetch.add_argument("--jobs", type=int, default=8, help="files at a time")

    prepare = commands.add_parser("prepare", help="make the int16 store of an archive")
    prepare.set_defaults(command=_prepare)
    prepare.add_argument("archive", type=Path)
    prepare.add_argument("--to", type=Path, required=True)
    prepare.add_argument("--strict", action="store_true", help="stop at the first bad record")

    explain = commands.add_parser("explain", help="one ECG through a trained run, with reasons")
    explain.set_defaults(command=_explain)
    explain.add_argument("record", type=Path, help="a WFDB record with the 12 leads")
    explain.add_argument("--model", type=Path, required=True, metavar="RUN", help="run directory")
    explain.add_argument("--method", help="attribution; the network's own if none is named")
    explain.add_argument("--start", type=float, default=0.0, metavar="S", help="where to begin")
    explain.add_argument("--window", type=float, default=0.5, metavar="S", help="of the segments")
    explain.add_argument("--stride", type=float, metavar="S", help="their step; half a window")
    explain.add_argument("--top", type=int, default=5, metavar="K", help="segments to list")
    explain.add_argument("--out", type=Path, default=Path("explained"), help="folder; explained")

    doctor = commands.add_parser("doctor", help="what is installed, which device, which archive")
    doctor.set_defaults(command=_doctor)
    doctor.add_argument("--archive", default=None)

    explorer = commands.add_parser("explorer", help="data for the book's ECG explorer")
    explorer.set_defaults(command=_explorer)
    explorer.add_argument("--run", type=Path, action="append", required=True, metavar="RUN")
    explorer.add_argument("--store", type=Path, required=True, help="the store the runs read")
    explorer.add_argument("--to", type=Path, required=True)
    explorer.add_argument("--records", type=int, default=6)
    explorer.add_argument("--steps", type=int, default=16, help="of methods that have steps")
    explorer.add_argument("--window", type=float, default=0.5, metavar="S", help="of occlusion")
    explorer.add_argument("--methods", nargs="+", metavar="METHOD", help="attributions to store")

    course = commands.add_parser("course", help="notebooks for students and for teachers")
    course.set_defaults(command=_course)
    course.add_argument("--to", type=Path, required=True)

    release = commands.add_parser("release", help="PDF, offline zip, results, checksums")
    release.set_defaults(command=_release)
    release.add_argument("--html", type=Path, required=True, help="the built book")
    release.add_argument("--to", type=Path, required=True)

    launch = commands.add_parser("launch", help="notebooks that install themselves on Colab")
    launch.set_defaults(command=_launch)
    launch.add_argument("--repository", required=True, metavar="OWNER/NAME", help="on GitHub")
    launch.add_argument("--ref", required=True, help="commit that they install")
    launch.add_argument("--to", type=Path, required=True)

    book = commands.add_parser("book", help="stage executed notebooks and build the book")
    book.set_defaults(command=_book)
    book.add_argument("--runs", type=Path, required=True, help="folder of run directories")
    book.add_argument("--page", action="append", default=[], metavar="NAME=RUN", required=True)
    book.add_argument("--explorer", type=Path, help="folder that the command explorer wrote")
    book.add_argument("--tier", required=True)
    book.add_argument("--repository", default="", metavar="OWNER/NAME", help="for launch links")
    book.add_argument("--staging", type=Path, required=True)
    book.add_argument("--html", type=Path, required=True)
    return parser


def _run(options: argparse.Namespace) -> None:
    from ecgcore import parameters, study

    declared = {p.name: p for p in parameters.of_notebook(options.notebook)}
    given: dict[str, Any] = _from_yaml(options.file) if options.file else {}
    if "archive" in declared and os.environ.get("ECGCORE_ARCHIVE"):
        given.setdefault("archive", os.environ["ECGCORE_ARCHIVE"])
    for text in options.parameter:
        name, equals, value = text.partition("=")
        if not equals:
            raise EcgcoreError(f"-p {text}: expected NAME=VALUE, for example -p rate_hz=125.")
        if name not in declared:
            raise parameters.unknown(name, declared)
        given[name] = declared[name].parse_text(value)
    if options.keep_heap:
        _keep_heap()
    with _one_gpu() if options.one_gpu else contextlib.nullcontext():
        out = study.run_notebook(
            options.notebook, given, options.out, timeout_s=options.timeout, force=options.force
        )
    print(out)


@contextlib.contextmanager
def _one_gpu() -> Iterator[None]:
    """Let the kernel see one of the GPUs that this process may use, which nobody else has."""
    from ecgcore import gpus

    name = "CUDA_VISIBLE_DEVICES"
    with gpus.claim(os.environ.get(name), Path(tempfile.gettempdir())) as claimed:
        os.environ[name] = claimed
        yield


def _keep_heap() -> None:
    """As :func:`ecgcore.train.keep_heap`, for the kernel: glibc reads this as a process starts."""
    largest = 2**31 - 1
    ours = f"glibc.malloc.mmap_threshold={largest}:glibc.malloc.trim_threshold={largest}"
    before = os.environ.get("GLIBC_TUNABLES")
    os.environ["GLIBC_TUNABLES"] = f"{before}:{ours}" if before else ours


def _from_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise EcgcoreError(f"{path}: not a readable YAML file of parameters ({error}).") from None
    if not isinstance(content, dict):
        raise EcgcoreError(f"{path}: expected lines 'name: value'.")
    return content


def _params(options: argparse.Namespace) -> None:
    from ecgcore import parameters

    for p in parameters.of_notebook(options.notebook):
        print(f"{p.name} = {p.default!r}\n    {p.meaning}: {p.expected}")


def _simulate(options: argparse.Namespace) -> None:
    from ecgcore import simulate

    simulate.simulate_archive(
        options.to,
        n_records=options.records,
        seed=options.seed,
        prevalence=_shares(options.prevalence),
        jobs=options.jobs,
    )
    print(options.to)


def _shares(texts: Sequence[str] | None) -> dict[str, float] | None:
    try:
        pairs = (text.split("=") for text in texts or ())
        return {name: float(share) for name, share in pairs} or None
    except ValueError:
        raise EcgcoreError(f"--prevalence {texts}: expected NAME=SHARE, such as AF=0.2.") from None


def _fetch(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ecgcore.fetch import PTBXL_URL, fetch

    with tqdm(unit="file", disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        archive = fetch(
            options.to,
            rates_hz=options.rate,
            base_url=options.mirror or PTBXL_URL,
            jobs=options.jobs,
            progress=progress,
            announce=print,
        )
    print(archive.summary())


def _prepare(options: argparse.Namespace) -> None:
    from ecgcore import ptbxl, wfdb16

    store = wfdb16.prepare(ptbxl.Archive(options.archive), options.to, strict=options.strict)
    rates = " and ".join(map(str, store.rates_hz))
    print(f"{options.to}: {len(store.table)} records at {rates} Hz")
    print(f"{len(store.left_out)} left out as damaged; all faults: {options.to / 'quality.csv'}")


def _explain(options: argparse.Namespace) -> None:
    from ecgcore import explain_record, own

    done = explain_record.explain_record(
        own.load_record(options.record),
        explain_record.open_run(options.model),
        method=options.method,
        start_s=options.start,
        window_s=options.window,
        stride_s=options.stride,
        k=options.top,
    )
    print(*done.in_words(), *done.save(options.out), explain_record.NOT_A_DEVICE, sep="\n")


def _doctor(options: argparse.Namespace) -> None:
    from ecgcore import doctor

    archive = options.archive or os.environ.get("ECGCORE_ARCHIVE")
    lines, healthy = doctor.report(archive)
    print("\n".join(lines))
    if not healthy:
        raise EcgcoreError("something above is not in order.")


def _explorer(options: argparse.Namespace) -> None:
    from ecgcore import explorer

    how = explorer.Options(
        n_records=options.records,
        methods=tuple(options.methods or explorer.Options.methods),
        n_steps=options.steps,
        window_s=options.window,
    )
    explorer.export(options.run, options.store, options.to, how)
    print(options.to)


def _course(options: argparse.Namespace) -> None:
    from ecgcore import course

    course.export(Path("book/course"), options.to)
    print(options.to / "student", options.to / "instructor", sep="\n")


def _release(options: argparse.Namespace) -> None:
    from ecgcore import release

    print(*release.make_release(options.html, options.to, root=Path.cwd()), sep="\n")


def _launch(options: argparse.Namespace) -> None:
    from ecgcore import launch

    export = launch.export(
        Path("notebooks"), options.to, repository=options.repository, ref=options.ref
    )
    print(*export, sep="\n")


def _book(options: argparse.Namespace) -> None:
    from ecgcore import launch, staging

    repository = options.repository and launch.check_repository(options.repository)
    pages = dict(text.split("=", 1) for text in options.page)
    runs = {name: options.runs / run for name, run in pages.items()}
    options.html.parent.mkdir(parents=True, exist_ok=True)
    with files.alone(options.html):
        staging.stage(
            Path.cwd(), runs, options.staging, tier=options.tier, explorer=options.explorer,
            gallery=options.runs, repository=repository,
        )  # fmt: skip
        staging.build_book(options.staging, options.html)
    print(options.html / "index.html")

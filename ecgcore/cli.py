"""The command line: thin, one function per command, one sentence per error.

The only module that reads environment variables: ``ECGCORE_ARCHIVE`` is the archive that ``run``
and ``doctor`` use when none is named.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ecgcore import files
from ecgcore.errors import EcgcoreError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 when done, 2 after an error reported in one sentence."""
    try:
        options = _parser().parse_args(arguments)
        return options.command(options) or 0
    except EcgcoreError as error:
        message = str(error)
    except OSError as error:
        message = str(files.file_error(error, "files"))
    except MemoryError:
        message = "there is not enough memory for this; free some, or ask for less."
    except KeyboardInterrupt:
        print("ecgcore: stopped; run the same command again to go on.", file=sys.stderr)
        return 130
    print(f"ecgcore: {message}", file=sys.stderr)
    return 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise EcgcoreError(f"{message}; {self.prog} --help lists what is possible.")


def _whole(low: int, high: int) -> Callable[[str], int]:
    """Return a type for an option that is a whole number within limits."""

    def parse(text: str) -> int:
        if not text.strip().lstrip("+-").isdecimal() or not low <= int(text) <= high:
            why = f"{text!r} is not possible; expected a whole number from {low} to {high}"
            raise argparse.ArgumentTypeError(why)
        return int(text)

    return parse


def _path(text: str) -> Path:
    if "\0" in text or os.path.expanduser(text).startswith("~"):
        raise argparse.ArgumentTypeError(f"{text!r} holds a zero byte or names an unknown user")
    return files.expand(text)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="ecgcore", description="ECG deep learning, as a study.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(do: Callable[[argparse.Namespace], int | None], meaning: str) -> Callable[..., Any]:
        added = commands.add_parser(do.__name__.strip("_"), help=meaning, description=meaning)
        added.set_defaults(command=do)
        return added.add_argument

    add = command(_run, "execute a notebook with parameters")
    add("notebook", type=_path)
    add("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    add("-f", "--file", type=_path, help="YAML file of parameters")
    add("--out", type=_path, required=True, help="run directory")
    add("--timeout", type=_whole(1, 10**6), metavar="S", help="longest time per cell")
    add("--force", action="store_true", help="repeat a run that is there already")

    add = command(_params, "list the parameters of a notebook")
    add("notebook", type=_path)

    add = command(_simulate, "write a simulated archive")
    add("--to", type=_path, required=True)
    add("--records", type=_whole(1, 10**6), default=1500)
    add("--seed", type=_whole(0, 2**31), default=1)
    add("--jobs", type=_whole(1, 512), default=1)
    shares = "shares of conditions; PTB-XL's if none"
    add("--prevalence", nargs="*", default=[], metavar="NAME=SHARE", help=shares)
    device = "how far the type of device depends on the condition, 0 to 1"
    add("--device-confounding", type=float, default=0.0, metavar="SHARE", help=device)

    add = command(_fetch, "download a data set and verify it")
    add("dataset", choices=["ptbxl", "ludb", "sampling-matters"])
    add("--to", type=_path, required=True)
    add("--rate", type=_whole(1, 10**4), action="append", metavar="HZ", help="published; or all")
    add("--mirror", metavar="URL", help="folder with the same files")
    add("--jobs", type=_whole(1, 64), default=8, help="files at a time")

    add = command(_prepare, "make the int16 store of an archive")
    add("archive", type=_path)
    add("--to", type=_path, required=True)
    add("--strict", action="store_true", help="stop at the first bad record")

    add = command(_explain, "ECGs through a trained run, with reasons")
    add("records", type=_path, nargs="+", help="WFDB records, CSV or NumPy files")
    add("--model", type=_path, required=True, metavar="RUN", help="run directory")
    add("--rate", type=_whole(1, 10**4), metavar="HZ", help="of CSV and NumPy files")
    add("--unit", help="of CSV and NumPy files: mV, uV, V or nV")
    add("--method", help="attribution; the network's own if none is named")
    add("--start", type=float, default=0.0, metavar="S", help="where to begin")
    add("--window", type=float, default=0.5, metavar="S", help="of segments")
    add("--stride", type=float, metavar="S", help="step of segments; half a window")
    add("--top", type=_whole(1, 100), default=5, metavar="K", help="segments listed per sign")
    add("--out", type=_path, default=Path("explained"), help="folder; explained")

    add = command(_doctor, "what is installed, which device, which archive")
    add("--archive", type=_path)
    return parser


def _run(options: argparse.Namespace) -> None:
    from ecgcore import runs
    from ecgcore.runs import parameters

    declared = {p.name: p for p in parameters.of_notebook(options.notebook)}
    given: dict[str, Any] = parameters.from_yaml(options.file) if options.file else {}
    if "archive" in declared and os.environ.get("ECGCORE_ARCHIVE"):
        given.setdefault("archive", os.environ["ECGCORE_ARCHIVE"])
    for text in options.parameter:
        name, equals, value = text.partition("=")
        if not equals:
            raise EcgcoreError(f"-p {text}: expected NAME=VALUE, for example -p rate_hz=125.")
        given[name] = value
    timeout_s, force = options.timeout, options.force
    print(runs.run_notebook(options.notebook, given, options.out, timeout_s=timeout_s, force=force))


def _params(options: argparse.Namespace) -> None:
    from ecgcore.runs import parameters

    for p in parameters.of_notebook(options.notebook):
        print(f"{p.name} = {p.default!r}\n    {p.meaning}: {p.expected}")


def _simulate(options: argparse.Namespace) -> None:
    import ecgsim

    try:
        pairs = (text.split("=") for text in options.prevalence)
        prevalence = {name: float(share) for name, share in pairs}
        if not all(map(math.isfinite, prevalence.values())):
            raise ValueError
    except ValueError:
        why = "expected NAME=SHARE, such as AF=0.2"
        raise EcgcoreError(f"--prevalence {' '.join(options.prevalence)}: {why}.") from None
    ecgsim.simulate_archive(
        options.to,
        n_records=options.records,
        seed=options.seed,
        prevalence=prevalence or None,
        device_confounding=options.device_confounding,
        jobs=options.jobs,
    )
    print(options.to)


def _fetch(options: argparse.Namespace) -> None:
    from ecgcore.data import fetch

    rates_hz, mirror = options.rate, options.mirror
    print(fetch(options.dataset, options.to, rates_hz=rates_hz, mirror=mirror, jobs=options.jobs))


def _prepare(options: argparse.Namespace) -> None:
    from ecgcore.data import Archive, prepare

    store = prepare(Archive(options.archive), options.to, strict=options.strict)
    rates = " and ".join(map(str, store.rates_hz))
    print(f"{options.to}: {len(store.table)} records at {rates} Hz")
    print(f"{len(store.left_out)} left out as damaged; all problems: {options.to / 'quality.csv'}")


def _explain(options: argparse.Namespace) -> int:
    """Explain every record that can be explained; say of the others why not."""
    from ecgcore.data import load_record
    from ecgcore.runs import explain
    from ecgcore.runs.trained import load_trained_run

    run = load_trained_run(options.model)
    part = {"start_s": options.start, "duration_s": run.duration_s}
    segments = {"window_s": options.window, "stride_s": options.stride, "k": options.top}
    segments |= {"method": options.method, "start_s": options.start}
    explained: dict[str, explain.Explanation] = {}
    for path in options.records:
        try:
            record = load_record(path, rate_hz=options.rate, unit=options.unit, **part)
            if record.name in explained:
                why = "another record of this call has the same name; explain it in its own call"
                raise EcgcoreError(f"{record.name}: {why}.")
            explanation = explain.explain_record(record, run, **segments)
        except EcgcoreError as error:
            print(f"ecgcore: {error}", file=sys.stderr)
            continue
        out = options.out if len(options.records) == 1 else options.out / record.name
        print(*explanation.in_words(), *explanation.save(out), sep="\n")
        explained[record.name] = explanation
    if len(explained) > 1:
        path = options.out / "explained.csv"
        files.write_whole(path, explain.table(explained.values()).to_csv(index=False))
        print(path)
    if explained:
        print(explain.NOT_A_DEVICE)
    return 0 if len(explained) == len(options.records) else 2


def _doctor(options: argparse.Namespace) -> None:
    from ecgcore import doctor

    lines, is_healthy = doctor.report(options.archive or os.environ.get("ECGCORE_ARCHIVE"))
    print("\n".join(lines))
    if not is_healthy:
        raise EcgcoreError("at least one of the checks above failed.")

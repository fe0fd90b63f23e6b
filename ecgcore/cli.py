"""The command line: thin, one function per command, one sentence per error."""

import argparse
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
        options.command(options)
        return 0
    except EcgcoreError as error:
        message = str(error)
    except OSError as error:
        message = str(files.file_error(error, "files"))
    except MemoryError:
        message = "there is not enough memory for this; free some, or ask for less."
    except KeyboardInterrupt:
        print("ecgcore: stopped; run the same command again to continue.", file=sys.stderr)
        return 130
    print(f"ecgcore: {message}", file=sys.stderr)
    return 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise EcgcoreError(f"{message}; {self.prog} --help lists the options.")


def _path(text: str) -> Path:
    if "\0" in text or os.path.expanduser(text).startswith("~"):
        raise argparse.ArgumentTypeError(f"{text!r} contains a null byte or names an unknown user")
    return files.expand(text)


def _share(text: str) -> tuple[str, float]:
    name, _, share = text.partition("=")
    try:
        return name, float(share)
    except ValueError:
        why = f"{text!r}; expected NAME=SHARE, such as AF=0.2"
        raise argparse.ArgumentTypeError(why) from None


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="ecgcore", description="ECG deep learning, as a study.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(do: Callable[[argparse.Namespace], None], meaning: str) -> Callable[..., Any]:
        added = commands.add_parser(do.__name__.strip("_"), help=meaning, description=meaning)
        added.set_defaults(command=do)
        return added.add_argument

    add = command(_run, "execute a notebook with parameters")
    add("notebook", type=_path)
    add("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    add("-f", "--file", type=_path, help="YAML file of parameters")
    add("--out", type=_path, required=True, help="run directory")
    add("--force", action="store_true", help="repeat a finished run")

    add = command(_params, "list the parameters of a notebook")
    add("notebook", type=_path)

    add = command(_simulate, "write a simulated archive")
    add("--to", type=_path, required=True)
    add("--records", type=int, default=1500)
    add("--seed", type=int, default=1)
    add("--jobs", type=int, default=1)
    shares = "shares of conditions; by default PTB-XL's"
    add("--prevalence", type=_share, nargs="*", metavar="NAME=SHARE", help=shares)
    tied = "how strongly the type of device depends on the condition, 0 to 1"
    add("--device-confounding", type=float, default=0.0, metavar="SHARE", help=tied)

    add = command(_fetch, "download a data set and verify it")
    add("dataset", choices=["ptbxl", "ludb", "sampling-matters"])
    add("--to", type=_path, required=True)
    add("--rate", type=int, action="append", metavar="HZ", help="published rate; default: all")
    add("--mirror", metavar="URL", help="URL of the same files")

    add = command(_prepare, "prepare the int16 store of an archive")
    add("archive", type=_path)
    add("--to", type=_path, required=True)
    add("--strict", action="store_true", help="stop at the first damaged record")

    add = command(_explain, "explain an ECG with the network of a finished run")
    add("record", type=_path, help="WFDB record, .csv or .npy file")
    add("--model", type=_path, required=True, metavar="RUN", help="run directory")
    add("--rate", type=int, metavar="HZ", help="sampling rate of a .csv or .npy file")
    add("--unit", help="unit of a .csv or .npy file: mV, uV, V or nV")
    add("--method", help="attribution method; by default the network's own")
    add("--start", type=float, default=0.0, metavar="S", help="second to begin at")
    add("--out", type=_path, default=Path("explained"), help="folder for the results")

    add = command(_doctor, "show what is installed, the device and the state of an archive")
    add("--archive", type=_path)
    return parser


def _run(options: argparse.Namespace) -> None:
    from ecgcore import runs
    from ecgcore.runs import parameters

    overrides: dict[str, Any] = parameters.from_yaml(options.file) if options.file else {}
    for text in options.parameter:
        name, equals, value = text.partition("=")
        if not equals:
            raise EcgcoreError(f"-p {text}: expected NAME=VALUE, for example -p rate_hz=125.")
        overrides[name] = value
    print(runs.run_notebook(options.notebook, overrides, options.out, force=options.force))


def _params(options: argparse.Namespace) -> None:
    from ecgcore.runs import parameters

    for p in parameters.of_notebook(options.notebook):
        print(f"{p.name} = {p.default!r}\n    {p.meaning}: {p.expected}")


def _simulate(options: argparse.Namespace) -> None:
    import ecgsim

    ecgsim.simulate_archive(
        options.to,
        n_records=options.records,
        seed=options.seed,
        prevalence=dict(options.prevalence or []) or None,
        device_confounding=options.device_confounding,
        jobs=options.jobs,
    )
    print(options.to)


def _fetch(options: argparse.Namespace) -> None:
    from ecgcore.data import fetch

    print(fetch(options.dataset, options.to, rates_hz=options.rate, mirror=options.mirror))


def _prepare(options: argparse.Namespace) -> None:
    from ecgcore.data import Archive, prepare

    store = prepare(Archive(options.archive), options.to, strict=options.strict)
    rates = " and ".join(map(str, store.rates_hz))
    print(f"{options.to}: {len(store.table)} records at {rates} Hz")
    print(f"{len(store.left_out)} left out as damaged; all problems: {options.to / 'quality.csv'}")


def _explain(options: argparse.Namespace) -> None:
    from ecgcore.data import load_record
    from ecgcore.runs import trained

    run, start_s = trained.load_trained_run(options.model), options.start
    part = {"start_s": start_s, "duration_s": run.duration_s}
    record = load_record(options.record, rate_hz=options.rate, unit=options.unit, **part)
    explanation = trained.explain_record(record, run, method=options.method, start_s=start_s)
    print(*explanation.in_words(), *explanation.save(options.out), sep="\n")
    print(trained.NOT_A_DEVICE)


def _doctor(options: argparse.Namespace) -> None:
    """Describe this installation and a store or an archive, whose checksums are compared."""
    from ecgcore.data import Archive, open_store
    from ecgcore.runs import provenance
    from ecgcore.training import device_summary

    facts = provenance.here()
    print(f"python    {facts['python']} on {facts['machine']}, {os.cpu_count()} cores")
    print(f"packages  {', '.join(map(' '.join, facts['packages'].items()))}")
    print(f"device    {device_summary()}")
    if options.archive is None:
        print("archive   none given; notebooks use records that are simulated on first use")
        return
    is_store = (options.archive / "store.json").exists()
    source = open_store(options.archive) if is_store else Archive(options.archive)
    kind = "simulated" if source.is_simulated else "real"
    rates = " and ".join(map(str, source.rates_hz))
    print(f"archive   {source.path}: {kind}, {len(source.table)} records at {rates} Hz")
    if isinstance(source, Archive) and len(problems := source.verify()):
        why = f"{len(problems)} files are missing or changed (first: {problems.file[0]})"
        raise EcgcoreError(f"{source.path}: {why}.")

"""The command line of the book's tools; an error is one sentence and exit status 2."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ecgcore import files
from ecgcore.errors import EcgcoreError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        with files.file_errors("files"):
            return options.command(options) or 0
    except EcgcoreError as error:
        message, status = str(error), 2
    except KeyboardInterrupt:
        message, status = "stopped; run the same command again to continue.", 130
    print(f"book.tools: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="book.tools", description="What only the book needs.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(do: Callable[[argparse.Namespace], int | None], meaning: str) -> Callable[..., Any]:
        added = commands.add_parser(do.__name__.strip("_"), help=meaning)
        added.set_defaults(command=do)
        return added.add_argument

    add = command(_book, "lay out executed notebooks and build the book")
    add("--runs", type=Path, required=True, help="folder of run directories")
    add("--page", type=_page, action="append", required=True, metavar="NAME=RUN")
    add("--explorer", type=Path, help="folder that the command explorer wrote")
    add("--tier", required=True)
    add("--repository", default="", metavar="OWNER/NAME", help="for launch links")
    add("--staging", type=Path, required=True)
    add("--html", type=Path, required=True)

    add = command(_explorer, "data for the book's ECG explorer")
    add("--run", type=Path, action="append", required=True, metavar="RUN")
    add("--store", type=Path, required=True, help="the store of these runs")
    add("--to", type=Path, required=True)
    add("--records", type=int, default=6)
    add("--steps", type=int, default=16, help="of methods that have steps")
    add("--window", type=float, default=0.5, metavar="S", help="of occlusion")

    add = command(_course, "notebooks for students and for teachers")
    add("--to", type=Path, required=True)
    add("--execute", action="store_true", help="run the teacher's notebooks, for their outputs")

    add = command(_release, "PDF, offline zip, results, checksums")
    add("--html", type=Path, required=True, help="the built book")
    add("--to", type=Path, required=True)

    add = command(_launch, "notebooks that install themselves on Colab")
    add("--repository", required=True, metavar="OWNER/NAME", help="on GitHub")
    add("--ref", required=True, help="commit that they install")
    add("--to", type=Path, required=True)

    add = command(_progress, "run Snakemake; print runs done and time left")
    add("snakemake", nargs="+", metavar="WORD", help="the command, after --")
    return parser


def _page(text: str) -> tuple[str, str]:
    """Return page and run of a word such as ``imn_train=imn_train-62``."""
    name, _, run = text.partition("=")
    if not (name and run):
        raise argparse.ArgumentTypeError(f"{text}: expected NAME=RUN, the page and its run.")
    return name, run


def _book(options: argparse.Namespace) -> None:
    from book.tools import staging

    options.html.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(options.html):
        staging.stage(
            Path.cwd(),
            {page: options.runs / run for page, run in options.page},
            options.staging,
            tier=options.tier,
            explorer=options.explorer,
            gallery=options.runs,
            repository=options.repository,
        )
        staging.build_book(options.staging, options.html)
    print(f"The book: {options.html / 'index.html'}")


def _explorer(options: argparse.Namespace) -> None:
    from book.tools import explorer

    effort = {"n_steps": options.steps, "window_s": options.window}
    explorer.export(options.run, options.store, options.to, options.records, **effort)
    print(options.to)


def _course(options: argparse.Namespace) -> None:
    from book.tools import course

    course.export(Path("book/course"), options.to, execute=options.execute)
    print(options.to / "student", options.to / "instructor", sep="\n")


def _release(options: argparse.Namespace) -> None:
    from book.tools import release

    print(*release.make_release(options.html, options.to, root=Path.cwd()), sep="\n")


def _launch(options: argparse.Namespace) -> None:
    from book.tools import launch

    launch.export(Path("notebooks"), options.to, options.repository, options.ref)


def _progress(options: argparse.Namespace) -> int:
    from book.tools import progress

    return progress.run(options.snakemake)


if __name__ == "__main__":
    sys.exit(main())

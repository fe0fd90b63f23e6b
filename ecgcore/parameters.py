"""What a notebook's parameters cell declares, and the check of what a user passes.

A parameters cell holds one assignment a line, with a type and a comment::

    rate_hz: int = 100  # sampling rate [Hz]; allowed: 25..500
    model: str = "cnn1d"  # network; allowed: cnn1d | cnn_lstm

The cell is the only place where a parameter is declared: the check in the kernel, the command
line, and the book's tables all read it. papermill reads the same lines for ``--help-notebook``;
by itself it only warns of an unknown name and guesses types from text, which is why we check.
"""

import ast
import difflib
import hashlib
import io
import json
import re
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgcore.errors import EcgcoreError

INJECTED = "# Parameters"
"""First line of the cell that papermill injects."""

_TYPES = {"int": "an integer", "float": "a number", "str": "text", "bool": "true or false"}
_RANGE = re.compile(r"^(-?[\d.e+-]*?)\.\.(-?[\d.e+-]*)$")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook.

    ``kind`` is int, float, str, bool or ``list[...]`` of one of them; ``allowed`` is empty
    (anything of that type), a tuple of words, or a ``(low, high)`` pair in ``limits``.
    """

    name: str
    kind: str
    default: Any
    meaning: str
    unit: str = ""
    allowed: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None

    @property
    def expected(self) -> str:
        """What is allowed, in words, for an error message or a table."""
        item = self.kind.removeprefix("list[").removesuffix("]")
        words = _TYPES[item]
        if self.allowed:
            words = "one of " + ", ".join(self.allowed)
        elif self.limits:
            low, high = self.limits
            words += (
                f" of at least {low:g}" if high == float("inf") else f" from {low:g} to {high:g}"
            )
        if self.unit:
            words += f" [{self.unit}]"
        return f"a list, each item {words}" if self.kind.startswith("list[") else words

    def check(self, value: Any) -> Any:
        """Return ``value`` in the declared type, or raise :class:`EcgcoreError`."""
        try:
            if self.kind.startswith("list["):
                if isinstance(value, str) or not isinstance(value, Sequence):
                    raise ValueError
                return [self._check_item(item, self.kind[5:-1]) for item in value]
            return self._check_item(value, self.kind)
        except (ValueError, TypeError, OverflowError):
            raise EcgcoreError(
                f"Parameter '{self.name}': expected {self.expected}, got {value!r}."
            ) from None

    def _check_item(self, value: Any, kind: str) -> Any:
        value = _coerce(value, kind)
        if self.allowed and str(value) not in self.allowed:
            raise ValueError
        if self.limits and not self.limits[0] <= value <= self.limits[1]:
            raise ValueError
        return value

    def parse_text(self, text: str) -> Any:
        """Read a value given as text on a command line; lists as ``a,b`` or ``[a, b]``."""
        if not self.kind.startswith("list["):
            return self.check(text)
        items = [item.strip().strip("'\"") for item in text.strip().strip("[]").split(",")]
        return self.check([item for item in items if item])


def _coerce(value: Any, kind: str) -> Any:
    """Turn what YAML or papermill made of a value into its declared type, without guessing."""
    if kind == "bool":
        named = {"true": True, "false": False}
        if isinstance(value, bool):
            return value
        return named[value.lower()] if str(value).lower() in named else _refuse()
    if isinstance(value, bool):
        return _refuse()
    if kind == "str":
        return value if isinstance(value, str) and "\0" not in value else _refuse()
    if kind == "int" and (isinstance(value, int) or str(value).strip().lstrip("+-").isdecimal()):
        return int(value)  # not by way of a float, which would round beyond 2**53
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):
        return _refuse()
    if kind == "float":
        return number
    return int(number) if number == int(number) else _refuse()


def _refuse() -> Any:
    raise ValueError


def parse_cell(source: str) -> list[Parameter]:
    """Parameters declared by the source of a parameters cell.

    Raises
    ------
    EcgcoreError
        A line is not ``name: type = literal  # meaning [unit]; allowed: ...``.
    """
    try:
        comments = {
            token.start[0]: token.string.lstrip("# ")
            for token in tokenize.generate_tokens(io.StringIO(source, newline=None).readline)
            if token.type == tokenize.COMMENT
        }
        tree = ast.parse(source)
    except (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError) as error:
        raise EcgcoreError(f"Parameters cell: is not Python ({error}).") from None
    found = []
    lines = io.StringIO(source, newline=None).readlines()  # ends of lines as ast counts them
    for node in tree.body:
        line = lines[node.lineno - 1].strip()
        if not (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and node.value is not None
        ):
            raise EcgcoreError(f"Parameters cell: '{line}' is not 'name: type = value  # meaning'.")
        comment = comments.get(node.end_lineno or node.lineno, "")
        try:
            kind = ast.unparse(node.annotation)
            found.append(_declared(node.target.id, kind, node.value, comment))
        except EcgcoreError:
            raise
        except (ValueError, TypeError, RecursionError, MemoryError):
            raise EcgcoreError(
                f"Parameters cell: '{line}' needs a plain value, and limits that are numbers."
            ) from None
    return found


def _declared(name: str, kind: str, value: ast.expr, comment: str) -> Parameter:
    meaning, _, allowed_text = (part.strip() for part in comment.partition("; allowed:"))
    if kind.removeprefix("list[").removesuffix("]") not in _TYPES or not meaning:
        raise EcgcoreError(
            f"Parameters cell: '{name}' needs a comment, and a type: int, float, str, bool, list."
        )
    unit = re.search(r"\[([^\]]+)\]", meaning)
    bounds = _RANGE.match(allowed_text)
    limits = None
    if bounds:
        low, high = (float(text) if text else None for text in bounds.groups())
        limits = (
            low if low is not None else float("-inf"),
            high if high is not None else float("inf"),
        )
    words = tuple(word.strip() for word in allowed_text.split("|") if word.strip())
    return Parameter(
        name=name,
        kind=kind,
        default=ast.literal_eval(value),
        meaning=re.sub(r"\s*\[[^\]]+\]", "", meaning),
        unit=unit.group(1) if unit else "",
        allowed=() if bounds else words,
        limits=limits,
    )


def of_notebook(path: Path) -> list[Parameter]:
    """Parameters that a notebook file declares in its one cell tagged ``parameters``.

    Raises
    ------
    EcgcoreError
        No such file, not a notebook, or not exactly one parameters cell.
    """
    try:
        cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
        tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
        sources = ["".join(cell["source"]) for cell in tagged]
    except FileNotFoundError:
        raise EcgcoreError(f"{path}: no such notebook; the book's own are in notebooks/.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise EcgcoreError(f"{path}: not a Jupyter notebook (expected JSON with cells).") from None
    if len(tagged) != 1:
        raise EcgcoreError(
            f"{path}: expected exactly one cell tagged 'parameters', found {len(tagged)}."
        )
    return parse_cell(sources[0])


def check(declared: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter's value: what is given, checked, else the default.

    Raises
    ------
    EcgcoreError
        An unknown name (the nearest known one is offered) or a value that is not allowed.
    """
    known = {parameter.name: parameter for parameter in declared}
    for name in given:
        if name not in known:
            raise unknown(name, known)
    return {name: p.check(given.get(name, p.default)) for name, p in known.items()}


def unknown(name: str, known: Mapping[str, Any]) -> EcgcoreError:
    """Say that there is no parameter ``name``, and which are near."""
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return EcgcoreError(
        f"Parameter '{name}': there is no such parameter; {hint}allowed: {', '.join(known)}."
    )


PLACES = frozenset({"out", "tier", "device"})
"""Parameters that say where and for what page a run is made, not what it computes."""


def identity(notebook: str, values: Mapping[str, Any]) -> str:
    """Short hash of a notebook's name and its parameters less :data:`PLACES`."""
    kept = {name: value for name, value in values.items() if name not in PLACES}
    text = json.dumps([notebook, kept], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]

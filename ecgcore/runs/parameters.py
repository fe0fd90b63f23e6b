"""What a notebook's parameters cell declares, and the check of what a user passes.

A parameters cell holds one assignment per line, with a type and a comment::

    rate_hz: int = 100  # sampling rate [Hz]; allowed: 25..500
    model: str = "cnn1d"  # network; allowed: cnn1d | cnn_lstm
    weight_l1: float = -1.0  # penalty, -1 for the model's own; allowed: -1 | 0..

The cell is the only place where a parameter is declared. We check what papermill does not: it only
warns about an unknown name, and guesses types from text.
"""

import ast
import hashlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ecgcore.errors import EcgcoreError, check_choice

INJECTED = "# Parameters"
"""First line of the cell that papermill injects."""

NOT_COMPUTED = frozenset({"out", "tier", "device"})
"""Parameters that decide where a run is stored and shown, not what it computes."""

_TYPES = {"int": "an integer", "float": "a number", "str": "text", "bool": "true or false"}
_RANGE = re.compile(r"^(-?[\d.e+-]*?)\.\.(-?[\d.e+-]*)$")


class Parameter(NamedTuple):
    """One parameter of a notebook.

    ``kind`` is int, float, str, bool or ``list[...]`` of one of them. A value must be one of
    ``allowed`` or lie within ``limits``; with neither, anything of that type will do.
    """

    name: str
    kind: str
    default: Any
    meaning: str
    unit: str = ""
    allowed: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None

    @property
    def item_kind(self) -> str:
        """Type of the value, or of the items of a list."""
        return self.kind.removeprefix("list[").removesuffix("]")

    @property
    def expected(self) -> str:
        """What is allowed, in words, for an error message or a table."""
        words = _TYPES[self.item_kind]
        if self.limits:
            low, high = self.limits
            words += f" from {low:g} to {high:g}" if high < math.inf else f" of at least {low:g}"
            words += "".join(f", or {word}" for word in self.allowed)
        elif self.allowed:
            words = "one of " + ", ".join(self.allowed)
        if self.unit:
            words += f" [{self.unit}]"
        return f"a list, each item {words}" if self.kind.startswith("list[") else words

    def check(self, value: Any) -> Any:
        """Return ``value`` in the declared type, or raise :class:`EcgcoreError`."""
        try:
            if not self.kind.startswith("list["):
                return self._check_item(value)
            if isinstance(value, str):  # papermill -p and the command line pass lists as text
                items = (item.strip(" '\"") for item in value.strip("[] ").split(","))
                value = [item for item in items if item]
            if not isinstance(value, Sequence):
                raise TypeError
            return [self._check_item(item) for item in value]
        except (ValueError, TypeError, KeyError, OverflowError):
            raise EcgcoreError(
                f"Parameter '{self.name}': expected {self.expected}, got {value!r}."
            ) from None

    def _check_item(self, value: Any) -> Any:
        value = _coerce(value, self.item_kind)
        is_named = (f"{value:g}" if isinstance(value, float) else str(value)) in self.allowed
        is_within = self.limits is not None and self.limits[0] <= value <= self.limits[1]
        if (self.allowed or self.limits) and not is_named and not is_within:
            raise ValueError
        return value


def _coerce(value: Any, kind: str) -> Any:
    """Convert what YAML or papermill made of a value to its declared type, without guessing."""
    if kind == "bool":
        return {"true": True, "false": False}[str(value).lower()]
    if isinstance(value, bool):
        raise ValueError
    if kind == "str":
        if not isinstance(value, str) or "\0" in value:
            raise ValueError
        return value
    if kind == "int" and (isinstance(value, int) or str(value).strip().lstrip("+-").isdecimal()):
        return int(value)  # not by way of a float, which would round beyond 2**53
    number = float(value)
    if not math.isfinite(number) or (kind == "int" and not number.is_integer()):
        raise ValueError
    return number if kind == "float" else int(number)


def parse_cell(source: str) -> list[Parameter]:
    """Return the parameters that a cell declares.

    Raises :class:`EcgcoreError` for a line that is not ``name: type = literal # meaning [unit];
    allowed: ...``.
    """
    parameters = []
    for line in filter(None, map(str.strip, source.splitlines())):
        try:
            parameters.append(_declared(line))
        except (ValueError, TypeError, SyntaxError, AttributeError):
            raise EcgcoreError(
                f"Parameters cell: '{line}' is not 'name: type = value  # meaning', with a type of "
                "int, float, str, bool or list[...], a plain value, and limits that are numbers."
            ) from None
    return parameters


def _declared(line: str) -> Parameter:
    """Return what a line declares; any error means that it is no declaration."""
    (node,) = ast.parse(line).body
    comment = line.encode()[node.end_col_offset or 0 :].decode().strip().removeprefix("#").strip()
    if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
        raise ValueError
    kind, value = ast.unparse(node.annotation), ast.literal_eval(node.value or ast.Name("none"))
    meaning, _, allowed = (part.strip() for part in comment.partition("; allowed:"))
    unit, limits, words = re.search(r"\s*\[([^\]]+)\]", meaning), None, []
    for part in filter(None, map(str.strip, allowed.split("|"))):
        if bounds := _RANGE.match(part):
            limits = (float(bounds[1] or "-inf"), float(bounds[2] or "inf"))
        else:
            words.append(part)
    meaning = meaning.replace(unit[0], "") if unit else meaning
    parameter = Parameter(
        node.target.id, kind, value, meaning, unit[1] if unit else "", tuple(words), limits
    )
    if parameter.item_kind not in _TYPES or not meaning:
        raise ValueError
    return parameter


def of_notebook(path: Path) -> list[Parameter]:
    """Return the parameters that a notebook declares in its one cell tagged ``parameters``.

    Raises :class:`EcgcoreError` unless the file is a notebook with exactly one such cell.
    """
    try:
        cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
        tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
        sources = ["".join(cell["source"]) for cell in tagged]
    except FileNotFoundError:
        raise EcgcoreError(f"{path}: no such notebook; the book's own are in notebooks/.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise EcgcoreError(f"{path}: not a Jupyter notebook (expected JSON with cells).") from None
    if len(tagged) != 1:
        raise EcgcoreError(f"{path}: needs exactly one cell tagged parameters, has {len(tagged)}.")
    return parse_cell(sources[0])


def check(declared: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every parameter's value: the given one, checked, or else the default.

    ``archive``, ``runs`` and ``out`` may begin with ``~``. Raises ``EcgcoreError`` for an unknown
    name or a value that is not allowed.
    """
    known = {parameter.name: parameter for parameter in declared}
    for name in given:
        check_choice("parameters", name, known)
    values = {name: p.check(given.get(name, p.default)) for name, p in known.items()}
    folders = {"archive", "runs", "out"} & values.keys()
    return values | {name: os.path.expanduser(values[name]) for name in folders}


def computed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that say what is computed: all but :data:`NOT_COMPUTED`."""
    return {name: value for name, value in values.items() if name not in NOT_COMPUTED}


def identity(notebook: str, values: Mapping[str, Any]) -> str:
    """Return a short hash of a notebook's name and of its parameters in :func:`computed`."""
    text = json.dumps([notebook, computed(values)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def from_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file of parameters, in UTF-8.

    Raises :class:`EcgcoreError` for a missing file, another encoding, or anything but ``name:
    value``.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise EcgcoreError(f"{path}: is not a YAML file of parameters in UTF-8 ({why}).") from None
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise EcgcoreError(f"{path}: expected lines such as 'rate_hz: 125'.")
    return values

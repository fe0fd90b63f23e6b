"""The one exception that is meant for the user, and the check that raises it most often."""

import difflib
from collections.abc import Iterable


class EcgcoreError(ValueError):
    """A problem that the user can solve, described in one sentence.

    The sentence names the file, record, lead or parameter, what was expected, and what to do. The
    command line prints it alone and exits with status 2; a notebook shows it without a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        """Tell IPython to show the sentence only (IPython: *Integrating your objects*)."""
        return [f"{type(self).__name__}: {self}"]


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Raise ``EcgcoreError`` unless ``value`` is one of the choices; offer the nearest one."""
    if value not in (choices := list(choices)):
        near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        why = f"there is no {value!r}{hint}; expected one of {', '.join(choices)}"
        raise EcgcoreError(f"{name}: {why}.")

"""The one exception that is meant for the user."""


class EcgcoreError(ValueError):
    """A problem that the user can solve, described in one sentence.

    The sentence names the file, record, lead or parameter, what was expected, and what to do. The
    command line prints it alone and exits with status 2; a notebook shows it without a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        """Tell IPython to show the sentence only (IPython: *Integrating your objects*)."""
        return [f"{type(self).__name__}: {self}"]

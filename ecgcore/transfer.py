"""One file over HTTP that arrives whole: resumed where possible, retried where it may help."""

import time
from pathlib import Path
from threading import local

import requests

from ecgcore.errors import EcgcoreError

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes that may be different a moment later."""

_BLOCK = 1 << 13  # bytes; what a broken connection loses

_BROKEN = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


class Transfer:
    """A downloader for :mod:`pooch` (``downloader(url, output_file, pooch)``).

    Parameters
    ----------
    retries
        Further attempts after the first.
    timeout_s
        Longest silence of the server.
    wait_s
        Pause before the first retry; doubles with each.
    """

    def __init__(self, retries: int = 4, timeout_s: float = 30.0, wait_s: float = 1.0) -> None:
        self.retries, self.timeout_s, self.wait_s = retries, timeout_s, wait_s
        self._local = local()

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Download ``url`` to ``output_file``; what lies there already is continued."""
        path = Path(output_file)
        why = ""
        for attempt in range(self.retries + 1):
            if attempt:
                time.sleep(min(self.wait_s * 2 ** (attempt - 1), 60))
            try:
                why = self._attempt(url, path)
            except _BROKEN as error:
                why = f"the connection broke ({type(error).__name__})"
            except requests.exceptions.RequestException as error:
                raise EcgcoreError(f"{url}: cannot be fetched ({error}).") from None
            if not why:
                return
        raise EcgcoreError(
            f"{url}: {why}, {self.retries + 1} times in a row; check the network or name another "
            "mirror, then run it again: what has arrived is kept."
        )

    def _attempt(self, url: str, path: Path) -> str:
        """One request; returns why it is worth another, or nothing when the file is whole."""
        have = path.stat().st_size if path.exists() else 0
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with self._session().get(
            url, headers=headers, stream=True, timeout=self.timeout_s
        ) as response:
            if response.status_code in _AGAIN:
                return f"the server answers {response.status_code} {response.reason}"
            if response.status_code == 416:
                return _past_the_end(response, path, have)
            if response.status_code >= 400:
                raise EcgcoreError(
                    f"{url}: the server answers {response.status_code} {response.reason}; "
                    "check the address of the archive."
                )
            start = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            continues = response.status_code == 206 and start
            with open(path, "ab" if continues else "wb") as file:
                for block in response.iter_content(_BLOCK):
                    file.write(block)
        return ""

    def _session(self) -> requests.Session:
        """One session a thread: they keep their connection, and are not made to be shared."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session: requests.Session = self._local.session
        return session


def _past_the_end(response: requests.Response, path: Path, have: int) -> str:
    """A range that starts at or after the end: the file is whole, or is another file."""
    if response.headers.get("Content-Range", "").endswith(f"/{have}"):
        return ""
    path.unlink()
    return "what had arrived belongs to another file"

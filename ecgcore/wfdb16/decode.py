"""Bulk decoding of 12-lead WFDB format-16 records.

What makes it fast: the headers of an archive differ only in name, first samples and checksums, so
one of them is parsed and the others are compared with it word by word; checksums are summed in
the samples' own 16 bits, which wrap around exactly as the format's do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.wfdb16.header import UNSTATED, Header, parse_header
from ecgcore.wfdb16.layout import N_LEADS, Refused, apply, layout_of
from ecgcore.wfdb16.write import GAIN, INVALID

_FIELDS = 9  # words in a signal line that leaves nothing out


@dataclass(frozen=True)
class Problem:
    """Why one record could not be decoded: a ``kind`` to count, a sentence for the user."""

    kind: str
    detail: str


@dataclass(frozen=True)
class _Words:
    """The words that all plain headers of an archive share, as they come out of ``split``."""

    first: list[bytes]
    columns: tuple[list[bytes], ...]

    @classmethod
    def of(cls, words: list[bytes]) -> "_Words | None":
        if len(words) != 4 + _FIELDS * N_LEADS:
            return None
        return cls(words[1:4], tuple(words[4 + k :: _FIELDS] for k in (1, 2, 3, 4, 7, 8)))


def read_signals_adu(
    stems: Sequence[Path | str], rate_hz: int, n_samples: int
) -> NDArray[np.int16]:
    """Decode records whose headers and checksums are right, or refuse.

    Parameters
    ----------
    stems
        One path without suffix a record.
    rate_hz, n_samples
        What every record must have.

    Returns
    -------
    array of int16, shape (record, lead, sample)
        Leads in the order of :data:`ecgcore.leads.LEADS` whatever the file's order, 1000 adu per
        mV, baseline 0; a missing sample is -32768. Bit-equal to ``wfdb.rdrecord(stem,
        physical=False)`` for records at 1000 adu per mV.

    Raises
    ------
    EcgcoreError
        Names the first record that cannot be decoded, and why.
    """
    adu = np.empty((len(stems), N_LEADS, n_samples), dtype=np.int16)
    for problem in decode_into(adu, stems, rate_hz).values():
        raise EcgcoreError(problem.detail)
    return adu


def decode_into(
    adu: NDArray[np.int16], stems: Sequence[Path | str], rate_hz: int
) -> dict[int, Problem]:
    """Decode records into ``adu``, shape (record, lead, sample); report those that cannot be.

    Returns
    -------
    dict
        Position of each record left out -> its problem; its rows of ``adu`` are
        :data:`~ecgcore.wfdb16.write.INVALID`, never zero.
    """
    decoder = _Decoder(rate_hz, adu.shape[2])
    problems = {}
    for position, stem in enumerate(stems):
        try:
            decoder.read(str(stem), adu[position])
        except Refused as refused:
            problems[position] = Problem(refused.kind, str(refused))
            adu[position] = INVALID
    return problems


def to_mv(adu: NDArray[np.int16]) -> NDArray[np.float32]:
    """Convert to mV; bit-equal to float64 division rounded to float32; NaN for missing samples."""
    signals_mv = np.empty(adu.shape, dtype=np.float32)
    for part, samples in zip(signals_mv, adu, strict=True):  # one at a time stays in the cache
        scale_into(part, samples)
        if samples.min(initial=0) == INVALID:
            part[samples == INVALID] = np.nan
    return signals_mv


def scale_into(signals_mv: NDArray[np.float32], adu: NDArray[np.int16]) -> None:
    """Convert samples of which none is missing; faster in two steps than in one mixed division."""
    signals_mv[...] = adu
    np.divide(signals_mv, np.float32(GAIN), out=signals_mv)


class _Decoder:
    """Decodes records of one rate and length, remembering the headers' common words."""

    def __init__(self, rate_hz: int, n_samples: int) -> None:
        self.rate_hz, self.n_samples = rate_hz, n_samples
        self._plain: _Words | None = None

    def read(self, stem: str, out: NDArray[np.int16]) -> None:
        text = _read_file(f"{stem}.hea", "header")
        words = text.split()
        name = stem.replace("\\", "/").rsplit("/", 1)[-1]
        if self._plain is not None and self._is_plain(words, name):
            self._read_plain(stem, words, out)
            return
        header = _parse(text, stem)
        layout = layout_of(header, stem, self.rate_hz, self.n_samples)
        frames = self._frames(str(Path(stem).with_name(header.file_names[0])), layout.byte_offset)
        _check_sums(_sums(frames.T), header.checksums, header.lead_names, stem)
        if layout.is_plain and self._plain is None:
            self._plain = _Words.of(words)
        apply(layout, frames, out, stem)

    def _is_plain(self, words: list[bytes], name: str) -> bool:
        return (
            _Words.of(words) == self._plain
            and words[4::_FIELDS] == [f"{name}.dat".encode()] * N_LEADS
        )

    def _read_plain(self, stem: str, words: list[bytes], out: NDArray[np.int16]) -> None:
        np.copyto(out, self._frames(f"{stem}.dat", 0).T)
        checksums = [int(word) & 0xFFFF for word in words[4 + 6 :: _FIELDS]]
        _check_sums(_sums(out), checksums, LEADS, stem)

    def _frames(self, path: str, byte_offset: int) -> NDArray[np.int16]:
        """Samples as the file holds them, shape (sample, lead)."""
        content = _read_file(path, "data")
        size = len(content) - byte_offset
        frame = 2 * N_LEADS
        if size != frame * self.n_samples:
            found = f"{size / frame:g}"
            if size % frame:
                raise Refused(
                    "truncated",
                    f"{path}: ends in the middle of a frame ({found} samples a lead; expected "
                    f"{self.n_samples}); the file is cut off: fetch or copy it again.",
                )
            raise Refused(
                "length",
                f"{path}: holds {found} samples a lead but its header says {self.n_samples}; "
                "fetch or copy both files again.",
            )
        samples = np.frombuffer(content, dtype="<i2", offset=byte_offset)
        return samples.reshape(self.n_samples, N_LEADS)


def _read_file(path: str, what: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except FileNotFoundError:
        raise Refused(
            "missing", f"{path}: there is no such {what} file; fetch or copy it again."
        ) from None
    except OSError as error:
        raise Refused("unreadable", f"{path}: cannot be read ({error.strerror}).") from None


def _parse(text: bytes, stem: str) -> Header:
    try:
        return parse_header(text.decode(), f"{stem}.hea")
    except EcgcoreError as error:
        raise Refused("header", str(error)) from None
    except UnicodeDecodeError:
        raise Refused("header", f"{stem}.hea: is not text; fetch or copy it again.") from None


def _sums(leads: NDArray[np.int16]) -> list[int]:
    """Sum of each row modulo 65536."""
    return [int(total) for total in leads.sum(axis=1, dtype=np.int16).view(np.uint16)]


def _check_sums(
    found: Sequence[int], stated: Sequence[int], names: Sequence[str], stem: str
) -> None:
    if list(found) == list(stated):
        return
    wrong = [
        name for name, a, b in zip(names, found, stated, strict=True) if a != b and b != UNSTATED
    ]
    if wrong:
        raise Refused(
            "checksum",
            f"{stem}: checksum of lead {', '.join(wrong)} does not match its header; "
            "the data are damaged: fetch or copy the record again.",
        )

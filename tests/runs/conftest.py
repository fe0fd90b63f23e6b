"""A store of noise records, quick to make."""

import pytest
from archives import write_archive

from ecgcore.data import Archive, prepare


@pytest.fixture(scope="session")
def noise_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """120 records of noise, 30 each of NORM, IMI, NDT and AFIB, prepared."""
    root = tmp_path_factory.mktemp("noise")
    prepare(Archive(write_archive(root / "archive", 120)), root / "store")
    return str(root / "store")

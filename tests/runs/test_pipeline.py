"""A network's input depends only on the run's parameters, for stores and single records."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ecgcore import models, preprocessing, runs, training
from ecgcore.data import Record, Store, open_store
from ecgcore.errors import EcgcoreError
from ecgcore.runs import pipeline as pipeline_module
from ecgcore.runs.pipeline import EVIDENCE_MV


@pytest.fixture(scope="module")
def store(small_store: str) -> Store:
    return open_store(small_store)


def pipeline(**params: object) -> runs.InputPipeline:
    return runs.InputPipeline.from_params({"rate_hz": 100, "seed": 3, **params})


def test_the_default_input_is_that_of_preprocess(store: Store) -> None:
    ids = store.table.index[:3]
    inputs = pipeline(rate_hz=62).inputs(store, ids, [1, 0, 1])
    expected = preprocessing.preprocess(store.signals(500, ids), 500, 62)
    np.testing.assert_array_equal(inputs, expected)


@pytest.mark.parametrize(
    "params",
    [
        {}, {"normalisation": "none"}, {"normalisation": "train_lead"}, {"rate_hz": 62},
        {"resampler": "decimate", "content_hz": 20.0}, {"resampler": "fft", "rate_hz": 250},
        {"resampler": "polyphase", "upsampled_from_hz": 62},
    ],
    ids=str,
)  # fmt: skip
def test_a_single_record_has_the_same_input_as_in_the_run(
    store: Store, params: dict[str, object]
) -> None:
    ids, y = store.table.index[:6], [0, 1] * 3
    how = pipeline(**params).fit(store, ids, y)
    source_hz = 500 if "resampler" in params or params.get("rate_hz", 100) != 100 else 100
    record = Record("one", store.signals(source_hz, ids[:1])[0], source_hz)
    expected = how.inputs(store, ids[:1], y[:1])
    np.testing.assert_allclose(how.record_inputs(record), expected, atol=1e-5)


@pytest.mark.parametrize("params", [{"shortcut": True}, {"rate_hz": 62, "muscle_snr_db": 5.0}])
def test_added_signals_depend_on_the_record_alone_in_any_number_of_chunks(
    store: Store, params: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, y = store.table.index[:40], pd.Series([0, 1] * 20)
    how = pipeline(**params)
    whole = how.inputs(store, ids, y), how.signals(store, ids, y)
    plain = pipeline(rate_hz=params.get("rate_hz", 100)).inputs(store, ids, y)
    assert np.abs(whole[0] - plain).max() > 0.5
    np.testing.assert_array_equal(how.inputs(store, ids[30:], y[30:]), whole[0][30:])
    monkeypatch.setattr(pipeline_module, "_CHUNK", 16)
    np.testing.assert_array_equal(how.inputs(store, ids, y), whole[0])
    np.testing.assert_array_equal(how.signals(store, ids, y), whole[1])


def test_records_that_do_not_fit_in_memory_are_refused_in_one_sentence(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2**10))
    with pytest.raises(EcgcoreError, match="4 records at 100 Hz do not fit in memory"):
        pipeline().inputs(store, store.table.index[:4], [0, 1, 0, 1])


def test_lead_statistics_of_the_training_part_are_loaded(store: Store, tmp_path: Path) -> None:
    ids, y = store.table.index[:12], [0, 1] * 6
    params = {"rate_hz": 62, "normalisation": "train_lead", "seed": 4}
    how = runs.InputPipeline.from_params(params).fit(store, ids, y)
    x = how.inputs(store, ids, y)
    np.testing.assert_allclose(x.mean(axis=(0, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(x.std(axis=(0, 2)), 1, atol=1e-2)
    (tmp_path / "params.json").write_text(json.dumps(params))
    how.table().to_csv(tmp_path / "lead_statistics.csv", index=False)
    again = runs.InputPipeline.of_run(tmp_path)
    np.testing.assert_allclose(again.inputs(store, ids, y), x, atol=1e-6)


def test_a_planted_burst_is_in_the_signal_and_nowhere_else(store: Store) -> None:
    ids, y = store.table.index[:16], [1] * 8 + [0] * 8
    trap = pipeline(shortcut=True)
    plain = trap.without_shortcut()
    added = trap.signals(store, ids, y) - plain.signals(store, ids, y)
    where = trap.artefact(store, ids, y)
    assert np.abs(added[:, :11]).max() < 1e-6
    assert where[:8, 11].any(axis=1).sum() >= 6  # 95 % of the positives
    assert where[8:, 11].any(axis=1).sum() <= 2  # 5 % of the others
    np.testing.assert_array_equal(where, np.abs(added) > EVIDENCE_MV)
    assert not plain.artefact(store, ids, y).any()
    record = Record("mine", store.signals(100, ids[:1])[0], 100)
    np.testing.assert_array_equal(trap.record_inputs(record), plain.record_inputs(record))


def test_a_rate_too_slow_for_the_burst_is_refused() -> None:
    with pytest.raises(EcgcoreError, match="expected a rate above 50 Hz"):
        pipeline(rate_hz=50, shortcut=True)


def test_evidence_is_resampled_with_the_signal(store: Store) -> None:
    ill = [i for i, codes in store.table.scp_codes.items() if "IMI" in codes][:2]
    mask = pipeline(rate_hz=62).evidence(store, ill)
    assert mask.shape == (2, 12, 620)
    assert 0.01 < mask.mean() < 0.6


def test_options_reach_the_model() -> None:
    params = {"bias": "none", "logit_scale": "default", "head": "zero", "receptive_field_ms": 900.0}
    options = runs.model_options(params)
    assert options == {"bias": "none", "zero_head": True, "receptive_field_ms": 900.0}
    assert models.build("imn", rate_hz=100, n_samples=200, **options).bias_head is None
    assert training.recipe("imn_plus").local_fidelity > 0 == training.recipe("imn").local_fidelity

"""What a network reads can be made again from a run's parameters; variants are told apart."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgcore import inputs, models, ptbxl, signals, train, trained, variants, wfdb16
from ecgcore.errors import EcgcoreError
from ecgcore.simulate import Shortcut, planted


@pytest.fixture(scope="module")
def store(simulated_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> wfdb16.Store:
    path = tmp_path_factory.mktemp("inputs") / "store"
    return wfdb16.prepare(ptbxl.Archive(simulated_archive), path)


def test_the_usual_input_is_preprocess(store):
    ids = store.table.index[:3]
    found = inputs.inputs_of({"rate_hz": 62, "seed": 1}).of(store, ids, [1, 0, 1])
    expected = signals.preprocess(store.signals(500, ids), 500, 62)
    np.testing.assert_array_equal(found, expected)


def test_a_planted_burst_is_in_the_signal_and_nowhere_else(store):
    ids, labels = store.table.index[:8], [1] * 8
    plain = inputs.inputs_of({"rate_hz": 100, "seed": 3})
    trap = inputs.inputs_of({"rate_hz": 100, "seed": 3, "shortcut": True})
    added = trap.drawn(store, ids, labels) - plain.drawn(store, ids, labels)
    where = trap.artefact(store, ids, labels)
    assert np.abs(added[:, :11]).max() < 1e-6
    assert where[:, 11].any(axis=1).sum() >= 6  # 95 % of the positives
    assert not where[:, :11].any()
    np.testing.assert_array_equal(where, np.abs(added) > inputs.EVIDENCE_MV)
    assert not plain.artefact(store, ids, labels).any()


def test_a_rate_too_slow_for_the_burst_is_refused():
    with pytest.raises(EcgcoreError, match="expected a rate above 50 Hz"):
        inputs.inputs_of({"rate_hz": 50, "shortcut": True})


@pytest.mark.parametrize(("given", "expected"), [({}, 0.15), ({"shortcut_mv": 0.6}, 0.6)])
def test_a_burst_can_be_louder(given, expected):
    made = inputs.inputs_of({"rate_hz": 100, "shortcut": True, **given}).shortcut
    assert made is not None
    assert made.amplitude_mv == expected


def test_the_burst_goes_with_the_label_and_depends_on_the_record_alone():
    how = {"rate_hz": 100, "n_samples": 1000, "seed": 0}
    ids = np.arange(200)
    positive = planted(Shortcut("MI"), ids, np.ones(200), **how)
    negative = planted(Shortcut("MI"), ids, np.zeros(200), **how)
    shares = [(part != 0).any(axis=(1, 2)).mean() for part in (positive, negative)]
    assert shares[0] > 0.9 > 0.1 > shares[1]
    some = planted(Shortcut("MI"), ids[5:7], [1, 1], **how)
    np.testing.assert_array_equal(some, positive[5:7])
    assert np.abs(positive).max() == pytest.approx(0.15, abs=0.02)
    with pytest.raises(EcgcoreError, match="aVF"):
        planted(Shortcut("MI", lead="aVF"), ids[:1], [1], **how)


def test_evidence_is_resampled_with_the_signal(store):
    ill = [i for i, codes in store.table.scp_codes.items() if "IMI" in codes][:2]
    reads = inputs.inputs_of({"rate_hz": 62})
    mask = reads.evidence(store, ill)
    assert mask.shape == (2, 12, 620)
    assert 0.01 < mask.mean() < 0.6


def test_a_finished_run_is_brought_back(store, tmp_path):
    ids, labels = store.table.index[:12], [0, 1] * 6
    params = {"model": "imn_plus", "rate_hz": 62, "normalisation": "train_lead", "seed": 4}
    reads = inputs.inputs_of(params).fitted(store, ids, labels)
    x = reads.of(store, ids, labels)
    np.testing.assert_allclose(x.mean(axis=(0, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(x.std(axis=(0, 2)), 1, atol=1e-2)
    (tmp_path / "params.json").write_text(json.dumps(params))
    reads.table().to_csv(tmp_path / "lead_statistics.csv", index=False)
    network = models.build("imn_plus", rate_hz=62, n_samples=620, seed=4)
    train.save_weights(network, tmp_path / "weights.safetensors")
    back = trained.trained(tmp_path)
    np.testing.assert_allclose(back.reads(store, ids, labels), x, atol=1e-6)
    assert back.own == "imn"
    assert back.explains(x[:2]).shape == (2, 12, 620)
    (tmp_path / "params.json").write_text(json.dumps({**params, "model": "cnn1d"}))
    assert trained.trained(tmp_path).own == "grad_cam"


def test_variants_are_named_by_what_they_change():
    assert variants.variant({}) == variants.AS_PUBLISHED
    assert variants.variant({"weight_l1": -1.0, "epochs": 3}) == variants.AS_PUBLISHED
    assert variants.variant({"bias": "none", "weight_l1": 10.0}) == "bias none, weight_l1 10"
    assert variants.variant({"labels": "shuffled"}) == "shuffled labels"
    assert variants.variant({"shortcut": True}) == "planted shortcut"
    table = pd.DataFrame({"bias": ["default", "none"], "shortcut": [False, True], "run": [1, 2]})
    found = variants.with_variant(table)["variant"].tolist()
    assert found == [variants.AS_PUBLISHED, "bias none, planted shortcut"]
    assert variants.with_variant(pd.DataFrame()).empty


def test_options_reach_the_model():
    params = {
        "bias": "none", "logit_scale": "default", "lead_mixing": "full", "head": "zero",
        "receptive_field_ms": 500.0,
    }  # fmt: skip
    options = variants.model_options(params)
    assert options == {
        "bias": "none", "lead_mixing": "full", "zero_head": True, "receptive_field_ms": 500.0,
    }  # fmt: skip
    assert models.build("imn", rate_hz=100, n_samples=200, **options).bias_head is None
    assert variants.model_options({"head": "drawn"}) == {"zero_head": False}
    assert variants.model_options({}) == {}
    assert variants.penalties({"weight_l1": -1.0, "local_fidelity": 0.5}) == {"local_fidelity": 0.5}
    assert train.recipe("imn_plus").local_fidelity > 0 == train.recipe("imn").local_fidelity
    assert train.recipe("xresnet1d101") == train.PAPER_A_CATEGORICAL

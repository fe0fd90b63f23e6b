"""The ECG explorer: the page computes what Python computes, also when a part is hidden."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from browser import PHONE

from book.tools import explorer
from ecgcore import explanations, models
from ecgcore.data import open_store
from ecgcore.leads import LEADS
from ecgcore.runs.trained import load_trained_run

pytestmark = pytest.mark.xdist_group("browser")
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def scripts(root: Path, context: Any) -> Any:
    """Return an empty page that has loaded the explorer's functions."""
    page = context.new_page()
    for name in ("network", "segments"):
        page.add_script_tag(path=str(root / "book" / "_static" / "explorer" / f"{name}.js"))
    return page


def used_model(name: str, n_samples: int) -> models.EcgModel:
    """Return a network with random weights and batch-norm statistics."""
    model = models.build(name, rate_hz=100, n_samples=n_samples, seed=3).train()
    with torch.no_grad():
        for seed in range(3):
            generator = torch.Generator().manual_seed(seed)
            model(1 + 2 * torch.randn(4, 12, n_samples, generator=generator))
    return model.eval()


@pytest.mark.parametrize(
    ("name", "n_samples"), [("imn", 251), ("imn_categorical", 126), ("blackbox_cnn2d", 251)]
)
def test_the_page_computes_networks_as_python_does(scripts: Any, name: str, n_samples: int) -> None:
    model = used_model(name, n_samples)
    x = np.random.default_rng(0).normal(size=(1, 12, n_samples)).astype(np.float32)
    changed = x.copy()
    changed[0, 3, 40:61] = 0
    there = scripts.evaluate(
        """([description, x, changed, from, to]) => {
          const network = ecgNetwork(description), fresh = ecgNetwork(description);
          const words = (a) => ({ ...a, weights: a.weights && Array.from(a.weights) });
          const [a, b] = [x, changed].map((values) => Float32Array.from(values));
          return [network.run(a), network.again(b, from, to), fresh.run(b)].map(words);
        }""",
        [explorer.describe_network(model), *(v.ravel().tolist() for v in (x, changed)), 40, 61],
    )
    here = explanations.positive_logits(model, np.concatenate([x, changed, changed]))
    np.testing.assert_allclose([answer["logit"] for answer in there], here, atol=TOLERANCE)
    assert there[1] == there[2], "computing only the changed part gives another result"
    if model.writes_weights:
        for signals, answer in ((x, there[0]), (changed, there[1])):
            parts = explanations.decompose(model, signals)
            np.testing.assert_allclose(answer["weights"], parts.weights.ravel(), atol=1e-6)
            assert answer["bias"] == pytest.approx(parts.bias[0], abs=1e-6)


@pytest.mark.parametrize(("rate_hz", "window_s", "stride_s"), [(100, 0.5, 0.25), (62, 0.2, 0.125)])
def test_the_page_computes_segments_as_python_does(
    scripts: Any, rate_hz: int, window_s: float, stride_s: float
) -> None:
    rng = np.random.default_rng(rate_hz)
    attribution = rng.normal(size=(12, 4 * rate_hz)).astype(np.float32)
    top = scripts.evaluate(
        "([map, ...rest]) => ecgcore.segments.top(Float32Array.from(map), ...rest)",
        [attribution.ravel().tolist(), list(LEADS), rate_hz, 7, window_s, stride_s],
    )
    expected = explanations.top_segments(
        attribution, rate_hz, k=7, window_s=window_s, stride_s=stride_s
    )
    there = pd.DataFrame(top).rename(columns={"from_s": "start_s", "to_s": "end_s"})
    pd.testing.assert_frame_equal(there[expected.columns], expected, check_dtype=False)


@pytest.mark.parametrize("fill", ["bridge", "zero"])
def test_hidden_parts_are_filled_as_in_python(scripts: Any, fill: str) -> None:
    x = np.random.default_rng(1).normal(size=(12, 300)).astype(np.float32)
    hidden = [("V1", 0.5, 1.0), ("V1", 0.9, 1.2), ("I", 0, 0.3), ("aVR", 2.7, 3), ("V6", 0, 3)]
    is_hidden = np.zeros(x.shape, bool)
    for lead, from_s, to_s in hidden:
        is_hidden[LEADS.index(lead), round(100 * from_s) : round(100 * to_s)] = True
    parts = [{"lead": lead, "from_s": a, "to_s": b} for lead, a, b in hidden]
    filled = scripts.evaluate(
        """([x, leads, hidden, fill]) => Array.from(ecgcore.segments.filled(
             Float32Array.from(x), leads, 100, hidden, fill))""",
        [x.ravel().tolist(), list(LEADS), parts, fill],
    )
    expected = explanations.filled(x, is_hidden, fill)
    np.testing.assert_allclose(filled, expected.ravel(), atol=1e-6)


@pytest.fixture(scope="module")
def facts(html: Path) -> dict[str, Any]:
    path = html / "_static" / "explorer_data" / "explorer.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def opened(html: Path, context: Any) -> Any:
    page = context.new_page()
    page.goto((html / "book" / "explorer.html").as_uri())
    settle(page)
    return page


def settle(page: Any) -> None:
    page.wait_for_selector("[data-explorer][data-state=ready]", timeout=120_000)


def shown(page: Any) -> dict[str, list[float]]:
    """Return the unrounded prediction table: (before, after, change) by quantity."""
    return page.eval_on_selector_all(
        "[data-answer] tbody tr",
        """rows => Object.fromEntries(rows.map(row => [row.cells[0].textContent,
             [...row.cells].slice(1).filter(c => c.dataset.value).map(c => +c.dataset.value)]))""",
    )


@pytest.mark.parametrize("position", [0, 1])
def test_predictions_equal_those_of_the_run_also_after_hiding(
    root: Path, opened: Any, built_runs: Path, facts: dict[str, Any], position: int
) -> None:
    run = load_trained_run(next(built_runs.rglob(facts["runs"][position])))
    network, record = run.networks[0], facts["records"][position]
    store = open_store(root / run.params["archive"])
    x = run.pipeline.inputs(store, [record["ecg_id"]], [record["label"]])
    opened.select_option("[name=network]", facts["models"][position])
    settle(opened)
    opened.select_option("[name=record]", str(record["ecg_id"]))
    settle(opened)
    before = shown(opened)
    logit = explanations.positive_logits(network, x)[0]
    assert before["logit"] == pytest.approx([logit], abs=TOLERANCE)
    assert run.training_summary in opened.inner_text("[data-training]")

    opened.select_option("[name=hide_lead]", "V2")
    opened.fill("[name=hide_from]", "1.25")
    opened.fill("[name=hide_length]", "0.6")
    opened.focus("[data-action=hide]")
    opened.keyboard.press("Enter")
    settle(opened)
    is_hidden, rate_hz = np.zeros(x.shape, bool), facts["rate_hz"]
    is_hidden[0, LEADS.index("V2"), round(1.25 * rate_hz) : round(1.85 * rate_hz)] = True
    without = explanations.filled(x, is_hidden)
    logits = explanations.positive_logits(network, np.concatenate([x, without]))
    after = shown(opened)
    assert after["logit"] == pytest.approx([*logits, logits[1] - logits[0]], abs=TOLERANCE)
    chance = run.probability(logits)[1]
    assert after["probability"][1] == pytest.approx(chance, abs=TOLERANCE)
    if network.writes_weights:
        parts = explanations.decompose(network, np.concatenate([x, without]))
        assert after["bias b"][:2] == pytest.approx(parts.bias.tolist(), abs=TOLERANCE)
        opened.select_option("[name=method]", "imn")
        credited = float(opened.get_attribute("[data-verdict]", "data-credited"))
        expected = float(parts.contribution[0][is_hidden[0]].sum())
        assert credited == pytest.approx(expected, abs=TOLERANCE)
    opened.click("[data-action=show-all]")
    settle(opened)
    assert shown(opened) == before


def test_controls_change_the_picture(opened: Any) -> None:
    pictures = {opened.inner_html(".explorer-paper")}
    opened.uncheck("[name=lead_aVR]")
    pictures.add(opened.inner_html(".explorer-paper"))
    assert opened.locator(".explorer-paper .lead-name").count() == 11
    for box in ("area", "marks"):
        opened.click(f"[name={box}]")
        pictures.add(opened.inner_html(".explorer-paper"))
    opened.select_option("[name=span]", "2.5")
    pictures.add(opened.inner_html(".explorer-paper"))
    assert len(pictures) == 5


def test_a_phone_shows_part_of_the_record(opened: Any) -> None:
    opened.set_viewport_size(PHONE)
    opened.reload()
    settle(opened)
    assert opened.input_value("[name=span]") == "2.5"


def test_records_are_chosen_with_reasons() -> None:
    table = pd.DataFrame(
        {
            "ecg_id": range(8), "part": "test", "y_true": [1, 1, 1, 1, 0, 0, 0, 0],
            "score": [0.9, 0.6, 0.2, 0.52, 0.1, 0.7, 0.3, 0.45],
        }
    ).assign(ranking=lambda t: t.score)  # fmt: skip
    chosen = explorer.choose_records(table, 6)
    assert chosen.ecg_id.tolist() == [0, 4, 2, 5, 3, 7]
    expected = ["positive with the highest score", "negative with the lowest score"]
    assert chosen.why.tolist()[:2] == expected

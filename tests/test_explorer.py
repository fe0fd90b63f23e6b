"""The ECG explorer: what the page computes is what Python computes, also when a part is hidden."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from browser import PHONE

from ecgcore import explain, explorer, faithful, models, segments
from ecgcore.explain_record import TrainedRun, open_run
from ecgcore.leads import LEADS
from ecgcore.wfdb16 import open_store

pytestmark = pytest.mark.xdist_group("browser")
AS_GOOD_AS = 1e-4


@pytest.fixture(scope="module")
def scripts(root: Path, context: Any) -> Any:
    """An empty page that knows the explorer's functions."""
    page = context.new_page()
    for name in ("network", "segments"):
        page.add_script_tag(path=str(root / "book" / "_static" / "explorer" / f"{name}.js"))
    return page


def used_model(name: str, n_samples: int) -> models.EcgModel:
    """Random weights, and batch norms that have seen something."""
    model = models.build(name, rate_hz=100, n_samples=n_samples, seed=3).train()
    with torch.no_grad():
        for seed in range(3):
            generator = torch.Generator().manual_seed(seed)
            model(1 + 2 * torch.randn(4, 12, n_samples, generator=generator))
    return model.eval()


@pytest.mark.parametrize(
    ("name", "n_samples"),
    [("imn", 250), ("imn", 251), ("imn_categorical", 126), ("blackbox_cnn2d", 251)],
)
def test_networks_of_the_page_are_those_of_python(scripts: Any, name: str, n_samples: int) -> None:
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
        [explorer.network_description(model), *(v.ravel().tolist() for v in (x, changed)), 40, 61],
    )
    here = explain.positive_logits(model, np.concatenate([x, changed, changed]))
    np.testing.assert_allclose([answer["logit"] for answer in there], here, atol=AS_GOOD_AS)
    assert abs(here[0] - here[1]) > 2 * AS_GOOD_AS or name == "blackbox_cnn2d"
    assert there[1] == there[2], "computing the changed part only changes nothing"
    if name != "blackbox_cnn2d":
        for signals, answer in ((x, there[0]), (changed, there[1])):
            parts = explain.decompose(model, signals)
            np.testing.assert_allclose(answer["weights"], parts.weights.ravel(), atol=1e-6)
            assert answer["bias"] == pytest.approx(parts.bias[0], abs=1e-6)


@pytest.mark.parametrize(
    ("rate_hz", "window_s", "stride_s"), [(100, 0.5, 0.25), (62, 0.2, 0.125), (250, 0.01, 3)]
)
def test_segments_of_the_page_are_those_of_python(
    scripts: Any, rate_hz: int, window_s: float, stride_s: float
) -> None:
    rng = np.random.default_rng(rate_hz)
    attribution = rng.normal(size=(12, 4 * rate_hz)).astype(np.float32)
    found = scripts.evaluate(
        "([map, ...rest]) => ecgcore.segments.top(Float32Array.from(map), ...rest)",
        [attribution.ravel().tolist(), list(LEADS), rate_hz, 7, window_s, stride_s],
    )
    expected = segments.top_segments(
        attribution, rate_hz, k=7, window_s=window_s, stride_s=stride_s
    )
    there = pd.DataFrame(found).rename(columns={"from_s": "start_s", "to_s": "end_s"})
    pd.testing.assert_frame_equal(there[expected.columns], expected, check_dtype=False)


@pytest.mark.parametrize("fill", ["bridge", "zero"])
def test_hidden_parts_are_filled_as_in_python(scripts: Any, fill: faithful.Fill) -> None:
    x = np.random.default_rng(1).normal(size=(12, 300)).astype(np.float32)
    hidden = [("V1", 0.5, 1.0), ("V1", 0.9, 1.2), ("I", 0, 0.3), ("aVR", 2.7, 3), ("V6", 0, 3)]
    gone = np.zeros(x.shape, bool)
    for lead, from_s, to_s in hidden:
        gone[LEADS.index(lead), round(100 * from_s) : round(100 * to_s)] = True
    found = scripts.evaluate(
        """([x, leads, hidden, fill]) => Array.from(ecgcore.segments.filled(
             Float32Array.from(x), leads, 100, hidden, fill))""",
        [
            x.ravel().tolist(), list(LEADS),
            [{"lead": lead, "from_s": a, "to_s": b} for lead, a, b in hidden], fill,
        ],
    )  # fmt: skip
    np.testing.assert_allclose(found, faithful.filled(x, gone, fill).ravel(), atol=1e-6)


@pytest.fixture(scope="module")
def facts(html: Path) -> dict[str, Any]:
    path = html / "_static" / "explorer_data" / "explorer.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def runs(root: Path, html: Path, facts: dict[str, Any]) -> dict[str, TrainedRun]:
    """The runs behind the page, by model."""
    (tier,) = [path.name.removeprefix(".tier-") for path in html.glob(".tier-*")]
    opened = [open_run(root / "_build" / "runs" / tier / name) for name in facts["runs"]]
    return {run.params["model"]: run for run in opened}


def input_of(run: TrainedRun, ecg_id: int) -> np.ndarray:
    """What the run's own notebook gave its network."""
    store = open_store(Path(run.params["archive"]))
    source_hz = run.rate_hz if run.rate_hz in store.rates_hz else max(store.rates_hz)
    return run.preprocess(store.signals(source_hz, [ecg_id]), source_hz)


@pytest.fixture(scope="module")
def opened(html: Path, context: Any) -> Any:
    page = context.new_page()
    page.goto((html / "book" / "explorer.html").as_uri())
    settle(page)
    return page


def settle(page: Any) -> None:
    page.wait_for_selector("[data-explorer][data-state=ready]", timeout=120_000)


def shown(page: Any) -> dict[str, list[float]]:
    """Numbers of the answer's table, unrounded: (before, after, change) by quantity."""
    return page.eval_on_selector_all(
        "[data-answer] tbody tr",
        """rows => Object.fromEntries(rows.map(row => [row.cells[0].textContent,
             [...row.cells].slice(1).filter(c => c.dataset.value).map(c => +c.dataset.value)]))""",
    )


def hide(page: Any, lead: str, from_s: float, length_s: float) -> None:
    """As a reader does it: three fields and a button."""
    page.select_option("[name=hide_lead]", lead)
    page.fill("[name=hide_from]", str(from_s))
    page.fill("[name=hide_length]", str(length_s))
    page.click("[data-action=hide]")
    settle(page)


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("model", ["imn", "blackbox_cnn2d"])
def test_answers_are_those_of_python_also_after_hiding(
    opened: Any, facts: dict[str, Any], runs: dict[str, TrainedRun], model: str, position: int
) -> None:
    ecg_id, network = facts["records"][position]["ecg_id"], runs[model].networks[0]
    x = input_of(runs[model], ecg_id)
    opened.select_option("[name=network]", model)
    settle(opened)
    opened.select_option("[name=record]", str(ecg_id))
    settle(opened)
    before = shown(opened)
    assert before["logit"] == pytest.approx(
        [explain.positive_logits(network, x)[0]], abs=AS_GOOD_AS
    )

    hide(opened, "V2", 1.25, 0.6)
    hide(opened, "all", 7, 0.2)
    gone, rate_hz = np.zeros(x.shape, bool), facts["rate_hz"]
    gone[0, LEADS.index("V2"), round(1.25 * rate_hz) : round(1.85 * rate_hz)] = True
    gone[0, :, round(7 * rate_hz) : round(7.2 * rate_hz)] = True
    without = faithful.filled(x, gone)
    logits = explain.positive_logits(network, np.concatenate([x, without]))
    after = shown(opened)
    assert after["logit"] == pytest.approx([*logits, logits[1] - logits[0]], abs=AS_GOOD_AS)
    assert after["probability"][1] == pytest.approx(1 / (1 + np.exp(-logits[1])), abs=AS_GOOD_AS)
    assert abs(after["logit"][2]) > 2 * AS_GOOD_AS, "hiding did something"
    if model == "imn":
        parts = explain.decompose(network, np.concatenate([x, without]))
        assert after["sum of W x"][:2] == pytest.approx(parts.explained.tolist(), abs=AS_GOOD_AS)
        assert after["bias b"][:2] == pytest.approx(parts.bias.tolist(), abs=AS_GOOD_AS)
        opened.select_option("[name=method]", "imn")
        credited = float(opened.get_attribute("[data-verdict]", "data-credited"))
        assert credited == pytest.approx(
            float(parts.contribution[0][gone[0]].sum()), abs=AS_GOOD_AS
        )
    opened.click("[data-action=show-all]")
    settle(opened)
    assert shown(opened) == before


def test_segments_in_the_table_are_those_of_python(
    opened: Any, facts: dict[str, Any], runs: dict[str, TrainedRun]
) -> None:
    ecg_id, network = facts["records"][0]["ecg_id"], runs["imn"].networks[0]
    x = input_of(runs["imn"], ecg_id)
    opened.select_option("[name=network]", "imn")
    settle(opened)
    opened.select_option("[name=record]", str(ecg_id))
    settle(opened)
    for name, value in (("window", "0.2"), ("stride", "0.1"), ("top", "3")):
        opened.fill(f"[name={name}]", value)
    for method in ("imn", "saliency", "input_x_gradient"):
        opened.select_option("[name=method]", method)
        values = opened.eval_on_selector_all(
            "[data-segments] td[data-value]", "cells => cells.map(c => +c.dataset.value)"
        )
        expected = segments.top_segments(
            explain.attribute(network, x, method)[0], facts["rate_hz"], k=3, window_s=0.2,
            stride_s=0.1,
        )  # fmt: skip
        assert values == pytest.approx(expected["value"].tolist(), abs=AS_GOOD_AS), method


def test_every_control_does_something(opened: Any) -> None:
    def drawn() -> str:
        return opened.inner_html(".explorer-paper")

    seen = {drawn()}
    opened.uncheck("[name=lead_aVR]")
    seen.add(drawn())
    assert opened.locator(".explorer-paper .lead-name").count() == 11
    for box in ("area", "marks", "evidence"):
        if opened.locator(f"[name={box}]").count():
            opened.click(f"[name={box}]")
            seen.add(drawn())
    opened.select_option("[name=span]", "2.5")
    seen.add(drawn())
    opened.focus("[name=from]")
    opened.keyboard.press("ArrowRight")
    seen.add(drawn())
    assert len(seen) >= 6
    opened.fill("[name=window]", "-1")
    opened.focus("[name=top]")
    assert opened.evaluate("!document.querySelector('[data-explorer] form').checkValidity()")
    opened.reload()
    settle(opened)


def test_a_segment_can_be_hidden_by_keyboard_and_by_mouse(opened: Any) -> None:
    opened.focus("[data-segments] button")
    opened.keyboard.press("Enter")
    settle(opened)
    assert opened.locator("[data-hidden] li").count() == 1
    assert len(shown(opened)["logit"]) == 3
    opened.focus("[data-hidden] button")
    opened.keyboard.press("Space")
    settle(opened)
    assert opened.locator("[data-hidden] li").count() == 0
    box = opened.locator(".explorer-paper svg").bounding_box()
    opened.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20)
    opened.mouse.down()
    opened.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 20)
    opened.mouse.up()
    assert opened.input_value("[name=hide_lead]") == "I"
    assert 4 < float(opened.input_value("[name=hide_from]")) < 6
    assert 0.5 < float(opened.input_value("[name=hide_length]")) < 1.5


def test_a_phone_shows_a_part_that_can_be_read(html: Path, context: Any) -> None:
    page = context.new_page()
    page.set_viewport_size(PHONE)
    page.goto((html / "book" / "explorer.html").as_uri())
    settle(page)
    assert page.input_value("[name=span]") == "2.5"
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.close()


def test_without_scripts_there_is_a_picture(html: Path) -> None:
    text = (html / "book" / "explorer.html").read_text(encoding="utf-8")
    assert "explorer_data/fallback.png" in text
    assert (html / "_static" / "explorer_data" / "fallback.png").stat().st_size > 10_000


def test_records_are_chosen_with_reasons() -> None:
    table = pd.DataFrame(
        {
            "ecg_id": range(8), "part": "test", "y_true": [1, 1, 1, 1, 0, 0, 0, 0],
            "score": [0.9, 0.6, 0.2, 0.52, 0.1, 0.7, 0.3, 0.45],
        }
    ).assign(ranking=lambda t: t.score)  # fmt: skip
    chosen = explorer.choose_records(table, 6)
    assert chosen.ecg_id.tolist() == [0, 4, 2, 5, 3, 7]
    assert chosen.why.tolist()[:3] == [
        "surest positive", "surest negative", "positive with the lowest score",
    ]  # fmt: skip
    assert len(explorer.choose_records(table, 2)) == 2


def test_arrays_travel_whole() -> None:
    values = np.array([[1.5, -2.25], [np.pi, 0]], np.float32)
    bytes_ = base64.b64decode(explorer._base64(values, "<f4"))
    np.testing.assert_array_equal(np.frombuffer(bytes_, "<f4").reshape(2, 2), values)

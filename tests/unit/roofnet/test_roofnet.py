"""The net: the same answer from any window, and the same from ONNX as from torch."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from roofnet import weights
from roofnet.calibration import LOGIT_EDGES, expected_error, fit
from roofnet.predict import STEP_PX, TILE_PX, Predictor, covering, window_of


@pytest.fixture(scope="module")
def net() -> Predictor:
    return Predictor(threads=1)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    rng = np.random.default_rng(3)
    coarse = rng.uniform(0.1, 0.9, (60, 60, 3))
    return np.kron(coarse, np.ones((32, 32, 1))).astype("float32")


def test_covering_reaches_whole_tiles() -> None:
    for start, stop in [(0, 1), (511, 512), (512, 513), (575, 576), (-5, 3), (1000, 2700)]:
        first, last = covering(start, stop)
        assert first % STEP_PX == 0
        assert (last - TILE_PX) % STEP_PX == 0
        assert first <= start - (TILE_PX - STEP_PX) + 1 or first + STEP_PX > start - TILE_PX
        assert first + TILE_PX > start
        assert first - STEP_PX + TILE_PX <= start
        assert last - TILE_PX < stop <= last


def test_answer_does_not_depend_on_the_window(net: Predictor, picture: np.ndarray) -> None:
    rows, columns = (730, 800), (1500, 1620)
    window = partial(window_of, picture)
    whole = net.predict(window, (600, 900), (1400, 1700))[:, 130:200, 100:220]
    seen = net.seen()
    for _ in range(2):  # from the image, then from what was seen already
        np.testing.assert_array_equal(net.predict(window, rows, columns, seen=seen), whole)


def test_missing_pixels_stay_missing(net: Predictor, picture: np.ndarray) -> None:
    image = picture[:200, :200].copy()
    image[50:80] = np.nan
    chance = net.predict_image(image)[0]
    assert np.isnan(chance[50:80]).all()
    assert np.isfinite(chance[:50]).all()
    assert (chance[:50] >= 0).all()
    assert (chance[:50] <= 1).all()


def test_flips_make_the_answer_symmetric(net: Predictor, picture: np.ndarray) -> None:
    image = np.concatenate([picture[:576, :288], picture[:576, :288][:, ::-1]], axis=1)
    chance = net.predict_image(image, flips=True)[0, 100:140, 64:512]
    np.testing.assert_allclose(chance, chance[:, ::-1], atol=1e-5)


def test_onnx_is_torch() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from roofnet.unet import RoofUNet

    torch.set_num_threads(1)
    path = weights.FOLDER / "roofnet.safetensors"
    module = RoofUNet()
    module.load_state_dict(weights.load_state(path), strict=False)
    batch = np.random.default_rng(0).normal(size=(2, 5, 96, 128)).astype("float32")
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(batch)).numpy()
    logits, unlike = Predictor(threads=1).run(batch)
    np.testing.assert_allclose(logits, expected, atol=1e-3)
    assert unlike.shape == (2,)


def test_sidecar_describes_the_files() -> None:
    shipped = weights.default()
    assert shipped.bands == ("red", "green", "blue", "nir", "height")
    assert shipped.heads == ("roof", "edge", "inside", "panel")
    assert 0 < shipped.unlike_limit < 100
    assert 0 < shipped.unsure_limit < 1
    assert shipped.gsd_m == 0.25
    assert 0 < shipped.threshold < 1
    for name, digest in shipped.sha256.items():
        assert weights.digest(weights.FOLDER / name) == digest
    size = sum(path.stat().st_size for path in weights.FOLDER.iterdir())
    assert size <= 15e6


def test_exchanged_weights_are_refused(tmp_path) -> None:
    for suffix in (".json", ".onnx"):
        source = weights.FOLDER / f"roofnet{suffix}"
        (tmp_path / source.name).write_bytes(source.read_bytes())
    with (tmp_path / "roofnet.onnx").open("ab") as sink:
        sink.write(b"x")
    with pytest.raises(ValueError, match="sha256"):
        weights.read(tmp_path / "roofnet.json")


def test_roles_of_the_data_sets_are_apart() -> None:
    data = pytest.importorskip("roofnet.data")
    assert set(data.TEST) == {"chicago", "banepa"}
    assert set(data.VALIDATION) == {"geneva", "brazil_rs"}
    assert not set(data.TRAIN) & (set(data.TEST) | {"brazil_rs"})


@pytest.mark.real
def test_geneva_is_split_by_tile(data_dir) -> None:
    data = pytest.importorskip("roofnet.data")
    root = data_dir / "aerial"
    train = {s.image.tobytes() for s in data.TRAIN["geneva"](root)}
    validation = {s.image.tobytes() for s in data.VALIDATION["geneva"](root)}
    assert train
    assert validation
    assert not train & validation


def test_calibration_removes_overconfidence() -> None:
    rng = np.random.default_rng(1)
    logit = rng.normal(0, 3, 200_000)
    roof = rng.random(logit.size) < 1 / (1 + np.exp(-logit / 2 - 0.4))
    counts = np.stack([np.histogram(logit[roof == k], LOGIT_EDGES)[0] for k in (0, 1)])
    slope, offset = fit([counts.astype("float64")])
    assert (slope, offset) == (pytest.approx(0.5, abs=0.02), pytest.approx(0.4, abs=0.03))
    assert expected_error(counts) > 0.05
    assert expected_error(counts, slope, offset) < 0.01

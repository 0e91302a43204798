"""Weights of the net on disk: safetensors, ONNX, and a JSON sidecar that says what they are.

Reading the sidecar needs neither torch nor onnxruntime. The safetensors hold half precision;
the ONNX file is made from the very same rounded numbers, so that both give the same answer.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from roofnet.unet import RoofUNet

FOLDER = Path(__file__).parent / "weights"
NAME = "roofnet"
#: Mean and standard deviation of red, green, blue and near infrared in 0..1, about those of the
#: training images, and of the height above the ground [m].
MEAN = (0.45, 0.46, 0.43, 0.45, 3.0)
STD = (0.20, 0.20, 0.20, 0.20, 4.0)
_OPSET = 17


@dataclass(frozen=True)
class Weights:
    """What a set of weights is and expects.

    Attributes
    ----------
    onnx
        Path of the ONNX file.
    bands
        Bands in order; those after the colours may be missing.
    heads
        Answers in order.
    mean, std
        Normalisation of each band, for values in 0..1.
    gsd_m
        Ground sampling distance that the net works at [m].
    threshold
        Probability above which a pixel counts as roof; chosen on the validation cities.
    outline_probability
        Mean probability below which a connected patch of roof is more likely none; chosen
        on the validation cities.
    calibration
        Slope and offset on the logits of the roof, fitted on the validation cities.
    panel_threshold
        Probability from which a pixel is a panel; None where the net has no skill at panels.
    unlike_limit
        Distance from the training images beyond which the net is not to be trusted.
    unsure_limit
        Share of the pixels that may be roof of which the net is not sure, likewise.
    sha256
        Digest of the safetensors and of the ONNX file.
    licence
        Licence of the weights.
    """

    onnx: Path
    bands: tuple[str, ...]
    heads: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    gsd_m: float
    threshold: float
    outline_probability: float
    calibration: tuple[float, float]
    panel_threshold: float | None
    unlike_limit: float
    unsure_limit: float
    sha256: dict[str, str]
    licence: str


def normalise(image: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
    """(image - mean) / std for (n, band, y, x); 0, the mean, where ``shown`` is 0.

    Bands that ``image`` lacks at the end are added as 0.
    """
    import torch

    count = image.shape[1]
    mean = torch.tensor(MEAN[:count]).reshape(1, -1, 1, 1)
    std = torch.tensor(STD[:count]).reshape(1, -1, 1, 1)
    value = (image - mean) / std
    value = value if shown is None else value * shown
    return torch.nn.functional.pad(value, (0, 0, 0, 0, 0, len(MEAN) - count))


def half_is_fast() -> bool:
    """Whether the processor computes in bfloat16 faster than in single precision."""
    import torch

    return bool(torch.cpu._is_amx_tile_supported())


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """State of a net from a safetensors file, in single precision; else `ValueError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {name: value.float() for name, value in load_file(path).items()}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error


def save(net: RoofUNet, folder: Path, *, threshold: float, **notes: Any) -> Path:
    """Write ``roofnet.safetensors``, ``roofnet.onnx`` and ``roofnet.json`` to ``folder``."""
    import torch
    from safetensors.torch import save_file

    from roofnet.data import GSD_M
    from roofnet.unet import BANDS, HEADS, RoofUNet

    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: value.half().contiguous()
        for name, value in net.state_dict().items()
        if value.dtype.is_floating_point
    }
    path = folder / f"{NAME}.safetensors"
    save_file(state, path)
    rounded = RoofUNet(net.bands, net.widths)
    rounded.load_state_dict(load_state(path), strict=False)
    export_onnx(rounded, folder / f"{NAME}.onnx")
    record = {
        "name": NAME,
        "bands": list(BANDS),
        "heads": list(HEADS),
        "mean": list(MEAN),
        "std": list(STD),
        "gsd_m": GSD_M,
        "threshold": threshold,
        "licence": "CC-BY-4.0",
        "parameters": sum(p.numel() for p in net.parameters()),
        "widths": list(net.widths),
        "torch": torch.__version__,
        **notes,
        "sha256": {
            f"{NAME}{suffix}": digest(folder / f"{NAME}{suffix}")
            for suffix in (".safetensors", ".onnx")
        },
    }
    sidecar = folder / f"{NAME}.json"
    sidecar.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return sidecar


def export_onnx(net: RoofUNet, path: Path) -> None:
    """Write the net as ONNX: logits and distance, with free batch, height and width."""
    import torch

    from roofnet.unet import Exported

    axes = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(
        Exported(net).eval(),
        (torch.zeros(1, net.bands, 64, 64),),
        str(path),
        dynamo=False,
        opset_version=_OPSET,
        input_names=["image"],
        output_names=["logits", "unlike"],
        dynamic_axes={"image": axes, "logits": axes, "unlike": {0: "batch"}},
    )


def settle(sidecar: Path, **values: Any) -> None:
    """Note further values, such as the levels chosen on the validation cities, in a sidecar."""
    record = json.loads(sidecar.read_text(encoding="utf-8"))
    sidecar.write_text(json.dumps({**record, **values}, indent=2) + "\n", encoding="utf-8")


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(sidecar: Path) -> Weights:
    """Weights that a sidecar describes; raises `ValueError` when the ONNX file is another."""
    record = json.loads(sidecar.read_text(encoding="utf-8"))
    onnx = sidecar.with_suffix(".onnx")
    slope, offset = record.get("calibration", (1.0, 0.0))
    if digest(onnx) != record["sha256"][onnx.name]:
        raise ValueError(f"{onnx} is not the file that {sidecar} describes: its sha256 differs")
    return Weights(
        onnx=onnx,
        bands=tuple(record["bands"]),
        heads=tuple(record.get("heads", ("roof",))),
        mean=tuple(record["mean"]),
        std=tuple(record["std"]),
        gsd_m=float(record["gsd_m"]),
        threshold=float(record["threshold"]),
        outline_probability=float(record.get("outline_probability", record["threshold"])),
        calibration=(float(slope), float(offset)),
        panel_threshold=None
        if record.get("panel_threshold") is None
        else float(record["panel_threshold"]),
        unlike_limit=float(record.get("unlike_limit", "inf")),
        unsure_limit=float(record.get("unsure_limit", "inf")),
        sha256=dict(record["sha256"]),
        licence=str(record["licence"]),
    )


def default() -> Weights:
    """Weights that ship with the package."""
    return read(FOLDER / f"{NAME}.json")


def describe(weights: Weights) -> dict[str, Any]:
    """Plain values of ``weights``, for a record of a run."""
    return {**asdict(weights), "onnx": weights.onnx.name}

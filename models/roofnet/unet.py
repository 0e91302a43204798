"""A small U-Net in the manner of Ronneberger et al. (2015), doi:10.1007/978-3-319-24574-4_28."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: Sides of an input must be multiples of this number of pixels.
STRIDE_PX = 32

WIDTHS = (16, 48, 96, 144)
#: Channels of the context at 1/32 of the input's resolution.
CONTEXT = 192
#: What the net sees; each beyond the colours may be missing.
BANDS = ("red", "green", "blue", "nir", "height")
#: What it answers, in order.
HEADS = ("roof", "edge", "inside", "panel")
#: Distance inside a roof that the head ``inside`` answers with 1 [m].
FAR_M = 4.0


class ConvBlock(nn.Sequential):
    """3 x 3 convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class RoofUNet(nn.Module):
    """Logits of `HEADS` from a normalised image.

    Each 2 x 2 block of pixels is folded into channels first, and the head unfolds its four
    answers again (Shi et al. 2016, doi:10.1109/CVPR.2016.207): most of the work is then done at
    half the resolution, at about a third of the cost. At 1/32 a few convolutions look at the
    wider surroundings; what they see is added to the level above.

    Parameters
    ----------
    bands
        Number of input bands; those that are missing are 0.
    widths
        Channels at 1/2, 1/4, 1/8 and 1/16 of the input's resolution.

    Attributes
    ----------
    seen_mean, seen_axes
        Mean of the context over the training images, and directions divided by the spread
        along them; 0 until they are known.
    """

    seen_mean: Tensor
    seen_axes: Tensor

    def __init__(self, bands: int = len(BANDS), widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.bands = bands
        self.widths = tuple(widths)
        steps = list(itertools.pairwise(widths))
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), ConvBlock(4 * bands, widths[0]))
        self.down = nn.ModuleList(
            nn.Sequential(ConvBlock(fine, coarse, stride=2), ConvBlock(coarse, coarse))
            for fine, coarse in steps
        )
        self.context = nn.Sequential(
            ConvBlock(widths[-1], CONTEXT, stride=2),
            ConvBlock(CONTEXT, CONTEXT),
            ConvBlock(CONTEXT, CONTEXT),
            nn.Conv2d(CONTEXT, widths[-1], 1),
        )
        self.up = nn.ModuleList(ConvBlock(fine + coarse, fine) for fine, coarse in steps)
        self.head = nn.Sequential(
            ConvBlock(widths[0], widths[0]),
            nn.Conv2d(widths[0], 4 * len(HEADS), 1),
            nn.PixelShuffle(2),
        )
        last = self.context[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)
        self.register_buffer("seen_mean", torch.zeros(CONTEXT))
        self.register_buffer("seen_axes", torch.zeros(CONTEXT, CONTEXT))

    def forward(self, image: Tensor) -> Tensor:
        """Map (batch, bands, y, x) to logits (batch, head, y, x); sides are multiples of 32."""
        return self.answer(image)[0]

    def answer(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits as `forward`, and the mean of the context over the picture (batch, `CONTEXT`)."""
        levels = [self.stem(image)]
        for step in self.down:
            levels.append(step(levels[-1]))
        value = levels.pop()
        seen = self.context[:-1](value)
        wide = nn.functional.interpolate(self.context[-1](seen), scale_factor=2.0, mode="nearest")
        value = value + wide
        for step in reversed(self.up):
            finer = levels.pop()
            value = nn.functional.interpolate(value, scale_factor=2.0, mode="nearest")
            value = step(torch.cat([finer, value], dim=1))
        return self.head(value), seen.mean(dim=(2, 3))


class Exported(nn.Module):
    """A net as it is run: logits, and how unlike the training images each picture is.

    Folding pixels into channels and a 3 x 3 convolution are one convolution of 6 x 6 that goes
    by 2 pixels: the same sums, without moving the pixels first.
    """

    def __init__(self, net: RoofUNet) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).eval()
        block = self.net.stem[1]
        assert isinstance(block, ConvBlock)
        convolution, *rest = block
        self.net.stem = nn.Sequential(unfolded(convolution, net.bands), *rest)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, bands, y, x) to logits (batch, head, y, x) and distance (batch,)."""
        logits, seen = self.net.answer(image)
        off = (seen - self.net.seen_mean) @ self.net.seen_axes
        return logits, off.square().mean(dim=1).sqrt()


def unfolded(fine: nn.Module, bands: int) -> nn.Conv2d:
    """Convolution of 6 x 6 by 2 pixels that does what ``fine`` does on folded pixels."""
    assert isinstance(fine, nn.Conv2d)
    made = nn.Conv2d(bands, fine.out_channels, 6, stride=2, padding=2, bias=False)
    kernel = fine.weight.detach().reshape(-1, bands, 2, 2, 3, 3)
    made.weight.data = kernel.permute(0, 1, 4, 2, 5, 3).reshape(-1, bands, 6, 6).contiguous()
    return made

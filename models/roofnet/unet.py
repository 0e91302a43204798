"""A small U-Net in the manner of Ronneberger et al. (2015), doi:10.1007/978-3-319-24574-4_28."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: Sides of an input must be multiples of this number of pixels.
STRIDE_PX = 16

WIDTHS = (24, 48, 96, 144)


class ConvBlock(nn.Sequential):
    """3 x 3 convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class RoofUNet(nn.Module):
    """Roof logits from a normalised image.

    Each 2 x 2 block of pixels is folded into channels first, and the head unfolds its four
    answers again (Shi et al. 2016, doi:10.1109/CVPR.2016.207): most of the work is then done at
    half the resolution, at about a third of the cost.

    Parameters
    ----------
    bands
        Number of input bands.
    widths
        Channels at 1/2, 1/4, 1/8 and 1/16 of the input's resolution.
    """

    def __init__(self, bands: int = 3, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.bands = bands
        self.widths = tuple(widths)
        steps = list(itertools.pairwise(widths))
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), ConvBlock(4 * bands, widths[0]))
        self.down = nn.ModuleList(
            nn.Sequential(ConvBlock(fine, coarse, stride=2), ConvBlock(coarse, coarse))
            for fine, coarse in steps
        )
        self.up = nn.ModuleList(ConvBlock(fine + coarse, fine) for fine, coarse in steps)
        self.head = nn.Sequential(
            ConvBlock(widths[0], widths[0]), nn.Conv2d(widths[0], 4, 1), nn.PixelShuffle(2)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map (batch, bands, y, x) to logits (batch, 1, y, x); sides are multiples of 16."""
        levels = [self.stem(image)]
        for step in self.down:
            levels.append(step(levels[-1]))
        value = levels.pop()
        for step in reversed(self.up):
            finer = levels.pop()
            value = nn.functional.interpolate(value, scale_factor=2.0, mode="nearest")
            value = step(torch.cat([finer, value], dim=1))
        logits: Tensor = self.head(value)
        return logits

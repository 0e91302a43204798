"""Relative spectral response of the thermal bands of Landsat 4 to 9, every 0.05 um.

Sources, all of them published by NASA and the U.S. Geological Survey (public domain):

* Landsat 4 and 5 TM band 6, Landsat 7 ETM+ band 6: pre-launch measurements, as used by the USGS
  in making its Surface Temperature product; here brought to steps of 0.05 um with the integral
  of linear functions kept (brightness temperature changes by less than 4 mK at 200..370 K).
* Landsat 8 TIRS: Barsi et al. 2014, doi:10.3390/rs61110232 (mean over the focal plane, with its
  out-of-band part, worth 0.03 K in band 10).
* Landsat 9 TIRS-2: NASA Goddard, Landsat 9 spectral response, 2021.

A check on the figures: the constants K1 and K2 of the MTL files fit the integral over the response
with an error of 0.11 to 0.16 K in all four bands of TIRS and TIRS-2 (180..370 K).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEP_UM = 0.05


@dataclass(frozen=True)
class Response:
    """Response of a band.

    Attributes
    ----------
    wavelength_um
        Wavelengths [um], `STEP_UM` apart.
    weight
        Response, of sum 1.
    """

    wavelength_um: NDArray[np.float64]
    weight: NDArray[np.float64]


def _table(start_um: float, figures: str) -> Response:
    values = np.array([float(word) for word in figures.split()])
    wavelength = np.asarray(start_um + STEP_UM * np.arange(len(values)), dtype=np.float64)
    ends = values.copy()
    ends[[0, -1]] *= 0.5
    return Response(wavelength, np.asarray(ends / ends.sum(), dtype=np.float64))


#: Response by satellite and band number.
RESPONSES: dict[tuple[str, int], Response] = {
    ("LANDSAT_4", 6): _table(
        10.0,
        """
        49 110 137 213 342 649 1155 2434 4126 6144 7761 8363 8449 8539 8667 8891 9199 9494 9705
        9867 9971 9966 9752 9278 8786 8534 8361 8151 7963 7828 7568 7141 6660 6069 5476 4890
        4339 3849 3380 2959 2607 2360 2164 1914 1647 1439 1207 951 673 433 242 126 49 26 17 11 7
        5 2
        """,
    ),
    ("LANDSAT_5", 6): _table(
        10.0,
        """
        35 96 129 191 314 525 931 2007 3359 5007 6533 7251 7672 7837 7939 8159 8425 8744 9080
        9413 9702 9793 9804 9693 9598 9688 9801 9858 9901 9943 9896 9597 9329 9366 9505 9641
        9748 9795 9809 9800 9773 9729 9676 9615 9504 9205 8674 7403 5911 4294 2720 1526 613 338
        230 155 96 71 30
        """,
    ),
    ("LANDSAT_7", 6): _table(
        10.0,
        """
        31 199 354 566 1135 2399 4481 6793 8843 9773 9953 9821 9756 9729 9672 9617 9430 9297
        9143 9115 9043 9003 8988 8963 8888 8753 8652 8491 8391 8170 8099 7916 7529 7296 7188
        6984 6788 6565 6377 6145 5984 5814 5580 5519 5468 5449 5473 5172 4436 3435 2252 1230 796
        514 189 44 1
        """,
    ),
    ("LANDSAT_8", 10): _table(
        9.0,
        """
        76 76 74 80 88 76 69 73 77 80 75 85 61 76 72 52 77 53 93 67 66 79 74 64 204 400 780 1622
        3196 6608 13840 27841 50566 72586 80851 84108 84335 87343 91544 97803 100000 99089 87155
        65339 40964 24132 13592 7126 3304 1332 479 224 121 78 107 117 112 99 75 0 121 117 81 60
        102 79 66 32 127 98 104 68 83 12 33 55 63 55 66 66 88 68 97 87 84 89 93 95 92 74 74 80
        79 80 82 81 80 82 78 80 79
        """,
    ),
    ("LANDSAT_8", 11): _table(
        9.0,
        """
        147 148 175 177 184 177 191 213 169 183 212 248 230 201 198 214 192 243 202 206 146 97
        123 343 220 190 210 135 96 251 54 225 180 163 14 123 115 90 132 135 135 98 237 491 1412
        2316 4552 9518 17708 30583 47818 67797 85650 96679 97768 90632 86237 82904 85957 89628
        97206 99753 98754 98763 95411 92359 96126 100000 97722 80102 52450 29212 15224 7403 3425
        1346 680 340 332 326 327 200 208 185 232 184 232 242 236 209 177 181 173 187 178 185 176
        183 194 183 176
        """,
    ),
    ("LANDSAT_9", 10): _table(
        9.8,
        """
        10 10 10 10 20 50 140 380 900 2240 6100 15710 31830 49230 63200 72230 78440 82070 83700
        84760 85900 88200 91890 95830 99600 100000 92890 75010 49540 26980 12820 5890 2660 1260
        630 330 160 80 40 20 10
        """,
    ),
    ("LANDSAT_9", 11): _table(
        11.0,
        """
        10 20 30 60 140 390 1260 3450 8120 15750 25750 40450 57700 73080 83920 89410 92280 95750
        98110 99760 100000 98060 95450 91240 84950 80020 75790 73430 71270 63530 48780 30860
        17460 9390 4750 2560 1470 720 270 100 40
        """,
    ),
}

"""Copernicus DEM GLO-30: heights of the far terrain, anywhere on land.

Earth Search lists the cloud-optimised tiles of the public bucket ``copernicus-dem-30m``
(https://registry.opendata.aws/copernicus-dem/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heliopolis.io.archives.cogs import deliver_windows, list_items, remote_asset
from heliopolis.io.archives.delivery import Delivery, Order
from heliopolis.io.remote.client import CorruptError


@dataclass(frozen=True)
class CopernicusDem:
    """The global model with cells of one arc second.

    Attributes
    ----------
    stac_url
        STAC API that lists the tiles.
    collection
        Its collection.
    bucket_url
        Address of a bucket over the web, with ``{bucket}`` and ``{region}``.
    """

    stac_url: str = "https://earth-search.aws.element84.com/v1"
    collection: str = "cop-dem-glo-30"
    bucket_url: str = "https://{bucket}.s3.{region}.amazonaws.com"
    name: str = "copernicus_dem"
    kinds: tuple[str, ...] = ("dtm",)

    def deliver(self, order: Order) -> Delivery:
        """Write what is ordered."""
        items = list_items(order, self.name, self.stac_url, self.collection)
        assets = [
            remote_asset(item, "data", item["assets"]["data"], self._url(item))
            for item in sorted(items, key=lambda item: str(item["id"]))
        ]
        share = deliver_windows(order, self.name, assets, 30.0, source=self.collection)
        return Delivery(
            attribution="© DLR e.V. 2010-2014 and © Airbus Defence and Space GmbH 2014-2018 "
            "provided under COPERNICUS by the European Union and ESA; all rights reserved",
            licence="Copernicus DEM GLO-30 free licence",
            year=None,
            note=f"{share:.1%} of the rectangle covered; a surface with woods and buildings, seen "
            "by radar 2011 to 2015: for the far horizon, not for the ground of a town; heights "
            "in EGM2008; nothing over open sea",
        )

    def _url(self, item: Mapping[str, Any]) -> str:
        href = str(item["assets"]["data"]["href"])
        if not href.startswith("s3://"):
            return href
        bucket, _, key = href.removeprefix("s3://").partition("/")
        if not key:
            raise CorruptError("the tile has no address", where=str(item["id"]))
        region = str(item.get("properties", {}).get("storage:region", "eu-central-1"))
        return f"{self.bucket_url.format(bucket=bucket, region=region)}/{key}"

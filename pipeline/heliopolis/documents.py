"""Documents of plain values, which may come from anyone: YAML without its dangers."""

from __future__ import annotations

from typing import Any

import yaml

#: Levels of a JSON or YAML document; a configuration, STAC and PVGIS need less than ten.
DEEPEST = 60


class _PlainLoader(yaml.SafeLoader):
    """YAML without anchors: an alias can unfold a few lines to billions."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(
                None, None, "aliases (*name) are not allowed", event.start_mark
            )
        depth = getattr(self, "depth", 0) + 1
        self.depth = depth
        if depth > DEEPEST:
            raise yaml.composer.ComposerError(
                None, None, f"more than {DEEPEST} levels", self.peek_event().start_mark
            )
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth = depth - 1


def plain_yaml(text: str) -> Any:
    """Value of a YAML text of plain types, without aliases and not deeper than `DEEPEST`.

    Raises
    ------
    yaml.YAMLError
    """
    try:
        return yaml.load(text, Loader=_PlainLoader)
    except (ValueError, RecursionError, OverflowError, TypeError) as error:
        raise yaml.YAMLError(str(error)) from error

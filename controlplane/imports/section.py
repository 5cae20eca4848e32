"""The cluster file as it is being made: mappings that know what they came from.

A `Section` is a mapping of the cluster file. It keeps what was lost while it was
made, so that comments can stand at the place, and where each field was written,
so that a field which the validator refuses can be told at its source.
"""

from __future__ import annotations

from collections.abc import Iterator

from controlplane.imports.given import Losses, Place, Placed


class Section(dict[str, object]):
    """Values are texts as the cluster file writes them (``$$`` is one dollar),
    numbers, flags, lists and further sections."""

    def __init__(self, origin: Placed, **fields: object) -> None:
        super().__init__(fields)
        self.origin = origin.place
        self.places: dict[str, Place] = {}
        self.losses = Losses()
        self.notes: list[str] = []
        """Comments that tell what was added or meant; not losses."""

    def put(self, name: str, value: object, where: Placed) -> None:
        """Set a field that was written at `where`; None and empty are left out."""
        if value is None or value in ("", [], {}):
            return
        self[name] = value
        self.places[name] = where.place

    def add(self, name: str, value: object, where: Placed) -> None:
        """Append to a list field."""
        self.list_of(name).append(value)
        self.places.setdefault(name, where.place)

    def list_of(self, name: str) -> list[object]:
        value = self.setdefault(name, [])
        assert isinstance(value, list)
        return value

    def sections(self, name: str) -> list[Section]:
        """Return the mappings of a list field; none where it is not there."""
        value = self.get(name)
        items = value if isinstance(value, list) else []
        return [item for item in items if isinstance(item, Section)]

    def section(self, name: str, where: Placed) -> Section:
        value = self.setdefault(name, Section(where))
        self.places.setdefault(name, where.place)
        assert isinstance(value, Section)
        return value


def all_sections(value: object) -> Iterator[Section]:
    """Yield every section of a tree, outermost first."""
    if isinstance(value, Section):
        yield value
    if isinstance(value, dict):
        for inner in value.values():
            yield from all_sections(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from all_sections(inner)

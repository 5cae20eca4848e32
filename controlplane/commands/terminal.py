"""Write for people: lines, tables, and JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence


def say(text: str = "") -> None:
    """Write a line, at once: others may be reading along."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write a line about what went wrong."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def say_json(document: object) -> None:
    import json  # noqa: PLC0415 - lazy

    say(json.dumps(document, indent=2, ensure_ascii=False))


def say_json_line(document: object) -> None:
    """Write one of many documents, each on a line of its own."""
    import json  # noqa: PLC0415 - lazy

    say(json.dumps(document, ensure_ascii=False))


def table(title: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Yield lines with columns as wide as needed; nothing when there are no rows."""
    if not rows:
        return
    texts = [title, *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(title))]
    for row in texts:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _cell(value: object) -> str:
    """Show a value; `-` for none, as tables of the field do."""
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.1f}"
    return str(value)


def listener_url(listener: Mapping[str, object]) -> str:
    """Return where a listener of `/v1/state` is asked."""
    scheme = str(listener["protocol"]).lower()
    address = str(listener["address"])
    host = f"[{address}]" if ":" in address else address
    return f"{scheme}://{host}:{listener['port']}"


def clock_time(unix_s: float) -> str:
    """Return the local time of day."""
    import datetime  # noqa: PLC0415 - lazy

    moment = datetime.datetime.fromtimestamp(unix_s, datetime.UTC).astimezone()
    return f"{moment:%H:%M:%S}"

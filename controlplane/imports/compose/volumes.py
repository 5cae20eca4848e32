"""Volumes, secrets and configs of a Compose service, as volumes of ECS. Pure.

A directory or file of the host is a volume with a ``sourcePath``, and needs
``allowHostPaths``; a secret or config that is a file is one too, mounted where
Compose mounts it.

Source: Compose specification, "Volumes", "Secrets", "Configs"; ECS API reference,
Volume and MountPoint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from controlplane.imports.compose.containers import pairs
from controlplane.imports.compose.reading import Reading
from controlplane.imports.given import Fields, Given, Key, Named, Text
from controlplane.imports.names import ecs_name
from controlplane.imports.quantities import flag, mebibytes
from controlplane.imports.section import Section

TMPFS_MIB: Final = 64
"""Where a file gives none: ECS needs a size."""
_PATH = re.compile(r"[./~]|[A-Za-z]:[\\/]")


def mount(reading: Reading) -> None:
    """Fill in the task's volumes and the container's mount points."""
    for item in reading.fields.many("volumes"):
        if isinstance(item, Named):
            _long(reading, item)
        elif isinstance(item, Text):
            _short(reading, item)
        else:
            reading.losses.add(item, "must be a volume such as data:/var/lib/data")
    for text in reading.fields.texts("tmpfs"):
        path, _, options = reading.now(text).partition(":")
        _tmpfs(reading, text, path, options)
    _files(reading, "secrets", reading.project.secrets, "/run/secrets/")
    _files(reading, "configs", reading.project.configs, "/")


def _short(reading: Reading, item: Text) -> None:
    parts = reading.now(item).split(":")
    if (
        len(parts) > 1
        and len(parts[0]) == 1
        and parts[1][:1] in {"\\", "/"}
        and (parts[0].isalpha() and parts[1][:1] == "\\")
    ):
        reading.losses.add(item, "paths of Windows are not known here")
        return
    source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
    options = set(parts[2].split(",")) if len(parts) > 2 else set()  # noqa: PLR2004
    if not target.startswith("/"):
        reading.losses.add(item, "must name an absolute path of the container")
        return
    if left := sorted(options - {"ro", "rw", ""}):
        reading.losses.add(item, f"{', '.join(left)}: only ro and rw are known to ECS")
    if source and _PATH.match(source):
        _bind(reading, item, (reading.path(source), target), read_only="ro" in options)
    else:
        _named(reading, item, (source, target), read_only="ro" in options)


def _long(reading: Reading, item: Named) -> None:
    fields = Fields(item, reading.losses)
    kind, source, target = (
        reading.now(text) if text else ""
        for text in (fields.text(name) for name in ("type", "source", "target"))
    )
    read_only = reading.measured(fields.take("read_only"), flag, "true or false")
    size = fields.fields("tmpfs").text("size") if kind == "tmpfs" else None
    ways = (source, target)
    if not target.startswith("/"):
        reading.losses.add(item, "must name an absolute path of the container")
    elif kind == "bind":
        _bind(reading, item, (reading.path(source), target), read_only=bool(read_only))
    elif kind == "tmpfs":
        _tmpfs(reading, item, target, f"size={size.text}" if size else "")
    elif kind in {"volume", ""}:
        _named(reading, item, ways, read_only=bool(read_only))
    else:
        reading.losses.add(item, f"a mount of type {kind} is not known to ECS")
    fields.rest({}, "is not known to ECS")


def _bind(
    reading: Reading, item: Given | Key, ways: tuple[str, str], *, read_only: bool
) -> None:
    source, target = ways
    reading.root["allowHostPaths"] = True
    volume = Section(
        item, name=ecs_name(source.strip("/")), host={"sourcePath": source}
    )
    _attach(reading, item, (volume, target), read_only=read_only)


def _named(
    reading: Reading, item: Given, ways: tuple[str, str], *, read_only: bool
) -> None:
    source, target = ways
    volume = Section(item, name=ecs_name(source or target.strip("/")))
    if source:
        volume.put("dockerVolumeConfiguration", _shared(reading, source, item), item)
    _attach(reading, item, (volume, target), read_only=read_only)


def _shared(reading: Reading, source: str, item: Given) -> Section:
    """Return what makes a volume outlive its tasks, as a named one of Compose does."""
    shared = Section(item, scope="shared", autoprovision=True)
    declared = reading.project.volumes.get(source)
    fields = Fields(declared.value if declared else None, reading.losses)
    if driver := fields.text("driver"):
        shared.put("driver", reading.kept(driver), driver)
    for name, ours in (("driver_opts", "driverOpts"), ("labels", "labels")):
        texts = {
            key.name: reading.kept(key.value)
            for key in pairs(fields.take(name))
            if isinstance(key.value, Text)
        }
        shared.put(ours, texts, item)
    external = reading.measured(fields.take("external"), flag, "true or false")
    if external:
        shared["autoprovision"] = False
    why = "the volume is called by its name in this file"
    fields.rest({"name": why}, "is not known in a volume")
    return shared


def _attach(
    reading: Reading,
    item: Given | Key,
    volume_at: tuple[Section, str],
    *,
    read_only: bool,
) -> None:
    volume, target = volume_at
    known = {str(each["name"]): each for each in reading.task.sections("volumes")}
    if str(volume["name"]) not in known:
        reading.task.add("volumes", volume, item)
    point = Section(item, sourceVolume=volume["name"], containerPath=target)
    if read_only:
        point["readOnly"] = True
    points = reading.container.list_of("mountPoints")
    points[:] = [
        each
        for each in points
        if not (isinstance(each, dict) and each["containerPath"] == target)
    ]
    reading.container.add("mountPoints", point, item)


def _tmpfs(reading: Reading, item: Given, path: str, options: str) -> None:
    size, rest = TMPFS_MIB, []
    for option in filter(None, options.split(",")):
        name, _, value = option.partition("=")
        if name == "size":
            size = mebibytes(value) or TMPFS_MIB
        else:
            rest.append(option)
    if "size" not in options:
        note = f"tmpfs {path}: ECS needs a size; {size} MiB is a guess"
        reading.task.notes.append(note)
    entry = Section(item, containerPath=path, size=max(1, size))
    entry.put("mountOptions", rest, item)
    parameters = reading.container.section("linuxParameters", item)
    parameters.add("tmpfs", entry, item)


# --- secrets and configs ------------------------------------------------------------


def _files(
    reading: Reading, name: str, declared: Mapping[str, Key], directory: str
) -> None:
    for item in reading.fields.many(name):
        source, target = item, None
        if isinstance(item, Named):
            fields = Fields(item, reading.losses)
            source = fields.text("source") or item
            target = fields.text("target")
            fields.rest({}, "the file keeps its owner and its mode")
        if not isinstance(source, Text):
            reading.losses.add(item, "must name one of the file's own")
            continue
        origin = Fields(
            declared[source.text].value if source.text in declared else None,
            reading.losses,
        )
        file = origin.text("file")
        origin.rest({}, "only a file can be mounted")
        if file is None:
            reading.losses.add(item, "only what has a file can be mounted")
            continue
        inside = reading.now(target) if target else source.text
        if not inside.startswith("/"):
            inside = directory + inside
        path = reading.path(reading.now(file))
        _bind(reading, item, (path, inside), read_only=True)

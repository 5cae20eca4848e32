"""What of a Compose service is a container definition of ECS. Pure.

Source: Compose specification, "Services"; ECS API reference, ContainerDefinition.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from controlplane.imports.compose.project import as_key
from controlplane.imports.compose.reading import Reading
from controlplane.imports.given import Fields, Given, Key, Many, Named, Text, only_texts
from controlplane.imports.quantities import flag, seconds, whole
from controlplane.imports.section import Section

STOP_TIMEOUT_MAX_S: Final = 86_400

_TEXTS: Final = {
    "user": "user",
    "working_dir": "workingDirectory",
    "hostname": "hostname",
}
_FLAGS: Final = {
    "privileged": "privileged",
    "read_only": "readonlyRootFilesystem",
    "stdin_open": "interactive",
    "tty": "pseudoTerminal",
}
_LISTS: Final = {
    "dns": "dnsServers",
    "dns_search": "dnsSearchDomains",
    "security_opt": "dockerSecurityOptions",
}


def describe(reading: Reading) -> None:
    """Fill in the container from the service's keys."""
    _image(reading)
    for name, ours in (("entrypoint", "entryPoint"), ("command", "command")):
        _words(reading, name, ours)
    _scalars(reading)
    _environment(reading)
    _extra_hosts(reading)
    _logging(reading)
    _stopping(reading)
    _kernel(reading)
    _ulimits(reading)
    _namespaces(reading)


def _scalars(reading: Reading) -> None:
    fields, container = reading.fields, reading.container
    for name, ours in _TEXTS.items():
        if text := fields.text(name):
            container.put(ours, reading.kept(text), text)
    for name, ours in _FLAGS.items():
        if value := fields.take(name):
            container.put(ours, reading.measured(value, flag, "true or false"), value)
    if container.get("privileged"):
        reading.root["allowPrivileged"] = True
    for name, ours in _LISTS.items():
        for text in fields.texts(name):
            container.add(ours, reading.kept(text), text)


def pairs(value: Given | None) -> Iterator[Key]:
    """Yield the names and values of a mapping, or of a list of ``NAME=VALUE``."""
    if isinstance(value, Named):
        yield from value.entries
    elif isinstance(value, Many):
        yield from map(as_key, value.items)
    elif value is not None:
        yield as_key(value)


def _image(reading: Reading) -> None:
    image, build = reading.fields.text("image"), reading.fields.take_key("build")
    if image:
        reading.container.put("image", reading.kept(image), image)
    if build and reading.fields.peek("build") is not None:
        name = image.text if image else f"{reading.project.name}-{reading.name}"
        why = f"images are not built here; `docker compose build` makes {name}"
        reading.losses.add(build, why)
        if image is None:
            reading.container.put("image", name, build)
    elif image is None:
        reading.losses.add(reading.fields.place, "has neither image nor build")


def _words(reading: Reading, name: str, ours: str) -> None:
    """Read a command: a list of words, or a text as a shell would split it."""
    value = reading.fields.take(name)
    if value is None:
        return
    if isinstance(value, Text):
        try:
            words = shlex.split(value.text)
        except ValueError as error:
            reading.losses.add(value, f"its quotes do not match: {error}")
            return
        texts = [Text(word, value.place) for word in words]
    else:
        items = value.items if isinstance(value, Many) else (value,)
        texts = list(only_texts(items, reading.losses))
    kept = [reading.kept(text) for text in texts]
    if not kept:
        reading.losses.add(value, "an empty one does not clear the image's here")
    elif "" in kept:
        reading.losses.add(value, "an empty word cannot be given here")
    else:
        reading.container.put(ours, kept, value)


# --- environment ------------------------------------------------------------------


def _environment(reading: Reading) -> None:
    found: dict[str, Section] = {}
    for key in pairs(reading.fields.take("environment")):
        text = key.value
        if not isinstance(text, Text) or not key.name:
            reading.losses.add(key, "must be a name and a single value")
            continue
        variable = Section(key, name=key.name)
        if text.is_null:
            why = "comes from the environment of alb; not set, it is empty there"
            reading.losses.add(key, why)
            variable["value"] = f"${{{key.name}-}}"
        else:
            variable["value"] = reading.kept(text)
        found[key.name] = variable
    for variable in found.values():
        reading.container.add("environment", variable, variable.origin)
    _environment_files(reading)


def _environment_files(reading: Reading) -> None:
    for item in reading.fields.many("env_file"):
        path = item
        if isinstance(item, Named):
            fields = Fields(item, reading.losses)
            path = fields.text("path") or item
            fields.lose("required", "a file that is named must be there")
            fields.lose("format", "one line is one variable")
        if isinstance(path, Text):
            value = {"type": "s3", "value": reading.path(reading.now(path))}
            reading.container.add("environmentFiles", value, path)
        else:
            reading.losses.add(item, "must be a path")


# --- the rest ---------------------------------------------------------------------


def _extra_hosts(reading: Reading) -> None:
    for key in pairs(reading.fields.take("extra_hosts")):
        addresses = key.value.items if isinstance(key.value, Many) else (key.value,)
        for text in only_texts(addresses, reading.losses):
            host, address = key.name, reading.kept(text)
            if text.is_null:  # the list's older form, HOST:ADDRESS
                host, _, address = key.name.partition(":")
            if (host, address) == ("host.docker.internal", "host-gateway"):
                continue  # every task has it
            entry = {"hostname": host, "ipAddress": address.strip("[]")}
            reading.container.add("extraHosts", entry, key)


def _logging(reading: Reading) -> None:
    value = reading.fields.take("logging")
    if value is None:
        return
    fields = Fields(value, reading.losses)
    driver = fields.text("driver")
    section = Section(value, logDriver=reading.kept(driver) if driver else "json-file")
    options = fields.fields("options")
    texts = {
        key.name: reading.kept(key.value)
        for key in options.keys.values()
        if isinstance(key.value, Text)
    }
    section.put("options", texts, options.place)
    fields.rest({}, "is not known in logging")
    reading.container.put("logConfiguration", section, value)


def _stopping(reading: Reading) -> None:
    value = reading.fields.text("stop_grace_period")
    grace_s = reading.measured(value, seconds, "a duration such as 1m30s")
    if value is None or grace_s is None:
        return
    wanted = max(1, min(STOP_TIMEOUT_MAX_S, round(grace_s)))
    if wanted != grace_s:
        reading.losses.add(value, f"becomes {wanted} s: whole seconds from 1")
    reading.container.put("stopTimeout", wanted, value)


def _kernel(reading: Reading) -> None:
    fields = reading.fields
    for name, ours in (("cap_add", "add"), ("cap_drop", "drop")):
        value = fields.peek(name)
        names = [reading.kept(text) for text in fields.texts(name)]
        if value and names:
            parameters = reading.container.section("linuxParameters", value)
            parameters.section("capabilities", value).put(ours, names, value)
    if value := fields.take("init"):
        is_on = reading.measured(value, flag, "true or false")
        reading.linux("initProcessEnabled", is_on, value)
    for text in fields.texts("devices"):
        host, _, rest = reading.now(text).partition(":")
        inside, _, permissions = rest.partition(":")
        device = Section(text, hostPath=host)
        device.put("containerPath", inside, text)
        named = {"r": "read", "w": "write", "m": "mknod"}
        device.put("permissions", [named[c] for c in permissions if c in named], text)
        parameters = reading.container.section("linuxParameters", text)
        parameters.add("devices", device, text)
    for key in pairs(fields.take("sysctls")):
        if isinstance(key.value, Text):
            control = {"namespace": key.name, "value": reading.kept(key.value)}
            reading.container.add("systemControls", control, key)
        else:
            reading.losses.add(key, "must be a single value")


def _ulimits(reading: Reading) -> None:
    for key in reading.fields.fields("ulimits").keys.values():
        if isinstance(key.value, Text):
            soft = hard = reading.measured(key.value, _limit, "a number")
        else:
            both = Fields(key.value, reading.losses)
            soft, hard = (
                reading.measured(both.text(name), _limit, "a number")
                for name in ("soft", "hard")
            )
            both.rest({}, "is not known in a limit")
        if soft is None or hard is None:
            reading.losses.add(key, "needs a soft and a hard limit")
            continue
        limit = {"name": key.name, "softLimit": soft, "hardLimit": hard}
        reading.container.add("ulimits", limit, key)


def _limit(text: str) -> int | None:
    return -1 if text == "-1" else whole(text)


def _namespaces(reading: Reading) -> None:
    fields, task = reading.fields, reading.task
    if mode := fields.text("network_mode"):
        name = reading.now(mode)
        if name in {"host", "none", "bridge"}:
            task.put("networkMode", name, mode)
        else:
            reading.losses.add(mode, "a network of another container is not shared")
    for name, ours in (("pid", "pidMode"), ("ipc", "ipcMode")):
        if value := fields.text(name):
            if value.text in {"host", "none"}:
                task.put(ours, value.text, value)
            else:
                reading.losses.add(value, "only host can be shared")


def labels(reading: Reading, name: str = "labels") -> list[tuple[str, Text, Key]]:
    """Take a service's labels: name, value with its variables in, and where."""
    found = []
    for key in pairs(reading.fields.take(name)):
        if isinstance(key.value, Text):
            found.append((key.name, key.value, key))
        else:
            reading.losses.add(key, "must be a name and a single value")
    return found

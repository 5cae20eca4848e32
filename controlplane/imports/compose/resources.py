"""CPU, memory and health of a Compose service, in ECS's fields. Pure.

Source: Compose specification, "Deploy" and "healthcheck"; ECS API reference,
ContainerDefinition and HealthCheck.
"""

from __future__ import annotations

from typing import Final

from controlplane.imports.compose.reading import Reading
from controlplane.imports.given import Fields, Given, Many, Text, only_texts
from controlplane.imports.quantities import (
    cpu_units,
    flag,
    mebibytes,
    seconds,
    size_bytes,
    whole,
)
from controlplane.imports.section import Section

RESERVED_MIB: Final = 128
"""Where a service says nothing: kept free on the host, and no limit."""
MEMORY_MIN_MIB: Final = 6
SHARES_DEFAULT: Final = 1024

_SIZE: Final = "a size such as 512m"
_CORES: Final = "a number of cores such as 0.5"


def measure(reading: Reading, resources: Fields) -> None:
    """Fill in CPU and memory; `resources` are those of ``deploy``."""
    limits, reserved = resources.fields("limits"), resources.fields("reservations")
    resources.rest({}, "is not known in resources")
    _cpu(reading, limits, reserved)
    _memory(reading, limits, reserved)
    _more_memory(reading)
    _devices(reading, reserved)
    why = "is not known in limits and reservations"
    for fields in (limits, reserved):
        fields.rest({"pids": "ECS has no limit of processes"}, why)


def _cpu(reading: Reading, limits: Fields, reserved: Fields) -> None:
    own = reading.fields.text("cpus")
    limit = limits.text("cpus") or own
    units = reading.measured(limit, cpu_units, _CORES)
    if limit and units:
        reading.task.put("cpu", str(units), limit)
    shares = reading.fields.text("cpu_shares")
    share = reserved.text("cpus")
    if share:
        units = reading.measured(share, cpu_units, _CORES)
        reading.container.put("cpu", units, share)
    elif shares:
        units = reading.measured(shares, whole, "a number")
        reading.container.put("cpu", units, shares)
    quota, period = reading.fields.text("cpu_quota"), reading.fields.text("cpu_period")
    if period and quota is None:
        reading.losses.add(period, "needs cpu_quota")
    if quota and limit is None:
        used = reading.measured(quota, whole, "microseconds") or 0
        of = reading.measured(period, whole, "microseconds") or 100_000
        reading.task.put("cpu", str(max(1, used * SHARES_DEFAULT // of)), quota)


def _memory(reading: Reading, limits: Fields, reserved: Fields) -> None:
    hard = limits.text("memory") or reading.fields.text("mem_limit")
    soft = reserved.text("memory") or reading.fields.text("mem_reservation")
    for name in ("mem_limit", "mem_reservation"):
        reading.fields.take(name)
    hard_mib = reading.measured(hard, mebibytes, _SIZE)
    soft_mib = reading.measured(soft, mebibytes, _SIZE)
    for name, mib, value in (
        ("memory", hard_mib, hard),
        ("memoryReservation", soft_mib, soft),
    ):
        if not value or not mib:  # zero is none
            continue
        if mib < MEMORY_MIN_MIB:
            reading.losses.add(value, f"becomes {MEMORY_MIN_MIB} MiB, ECS's least")
            mib = MEMORY_MIN_MIB  # noqa: PLW2901 - the least
        reading.container.put(name, mib, value)
    container = reading.container
    if container.get("memory") and container.get("memory") == container.get(
        "memoryReservation"
    ):
        del container["memoryReservation"]  # a limit is reserved as a whole
    if not {"memory", "memoryReservation"} & container.keys():
        container["memoryReservation"] = RESERVED_MIB
        note = f"memoryReservation: no limit, {RESERVED_MIB} MiB are kept free for each"
        reading.task.notes.append(note)


def _more_memory(reading: Reading) -> None:
    fields = reading.fields
    if value := fields.text("shm_size"):
        size = reading.measured(value, mebibytes, _SIZE)
        reading.linux("sharedMemorySize", size, value)
    if value := fields.text("mem_swappiness"):
        reading.linux("swappiness", reading.measured(value, whole, "0-100"), value)
    value = fields.text("memswap_limit")
    if value is None:
        return
    if value.text.strip() == "-1":
        reading.losses.add(value, "swap without a limit is not known to ECS")
        return
    both = reading.measured(value, size_bytes, _SIZE)
    memory = reading.container.get("memory")
    if both is not None and isinstance(memory, int):
        reading.linux("maxSwap", max(0, (both >> 20) - memory), value)
    elif both is not None:
        reading.losses.add(value, "needs mem_limit")


def _devices(reading: Reading, reserved: Fields) -> None:
    for item in reserved.many("devices"):
        device = Fields(item, reading.losses)
        kinds = {text.text for text in device.texts("capabilities")}
        kinds |= {
            text.text
            for each in device.many("capabilities")
            if isinstance(each, Many)
            for text in only_texts(each.items, reading.losses)
        }
        count = device.text("count")
        ids = device.texts("device_ids")
        if "gpu" in kinds and (count is None or whole(count.text) is not None):
            number = str(len(ids) or (count.text if count else 1))
            need = {"type": "GPU", "value": number}
            reading.container.add("resourceRequirements", need, item)
            device.take("driver")
        else:
            reading.losses.add(item, "only a number of GPUs can be reserved")
            continue
        device.rest({}, "is not known to ECS")


# --- health -----------------------------------------------------------------------

_TIMES: Final = {
    "interval": ("interval", 5, 300),
    "timeout": ("timeout", 2, 120),
    "start_period": ("startPeriod", 0, 300),
}
"""Ours, the least and the most of each, in seconds."""
RETRIES_MAX: Final = 10


def check_health(reading: Reading) -> None:
    """Fill in ``healthCheck``."""
    value = reading.fields.take("healthcheck")
    if value is None:
        return
    fields = Fields(value, reading.losses)
    disable = fields.take("disable")
    is_off = reading.measured(disable, flag, "true or false") if disable else False
    test = fields.take("test")
    command = _command(reading, test)
    section = Section(value)
    if is_off or command == ["NONE"]:
        reading.container.put("healthCheck", {"command": ["NONE"]}, value)
        for name in (*_TIMES, "retries"):
            fields.take(name)
    elif command:
        section.put("command", command, test or value)
        for name, (ours, least, most) in _TIMES.items():
            _time(reading, fields.text(name), section, (ours, least, most))
        _retries(reading, fields.text("retries"), section)
        reading.container.put("healthCheck", section, value)
    else:
        reading.losses.add(value, "has no test")
    fields.rest({"start_interval": "ECS has one interval"}, "is not known here")


def _command(reading: Reading, test: Given | None) -> list[str]:
    if test is None:
        return []
    if isinstance(test, Text):
        return ["CMD-SHELL", reading.kept(test)] if test.text else []
    items = test.items if isinstance(test, Many) else (test,)
    words = [reading.kept(text) for text in only_texts(items, reading.losses)]
    if words and words[0] in {"NONE", "CMD", "CMD-SHELL"}:
        return words
    reading.losses.add(test, "must begin with NONE, CMD or CMD-SHELL")
    return []


def _time(
    reading: Reading,
    value: Text | None,
    section: Section,
    bounds: tuple[str, int, int],
) -> None:
    name, least, most = bounds
    given_s = reading.measured(value, seconds, "a duration such as 30s")
    if value is None or given_s is None:
        return
    wanted = max(least, min(most, round(given_s)))
    if wanted != given_s:
        reading.losses.add(value, f"becomes {wanted} s: ECS takes {least}-{most}")
    section.put(name, wanted, value)


def _retries(reading: Reading, value: Text | None, section: Section) -> None:
    count = reading.measured(value, whole, "a number")
    if value is None or count is None:
        return
    wanted = max(1, min(RETRIES_MAX, count))
    if wanted != count:
        reading.losses.add(value, f"becomes {wanted}: ECS takes 1-{RETRIES_MAX}")
    section.put("retries", wanted, value)

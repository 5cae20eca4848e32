"""The image of the container that holds what a task's containers share. Floor 3.

One static program of some hundred bytes, made here, so that no registry has to be
asked: it waits for ever. As process 1 of shared processes it lets the kernel
collect those that ended (SIGCHLD is ignored: signal(7), wait(2)).

    rt_sigaction(SIGCHLD, SIG_IGN)     then again and again: ppoll(0, 0, 0, 0)
"""

from __future__ import annotations

import io
import struct
import tarfile
from typing import Final

PAUSE_IMAGE: Final = "alb/pause:1"
PAUSE_SIGNAL: Final = "SIGKILL"
"""As process 1 it would not hear SIGTERM, and has nothing to finish."""

BASE: Final = 0x400000
ELF_HEADER_BYTES: Final = 64
PROGRAM_HEADER_BYTES: Final = 56
CODE_AT: Final = ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES
SIGACTION_BYTES: Final = 32
SIG_IGN: Final = 1

# fmt: off
_X86_64: Final = bytes.fromhex(
    "31d2"              # xor  edx, edx        no former action
    "41ba08000000"      # mov  r10d, 8         bytes of a signal set
    "488d3500000000"    # lea  rsi, [rip + ?]  the action
    "bf11000000"        # mov  edi, 17         SIGCHLD
    "b80d000000"        # mov  eax, 13         rt_sigaction
    "0f05"              # syscall
    "31ff31f631d24d31d2"    # edi, esi, edx, r10 = 0
    "b80f010000"        # mov  eax, 271        ppoll
    "0f05"              # syscall
    "ebee"              # jmp  to edi = 0
)
_AARCH64: Final = struct.pack(
    "<12I",
    0xD2800220,         # mov x0, 17           SIGCHLD
    0x10000161,         # adr x1, +44          the action
    0xD2800002,         # mov x2, 0
    0xD2800103,         # mov x3, 8
    0xD28010C8,         # mov x8, 134          rt_sigaction
    0xD4000001,         # svc 0
    0xD2800000,         # mov x0, 0
    0xD2800001,         # mov x1, 0
    0xD2800002,         # mov x2, 0
    0xD2800928,         # mov x8, 73           ppoll
    0xD4000001,         # svc 0
    0x17FFFFFB,         # b   to x0 = 0
)
# fmt: on
MACHINES: Final = {"x86_64": (62, _X86_64), "aarch64": (183, _AARCH64)}
"""By the kernel's name: ELF's number (elf.h), and the code."""


class NoPause(Exception):
    """The program is not made for such a machine."""


def program(machine: str) -> bytes:
    """Return the program for a machine, as `uname -m` names it. Raises NoPause."""
    if machine not in MACHINES:
        raise NoPause(machine)
    number, code = MACHINES[machine]
    if machine == "x86_64":  # the action lies after the code; lea counts from its end
        code = code[:11] + struct.pack("<i", len(code) - 15) + code[15:]
    content = code + struct.pack("<4Q", SIG_IGN, 0, 0, 0)
    size = CODE_AT + len(content)
    # fmt: off
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01", 2, number, 1, BASE + CODE_AT, ELF_HEADER_BYTES, 0, 0,
        ELF_HEADER_BYTES, PROGRAM_HEADER_BYTES, 1, 0, 0, 0,
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x1000)
    # fmt: on
    return header + segment + content


def root_file_system(machine: str) -> bytes:
    """Return a tar of the image's files. Raises NoPause."""
    content = program(machine)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tree:
        entry = tarfile.TarInfo("pause")
        entry.mode, entry.size = 0o755, len(content)
        tree.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()

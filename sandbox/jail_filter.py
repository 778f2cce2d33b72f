"""The system calls a jailed process may not make, as a classic BPF program (seccomp(2), SECCOMP_SET_MODE_FILTER).

Namespaces already keep the process from the host; this takes away the kernel's less tried parts, and the sockets that no
network namespace holds (AF_VSOCK reaches the host of a virtual machine).
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Sequence

from sandbox.errors import BubblewrapMissing

# Numbers of refused calls: arch/x86/entry/syscalls/syscall_64.tbl, and include/uapi/asm-generic/unistd.h for aarch64.
REFUSED: dict[str, tuple[int, int]] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262), "quotactl": (179, 60), "quotactl_fd": (443, 443), "swapon": (167, 224), "swapoff": (168, 225),
    "reboot": (169, 142), "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "acct": (163, 89), "syslog": (103, 116), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171), "sethostname": (170, 161),
    "setdomainname": (171, 162), "personality": (135, 92), "vhangup": (153, 58), "lookup_dcookie": (212, 18),
    # Memory that belongs to no process and no folder could not be counted.
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194),
}  # fmt: skip
# Calls whose arguments decide: clone, clone3, ioctl, socket, socketpair.
WITH_ARGUMENTS: dict[str, tuple[int, int]] = {
    "clone": (56, 220), "clone3": (435, 435), "ioctl": (16, 29), "socket": (41, 198), "socketpair": (53, 199),
}  # fmt: skip
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH_* of linux/audit.h
X32_BIT = 0x40000000
CLONE_NEW_ANY = 0x7E020080  # every CLONE_NEW* flag of linux/sched.h that clone(2) takes
TERMINAL_REQUESTS = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX put words into a terminal
FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: all of them end at the network namespace

ALLOW, KILL = 0x7FFF0000, 0x80000000
LOAD, AND, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE = 0, 4  # offsets in struct seccomp_data; argument n is at 16 + 8n

Instruction = tuple[int, int, int, int]


def program(machine: str | None = None) -> bytes:
    """The filter for this machine, as `struct sock_filter`s. Raises BubblewrapMissing where its calls are not known."""
    name = machine or platform.machine()
    if name not in MACHINES:
        raise BubblewrapMissing(f"The jail has no list of system calls for {name}; it runs on {' and '.join(MACHINES)}.")
    column, architecture = MACHINES[name]
    rules = [
        *_only(ARCHITECTURE, architecture),
        (LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, X32_BIT), (RETURN, 0, 0, KILL),
        *(step for numbers in REFUSED.values() for step in _when(numbers[column], [_refuse(errno.EPERM)])),
        *_when(WITH_ARGUMENTS["clone3"][column], [_refuse(errno.ENOSYS)]),  # its flags are in memory; libc falls back to clone
        *_when(WITH_ARGUMENTS["clone"][column], [
            (LOAD, 0, 0, 16), (ANY_BIT, 0, 1, CLONE_NEW_ANY), _refuse(errno.EPERM), _allow(),
        ]),
        *_when(WITH_ARGUMENTS["ioctl"][column], [(LOAD, 0, 0, 24), *_none_of(TERMINAL_REQUESTS), _allow()]),
        *_when(WITH_ARGUMENTS["socket"][column], [(LOAD, 0, 0, 16), *_one_of(FAMILIES)]),
        *_when(WITH_ARGUMENTS["socketpair"][column], [(LOAD, 0, 0, 16), *_one_of(FAMILIES)]),
        _allow(),
    ]  # fmt: skip
    return b"".join(struct.pack("=HBBI", *rule) for rule in rules)


def _only(offset: int, value: int) -> list[Instruction]:
    return [(LOAD, 0, 0, offset), (EQUAL, 1, 0, value), (RETURN, 0, 0, KILL)]


def _when(number: int, then: Sequence[Instruction]) -> list[Instruction]:
    """`then`, which always returns, for the call of that number; the accumulator holds the number before and after."""
    return [(EQUAL, 0, len(then), number), *then]


def _none_of(values: Sequence[int]) -> list[Instruction]:
    return [step for value in values for step in ((EQUAL, 0, 1, value), _refuse(errno.EPERM))]


def _one_of(values: Sequence[int]) -> list[Instruction]:
    return [*(step for value in values for step in ((EQUAL, 0, 1, value), _allow())), _refuse(errno.EAFNOSUPPORT)]


def _refuse(code: int) -> Instruction:
    return (RETURN, 0, 0, 0x00050000 | code)  # SECCOMP_RET_ERRNO


def _allow() -> Instruction:
    return (RETURN, 0, 0, ALLOW)

"""Ways out of the jail, each a function that returns what it got hold of, or raises. Run inside; also outside, as the proof
that the attempt itself can succeed.

usage: escapes.py TARGETS.json [NAME...]      prints {name: [escaped, what]}
"""

# ruff: noqa: RET504

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import socket
import struct
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)
AARCH64 = os.uname().machine == "aarch64"
ATTEMPTS: dict[str, Callable[[dict], object]] = {}
# Attempts that succeed for an ordinary process outside, on any machine: the suite runs them there too.
REAL: set[str] = set()


def attempt(real: bool = False) -> Callable:
    def add(function: Callable) -> Callable:
        ATTEMPTS[function.__name__] = function
        if real:
            REAL.add(function.__name__)
        return function

    return add


def call(name: str, *arguments: object) -> int:
    """A libc function's result; raises OSError when it failed."""
    ctypes.set_errno(0)
    result = getattr(libc, name)(*arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def syscall(x86: int, arm: int, *arguments: object) -> int:
    return call("syscall", ctypes.c_long(arm if AARCH64 else x86), *arguments)


# --- the network, by every protocol


@attempt(real=True)
def tcp_to_a_service_of_the_host(on: dict) -> object:
    with socket.create_connection(("127.0.0.1", on["tcp"]), 2) as link:
        return link.recv(10)


@attempt(real=True)
def tcp_over_ipv6_to_the_host(on: dict) -> object:
    with socket.create_connection(("::1", on["tcp6"]), 2) as link:
        return link.recv(10)


@attempt(real=True)
def udp_to_a_service_of_the_host(on: dict) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(1)
        link.sendto(b"?", ("127.0.0.1", on["udp"]))
        return link.recvfrom(10)


@attempt(real=True)
def listen_where_the_host_can_reach(on: dict) -> object:
    interfaces = [name for _, name in socket.if_nameindex() if name != "lo"]
    if not interfaces:
        raise OSError("only lo")
    return interfaces


@attempt()
def tcp_to_the_internet(on: dict) -> object:
    return socket.create_connection(("198.51.100.1", 443), 2)


@attempt()
def the_metadata_address(on: dict) -> object:
    return urllib.request.urlopen("http://169.254.169.254/latest/meta-data/", timeout=2).read(100)


@attempt()
def metadata_over_ipv6(on: dict) -> object:
    return socket.create_connection(("fd00:ec2::254", 80), 2)


@attempt()
def dns_by_the_resolver(on: dict) -> object:
    return socket.getaddrinfo("example.com", 80)


@attempt()
def dns_by_hand(on: dict) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(1)
        link.sendto(b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0\1", ("9.9.9.9", 53))
        return link.recv(512)


@attempt()
def ping_by_raw_socket(on: dict) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as link:
        return link.sendto(b"\x08\0\xf7\xff\0\0\0\0", ("127.0.0.1", 0))


@attempt()
def ping_by_datagram_socket(on: dict) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as link:
        return link.sendto(b"\x08\0\xf7\xff\0\0\0\0", ("198.51.100.1", 0))


@attempt()
def frames_by_packet_socket(on: dict) -> object:
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))


@attempt()
def a_vsock_to_the_machine_below(on: dict) -> object:
    return socket.socket(40, socket.SOCK_STREAM)


@attempt()
def a_bluetooth_socket(on: dict) -> object:
    return socket.socket(31, socket.SOCK_RAW, 1)


@attempt()
def the_kernels_crypto_by_socket(on: dict) -> object:
    return socket.socket(38, socket.SOCK_SEQPACKET)


@attempt()
def sctp(on: dict) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132) as link:
        return link.connect(("198.51.100.1", 80))


@attempt()
def a_new_interface_by_netlink(on: dict) -> object:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as link:
        # RTM_NEWLINK of a dummy interface, NLM_F_REQUEST | ACK | CREATE
        kind = struct.pack("=HH6s2x", 10, 1, b"dummy\0")
        body = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + struct.pack("=HH", 4 + len(kind), 18) + kind
        link.send(struct.pack("=IHHII", 16 + len(body), 16, 0x405, 1, 0) + body)
        failed = struct.unpack("=i", link.recv(512)[16:20])[0]
        if failed:
            raise OSError(-failed, os.strerror(-failed))
        return "made"


# --- Unix sockets and System V


@attempt(real=True)
def an_abstract_socket_of_the_host(on: dict) -> object:
    with socket.socket(socket.AF_UNIX) as link:
        link.connect("\0" + on["abstract"])
        return link.recv(10)


@attempt(real=True)
def a_socket_in_the_hosts_files(on: dict) -> object:
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(on["path_socket"])
        return link.recv(10)


@attempt()
def well_known_sockets(on: dict) -> object:
    found = [path for path in ("/run/docker.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private",
                               "/run/containerd/containerd.sock", "/tmp/.X11-unix/X0") if Path(path).exists()]  # fmt: skip
    if not found:
        raise OSError("none is here")
    return found


@attempt(real=True)
def shared_memory_of_the_host(on: dict) -> object:
    found = call("shmget", on["shm_key"], 0, 0)
    return found


@attempt(real=True)
def posix_shared_memory_of_the_host(on: dict) -> object:
    return Path(on["dev_shm"]).read_text()


# --- files


@attempt(real=True)
def a_secret_file_of_the_host(on: dict) -> object:
    return Path(on["secret"]).read_text()


@attempt(real=True)
def the_same_through_a_symlink(on: dict) -> object:
    link = Path(on["scratch"]) / "link"
    link.unlink(missing_ok=True)
    link.symlink_to(on["secret"])
    return link.read_text()


@attempt()
def the_same_through_the_first_process(on: dict) -> object:
    return Path("/proc/1/root" + on["secret"]).read_text()


@attempt(real=True)
def the_same_through_a_parent_folder(on: dict) -> object:
    return Path("/usr/.." + on["secret"]).read_text()


@attempt(real=True)
def a_folder_beside_the_given_ones(on: dict) -> object:
    return [name for name in os.listdir(on["beside"]) if name == "secret.txt"] or _nothing()


@attempt()
def password_hashes(on: dict) -> object:
    return Path("/etc/shadow").read_text()


@attempt(real=True)
def accounts_of_the_host(on: dict) -> object:
    return Path("/etc/passwd").read_text()


@attempt()
def homes_of_others(on: dict) -> object:
    found = [path for path in (*Path("/home").glob("*"), *Path("/root").glob("*/*"), *Path("/var").glob("*")) if path.is_file()]
    found += [
        path for path in ("/root/.bashrc", "/root/.profile", "/root/.ssh", "/var/log", "/srv", "/mnt") if Path(path).exists()
    ]
    if not found:
        raise OSError("none is here")
    return found


@attempt()
def write_to_the_system(on: dict) -> object:
    return [write_new(folder) for folder in ("/usr", "/usr/bin", "/usr/lib")]


@attempt()
def write_to_the_root_folder(on: dict) -> object:
    return write_new("/")


@attempt()
def write_to_this_pythons_packages(on: dict) -> object:
    return write_new(str(Path(json.__file__).parent))


@attempt()
def write_to_the_starter(on: dict) -> object:
    return open("/run/start.py", "a")


@attempt()
def write_to_a_read_only_folder(on: dict) -> object:
    return write_new(on["read_only"])


@attempt()
def change_a_read_only_file(on: dict) -> object:
    with open(Path(on["read_only"]) / "row.txt", "r+") as file:
        return file.write("changed")


@attempt()
def change_modes_in_a_read_only_folder(on: dict) -> object:
    return [(Path(on["read_only"]) / "row.txt").chmod(0o777)] and "done"


@attempt()
def write_to_devices_folder(on: dict) -> object:
    return write_new("/dev")


def write_new(folder: str) -> str:
    path = Path(folder) / f"made-by-{os.getpid()}"
    path.write_text("x")
    path.unlink()
    return str(path)


# --- the kernel's settings and devices


@attempt()
def settings_of_the_kernel(on: dict) -> object:
    done = []
    for name in (
        "kernel/core_pattern",
        "kernel/modprobe",
        "kernel/randomize_va_space",
        "vm/overcommit_memory",
        "fs/suid_dumpable",
    ):
        path = Path("/proc/sys") / name
        with contextlib.suppress(OSError):
            same = path.read_text()
            path.write_text(same)  # what it is already: harmless where it works
            done.append(name)
    if not done:
        raise OSError(errno.EROFS, "none can be written")
    return done


@attempt()
def sysrq(on: dict) -> object:
    return os.open("/proc/sysrq-trigger", os.O_WRONLY)


@attempt()
def memory_of_the_machine(on: dict) -> object:
    return [open(path, "rb").read(1) for path in ("/proc/kcore", "/dev/mem", "/dev/kmem") if Path(path).exists()] or _nothing()


@attempt()
def disks(on: dict) -> object:
    return [open(path, "rb").read(1) for path in map(str, Path("/dev").glob("[svnx]d[a-z]*"))] or _nothing()


@attempt()
def a_device_of_ones_own(on: dict) -> object:
    path = f"/tmp/device-{os.getpid()}"
    os.mknod(path, 0o600 | 0o060000, os.makedev(254, 0))
    return open(path, "rb").read(1)


@attempt()
def other_devices(on: dict) -> object:
    known = {
        "null",
        "zero",
        "full",
        "random",
        "urandom",
        "tty",
        "pts",
        "ptmx",
        "shm",
        "fd",
        "stdin",
        "stdout",
        "stderr",
        "core",
        "console",
    }
    return [name for name in os.listdir("/dev") if name not in known] or _nothing()


@attempt()
def the_file_system_of_the_kernel(on: dict) -> object:
    return os.listdir("/sys")


def _nothing() -> object:
    raise OSError("none is here")


# --- other processes


@attempt(real=True)
def see_a_process_of_the_host(on: dict) -> object:
    found = [pid for pid in os.listdir("/proc") if pid.isdecimal() and on["marker"].encode() in _cmdline(pid)]
    return found or _nothing()


def _cmdline(pid: str) -> bytes:
    try:
        return b"" if int(pid) == os.getpid() else Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@attempt(real=True)
def signal_a_process_of_the_host(on: dict) -> object:
    os.kill(on["pid"], 0)
    if on["marker"].encode() not in _cmdline(str(on["pid"])):
        raise OSError("another process of that number")
    return "reached"


@attempt()
def kill_everything(on: dict) -> object:
    # Inside, this ends nothing but what is in the jail; so only a child does it, and the host's process is looked at outside.
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    os.kill(on["pid"], signal.SIGTERM)
    return "sent"


@attempt(real=True)
def read_the_environment_of_a_process_of_the_host(on: dict) -> object:
    found = [pid for pid in os.listdir("/proc") if pid.isdecimal() and on["marker_env"].encode() in _environ(pid)]
    return found or _nothing()


def _environ(pid: str) -> bytes:
    try:
        return b"" if int(pid) == os.getpid() else Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


@attempt()
def attach_to_the_first_process(on: dict) -> object:
    return call("ptrace", 16, 1, 0, 0)


@attempt(real=True)
def attach_to_a_child(on: dict) -> object:
    """Tracing is refused as a whole: it is the way round filters."""
    child = os.fork()
    if child == 0:
        os._exit(0 if libc.ptrace(0, 0, 0, 0) == 0 else 1)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise OSError("refused")
    return "traced"


@attempt()
def read_memory_of_the_first_process(on: dict) -> object:
    buffer = ctypes.create_string_buffer(8)
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
    return syscall(310, 270, 1, vector, 1, vector, 1, 0)


@attempt(real=True)
def the_environment_of_the_caller(on: dict) -> object:
    return [name for name in os.environ if name.startswith("ESCAPE_TEST")] or _nothing()


@attempt(real=True)
def open_files_of_the_caller(on: dict) -> object:
    reached = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError, ValueError):
            if (
                int(name) > 2
                and os.readlink(f"/proc/self/fd/{name}").startswith("/")
                and "/proc" not in os.readlink(f"/proc/self/fd/{name}")
            ):
                reached.append(os.readlink(f"/proc/self/fd/{name}"))
    return reached or _nothing()


# --- more rights


@attempt()
def become_root(on: dict) -> object:
    return os.setuid(0) or "root"


@attempt()
def a_capability(on: dict) -> object:
    held = int(
        next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff")), 16
    )
    if not held:
        raise OSError("none")
    return hex(held)


@attempt()
def rights_by_a_setuid_program(on: dict) -> object:
    status = Path("/proc/self/status").read_text()
    if "NoNewPrivs:\t1" in status:
        raise OSError("no_new_privs is set")
    return "setuid programs work"


@attempt(real=True)
def a_user_namespace_by_unshare(on: dict) -> object:
    child = os.fork()
    if child == 0:
        os._exit(0 if libc.unshare(0x10000000) == 0 else 1)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise OSError("refused")
    return "made"


@attempt()
def a_user_namespace_by_clone(on: dict) -> object:
    pid = syscall(56, 220, ctypes.c_ulong(0x10000000 | signal.SIGCHLD), None, None, None, None)
    if pid == 0:
        os._exit(0)
    return pid


@attempt()
def a_user_namespace_by_clone3(on: dict) -> object:
    arguments = struct.pack("=11Q", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
    pid = syscall(435, 435, arguments, len(arguments))
    if pid == 0:
        os._exit(0)
    return pid


@attempt()
def join_a_namespace(on: dict) -> object:
    return call("setns", os.open("/proc/1/ns/user", os.O_RDONLY), 0)


@attempt()
def mount_something(on: dict) -> object:
    return call("mount", b"none", b"/tmp", b"tmpfs", 0, None)


@attempt()
def make_a_read_only_mount_writable(on: dict) -> object:
    return call("mount", b"none", b"/usr", None, 0x20 | 0x1000, None)


@attempt()
def take_a_cover_away(on: dict) -> object:
    return call("umount2", b"/proc/bus", 2)


@attempt()
def mount_by_the_new_calls(on: dict) -> object:
    return syscall(430, 430, b"tmpfs", 0)


@attempt()
def another_root(on: dict) -> object:
    return os.chroot("/usr") or "done"


@attempt(real=True)
def the_keyring(on: dict) -> object:
    return syscall(250, 219, 0, ctypes.c_int(-3), 1, 0, 0)


@attempt()
def a_bpf_program(on: dict) -> object:
    return syscall(321, 280, 0, ctypes.create_string_buffer(128), 128)


@attempt()
def counters_of_the_processor(on: dict) -> object:
    return syscall(298, 241, ctypes.create_string_buffer(b"\0\0\0\0\x80", 128), 0, -1, -1, 0)


@attempt()
def io_uring(on: dict) -> object:
    return syscall(425, 425, 4, ctypes.create_string_buffer(128))


@attempt()
def faults_in_user_hands(on: dict) -> object:
    return syscall(323, 282, 0)


@attempt()
def files_by_handle(on: dict) -> object:
    return syscall(304, 265, -100, struct.pack("=IiQ", 8, 1, 2), 0)


@attempt()
def the_kernels_log(on: dict) -> object:
    return call("klogctl", 3, ctypes.create_string_buffer(100), 100)


@attempt()
def a_kernel_module(on: dict) -> object:
    return syscall(175, 105, b"", 0, b"")


@attempt()
def the_clock(on: dict) -> object:
    return syscall(227, 112, 0, struct.pack("=qq", 0, 0))


@attempt()
def the_host_name(on: dict) -> object:
    return socket.sethostname("escaped") or "set"


@attempt()
def words_into_the_terminal(on: dict) -> object:
    import fcntl
    import termios

    with open("/dev/ptmx", "rb+", buffering=0) as terminal:
        return fcntl.ioctl(terminal, termios.TIOCSTI, b"x")


@attempt()
def a_raised_limit(on: dict) -> object:
    resource.setrlimit(resource.RLIMIT_NPROC, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return "raised"


@attempt()
def a_core_file(on: dict) -> object:
    os.chdir("/tmp")
    child = os.fork()
    if child == 0:
        os.abort()
    _, status = os.waitpid(child, 0)
    if not os.WCOREDUMP(status):
        raise OSError("no core")
    return "dumped"


@attempt()
def another_architectures_calls(on: dict) -> object:
    """The 32-bit entry of x86 numbers calls otherwise, so a filter that forgets it can be walked round."""
    if AARCH64:
        raise OSError("not on this machine")
    import mmap

    child = os.fork()
    if child == 0:
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(b"\xb8\x14\0\0\0\xcd\x80\xc3")  # mov eax, 20 (getpid); int 0x80; ret
        got = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
        os._exit(0 if got == os.getpid() else 1)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise OSError("ended")
    return "called"


def main(targets: str, names: list[str]) -> None:
    on, found = json.loads(Path(targets).read_text()), {}
    for name in names or ATTEMPTS:
        try:
            found[name] = [True, repr(ATTEMPTS[name](on))[:200]]
        except Exception as error:
            found[name] = [False, f"{type(error).__name__}: {error}"[:200]]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

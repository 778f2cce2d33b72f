"""A home that an earlier release made gets what this release needs of OpenBao, by a root token that lives for that moment.

Nothing kept in a home may change OpenBao's policies. Its unseal key can make a root token, where OpenBao was started to allow
that; so it is, once, when `up` finds that the configuration is another release's.
"""

from __future__ import annotations

import signal

from gateway.embedded import openbao, processes, provision
from gateway.embedded.home import Home, write_private

MARK = "openbao-configured"


def outdated(home: Home) -> bool:
    """Whether OpenBao in this home holds what another release configured."""
    unfinished = home.secret(openbao.ROOT_TOKEN).exists()
    try:
        return not unfinished and home.secret(MARK).read_text("utf-8") != provision.digest()
    except OSError:
        return True


def note(home: Home) -> None:
    """OpenBao in this home holds what this release configures."""
    write_private(home.secret(MARK), provision.digest())


def renew(home: Home, passwords: dict[str, str]) -> None:
    """OpenBao holds what this release configures, and makes no root token any more. Raises StackError, VaultError."""
    from gateway.operations import backups

    backups.record(home, "vault:reconfigured", "done", "openbao", {"configuration": provision.digest()})
    try:
        _restart(home, may_make_root=True)
        root = openbao.new_root(home)
        try:
            provision.renew(home, root, passwords)
        finally:
            openbao.revoke_root(home, root)
    finally:
        _restart(home, may_make_root=False)
    note(home)


def _restart(home: Home, *, may_make_root: bool) -> None:
    processes.stop(home, "openbao", signal.SIGINT)
    processes.start(home, openbao.part(home, may_make_root=may_make_root))
    openbao.unseal(home)

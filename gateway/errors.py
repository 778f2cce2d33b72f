"""What can go wrong at the gateway."""

from __future__ import annotations

from typing import ClassVar


class GatewayError(Exception):
    """The gateway could not do what was asked."""

    code: ClassVar[str] = "gateway_error"


class StackError(GatewayError):
    """A part of the embedded stack is not as it must be."""

    code: ClassVar[str] = "stack_error"


class StackNotRunning(GatewayError):
    """The embedded stack of this home is not running."""

    code: ClassVar[str] = "stack_not_running"


class PortTaken(StackError):
    """A port this home uses is taken by another program."""

    code: ClassVar[str] = "port_taken"


class HomeUnusable(StackError):
    """The home folder cannot be used."""

    code: ClassVar[str] = "home_unusable"


class HalfInitialised(StackError):
    """The home was left half initialised."""

    code: ClassVar[str] = "half_initialised"


class PartMissing(StackError):
    """A program the stack needs is not installed."""

    code: ClassVar[str] = "part_missing"


class SettingsInvalid(GatewayError):
    """A setting is missing or wrong."""

    code: ClassVar[str] = "settings_invalid"


class DatabaseNewer(GatewayError):
    """A newer release wrote this database."""

    code: ClassVar[str] = "database_newer"


class BackupFailed(GatewayError):
    """The backup was not made."""

    code: ClassVar[str] = "backup_failed"


class BackupRefused(GatewayError):
    """This file is not restored."""

    code: ClassVar[str] = "backup_refused"


class VaultError(GatewayError):
    """Vault refused what the gateway asked of it."""

    code: ClassVar[str] = "vault_refused"


class VaultUnavailable(GatewayError):
    """Vault does not answer, or is sealed."""

    code: ClassVar[str] = "vault_unavailable"


class LoginFailed(GatewayError):
    """The login was not accepted."""

    code: ClassVar[str] = "login_failed"


class WrongBytes(GatewayError):
    """A file that was fetched is not the one its digest names."""

    code: ClassVar[str] = "wrong_bytes"

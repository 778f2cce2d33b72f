"""What an organisation's own identity provider says of somebody, in our words: its groups become roles and projects.

The mapping is a YAML file that a setting names; without one, tokens must already speak as the embedded issuer's do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import SettingsInvalid
from gateway.identity import NotAuthenticated, Subject, whole, words

MOST_OF_A_NAME = 120


class Gives(BaseModel):
    """What membership of one group gives."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    roles: list[str] = []
    projects: list[str] = []


class Service(BaseModel):
    """A service known by the `sub` of its tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")
    projects: list[str] = []


class ClaimNames(BaseModel):
    """Which claims say what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = "sub"
    groups: str = "groups"
    training_until: str = "training_until"


class SecondFactor(BaseModel):
    """Which `amr` values (RFC 8176) or `acr` values show that a second factor was used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amr: list[str] = ["mfa"]
    acr: list[str] = []


class ClaimsMapping(BaseModel):
    """A provider's claims in our words. Groups that are not listed give nothing, and services that are not listed are unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    claims: ClaimNames = ClaimNames()
    groups: dict[str, Gives] = {}
    services: dict[str, Service] = {}
    second_factor: SecondFactor = SecondFactor()

    @classmethod
    def load(cls, file: Path) -> ClaimsMapping:
        """The mapping in the file. Raises SettingsInvalid."""
        import yaml

        try:
            return cls.model_validate(yaml.safe_load(file.read_text("utf-8")) or {})
        except ValidationError as error:
            places = sorted({".".join(map(str, one["loc"][:2])) for one in error.errors()})
            raise SettingsInvalid(f"SALLYPORT_OIDC_CLAIMS_FILE: {', '.join(places)} is not as it must be.") from None
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise SettingsInvalid(f"SALLYPORT_OIDC_CLAIMS_FILE: {file} cannot be read.") from error

    def subject(self, claims: Mapping[str, Any]) -> Subject:
        """The subject that verified claims describe. Raises NotAuthenticated where they name nobody."""
        issued, authenticated = whole(claims.get("iat")), whole(claims.get("auth_time"))
        service = self.services.get(str(claims.get("sub")))
        if service is not None:
            return Subject(service.name, "service", projects=tuple(sorted(service.projects)), issued_at=issued)
        gives = [self.groups[group] for group in words(claims.get(self.claims.groups)) if group in self.groups]
        return Subject(
            id=_name(claims.get(self.claims.id)),
            kind="person",
            roles=tuple(sorted({role for one in gives for role in one.roles})),
            projects=tuple(sorted({project for one in gives for project in one.projects})),
            training_until=whole(claims.get(self.claims.training_until)),
            mfa=self._second_factor(claims),
            issued_at=issued,
            authenticated_at=authenticated,
        )

    def _second_factor(self, claims: Mapping[str, Any]) -> bool:
        methods = claims.get("amr")
        used = set(methods) if isinstance(methods, list) and all(isinstance(one, str) for one in methods) else set()
        return bool(used & set(self.second_factor.amr)) or claims.get("acr") in self.second_factor.acr


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MOST_OF_A_NAME or not value.isprintable() or " " in value:
        raise NotAuthenticated("The token names nobody in the claim that says who somebody is; ask your operator.")
    return value

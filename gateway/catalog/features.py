"""Published feature definitions: by name and version, never changed, of one project, shared with others if it says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import yaml
from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from compliance.yaml_texts import InvalidYaml, load_yaml
from gateway.errors import GatewayError
from sandbox.errors import InvalidFeatures
from sandbox.features.compiled import Compiled

COLUMNS = "project, shared, definition, source_digest, published_by, published_at"


class FeaturesTaken(GatewayError):
    """The name is another project's, or the version is published with other content."""

    code: ClassVar[str] = "features_taken"


class FeaturesNotFound(GatewayError):
    """No definition of that name and version is published for the caller."""

    code: ClassVar[str] = "features_not_found"


@dataclass(frozen=True, slots=True)
class Published:
    """A published definition, and the digest of the code it was compiled from."""

    project: str
    shared: bool
    compiled: Compiled
    source_digest: str
    published_by: str
    published_at: datetime

    def as_json(self) -> dict[str, Any]:
        return self.compiled.as_json() | {
            "digest": self.compiled.digest, "project": self.project, "shared": self.shared, "source_digest": self.source_digest,
            "published_by": self.published_by, "published_at": self.published_at.isoformat(),
        }  # fmt: skip


def publish(
    connection: Connection[Any], compiled: Compiled, *, project: str, shared: bool, source_digest: str, actor: Actor,
    decision_id: str, now: datetime,
) -> Published:  # fmt: skip
    """The definition stands under its name and version, and the ledger says so; the same again changes nothing.

    Raises FeaturesTaken.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"features/{compiled.name}",))
    for found in _select(connection, "WHERE name = %s", (compiled.name,)):
        if found.project != project:
            raise FeaturesTaken(f"Another project has features called '{compiled.name}'; give yours another name.")
        if found.compiled.version == compiled.version and found.compiled.digest != compiled.digest:
            raise FeaturesTaken(f"{compiled.name} {compiled.version} is published and stays as it is; raise the version.")
        if found.compiled.version == compiled.version and found.shared == shared:
            return found
    connection.execute(
        "INSERT INTO catalog.features VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (name, version)"
        " DO UPDATE SET shared = excluded.shared",
        (compiled.name, compiled.version, project, shared, compiled.dataset, compiled.digest, Jsonb(compiled.as_json()),
         source_digest, actor.id, now),
    )  # fmt: skip
    append(connection, Entry(
        type="features:published", actor=actor, object=ObjectRef("features", _key(compiled), compiled.digest), project=project,
        outcome="done", refs={"decision_id": decision_id},
        detail={"dataset": compiled.dataset, "shared": shared, "source_digest": source_digest, "reads": len(compiled.reads)},
        occurred_at=now,
    ))  # fmt: skip
    return get(connection, compiled.name, compiled.version, (project,))


def every(connection: Connection[Any], projects: Sequence[str]) -> list[Published]:
    """The definitions of these projects and those shared with all, by name and version."""
    return _select(connection, "WHERE project = ANY(%s) OR shared ORDER BY name, published_at", (list(projects),))


def get(connection: Connection[Any], name: str, version: str | None, projects: Sequence[str]) -> Published:
    """The definition of that name and version (None: the newest), of these projects or shared. Raises FeaturesNotFound."""
    query = "WHERE name = %s AND (project = ANY(%s) OR shared) ORDER BY published_at"
    for found in reversed(_select(connection, query, (name, list(projects)))):
        if version in (None, found.compiled.version):
            return found
    raise FeaturesNotFound("No features of that name and version are published for you; `sallyport features list` shows those.")


def resolved(connection: Connection[Any], text: str, projects: Sequence[str]) -> str:
    """The model contract's text with the SQL of the definition it names; a text that names none is as it was.

    Raises FeaturesNotFound; InvalidFeatures where the definition does not give the model's inputs, or is another's.
    """
    try:
        contract = load_yaml(text)
    except InvalidYaml:
        return text  # whoever reads the contract says what is wrong with it
    if isinstance(contract, Mapping) and "feature_definition" in contract:
        _require_published(connection, contract, projects)
    named = contract.get("features") if isinstance(contract, Mapping) else None
    if not isinstance(named, Mapping):
        return text
    if set(named) != {"definition", "version"}:
        raise InvalidFeatures("A model contract's features are one SQL query, or the definition and version of published ones.")
    one = get(connection, str(named["definition"]), str(named["version"]), projects).compiled
    _require_fit(contract, one)
    contract["features"] = one.snapshot_sql
    contract["columns"] = sorted({*map(str, contract.get("columns") or ()), *one.reads})
    contract["feature_definition"] = _definition(one)
    return yaml.safe_dump(contract, sort_keys=False, allow_unicode=True)


def _require_published(connection: Connection[Any], contract: Mapping[str, Any], projects: Sequence[str]) -> None:
    """What stands in the contract as its definition, in the gateway's place, is what is published. Raises InvalidFeatures."""
    said = contract["feature_definition"]
    named = said if isinstance(said, Mapping) else {}
    one = get(connection, str(named.get("name")), str(named.get("version")), projects).compiled
    if said != _definition(one) or contract.get("features") != one.snapshot_sql:
        raise InvalidFeatures("The model contract's feature definition is not the published one; name it in `features` alone.")


def _definition(one: Compiled) -> dict[str, Any]:
    return {"name": one.name, "version": one.version, "digest": one.digest, "live_sql": one.live_sql}


def _require_fit(contract: Mapping[str, Any], one: Compiled) -> None:
    if contract.get("dataset") != one.dataset:
        raise InvalidFeatures(f"{_key(one)} is of dataset {one.dataset}, the model contract of another.")
    inputs = [column.get("name") for column in contract.get("inputs") or () if isinstance(column, Mapping)]
    if missing := [str(name)[:60] for name in inputs if name not in one.columns]:
        raise InvalidFeatures(f"{_key(one)} has no feature {', '.join(missing)}.")


def _key(one: Compiled) -> str:
    return f"{one.name}@{one.version}"


def _select(connection: Connection[Any], tail: str, values: tuple[Any, ...]) -> list[Published]:
    rows = connection.execute(f"SELECT {COLUMNS} FROM catalog.features {tail}", values).fetchall()  # noqa: S608 - constants of this module
    return [Published(project, shared, Compiled.of(made), *rest) for project, shared, made, *rest in rows]

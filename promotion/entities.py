"""Scoring by entity id alone: what a model takes is gathered from the live store by the definition its contract names.

The query is the one that the definition's Ibis expression gives for PostgreSQL, as of now: of an entity's rows the newest that is
not of the future. It runs over views of exactly the contract's columns; whose they are is up to who gives the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol

from psycopg import Connection, DataError, sql
from psycopg.rows import dict_row

from promotion.errors import PromotionError
from promotion.inference import Tensor
from promotion.model_contracts import Input, ModelContract

GIVEN = {"float": "FP64", "integer": "INT64", "string": "BYTES"}
NEWEST = (
    'SELECT DISTINCT ON (row_id) row_id::text AS "row_id::text", count(*) OVER (PARTITION BY row_id, as_of) AS "count(*)", {}'
    " FROM ({}) AS features WHERE row_id IN ({}) AND as_of <= {} ORDER BY row_id, as_of DESC"
)

EVERYONE = (
    'SELECT * FROM (SELECT DISTINCT ON (row_id) row_id::text AS "row_id::text", as_of AS "as_of", '
    'count(*) OVER (PARTITION BY row_id, as_of) AS "count(*)", {} FROM ({}) AS features'
    ' WHERE row_id IS NOT NULL AND as_of <= {} ORDER BY row_id, as_of DESC) AS newest WHERE "as_of" >= {}'
)
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


class NoFeatures(PromotionError):
    """The model's contract names no published features, so it is asked with its inputs only."""

    code: ClassVar[str] = "no_features"


class EntityNotFound(PromotionError):
    """An entity has no live row of features."""

    code: ClassVar[str] = "entity_not_found"


class EntityAmbiguous(PromotionError):
    """An entity has two newest rows, so nobody can say which one is meant."""

    code: ClassVar[str] = "entity_ambiguous"


class Caller(Protocol):
    """Who asks."""

    @property
    def id(self) -> str: ...


# The inputs of these entities for the model of that project and name, of these bytes. What refuses raises PromotionError.
Gather = Callable[[Any, tuple[str, str], str, ModelContract, Sequence[str]], list[Tensor]]


def gather(connection: Connection[Any], contract: ModelContract, entities: Sequence[str], now: datetime) -> list[Tensor]:
    """The contract's inputs, a row for each entity in the order they are named; what is null is missing.

    Raises NoFeatures, EntityNotFound, EntityAmbiguous, psycopg.Error.
    """
    query = _query(contract, entities, now)
    try:
        with connection.cursor(row_factory=dict_row) as cursor:
            found = {row["row_id::text"]: row for row in cursor.execute(query).fetchall()}
    except DataError as error:
        raise EntityNotFound("An entity's id is not of the type that the live rows' ids are.") from error
    missing = [place for place, entity in enumerate(entities, 1) if entity not in found]
    if missing:
        raise EntityNotFound(
            f"{len(missing)} of {len(entities)} entities have no live row, the first of them number {missing[0]}."
        )
    if any(row["count(*)"] > 1 for row in found.values()):
        raise EntityAmbiguous("An entity has more than one newest row, so its features are not known.")
    return [_tensor(column, [found[entity][column.name] for entity in entities]) for column in contract.inputs]


def everyone(
    connection: Connection[Any], contract: ModelContract, now: datetime, *, since: datetime | None = None, size: int = 5_000
) -> Iterator[tuple[list[str], list[Tensor]]]:
    """The inputs of every entity whose newest row is not before `since`, so many at a time, with their ids.

    Raises NoFeatures, EntityAmbiguous, psycopg.Error.
    """
    named = sql.SQL(", ").join(sql.Identifier(column.name) for column in contract.inputs)
    moments = (sql.Literal(one.astimezone(UTC).replace(tzinfo=None)) for one in (now, since or BEGINNING))
    query = sql.SQL(EVERYONE).format(named, sql.SQL(require_features(contract)), *moments)
    with connection.transaction(), connection.cursor("everyone", row_factory=dict_row) as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(size):
            if any(row["count(*)"] > 1 for row in rows):
                raise EntityAmbiguous("An entity has more than one newest row, so its features are not known.")
            yield [row["row_id::text"] for row in rows], [_tensor(c, [row[c.name] for row in rows]) for c in contract.inputs]


def require_features(contract: ModelContract) -> str:
    """The definition's SQL for live PostgreSQL. Raises NoFeatures."""
    if contract.feature_definition is None:
        raise NoFeatures("The model's contract names no published feature definition; ask it with its inputs.")
    return contract.feature_definition.live_sql


def _query(contract: ModelContract, entities: Sequence[str], now: datetime) -> sql.Composed:
    features = sql.SQL(require_features(contract))  # one SELECT, compiled by the gateway and signed
    # Literals of no type of their own, so that an index on the entity is used whatever its type is.
    chosen = sql.SQL(", ").join(sql.Literal(entity) for entity in dict.fromkeys(entities))
    moment = sql.Literal(now.astimezone(UTC).replace(tzinfo=None))
    inputs = sql.SQL(", ").join(sql.Identifier(column.name) for column in contract.inputs)
    return sql.SQL(NEWEST).format(inputs, features, chosen, moment)


def _tensor(column: Input, values: list[Any]) -> Tensor:
    given = [_text(value) if column.type == "string" else _number(value) for value in values]
    return Tensor(name=column.name, shape=[len(given)], datatype=GIVEN[column.type], data=given)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _number(value: Any) -> Any:
    """What JSON would hold; what is no number stays, and is refused as any other input is."""
    if value is None or type(value) in (int, float):
        return value
    try:
        return int(value) if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return value

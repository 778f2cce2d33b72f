"""A build's rows on PySpark on this machine: the same code for each partition as for a whole table, so the same bytes.

What is spread is what looks at one row alone: treatments and the scrubbing of texts. k, l, risk and certificate need the whole
table and stay with the builder. Spark's own log would repeat what a failing worker says, so a worker never fails: it hands back
the error's code and its sentence, which hold no value.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self

import polars as pl

from sandbox.errors import BuildFailed, EngineUnavailable, SandboxError, SourceMismatch, SparkUnavailable
from sandbox.text import Scrubber
from sandbox.text.surrogates import Surrogates

MOST_ROWS, PARTITIONS_A_CORE = 10_000, 4
NUMBER = "row"
OUTCOME = "first bigint, rows binary, code string, detail string"
KNOWN_ERRORS = {error.code: error for error in (SourceMismatch, EngineUnavailable)}

Function = Callable[[pl.DataFrame], pl.DataFrame]
_one_at_a_time = threading.Lock()  # a process has one SparkContext


class Spark:
    """A local Spark for the length of a `with`: one at a time in a process, heard by nobody else, its files encrypted.

    Raises SparkUnavailable on entering.
    """

    def __init__(self, cores: int = 0) -> None:
        self._cores = cores or len(os.sched_getaffinity(0))
        self._session: Any = None
        self._folder = Path()

    def __enter__(self) -> Self:
        require_installed()
        _one_at_a_time.acquire()
        self._folder = Path(mkdtemp(prefix="sallyport-spark-"))
        try:
            self._session = _session(self._cores, self._folder)
        except Exception as error:
            self.__exit__()
            raise SparkUnavailable(
                f"Spark could not start ({type(error).__name__}); it needs Java 17 or later and a user name."
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._session is not None:
                self._session.stop()
        finally:
            self._session = None
            shutil.rmtree(self._folder, ignore_errors=True)
            _one_at_a_time.release()

    def spread(self, frame: pl.DataFrame, function: Function) -> pl.DataFrame:
        """What `function` gives for `frame`, asked for some rows at a time, in the order of the rows.

        `function` can be pickled and looks at each row alone. Raises what it raised, or BuildFailed; no message holds a value.
        """
        if frame.is_empty():
            return function(frame)
        rows = min(MOST_ROWS, -(-frame.height // (self._cores * PARTITIONS_A_CORE)))
        plain = frame.rename({name: f"c{i}" for i, name in enumerate(frame.columns)}).with_row_index(NUMBER)
        try:
            self._session.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(rows))
            given = self._session.createDataFrame(plain.cast({NUMBER: pl.Int64}).to_arrow(compat_level=pl.CompatLevel.oldest()))
            made = given.mapInArrow(partial(_partition, function, frame.schema), OUTCOME).toArrow().to_pylist()
        except Exception as error:
            # Spark's messages can hold rows: neither they nor where they come from go any further.
            raise BuildFailed(f"Spark failed ({type(error).__name__}); nothing of the build was kept.") from None
        for part in made:
            if part["code"] is not None:
                raise KNOWN_ERRORS.get(part["code"], BuildFailed)(part["detail"])
        parts = [pl.read_ipc(part["rows"]) for part in sorted(made, key=lambda part: part["first"])]
        whole = pl.concat(parts)
        if whole.width and whole.height != frame.height:
            raise BuildFailed("Spark gave back another number of rows than it was given; nothing of the build was kept.")
        return whole


class SparkScrubber:
    """The scrubber, spread: the recipe is that of `Scrubber`, and so is what becomes of each text."""

    def __init__(self, spark: Spark, *, engine: str) -> None:
        self._spark, self._engine = spark, engine

    @property
    def recipe(self) -> Mapping[str, Any]:
        """What decides the outcome beside text and record."""
        return Scrubber(engine=self._engine).recipe

    def scrub_batch(
        self, texts: Sequence[str | None], known: Sequence[Mapping[str, str]] = (),
        progress: Callable[[int], None] = lambda done: None, surrogates: Sequence[Surrogates] = (),
    ) -> list[str | None]:  # fmt: skip
        """Each text with a tag, or a surrogate, where an identifier stood, in order; None stays None."""
        records = [json.dumps(dict(record)) for record in known] or ["{}"] * len(texts)
        days: list[int | None] = [one.days for one in surrogates] or [None] * len(texts)
        schema = {"text": pl.String, "known": pl.String, "days": pl.Int64}
        frame = pl.DataFrame({"text": list(texts), "known": records, "days": days}, schema=schema)
        key = surrogates[0].key if surrogates else None
        clean = self._spark.spread(frame, partial(_scrubbed, self._engine, key))["text"].to_list()
        progress(len(clean))
        return clean


def require_installed() -> None:
    """PySpark and a Java are here. Raises SparkUnavailable."""
    if find_spec("pyspark") is None:
        raise SparkUnavailable(
            "The engine spark needs the package pyspark, which is not installed here: install sallyport[spark]."
        )
    home = os.environ.get("JAVA_HOME")
    if not (Path(home, "bin", "java").is_file() if home else shutil.which("java")):
        raise SparkUnavailable(
            "The engine spark needs Java, which is not here: install Java 17 or later, on PATH or at JAVA_HOME."
        )


def _session(cores: int, folder: Path) -> Any:
    """A Spark in this process that listens on this machine alone and leaves nothing readable on disk."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable  # the workers run what is installed here
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    settings = {
        "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": f"{max(1, gibibytes // 4)}g", "spark.driver.maxResultSize": "0", "spark.log.level": "OFF",
        "spark.io.encryption.enabled": "true", "spark.local.dir": str(folder), "spark.sql.warehouse.dir": str(folder / "none"),
        "spark.sql.session.timeZone": "UTC", "spark.sql.execution.arrow.pyspark.enabled": "true",
    }  # fmt: skip
    builder = SparkSession.builder.master(f"local[{cores}]").appName("sallyport")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _partition(function: Function, schema: pl.Schema, batches: Iterator[Any]) -> Iterator[Any]:
    """Runs in Spark's workers: for each batch its first row's number and the outcome, or what went wrong."""
    import pyarrow as pa

    for batch in batches:
        first = batch.column(0)[0].as_py() if batch.num_rows else 0
        try:
            plain = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch]))).drop(NUMBER)
            made = function(plain.rename(dict(zip(plain.columns, schema, strict=True))).cast(schema))
            said: dict[str, Any] = {"rows": _bytes(made), "code": None, "detail": None}
        except SandboxError as error:
            said = {"rows": None, "code": error.code, "detail": str(error)}
        except Exception as error:
            kind = type(error).__name__
            said = {"rows": None, "code": BuildFailed.code, "detail": f"A worker of Spark failed ({kind}); nothing was kept."}
        types = [("first", pa.int64()), ("rows", pa.binary()), ("code", pa.string()), ("detail", pa.string())]
        yield pa.RecordBatch.from_pylist([{"first": first, **said}], schema=pa.schema(types))


def _bytes(frame: pl.DataFrame) -> bytes:
    """The frame as Arrow IPC, which keeps types as they are."""
    return frame.write_ipc(None).getvalue()


def _scrubbed(engine: str, key: bytes | None, rows: pl.DataFrame) -> pl.DataFrame:
    """Runs in Spark's workers, one process for each core."""
    known = [json.loads(record) for record in rows["known"]]
    surrogates = [Surrogates(key, days) for days in rows["days"]] if key is not None else []
    clean = Scrubber(engine=engine, processes=1).scrub_batch(rows["text"].to_list(), known, surrogates=surrogates)
    return pl.DataFrame({"text": clean}, schema={"text": pl.String})

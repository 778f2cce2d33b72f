"""Table files on their way to the gateway: from a folder, a folder in it or a URL, under names that stay inside."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from starlette.datastructures import UploadFile

from gateway.api.datasets import InvalidUpload, _save
from gateway.commands.table_files import table_files


def test_a_folder_or_a_url_gives_its_files_and_those_of_its_folders(tmp_path: Path) -> None:
    (tmp_path / "visits" / "deeper").mkdir(parents=True)
    for name in ("persons.csv", "visits/2.parquet", "visits/1.parquet", "visits/deeper/3.csv", "read.me"):
        (tmp_path / name).write_text(name)
    for source in (str(tmp_path), tmp_path.as_uri()):
        with table_files(source) as found:
            assert {name: path.read_text() for name, path in found.items()} == {
                name: name for name in ("persons.csv", "visits/1.parquet", "visits/2.parquet")
            }
            assert list(found) == sorted(found)


@pytest.mark.parametrize("name", ["persons.csv", "persons/1.csv"])
def test_a_sent_file_is_kept_once(name: str, tmp_path: Path) -> None:
    _save(UploadFile(io.BytesIO(b"rows"), filename=name), tmp_path)
    assert (tmp_path / name).read_bytes() == b"rows"
    with pytest.raises(InvalidUpload, match="sent once"):
        _save(UploadFile(io.BytesIO(b"other"), filename=name), tmp_path)
    assert (tmp_path / name).read_bytes() == b"rows"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a.csv", "/a.csv", "a/../b.csv", "a/b/c.csv", ".a.csv", "a/.b.csv", "a//b.csv"]
)
def test_a_name_that_leads_elsewhere_is_refused_and_nothing_is_kept(name: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(InvalidUpload, match="plain name"):
        _save(UploadFile(io.BytesIO(b"rows"), filename=name), inside)
    assert [path.name for path in tmp_path.rglob("*")] == ["inside"]

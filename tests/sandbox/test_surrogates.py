"""Surrogates: consistent under one key, different under another, dates moved, shapes kept, nothing of the original left."""

from __future__ import annotations

import re

import pytest

from sandbox.text import Scrubber
from sandbox.text.surrogates import OVER_89, Surrogates

ONE, OTHER = Surrogates(b"k" * 32, -40), Surrogates(b"o" * 32, -40)


def test_the_same_person_gets_the_same_name_in_every_order_and_case() -> None:
    given, surname = ONE.instead("NAME", "Olumide Kowalczyk").split(" ")
    assert ONE.instead("NAME", "Kowalczyk, Olumide") == f"{surname}, {given}"
    assert ONE.instead("NAME", "KOWALCZYK") == surname.upper()
    assert {given.lower(), surname.lower()}.isdisjoint({"olumide", "kowalczyk"})
    assert OTHER.instead("NAME", "Olumide Kowalczyk") != f"{given} {surname}"


@pytest.mark.parametrize(
    ("written", "moved"),
    [
        ("2021-03-04", "2021-01-23"), ("03/04/2021", "01/23/2021"), ("04.03.2021", "23.01.2021"), ("25/12/2020", "15/11/2020"),
        ("March 4, 2021", "January 23, 2021"), ("4 Mar 2021", "23 Jan 2021"), ("2021-03-04T10:20", "2021-01-23T10:20"),
        ("fourth of July", "[DATE]"), ("01/02/0001", "[DATE]"),
    ],
)  # fmt: skip
def test_dates_move_by_the_persons_days_and_stay_as_they_are_written(written: str, moved: str) -> None:
    assert ONE.instead("DATE", written) == moved


@pytest.mark.parametrize("value", ["123-45-6789", "(415) 555-0132", "D123-4567-8901", "DE89 3704 0044 0532 0130 00"])
def test_numbers_keep_their_shape_and_none_of_their_runs(value: str) -> None:
    made = ONE.instead("ID", value)
    assert re.sub(r"\d", "0", re.sub("[A-Z]", "A", made)) == re.sub(r"\d", "0", re.sub("[A-Z]", "A", value))
    assert not set(re.findall(r"\d{4,}", value)) & set(re.findall(r"\d{4,}", made))


def test_high_ages_mail_and_web_addresses_say_nothing() -> None:
    assert ONE.instead("AGE", "93") == OVER_89
    assert ONE.instead("EMAIL", "ana@clinic.org").endswith("@example.com")
    assert "clinic" not in ONE.instead("URL", "https://clinic.org/p/1")


def test_the_scrubber_puts_them_where_tags_would_stand() -> None:
    text = "Olumide Kowalczyk, MRN 8837261, lives at 12 Lindqvist Street. Seen 2021-03-04 for asthma."
    clean = Scrubber(processes=1).scrub_batch([text], surrogates=[ONE])[0] or ""
    assert (
        "[" not in clean
        and "Seen 2021-01-23 for asthma." in clean
        and re.search("lives at [0-9]{2} [A-Z][a-z]+ (Street|Avenue|Road)[.]", clean)
    )
    assert not [word for word in ("Olumide", "Kowalczyk", "8837261", "Lindqvist") if word in clean]

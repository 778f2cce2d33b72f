"""An invented clinic: patients, encounters and notes, the same for the same seed. Nobody in it exists."""

from __future__ import annotations

import csv
import json
import math
import random
import sys
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from faker import Faker

PATIENTS, NOTES, SEED = 2_000, 1_200, 20_261_124
LOCALES = ["en_US", "es_MX", "de_DE", "fr_FR", "it_IT", "pl_PL", "en_IN"]
FIRST_DAY, LAST_DAY = date(2021, 1, 1), date(2026, 6, 30)
RISK = {
    "heart failure": 1.6,
    "chronic obstructive pulmonary disease": 1.2,
    "chronic kidney disease stage 3": 0.9,
    "Crohn disease": 0.6,
    "atrial fibrillation": 0.5,
    "type 2 diabetes mellitus": 0.4,
    "Parkinson disease": 0.4,
    "essential hypertension": 0.0,
    "Graves disease": -0.2,
    "osteoarthritis of the knee": -0.6,
    "Bell palsy": -0.7,
    "acute bronchitis": -0.8,
}
CLASS_RISK = {"inpatient": 0.9, "emergency": 0.6, "ambulatory": -0.6, "wellness": -1.2}
DRUGS = ["metformin 500 mg", "lisinopril 10 mg", "furosemide 40 mg", "apixaban 5 mg", "levodopa 100 mg", "prednisone 20 mg"]
STREETS = ["Maple Avenue", "Chestnut Street", "Mill Road", "Harbor Drive", "Orchard Lane", "Sunset Boulevard"]

NOTE_LAYOUTS = [
    "ADMISSION NOTE\nName: {name}\nMRN {mrn}, born {dob}\nSeen by Dr. {doctor} on {day}.\n\n{diagnosis}; {drug} once daily.",
    "{name} came to the {ward} on {day} with {diagnosis}. Reachable at {phone} or {email}. Plan: {drug}, review in two weeks.",
    "Telephone call {day_long}. Spoke to {relative}, spouse of {name}, who confirmed the address {street}, {city}. No symptoms.",
    "DISCHARGE\nPATIENT={upper}\nDATE={day}\nPLAN_ID={plan}\nSSN={ssn}\nDX={diagnosis}\nMEDS={drug}\nSIGNED={doctor}",
    "{last}, {first} ({mrn}). Follow-up of {diagnosis}. Blood pressure {pressure}. Continue {drug}. cc: Dr. {doctor}",
    "Social work: {first} lives at {street}, {city}, works for {employer}. {first} asked for help with transport to the {ward}.",
]


def write(folder: Path, *, patients: int = PATIENTS, notes: int = NOTES, seed: int = SEED) -> None:
    """`folder` holds patients.csv, encounters.csv and notes.jsonl, as the clinic's contract describes them."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)  # noqa: S311 - invented data, not a secret
    fakers = {locale: Faker(locale) for locale in LOCALES}
    for number, faker in enumerate(fakers.values()):
        faker.seed_instance(seed + number)
    people = [_patient(number, draw, fakers) for number in range(patients)]
    visits = [visit for person in people for visit in _encounters(person, draw)]
    for number, visit in enumerate(visits):
        visit["encounter_id"] = f"E{number:08d}"
    _write_csv(folder / "patients.csv", people)
    _write_csv(folder / "encounters.csv", visits)
    texts = _notes(people, draw.sample(visits, min(notes, len(visits))), draw, fakers["en_US"])
    (folder / "notes.jsonl").write_text("".join(json.dumps(n, ensure_ascii=False) + "\n" for n in texts), "utf-8")


def _patient(number: int, draw: random.Random, fakers: Mapping[str, Faker]) -> dict[str, Any]:
    faker = fakers[draw.choices(LOCALES, weights=[10, 2, 1, 1, 1, 1, 1])[0]]
    home, sex = fakers["en_US"], draw.choice("FM")
    first = faker.first_name_female() if sex == "F" else faker.first_name_male()
    last = faker.last_name()
    return {
        "patient_id": f"P{number:08d}",
        "mrn": str(draw.randrange(10_000_000, 99_999_999)),
        "given_name": first,
        "surname": last,
        "sex": sex,
        "birth_date": (date(1932, 1, 1) + timedelta(days=draw.randrange(27_000))).isoformat(),
        "ssn": f"{draw.randrange(100, 899):03d}-{draw.randrange(1, 99):02d}-{draw.randrange(1, 9999):04d}",
        "street": f"{draw.randrange(1, 9999)} {draw.choice(STREETS)}",
        "city": home.city(),
        "state": home.state_abbr(include_territories=False),
        "zip": home.zipcode(),
        "phone": f"({draw.randrange(200, 999)}) 555-{draw.randrange(100, 199):04d}",
        "email": f"{first}.{last}{draw.randrange(100)}@example.org".lower().replace(" ", ""),
        "race": draw.choices(["white", "black", "asian", "other"], weights=[6, 2, 1, 1])[0],
        "ethnicity": draw.choices(["nonhispanic", "hispanic"], weights=[4, 1])[0],
        "marital": draw.choice("SMDW"),
        "employer": home.company(),
        "occupation": home.job(),
        "plan_id": f"HP{draw.randrange(100_000_000, 999_999_999)}",
        "research_consent": "true" if draw.random() < 0.8 else "false",
    }


def _encounters(person: Mapping[str, Any], draw: random.Random) -> Iterable[dict[str, Any]]:
    """One to five encounters in order of time; age, diagnosis, setting, hba1c and history drive readmission."""
    days = sorted(draw.randrange((LAST_DAY - FIRST_DAY).days) for _ in range(draw.randrange(1, 6)))
    for history, day in enumerate(days):
        start = FIRST_DAY + timedelta(days=day)
        setting, diagnosis = draw.choice(list(CLASS_RISK)), draw.choice(list(RISK))
        hba1c = max(4.2, draw.gauss(8.1 if diagnosis.startswith("type 2") else 5.8, 0.9))
        age = (start - date.fromisoformat(person["birth_date"])).days / 365.25
        score = -3.4 + 0.03 * (age - 40) + RISK[diagnosis] + CLASS_RISK[setting] + 0.3 * (hba1c - 6) + 0.35 * history
        yield {
            "encounter_id": "",
            "patient_id": person["patient_id"],
            "start": start.isoformat(),
            "stop": (start + timedelta(days=draw.randrange(9) if setting == "inpatient" else 0)).isoformat(),
            "encounter_class": setting,
            "diagnosis": diagnosis,
            "total_cost": f"{draw.lognormvariate(7.5, 0.8):.2f}",
            "hba1c": f"{hba1c:.1f}" if draw.random() < 0.6 else "",
            "systolic": max(85, min(230, round(draw.gauss(118 + age / 4, 14)))),
            "readmitted_30d": int(draw.random() < 1 / (1 + math.exp(-1.6 * score))),
        }


def _notes(
    people: list[dict[str, Any]], visits: list[dict[str, Any]], draw: random.Random, faker: Faker
) -> Iterable[dict[str, str]]:
    by_id = {person["patient_id"]: person for person in people}
    for number, visit in enumerate(visits):
        person, day = by_id[visit["patient_id"]], date.fromisoformat(visit["start"])
        text = draw.choice(NOTE_LAYOUTS).format(
            name=f"{person['given_name']} {person['surname']}", first=person["given_name"], last=person["surname"],
            upper=f"{person['surname']} {person['given_name']}".upper(), mrn=person["mrn"], ssn=person["ssn"],
            dob=date.fromisoformat(person["birth_date"]).strftime("%m/%d/%Y"), day=day.strftime("%m/%d/%Y"),
            day_long=day.strftime("%B %d, %Y").replace(" 0", " "), phone=person["phone"], email=person["email"],
            street=person["street"], city=person["city"], employer=person["employer"], plan=person["plan_id"],
            doctor=faker.name_nonbinary(), relative=faker.name_nonbinary(), diagnosis=visit["diagnosis"],
            drug=draw.choice(DRUGS), ward=draw.choice(["day clinic", "emergency department", "cardiology ward"]),
            pressure=f"{visit['systolic']}/{draw.randrange(60, 95)}",
        )  # fmt: skip
        yield {
            "note_id": f"N{number:06d}",
            "patient_id": visit["patient_id"],
            "encounter_id": visit["encounter_id"],
            "text": text,
        }


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":  # python -m sandbox.domains.clinic.generate FOLDER
    write(Path(sys.argv[1]))

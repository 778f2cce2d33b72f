"""An invented bank: customers, accounts, card transactions and support chats, the same for the same seed. Nobody in it exists."""

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

CUSTOMERS, CHATS, SEED = 1_500, 600, 20_261_125
LOCALES = ["en_US", "en_GB", "es_MX", "de_DE", "it_IT", "tr_TR", "en_IN"]
FIRST_DAY, DAYS = date(2024, 1, 1), 880
CATEGORIES = {
    "groceries": 0.0,
    "fuel": 0.2,
    "travel": 0.9,
    "electronics": 1.3,
    "gambling": 1.6,
    "restaurants": -0.2,
    "utilities": -0.8,
}
CHAT_LAYOUTS = [
    "Agent: Thanks for contacting us, how can I help?\n{first}: Hi, this is {name}. My card {card} was charged {amount} twice"
    " on {day}.\nAgent: I have refunded one of the two charges.",
    "Customer {name} ({email}) asks to move account {iban} to a branch near {street}, {city}. Checked by SSN {ssn}.",
    "{name} called from {phone}. Lost the card ending in {ending}; it was blocked at once. New card sent to {street}, {city}.",
    "name: {upper}\naccount: {iban}\nborn: {born}\nsubject: limit increase\nresult: approved until the end of the year",
    "Please close the savings account of my late mother, {relative}. I am her executor. Regards, {name}, {phone}",
]


def write(folder: Path, *, customers: int = CUSTOMERS, chats: int = CHATS, seed: int = SEED) -> None:
    """`folder` holds customers.csv, accounts.csv, transactions.csv and chats.jsonl, as the bank's contract describes them."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)  # noqa: S311 - invented data, not a secret
    fakers = {locale: Faker(locale) for locale in LOCALES}
    for number, faker in enumerate(fakers.values()):
        faker.seed_instance(seed + number)
    people = [_customer(number, draw, fakers) for number in range(customers)]
    accounts = [account for person in people for account in _accounts(person, draw)]
    for number, account in enumerate(accounts):
        account["account_id"] = f"A{number:08d}"
    spent = [row for account in accounts for row in _transactions(account, draw)]
    for number, row in enumerate(spent):
        row["transaction_id"] = f"T{number:09d}"
    _write_csv(folder / "customers.csv", people)
    _write_csv(folder / "accounts.csv", [{k: v for k, v in account.items() if k != "card"} for account in accounts])
    _write_csv(folder / "transactions.csv", spent)
    texts = _chats(people, draw.sample(accounts, min(chats, len(accounts))), draw, fakers["en_US"])
    (folder / "chats.jsonl").write_text("".join(json.dumps(n, ensure_ascii=False) + "\n" for n in texts), "utf-8")


def _customer(number: int, draw: random.Random, fakers: Mapping[str, Faker]) -> dict[str, Any]:
    faker, home, sex = fakers[draw.choices(LOCALES, weights=[8, 2, 2, 1, 1, 1, 1])[0]], fakers["en_US"], draw.choice("FM")
    first, last = faker.first_name_female() if sex == "F" else faker.first_name_male(), faker.last_name()
    return {
        "customer_id": f"C{number:08d}",
        "given_name": first,
        "surname": last,
        "sex": sex,
        "birth_date": (date(1940, 1, 1) + timedelta(days=draw.randrange(24_000))).isoformat(),
        "ssn": f"{draw.randrange(100, 899):03d}-{draw.randrange(1, 99):02d}-{draw.randrange(1, 9999):04d}",
        "street": f"{draw.randrange(1, 9999)} {home.street_name()}",
        "city": home.city(),
        "zip": home.zipcode(),
        "phone": f"({draw.randrange(200, 999)}) 555-{draw.randrange(100, 199):04d}",
        "email": f"{first}.{last}{draw.randrange(100)}@example.org".lower().replace(" ", ""),
        "income_band": draw.choices(["low", "middle", "high"], weights=[4, 4, 2])[0],
        "sharing_opt_out": "true" if draw.random() < 0.15 else "false",
    }


def _accounts(person: Mapping[str, Any], draw: random.Random) -> Iterable[dict[str, Any]]:
    for _ in range(draw.randrange(1, 3)):
        yield {
            "account_id": "",
            "customer_id": person["customer_id"],
            "iban": _iban(draw),
            "card": _card(draw),
            "product": draw.choice(["checking", "savings", "credit"]),
            "opened": (FIRST_DAY - timedelta(days=draw.randrange(4_000))).isoformat(),
            "balance": f"{draw.lognormvariate(7.6, 1.1):.2f}",
        }


def _transactions(account: Mapping[str, Any], draw: random.Random) -> Iterable[dict[str, Any]]:
    """One to eight card payments; category, amount, hour and country drive fraud."""
    for _ in range(draw.randrange(1, 9)):
        category, abroad, hour = draw.choice(list(CATEGORIES)), draw.random() < 0.15, int(draw.triangular(0, 24, 15))
        amount = draw.lognormvariate(3.4, 1.0)
        score = -3.6 + CATEGORIES[category] + 1.7 * abroad + 0.8 * math.log(amount / 30) + (1.3 if hour < 6 else 0)
        yield {
            "transaction_id": "",
            "account_id": account["account_id"],
            "customer_id": account["customer_id"],
            "card_number": account["card"],
            "booked": (FIRST_DAY + timedelta(days=draw.randrange(DAYS))).isoformat(),
            "hour": min(hour, 23),
            "amount": f"{amount:.2f}",
            "category": category,
            "abroad": str(abroad).lower(),
            "fraud": int(draw.random() < 1 / (1 + math.exp(-1.4 * score))),
        }


def _chats(
    people: list[dict[str, Any]], accounts: list[dict[str, Any]], draw: random.Random, faker: Faker
) -> Iterable[dict[str, str]]:
    by_id = {person["customer_id"]: person for person in people}
    for number, account in enumerate(accounts):
        person, day = by_id[account["customer_id"]], FIRST_DAY + timedelta(days=draw.randrange(DAYS))
        name = f"{person['given_name']} {person['surname']}"
        text = draw.choice(CHAT_LAYOUTS).format(
            name=name, first=person["given_name"], upper=name.upper(), card=account["card"], ending=account["card"][-4:],
            iban=account["iban"], ssn=person["ssn"], phone=person["phone"], email=person["email"], street=person["street"],
            city=person["city"], born=date.fromisoformat(person["birth_date"]).strftime("%d.%m.%Y"), relative=faker.name_female(),
            day=day.strftime("%B %d"), amount=f"${draw.randrange(5, 900)}.{draw.randrange(100):02d}",
        )  # fmt: skip
        yield {"chat_id": f"H{number:06d}", "customer_id": account["customer_id"], "text": text}


def _card(draw: random.Random) -> str:
    """Sixteen digits in groups of four that pass the check of ISO/IEC 7812-1, annex B (Luhn)."""
    digits = [4, *(draw.randrange(10) for _ in range(14))]
    total = sum(d if i % 2 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits))
    number = "".join(map(str, [*digits, -total % 10]))
    return " ".join(number[i : i + 4] for i in range(0, 16, 4))


def _iban(draw: random.Random) -> str:
    """A German number with its check digits (ISO 13616, ISO/IEC 7064 MOD 97-10)."""
    account = "".join(str(draw.randrange(10)) for _ in range(18))
    return f"DE{98 - int(account + '131400') % 97:02d}{account}"


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":  # python -m sandbox.domains.bank.generate FOLDER
    write(Path(sys.argv[1]))

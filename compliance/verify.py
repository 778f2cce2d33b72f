"""Whether an evidence bundle of Sallyport is whole and true, found offline: `python verify.py DIR [--json]`.

It needs Python 3.11, `cryptography` and nothing of Sallyport, changes nothing and asks nobody. A bundle may be hostile: whatever
is in it, the answer is a list of sentences. What is proven: every file is one the signed manifest lists, byte for byte; every
entry is the one whose hash the next holds, has its source's next number, and leads with all others to the root in the signed
checkpoint (RFC 9162, C2SP tlog-checkpoint); earlier checkpoints agree with it; attestations (DSSE) are signed; the statement of
completeness says what the entries say. A withheld entry has its hash in its place; its number and time are the maker's word. The
keys are the bundle's own unless you pin one (--fingerprint, --key); give checkpoints you kept (--checkpoint).
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

MANIFEST, ENVELOPE, KEYS, CHECKPOINT = "manifest.json", "manifest.dsse.json", "keys.json", "checkpoint.txt"
EARLIER, PROOF, COMPLETENESS, ENTRIES = "checkpoints.jsonl", "proof.json", "completeness.json", "entries.jsonl"
PAYLOAD_TYPE, FIRST_PREVIOUS, WITHHELD = "application/vnd.in-toto+json", "sha256:" + "0" * 64, b'{"leaf":"'
# A usual entry, whole, in JSON without escapes; what is not of this form is read by the JSON library, which takes twice as long.
MOMENT, TEXT, NUMBER = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"), r'"[^"]*+"', r"[1-9]\d{0,17}"
ANY = rf"(?:{TEXT}|0|-?{NUMBER}|true|false|null)"
LIST = rf"\[(?:{ANY}(?:,{ANY})*+)?\]"
OBJECT = rf"{{(?:{TEXT}:(?:{ANY}|{LIST})(?:,{TEXT}:(?:{ANY}|{LIST}))*+)?}}"
USUAL = re.compile(
    rf'{{"actor":{OBJECT},"detail":{OBJECT},"id":{TEXT},"object":{OBJECT},"occurred_at":{TEXT},"outcome":{TEXT},'
    rf'"prev":"([^"]*+)","project":(?:null|{TEXT}),"reasons":{LIST},"recorded_at":"([^"]*+)","refs":{OBJECT},'
    rf'"seq":({NUMBER}),"source":"([^"]*+)","source_seq":({NUMBER}),"type":"([^"]*+)","v":1}}', re.ASCII)  # fmt: skip
scan, unbase64 = json.JSONDecoder(strict=False).scan_once, partial(base64.b64decode, validate=True)  # type: ignore[attr-defined]
BEFORE, AFTER, CHANGED = "before.json", "after.json", " was changed: its hash is not the one recorded for it."
LONGEST_LINE, LARGEST_DOCUMENT, MOST_PROBLEMS = 1 << 20, 1 << 28, 200


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a stable code, where (file or entry), and a sentence for people."""

    code: str
    where: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found; `ok` only when there is no problem. `fingerprint` is the SHA-256 of the signing key (SPKI, DER)."""

    ok: bool
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    entries: int
    files: int
    ledger_size: int
    fingerprint: str | None
    pinned: bool


class Wrong(Exception):
    """A part of the bundle cannot be read as what it should be; the message is a sentence."""


def verify_bundle(folder: Path, *, fingerprint: str | None = None, checkpoints: tuple[bytes, ...] = ()) -> Verification:
    """Everything wrong with the bundle in `folder`; `checkpoints` are signed notes that were kept elsewhere."""
    return _Check(Path(folder), fingerprint, checkpoints).run()


class _Check:
    """One bundle, what is known of it so far, and what is wrong with it."""

    def __init__(self, folder: Path, pin: str | None, kept: tuple[bytes, ...]) -> None:
        self.folder, self.pin, self.kept = folder, pin, kept
        self.problems, self.notes, self.files = list[Problem](), list[str](), set[str]()
        self.more, self.count, self.size, self.root, self.logs = 0, 0, 0, b"", list[Ed25519PublicKey]()
        self.keys, self.roots, self.envelopes = dict[str, Any](), dict[int, bytes](), dict[str, tuple[str, str]]()
        self.log, self.fingerprint = cast("Ed25519PublicKey | None", None), cast("str | None", None)

    def run(self) -> Verification:
        steps = (
            ("folder", self.walk), (KEYS, self.read_keys), (CHECKPOINT, self.checkpoint), (ENTRIES, self.entries),
            (EARLIER, self.earlier), ("attestations", self.attestations), (MANIFEST, self.manifest),
        )  # fmt: skip
        for where, step in steps:
            try:
                step()
            except Exception as bad:  # a hostile bundle must never end the check
                self.say("unreadable", where, str(bad) if type(bad) is Wrong else f"{where} is misshapen ({type(bad).__name__}).")
        pinned = self.pin is not None and self.pin == self.fingerprint
        unknown = f"Nothing here shows whose key signed this: compare {self.fingerprint} with what you got another way."
        notes = *self.notes, *[f"{self.more} more problems are not listed."] * bool(self.more), *[unknown] * (not pinned)
        counts = self.count, len(self.files), self.size, self.fingerprint, pinned
        return Verification(not self.problems, tuple(self.problems), notes, *counts)

    def say(self, code: str, where: str, sentence: str) -> None:
        self.more += len(self.problems) >= MOST_PROBLEMS
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(code, printable(where), printable(sentence)))

    def walk(self) -> None:
        """Which regular files there are; anything else, and a folder with nothing in it, is wrong."""
        waiting = [""]
        while waiting:
            below, empty = waiting.pop(), True
            with os.scandir(self.folder / below) as found:
                for item in found:
                    empty, name, kind = False, below + item.name, item.stat(follow_symlinks=False).st_mode
                    if stat.S_ISDIR(kind) and name.count("/") < 8:
                        waiting.append(name + "/")
                    elif stat.S_ISREG(kind):
                        self.files.add(name)
                    else:
                        self.say("not_a_file", name, f"{name} is no regular file; a bundle holds nothing else.")
            if empty:
                self.say("folder_added", below or ".", f"The folder {below or '.'} is empty; a bundle has no such folder.")

    def bytes_of(self, name: str) -> bytes:
        if name not in self.files or (self.folder / name).stat().st_size > LARGEST_DOCUMENT:
            raise Wrong(f"{name} is missing, or larger than such a file can be.")
        return (self.folder / name).read_bytes()

    def read_keys(self) -> None:
        self.keys = json.loads(self.bytes_of(KEYS))
        self.logs = [*map(public_key, [self.keys["log"]["pem"], *self.keys["attestations"].values()])]
        self.log, self.fingerprint = self.logs[0], fingerprint_of(self.logs[0])
        if self.pin is not None and self.pin != self.fingerprint:
            self.say("key_not_pinned", KEYS, f"The bundle's key is {self.fingerprint}, not the pinned {self.pin}.")

    def manifest(self) -> None:
        """The manifest is signed by the log's key, and the files are exactly those it lists, byte for byte."""
        data = self.bytes_of(MANIFEST)
        listed = {str(item["name"]): str(item["digest"]["sha256"]) for item in json.loads(data)["subject"]}
        for name in sorted(set(listed) - self.files):
            self.say("file_missing", name, f"{name} is missing from the bundle.")
        for name in sorted(set(listed) & self.files):
            with (self.folder / name).open("rb") as file:
                if file_digest(file, "sha256").hexdigest() != listed[name]:
                    self.say("file_changed", name, f"{name} was changed: its SHA-256 is not the one in the signed manifest.")
        for name in sorted(self.files - set(listed) - {MANIFEST, ENVELOPE}):
            self.say("file_added", name, f"{name} was added: the signed manifest does not list it.")
        for name in sorted({KEYS, CHECKPOINT, EARLIER, PROOF, COMPLETENESS, ENTRIES} - set(listed)):
            self.say("manifest_invalid", MANIFEST, f"The manifest does not list {name}.")
        signature = unbase64(json.loads(self.bytes_of(ENVELOPE))["signatures"][0]["sig"])
        by = [{"keyid": str(self.keys["log"]["keyid"]), "sig": base64.b64encode(signature).decode()}]
        exact = {"payload": base64.b64encode(data).decode(), "payloadType": PAYLOAD_TYPE, "signatures": by}
        if json.dumps(exact, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() != self.bytes_of(ENVELOPE):
            self.say("manifest_unsigned", ENVELOPE, f"{ENVELOPE} is not the signed form of {MANIFEST} by the log's key.")
        elif not signed(self.log, signature, pae(PAYLOAD_TYPE, data)):
            self.say("manifest_unsigned", MANIFEST, f"The log's key did not sign these bytes of {MANIFEST}.")

    def checkpoint(self) -> None:
        self.size, self.root = self.note(self.bytes_of(CHECKPOINT), CHECKPOINT)

    def note(self, note: bytes, where: str) -> tuple[int, bytes]:
        """Size and root of a signed note; a signature of the log that is missing, or one of a witness that is wrong, is said."""
        text, _, signatures = note.partition(b"\n\n")
        origin, size, root, *_ = [*text.decode().split("\n"), "", "", ""]
        hash_of_root = unbase64(root)
        if not re.fullmatch(r"0|[1-9]\d{0,17}", size) or len(hash_of_root) != 32:
            raise Wrong(f"{where} is not a checkpoint.")
        good, text = False, text + b"\n"
        for line in signatures.decode().splitlines():
            dash, name, data, *_ = [*line.split(" "), "", ""]
            raw = unbase64(data)
            if dash == "\u2014" and name == origin == self.keys["origin"]:
                good = good or any(raw[:4] == note_key(name, 1, key) and signed(key, raw[4:], text) for key in self.logs)
            elif dash == "\u2014" and name in self.keys.get("witnesses", {}):
                key, seconds = public_key(self.keys["witnesses"][name]), int.from_bytes(raw[4:12], "big")
                cosigned = b"cosignature/v1\ntime %d\n%b" % (seconds, text)
                if raw[:4] != note_key(name, 4, key) or not signed(key, raw[12:], cosigned):
                    self.say("witness_unsigned", where, f"The signature of the witness {name} is not over this checkpoint.")
        if not good:
            self.say("checkpoint_unsigned", where, f"The checkpoint of {size} entries in {where} is not signed by the log's key.")
        return int(size), hash_of_root

    def earlier(self) -> None:
        """Checkpoints published before agree with this one, by their proofs; so do those the caller kept."""
        known = {self.size: self.root}
        for line in self.bytes_of(EARLIER).splitlines():
            value = json.loads(line)
            size, root = self.note(value["checkpoint"].encode(), EARLIER)
            if size <= self.size and consistent(size, root, self.size, self.root, [*map(bytes.fromhex, value["consistency"])]):
                known[size] = root
            else:
                self.rewritten(size, "published earlier", EARLIER)
        for note in self.kept:
            size, root = self.note(note, "the checkpoint you gave")
            mine = self.roots.get(size, known.get(size))
            if mine is None:
                self.say("checkpoint_not_comparable", "the checkpoint you gave", f"The bundle does not reach its size, {size}.")
            elif mine != root:
                self.rewritten(size, "you gave", "the checkpoint you gave")

    def rewritten(self, size: int, whose: str, where: str) -> None:
        self.say("history_rewritten", where, f"The checkpoint of {size} entries {whose} does not fit: history was rewritten.")

    def entries(self) -> None:
        """The entries, with those on both sides of the period, are the ledger's and what the statement says of them is so."""
        proof, stated = json.loads(self.bytes_of(PROOF)), json.loads(self.bytes_of(COMPLETENESS))
        first, end, size = (int(proof[key]) for key in ("first", "end", "size"))
        if size != self.size or not 0 <= first <= end <= size:
            raise Wrong(f"{PROOF} is not for the checkpoint's {self.size} entries.")
        hashes, walk = iter([bytes.fromhex(item) for item in proof["hashes"]]), _Walk(self, first, stated)
        walk.tree.pass_over(0, first, hashes)
        walk.run()
        self.count, self.envelopes = walk.count, walk.envelopes
        if walk.damaged:
            return  # what is wrong is said already, and no root can come out of it
        self.roots = walk.tree.roots
        if walk.tree.size != end:
            self.say("entry_missing", ENTRIES, f"Entries to {end} should be here, but they end at entry {walk.tree.size}.")
        walk.tree.pass_over(end, size, hashes)
        if walk.tree.root() != self.root or next(hashes, None) is not None:
            self.say("root_mismatch", PROOF, "The entries do not lead to the root in the checkpoint: they are not the ledger's.")
        walk.compare()

    def attestations(self) -> None:
        """Every attestation is named after its bytes and signed, and none that an entry rests on is missing."""
        trusted, seen = {name: public_key(pem) for name, pem in self.keys["attestations"].items()}, set()
        for name in sorted(name for name in self.files if name.startswith("attestations/")):
            data = self.bytes_of(name)
            seen.add("sha256:" + (digest := sha256(data).hexdigest()))
            if name != f"attestations/{digest}.dsse.json":
                self.say("attestation_changed", name, f"{name} was changed: it is not named after its bytes.")
            good, (entry, model) = False, self.envelopes.get("sha256:" + digest, ("", ""))
            with suppress(Exception):  # whatever hostile bytes do
                envelope = json.loads(data)
                payload = pae(envelope["payloadType"], said := unbase64(envelope["payload"]))
                good = any(signed(trusted.get(one["keyid"]), unbase64(one["sig"]), payload) for one in envelope["signatures"])
                if model and model not in ["sha256:" + one["digest"]["sha256"] for one in json.loads(said)["subject"]]:
                    self.say("attestation_of_other", entry, f"{entry} rests on {name}, which is about other bytes than {model}.")
            if not good:
                self.say("attestation_unsigned", name, f"{name} is not signed by a key of this bundle.")
        for missing in self.envelopes.keys() - seen:
            by = self.envelopes[missing][0]
            self.say("attestation_missing", by, f"{by} rests on the attestation {missing}, which was changed or is missing.")


class _Walk:
    """One pass over the entries in order, each with the one after it at hand; memory stays flat."""

    def __init__(self, check: _Check, first: int, stated: Any) -> None:
        self.check, self.first, self.stated, self.withheld = check, first, {"withheld": {}, **stated}, Counter[str]()
        self.tree = CompactTree({note.split(b"\n")[1] for note in check.kept if b"\n" in note})
        self.previous: str | None = None if first else FIRST_PREVIOUS
        self.suspect: str | None = None  # the entry before, when its hash is not the one the entry after it holds
        self.sources, self.envelopes = dict[str, list[int]](), dict[str, tuple[str, str]]()
        self.damaged, self.count, self.slack, self.outside, self.times, self.steps_back = False, 0, 0, 0, list[str](), list[int]()
        self.since, self.until = str(stated["period"]["since"]), str(stated["period"]["until"])

    def items(self) -> Iterator[tuple[str, bytes]]:
        """(file, canonical bytes) of the entry before the period, those in it, and the one after it."""
        if BEFORE in self.check.files:
            yield BEFORE, self.check.bytes_of(BEFORE)
        with (self.check.folder / ENTRIES).open("rb") as lines:
            while line := lines.readline(LONGEST_LINE):
                yield ENTRIES, line[:-1] if line.endswith(b"\n") else line + b" without its end"
        if AFTER in self.check.files:
            yield AFTER, self.check.bytes_of(AFTER)

    def run(self) -> None:
        held: tuple[str, bytes, dict[str, Any]] | None = None
        for file, raw in self.items():
            entry = parsed(raw)
            if held:
                self.one(*held, entry)
            held = file, raw, entry
        if held:
            known = self.stated["last_hash"] == f"sha256:{self.leaf(*held[1:]).hex()}"
            self.one(*held, {"seq": (held[2]["seq"] if known else self.tree.size + 1) + 1, "prev": self.stated["last_hash"]})
        if self.suspect:
            self.wrong("entry_changed", self.tree.size, self.suspect + CHANGED)

    def one(self, file: str, raw: bytes, entry: dict[str, Any], following: dict[str, Any]) -> None:
        """`entry` is the next one, unless lines are missing, added or moved; and its hash is the one `following` holds."""
        expected, seq, after = self.tree.size + 1, entry.get("seq"), following.get("seq")
        leaf = self.leaf(raw, entry) if "rule" in entry else sha256(b"\x00" + raw).digest()
        self.count += file is ENTRIES
        if seq != expected and after != expected + 1 and type(seq) is int:
            here = self.name(entry, seq)
            if seq < expected or after == expected:
                self.wrong("entry_misplaced", expected, f"{here} was added, moved or repeated before entry {expected}.")
                return
            self.wrong("entry_missing", expected, f"Entries are missing before {here}: from entry {expected} on.")
            self.tree.size, self.previous, self.slack = seq - 1, str(entry.get("prev")), self.slack + seq - expected
            expected = seq
        mine = "sha256:" + leaf.hex()
        intact = after != expected + 1 or following.get("prev") == mine
        self.tree.add(leaf)
        if seq != expected or self.suspect:  # this entry, when its own hash is wrong too; else the one before it
            this, calls = seq != expected or not intact, f" It calls itself entry {seq}." * (type(seq) is int and seq != expected)
            self.wrong("entry_changed", expected - 1 + this, (self.name(entry) if this else str(self.suspect)) + CHANGED + calls)
            self.suspect = None
        elif not intact:
            self.suspect = self.name(entry)
        elif self.previous != entry.get("prev") and self.previous is not None:
            self.wrong("chain_broken", expected, f"{self.name(entry)} does not hold the hash of entry {expected - 1}.")
        self.previous = mine if intact else str(following.get("prev"))
        if file is ENTRIES:
            self.look_at(entry)
        elif self.since <= str(entry.get("recorded_at")) < self.until:
            self.wrong("completeness_false", expected, f"{self.name(entry)} is of the period, but stands in {file}.")

    def leaf(self, raw: bytes, entry: dict[str, Any]) -> bytes:
        hidden = raw.startswith(WITHHELD) and entry.get("rule") in self.stated["withheld"]
        return bytes.fromhex(entry["leaf"]) if hidden else sha256(b"\x00" + raw).digest()

    def name(self, entry: dict[str, Any], seq: Any = None) -> str:
        return f"entry {str(self.tree.size if seq is None else seq)[:24]} ({str(entry.get('type', 'unreadable'))[:60]})"

    def look_at(self, entry: dict[str, Any]) -> None:
        """The entry's number of its source, its time, and the attestation it rests on."""
        given, moment, source, seq = entry.get("source_seq"), entry.get("recorded_at"), str(entry.get("source")), self.tree.size
        if type(given) is not int or type(moment) is not str or not MOMENT.fullmatch(moment):
            self.wrong("entry_invalid", seq, f"{self.name(entry)} has no number of its source, or no time in UTC.")
            return
        known = self.sources.get(source) or self.sources.setdefault(source, [given, given - 1, 0])
        if not known[1] < given <= known[1] + 1 + self.slack:
            self.wrong("source_gap", seq, f"{self.name(entry)} shows a gap in its source: number {given} follows {known[1]}.")
        known[1], known[2] = given, known[2] + 1
        self.times = self.times or [moment, moment]
        self.steps_back += [seq] if moment < self.times[1] else ()
        self.times[1] = moment
        self.outside += not self.since <= moment < self.until
        if "rule" in entry:
            self.withheld[str(entry["rule"])] += 1
        detail, thing = entry.get("detail"), entry.get("object")
        if type(detail) is dict and type(detail.get("envelope")) is str:
            model = str(thing.get("digest")) if isinstance(thing, dict) and thing.get("type") == "model" else ""
            self.envelopes.setdefault(detail["envelope"], (self.name(entry), model))

    def wrong(self, code: str, seq: int, sentence: str) -> None:
        self.damaged, self.slack = True, self.slack + 1
        self.check.say(code, f"entry {seq}", sentence)

    def compare(self) -> None:
        """The statement of completeness says what was found."""
        files, begin = self.check.files, self.first + (BEFORE in self.check.files)
        found = {
            "range": {"first": begin + 1, "last": begin + self.count, "entries": self.count} if self.count else None,
            "ledger_size": self.check.size,
            "sources": {name: {"first": a, "last": b, "entries": n} for name, (a, b, n) in self.sources.items()},
            "recorded": {"first": self.times[0], "last": self.times[1]} if self.times else None,
            "clock_steps_back": self.steps_back,
            "outside_the_period": self.outside,
            "reaches_the_end_of_the_ledger": AFTER not in files,
            "withheld": dict.fromkeys(self.stated["withheld"], 0) | self.withheld,
        }
        for key, value in found.items():
            if self.stated.get(key) != value:
                self.check.say("completeness_false", COMPLETENESS, f"The statement of completeness is wrong about {key}.")
        if (BEFORE in files) != (begin > 0) or (AFTER in files) != (begin + self.count < self.check.size):
            self.check.say("completeness_false", COMPLETENESS, "An entry next to the period is missing or does not belong here.")
        self.check.notes += [f"The clock stepped back at entry {seq}." for seq in self.steps_back[:5]]
        self.check.notes += [f"{n} entries are withheld under the rule {rule}." for rule, n in sorted(self.withheld.items())]
        self.check.notes += ["The bundle reaches to the end of the ledger as it was then."] * (AFTER not in files)


class CompactTree:
    """A Merkle tree that grows to the right (RFC 9162 2.1), known by its perfect subtrees: one for each bit of its size."""

    def __init__(self, wanted: set[bytes]) -> None:
        self.nodes, self.size, self.wanted, self.roots = list[bytes](), 0, wanted, dict[int, bytes]()

    def add(self, node: bytes, leaves: int = 1) -> None:
        size, nodes, self.size = self.size, self.nodes, self.size + leaves
        while size & leaves and nodes:
            node = sha256(b"\x01" + nodes.pop() + node).digest()
            leaves *= 2
        nodes.append(node)
        if self.wanted and b"%d" % self.size in self.wanted:
            self.roots[self.size] = self.root()

    def pass_over(self, first: int, end: int, hashes: Iterator[bytes]) -> None:
        """The leaves [first, end) are in the tree by the largest perfect, aligned subtrees that cover them."""
        while first < end:
            width = min(first & -first or end, 1 << (end - first).bit_length() - 1)
            self.add(next(hashes, b""), width)
            first += width

    def root(self) -> bytes:
        root = self.nodes[-1] if self.nodes else sha256(b"").digest()
        for node in reversed(self.nodes[:-1]):
            root = sha256(b"\x01" + node + root).digest()
        return root


def consistent(old: int, old_root: bytes, size: int, root: bytes, proof: list[bytes]) -> bool:
    """The tree of `old` leaves is the beginning of the tree of `size`, as a proof of RFC 9162 2.1.4.1 shows."""

    def node_hash(left: bytes, right: bytes) -> bytes:
        return sha256(b"\x01" + left + right).digest()

    def roots(old: int, size: int, whole: bool) -> tuple[bytes, bytes]:
        if old == size:
            return (old_root, old_root) if whole else (node := proof.pop(0), node)
        left = 1 << (size - 1).bit_length() - 1
        one, other = roots(old, left, whole) if old <= left else roots(old - left, size - left, False)
        node = proof.pop(0)
        return (one, node_hash(other, node)) if old <= left else (node_hash(node, one), node_hash(node, other))

    with suppress(IndexError):
        return (old == 0 or roots(old, size, True) == (old_root, root)) and not proof
    return False


def parsed(raw: bytes) -> dict[str, Any]:
    """The entry (of a usual one what is looked at here), or its type alone when it cannot be read."""
    try:
        if "\\" not in (text := raw.decode()) and (usual := USUAL.fullmatch(text)) and '"envelope"' not in text:
            prev, moment, seq, source, n, kind = usual.groups()
            return {"prev": prev, "recorded_at": moment, "seq": int(seq), "source": source, "source_seq": int(n), "type": kind}
        value, end = scan(text, 0)
        if end == len(text) and type(value) is dict:
            return value
    except (ValueError, RecursionError, StopIteration):
        pass
    kind = re.search(rb'"type":"([a-z-]{1,40}:[a-z-]{1,40})"', raw)
    return {"type": kind[1].decode()} if kind else {}


def pae(kind: str, payload: bytes) -> bytes:
    return b"DSSEv1 %d %b %d %b" % (len(kind.encode()), kind.encode(), len(payload), payload)  # what a DSSE signature is over


def public_key(pem: Any) -> Ed25519PublicKey:
    with suppress(Exception):  # whatever the library says of hostile bytes
        key = load_pem_public_key(pem.encode())
        if isinstance(key, Ed25519PublicKey):
            return key
    raise Wrong("A key cannot be read, or is not an ed25519 key.")


def fingerprint_of(key: Ed25519PublicKey) -> str:
    """SHA-256 of the key, as `openssl pkey -pubin -outform DER | sha256sum` prints it."""
    return "sha256:" + sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def note_key(name: str, kind: int, key: Ed25519PublicKey | None) -> bytes:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw) if key else b""
    return sha256(b"%b\n%c%b" % (name.encode(), kind, raw)).digest()[:4]  # how a C2SP signed-note names its key


def signed(key: Ed25519PublicKey | None, signature: bytes, data: bytes) -> bool:
    with suppress(InvalidSignature):
        return key is not None and key.verify(signature, data) is None
    return False


def printable(text: str) -> str:
    """`text` with everything that could mislead on a screen (controls, direction marks) written out."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:600])


def sentences(found: Verification) -> Iterator[str]:
    yield from (f"WRONG ({problem.code}) {problem.sentence}" for problem in found.problems)
    yield from (f"note: {note}" for note in found.notes)
    verdict = "OK: whole and true" if found.ok else f"NOT OK: {len(found.problems)} problems"
    yield f"{verdict}; {found.files} files, {found.entries} entries of a ledger of {found.ledger_size}."


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when the bundle is whole, 1 when it is not, 2 for wrong usage."""
    parser = argparse.ArgumentParser(description="Checks a Sallyport evidence bundle offline.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true", help="the findings as JSON on standard output")
    parser.add_argument("--fingerprint", help="sha256:... of the key that must have signed")
    parser.add_argument("--key", type=Path, help="PEM file of the key that must have signed")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="a checkpoint you kept (repeatable)")
    given = parser.parse_args(arguments)
    if not given.folder.is_dir():
        parser.error(f"{printable(str(given.folder))} is not a folder")
    try:
        pin = fingerprint_of(public_key(given.key.read_text("utf-8"))) if given.key else given.fingerprint
        kept = tuple(path.read_bytes() for path in given.checkpoint)
    except (OSError, ValueError, Wrong) as error:
        parser.error(f"the key or checkpoint cannot be read ({type(error).__name__})")
    found = verify_bundle(given.folder, fingerprint=pin, checkpoints=kept)
    if given.json:
        print(json.dumps(asdict(found)))
    print("\n".join(sentences(found)), file=sys.stderr)
    return 0 if found.ok else 1


if __name__ == "__main__":
    sys.exit(main())

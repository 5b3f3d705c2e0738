#!/usr/bin/env python3
"""Verifies Bongsu's audit trail from an export file or a receipt, without anything of Bongsu's.

    python3 bongsu_verify.py EXPORT.ndjson --key KEY [--checkpoints FILE]
    python3 bongsu_verify.py --receipt RECEIPT.json --key KEY

KEY is the verifier key `<name>+<key id>+<base64>` that you were given once, by a way you trust. Follows docs/audit-format.md
and shares no line with Bongsu's own verifier. Python 3.8 or newer, standard library only. Memory does not grow with the
export. Exit code: 0 all is well, 1 a problem was found (the first line of the output names it), 2 it could not be checked.
"""
import argparse
import base64
import functools
import hashlib
import json
import re
import sys

COMPACTED = {"directory.recipients.v1", "directory.templates.v1", "directory.preferences.v1", "access.keys.v1"}
GAP_HEADERS = b"\0\0\0\x07ce_type\0\0\0\x13bongsu.audit.gap.v1"
MAX_SHOWN = 100


class Malformed(Exception):
    """Input that is not what the format says; the message says why."""


def sha256(data):
    return hashlib.sha256(data).digest()


# ---- Encoding -------------------------------------------------------------------------------------------------------
def encode(*fields):
    return b"".join(b"\xff" * 4 if f is None else len(f).to_bytes(4, "big") + f for f in fields)


def integer(value):
    return value.to_bytes(8, "big", signed=True)


def decode(data):
    fields, at = [], 0
    while at < len(data):
        length, at = data[at:at + 4], at + 4
        if length == b"\xff" * 4:
            fields.append(None)
            continue
        end = at + int.from_bytes(length, "big")
        if len(length) < 4 or end > len(data):
            raise Malformed("the headers are not an encoding")
        fields.append(data[at:end])
        at = end
    return fields


def unbase64(text, what):
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise Malformed(f"{what} is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise Malformed(f"{what} is not base64 in its one form")
    return data


# ---- Ed25519, RFC 8032 (5.1.7; slow and simple: nothing here is secret) ----------------------------------------------
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar > 0:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def point_of(data):
    """The point of 32 bytes, or None."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return (x if x & 1 == sign else P - x), y, 1, (x if x & 1 == sign else P - x) * y % P


BASE = point_of(((4 * pow(5, P - 2, P)) % P).to_bytes(32, "little"))


@functools.lru_cache(maxsize=100_000)
def ed25519_holds(public, message, signature):
    a, r, s = point_of(public), point_of(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = multiply(s, BASE), add(r, multiply(h, a))
    return not ((left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P)


# ---- Merkle tree, RFC 6962 ------------------------------------------------------------------------------------------
def node(left, right):
    return sha256(b"\1" + left + right)


class Tree:
    """The roots of the full subtrees so far, the largest first: as many as the size has bits set."""

    def __init__(self):
        self.size, self.peaks = 0, []

    def append(self, entry):
        self.peaks.append(sha256(b"\0" + entry))
        full, self.size = self.size, self.size + 1
        while full & 1:
            right, left = self.peaks.pop(), self.peaks.pop()
            self.peaks.append(node(left, right))
            full >>= 1

    def root(self):
        if not self.peaks:
            return sha256(b"")
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node(peak, root)
        return root


def included(entry, index, size, proof, root):
    """RFC 9162, 2.1.3.2."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, sha256(b"\0" + entry)
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


# ---- Checkpoints: C2SP signed-note, tlog-checkpoint -----------------------------------------------------------------
class Key:
    def __init__(self, text):
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise Malformed("a key is <name>+<key id>+<base64>")
        self.name, data = parts[0], unbase64(parts[2], "the key")
        self.id = sha256(self.name.encode() + b"\n" + data)[:4]
        if len(data) != 33 or data[0] != 1 or self.id.hex() != parts[1]:
            raise Malformed("the key is not an Ed25519 verifier key with its own key id")
        self.public = data[1:]


class Checkpoint:
    def __init__(self, note):
        self.text, _, signatures = note.rpartition("\n\n")
        self.text += "\n"
        lines = self.text.split("\n")[:-1]
        if len(lines) < 3 or not re.fullmatch(r"0|[1-9]\d{0,15}", lines[1]) or "" in lines:
            raise Malformed("a checkpoint that is none")
        self.chain = "/".join(lines[0].rsplit("/", 2)[-2:])
        self.origin, self.size, self.root = lines[0], int(lines[1]), unbase64(lines[2], "a checkpoint's root")
        words = [line.split(" ", 1) for line in lines[3:] if " " in line]
        self.heads = [unbase64(value, "a checkpoint's hash") for name, value in words if name == "chain"]
        self.named_keys = [Key(value) for name, value in words if name in ("next-key", "previous-key")]
        self.signatures = []
        for line in signatures.rstrip("\n").split("\n"):
            match = re.fullmatch("\u2014 (\\S+) (\\S+)", line)
            if not match:
                raise Malformed("a checkpoint with a signature line that is none")
            self.signatures.append((match[1], unbase64(match[2], "a signature")))

    def signed_by(self, keys):
        """Whether one of the keys has signed it. A signature that names a key and is not by it makes the note void."""
        found = False
        for name, signature in self.signatures:
            known = [key for key in keys if key.name == name and key.id == signature[:4]]
            if not known:
                continue
            if len(signature) != 68 or not any(ed25519_holds(key.public, self.text.encode(), signature[4:]) for key in known):
                return False
            # A key speaks for the log that it is named after, and for no other.
            found = found or self.origin == f"{name}/{self.chain}"
        return found


def notes_in(text):
    """The notes of a checkpoint file, one after the other."""
    note, signed = [], False
    for line in text.split("\n"):
        if signed and not line.startswith("\u2014 "):
            yield "\n".join(note) + "\n"
            note, signed = [], False
        if line or note:
            note.append(line)
        signed = line.startswith("\u2014 ")
    if any(note):
        yield "\n".join(note) + "\n"


def trusted(notes, key, report):
    """The checkpoints that were signed by the key, or by one that was named (next-key, previous-key) under a trusted signature."""
    keys, checkpoints, grown = [key], [], True
    for note in notes:
        try:
            checkpoints.append(Checkpoint(note))
        except Malformed as error:
            report("checkpoint", 0, str(error))
    while grown:
        grown = False
        for checkpoint in checkpoints:
            known = {(each.name, each.public) for each in keys}
            named = [each for each in checkpoint.named_keys if (each.name, each.public) not in known]
            named = [each for each in named if checkpoint.origin == f"{each.name}/{checkpoint.chain}"]
            if named and checkpoint.signed_by(keys):
                keys += named
                grown = True
    good = [checkpoint for checkpoint in checkpoints if checkpoint.signed_by(keys)]
    for checkpoint in (each for each in checkpoints if each not in good):
        report(checkpoint.chain, checkpoint.size, "a checkpoint without a signature by a key that is trusted")
    return good


# ---- Records --------------------------------------------------------------------------------------------------------
class Record:
    def __init__(self, line):
        for name in ("partition", "offset", "sequence", "epoch"):
            if type(line.get(name)) is not int:
                raise Malformed(f"{name} must be a whole number")
        for name in ("key", "payload", "salt"):
            setattr(self, name, None if line[name] is None else unbase64(line[name], name))
        self.kind, self.topic, self.partition, self.offset = (line[n] for n in ("kind", "topic", "partition", "offset"))
        self.sequence, self.epoch, self.chain = line["sequence"], line["epoch"], f"{self.topic}/{self.partition}"
        self.headers, self.labels = unbase64(line["headers"], "headers"), [line[n] for n in LABELS]
        if not re.fullmatch(r"-?(0|[1-9]\d{0,18})", line["timestampMs"]) or self.kind not in ("record", "gap"):
            raise Malformed("timestampMs or kind is none")
        self.timestamp = int(line["timestampMs"])
        self.digest, self.hash = (bytes.fromhex(line[n]) for n in ("payloadDigest", "hash"))
        if len(self.digest) != 32 or len(self.hash) != 32 or self.hash.hex() + self.digest.hex() != line["hash"] + line["payloadDigest"]:
            raise Malformed("a digest must be 32 bytes in lower-case hexadecimal")
        if line["chain"] != self.chain or line["erased"] is not (self.salt is None):
            raise Malformed('"chain" or "erased" does not say what the record says')

    def computed_hash(self, previous):
        return sha256(encode(b"bongsu-audit-%s-v1" % self.kind.encode(), self.chain.encode(), integer(self.sequence),
                             self.topic.encode(), integer(self.partition), integer(self.offset),
                             integer(self.timestamp), self.key, self.headers, self.digest, previous))

    def payload_holds(self):
        if self.salt is None:
            return self.payload is None
        return len(self.salt) == 32 and sha256(encode(b"bongsu-audit-payload-v1", self.salt, self.payload)) == self.digest

    def labels_hold(self):
        derived = derived_labels(self.headers, self.payload)
        if derived is None:
            return True
        if self.salt is None and self.labels[3] is not None:  # the key still tells the tenant of an erased payload
            if (self.key or b"").startswith(self.labels[3].encode() + b"/"):
                derived[3] = self.labels[3]
        return derived == self.labels


LABELS = ("eventId", "type", "notification", "tenant", "recipient")


def record_of(text):
    try:
        line = json.loads(text)
        return line, Record(line)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise Malformed(f"no line of an export ({error.__class__.__name__}: {error})") from None


def label(value):
    if not isinstance(value, str) or not value or "\0" in value or len(value.encode("utf-16-le", "surrogatepass")) > 512:
        return None
    return None if re.search("[\ud800-\udfff]", value) else value


def no_constant(name):
    raise ValueError(name)  # NaN and the like are not JSON


def text_of(data):
    try:
        text = data.decode()
        return text[1:] if text.startswith("\ufeff") else text
    except UnicodeDecodeError:
        return None


def derived_labels(headers, payload):
    attributes, data = {}, {}
    try:
        fields = decode(headers)
        for name, value in zip(fields[::2], fields[1::2]):
            attributes[name] = None if value is None else text_of(value)
    except Malformed:
        attributes = {}
    if payload is not None and payload[:1] == b"{":
        try:
            data = json.loads(payload.decode(), parse_int=float, parse_constant=no_constant)
        except ValueError:
            data = {}
        except RecursionError:  # deeper than this Python reads; the payload itself is checked by its digest
            return None
    recipient = data.get("recipient")
    named = recipient.get("id") if isinstance(recipient, dict) else None
    return [label(attributes.get(b"ce_id")), label(attributes.get(b"ce_type")), label(attributes.get(b"ce_subject")),
            label(data.get("tenant")), label(data.get("recipientId") if named is None else named)]


# ---- Chains ---------------------------------------------------------------------------------------------------------
class Chain:
    """Checks one chain, record by record, and its checkpoints as their sizes are reached."""

    def __init__(self, name, checkpoints, report):
        self.name, self.report, self.notices = name, lambda sequence, what: report(name, sequence, what), []
        self.checkpoints = sorted(checkpoints, key=lambda each: each.size)
        self.expected, self.previous, self.offset, self.epoch = 1, bytes(32), -1, 0
        self.tree, self.signed, self.broken = Tree(), 0, False

    def next(self, record):
        n = record.sequence
        if n < self.expected:
            return self.report(n, "there is more than one record in this place, or it comes before the first")
        if n > self.expected:
            self.report(self.expected, f"records #{self.expected} to #{n - 1} are missing")
            self.previous, self.offset, self.broken = None, None, True
        self.expected = n + 1
        sound = self.previous is None or record.computed_hash(self.previous) == record.hash
        if not sound:
            self.report(n, "the hash does not match: the record or the one before was changed")
            self.broken = True
        if not record.payload_holds():
            self.report(n, "the payload or its salt was changed: they do not match the payload digest")
        if not record.labels_hold():
            self.report(n, "a column for searching does not say what the record says")
        if sound and self.offset is not None:
            self.offset_follows(record)
        else:
            self.epoch = record.epoch
        self.previous, self.offset = record.hash, record.offset if sound else None
        if not self.broken:
            self.tree.append(record.hash)
            while self.checkpoints and self.checkpoints[0].size <= n:
                self.compare(self.checkpoints.pop(0))

    def compare(self, checkpoint):
        size = checkpoint.size
        heads_hold = all(head == (self.previous if size else bytes(32)) for head in checkpoint.heads)
        if size == self.tree.size and self.tree.root() == checkpoint.root and heads_hold:
            self.signed = size
        elif size != 0 or checkpoint.root != sha256(b"") or not heads_hold:
            self.report(self.signed + 1, f"records #{self.signed + 1} to #{size} are not those that were signed: "
                                         f"the checkpoint of {size} records has another root")
            self.broken = True

    def offset_follows(self, record):
        if record.kind == "gap":
            return self.gap_holds(record)
        expected = self.epoch + (record.offset <= self.offset)
        if record.epoch != expected:
            self.report(record.sequence, f"the epoch is {record.epoch}, by the offsets it must be {expected}")
        if record.offset <= self.offset or (record.topic not in COMPACTED and record.offset > self.offset + 1):
            self.notices.append(f"{self.name} #{record.sequence}: offsets before {record.offset} are missing, without a gap record")
        self.epoch = expected

    def gap_holds(self, record):
        expected, got = self.offset + 1, record.offset + 1
        kind = "reset" if got < expected else "gap"
        payload = b'{"kind":"%s","expectedOffset":"%d","offset":"%d"}' % (kind.encode(), expected, got)
        self.epoch += kind == "reset"
        if got == expected or record.key is not None or record.headers != GAP_HEADERS or record.payload != payload:
            self.report(record.sequence, f"the gap record does not say what was left out before offset {got}")
        elif record.epoch != self.epoch:
            self.report(record.sequence, f"the epoch is {record.epoch}, by the gap record it must be {self.epoch}")
        self.notices.append(f"{self.name} #{record.sequence}: {kind} of offsets, {expected} expected, {got} came")

    def end(self):
        if self.checkpoints and not self.broken:
            self.report(self.expected, f"the chain ends before #{self.expected}, a checkpoint says "
                                       f"{self.checkpoints[-1].size} records: its end was cut off, or it was rolled back")


class Report:
    def __init__(self):
        self.count, self.records, self.signed, self.notices, self.uncovered = 0, 0, 0, [], []

    def problem(self, chain, sequence, what):
        self.count += 1
        if self.count <= MAX_SHOWN:
            print(f"PROBLEM {chain} #{sequence}: {what}", flush=True)


def verify_export(path, key, checkpoint_text, report):
    checkpoints, chains, chain, number = {}, set(), None, 0
    with open(path, "rb") as lines:
        for number, text in enumerate(lines, 1):
            try:
                line, record = record_of(text)
            except Malformed as error:
                at = f"after #{chain.expected - 1} of {chain.name}" if chain else "at the beginning"
                report.problem(chain.name if chain else "export", chain.expected if chain else 1, f"line {number}, {at}: {error}")
                continue
            if number == 1:
                checkpoints = by_chain([*line.get("checkpoints", []), *notes_in(checkpoint_text)], key, report)
            if not chain or chain.name != record.chain:
                end(chain, report)
                if record.chain in chains:
                    report.problem(record.chain, record.sequence, "the lines of the chain do not stand together")
                chains.add(record.chain)
                chain = Chain(record.chain, checkpoints.pop(record.chain, []), report.problem)
            report.records += 1
            chain.next(record)
    if number == 0:
        checkpoints = by_chain(list(notes_in(checkpoint_text)), key, report)
    end(chain, report)
    if key and not report.signed:
        report.problem("export", 0, "nothing in it is signed by a key that is trusted")
    for name, left in sorted(checkpoints.items()):
        if any(each.size > 0 for each in left):
            report.problem(name, 1, f"the chain is missing; a checkpoint says {max(each.size for each in left)} records")
    return len(chains)


def end(chain, report):
    if chain:
        chain.end()
        report.signed += chain.signed
        report.notices += chain.notices[:MAX_SHOWN]
        if chain.signed < chain.expected - 1:
            report.uncovered.append(f"{chain.name} #{chain.signed + 1} to #{chain.expected - 1}")


def by_chain(notes, key, report):
    chains = {}
    for checkpoint in trusted(dict.fromkeys(notes), key, report.problem) if key else []:
        chains.setdefault(checkpoint.chain, []).append(checkpoint)
    return chains


def verify_receipt(path, key, report):
    with open(path, encoding="utf-8") as file:
        receipt = json.load(file)
    notes = dict.fromkeys([*receipt.get("checkpoints", []), *(entry["checkpoint"] for entry in receipt["entries"])])
    good = {checkpoint.text: checkpoint for checkpoint in trusted(notes, key, report.problem)}
    if not receipt["entries"]:
        report.problem("receipt", 0, "it has no entries")
    for entry in receipt["entries"]:
        record = record_of(json.dumps(entry))[1]
        problem = lambda what: report.problem(record.chain, record.sequence, what)
        report.records += 1
        checkpoint = good.get(Checkpoint(entry["checkpoint"]).text)
        proof = [unbase64(each, "the proof") for each in entry["inclusionProof"]]
        if record.labels[2] != receipt["notificationId"]:
            problem("the record is of another notification")
        if record.computed_hash(bytes.fromhex(entry["previousHash"])) != record.hash:
            problem("the hash does not match: the record was changed")
        if not record.payload_holds():
            problem("the payload or its salt was changed: they do not match the payload digest")
        if not record.labels_hold():
            problem("a column for searching does not say what the record says")
        if checkpoint is not None and (checkpoint.chain != record.chain or not included(
                record.hash, record.sequence - 1, checkpoint.size, proof, checkpoint.root)):
            problem("the proof does not lead to the checkpoint's root")
    return len({entry["chain"] for entry in receipt["entries"]})


def main():
    parser = argparse.ArgumentParser(description="Verifies Bongsu's audit trail (docs/audit-format.md).")
    parser.add_argument("file", help="the export, or with --receipt the receipt")
    parser.add_argument("--receipt", action="store_true", help="the file is a receipt")
    parser.add_argument("--key", help="the verifier key you trust; without it no checkpoint is looked at")
    parser.add_argument("--checkpoints", help="a file of checkpoints that was kept elsewhere")
    args, report = parser.parse_args(), Report()
    if not args.key and (args.receipt or args.checkpoints):
        parser.error("a receipt or checkpoints cannot be checked without --key")
    try:
        key = Key(args.key) if args.key else None
        checkpoint_text = open(args.checkpoints, encoding="utf-8").read() if args.checkpoints else ""
        chains = verify_receipt(args.file, key, report) if args.receipt else verify_export(
            args.file, key, checkpoint_text, report)
    except (OSError, Malformed, KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        print(f"cannot be checked: {error.__class__.__name__}: {error}", file=sys.stderr)
        return 2
    for notice in report.notices:
        print(f"notice: {notice}")
    for where in report.uncovered if key else []:
        print(f"notice: {where}: not signed by a checkpoint yet")
    if not key:
        print("notice: without --key, nobody vouches for the end of the chains, nor that they were not made anew")
    print(f"{'All is well' if report.count == 0 else f'{report.count} problems'}: {report.records} records in {chains} chains")
    return 0 if report.count == 0 else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Reads a FluxDB file by docs/FORMAT.md alone, with nothing but the standard library.

    decode.py FILE              what is in it
    decode.py FILE TABLE        the rows of a table, a JSON list a line

It is a check of the document, and an example of how to read the file; not fast, and it checks no more than it needs.
"""

from __future__ import annotations

import datetime
import json
import struct
import sys
import zlib
from decimal import Decimal
from uuid import UUID

EPOCH = datetime.date(1970, 1, 1).toordinal()


def check(condition: bool, what: str) -> None:
    if not condition:
        raise SystemExit(f"decode.py: {what}")


class File:
    """Pages and the records in them."""

    def __init__(self, path: str):
        self.bytes = open(path, "rb").read()
        slots = [s for s in map(self.slot, (0, *(1 << n for n in range(12, 17)))) if s]
        check(bool(slots), "no valid superblock")
        self.superblock = max(slots, key=lambda s: s["sequence"])
        self.page_size = self.superblock["page_size"]

    def slot(self, at: int) -> dict | None:
        """A superblock, section "Superblock"."""
        block = self.bytes[at : at + 512]
        if len(block) < 512 or block[:8] != b"\x89FLUX\r\n\x1a":
            return None
        if zlib.crc32(block[:508]) != struct.unpack_from("<I", block, 508)[0]:
            return None
        names = ("version", "page_size", "compatible", "incompatible")
        found = dict(zip(names, struct.unpack_from("<IIQQ", block, 8)))
        names = ("sequence", "pages", "catalog_root", "space_root", "space_pages", "log_root")
        found |= dict(zip(names, struct.unpack_from("<6Q", block, 48)))
        found |= {"log_pages": struct.unpack_from("<Q", block, 104)[0], "database": block[32:48].hex()}
        check(found["version"] == 1 and found["incompatible"] & ~3 == 0, "a version that is not known")
        return found

    def log(self):
        """The payloads of the frames that count, section "The log"."""
        at = self.superblock["log_root"] * self.page_size
        end = at + self.superblock["log_pages"] * self.page_size
        expected, previous = 1, 0
        while at + 64 <= end and self.bytes[at : at + 4] == b"FXWL":
            crc, database, epoch, number, _, before, length = struct.unpack_from("<I16sQQQII", self.bytes, at + 4)
            extra = self.bytes[at + 57] if self.bytes[at + 56] == 2 else 0
            frame = bytearray(self.bytes[at : at + ((64 + length + 63) // 64 + extra) * 64])
            if self.bytes[at + 56] == 2:
                frame[58:60] = b"\0\0"
            known = (self.superblock["database"], self.superblock["sequence"], expected, previous)
            if (database.hex(), epoch, number, before) != known or zlib.crc32(frame[8:]) != crc:
                break
            yield frame[64 : 64 + length]
            at, expected, previous = at + len(frame), expected + 1, crc

    def page(self, number: int, kind: int) -> bytes:
        page = self.bytes[number * self.page_size : (number + 1) * self.page_size]
        check(zlib.crc32(page[4:]) == struct.unpack_from("<I", page)[0], f"checksum of page {number}")
        check(page[4] == kind and struct.unpack_from("<Q", page, 8)[0] == number, f"page {number} is another")
        return page

    def record(self, address: int) -> bytes:
        """A record, section "Heap pages"."""
        page = self.page(address >> 16, 1)
        offset, kind, length = struct.unpack_from("<HHI", page, 40 + 8 * (address & 0xFFFF))
        if kind == 1:
            return page[offset : offset + length]
        following, pages, crc = struct.unpack_from("<QII", page, offset)
        out = b""
        for index in range(pages):
            part = self.page(following, 2)
            place, used = struct.unpack_from("<II", part, 32)
            check(place == index, "overflow pages out of order")
            out += part[40 : 40 + used]
            following = struct.unpack_from("<Q", part, 24)[0]
        check(len(out) == length and zlib.crc32(out) == crc, "a chained record is damaged")
        return out


class Fields:
    """The fields of a record, one after another: section "Catalog records"."""

    def __init__(self, record: bytes, at: int = 4):
        self.record, self.at = record, at
        self.kind, self.version = record[0], record[1]

    def take(self, form: str):
        value = struct.unpack_from("<" + form, self.record, self.at)
        self.at += struct.calcsize("<" + form)
        return value[0] if len(value) == 1 else value

    def text(self) -> str:
        length = self.take("I")
        self.at += length
        return self.record[self.at - length : self.at].decode()

    def optional_text(self) -> str | None:
        return self.text() if self.take("B") else None

    def bytes(self, length: int) -> bytes:
        self.at += length
        return self.record[self.at - length : self.at]

    def list(self, item):
        return [item() for _ in range(self.take("I"))]

    def type(self) -> tuple:
        tag = self.take("B")
        if tag == 15:
            return ("DECIMAL", *self.take("BB"))
        if tag == 22:
            return ("TIMESTAMP", self.take("B"))
        if tag == 25:
            return ("ENUM", self.list(self.text))
        if tag == 32:
            return ("LIST", self.type())
        if tag == 33:
            length = self.take("I")
            return ("ARRAY", length, self.type())
        if tag == 34:
            return ("STRUCT", self.list(lambda: (self.text(), self.type())))
        if tag == 35:
            return ("MAP", self.type(), self.type())
        names = "- NULL BOOLEAN TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT FLOAT "
        names += "DOUBLE - VARCHAR BLOB UUID JSON DATE TIME - TIMESTAMPTZ INTERVAL - TIMETZ BIT"
        return (names.split()[tag],)


def read_table(fields: Fields) -> dict:
    """Section "Table", as far as rows need it."""
    table = {"id": fields.take("Q"), "schema": fields.take("Q"), "name": fields.text()}
    fields.optional_text()
    fields.take("I")

    def column() -> dict:
        found = {"id": fields.take("I"), "name": fields.text(), "type": fields.type()}
        fields.take("BB")
        fields.optional_text()
        fields.optional_text()
        if fields.version > 1:
            found["generated"] = fields.optional_text()
        return found

    table["columns"] = fields.list(column)
    return table


class Catalog:
    """What exists: section "Catalog records"."""

    def __init__(self, file: File):
        self.file, self.tables, self.schemas = file, [], {}
        if file.superblock["catalog_root"] == 0:
            return
        root = Fields(file.record(file.superblock["catalog_root"]))
        root.take("Q")
        for _ in range(root.take("I")):
            kind, object_id, record, directory = root.take("BQQQ")
            fields = Fields(file.record(record))
            if kind == 2:
                fields.take("Q")
                self.schemas[object_id] = fields.text()
            elif kind == 3:
                self.tables.append(read_table(fields) | {"directory": directory})

    def row_groups(self, table: dict):
        """The row groups of a table, with the rows of each that are deleted."""
        if table["directory"] == 0:
            return
        directory = Fields(self.file.record(table["directory"]))
        directory.take("QQ" if directory.version == 1 else "QQQ")
        directory.take("Q")
        for _ in range(directory.take("I")):
            segment = Fields(self.file.record(directory.take("QQI")[0]))
            for _ in range(segment.take("I")):
                entry = segment.take("QIIQIQIqq")
                yield self.file.record(entry[0]), self.deleted(entry[1], entry[2], entry[3])

    def deleted(self, rows: int, count: int, page: int) -> set[int]:
        """Section "Delete vectors"."""
        if count == 0:
            return set()
        at = page * self.file.page_size
        end = at + 32 + (rows + 7) // 8
        vector = self.file.bytes[at:end]
        check(vector[:4] == b"FXDV" and zlib.crc32(vector[8:]) == struct.unpack_from("<I", vector, 4)[0], "deletes")
        return {i for i in range(rows) if vector[32 + i // 8] >> (i % 8) & 1}

    def rows(self, table: dict):
        """All rows of a table: those of its row groups, then what the log says about them."""
        rows = [list(row) if row else None for row in self.sealed_rows(table)]
        for payload in self.file.log():
            fields = Fields(payload, 0)
            check(fields.take("B") == 1, "version of a record of the log")
            for _ in range(fields.take("I")):
                number, before = fields.take("QQ")
                deleted = fields.list(lambda: fields.take("Q"))
                groups = fields.list(lambda: read_rows(fields, table if number == table["id"] else self.table(number)))
                if number == table["id"]:
                    check(before == len(rows), "rows before a commit")
                    for row in deleted:
                        check(rows[row] is not None, "a row is deleted twice")
                        rows[row] = None
                    rows += [row for group in groups for row in group]
        return (row for row in rows if row is not None)

    def table(self, number: int) -> dict:
        return next(table for table in self.tables if table["id"] == number)

    def sealed_rows(self, table: dict):
        """The rows of all row groups; None for those that are deleted."""
        for record, deleted in self.row_groups(table):
            count, rows = struct.unpack_from("<II", record, 4)
            ids = struct.unpack_from(f"<{count}I", record, 64)
            columns = []
            for column in table["columns"]:
                if column["id"] not in ids:
                    columns.append([None] * rows)
                    continue
                place = 64 + 4 * count + 128 * ids.index(column["id"])
                page, offset, length = struct.unpack_from("<QQQ", record, place)
                start = page * self.file.page_size + offset
                columns.append(read_chunk(self.file.bytes[start : start + length], column["type"]))
            for row, values in enumerate(zip(*columns)):
                yield None if row in deleted else values


# Section "The log".


def read_rows(fields: Fields, table: dict) -> list:
    """The rows of a row group."""
    rows, columns = fields.take("I"), []
    for column in table["columns"][: fields.take("I")]:
        number, length = fields.take("II")
        check(number == column["id"], "columns of a record of the log")
        values = Fields(fields.bytes(length), 0)
        columns.append(read_plain(values, column["type"], rows))
        check(values.at == length, "values left over")
    return [list(row) for row in zip(*columns)]


def read_plain(fields: Fields, kind: tuple, n: int) -> list:
    def bits() -> list[bool]:
        part = fields.bytes((n + 7) // 8)
        return [bool(part[i // 8] >> (i % 8) & 1) for i in range(n)]

    name = kind[0]
    valid = bits() if fields.take("B") else [True] * n
    if name == "BOOLEAN":
        values: list = bits()
    elif name in ("VARCHAR", "JSON", "BLOB", "BIT", "LIST", "MAP"):
        lengths = [fields.take("I") for _ in range(n)]
        if name in ("LIST", "MAP"):
            items, at, values = read_items(fields, kind, sum(lengths)), 0, []
            for length in lengths:
                values.append(items[at : at + length])
                at += length
        else:
            values = [fields.bytes(length) for length in lengths]
    elif name == "ARRAY":
        items = read_plain(fields, kind[2], n * kind[1])
        values = [items[i * kind[1] : (i + 1) * kind[1]] for i in range(n)]
    elif name == "STRUCT":
        parts = [read_plain(fields, part, n) for _, part in kind[1]]
        values = [[part[i] for part in parts] for i in range(n)]
    elif name == "INTERVAL":
        values = [fields.take("iiq") for _ in range(n)]
    else:
        width, is_signed = width_of(kind)
        values = [int.from_bytes(fields.bytes(width), "little", signed=is_signed) for _ in range(n)]
    return [meaning(v, kind) if ok else None for v, ok in zip(values, valid)]


def read_items(fields: Fields, kind: tuple, n: int) -> list:
    if kind[0] == "LIST":
        return read_plain(fields, kind[1], n)
    # The entries of a map are structs without NULLs.
    check(fields.take("B") == 0, "an entry of a map is NULL")
    keys, values = read_plain(fields, kind[1], n), read_plain(fields, kind[2], n)
    return list(zip(keys, values))


# Section "Column chunks".

WIDTHS = {
    "TINYINT": (1, True), "SMALLINT": (2, True), "INTEGER": (4, True), "BIGINT": (8, True), "HUGEINT": (16, True),
    "UTINYINT": (1, False), "USMALLINT": (2, False), "UINTEGER": (4, False), "UBIGINT": (8, False),
    "DATE": (4, True), "TIME": (8, True), "TIMETZ": (8, True), "TIMESTAMP": (8, True), "TIMESTAMPTZ": (8, True),
    "ENUM": (4, False), "FLOAT": (4, False), "DOUBLE": (8, False), "UUID": (16, False), "UHUGEINT": (16, False),
}


def width_of(kind: tuple) -> tuple[int, bool]:
    if kind[0] == "DECIMAL":
        return (8 if kind[1] <= 18 else 16, True)
    return WIDTHS[kind[0]]


def read_chunk(chunk: bytes, kind: tuple) -> list:
    check(chunk[:4] == b"FXCK", "no chunk begins here")
    scheme = chunk[7]
    rows, _, blocks = struct.unpack_from("<III", chunk, 16)
    block_rows, entry_length, bound, total, children = struct.unpack_from("<HBBBB", chunk, 28)
    flags, shared_at, shared_length, shared_crc, crc = struct.unpack_from("<IQQII", chunk, 36)
    check(entry_length == 24 + 2 * bound + total, "length of a directory entry")
    entries = min(blocks, 1) if flags & 1 else blocks
    children_at = 64 + entries * entry_length
    check(zlib.crc32(chunk[64 : children_at + 16 * children], zlib.crc32(chunk[:60])) == crc, "checksum of a header")
    shared = chunk[shared_at : shared_at + shared_length]
    check(zlib.crc32(shared) == shared_crc, "checksum of a shared section")
    symbols, dictionary = read_shared(shared, scheme, kind)
    parts = []
    for i in range(children):
        at, length = struct.unpack_from("<QQ", chunk, children_at + 16 * i)
        parts.append(read_chunk(chunk[at : at + length], child_type(kind, i)))
    out: list = []
    for i in range(blocks):
        at = 64 + (0 if flags & 1 else i) * entry_length
        offset, length, block_crc, _, nulls, _, form, _ = struct.unpack_from("<QIIHHBBB", chunk, at)
        count = min(block_rows, rows - i * block_rows)
        if flags & 1 and nulls:
            nulls = count
        block = chunk[offset : offset + length]
        check(zlib.crc32(block) == block_crc, "checksum of a block")
        out += read_block(block, kind, count, nulls, form, symbols, dictionary, parts, len(out))
    check(len(out) == rows, "rows of a chunk")
    return out


def child_type(kind: tuple, index: int) -> tuple:
    if kind[0] == "STRUCT":
        return kind[1][index][1]
    return kind[1 + index] if kind[0] == "MAP" else kind[-1]


def read_block(block, kind, count, nulls, form, symbols, dictionary, parts, first) -> list:
    """Section "Blocks"."""
    if form == 1:
        return [None] * count
    tail = {0: 0, 2: (count + 7) // 8, 3: 2 * nulls, 4: 2 * (count - nulls)}[form]
    stream, mask = (block[:-tail], block[-tail:]) if tail else (block, b"")
    valid = [True] * count
    if form == 2:
        valid = [bool(mask[i // 8] >> (i % 8) & 1) for i in range(count)]
    elif form in (3, 4):
        positions = set(struct.unpack(f"<{len(mask) // 2}H", mask))
        valid = [(i in positions) == (form == 4) for i in range(count)]
    if dictionary is not None:
        values = [dictionary[i] if ok else None for i, ok in zip(numbers(stream, count, 4), valid)]
    else:
        values = read_values(stream, kind, count, symbols, parts, first)
    return [meaning(v, kind) if ok else None for v, ok in zip(values, valid)]


def read_shared(section: bytes, scheme: int, kind: tuple) -> tuple:
    """Section "Shared section"."""
    if scheme == 1:
        return None, None
    count, length = struct.unpack_from("<II", section)
    symbols = None
    if length:
        table = section[8 : 8 + length]
        at, symbols = 1 + table[0], []
        for size in table[1 : 1 + table[0]]:
            symbols.append(table[at : at + size])
            at += size
    if scheme == 3:
        return symbols, None
    values = read_values(section[8 + length :], kind, count, symbols, [], 0)
    return symbols, values


def read_values(stream: bytes, kind: tuple, n: int, symbols, parts: list, first: int) -> list:
    """Section "Streams"."""
    codec, a, b, c = struct.unpack_from("<BBHI", stream)
    body = stream[8:]
    if codec == 12:
        if kind[0] == "STRUCT":
            return [[part[first + i] for part in parts] for i in range(n)]
        if kind[0] == "ARRAY":
            k = kind[1]
            return [parts[0][(first + i) * k : (first + i + 1) * k] for i in range(n)]
        at, out = struct.unpack_from("<Q", body)[0], []
        for length in numbers(body[8:], n, 4):
            columns = [part[at : at + length] for part in parts]
            out.append(columns[0] if kind[0] == "LIST" else list(zip(*columns)))
            at += length
        return out
    if kind[0] == "BOOLEAN":
        if codec == 1:
            return [bool(body[i // 8] >> (i % 8) & 1) for i in range(n)]
        return [bool(a)] * n if codec == 2 else [bool(v) for v in numbers(stream, n, 1)]
    if kind[0] in ("VARCHAR", "JSON", "BLOB", "BIT"):
        if codec == 2:
            return [body] * n
        if codec == 13:
            size = struct.unpack_from("<I", body, 4)[0]
            shared = numbers(body[8 : 8 + c], n, 4)
            lengths = numbers(body[8 + c : 8 + c + size], n, 4)
            at, out = 8 + c + size, []
            for prefix, length in zip(shared, lengths):
                rest = body[at : at + length]
                out.append((out[-1][:prefix] if prefix else b"") + (expand(rest, symbols) if a else rest))
                at += length
            return out
        skip = 4 if codec == 9 else 0
        lengths = numbers(body[skip : skip + c], n, 4)
        at, out = skip + c, []
        for length in lengths:
            piece = body[at : at + length]
            out.append(piece if codec == 1 else expand(piece, symbols))
            at += length
        return out
    if kind[0] == "INTERVAL":
        days = struct.unpack_from("<I", body)[0]
        cuts = (body[4 : 4 + c], body[4 + c : 4 + c + days], body[4 + c + days :])
        columns = [signed(numbers(part, n, w), w) for part, w in zip(cuts, (4, 4, 8))]
        return list(zip(*columns))
    width, is_signed = width_of(kind)
    if codec == 8:
        length = struct.unpack_from("<I", body)[0]
        whole = signed(numbers(body[4 : 4 + length], n, 8), 8)
        out = [m * float(10**b) * float(f"1e-{a}") for m in whole]
        form = "<f" if width == 4 else "<d"
        bits = [int.from_bytes(struct.pack(form, v), "little") for v in out]
        at = 4 + length
        for i in range(c):
            position = struct.unpack_from("<H", body, at + 2 * i)[0]
            exception = body[at + 2 * c + width * i : at + 2 * c + width * (i + 1)]
            bits[position] = int.from_bytes(exception, "little")
        return bits
    values = numbers(stream, n, width)
    return signed(values, width) if is_signed else values


def expand(coded: bytes, symbols: list[bytes]) -> bytes:
    out, codes = b"", iter(coded)
    for code in codes:
        out += bytes([next(codes)]) if code == 255 else symbols[code]
    return out


def signed(values: list[int], width: int) -> list[int]:
    top = 1 << (8 * width - 1)
    return [(v ^ top) - top for v in values]


def numbers(stream: bytes, n: int, width: int) -> list[int]:
    """Whole numbers, not signed."""
    codec, a, b, c = struct.unpack_from("<BBHI", stream)
    body, modulus = stream[8:], 1 << (8 * width)

    def number(i: int, at: int = 0) -> int:
        return int.from_bytes(body[at + i * width : at + (i + 1) * width], "little")

    if codec == 1:
        return [number(i) for i in range(n)]
    if codec == 2:
        return [number(0)] * n
    if codec == 3:
        return [(number(0) + i * number(1)) % modulus for i in range(n)]
    if codec == 4:
        return [(number(0) + d) % modulus for d in unpack(body[width:], n, a)]
    if codec == 5:
        out = [number(0)] if n else []
        for d in unpack(body[2 * width :], max(n - 1, 0), a):
            out.append((out[-1] + number(1) + d) % modulus)
        return out
    if codec == 6:
        length = struct.unpack_from("<I", body)[0]
        values = numbers(body[4 : 4 + length], c, width)
        return [v for v, times in zip(values, numbers(body[4 + length :], c, 4)) for _ in range(times)]
    if codec == 14:
        return [(number(0) + number(1) * k) % modulus for k in numbers(body[2 * width :], n, width)]
    if codec == 15:
        out = [number(0)]
        for d in numbers(body[width:], n - 1, width):
            out.append((out[-1] + d) % modulus)
        return out
    if codec == 16:
        out = numbers(body[:c], b, width)
        for d in numbers(body[c:], n - b, width):
            out.append((out[-b] + d) % modulus)
        return out
    check(codec == 7, f"codec {codec} of whole numbers")
    out = [(number(0) + d) % modulus for d in unpack(body[width:], n, a)]
    at = width + packed_length(n, a)
    for i in range(b):
        out[struct.unpack_from("<H", body, at + 2 * i)[0]] = number(i, at + 2 * b)
    return out


def packed_length(n: int, bits: int) -> int:
    return n // 1024 * 128 * bits + (n % 1024 * bits + 7) // 8


def unpack(packed: bytes, n: int, bits: int) -> list[int]:
    """Section "Packed numbers"."""
    if bits == 0:
        return [0] * n
    lane = next(size for size in (8, 16, 32, 64) if bits <= size)
    columns, out, mask = 1024 // lane, [], (1 << bits) - 1
    for group in range(n // 1024):
        base = group * 128 * bits
        # Each column is one long number: its lanes of all packed rows, the first lowest.
        whole = []
        for column in range(columns):
            at = [base + row * 128 + column * lane // 8 for row in range(bits)]
            whole.append(int.from_bytes(b"".join(packed[i : i + lane // 8] for i in at), "little"))
        out += [whole[i % columns] >> (i // columns * bits) & mask for i in range(1024)]
    tail = int.from_bytes(packed[n // 1024 * 128 * bits :], "little")
    return out + [tail >> (i * bits) & mask for i in range(n % 1024)]


def meaning(value, kind: tuple):
    """A value at rest as Python has it."""
    name = kind[0]
    if name in ("VARCHAR", "JSON"):
        return value.decode()
    if name in ("BLOB", "BIT"):
        return value.hex()
    if name == "UUID":
        return str(UUID(bytes=value.to_bytes(16, "little")))
    if name == "UHUGEINT":
        return int.from_bytes(value.to_bytes(16, "little"), "big")
    if name == "DECIMAL":
        return str(Decimal(value).scaleb(-kind[2])) if kind[2] else str(value)
    if name == "FLOAT":
        return struct.unpack("<f", value.to_bytes(4, "little"))[0]
    if name == "DOUBLE":
        return struct.unpack("<d", value.to_bytes(8, "little"))[0]
    if name == "DATE":
        return datetime.date.fromordinal(EPOCH + value).isoformat()
    if name == "ENUM":
        return kind[1][value]
    if name in ("TIMESTAMP", "TIMESTAMPTZ"):
        unit = (10**0, 10**3, 10**6, 10**9)[kind[1]] if name == "TIMESTAMP" else 10**6
        at = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=value * 10**6 // unit)
        return at.isoformat(sep=" ")
    if name == "STRUCT":
        return {field: part for (field, _), part in zip(kind[1], value)}
    if name == "MAP":
        return [list(pair) for pair in value]
    return value


def main() -> None:
    check(len(sys.argv) in (2, 3), "usage: decode.py FILE [TABLE]")
    try:
        file = File(sys.argv[1])
    except OSError as error:
        raise SystemExit(f"decode.py: {error}")
    catalog = Catalog(file)
    if len(sys.argv) == 2:
        print(json.dumps({"superblock": file.superblock, "schemas": catalog.schemas, "tables": catalog.tables}, indent=2))
        return
    found = [t for t in catalog.tables if t["name"] == sys.argv[2]]
    check(bool(found), f"no table {sys.argv[2]}")
    for row in catalog.rows(found[0]):
        print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()

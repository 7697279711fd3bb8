#!/usr/bin/env python3
"""Runs random SQL on FluxDB and on DuckDB and compares what they answer.

    differential.py FLUXDB [--seed N] [--cases N] [--queries N] [--minutes N]

A case is a few random tables with random rows, and queries over them. A difference is printed with its seed, the
statements that lead to it and both answers; the exit status is then 1. Where one of the two refuses a query, that is
counted, and told at the end: FluxDB may refuse what DuckDB does, but not the other way round without being listed.
Needs the Python package duckdb; without it the exit status is 77.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import queue
import random
import subprocess
import sys
import threading
import time

try:
    import duckdb
except ImportError:
    print("differential: skipped, the Python package duckdb is not installed")
    sys.exit(77)

TIMEOUT_S = 60
# Cases between two lines that say how far it is.
PROGRESS_CASES = 50


class Shell:
    """FluxDB's shell, a statement at a time."""

    def __init__(self, binary: str) -> None:
        self.binary = binary
        self.statements: list[str] = []
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self.binary, ":memory:", "--batch", "--format", "csv", "--timer"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.out: queue.Queue[str | None] = queue.Queue()
        self.err: queue.Queue[str | None] = queue.Queue()
        for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err)):
            threading.Thread(target=self.pump, args=(stream, lines), daemon=True).start()
        self.count = 0

    @staticmethod
    def pump(stream, lines) -> None:
        for line in stream:
            lines.put(line.decode("utf-8", "replace"))
        lines.put(None)

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait(TIMEOUT_S)

    def run(self, sql: str) -> tuple[str, object]:
        """`("rows", rows)` or `("error", message)`; a shell that dies raises."""
        self.count += 1
        mark = f"end of statement {self.count}"
        self.process.stdin.write(f"{sql};\nSELECT '{mark}' AS mark;\n".encode())
        self.process.stdin.flush()
        lines: list[str] = []
        while not lines or lines[-1].rstrip("\n") != mark:
            line = self.out.get(timeout=TIMEOUT_S)
            if line is None:
                raise RuntimeError("the shell died")
            lines.append(line)
        errors, timers = [], 0
        while timers < 2:
            line = self.err.get(timeout=TIMEOUT_S)
            if line is None:
                raise RuntimeError("the shell died")
            if line.startswith("Run Time"):
                timers += 1
            else:
                errors.append(line)
        if errors and errors[0].startswith("Error: "):
            return "error", errors[0].strip()
        rows = list(csv.reader(io.StringIO("".join(lines[:-2]))))
        return "rows", [tuple(row or [""]) for row in rows[1:]]


def reference(connection, sql: str) -> tuple[str, object]:
    """DuckDB's answer, every value as text; an error if it takes too long."""
    timer = threading.Timer(TIMEOUT_S, connection.interrupt)
    timer.start()
    try:
        described = connection.execute(f"DESCRIBE {sql}").fetchall()
        names = ", ".join(f"c{i}" for i in range(len(described)))
        rows = connection.execute(f"SELECT COLUMNS(*)::VARCHAR FROM ({sql}) r({names})").fetchall()
        return "rows", [tuple("" if v is None else v for v in row) for row in rows]
    except duckdb.Error as error:
        return "error", str(error).split("\n")[0]
    finally:
        timer.cancel()


def canonical(value: str) -> str:
    """Floats that differ in the last digits are the same; the sign of a NaN means nothing."""
    if value == "-nan":
        return "nan"
    try:
        number = float(value)
    except ValueError:
        return value
    if math.isnan(number) or math.isinf(number) or "." not in value and "e" not in value:
        return value
    return f"{number:.9g}" if number != 0 else "0"


def same(a: list, b: list, ordered: bool) -> bool:
    a = [tuple(map(canonical, row)) for row in a]
    b = [tuple(map(canonical, row)) for row in b]
    return a == b if ordered else sorted(a) == sorted(b)


TYPES = ["INTEGER", "BIGINT", "DOUBLE", "DECIMAL(9,2)", "VARCHAR", "DATE", "TIMESTAMP", "BOOLEAN", "TINYINT"]
NUMERIC = {"INTEGER", "BIGINT", "DOUBLE", "DECIMAL(9,2)", "TINYINT"}
WORDS = ["", "a", "b", "ab", "abc", "Berlin", "bär", "x y", "100%", "_", "zz", "NULL", "0", "ÄÖ"]


class Generator:
    """Random tables, rows and queries; all is decided by the seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tables: dict[str, list[tuple[str, str]]] = {}

    def one_of(self, items):
        return self.random.choice(list(items))

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def literal(self, ty: str, null: float = 0.1) -> str:
        if self.chance(null):
            return f"NULL::{ty}"
        r = self.random
        if ty == "TINYINT":
            return f"({r.randint(-128, 127)})::TINYINT"
        if ty == "INTEGER":
            return f"({self.one_of([r.randint(-5, 5), r.randint(-1000, 1000), r.randint(-2**30, 2**30)])})"
        if ty == "BIGINT":
            return f"({self.one_of([r.randint(-5, 5), r.randint(-2**40, 2**40)])})::BIGINT"
        if ty == "DOUBLE":
            return f"({self.one_of([0, 0.5, -1.5, 2.25, 1e10, -1e-5, r.randint(-9, 9)])})::DOUBLE"
        if ty == "DECIMAL(9,2)":
            return f"({r.randint(-99999, 99999) / 100})::DECIMAL(9,2)"
        if ty == "VARCHAR":
            return "'" + self.one_of(WORDS) + "'"
        if ty == "DATE":
            return f"DATE '{r.randint(1969, 2025):04}-{r.randint(1, 12):02}-{r.randint(1, 28):02}'"
        if ty == "TIMESTAMP":
            day = f"{r.randint(1969, 2025):04}-{r.randint(1, 12):02}-{r.randint(1, 28):02}"
            return f"TIMESTAMP '{day} {r.randint(0, 23):02}:{r.randint(0, 59):02}:{r.randint(0, 59):02}'"
        return self.one_of(["true", "false"])

    def make_tables(self) -> list[str]:
        statements = []
        for t in range(self.random.randint(2, 3)):
            columns = [(f"k{i}", "INTEGER") for i in range(self.random.randint(1, 2))]
            columns += [(f"c{i}", self.one_of(TYPES)) for i in range(self.random.randint(2, 5))]
            self.tables[f"t{t}"] = columns
            statements.append(f"CREATE TABLE t{t}({', '.join(f'{n} {ty}' for n, ty in columns)})")
            rows = self.one_of([0, 1, 5, 40, 400])
            while rows > 0:
                some = min(rows, 200)
                values = []
                for _ in range(some):
                    row = []
                    for name, ty in columns:
                        small = name.startswith("k") and not self.chance(0.1)
                        row.append(str(self.random.randint(0, 12)) if small else self.literal(ty))
                    values.append(f"({', '.join(row)})")
                statements.append(f"INSERT INTO t{t} VALUES {', '.join(values)}")
                rows -= some
        return statements

    def column(self, scope, types) -> str | None:
        found = [name for name, ty in scope if ty in types]
        return self.one_of(found) if found else None

    def expr(self, scope, ty: str, depth: int = 2) -> str:
        """An expression of that type, or one that casts to it."""
        if depth <= 0 or self.chance(0.3):
            column = self.column(scope, {ty})
            return column if column and self.chance(0.8) else self.literal(ty)
        sub = lambda t: self.expr(scope, t, depth - 1)
        if self.chance(0.15):
            return f"CASE WHEN {self.condition(scope, depth - 1)} THEN {sub(ty)} ELSE {sub(ty)} END"
        if self.chance(0.1):
            return f"coalesce({sub(ty)}, {sub(ty)})"
        if self.chance(0.05):
            # Of nullif(x, x) DuckDB 2.0 believes in a condition that it is x.
            value, other = sub(ty), sub(ty)
            return value if value == other else f"nullif({value}, {other})"
        if ty == "INTEGER":
            return self.one_of([
                lambda: f"(({sub('TINYINT')})::INTEGER {self.one_of('+-*')} ({sub('TINYINT')})::INTEGER)",
                lambda: f"length({sub('VARCHAR')})::INTEGER",
                lambda: f"year({sub('DATE')})::INTEGER",
                lambda: f"(({sub('INTEGER')}) % 7)",
                lambda: f"(({sub('INTEGER')}) // 3)",
                lambda: f"sign({sub('INTEGER')})::INTEGER",
                lambda: f"abs({sub('TINYINT')}::INTEGER)",
            ])()  # fmt: skip
        if ty == "BIGINT":
            return self.one_of([
                lambda: f"({sub('INTEGER')}::BIGINT {self.one_of('+-*')} {sub('TINYINT')}::BIGINT)",
                lambda: f"date_diff('day', {sub('DATE')}, {sub('DATE')})",
                lambda: f"month({sub('TIMESTAMP')})",
                lambda: f"strpos({sub('VARCHAR')}, {sub('VARCHAR')})",
            ])()  # fmt: skip
        if ty == "DOUBLE":
            return self.one_of([
                lambda: f"({sub('INTEGER')} / {sub('TINYINT')})",
                lambda: f"({sub('DOUBLE')} {self.one_of('+-')} {sub('DOUBLE')})",
                lambda: f"round({sub('DOUBLE')}, 2)",
                lambda: f"floor({sub('DOUBLE')})",
                lambda: f"sqrt(abs({sub('TINYINT')}::INTEGER))",
            ])()  # fmt: skip
        if ty == "DECIMAL(9,2)":
            return f"({sub('TINYINT')}::DECIMAL(5,2) {self.one_of('+-')} 1.25)::DECIMAL(9,2)"
        if ty == "VARCHAR":
            return self.one_of([
                lambda: f"({sub('VARCHAR')} || {sub('VARCHAR')})",
                lambda: f"upper({sub('VARCHAR')})",
                lambda: f"substring({sub('VARCHAR')}, {self.random.randint(-2, 3)}, 2)",
                lambda: f"{self.one_of(['trim', 'reverse', 'lower'])}({sub('VARCHAR')})",
                lambda: f"({sub('INTEGER')})::VARCHAR",
                lambda: f"replace({sub('VARCHAR')}, 'a', {sub('VARCHAR')})",
                lambda: f"({sub('DATE')})::VARCHAR",
            ])()  # fmt: skip
        if ty == "DATE":
            return self.one_of([
                lambda: f"({sub('DATE')} + ({sub('TINYINT')})::INTEGER)",
                lambda: f"({sub('TIMESTAMP')})::DATE",
                lambda: f"last_day({sub('DATE')})",
            ])()  # fmt: skip
        if ty == "TIMESTAMP":
            return self.one_of([
                lambda: f"date_trunc('{self.one_of(['month', 'hour', 'week'])}', {sub('TIMESTAMP')})",
                lambda: f"({sub('TIMESTAMP')} + INTERVAL '{self.random.randint(-40, 40)} hours')",
            ])()  # fmt: skip
        if ty == "TINYINT":
            return f"(({sub('INTEGER')}) % 100)::TINYINT"
        return f"({self.condition(scope, depth - 1)})"

    def condition(self, scope, depth: int = 2) -> str:
        if depth <= 0:
            name, ty = self.one_of(scope)
            return f"{name} {self.one_of(['=', '<>', '<', '>', '<=', '>='])} {self.literal(ty)}"
        kind = self.random.randint(0, 9)
        ty = self.one_of(TYPES)
        a, b = self.expr(scope, ty, depth - 1), self.expr(scope, ty, depth - 1)
        if kind <= 2:
            return f"{a} {self.one_of(['=', '<>', '<', '>', '<=', '>='])} {b}"
        if kind == 3:
            return f"({self.condition(scope, depth - 1)} {self.one_of(['AND', 'OR'])} {self.condition(scope, depth - 1)})"
        if kind == 4:
            return f"NOT ({self.condition(scope, depth - 1)})"
        if kind == 5:
            return f"{a} IS {self.one_of(['NULL', 'NOT NULL'])}"
        if kind == 6:
            return f"{a} {self.one_of(['IN', 'NOT IN'])} ({', '.join(self.literal(ty) for _ in range(3))})"
        if kind == 7:
            return f"{a} IS {self.one_of(['', 'NOT '])}DISTINCT FROM {b}"
        if kind == 8:
            text = self.expr(scope, "VARCHAR", depth - 1)
            return f"{text} {self.one_of(['LIKE', 'NOT LIKE', 'ILIKE'])} '{self.one_of(['%a%', 'a%', '%b', '_', '%', 'B_r%'])}'"
        return f"{a} BETWEEN {b} AND {self.expr(scope, ty, depth - 1)}"

    def scope_of(self, table: str, alias: str):
        return [(f"{alias}.{name}", ty) for name, ty in self.tables[table]]

    def source(self, outer=()):
        """FROM, and what it yields."""
        first = self.one_of(self.tables)
        text, scope = f"{first} a", self.scope_of(first, "a")
        for alias in "bc":
            if not self.chance(0.4):
                break
            table = self.one_of(self.tables)
            right = self.scope_of(table, alias)
            keys_left = [n for n, _ in scope if ".k" in n]
            keys_right = [n for n, _ in right if ".k" in n]
            on = f"{self.one_of(keys_left)} = {self.one_of(keys_right)}"
            if self.chance(0.25):
                on += f" AND {self.condition(scope + right, 1)}"
            join = self.one_of(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"])
            text += f" {join} {table} {alias} ON {on}"
            if join not in ("SEMI JOIN", "ANTI JOIN"):
                scope = scope + right
        return text, scope

    def aggregate(self, scope) -> str:
        number = self.expr(scope, self.one_of(["INTEGER", "DECIMAL(9,2)", "TINYINT"]), 1)
        anything = self.expr(scope, self.one_of(TYPES), 1)
        call = self.one_of([
            "count(*)", f"count({anything})", f"count(DISTINCT {anything})", f"min({anything})", f"max({anything})",
            f"sum({number})", f"avg({number})", f"stddev_samp({number})", f"bool_or({self.condition(scope, 1)})",
            f"sum(DISTINCT {number})", f"median({number})",
        ])  # fmt: skip
        return f"{call} FILTER (WHERE {self.condition(scope, 1)})" if self.chance(0.15) else call

    def window(self, scope) -> str:
        # All columns order the rows, so that ties are of equal rows.
        order = ", ".join(name for name, _ in scope)
        partition = f"PARTITION BY {self.one_of(scope)[0]} " if self.chance(0.7) else ""
        number = self.expr(scope, "INTEGER", 1)
        frame = self.one_of(["", "", f"ROWS BETWEEN {self.random.randint(0, 3)} PRECEDING AND CURRENT ROW",
                             "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
                             "ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING"])  # fmt: skip
        call = self.one_of(["row_number()", "rank()", "dense_rank()", f"sum({number})", f"count({number})",
                            f"max({number})", f"first_value({number})", f"lag({number})", f"lead({number}, 2)",
                            "ntile(3)", f"last_value({number})"])  # fmt: skip
        if call.startswith(("row", "rank", "dense", "lag", "lead", "ntile")):
            frame = ""
        return f"{call} OVER ({partition}ORDER BY {order} {frame})"

    def select(self, width: int | None = None, types: list[str] | None = None) -> str:
        text, scope = self.source()
        where = f" WHERE {self.condition(scope)}" if self.chance(0.6) else ""
        if self.chance(0.2):
            where += (" AND " if where else " WHERE ") + self.subquery_condition(scope)
        if types:
            return f"SELECT {', '.join(self.expr(scope, ty) for ty in types)} FROM {text}{where}"
        if self.chance(0.4):
            keys = [self.expr(scope, self.one_of(TYPES), 1) for _ in range(self.random.randint(0, 2))]
            items = [f"{key} AS g{i}" for i, key in enumerate(keys)]
            items += [f"{self.aggregate(scope)} AS x{i}" for i in range(self.random.randint(1, 3))]
            group = f" GROUP BY {', '.join(str(i + 1) for i in range(len(keys)))}" if keys else ""
            having = f" HAVING count(*) {self.one_of(['>', '<='])} {self.random.randint(0, 4)}" if self.chance(0.2) else ""
            return f"SELECT {', '.join(items)} FROM {text}{where}{group}{having}"
        items = [f"{self.expr(scope, self.one_of(TYPES))} AS x{i}" for i in range(width or self.random.randint(1, 4))]
        if self.chance(0.2):
            items.append(f"{self.window(scope)} AS w")
        if self.chance(0.15):
            items.append(f"{self.scalar_subquery(scope)} AS s")
        distinct = "DISTINCT " if self.chance(0.15) else ""
        return f"SELECT {distinct}{', '.join(items)} FROM {text}{where}"

    def subquery_condition(self, outer) -> str:
        table = self.one_of(self.tables)
        inner = self.scope_of(table, "s")
        key, outer_key = self.one_of([n for n, _ in inner if ".k" in n]), self.one_of([n for n, _ in outer if ".k" in n])
        where = f"{key} = {outer_key}" if self.chance(0.7) else self.condition(inner, 1)
        if self.chance(0.5):
            return f"{self.one_of(['', 'NOT '])}EXISTS (SELECT 1 FROM {table} s WHERE {where} AND {self.condition(inner, 1)})"
        return f"{outer_key} {self.one_of(['IN', 'NOT IN'])} (SELECT {key} FROM {table} s WHERE {self.condition(inner, 1)})"

    def scalar_subquery(self, outer) -> str:
        table = self.one_of(self.tables)
        inner = self.scope_of(table, "s")
        key, outer_key = self.one_of([n for n, _ in inner if ".k" in n]), self.one_of([n for n, _ in outer if ".k" in n])
        return f"(SELECT {self.aggregate(inner)} FROM {table} s WHERE {key} = {outer_key})"

    def query(self) -> tuple[str, bool]:
        """A query, and whether its rows have an order."""
        kind = self.random.randint(0, 9)
        if kind == 0:
            types = [self.one_of(TYPES) for _ in range(2)]
            op = self.one_of(["UNION", "UNION ALL", "INTERSECT", "EXCEPT"])
            sql = f"{self.select(types=types)} {op} {self.select(types=types)}"
        elif kind == 1:
            types = [self.one_of(TYPES) for _ in range(3)]
            inner = self.select(types=types)
            scope = [(f"q.y{i}", ty) for i, ty in enumerate(types)]
            sql = f"WITH q(y0, y1, y2) AS ({inner}) SELECT {self.expr(scope, types[0])}, {self.aggregate(scope)} FROM q GROUP BY 1"
        elif kind == 2:
            types = [self.one_of(TYPES) for _ in range(2)]
            inner = self.select(types=types)
            scope = [(f"q.y{i}", ty) for i, ty in enumerate(types)]
            sql = f"SELECT * FROM ({inner}) q(y0, y1) WHERE {self.condition(scope)}"
        else:
            sql = self.select()
        if self.chance(0.3):
            sql = f"SELECT * FROM ({sql}) ORDER BY ALL{self.one_of(['', ' DESC', ' NULLS FIRST'])}"
            if self.chance(0.6):
                sql += f" LIMIT {self.random.randint(0, 20)}"
                sql += f" OFFSET {self.random.randint(0, 5)}" if self.chance(0.3) else ""
            return sql, True
        return sql, False


def summary(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("binary")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--cases", type=int, default=20)
    arguments.add_argument("--queries", type=int, default=50)
    arguments.add_argument("--minutes", type=float, help="end after the case in which they are over")
    args = arguments.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    begin = time.monotonic()
    counts = {"same": 0, "both refuse": 0, "only DuckDB refuses": 0, "only FluxDB refuses": 0, "different": 0}
    refused: dict[str, str] = {}
    for case in range(args.cases):
        if args.minutes is not None and time.monotonic() - begin > args.minutes * 60:
            break
        if case and case % PROGRESS_CASES == 0:
            print(f"{case} cases: {summary(counts)}")
        seed = args.seed + case
        generator = Generator(seed)
        shell, connection = Shell(args.binary), duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        setup = generator.make_tables()
        for statement in setup:
            connection.execute(statement)
            kind, answer = shell.run(statement)
            if kind == "error":
                print(f"seed {seed}: {statement[:200]}\n  FluxDB: {answer}")
                return 1
        for _ in range(args.queries):
            sql, ordered = generator.query()
            kind, expected = reference(connection, sql)
            try:
                own_kind, answer = shell.run(sql)
            except (RuntimeError, queue.Empty) as error:
                print(f"=== seed {seed}: {error}\n{sql}")
                counts["different"] += 1
                shell.process.kill()
                shell = Shell(args.binary)
                for statement in setup:
                    shell.run(statement)
                continue
            if kind == "error" and own_kind == "error":
                counts["both refuse"] += 1
            elif kind == "error":
                counts["only DuckDB refuses"] += 1
            elif own_kind == "error":
                counts["only FluxDB refuses"] += 1
                refused.setdefault(str(answer)[:60], f"{sql}\n  {answer}")
            elif same(expected, answer, ordered):
                counts["same"] += 1
            else:
                counts["different"] += 1
                missing = [row for row in expected if row not in answer][:5]
                extra = [row for row in answer if row not in expected][:5]
                print(f"=== seed {seed}\n{sql}\n  rows: DuckDB {len(expected)}, FluxDB {len(answer)}")
                print(f"  only DuckDB: {missing}\n  only FluxDB: {extra}")
        shell.stop()
    for text in refused.values():
        print(f"=== only FluxDB refuses\n{text}")
    print(f"differential: {summary(counts)}")
    return 1 if counts["different"] or counts["only FluxDB refuses"] else 0


if __name__ == "__main__":
    sys.exit(main())

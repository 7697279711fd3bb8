#!/usr/bin/env python3
"""Compares the SQL logic tests with DuckDB, or fills in their expected results from it.

    duckdb_reference.py FILE...           says where DuckDB answers differently; status 1 if anywhere
    duckdb_reference.py --fill FILE...    writes DuckDB's answers into the files

Needs the Python package duckdb. A record that is meant to differ has a line `# not DuckDB: why` before it and is
left alone.
"""

import sys
from pathlib import Path

import duckdb


def blocks(text: str) -> list[list[str]]:
    """The records of a file: runs of lines parted by empty lines."""
    out: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip():
            out[-1].append(line)
        elif out[-1]:
            out.append([])
    return [b for b in out if b]


def render(value: str | None) -> str:
    if value is None:
        return "NULL"
    return value.replace("\n", "\\n") if value != "" else "(empty)"


def answer(con: duckdb.DuckDBPyConnection, sql: str) -> list[list[str]]:
    words = sql.upper().replace("(", " ").split()
    if any(word in words for word in ("RETURNING", "DESCRIBE", "INSERT", "DELETE", "TRUNCATE")):  # no subquery
        rows = con.execute(sql).fetchall()
        return [[render(None if v is None else str(v)) for v in row] for row in rows]
    con.execute("DROP TABLE IF EXISTS temp.__result")
    once = any(f in sql for f in ("nextval(", "setval("))  # a second run would answer otherwise
    bare = sql.split()[0].upper() in ("EXECUTE", "CALL", "SHOW", "PRAGMA")  # no subquery
    try:
        if bare:
            rows = con.execute(sql).fetchall()
            return [[render(None if v is None else str(v)) for v in row] for row in rows]
        if once:
            con.execute(f"CREATE TEMP TABLE __result AS {sql}")
            return [[render(v) for v in row] for row in con.execute("SELECT COLUMNS(*)::VARCHAR FROM temp.__result").fetchall()]
        columns = [d[0] for d in con.execute(sql).description]
        names = ", ".join(f"c{i}" for i in range(len(columns)))
        con.execute(f"CREATE TEMP TABLE __result AS SELECT * FROM ({sql}) r({names})")
        rows = con.execute("SELECT COLUMNS(*)::VARCHAR FROM temp.__result").fetchall()
    except duckdb.ParserException:  # DESCRIBE and the like cannot be a subquery
        rows = [tuple(None if v is None else str(v) for v in row) for row in con.execute(sql).fetchall()]
    return [[render(v) for v in row] for row in rows]


def main() -> int:
    fill = "--fill" in sys.argv
    differences = 0
    for path in (Path(a) for a in sys.argv[1:] if a != "--fill"):
        con = duckdb.connect()
        con.execute("SET TimeZone = 'UTC'")
        out: list[str] = []
        for block in blocks(path.read_text()):
            comments = [line for line in block if line.startswith("#")]
            body = [line for line in block if not line.startswith("#")]
            skip = any("not DuckDB" in c for c in comments)
            if not body or skip or body[0].startswith(("control", "include", "halt", "subtest")):
                out += [*block, ""]
                continue
            kind = body[0].split()
            cut = body.index("----") if "----" in body else len(body)
            sql = "\n".join(body[1:cut])
            try:
                if kind[0] == "query":
                    rows = answer(con, sql)
                    if "rowsort" in kind:
                        rows.sort()
                    lines = [" ".join(r) for r in rows]
                    if lines != body[cut + 1 :] and not fill:
                        differences += 1
                        print(f"{path}: {sql}\n  here:   {body[cut + 1:]}\n  DuckDB: {lines}")
                    if fill:
                        sort = [k for k in kind[1:] if k == "rowsort"]
                        body[0] = " ".join(["query", "T" * (len(rows[0]) if rows else 1), *sort])
                    body = [*body[:cut], "----", *lines]
                else:
                    con.execute(sql).fetchall()  # some errors come with the rows
                    if kind[1] == "error":
                        differences += 1
                        print(f"{path}: DuckDB accepts: {sql}")
            except duckdb.Error as e:
                if kind[0] == "query" or kind[1] != "error":
                    differences += 1
                    print(f"{path}: DuckDB refuses: {sql}\n  {e}")
            out += [*comments, *body, ""]
        if fill:
            path.write_text("\n".join(out))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())

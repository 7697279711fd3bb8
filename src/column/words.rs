//! Words that mean something in SQL, which need quotes where they are names.

use std::collections::HashSet;
use std::sync::LazyLock;

/// PostgreSQL's keywords and DuckDB's.
const WORDS: &str = "\
    abort absolute access action add admin after aggregate all also alter always analyse analyze and anti any \
    approx array as asc asof assertion assignment asymmetric at attach attribute authorization backward before \
    begin between bigint binary bit boolean both by cache call called cascade cascaded case cast catalog \
    centuries century chain char character characteristics check checkpoint class close cluster coalesce collate \
    collation column columns comment comments commit committed compression concurrently configuration conflict \
    connect connection constraint constraints content continue conversion copy cost create cross csv cube \
    current cursor cycle data database day days deallocate dec decade decades decimal declare default defaults \
    deferrable deferred definer delete delimiter delimiters depends desc describe destroy detach dictionary \
    disable discard disconnect distance distinct do document domain double drop each else enable encoding \
    encrypted end enum error escape event exact except exclude excluding exclusive execute exists explain export \
    export_state extension extensions external extract false family fetch filter first float following for force \
    foreign forward freeze from full function functions generated glob global grant granted group grouping \
    grouping_id groups handler having header hold hour hours identity if ignore ilike immediate immutable \
    implicit import in include including increment index indexes inherit inherits initially inline inner inout \
    input insensitive insert install instead int integer intersect interval into invoker is isnull isolation \
    join json key label lambda language large last lateral leading leakproof left level like limit listen load \
    local location lock locked logged macro map mapping match matched materialized maxvalue merge method \
    microsecond microseconds millennia millennium millisecond milliseconds minute minutes minvalue mode month \
    months move name names national natural nchar nearest new next no none not nothing notify notnull nowait \
    null nullif nulls numeric object of off offset oids old on only operator option options or order ordinality \
    others out outer over overlaps overlay overriding owned owner parallel parser partial partition partitioned \
    passing password percent persistent pivot pivot_longer pivot_wider placing plans policy position positional \
    pragma preceding precision prepare prepared preserve primary prior privileges procedural procedure program \
    publication qualify quarter quarters quote range read real reassign recheck recursive ref references \
    referencing refresh register reindex relative release rename repeatable replace replica reset resource \
    resources respect restart restrict returning returns revoke right role rollback rollup row rows rule sample \
    savepoint schema schemas scope scroll search second seconds secret secure security select semi sequence \
    sequences serializable server session set setof sets share show similar similarity simple skip smallint \
    snapshot some sorted source sql stable standalone start statement statistics stdin stdout storage stored \
    strict strip struct subscription substring summarize symmetric sysid system table tables tablesample \
    tablespace target temp template temporary text then ties time timestamp to trailing transaction transform \
    treat trigger trim true truncate trusted try_cast tuple type types unbounded uncommitted unencrypted union \
    unique unknown unlisten unlogged unpack unpivot until update use user using vacuum valid validate validator \
    value values varchar variable variadic varying verbose version view views virtual volatile week weeks when \
    where whitespace window with within without work wrapper write xml xmlattributes xmlconcat xmlelement \
    xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable year years yes zone";

/// DuckDB's reserved words: those that are no names of tables and columns without quotes.
const RESERVED: &str = "\
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint \
    create default deferrable desc describe distinct do else end except false fetch for foreign from group \
    having in initially intersect into lambda lateral leading limit not null offset on only or order pivot \
    pivot_longer pivot_wider placing primary qualify references returning select show some summarize \
    symmetric table then to trailing true union unique unpivot using variadic when where window with";

/// Words that begin a type or a call with a form of its own, and yet are names of columns.
const COLUMN_NAMES: &str = "\
    between bigint bit boolean char character coalesce dec decimal exists extract float grouping grouping_id inout \
    int integer interval national nchar none nullif numeric out overlay position precision real row setof smallint \
    substring time timestamp treat trim values varchar xmlattributes xmlconcat xmlelement xmlexists xmlforest \
    xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable";

/// Bytes of the longest reserved word.
const RESERVED_BYTES_MAX: usize = 12;

static RESERVED_SET: LazyLock<HashSet<&str>> = LazyLock::new(|| RESERVED.split(' ').collect());

static COLUMN_NAME_SET: LazyLock<HashSet<&str>> = LazyLock::new(|| COLUMN_NAMES.split(' ').collect());

static SET: LazyLock<HashSet<&str>> = LazyLock::new(|| WORDS.split(' ').collect());

/// Whether a name in lower case means something in SQL.
pub fn is_word_of_sql(name: &str) -> bool {
    SET.contains(name)
}

/// Whether a name, in any case, is a word of SQL that can be a name in quotes only.
pub fn is_reserved(name: &str) -> bool {
    name.len() <= RESERVED_BYTES_MAX && RESERVED_SET.contains(&*name.to_ascii_lowercase())
}

/// Whether a name in lower case is a word of SQL that a column should not be called, so that it needs quotes nowhere.
pub fn is_no_column_name(name: &str) -> bool {
    is_word_of_sql(name) && !COLUMN_NAME_SET.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_words() {
        assert!(["order", "SELECT", "pivot_longer"].into_iter().all(is_reserved));
        assert!(!["id", "value", "year", "orders", ""].into_iter().any(is_reserved));
        assert!(RESERVED.split(' ').all(|word| is_word_of_sql(word) && word.len() <= RESERVED_BYTES_MAX));
    }

    #[test]
    fn names_of_columns_are_words() {
        assert!(["insert", "name", "select"].into_iter().all(is_no_column_name));
        assert!(!["time", "values", "price"].into_iter().any(is_no_column_name));
        assert!(COLUMN_NAMES.split(' ').all(is_word_of_sql));
    }

    #[test]
    fn words_are_known_and_names_are_not() {
        assert!(["order", "value", "zone", "abort"].into_iter().all(is_word_of_sql));
        assert!(!["id", "date", "price", "", "Order"].into_iter().any(is_word_of_sql));
        assert!(WORDS.split(' ').all(|word| !word.is_empty() && word == word.trim()));
    }
}

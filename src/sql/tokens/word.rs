//! Unquoted words: those that begin a form which the grammar lacks, and those that begin clauses.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Whitespace, Word};

use super::lookahead::{
    begins_query, is_every_clause, is_fetch_of_expression, is_operand, keyword_of, next, next_index, nth,
    taken_with, word_at,
};
use super::{AND_SAMPLE, Clause, GLOB, IN, NO_ARGUMENT, NOT_IN, Rewriter};
use crate::sql::{fluxql, forms};

impl Rewriter {
    pub(super) fn word(&mut self, raw: &[TokenWithSpan], i: usize, word: &Word) -> usize {
        let token = &raw[i];
        // `timestamp_ns '…'`: a constant of a type whose name the grammar does not know.
        if [
            "timestamp_s",
            "timestamp_ms",
            "timestamp_us",
            "timestamp_ns",
            "time_ns",
            "bignum",
            "variant",
            "timetz",
            "uhugeint",
            "hugeint",
            "uuid",
            "blob",
            "bit",
        ]
        .iter()
        .any(|name| word.value.eq_ignore_ascii_case(name))
            && let Some(Token::SingleQuotedString(_)) = next(raw, i)
            && !matches!(self.previous(), Some(Token::DoubleColon | Token::Period))
            && !matches!(self.previous(), Some(Token::Word(w)) if w.keyword == Keyword::AS || w.quote_style.is_some() || w.keyword == Keyword::NoKeyword)
        {
            let length =
                raw[i + 1..].iter().take_while(|t| matches!(t.token, Token::Whitespace(_))).count() + 2;
            let constant = raw[i + length - 1].clone();
            let made = |token| TokenWithSpan::new(token, raw[i].span);
            self.push_word("CAST", Keyword::CAST, raw[i].span);
            self.out.push(made(Token::LParen));
            self.out.push(constant);
            self.out.push(made(Token::Whitespace(Whitespace::Space)));
            self.push_word("AS", Keyword::AS, raw[i].span);
            self.out.push(raw[i].clone());
            self.out.push(made(Token::RParen));
            return length;
        }
        // `DECIMAL()` has the width that DECIMAL has, and `DECIMAL(5,)` the scale that `DECIMAL(5)` has.
        if matches!(word.keyword, Keyword::DEC | Keyword::DECIMAL | Keyword::NUMERIC)
            && next(raw, i) == Some(&Token::LParen)
        {
            if nth(raw, i, 1) == Some(&Token::RParen) {
                self.out.push(token.clone());
                return taken_with(raw, i, 2);
            }
            if nth(raw, i, 2) == Some(&Token::Comma)
                && nth(raw, i, 3) == Some(&Token::RParen)
                && let (Some(width), Some(end)) = (next_index(raw, i, 1), next_index(raw, i, 3))
            {
                self.out.extend_from_slice(&raw[i..=width]);
                self.out.push(raw[end].clone());
                return end - i + 1;
            }
        }
        // No table inherits from another.
        if word.value.eq_ignore_ascii_case("only")
            && matches!(self.previous(), Some(Token::Word(w)) if matches!(
                w.keyword,
                Keyword::FROM | Keyword::JOIN | Keyword::UPDATE | Keyword::TRUNCATE | Keyword::TABLE
            ))
            && matches!(next(raw, i), Some(Token::Word(_) | Token::LParen))
        {
            return 1;
        }
        // A bit string, `b'0101'`.
        if word.value.eq_ignore_ascii_case("b")
            && let Some(Token::SingleQuotedString(bits)) = raw.get(i + 1).map(|t| &t.token)
        {
            let token = Token::SingleQuotedByteStringLiteral(bits.clone());
            self.out.push(TokenWithSpan::new(token, raw[i].span.union(&raw[i + 1].span)));
            return 2;
        }
        if word.value.eq_ignore_ascii_case("every") && is_every_clause(raw, i) {
            self.end_of_from(token.span);
            self.push_word("CLUSTER", Keyword::CLUSTER, token.span);
            self.push_word("BY", Keyword::BY, token.span);
            self.out.push(TokenWithSpan::new(Token::Word(fluxql::every_marker()), token.span));
            return 1;
        }
        if word.keyword == Keyword::ORDER
            && next(raw, i).and_then(keyword_of) == Some(Keyword::BY)
            && self.begins_arguments()
        {
            let marker = Word {
                value: NO_ARGUMENT.into(),
                quote_style: Some(forms::MARK),
                keyword: Keyword::NoKeyword,
            };
            self.out.push(TokenWithSpan::new(Token::Word(marker), token.span));
            self.out.push(TokenWithSpan::new(Token::Whitespace(Whitespace::Space), token.span));
        }
        if next(raw, i) == Some(&Token::LParen) && self.is_behind_type_word() {
            if word.value.eq_ignore_ascii_case("row") {
                self.push_word("STRUCT", Keyword::STRUCT, token.span);
                return 1;
            }
            if ["map", "tuple"].iter().any(|name| word.value.eq_ignore_ascii_case(name))
                && let Some(taken) = self.type_of_types(raw, i)
            {
                return taken;
            }
        }
        if matches!(word.keyword, Keyword::ROLLUP | Keyword::CUBE) && next(raw, i) == Some(&Token::LParen) {
            self.push_word(&word.value, Keyword::NoKeyword, token.span);
            return 1;
        }
        if self.is_untyped_generated(raw, i, word) {
            self.push_marker(forms::GENERATED_TYPE, token.span);
        }
        if let Some(taken) = self.as_of(raw, i, word) {
            return taken;
        }
        if let Some(taken) = self.listing(raw, i, word) {
            return taken;
        }
        if let Some(taken) = self.join_word(raw, i, word) {
            return taken;
        }
        if word.keyword == Keyword::EXCLUDE
            && let Some(taken) = self.frame_exclusion(raw, i)
        {
            return taken;
        }
        if matches!(word.keyword, Keyword::IGNORE | Keyword::RESPECT)
            && let Some(taken) = self.null_treatment(raw, i)
        {
            return taken;
        }
        if let Some(taken) = self.special_word(raw, i, word) {
            return taken;
        }
        // `a IS DISTINCT FROM b` is no clause.
        let distinct = |t: &Token| matches!(t, Token::Word(w) if w.keyword == Keyword::DISTINCT);
        if word.keyword == Keyword::FROM && self.previous().is_some_and(distinct) {
            self.out.push(token.clone());
            return 1;
        }
        // `trim(BOTH FROM s)` and `trim(FROM s)` trim blanks.
        let side = |t: &Token| matches!(t, Token::Word(w) if matches!(w.keyword, Keyword::BOTH | Keyword::LEADING | Keyword::TRAILING));
        let begins_trim =
            self.previous() == Some(&Token::LParen) && self.level().opener == Some(Keyword::TRIM);
        if word.keyword == Keyword::FROM
            && (begins_trim || self.previous().is_some_and(side) && self.is_trim())
        {
            return 1;
        }
        let starts_query = word.keyword == Keyword::FROM && self.is_start_of_query();
        let first = self.previous().is_none();
        match word.keyword {
            Keyword::SELECT => {
                self.queries += 1;
                let level = self.level();
                level.in_select_list = true;
                level.from_first = false;
                level.clause = Clause::Select;
                level.qualify = false;
            }
            Keyword::FROM => {
                self.nested_joins(raw, i);
                self.queries += usize::from(starts_query);
                let level = self.level();
                level.from_first = starts_query;
                level.in_select_list = false;
                level.clause = Clause::From;
            }
            Keyword::WHERE | Keyword::GROUP | Keyword::HAVING | Keyword::QUALIFY | Keyword::WINDOW => {
                self.end_of_from(token.span);
                let level = self.level();
                let is_group_by = word.keyword == Keyword::GROUP && word_at(raw, i, 0) == "by";
                level.clause = if is_group_by { Clause::Group } else { Clause::Other };
                level.qualify |= word.keyword == Keyword::QUALIFY;
            }
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::ORDER | Keyword::LIMIT => {
                let level = self.level();
                level.from_first = false;
                // `* EXCEPT (a)` is within a select list.
                if word.keyword != Keyword::EXCEPT {
                    level.in_select_list = false;
                    level.clause = match word.keyword {
                        Keyword::LIMIT => Clause::Limit,
                        Keyword::ORDER => Clause::Order,
                        _ => Clause::Other,
                    };
                }
            }
            // `ORDER BY x USING <`
            Keyword::USING if self.level().clause == Clause::Order => {
                let direction = match next(raw, i) {
                    Some(Token::Lt) => "ASC",
                    Some(Token::Gt) => "DESC",
                    _ => "",
                };
                if let (false, Some(at)) = (direction.is_empty(), next_index(raw, i, 0)) {
                    self.push(Token::make_keyword(direction), token.span);
                    return at + 1 - i;
                }
            }
            Keyword::OFFSET | Keyword::SET => self.level().clause = Clause::Other,
            // `FOR NO KEY UPDATE` and `FOR KEY SHARE`: here there are no locks that differ in that.
            Keyword::FOR
                if [["no", "key", "update"], ["key", "share", ""]].iter().any(|words| {
                    let words = words.iter().filter(|word| !word.is_empty()).enumerate();
                    words.fold(true, |all, (n, word)| all && word_at(raw, i, n) == *word)
                }) =>
            {
                let last = if word_at(raw, i, 0) == "no" { 2 } else { 1 };
                if let Some(at) = next_index(raw, i, last) {
                    self.out.push(token.clone());
                    self.out.push(TokenWithSpan::new(Token::Whitespace(Whitespace::Space), token.span));
                    self.out.push(raw[at].clone());
                    return at + 1 - i;
                }
            }
            Keyword::FOR if self.level().square => self.level().comprehension = true,
            Keyword::INSERT if first => self.level().insert = true,
            Keyword::GLOB if self.is_behind_operand() && is_operand(next(raw, i)) => {
                self.out.push(TokenWithSpan::new(Token::CustomBinaryOperator(GLOB.into()), token.span));
                return 1;
            }
            _ => {}
        }
        self.out.push(token.clone());
        1
    }

    /// `MAP(K, V)` as `MAP('K', 'V')` and `TUPLE(A, B)` as `TUPLE('A', 'B')`: the grammar has no types in types of
    /// names that it does not know.
    pub(super) fn type_of_types(&mut self, raw: &[TokenWithSpan], i: usize) -> Option<usize> {
        let open = next_index(raw, i, 0)?;
        let (mut depth, mut parts, mut end) = (0_usize, vec![String::new()], open + 1);
        loop {
            let token = &raw.get(end)?.token;
            match token {
                Token::RParen if depth == 0 => break,
                Token::Comma if depth == 0 => parts.push(String::new()),
                _ => {
                    match token {
                        Token::LParen | Token::LBracket => depth += 1,
                        Token::RParen | Token::RBracket => depth = depth.checked_sub(1)?,
                        _ => {}
                    }
                    parts.last_mut()?.push_str(&token.to_string());
                }
            }
            end += 1;
        }
        if parts.len() != 2 && raw[i].token.to_string().eq_ignore_ascii_case("map") {
            return None;
        }
        let span = raw[open].span;
        self.out.push(raw[i].clone());
        self.push(Token::LParen, span);
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                self.push(Token::Comma, span);
            }
            self.push(Token::SingleQuotedString(part.trim().to_owned()), span);
        }
        self.push(Token::RParen, span);
        Some(end - i + 1)
    }

    /// Words that begin a form of their own; returns how many tokens were taken.
    pub(super) fn special_word(&mut self, raw: &[TokenWithSpan], i: usize, word: &Word) -> Option<usize> {
        let span = raw[i].span;
        let lower = word.value.to_lowercase();
        let taken = |n: usize| next_index(raw, i, n).map_or(1, |at| at - i + 1);
        match lower.as_str() {
            "using" if word_at(raw, i, 0) == "sample" => {
                self.end_of_from(span);
                if self.level().qualify {
                    self.push(Token::CustomBinaryOperator(AND_SAMPLE.into()), span);
                } else {
                    self.push_word("QUALIFY", Keyword::QUALIFY, span);
                }
                let level = self.level();
                (level.qualify, level.clause) = (true, Clause::Other);
                self.push_marker(forms::SAMPLE, span);
                Some(taken(0))
            }
            "tablesample" => {
                self.out.push(raw[i].clone());
                self.push_marker(forms::SAMPLE, span);
                Some(1)
            }
            "using" if word_at(raw, i, 0) == "key" && nth(raw, i, 1) == Some(&Token::LParen) => {
                self.open_cte_options(span);
                let open = taken(1);
                Some(open + self.using_key(raw, i + open - 1, span) - 1)
            }
            "materialized" if self.is_behind_as() => {
                let not = self.drop_word(Keyword::NOT);
                let _as = self.drop_word(Keyword::AS);
                self.open_cte_options(span);
                self.push_marker(if not { forms::NOT_MATERIALIZED } else { forms::MATERIALIZED }, span);
                self.levels.pop();
                self.push(Token::RParen, span);
                self.push_word("AS", Keyword::AS, span);
                Some(1)
            }
            "grouping" if word_at(raw, i, 0) == "sets" => {
                self.push_marker(forms::GROUPING_SETS, span);
                Some(taken(0))
            }
            "isnull"
                if self.is_behind_operand()
                    && next(raw, i) != Some(&Token::LParen)
                    && !matches!(self.previous(), Some(Token::Word(w)) if w.keyword == Keyword::AS) =>
            {
                self.push_word("IS", Keyword::IS, span);
                self.push_word("NULL", Keyword::NULL, span);
                Some(1)
            }
            "filter"
                if next(raw, i) == Some(&Token::LParen)
                    && self.previous() == Some(&Token::RParen)
                    && word_at(raw, i, 1) != "where" =>
            {
                self.out.push(raw[i].clone());
                self.open(false);
                self.push(Token::LParen, span);
                self.push_word("WHERE", Keyword::WHERE, span);
                Some(taken(0))
            }
            // What tables do anyway, also where a query has the last word.
            "on" if word_at(raw, i, 0) == "commit"
                && word_at(raw, i, 1) == "preserve"
                && word_at(raw, i, 2) == "rows" =>
            {
                Some(taken(2))
            }
            "latest" if word_at(raw, i, 0) == "on" => self.latest_on(raw, i),
            "retention"
                if self.previous().and_then(keyword_of) == Some(Keyword::SET)
                    && matches!(next(raw, i), Some(Token::SingleQuotedString(_))) =>
            {
                self.push(Token::LParen, span);
                self.out.push(raw[i].clone());
                self.push(Token::Eq, span);
                let length = taken_with(raw, i, 1);
                self.out.push(raw[i + length - 1].clone());
                self.push(Token::RParen, span);
                Some(length)
            }
            "interval" if self.is_column_called_interval(raw, i) => {
                let word = Word { keyword: Keyword::NoKeyword, ..word.clone() };
                self.push(Token::Word(word), span);
                Some(1)
            }
            "top" if next(raw, i) == Some(&Token::LParen) => {
                let word = Word { keyword: Keyword::NoKeyword, ..word.clone() };
                self.push(Token::Word(word), span);
                Some(1)
            }
            "fetch" if is_fetch_of_expression(raw, i) && self.is_behind_operand() => {
                self.end_of_from(span);
                let level = self.level();
                (level.in_select_list, level.clause, level.fetch) = (false, Clause::Limit, true);
                self.push_word("LIMIT", Keyword::LIMIT, span);
                Some(taken(0))
            }
            "row" | "rows" if self.level().fetch && word_at(raw, i, 0) == "only" => {
                self.level().fetch = false;
                Some(taken(0))
            }
            "percent" if self.level().clause == Clause::Limit && self.is_behind_operand() => {
                self.percent(span);
                Some(1)
            }
            "quarters" | "decades" | "centuries" | "millennia" | "millenniums"
                if self.is_behind_interval() =>
            {
                let (unit, keyword) = match lower.as_str() {
                    "quarters" => ("QUARTER", Keyword::QUARTER),
                    "decades" => ("DECADE", Keyword::DECADE),
                    "centuries" => ("CENTURY", Keyword::CENTURY),
                    _ => ("MILLENNIUM", Keyword::MILLENNIUM),
                };
                self.push_word(unit, keyword, span);
                Some(1)
            }
            "in" if self.is_in_without_list(raw, i) => {
                let not = self.drop_word(Keyword::NOT);
                let op = if not { NOT_IN } else { IN };
                self.push(Token::CustomBinaryOperator(op.into()), span);
                Some(1)
            }
            "not" | "like" | "ilike" | "glob" | "similar" if self.is_behind_star() => {
                self.star_pattern(raw, i)
            }
            "as" if self.is_behind_star_or_replace() => self.star_alias(raw, i),
            _ if self.is_bare_star_alias(raw, i) => self.bare_star_alias(raw, i),
            "table"
                if matches!(next(raw, i), Some(Token::Word(w)) if !begins_query(w.keyword))
                    && self.is_start_of_query()
                    && !self.is_macro_table()
                    && !matches!(self.previous(), Some(Token::Word(w)) if matches!(w.keyword, Keyword::INTO | Keyword::DESCRIBE | Keyword::DESC | Keyword::ANALYZE)) =>
            {
                self.push_word("SELECT", Keyword::SELECT, span);
                self.push(Token::Mul, span);
                self.push(Token::Whitespace(Whitespace::Space), span);
                self.push_word("FROM", Keyword::FROM, span);
                self.level().clause = Clause::From;
                Some(1)
            }
            "pivot" | "unpivot" if self.level().clause == Clause::From && self.is_behind_operand() => {
                self.pivot_of_table(raw, i, lower == "pivot")
            }
            "pivot" | "pivot_wider" | "unpivot" | "pivot_longer" if self.is_pivot_statement(raw, i) => {
                let is_pivot = lower.starts_with("pivot") && lower != "pivot_longer";
                self.push_word("SELECT", Keyword::SELECT, span);
                self.push_marker(if is_pivot { forms::PIVOT } else { forms::UNPIVOT }, span);
                Some(1)
            }
            _ => None,
        }
    }

    /// Opens, or opens again, the column list of a CTE for an option.
    pub(super) fn open_cte_options(&mut self, span: Span) {
        self.drop_blanks();
        if self.previous() == Some(&Token::RParen) {
            self.out.pop();
            self.open(false);
            self.push(Token::Comma, span);
        } else {
            self.open(false);
            self.push(Token::LParen, span);
        }
    }
}

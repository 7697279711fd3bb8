//! Paths into columns, `s.f`, where ALTER TABLE has names of columns.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::lookahead::{next, next_index};
use super::{PATH, Rewriter};
use crate::sql::forms;

impl Rewriter {
    /// Makes one name of a path; yields how many tokens it took.
    pub(super) fn altered_path(&mut self, raw: &[TokenWithSpan], i: usize, word: &Word) -> Option<usize> {
        use Keyword::{ADD, ALTER, COLUMN, DROP, EXISTS, RENAME, TABLE};
        let words = || {
            self.out.iter().filter_map(|t| match &t.token {
                Token::Word(w) => Some(w.keyword),
                _ => None,
            })
        };
        if !words().take(2).eq([ALTER, TABLE]) || !words().any(|w| matches!(w, ADD | DROP | RENAME)) {
            return None;
        }
        if !matches!(words().next_back(), Some(ADD | DROP | RENAME | COLUMN | EXISTS)) {
            return None;
        }
        let mut path = word.value.clone();
        let mut at = i;
        while next(raw, at) == Some(&Token::Period) {
            let part = next_index(raw, at, 1)?;
            let Token::Word(word) = &raw[part].token else { return None };
            path.push(PATH);
            path.push_str(&word.value);
            at = part;
        }
        let name = Word { value: path, quote_style: Some(forms::MARK), keyword: Keyword::NoKeyword };
        self.push(Token::Word(name), raw[i].span);
        Some(at - i + 1)
    }
}

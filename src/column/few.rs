//! Few strings of a block at a time, here and there, as look-ups by key read them.
//!
//! Strings lie one behind the other, their lengths before them: to find one, all lengths before it are added up. Who reads
//! one of two thousand would do hardly anything else. So where the strings of a block end is kept, as decoded dictionaries
//! are and within the same budget.

use std::sync::Arc;

use crate::column::codec::bytes as strings;
use crate::column::codec::fsst::{MAX_SYMBOL, ROOM};
use crate::column::le::{Damage, Decoded, ensure};
use crate::column::reader::Dictionary;
use crate::column::views::MAX_BUFFER;

/// The strings of a block, each found without a look at the others.
pub(crate) struct FewStrings<'a> {
    /// What is stored of all of them, without gaps.
    pub(crate) stored: &'a [u8],
    /// Where each ends in it; `None` if they are all the same.
    pub(crate) ends: Option<Arc<Vec<u32>>>,
    /// What they are coded with, if they are.
    pub(crate) shared: Option<Arc<Dictionary>>,
}

impl FewStrings<'_> {
    /// Appends the string of a row.
    pub(crate) fn push(&self, row: usize, out: &mut Vec<u8>) -> Decoded<()> {
        let stored = match &self.ends {
            None => self.stored,
            Some(ends) => {
                let start = if row == 0 { Some(&0) } else { ends.get(row - 1) };
                let range = start.zip(ends.get(row)).map(|(start, end)| *start as usize..*end as usize);
                let stored = range.and_then(|range| self.stored.get(range));
                stored.ok_or(Damage::new("a string that is not there"))?
            }
        };
        let Some(shared) = &self.shared else {
            out.extend_from_slice(stored);
            return ensure(out.len() <= MAX_BUFFER, "too many bytes of strings");
        };
        let table = shared.table().ok_or(Damage::new("coded strings without a table of symbols"))?;
        let at = out.len();
        let most = at + stored.len() * MAX_SYMBOL + ROOM;
        ensure(most <= MAX_BUFFER, "too many bytes of strings")?;
        out.resize(most, 0);
        let end = table.decode(stored, out, at)?;
        out.truncate(end);
        Ok(())
    }
}

/// Where the strings of a stream end in what is stored of them.
pub(crate) fn ends(lengths: Vec<u32>, stored: &[u8]) -> Decoded<Vec<u32>> {
    ensure(strings::total(&lengths) == stored.len() as u64, "lengths of strings do not add up")?;
    ensure(u32::try_from(stored.len()).is_ok(), "too many bytes of strings")?;
    let mut ends = lengths;
    let mut end = 0;
    for length in &mut ends {
        end += *length;
        *length = end;
    }
    Ok(ends)
}

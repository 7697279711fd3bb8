//! Which rows of a block are NULL: the last bytes of the block, in the form that its directory entry names.
//!
//! | form | bytes |
//! |---|---|
//! | 0 | none: no row is NULL |
//! | 1 | none: every row is NULL, and the block is empty |
//! | 2 | a bit a row, least significant first, set where there is a value; bits past the last row are unset |
//! | 3 | the positions of the NULLs, 2 bytes each, rising |
//! | 4 | the positions of the values, 2 bytes each, rising |

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, Buffer, NullBuffer};

use crate::column::le::{Damage, Decoded, ensure};

/// No row is NULL.
pub(crate) const NONE: u8 = 0;
/// Every row is NULL.
pub(crate) const ALL: u8 = 1;
/// A bitmap of the values.
const BITMAP: u8 = 2;
/// Positions of the NULLs.
const NULL_POSITIONS: u8 = 3;
/// Positions of the values.
const VALUE_POSITIONS: u8 = 4;

/// Appends the NULLs of a block and returns the form.
pub(crate) fn encode(nulls: Option<&NullBuffer>, out: &mut Vec<u8>) -> u8 {
    let Some(nulls) = nulls.filter(|n| n.null_count() > 0) else { return NONE };
    let (rows, count) = (nulls.len(), nulls.null_count());
    if count == rows {
        return ALL;
    }
    let bitmap = rows.div_ceil(8);
    let mut positions = |null: bool| {
        for (at, valid) in nulls.iter().enumerate() {
            if valid != null {
                out.extend_from_slice(&(at as u16).to_le_bytes());
            }
        }
    };
    if 2 * count < bitmap {
        positions(true);
        NULL_POSITIONS
    } else if 2 * (rows - count) < bitmap {
        positions(false);
        VALUE_POSITIONS
    } else {
        let mut bits = BooleanBufferBuilder::new(rows);
        bits.append_buffer(nulls.inner());
        out.extend_from_slice(&bits.finish().inner().as_slice()[..bitmap]);
        BITMAP
    }
}

/// Splits a block of `rows` rows, `count` of them NULL, into its values and its NULLs.
pub(crate) fn split(block: &[u8], form: u8, rows: usize, count: usize) -> Decoded<(&[u8], &[u8])> {
    let len = match form {
        NONE => {
            ensure(count == 0, "NULLs without their positions")?;
            0
        }
        ALL => {
            ensure(count == rows, "not all rows are NULL")?;
            0
        }
        BITMAP => rows.div_ceil(8),
        NULL_POSITIONS => 2 * count,
        VALUE_POSITIONS => 2 * (rows - count),
        _ => return Err(Damage::new("unknown form of NULLs")),
    };
    let at = block.len().checked_sub(len).ok_or(Damage::new("the block is too short for its NULLs"))?;
    Ok(block.split_at(at))
}

/// Decodes the NULLs that [`split`] found.
pub(crate) fn decode(bytes: &[u8], form: u8, rows: usize, count: usize) -> Decoded<Option<NullBuffer>> {
    let nulls = match form {
        NONE => return Ok(None),
        ALL => NullBuffer::new_null(rows),
        BITMAP => NullBuffer::new(BooleanBuffer::new(Buffer::from(bytes), 0, rows)),
        _ => {
            let value = form == VALUE_POSITIONS;
            let mut bits = BooleanBufferBuilder::new(rows);
            bits.append_n(rows, !value);
            let mut least = 0;
            for at in bytes.as_chunks().0 {
                let at = usize::from(u16::from_le_bytes(*at));
                ensure((least..rows).contains(&at), "positions of NULLs out of order")?;
                bits.set_bit(at, value);
                least = at + 1;
            }
            NullBuffer::new(bits.finish())
        }
    };
    ensure(nulls.null_count() == count, "the number of NULLs is not that of the directory")?;
    Ok(Some(nulls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms() {
        for rows in [1, 8, 9, 100, 2048] {
            for step in [1, 2, 3, 64, 1000] {
                for flip in [false, true] {
                    let nulls: NullBuffer = (0..rows).map(|i| (i % step == 0) != flip).collect();
                    let mut bytes = vec![7; 5];
                    let form = encode(Some(&nulls), &mut bytes);
                    let count = nulls.null_count();
                    let (values, mask) = split(&bytes, form, rows, count).unwrap();
                    assert_eq!(values, [7; 5]);
                    let decoded = decode(mask, form, rows, count).unwrap();
                    assert_eq!(decoded.unwrap_or(NullBuffer::new_valid(rows)), nulls);
                    let wrong = if form <= ALL { split(&bytes, form, rows, 1 + count).err() } else { None };
                    assert!(wrong.is_some() || decode(mask, form, rows, count + 1).is_err() || form == NONE);
                }
            }
        }
        assert!(split(&[], 9, 1, 1).is_err());
        assert!(split(&[], BITMAP, 1, 1).is_err());
        assert!(decode(&[5, 0, 5, 0], NULL_POSITIONS, 8, 2).is_err());
        assert!(decode(&[9, 0], NULL_POSITIONS, 8, 1).is_err());
    }
}

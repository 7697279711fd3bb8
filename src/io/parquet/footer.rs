//! What a footer states about sizes, looked at before the crate reads it: the crate reserves memory for as many children
//! as an element of the schema says that it has, and a process that gets no memory ends.

use parquet::errors::ParquetError;

use super::thrift::{I16, I64, LIST, Reader, STRUCT};

/// The field of the footer that is the list of the schema's elements, and that of an element which counts its children.
const SCHEMA: i64 = 2;
const CHILDREN: i64 = 5;

/// Checks a footer: nothing in it says that it is longer than it is.
///
/// # Errors
/// The first thing that does.
pub(super) fn check(footer: &[u8]) -> Result<(), ParquetError> {
    Reader::new(footer, "the footer").fields(|footer, field, ty| {
        if (field, ty) != (SCHEMA, LIST) {
            return footer.skip(ty);
        }
        let (count, ty) = footer.list_head()?;
        (0..count).try_for_each(|_| if ty == STRUCT { element(footer, count) } else { footer.skip_item(ty) })
    })
}

/// An element of a schema of so many.
fn element(footer: &mut Reader<'_>, elements: usize) -> Result<(), ParquetError> {
    footer.fields(|footer, field, ty| match (field, ty) {
        (CHILDREN, I16..=I64) => {
            let children = footer.int()?;
            if usize::try_from(children).is_ok_and(|children| children < elements) {
                return Ok(());
            }
            let message = format!("an element of a schema of {elements} states {children} children");
            Err(ParquetError::General(message))
        }
        (_, ty) => footer.skip(ty),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer with a schema of a root that states so many children, and one child.
    fn footer(children: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x15, 2, 0x19, 0x2c, 0x48, 1, b'r', 0x15];
        bytes.extend(children);
        bytes.extend([0, 0x15, 2, 0x38, 1, b'c', 0, 0]);
        bytes
    }

    #[test]
    fn what_states_too_much_is_refused() {
        check(&footer(&[2])).unwrap();
        // Two, two thousand millions, and less than none.
        for children in [&[4][..], &[0xfe, 0xff, 0xff, 0xff, 0x0f], &[1]] {
            let error = check(&footer(children)).unwrap_err().to_string();
            assert!(error.contains("an element of a schema of 2 states"), "{error}");
        }
        for end in 0..footer(&[2]).len() {
            check(&footer(&[2])[..end]).unwrap_err();
        }
    }
}

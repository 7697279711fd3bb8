//! Making a database of an empty file.

use super::error::{PagerError, Result};
use super::file::File;
use super::page::{FIRST_DATA_PAGE, MAX_PAGE_SIZE, MIN_PAGE_SIZE, is_page_size};
use super::superblock::{FORMAT_VERSION, MAGIC, SUPERBLOCK_BYTES, SlotState, Slots, Superblock};

/// Whether the file holds nothing yet: it is empty, or what a crash left of [`create`], before which no commit
/// can have been promised. Then it is two pages long, has no valid slot, and holds nothing but zeros and torn slots.
pub(super) fn is_unfinished_creation(file: &dyn File, size: u64, slots: &Slots) -> Result<bool> {
    if size == 0 {
        return Ok(true);
    }
    let hopeless = |state: &SlotState| matches!(state, SlotState::Foreign | SlotState::Damaged(_));
    let two_pages = size.is_power_of_two() && u32::try_from(size / 2).is_ok_and(is_page_size);
    if !two_pages || !slots.states.iter().all(hopeless) {
        return Ok(false);
    }
    let mut bytes = vec![0; size as usize];
    file.read_at(0, &mut bytes).map_err(|error| PagerError::io("read", file.name(), error))?;
    for slot in bytes.chunks_exact_mut(size as usize / 2) {
        let slot = &mut slot[..SUPERBLOCK_BYTES];
        let same = slot.iter().zip(MAGIC).take_while(|(found, magic)| **found == *magic).count();
        if same == MAGIC.len() || slot[same..].iter().all(|byte| *byte == 0) {
            slot.fill(0);
        }
    }
    Ok(bytes.iter().all(|byte| *byte == 0))
}

/// Makes a new database of an empty file.
///
/// 1. Make the file as long as two pages; sync.
/// 2. Write slot 1 with sequence 1; sync. From here on the file is a database.
/// 3. Write slot 0 with sequence 2; sync.
pub(super) fn create(file: &dyn File, page_size: u32, database_id: [u8; 16]) -> Result<()> {
    if !is_page_size(page_size) {
        return Err(PagerError::Invalid(format!(
            "a page size of {page_size} bytes is not possible; it is a power of two from {MIN_PAGE_SIZE} to {MAX_PAGE_SIZE}"
        )));
    }
    let failed = |error| PagerError::io("create", file.name(), error);
    let superblock = Superblock {
        version: FORMAT_VERSION,
        page_size,
        compatible: 0,
        incompatible: 0,
        database_id,
        sequence: 1,
        page_count: FIRST_DATA_PAGE,
        catalog_root: None,
        space_root: None,
        space_pages: 0,
        log: None,
    };
    file.set_size(0).map_err(failed)?;
    file.allocate(FIRST_DATA_PAGE * u64::from(page_size)).map_err(failed)?;
    file.sync().map_err(failed)?;
    file.write_durable(u64::from(page_size), &superblock.to_bytes()).map_err(failed)?;
    file.write_durable(0, &Superblock { sequence: 2, ..superblock }.to_bytes()).map_err(failed)
}

/// 32 bits of such a number.
pub(super) fn random_salt() -> u32 {
    let id = random_id();
    u32::from_le_bytes([id[0], id[1], id[2], id[3]])
}

/// 128 bits that the system's random source seeds: each hasher of the standard library has keys of its own.
pub(super) fn random_id() -> [u8; 16] {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut id = [0; 16];
    for half in id.chunks_exact_mut(8) {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u128(std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos());
        hasher.write_u32(std::process::id());
        half.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    id
}

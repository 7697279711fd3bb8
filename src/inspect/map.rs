//! A map of the file: what each page is used for.

use crate::inspect::Contents;
use crate::pager::inspect::{Inspection, PageView};
use crate::pager::{Extent, FIRST_DATA_PAGE, PageId, PageKind};

/// What a page is used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageUse {
    /// A superblock.
    Superblock,
    /// Records of the catalog.
    Heap,
    /// The tail of a long record.
    Overflow,
    /// The table of free space.
    Space,
    /// The chunks of a row group.
    RowGroup {
        /// `schema.table`.
        table: String,
        /// The row group's number.
        row_group: usize,
    },
    /// Which rows of a row group are deleted.
    Deletes {
        /// `schema.table`.
        table: String,
        /// The row group's number.
        row_group: usize,
    },
    /// The write-ahead log.
    Log,
    /// Free, as the table of free space says.
    Free,
    /// Past the last page of the commit: allocated ahead.
    Ahead,
    /// Damaged, and how.
    Damaged(String),
    /// Nothing refers to it.
    Unknown,
}

impl PageUse {
    /// All kinds.
    pub const KINDS: [&str; 11] = [
        "superblock",
        "heap",
        "overflow",
        "space",
        "extent",
        "deletes",
        "log",
        "free",
        "ahead",
        "damaged",
        "unknown",
    ];

    /// The kind in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Superblock => "superblock",
            Self::Heap => "heap",
            Self::Overflow => "overflow",
            Self::Space => "space",
            Self::RowGroup { .. } => "extent",
            Self::Deletes { .. } => "deletes",
            Self::Log => "log",
            Self::Free => "free",
            Self::Ahead => "ahead",
            Self::Damaged(_) => "damaged",
            Self::Unknown => "unknown",
        }
    }

    /// Who it belongs to, or what is wrong.
    pub fn owner(&self) -> String {
        match self {
            Self::RowGroup { table, row_group } | Self::Deletes { table, row_group } => {
                format!("{table}, row group {row_group}")
            }
            Self::Damaged(what) => what.clone(),
            Self::Heap | Self::Overflow => "catalog".to_owned(),
            Self::Space | Self::Log => "pager".to_owned(),
            _ => String::new(),
        }
    }
}

/// Pages next to each other with the same use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRange {
    /// The first page.
    pub start: PageId,
    /// How many.
    pub pages: u64,
    /// What for.
    pub used_for: PageUse,
}

/// Every extent that something refers to, with its use, in the order of the file. Whatever else comes to have extents
/// of its own is listed here.
pub fn extents(contents: &Contents) -> Vec<(Extent, PageUse)> {
    let mut extents = vec![];
    for table in &contents.tables {
        for group in &table.row_groups {
            let (name, row_group) = (&table.name, group.index);
            extents.push((group.extent(), PageUse::RowGroup { table: name.clone(), row_group }));
            if let Some(deletes) = group.deletes_extent() {
                extents.push((deletes, PageUse::Deletes { table: name.clone(), row_group }));
            }
        }
    }
    extents.extend(contents.log.map(|log| (log, PageUse::Log)));
    extents.sort_by_key(|(extent, _)| *extent);
    extents
}

/// Every page of the file with its use, as ranges in order. They add up to the whole pages of the file.
pub fn page_map(file: &Inspection, contents: &Contents) -> Vec<PageRange> {
    let mut extents = extents(contents).into_iter().peekable();
    let mut map: Vec<PageRange> = vec![];
    let mut page = 0;
    while page < file.pages() {
        while extents.peek().is_some_and(|(e, _)| e.end().0 <= page) {
            extents.next();
        }
        let (used_for, pages) = match extents.peek() {
            // The superblocks are where they are, whatever the catalog says.
            Some((extent, used_for)) if extent.start.0 <= page && page >= FIRST_DATA_PAGE => {
                (used_for.clone(), extent.end().0.min(file.pages()) - page)
            }
            _ => (use_of(file, PageId(page)), 1),
        };
        match map.last_mut() {
            Some(last) if last.used_for == used_for => last.pages += pages,
            _ => map.push(PageRange { start: PageId(page), pages, used_for }),
        }
        page += pages;
    }
    map
}

fn use_of(file: &Inspection, page: PageId) -> PageUse {
    match file.view(page) {
        Ok(PageView::Superblock(_)) => PageUse::Superblock,
        Ok(PageView::Free { .. }) => PageUse::Free,
        Ok(PageView::Ahead) => PageUse::Ahead,
        Ok(PageView::Paged(header)) => match header.kind {
            PageKind::Heap => PageUse::Heap,
            PageKind::Overflow => PageUse::Overflow,
            PageKind::Space => PageUse::Space,
        },
        Ok(PageView::Damaged { error, .. }) => PageUse::Damaged(error.to_string()),
        Ok(PageView::Raw) => PageUse::Unknown,
        Err(e) => PageUse::Damaged(e.to_string()),
    }
}

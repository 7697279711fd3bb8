//! A map of the file: what each page is used for.

use crate::inspect::Contents;
use crate::pager::inspect::{Inspection, PageView};
use crate::pager::{PageId, PageKind};

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
    /// The kind in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Superblock => "superblock",
            Self::Heap => "heap",
            Self::Overflow => "overflow",
            Self::Space => "space",
            Self::RowGroup { .. } => "extent",
            Self::Free => "free",
            Self::Ahead => "ahead",
            Self::Damaged(_) => "damaged",
            Self::Unknown => "unknown",
        }
    }

    /// Who it belongs to, or what is wrong.
    pub fn owner(&self) -> String {
        match self {
            Self::RowGroup { table, row_group } => format!("{table}, row group {row_group}"),
            Self::Damaged(what) => what.clone(),
            Self::Heap | Self::Overflow => "catalog".to_owned(),
            Self::Space => "pager".to_owned(),
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

/// Every page of the file with its use, as ranges in order. They add up to the whole pages of the file.
pub fn page_map(file: &Inspection, contents: &Contents) -> Vec<PageRange> {
    let mut extents: Vec<_> = (contents.tables.iter())
        .flat_map(|t| t.row_groups.iter().map(move |g| (g.extent(), &t.name, g.index)))
        .collect();
    extents.sort_unstable();
    let mut extents = extents.into_iter().peekable();

    let mut map: Vec<PageRange> = vec![];
    let mut page = 0;
    while page < file.pages() {
        while extents.peek().is_some_and(|(e, ..)| e.end().0 <= page) {
            extents.next();
        }
        let (used_for, pages) = match extents.peek() {
            Some((extent, table, row_group)) if extent.start.0 <= page => {
                let used_for = PageUse::RowGroup { table: (*table).clone(), row_group: *row_group };
                (used_for, extent.end().0.min(file.pages()) - page)
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

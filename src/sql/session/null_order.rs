//! Where NULLs sort.

/// Where NULLs sort if a query does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NullOrder {
    /// Before all values.
    First,
    /// Behind all values.
    #[default]
    Last,
    /// As if they were less than all values.
    FirstOnAscending,
    /// As if they were greater than all values.
    LastOnAscending,
}

impl NullOrder {
    /// The order of that name, or that of a database of that name; the name is in lower case.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name.replace([' ', '_'], "").as_str() {
            "nullsfirst" | "first" => Self::First,
            "nullslast" | "last" => Self::Last,
            "nullsfirstonasclastondesc" | "sqlite" | "mysql" => Self::FirstOnAscending,
            "nullslastonascfirstondesc" | "postgres" => Self::LastOnAscending,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::First => "NULLS_FIRST",
            Self::Last => "NULLS_LAST",
            Self::FirstOnAscending => "NULLS_FIRST_ON_ASC_LAST_ON_DESC",
            Self::LastOnAscending => "NULLS_LAST_ON_ASC_FIRST_ON_DESC",
        }
    }

    /// Whether they come first.
    pub fn is_first(self, descending: bool) -> bool {
        match self {
            Self::First => true,
            Self::Last => false,
            Self::FirstOnAscending => !descending,
            Self::LastOnAscending => descending,
        }
    }
}

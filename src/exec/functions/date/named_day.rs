//! The day that the parts of a date name: by month and day, by the day of the year, or by week and weekday.

use crate::exec::calendar::{day_of_week, days_from_civil, is_valid_date};

/// By what the day is named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// By nothing so far: January 1st, or in the month of a name.
    Nothing,
    Year,
    MonthAndDay,
    DayOfYear,
    /// By weeks of which the first begins with the first such weekday of the year, Sunday 0; days before are in week 0.
    Week {
        first_day: u32,
    },
    /// By ISO weeks: Monday first, the first of a year has January 4th.
    IsoWeek,
}

/// What was said of a day so far. A month or a day as numbers overrides weeks and days of the year; two ways of naming
/// weeks, or days of the year and weeks, contradict each other.
pub(super) struct NamedDay {
    by: By,
    year: i32,
    month: u32,
    day: u32,
    day_of_year: u32,
    week: u32,
    /// Sunday 0.
    weekday: Option<u32>,
    iso_year: Option<i32>,
    iso_week: Option<u32>,
    /// Monday 1.
    iso_weekday: u32,
}

type Named = Result<(), &'static str>;

impl NamedDay {
    pub fn new() -> Self {
        Self {
            by: By::Nothing,
            year: 1900,
            month: 1,
            day: 1,
            day_of_year: 1,
            week: 0,
            weekday: None,
            iso_year: None,
            iso_week: None,
            iso_weekday: 1,
        }
    }

    pub fn set_year(&mut self, year: i32) {
        self.year = year;
        if matches!(self.by, By::Nothing | By::IsoWeek) {
            self.by = By::Year;
        }
    }

    pub fn set_month(&mut self, month: u32) {
        (self.month, self.by) = (month, By::MonthAndDay);
    }

    /// A month by its name, which overrides nothing.
    pub fn set_month_name(&mut self, month: u32) {
        self.month = month;
    }

    pub fn set_day(&mut self, day: u32) {
        (self.day, self.by) = (day, By::MonthAndDay);
    }

    pub fn set_day_of_year(&mut self, day: u32) -> Named {
        self.day_of_year = day;
        self.count_by(By::DayOfYear, "Multiple year offsets specified")
    }

    pub fn set_week(&mut self, first_day: u32, week: u32) -> Named {
        self.week = week;
        self.count_by(By::Week { first_day }, "Multiple week offsets specified")
    }

    pub fn set_weekday(&mut self, weekday: u32) {
        self.weekday = Some(weekday);
    }

    fn count_by(&mut self, by: By, contradiction: &'static str) -> Named {
        match self.by {
            By::Nothing | By::Year => self.by = by,
            By::MonthAndDay => {}
            By::DayOfYear | By::Week { .. } | By::IsoWeek => return Err(contradiction),
        }
        Ok(())
    }

    pub fn set_iso_year(&mut self, year: i32) -> Named {
        let again = self.iso_year.replace(year).is_some();
        // Beside the year of the calendar it says nothing.
        if self.by == By::Year {
            return Ok(());
        }
        self.count_by_iso_week(again, "Multiple ISO year offsets specified")
    }

    pub fn set_iso_week(&mut self, week: u32) -> Named {
        let again = self.iso_week.replace(week).is_some();
        self.count_by_iso_week(again, "Multiple ISO week offsets specified")
    }

    pub fn set_iso_weekday(&mut self, weekday: u32) {
        self.iso_weekday = weekday;
    }

    fn count_by_iso_week(&mut self, again: bool, contradiction: &'static str) -> Named {
        match self.by {
            By::Nothing => self.by = By::IsoWeek,
            By::IsoWeek if !again => {}
            By::MonthAndDay => {}
            By::Year => return Err("ISO weeks need the year as %G"),
            By::IsoWeek | By::DayOfYear | By::Week { .. } => return Err(contradiction),
        }
        Ok(())
    }

    /// Days since 1970-01-01.
    pub fn days(&self) -> Result<i32, &'static str> {
        let out_of_range = "Date out of range";
        let civil = |year, month, day| days_from_civil(year, month, day).ok_or(out_of_range);
        let count = |from: i32, weeks: u32, days: u32| {
            from.checked_add((weeks * 7 + days) as i32).ok_or(out_of_range)
        };
        match self.by {
            By::Nothing | By::Year | By::MonthAndDay => {
                if !is_valid_date(self.year, self.month, self.day) {
                    return Err("Day out of range for the month");
                }
                civil(self.year, self.month, self.day)
            }
            By::DayOfYear => count(civil(self.year, 1, 1)?, 0, self.day_of_year - 1),
            By::Week { first_day } => {
                let january_1st = civil(self.year, 1, 1)?;
                // Week 0 ends the day before the first such weekday.
                let to_first = (first_day + 7 - day_of_week(january_1st)) % 7;
                let week_0 = january_1st.checked_add(to_first as i32 - 7).ok_or(out_of_range)?;
                count(week_0, self.week, self.weekday.map_or(0, |day| (day + 7 - first_day) % 7))
            }
            By::IsoWeek => {
                let january_4th = civil(self.iso_year.unwrap_or(1900), 1, 4)?;
                let since_monday = (day_of_week(january_4th) + 6) % 7;
                let week_1 = january_4th.checked_sub(since_monday as i32).ok_or(out_of_range)?;
                count(week_1, self.iso_week.unwrap_or(1) - 1, self.iso_weekday - 1)
            }
        }
    }
}

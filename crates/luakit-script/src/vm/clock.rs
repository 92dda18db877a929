//! The `os` library: a clock that stands still at `SOURCE_DATE_EPOCH`, in UTC, and build arguments as the
//! environment.

use std::rc::Rc;

use mlua::{Lua, LuaString, Table, Value};

use crate::build::Build;
use crate::error::CallError;

const DAY: i64 = 86_400;
/// Some 30 million years either way: enough, and no sum of dates overflows.
const FARTHEST: f64 = 1e15;

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The `os` table, without what is forbidden.
pub(super) fn library(lua: &Lua, build: &Rc<Build>) -> mlua::Result<Table> {
    let os = lua.create_table()?;
    os.raw_set("clock", lua.create_function(|_, ()| Ok(0.0))?)?;
    os.raw_set(
        "difftime",
        lua.create_function(|_, (a, b): (f64, Option<f64>)| Ok(a - b.unwrap_or(0.0)))?,
    )?;
    let args = Rc::clone(build);
    os.raw_set(
        "getenv",
        lua.create_function(move |lua, name: LuaString| {
            let Ok(name) = name.to_str() else {
                return Ok(None);
            };
            args.arg(&name).map(|value| lua.create_string(value)).transpose()
        })?,
    )?;
    let now = Rc::clone(build);
    os.raw_set(
        "time",
        lua.create_function(move |_, table: Option<Table>| match table {
            None => epoch(&now),
            Some(table) => from_table(&table),
        })?,
    )?;
    let now = Rc::clone(build);
    os.raw_set(
        "date",
        lua.create_function(move |lua, (format, time): (Option<LuaString>, Option<f64>)| {
            let time = match time {
                Some(time) => whole(time, "time")?,
                None => epoch(&now)?,
            };
            let format = format.map_or_else(|| b"%c".to_vec(), |f| f.as_bytes().to_vec());
            let format = format.strip_prefix(b"!").unwrap_or(&format);
            let date = Date::at(time);
            if format.starts_with(b"*t") {
                return date.table(lua).map(Value::Table);
            }
            let mut out = Vec::new();
            date.format(format, &mut out)?;
            lua.create_string(out).map(Value::String)
        })?,
    )?;
    Ok(os)
}

/// What the time is: the build argument `SOURCE_DATE_EPOCH`, or the epoch itself.
fn epoch(build: &Build) -> mlua::Result<i64> {
    let Some(text) = build.arg("SOURCE_DATE_EPOCH") else {
        return Ok(0);
    };
    if text.is_empty() {
        return Ok(0);
    }
    #[allow(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    let limit = FARTHEST as i64;
    text.parse::<i64>()
        .ok()
        .filter(|t| (-limit..=limit).contains(t))
        .ok_or_else(|| {
            CallError::new(
                "invalid-argument",
                format!("build argument `SOURCE_DATE_EPOCH` must be a whole number of seconds, got `{text}`"),
            )
            .into()
        })
}

#[allow(clippy::cast_possible_truncation, reason = "checked against the range just before")]
fn whole(number: f64, what: &str) -> mlua::Result<i64> {
    if number.is_finite() && number.abs() <= FARTHEST {
        Ok(number.floor() as i64)
    } else {
        Err(mlua::Error::runtime(format!("{what} is out of range")))
    }
}

fn from_table(table: &Table) -> mlua::Result<i64> {
    let field = |name: &str, default: Option<i64>| -> mlua::Result<i64> {
        match table.get::<Value>(name)? {
            Value::Nil => default.ok_or_else(|| mlua::Error::runtime(format!("field '{name}' missing in date table"))),
            value => match number(&value) {
                // Dates count in years, so this bound keeps every product within range.
                Some(number) if number.abs() <= 1e10 => whole(number, name),
                Some(_) => Err(mlua::Error::runtime(format!("field '{name}' is out-of-bound"))),
                None => Err(mlua::Error::runtime(format!("field '{name}' is not an integer"))),
            },
        }
    };
    let (year, month) = (field("year", None)?, field("month", None)? - 1);
    let days = days_from_civil(year + month.div_euclid(12), month.rem_euclid(12) + 1, 1) + field("day", None)? - 1;
    let seconds = field("hour", Some(12))? * 3600 + field("min", Some(0))? * 60 + field("sec", Some(0))?;
    let time = days.checked_mul(DAY).and_then(|d| d.checked_add(seconds));
    time.ok_or_else(|| mlua::Error::runtime("time is out of range"))
}

#[allow(clippy::cast_precision_loss, reason = "dates are far smaller")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        Value::String(text) => text.to_str().ok()?.trim().parse().ok(),
        _ => None,
    }
}

/// Days since 1970-01-01 of a day in the Gregorian calendar, `month` from 1 to 12.
/// <https://howardhinnant.github.io/date_algorithms.html>
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

struct Date {
    time: i64,
    year: i64,
    /// From 1.
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    /// From 0, which is Sunday.
    weekday: i64,
    /// From 0.
    yearday: i64,
}

impl Date {
    fn at(time: i64) -> Self {
        let (days, second) = (time.div_euclid(DAY), time.rem_euclid(DAY));
        let shifted = days + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let month = (shifted_month + 2) % 12 + 1;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            time,
            year,
            month,
            day: of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            weekday: (days + 4).rem_euclid(7),
            yearday: days - days_from_civil(year, 1, 1),
        }
    }

    fn table(&self, lua: &Lua) -> mlua::Result<Table> {
        let table = lua.create_table()?;
        let fields = [
            ("year", self.year),
            ("month", self.month),
            ("day", self.day),
            ("hour", self.hour),
            ("min", self.minute),
            ("sec", self.second),
            ("wday", self.weekday + 1),
            ("yday", self.yearday + 1),
        ];
        for (name, value) in fields {
            table.raw_set(name, value)?;
        }
        table.raw_set("isdst", false)?;
        Ok(table)
    }

    /// `strftime` in the C locale, in UTC.
    fn format(&self, format: &[u8], out: &mut Vec<u8>) -> mlua::Result<()> {
        let mut rest = format.iter();
        while let Some(byte) = rest.next() {
            if *byte != b'%' {
                out.push(*byte);
                continue;
            }
            let Some(specifier) = rest.next() else {
                return Err(mlua::Error::runtime("invalid conversion specifier '%' in date format"));
            };
            self.specifier(*specifier, out)?;
        }
        Ok(())
    }

    fn specifier(&self, specifier: u8, out: &mut Vec<u8>) -> mlua::Result<()> {
        let weekday = name(&WEEKDAYS, self.weekday);
        let month = name(&MONTHS, self.month - 1);
        let short = |s: &str| s.chars().take(3).collect::<String>();
        let twelve = (self.hour + 11) % 12 + 1;
        let (iso_year, iso_week) = self.iso_week();
        let text = match specifier {
            b'a' => short(weekday),
            b'A' => weekday.to_owned(),
            b'b' | b'h' => short(month),
            b'B' => month.to_owned(),
            b'c' => return self.format(b"%a %b %e %H:%M:%S %Y", out),
            b'C' => format!("{:02}", self.year.div_euclid(100)),
            b'd' => format!("{:02}", self.day),
            b'D' | b'x' => return self.format(b"%m/%d/%y", out),
            b'e' => format!("{:2}", self.day),
            b'F' => return self.format(b"%Y-%m-%d", out),
            b'g' => format!("{:02}", iso_year.rem_euclid(100)),
            b'G' => iso_year.to_string(),
            b'H' => format!("{:02}", self.hour),
            b'I' => format!("{twelve:02}"),
            b'j' => format!("{:03}", self.yearday + 1),
            b'm' => format!("{:02}", self.month),
            b'M' => format!("{:02}", self.minute),
            b'n' => "\n".to_owned(),
            b'p' => if self.hour < 12 { "AM" } else { "PM" }.to_owned(),
            b'r' => return self.format(b"%I:%M:%S %p", out),
            b'R' => return self.format(b"%H:%M", out),
            b's' => self.time.to_string(),
            b'S' => format!("{:02}", self.second),
            b't' => "\t".to_owned(),
            b'T' | b'X' => return self.format(b"%H:%M:%S", out),
            b'u' => ((self.weekday + 6) % 7 + 1).to_string(),
            b'U' => format!("{:02}", (self.yearday + 7 - self.weekday) / 7),
            b'V' => format!("{iso_week:02}"),
            b'w' => self.weekday.to_string(),
            b'W' => format!("{:02}", (self.yearday + 7 - (self.weekday + 6) % 7) / 7),
            b'y' => format!("{:02}", self.year.rem_euclid(100)),
            b'Y' => self.year.to_string(),
            b'z' => "+0000".to_owned(),
            b'Z' => "UTC".to_owned(),
            b'%' => "%".to_owned(),
            other => {
                let shown = char::from(other).escape_default();
                let message = format!("invalid conversion specifier '%{shown}' in date format");
                return Err(mlua::Error::runtime(message));
            }
        };
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// The ISO 8601 year and week: the week belongs to the year that its Thursday lies in.
    fn iso_week(&self) -> (i64, i64) {
        let thursday = self.yearday - (self.weekday + 6) % 7 + 3;
        let length = |year| days_from_civil(year + 1, 1, 1) - days_from_civil(year, 1, 1);
        if thursday < 0 {
            (self.year - 1, (thursday + length(self.year - 1)) / 7 + 1)
        } else if thursday >= length(self.year) {
            (self.year + 1, (thursday - length(self.year)) / 7 + 1)
        } else {
            (self.year, thursday / 7 + 1)
        }
    }
}

fn name<'a>(names: &[&'a str], index: i64) -> &'a str {
    usize::try_from(index)
        .ok()
        .and_then(|i| names.get(i).copied())
        .unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::{Date, days_from_civil};

    fn date(time: i64, format: &str) -> String {
        let mut out = Vec::new();
        Date::at(time)
            .format(format.as_bytes(), &mut out)
            .expect("a valid format");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn formats_as_the_c_library_does() {
        // Expected values are from `date -u -d @TIME` of GNU coreutils.
        assert_eq!(
            date(0, "%c|%x|%X|%p|%j|%U|%W|%V|%G"),
            "Thu Jan  1 00:00:00 1970|01/01/70|00:00:00|AM|001|00|00|01|1970"
        );
        assert_eq!(
            date(1_704_067_199, "%F %T %A %B %I %U %W %V %G %u"),
            "2023-12-31 23:59:59 Sunday December 11 53 52 52 2023 7"
        );
        assert_eq!(
            date(1_709_210_096, "%a %d %b %Y %j %e %y %C %U %W %V"),
            "Thu 29 Feb 2024 060 29 24 20 08 09 09"
        );
        assert_eq!(date(-1, "%F %T"), "1969-12-31 23:59:59");
        assert_eq!(date(1_609_459_200, "%G-W%V-%u %Z%z%%"), "2020-W53-5 UTC+0000%");
    }

    #[test]
    fn days_and_dates_agree() {
        for day in (-1_000_000..1_000_000).step_by(97) {
            let date = Date::at(day * 86_400);
            assert_eq!(days_from_civil(date.year, date.month, date.day), day);
        }
    }
}

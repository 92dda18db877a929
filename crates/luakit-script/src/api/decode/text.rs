//! Text that means something: modes, owners, sizes, times, durations, ports, signals.
//!
//! Pure functions. Each error is the end of a sentence that starts with where the text stands
//! (`mode must be …`), with a hint where one helps.

use luakit_llb::op::{Mode, Owner, OwnerId};

use crate::size::{SizeError, parse_size};

/// What is wrong with a text, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A text in double quotes on one line, cut when it is long.
pub(in crate::api) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    let mut shown: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    // `escape_debug` escapes both kinds of quotes; only the double ones need it here.
    shown = shown.replace("\\'", "'");
    if text.chars().count() > MOST {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

/// A number as Lua prints it when it is whole and exact.
pub(in crate::api) fn number_text(number: f64) -> Option<String> {
    #[allow(clippy::cast_possible_truncation, reason = "it is whole, and its size was checked")]
    (number.fract() == 0.0 && number.abs() < 1e15).then(|| format!("{}", number as i64))
}

/// A mode in digits, as `chmod` reads its argument: each digit is octal, whether the script wrote a number
/// or a string.
fn octal_digits(digits: &str, most: u32) -> Result<u32, Wrong> {
    let shown = quoted(digits);
    let shown = shown.trim_matches('"');
    if let Some(bad) = digits.bytes().find(|b| matches!(b, b'8' | b'9')) {
        return Err(Wrong::new(format!(
            "must have octal digits, 0 to 7: `{shown}` has `{}`",
            char::from(bad)
        ))
        .hint("a mode is read digit by digit, as chmod does: `0755` and `755` are rwxr-xr-x; a number that was computed in decimal is not"));
    }
    let value = u32::from_str_radix(digits, 8).ok().filter(|bits| *bits <= 0o7777);
    match value {
        None => Err(Wrong::new(format!(
            "must be at most four octal digits, got `{shown}`"
        ))),
        Some(bits) if bits > most => Err(Wrong::new(format!(
            "must be permission bits alone, up to 0777: `{shown}` has setuid, setgid or sticky, which BuildKit drops here"
        ))
        .hint("set them with run: `chmod u+s …`")),
        Some(bits) => Ok(bits),
    }
}

/// A mode of copied files.
pub(super) fn mode(text: &str) -> Result<Mode, Wrong> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return octal_digits(text, 0o7777).map(Mode::Bits);
    }
    if is_symbolic(text) {
        return Ok(Mode::Symbolic(text.to_owned()));
    }
    Err(not_a_mode(text))
}

/// Permission bits of a file that is made.
pub(super) fn permissions(text: &str) -> Result<u32, Wrong> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return octal_digits(text, 0o777);
    }
    if is_symbolic(text) {
        return Err(Wrong::new(format!(
            "must be octal digits here, got the symbolic mode {}",
            quoted(text)
        ))
        .hint("a symbolic mode changes a mode that is there; only copy takes one"));
    }
    Err(not_a_mode(text))
}

fn not_a_mode(text: &str) -> Wrong {
    let wrong = Wrong::new(format!(
        "must be a mode such as \"0755\" or \"u+x\", got {}",
        quoted(text)
    ));
    if text.starts_with("0o") || text.starts_with("0x") {
        return wrong.hint("write the octal digits alone: \"0755\"");
    }
    wrong
}

/// chmod's symbolic form: `[ugoa]*([-+=][rwxXst]*)+`, with commas between.
fn is_symbolic(text: &str) -> bool {
    text.split(',').all(|clause| {
        let rest = clause.trim_start_matches(['u', 'g', 'o', 'a']);
        rest.starts_with(['-', '+', '=']) && rest.chars().all(|c| "-+=rwxXstugo".contains(c))
    })
}

/// Whom processes run as: `user` or `user:group`, in names or in numbers.
pub(super) fn user_name(text: String) -> Result<String, Wrong> {
    let wrong = |hint| Wrong::new(format!("must be \"user\" or \"user:group\", got {}", quoted(&text))).hint(hint);
    if text.chars().any(is_no_name) {
        return Err(wrong("no user or group has a blank in its name"));
    }
    match text.split_once(':') {
        Some((_, "")) => Err(wrong("leave out the `:`, or name the group after it")),
        Some((_, group)) if group.contains(':') => Err(wrong("there is one user and one group")),
        _ => Ok(text),
    }
}

/// What no user's and no group's name holds.
fn is_no_name(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// `user`, `user:group`, `:group`; digits are ids, `root` is 0.
pub(super) fn owner(text: &str) -> Result<Owner, Wrong> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    if (user.is_empty() && group.is_none_or(str::is_empty)) || group.is_some_and(|g| g.is_empty() || g.contains(':')) {
        return Err(Wrong::new(format!(
            "must be \"user\" or \"user:group\", got {}",
            quoted(text)
        )));
    }
    let user = if user.is_empty() { None } else { Some(owner_id(user)?) };
    Ok(Owner {
        user,
        group: group.map(owner_id).transpose()?,
    })
}

/// A user or a group: digits are an id, `root` is 0 as BuildKit's client has it.
pub(super) fn owner_id(text: &str) -> Result<OwnerId, Wrong> {
    if text == "root" {
        return Ok(OwnerId::Id(0));
    }
    if text.contains(':') || text.chars().any(is_no_name) {
        return Err(Wrong::new(format!(
            "must be a user's or a group's name or number, got {}",
            quoted(text)
        ))
        .hint("it has no blank and no `:` in it: a user and a group are \"user:group\" or { user =, group = }"));
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(OwnerId::Name(text.to_owned()));
    }
    match text.parse() {
        Ok(id) => Ok(OwnerId::Id(id)),
        Err(_) => Err(Wrong::new(format!("must have ids below 2^32, got {}", quoted(text)))),
    }
}

/// A size, as Docker reads it.
pub(super) fn size(text: &str) -> Result<i64, Wrong> {
    parse_size(text).map_err(|error| {
        Wrong::new(match error {
            SizeError::Malformed => format!("{error}, got {}", quoted(text)),
            SizeError::TooLarge => format!("{error}: {}", quoted(text)),
        })
    })
}

/// Go's `time.ParseDuration` for what is not negative: `30s`, `1m30s`, `1.5h`, `500ms`. Nanoseconds.
pub(super) fn duration(text: &str) -> Result<i64, Wrong> {
    let wrong = || {
        Wrong::new(format!(
            "must be a number of seconds or a duration such as \"30s\" or \"1m30s\", got {}",
            quoted(text)
        ))
    };
    if text == "0" {
        return Ok(0);
    }
    let mut rest = text;
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return Err(wrong()),
        };
        total += number * scale;
        rest = after;
    }
    if text.is_empty() {
        return Err(wrong());
    }
    nanoseconds(total).ok_or_else(|| Wrong::new(format!("is too long: {}", quoted(text))))
}

/// Nanoseconds that an `i64` holds.
pub(super) fn nanoseconds(value: f64) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "its size is checked")]
    (0.0..9.2e18).contains(&value).then(|| value.round() as i64)
}

/// RFC 3339, from 1970 on, in nanoseconds.
pub(super) fn time(text: &str) -> Result<i64, Wrong> {
    let wrong = || {
        Wrong::new(format!(
            "must be Unix seconds or RFC 3339 such as \"2024-01-02T03:04:05Z\", got {}",
            quoted(text)
        ))
    };
    let seconds = rfc3339(text).ok_or_else(wrong)?;
    let nanos = i64::try_from(seconds.0)
        .ok()
        .and_then(|s| s.checked_mul(1_000_000_000))
        .and_then(|n| n.checked_add(seconds.1));
    match nanos {
        Some(nanos) if nanos >= 0 => Ok(nanos),
        _ => Err(Wrong::new(format!(
            "must be between 1970 and 2262, got {}",
            quoted(text)
        ))),
    }
}

/// Seconds since 1970 and nanoseconds.
fn rfc3339(text: &str) -> Option<(i128, i64)> {
    let digits = |range: std::ops::Range<usize>| -> Option<i64> {
        let part = text.get(range)?;
        if !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        part.parse().ok()
    };
    let is = |place: usize, any: &[u8]| text.as_bytes().get(place).is_some_and(|b| any.contains(b));
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
    let separated = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
    if !separated || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.find(|c: char| !c.is_ascii_digit())?;
        let (fraction, after) = fraction.split_at(end);
        if fraction.is_empty() {
            return None;
        }
        let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        nanos = nine.parse().ok()?;
        rest = after;
    }
    let offset = offset_minutes(rest)?;
    // Days since 1970 by the civil calendar (Howard Hinnant's `days_from_civil`).
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset * 60;
    Some((i128::from(seconds), nanos))
}

/// `Z`, `+02:00`.
fn offset_minutes(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let two = |part: &str| -> Option<i64> {
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse().ok())
            .flatten()
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

/// A port of an image's config, or a range of them, as `EXPOSE` takes it.
pub(super) fn ports(text: &str) -> Result<Vec<String>, Wrong> {
    let wrong = |why: &str| {
        Wrong::new(format!(
            "must be a port such as \"8080\" or \"8080/tcp\", got {}{why}",
            quoted(text)
        ))
    };
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(wrong(": the protocol must be tcp, udp or sctp"));
    }
    let port = |part: &str| -> Result<u16, Wrong> {
        if ports.contains(':') {
            return Err(wrong(
                ": an image exposes its own ports, and knows nothing of the host's",
            ));
        }
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        match part.parse::<u16>() {
            Ok(port) if digits && port > 0 => Ok(port),
            _ if digits => Err(wrong(": a port is between 1 and 65535")),
            _ => Err(wrong("")),
        }
    };
    let (first, last) = match ports.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(ports)?, port(ports)?),
    };
    if first > last {
        return Err(wrong(": the range is empty"));
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

/// A signal by name, with or without `SIG`, or by number.
pub(super) fn signal(text: &str) -> Result<String, Wrong> {
    let upper = text.to_ascii_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u8>().is_ok_and(|n| (1..=64).contains(&n));
    if number || SIGNALS.contains(&bare) || is_realtime(bare) {
        return Ok(text.to_owned());
    }
    let wrong = Wrong::new(format!("must be a signal such as \"SIGTERM\", got {}", quoted(text)));
    Err(match luakit_diagnostic::nearest(bare, SIGNALS.iter().copied()) {
        Some(near) => wrong.hint(format!("did you mean `SIG{near}`?")),
        None => wrong,
    })
}

fn is_realtime(name: &str) -> bool {
    let steps = |text: &str| text.is_empty() || text.get(1..).is_some_and(|n| n.parse::<u8>().is_ok_and(|n| n <= 15));
    name.strip_prefix("RTMIN")
        .is_some_and(|rest| (rest.is_empty() || rest.starts_with('+')) && steps(rest))
        || name
            .strip_prefix("RTMAX")
            .is_some_and(|rest| (rest.is_empty() || rest.starts_with('-')) && steps(rest))
}

const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<T: std::fmt::Debug>(result: Result<T, Wrong>) -> String {
        match result {
            Ok(value) => format!("{value:?}"),
            Err(wrong) => wrong.what,
        }
    }

    #[test]
    fn times_are_rfc_3339() {
        let check = |text, expect: &str| assert_eq!(shown(time(text)), expect, "{text}");
        check("1970-01-01T00:00:00Z", "0");
        check("2024-01-02T03:04:05Z", "1704164645000000000");
        check("2024-02-29T23:59:59.5+02:00", "1709243999500000000");
        check("2000-03-01 00:00:00z", "951868800000000000");
        for bad in [
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00+2:00",
            "",
            "24-01-01T00:00:00Z",
            "２０24-01-01T00:00:00Z",
        ] {
            assert!(time(bad).is_err(), "{bad}");
        }
        check(
            "1969-12-31T23:59:59Z",
            "must be between 1970 and 2262, got \"1969-12-31T23:59:59Z\"",
        );
        check(
            "9999-01-01T00:00:00Z",
            "must be between 1970 and 2262, got \"9999-01-01T00:00:00Z\"",
        );
    }

    #[test]
    fn durations_are_gos() {
        let check = |text, expect: &str| assert_eq!(shown(duration(text)), expect, "{text}");
        check("30s", "30000000000");
        check("1m30s", "90000000000");
        check("1.5h", "5400000000000");
        check("500ms", "500000000");
        check("0", "0");
        for bad in ["", "30", "s", "-1s", "1d", "1s2", ".", "1e3s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ports_and_signals_and_modes() {
        assert_eq!(shown(ports("8080")), r#"["8080/tcp"]"#);
        assert_eq!(shown(ports("53/UDP")), r#"["53/udp"]"#);
        assert_eq!(shown(ports("80-82/tcp")), r#"["80/tcp", "81/tcp", "82/tcp"]"#);
        for bad in ["", "0", "65536", "80:80", "http", "80/x", "82-80", "80-", "-1", "+80"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
        for good in ["SIGTERM", "term", "9", "SIGRTMIN+3", "RTMAX-1"] {
            assert!(signal(good).is_ok(), "{good}");
        }
        for bad in ["", "SIG", "0", "65", "SIGTEM", "RTMIN-1", "RTMIN+", "-1"] {
            assert!(signal(bad).is_err(), "{bad}");
        }
        for good in ["u+x", "+x", "u+x,g=rw,o-w", "a=rX", "g=u", "u=rwx,go=rx", "u+s-x"] {
            assert!(mode(good).is_ok(), "{good}");
        }
        for bad in ["", "x", "u", "u+x,", "0o755", "rwxr-xr-x", "12345", "-1", "07 55"] {
            assert!(mode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn owners() {
        assert_eq!(
            shown(owner("1000:staff")),
            r#"Owner { user: Some(Id(1000)), group: Some(Name("staff")) }"#
        );
        assert_eq!(shown(owner(":5")), "Owner { user: None, group: Some(Id(5)) }");
        for bad in ["", ":", "a:", "a:b:c", "4294967296"] {
            assert!(owner(bad).is_err(), "{bad}");
        }
    }
}

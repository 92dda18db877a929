//! `NAME=SOFT[:HARD]`: a limit on what a process may use, as Docker writes it
//! (<https://github.com/docker/go-units/blob/master/ulimit.go>).

use luakit_diagnostic::nearest;
use luakit_llb::op::Ulimit;

/// Reads one limit. Without a hard one, both are the same; -1 is none.
pub fn parse(text: &str) -> Result<Ulimit, String> {
    let Some((name, limits)) = text.split_once('=') else {
        return Err("it must be NAME=SOFT[:HARD], as in `nofile=1024:2048`".to_owned());
    };
    if !Ulimit::NAMES.contains(&name) {
        let near = nearest(name, Ulimit::NAMES.iter().copied());
        return Err(match near {
            Some(near) => format!("unknown limit `{name}`; did you mean `{near}`?"),
            None => format!("unknown limit `{name}`: it must be one of {}", Ulimit::NAMES.join(", ")),
        });
    }
    let number = |text: &str| match text.parse::<i64>() {
        Ok(number) if number >= -1 => Ok(number),
        _ => Err(format!(
            "`{text}` is no limit: it must be a whole number, and -1 is none"
        )),
    };
    let (soft, hard) = match limits.split_once(':') {
        Some((soft, hard)) => (number(soft)?, number(hard)?),
        None => (number(limits)?, number(limits)?),
    };
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err(format!("the soft limit {soft} is above the hard one, {hard}"));
    }
    Ok(Ulimit {
        name: name.to_owned(),
        soft,
        hard,
    })
}

/// The limits sorted by name; of several for one name the last counts.
pub fn by_name(given: &[Ulimit]) -> Vec<Ulimit> {
    let mut limits: Vec<Ulimit> = Vec::new();
    for limit in given {
        limits.retain(|present| present.name != limit.name);
        limits.push(limit.clone());
    }
    limits.sort_by(|a, b| a.name.cmp(&b.name));
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_docker() {
        let texts = [
            "nofile=1024:2048",
            "nofile=1024",
            "core=-1",
            "core=0:-1",
            "nofile",
            "nofiles=1",
            "x=1",
            "nofile=many",
            "nofile=-2",
            "nofile=2:1",
            "nofile=-1:5",
            "nofile=1:2:3",
        ];
        let said = texts.map(|text| match parse(text) {
            Ok(limit) => format!("{text} -> {} {} {}", limit.name, limit.soft, limit.hard),
            Err(error) => format!("{text} -> {error}"),
        });
        insta::assert_snapshot!(said.join("\n"), @"
        nofile=1024:2048 -> nofile 1024 2048
        nofile=1024 -> nofile 1024 1024
        core=-1 -> core -1 -1
        core=0:-1 -> core 0 -1
        nofile -> it must be NAME=SOFT[:HARD], as in `nofile=1024:2048`
        nofiles=1 -> unknown limit `nofiles`; did you mean `nofile`?
        x=1 -> unknown limit `x`: it must be one of as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack
        nofile=many -> `many` is no limit: it must be a whole number, and -1 is none
        nofile=-2 -> `-2` is no limit: it must be a whole number, and -1 is none
        nofile=2:1 -> the soft limit 2 is above the hard one, 1
        nofile=-1:5 -> the soft limit -1 is above the hard one, 5
        nofile=1:2:3 -> `2:3` is no limit: it must be a whole number, and -1 is none
        ");
    }

    #[test]
    fn the_last_of_a_name_counts() {
        let given = ["nproc=1", "core=2", "nproc=3"].map(|text| parse(text).unwrap());
        let limits: Vec<_> = by_name(&given).into_iter().map(|l| (l.name, l.soft)).collect();
        assert_eq!(limits, [("core".to_owned(), 2), ("nproc".to_owned(), 3)]);
    }
}

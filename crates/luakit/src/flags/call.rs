//! `--call METHOD[,format=json][,ignorestatus=BOOL]`: what is asked instead of a build, as docker buildx reads it
//! (<https://github.com/docker/buildx/blob/master/util/buildflags/callfunc.go>).

use luakit_diagnostic::nearest;
use luakit_frontend::subrequest::Request;
use luakit_frontend::values::{csv, parse_bool};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// `None` is a build.
    pub(crate) request: Option<Request>,
    /// Whether the answer is for a program.
    pub(crate) json: bool,
    /// Whether the exit code doesn't say what was found.
    pub(crate) ignore_status: bool,
}

impl Call {
    /// A check, told to people.
    pub(crate) const CHECK: Self = Self {
        request: Some(Request::Lint),
        json: false,
        ignore_status: false,
    };
}

/// The methods, and what they ask; those that are shown in messages first.
const METHODS: &[(&str, Option<Request>)] = &[
    ("build", None),
    ("check", Some(Request::Lint)),
    ("outline", Some(Request::Outline)),
    ("targets", Some(Request::Targets)),
    ("lint", Some(Request::Lint)),
    ("subrequests.describe", Some(Request::Describe)),
];

/// Reads a call.
pub(crate) fn parse(text: &str) -> Result<Call, String> {
    let mut method = None;
    let (mut json, mut ignore_status) = (false, false);
    for field in csv::fields(text)? {
        match field.split_once('=') {
            None if method.is_some() => return Err(format!("`{field}` is a second method")),
            None => method = Some(self::method(&field)?),
            Some(("format", "json")) => json = true,
            Some(("format", "" | "text")) => json = false,
            Some(("format", other)) => return Err(format!("unknown format `{other}`: it must be `json` or `text`")),
            Some(("ignorestatus", value)) => {
                ignore_status = parse_bool(value).ok_or_else(|| format!("`{field}` must be `true` or `false`"))?;
            }
            Some((key, _)) => return Err(format!("unknown field `{key}`: there are `format` and `ignorestatus`")),
        }
    }
    Ok(Call {
        request: method.ok_or("it names no method, as `check` or `outline`")?,
        json,
        ignore_status,
    })
}

fn method(name: &str) -> Result<Option<Request>, String> {
    let known = METHODS.iter().find(|(known, _)| *known == name);
    known
        .map(|(_, request)| *request)
        .ok_or_else(|| match nearest(name, METHODS.iter().map(|(known, _)| *known)) {
            Some(near) => format!("unknown method `{name}`; did you mean `{near}`?"),
            None => format!("unknown method `{name}`: it must be `build`, `check`, `outline` or `targets`"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_those_of_buildx() {
        let texts = [
            "build",
            "check",
            "lint",
            "outline,format=json",
            "format=json,targets",
            "check,ignorestatus=true",
            "subrequests.describe",
            "",
            "outlin",
            "x",
            "check,targets",
            "check,format=xml",
            "check,ignorestatus=perhaps",
            "check,fromat=json",
            "format=json",
        ];
        let said = texts.map(|text| match parse(text) {
            Ok(call) => format!("{text} -> {:?} {} {}", call.request, call.json, call.ignore_status),
            Err(error) => format!("{text} -> {error}"),
        });
        insta::assert_snapshot!(said.join("\n"), @"
        build -> None false false
        check -> Some(Lint) false false
        lint -> Some(Lint) false false
        outline,format=json -> Some(Outline) true false
        format=json,targets -> Some(Targets) true false
        check,ignorestatus=true -> Some(Lint) false true
        subrequests.describe -> Some(Describe) false false
         -> unknown method ``: it must be `build`, `check`, `outline` or `targets`
        outlin -> unknown method `outlin`; did you mean `outline`?
        x -> unknown method `x`: it must be `build`, `check`, `outline` or `targets`
        check,targets -> `targets` is a second method
        check,format=xml -> unknown format `xml`: it must be `json` or `text`
        check,ignorestatus=perhaps -> `ignorestatus=perhaps` must be `true` or `false`
        check,fromat=json -> unknown field `fromat`: there are `format` and `ignorestatus`
        format=json -> it names no method, as `check` or `outline`
        ");
    }
}

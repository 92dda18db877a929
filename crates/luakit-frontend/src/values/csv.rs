//! Fields separated by commas, as Docker's flags and the options of frontends have them: one record of CSV (RFC 4180). A field in double quotes may
//! hold commas, and a quote in it is written twice: `type=image,"name=a,b"`.
//!
//! Fields may be secret, so errors name them by their number.

/// The fields of one value.
pub fn fields(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted),
            None => plain_field(rest),
        }
        .map_err(|what| format!("field {} {what}", fields.len() + 1))?;
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// A field as it is written: in quotes if it needs them.
pub fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

/// A field without quotes, and what follows its comma.
fn plain_field(text: &str) -> Result<(String, Option<&str>), &'static str> {
    let (field, after) = match text.split_once(',') {
        Some((field, after)) => (field, Some(after)),
        None => (text, None),
    };
    if field.contains('"') {
        return Err("has a quote inside: quotes go around the whole field, as in `\"KEY=a,b\"`");
    }
    Ok((field.to_owned(), after))
}

/// A field whose opening quote is read already, and what follows its comma.
fn quoted_field(text: &str) -> Result<(String, Option<&str>), &'static str> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err("begins with a quote that is never closed");
        };
        field.push_str(before);
        if let Some(after) = after.strip_prefix('"') {
            field.push('"');
            rest = after;
        } else if after.is_empty() {
            return Ok((field, None));
        } else if let Some(after) = after.strip_prefix(',') {
            return Ok((field, Some(after)));
        } else {
            return Err("is in quotes, and no comma follows it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_record() {
        let read = |text| fields(text).map_or_else(|e| e, |fields| format!("{fields:?}"));
        let texts = [
            "a=1,b=2",
            "a",
            "",
            "a,,b",
            r#""a=1,2",b"#,
            r#""a=""x""""#,
            r#"a="1,2""#,
            r#""a"#,
            r#"b,"a"b"#,
        ];
        let lines = texts.map(|text| format!("{text} -> {}", read(text)));
        insta::assert_snapshot!(lines.join("\n"), @r#"
        a=1,b=2 -> ["a=1", "b=2"]
        a -> ["a"]
         -> [""]
        a,,b -> ["a", "", "b"]
        "a=1,2",b -> ["a=1,2", "b"]
        "a=""x""" -> ["a=\"x\""]
        a="1,2" -> field 1 has a quote inside: quotes go around the whole field, as in `"KEY=a,b"`
        "a -> field 1 begins with a quote that is never closed
        b,"a"b -> field 2 is in quotes, and no comma follows it
        "#);
    }
}

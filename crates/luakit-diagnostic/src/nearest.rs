//! The name that was probably meant.

/// The candidate nearest to `name`, if one is near enough that a typing slip explains the difference.
/// Of equally near ones it is the first in the order given.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        if candidate == name {
            continue;
        }
        let score = closeness(&lower, &candidate.to_lowercase());
        if score > best.map_or(0.0, |(s, _)| s) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// 0 is "no", more is nearer.
#[allow(clippy::cast_precision_loss, reason = "names are short")]
fn closeness(name: &str, candidate: &str) -> f64 {
    let separators = |s: &str| s.replace(['_', '-'], "");
    if name == candidate || separators(name) == separators(candidate) {
        return 100.0;
    }
    let length = name.chars().count().max(candidate.chars().count());
    let distance = strsim::damerau_levenshtein(name, candidate);
    // One slip in a short name, about one in three characters of a long one.
    let allowed = if length <= 3 { 1 } else { length.div_ceil(3) };
    if distance <= allowed && distance < length {
        return 10.0 - distance as f64 + strsim::jaro_winkler(name, candidate);
    }
    // A common start tells an abbreviation or its opposite: `enviroment` for `env`.
    let shorter = name.chars().count().min(candidate.chars().count());
    if shorter >= 3 && (name.starts_with(candidate) || candidate.starts_with(name)) {
        return 1.0 / length as f64;
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_abbreviations_and_spellings() {
        let options = [
            "env",
            "cwd",
            "user",
            "mounts",
            "network",
            "platform",
            "include_patterns",
        ];
        let check = |name, expect| assert_eq!(nearest(name, options), expect, "{name}");
        check("enviroment", Some("env"));
        check("plattform", Some("platform"));
        check("mount", Some("mounts"));
        check("includePatterns", Some("include_patterns"));
        check("CWD", Some("cwd"));
        check("pwd", Some("cwd"));
        check("frobnicate", None);
        check("x", None);
        check("", None);
    }
}

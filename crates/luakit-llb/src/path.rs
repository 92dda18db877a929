//! Slash-separated paths, cleaned and joined as Go's `path` package does: BuildKit's client joins with it.

/// Go's `path.Clean`: `.`, `..` and doubled slashes resolved as far as the text allows.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Go's `path.Join`: empty elements are left out; nothing at all is empty.
pub fn join(elements: &[&str]) -> String {
    let present: Vec<&str> = elements.iter().copied().filter(|e| !e.is_empty()).collect();
    if present.is_empty() {
        return String::new();
    }
    clean(&present.join("/"))
}

/// A path of a file operation: absolute and clean. `keep_slash` keeps a trailing `/` or `/.`, which tell a
/// copy that its destination is a directory.
pub(crate) fn in_dir(dir: &str, path: &str, keep_slash: bool) -> String {
    let mut cleaned = clean(path);
    if !cleaned.starts_with('/') {
        cleaned = join(&["/", dir, &cleaned]);
    }
    if keep_slash {
        if path.ends_with('/') && !cleaned.ends_with('/') {
            cleaned.push('/');
        } else if path.ends_with("/.") {
            if cleaned != "/" {
                cleaned.push('/');
            }
            cleaned.push('.');
        }
    }
    cleaned
}

/// A working directory: an absolute one is taken as it is, a relative one joins `dir`.
pub(crate) fn change_dir(dir: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    join(&[if dir.is_empty() { "/" } else { dir }, path])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_as_go_does() {
        for (path, expect) in [
            ("", "."),
            ("/", "/"),
            ("//a//b/", "/a/b"),
            ("a/../..", ".."),
            ("/../a", "/a"),
            ("./a/./b/..", "a"),
            ("..", ".."),
        ] {
            assert_eq!(clean(path), expect, "{path}");
        }
    }

    #[test]
    fn a_destination_keeps_what_makes_it_a_directory() {
        for (dir, path, expect) in [
            ("/w", "x/", "/w/x/"),
            ("/w", "x/.", "/w/x/."),
            ("/", "./", "/"),
            ("/", "/.", "/."),
            ("/w", ".", "/w"),
            ("/w", "../../x", "/x"),
        ] {
            assert_eq!(in_dir(dir, path, true), expect, "{path}");
        }
    }
}

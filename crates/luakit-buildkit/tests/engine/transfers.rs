//! Local directories, sent to the engine and back.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;
use crate::graph::Node;

/// Builds `node` over the directory `from` and gives the exported directory.
async fn round(node: &Node, from: &Path) -> (tempfile::TempDir, Heard) {
    let to = tempfile::tempdir().unwrap();
    let mut request = request(&node.definition());
    request.locals.insert("context".into(), from.to_owned());
    request.exports.push(to_dir(to.path()));
    let (result, heard) = build(request).await;
    result.unwrap();
    (to, heard)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn there_and_back() {
    let from = tempfile::tempdir().unwrap();
    let root = from.path();
    fs::create_dir_all(root.join("dir/sub")).unwrap();
    fs::write(root.join("dir/sub/file"), "deep").unwrap();
    fs::write(root.join("dir-x"), "sorted after dir/sub").unwrap();
    fs::write(root.join("tool"), "#!").unwrap();
    fs::set_permissions(root.join("tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::hard_link(root.join("tool"), root.join("tool2")).unwrap();
    symlink("dir/sub", root.join("link")).unwrap();
    fs::write(root.join("ü"), "name").unwrap();
    let (to, _) = round(&Node::local("context", &[("local.unique", &fresh())]), root).await;
    let to = to.path();
    assert_eq!(names(to), ["dir", "dir-x", "link", "tool", "tool2", "ü"]);
    assert_eq!(fs::read_to_string(to.join("link/file")).unwrap(), "deep");
    let tool = fs::metadata(to.join("tool")).unwrap();
    assert_eq!(tool.permissions().mode() & 0o7777, 0o4755);
    assert_eq!(tool.ino(), fs::metadata(to.join("tool2")).unwrap().ino());
    assert_eq!(
        tool.modified().unwrap(),
        fs::metadata(root.join("tool")).unwrap().modified().unwrap()
    );
}

#[tokio::test]
async fn only_what_is_asked_for() {
    let from = tempfile::tempdir().unwrap();
    for name in ["a.txt", "b.txt", "c.md", "ü.txt"] {
        fs::write(from.path().join(name), name).unwrap();
    }
    let unique = fresh();
    let attrs = [
        ("local.excludepatterns", r#"["b*"]"#),
        ("local.includepattern", r#"["*.txt","gibt's nicht ü+%41"]"#),
        ("local.unique", unique.as_str()),
    ];
    let (to, _) = round(&Node::local("context", &attrs), from.path()).await;
    assert_eq!(names(to.path()), ["a.txt", "ü.txt"]);
    let attrs = [("local.followpaths", r#"["c.md"]"#), ("local.unique", unique.as_str())];
    let (to, _) = round(&Node::local("context", &attrs), from.path()).await;
    assert_eq!(names(to.path()), ["c.md"]);
}

#[tokio::test]
async fn a_changed_file_is_sent_again_and_only_that() {
    let from = tempfile::tempdir().unwrap();
    fs::write(from.path().join("big"), vec![b'x'; 8 << 20]).unwrap();
    fs::write(from.path().join("small"), "one").unwrap();
    // The engine finds its copy by the step's attributes, the session's key and the name.
    let node = Node::local("context", &[("local.sharedkeyhint", "context")]);
    let sent = |heard: &Heard| {
        let statuses = heard.updates.iter().flat_map(|u| &u.statuses);
        statuses
            .filter(|s| s.id.starts_with("transferring"))
            .map(|s| s.current)
            .max()
            .unwrap_or(0)
    };
    let (_, first) = round(&node, from.path()).await;
    fs::write(from.path().join("small"), "two!").unwrap();
    let (to, second) = round(&node, from.path()).await;
    assert_eq!(fs::read_to_string(to.path().join("small")).unwrap(), "two!");
    assert!(sent(&first) > 8 << 20, "{}", sent(&first));
    assert!(sent(&second) < 1 << 20, "{}", sent(&second));
}

#[tokio::test]
async fn huge_and_sparse() {
    let from = tempfile::tempdir().unwrap();
    let file = fs::File::create(from.path().join("sparse")).unwrap();
    file.set_len(300 << 20).unwrap();
    std::os::unix::fs::FileExt::write_at(&file, b"end", (300 << 20) - 3).unwrap();
    let node = Node::local("context", &[("local.unique", &fresh())]);
    let (to, _) = round(&node, from.path()).await;
    let data = fs::read(to.path().join("sparse")).unwrap();
    assert_eq!((data.len(), &data[data.len() - 3..]), (300 << 20, &b"end"[..]));
}

#[tokio::test]
async fn devices_are_left_out_and_told() {
    let from = tempfile::tempdir().unwrap();
    fs::write(from.path().join("file"), "x").unwrap();
    let made = std::process::Command::new("mknod")
        .arg(from.path().join("null"))
        .args(["c", "1", "3"])
        .status()
        .unwrap();
    let node = Node::local("context", &[("local.unique", &fresh())]);
    let (to, heard) = round(&node, from.path()).await;
    assert_eq!(names(to.path()), ["file"]);
    // Only root can make one.
    if made.success() {
        assert_eq!(heard.skipped, ["null"]);
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_sent() {
    let from = tempfile::tempdir().unwrap();
    let odd = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"bad\xff");
    fs::write(from.path().join(odd), "x").unwrap();
    let mut request = request(&Node::local("context", &[("local.unique", &fresh())]).definition());
    request.locals.insert("context".into(), from.path().to_owned());
    let error = build(request).await.0.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, BuildError::Send { .. }), "{error:?}");
    assert_eq!(
        text,
        "can't send the local directory `context`: the name of `bad\u{fffd}` is not valid UTF-8"
    );
}

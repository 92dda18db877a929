//! The shell commands, run by a shell.

use std::path::Path;
use std::process::Command;

use super::evaluated;
use luakit_llb::op::{self, Op};

/// The script of the one step that adds a user, with its paths below `root`.
fn script(call: &str, root: &Path) -> String {
    let evaluation = evaluated(&format!("bk.export({call})"));
    let script = evaluation.graph.vertices().find_map(|vertex| match &*vertex.op {
        Op::Exec(exec) => match &exec.run.command {
            op::Command::Args(words) => words.last().cloned(),
            op::Command::Shell(_) => None,
        },
        _ => None,
    });
    let root = root.display();
    script
        .expect("a step")
        .replace("/etc/", &format!("{root}/etc/"))
        .replace(" /home/", &format!(" {root}/home/"))
        // Only root may give files away.
        .replace("chown ", "echo chown ")
}

fn run(call: &str, root: &Path) -> Result<(), String> {
    let output = Command::new("/bin/sh")
        .arg("-c")
        .arg(script(call, root))
        .output()
        .expect("a shell");
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

#[test]
fn adding_users_writes_the_files_and_may_be_repeated() {
    let root = tempfile::tempdir().expect("a directory");
    let etc = root.path().join("etc");
    std::fs::create_dir(&etc).expect("a directory");
    let files = [
        // A last line without its end, and a number that will be wanted again.
        (
            "passwd",
            "root:x:0:0:root:/root:/bin/sh\nubuntu:x:1000:1000::/home/ubuntu:/bin/sh",
        ),
        ("group", "root:x:0:\nubuntu:x:1000:\n"),
        ("shadow", "root:*:19000:0:99999:7:::\n"),
    ];
    for (name, text) in files {
        std::fs::write(etc.join(name), text).expect("a file");
    }
    let run = |call| run(call, root.path());
    assert_eq!(run("prelude.with_user(bk.image('x'), 'app')"), Ok(()));
    assert_eq!(run("prelude.with_user(bk.image('x'), 'app')"), Ok(()));
    assert_eq!(run("prelude.with_user(bk.image('x'), 'app', 1000)"), Ok(()));
    assert_eq!(
        run("prelude.with_user(bk.image('x'), 'app', 1001)"),
        Err("there is a user app already: 1000:1000, not 1001:*".to_owned())
    );
    // A dot is a dot: it does not match the `p` of another name.
    assert_eq!(run("prelude.with_user(bk.image('x'), 'a.p', 5, 6)"), Ok(()));
    let read = |name: &str| std::fs::read_to_string(etc.join(name)).expect("a file");
    insta::assert_snapshot!(["passwd", "group", "shadow"].map(read).join("\n"), @"
    root:x:0:0:root:/root:/bin/sh
    ubuntu:x:1000:1000::/home/ubuntu:/bin/sh
    app:x:1000:1000::/home/app:/bin/sh
    a.p:x:5:6::/home/a.p:/bin/sh

    root:x:0:
    ubuntu:x:1000:
    app:x:1000:
    a.p:x:6:

    root:*:19000:0:99999:7:::
    app:!::0:99999:7:::
    a.p:!::0:99999:7:::
    ");
    assert!(root.path().join("home/app").is_dir());
    assert!(root.path().join("home/a.p").is_dir());
}

//! Both ends against each other, over channels: what is sent is what arrives.

mod changes;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use luakit_proto::fsutil::{Packet, Stat, packet::PacketType};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::anchor::Anchor;
use super::filter::Filter;
use super::{TransferError, data_packet, mode, receive, send, signal, stat_packet};

/// What a request narrows a transfer to.
#[derive(Default)]
struct Ask<'a> {
    include: &'a [&'a str],
    exclude: &'a [&'a str],
    follow: &'a [&'a str],
}

/// Sends `from` into `to`. Gives the sender's end, the receiver's, and what was skipped.
fn transfer(
    from: &Path,
    to: &Path,
    ask: &Ask<'_>,
) -> (Result<(), TransferError>, Result<(), TransferError>, Vec<String>) {
    let own = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut anchor = Anchor::open(from).unwrap();
        let filter = Filter::new(&mut anchor, &own(ask.include), &own(ask.exclude), &own(ask.follow)).unwrap();
        let (to_receiver, mut sent) = mpsc::channel(4);
        let (to_sender, requests) = mpsc::channel(4);
        let (packets, received) = mpsc::channel(4);
        tokio::spawn(async move {
            while let Some(Ok(batch)) = sent.recv().await {
                for packet in batch {
                    if packets.send(packet).await.is_err() {
                        return;
                    }
                }
            }
        });
        let dest = to.to_owned();
        let receiver = tokio::task::spawn_blocking(move || receive::receive(&dest, received, &to_sender));
        let skipped = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&skipped);
        let note = move |path: &str| heard.lock().unwrap().push(path.to_owned());
        let both = async {
            let sender = send::send(anchor, filter, ReceiverStream::new(requests), to_receiver, note).await;
            (sender, receiver.await.unwrap())
        };
        let (sender, receiver) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
        let skipped = std::mem::take(&mut *skipped.lock().unwrap());
        (sender, receiver, skipped)
    })
}

fn copy(from: &Path, to: &Path, ask: &Ask<'_>) {
    let (sender, receiver, _) = transfer(from, to, ask);
    sender.unwrap();
    receiver.unwrap();
}

/// Every entry below `dir`, one a line.
fn listing(dir: &Path) -> String {
    fn visit(dir: &Path, prefix: &str, out: &mut Vec<String>) {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        for name in names {
            let path = dir.join(&name);
            let shown = format!("{prefix}{}", name.to_string_lossy());
            let metadata = path.symlink_metadata().unwrap();
            let permissions = metadata.permissions().mode() & 0o7777;
            if metadata.is_symlink() {
                out.push(format!("{shown} -> {}", fs::read_link(&path).unwrap().display()));
            } else if metadata.is_dir() {
                out.push(format!("{shown}/ {permissions:o}"));
                visit(&path, &format!("{shown}/"), out);
            } else {
                out.push(format!("{shown} {permissions:o} {}", metadata.len()));
            }
        }
    }
    let mut out = Vec::new();
    visit(dir, "", &mut out);
    out.join("\n")
}

fn write(root: &Path, path: &str, data: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, data).unwrap();
}

fn chmod(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_tree_arrives_as_it_was() {
    let from = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let root = from.path();
    write(root, "a/x", "in a");
    write(root, "a-b", "sorts after a/x");
    write(root, "empty", "");
    write(root, "tool", "#!/bin/sh\n");
    write(root, "big", vec![7u8; 3_000_001]);
    write(root, "deep/er/st/file", "x");
    write(root, "ü/ñ", "unicode");
    chmod(root.join("tool"), 0o4755);
    chmod(root.join("deep/er"), 0o500);
    symlink("../nowhere", root.join("a/link")).unwrap();
    fs::hard_link(root.join("a-b"), root.join("hard")).unwrap();
    fs::create_dir(root.join("void")).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    fs::File::open(root.join("big")).unwrap().set_modified(old).unwrap();
    fs::File::open(root.join("a")).unwrap().set_modified(old).unwrap();
    for n in 0..300 {
        write(root, &format!("many/{n:03}"), n.to_string());
    }

    copy(root, to.path(), &Ask::default());
    assert_eq!(listing(to.path()), listing(root));
    assert_eq!(fs::read(to.path().join("big")).unwrap(), vec![7u8; 3_000_001]);
    assert_eq!(fs::read_to_string(to.path().join("many/299")).unwrap(), "299");
    for timed in ["big", "a"] {
        assert_eq!(fs::metadata(to.path().join(timed)).unwrap().modified().unwrap(), old);
    }
    let inode = |name| fs::metadata(to.path().join(name)).unwrap().ino();
    assert_eq!(inode("a-b"), inode("hard"));
    // Again over what is there: a merge.
    write(to.path(), "mine", "stays");
    copy(root, to.path(), &Ask::default());
    assert!(to.path().join("mine").exists());
    chmod(root.join("deep/er"), 0o700);
    chmod(to.path().join("deep/er"), 0o700);
}

#[test]
fn filters() {
    let from = tempfile::tempdir().unwrap();
    let root = from.path();
    for file in [
        "src/main.go",
        "src/a/b/c.go",
        "src/a/d.txt",
        "docs/x.md",
        "docs/keep/y.md",
        "go.mod",
        "z",
    ] {
        write(root, file, file);
    }
    symlink("docs/keep", root.join("doc")).unwrap();
    symlink("/z", root.join("src/abs")).unwrap();
    fs::hard_link(root.join("src/main.go"), root.join("src/zz.go")).unwrap();
    let names = |ask: &Ask<'_>| {
        let to = tempfile::tempdir().unwrap();
        copy(root, to.path(), ask);
        let lines = listing(to.path());
        let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        lines.lines().map(name).collect::<Vec<_>>().join(" ")
    };
    let all = [
        names(&Ask {
            include: &["**/*.go"],
            ..Ask::default()
        }),
        names(&Ask {
            include: &["src", "go.mod"],
            exclude: &["**/*.txt"],
            ..Ask::default()
        }),
        names(&Ask {
            exclude: &["docs", "!docs/keep", "src"],
            ..Ask::default()
        }),
        names(&Ask {
            exclude: &["**", "!src/a/b"],
            ..Ask::default()
        }),
        // The first name of the hard link is filtered out.
        names(&Ask {
            include: &["src/zz.go"],
            ..Ask::default()
        }),
        names(&Ask {
            follow: &["doc/y.md", "missing"],
            ..Ask::default()
        }),
        names(&Ask {
            follow: &["src/abs", "d*"],
            ..Ask::default()
        }),
        names(&Ask {
            follow: &["*/x.md"],
            ..Ask::default()
        }),
        names(&Ask {
            follow: &["/"],
            exclude: &["*/*"],
            ..Ask::default()
        }),
        names(&Ask {
            include: &["nothing"],
            ..Ask::default()
        }),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    src/ src/a/ src/a/b/ src/a/b/c.go src/main.go src/zz.go
    go.mod src/ src/a/ src/a/b/ src/a/b/c.go src/abs src/main.go src/zz.go
    doc docs/ docs/keep/ docs/keep/y.md go.mod z
    src/ src/a/ src/a/b/ src/a/b/c.go
    src/ src/zz.go
    doc docs/ docs/keep/ docs/keep/y.md
    doc docs/ docs/keep/ docs/keep/y.md docs/x.md src/ src/abs z
    doc docs/ docs/keep/ docs/keep/y.md docs/x.md go.mod src/ src/a/ src/a/b/ src/a/b/c.go src/a/d.txt src/abs src/main.go src/zz.go z
    doc docs/ go.mod src/ z

    "#);
}

#[test]
fn nothing_outside_the_directory_is_sent() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("context");
    write(outer.path(), "secret/key", "outside");
    write(&root, "inside/file", "x");
    symlink("../secret", root.join("up")).unwrap();
    symlink(outer.path().join("secret"), root.join("absolute")).unwrap();
    symlink("../../secret/key", root.join("inside/key")).unwrap();
    let follow = [
        "../secret/key",
        "../../../../etc/passwd",
        "/etc/passwd",
        "up/key",
        "absolute/key",
        "inside/key",
        "inside/../../secret",
        "u*/key",
    ];
    let to = tempfile::tempdir().unwrap();
    copy(
        &root,
        to.path(),
        &Ask {
            follow: &follow,
            ..Ask::default()
        },
    );
    let expected = format!(
        "absolute -> {0}/secret\ninside/ 755\ninside/key -> ../../secret/key\nup -> ../secret",
        outer.path().display()
    );
    assert_eq!(listing(to.path()), expected);
    let to = tempfile::tempdir().unwrap();
    copy(
        &root,
        to.path(),
        &Ask {
            include: &["up/**", "../secret", "/etc"],
            ..Ask::default()
        },
    );
    assert_eq!(listing(to.path()), "", "links are not walked through");
}

#[test]
fn what_a_receiver_says_is_heard_and_its_nonsense_refused() {
    let from = tempfile::tempdir().unwrap();
    write(from.path(), "file", "x");
    let answer = |packet: Packet| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let anchor = Anchor::open(from.path()).unwrap();
            let (outgoing, _sent) = mpsc::channel(64);
            let incoming = tokio_stream::iter([Ok(packet)]);
            let sent = send::send(anchor, Filter::default(), incoming, outgoing, |_: &str| {}).await;
            sent.unwrap_err().to_string()
        })
    };
    let full = Packet {
        data: "no space left on device".into(),
        ..signal(PacketType::PacketErr)
    };
    let errors = [
        answer(full),
        answer(super::request_packet(7)),
        answer(data_packet(0, "x".into())),
        answer(file("x")),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r"
    the engine reported: no space left on device
    the engine sent a request for file 7, which is none or was sent already
    the engine sent a packet of type PacketData, which only a sender may send
    the engine sent a packet of type PacketStat, which only a sender may send
    ");
}

#[test]
fn what_cannot_be_read_is_named() {
    let from = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    write(from.path(), "secret", "x");
    write(from.path(), "closed/file", "x");
    chmod(from.path().join("secret"), 0o000);
    // For root nothing is unreadable; a missing name stands in for that below.
    if fs::read(from.path().join("secret")).is_err() {
        let (sender, receiver, _) = transfer(from.path(), to.path(), &Ask::default());
        assert_eq!(
            sender.unwrap_err().to_string(),
            "can't read `secret`: Permission denied (os error 13)"
        );
        assert!(matches!(receiver, Err(TransferError::Peer(text)) if text.contains("`secret`")));
    }
    let odd = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"bad\xff");
    fs::write(from.path().join(odd), "x").unwrap();
    let (sender, ..) = transfer(
        from.path(),
        to.path(),
        &Ask {
            exclude: &["secret"],
            ..Ask::default()
        },
    );
    assert!(matches!(sender, Err(TransferError::Name(name)) if name.starts_with("bad")));
    copy(
        from.path(),
        to.path(),
        &Ask {
            exclude: &["secret", "bad*"],
            ..Ask::default()
        },
    );
    chmod(from.path().join("secret"), 0o600);
}

#[test]
fn sockets_are_left_out() {
    let from = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(from.path().join("s")).unwrap();
    write(from.path(), "f", "x");
    copy(from.path(), to.path(), &Ask::default());
    assert_eq!(listing(to.path()).lines().count(), 1);
}

/// Feeds packets to a receiver. What it says of them.
fn receive_packets(dest: &Path, packets: Vec<Packet>) -> Result<(), TransferError> {
    let (sender, received) = mpsc::channel(64);
    let (outgoing, _answers) = mpsc::channel(64);
    for packet in packets {
        sender.try_send(packet).unwrap();
    }
    drop(sender);
    receive::receive(dest, received, &outgoing)
}

fn file(path: &str) -> Packet {
    stat_packet(Stat {
        path: path.into(),
        mode: 0o644,
        ..Stat::default()
    })
}

fn dir(path: &str) -> Packet {
    stat_packet(Stat {
        path: path.into(),
        mode: mode::DIR | 0o755,
        ..Stat::default()
    })
}

fn link(path: &str, target: &str) -> Packet {
    stat_packet(Stat {
        path: path.into(),
        mode: mode::SYMLINK | 0o777,
        linkname: target.into(),
        ..Stat::default()
    })
}

#[test]
fn names_need_not_be_utf_8() {
    let dest = tempfile::tempdir().unwrap();
    let stat = |path: &[u8], mode, link: &[u8]| {
        stat_packet(Stat {
            path: path.to_vec(),
            mode: mode | 0o755,
            linkname: link.to_vec(),
            ..Stat::default()
        })
    };
    // A list's end, then the only file, and its end.
    let packets = vec![
        stat(b"d\xe9", mode::DIR, b""),
        stat(b"d\xe9/caf\xe9", 0, b""),
        stat(b"l", mode::SYMLINK, b"d\xe9/caf\xe9"),
        signal(PacketType::PacketStat),
        data_packet(1, "x".into()),
        data_packet(1, bytes::Bytes::new()),
        signal(PacketType::PacketFin),
    ];
    receive_packets(dest.path(), packets).unwrap();
    assert_eq!(fs::read_to_string(dest.path().join("l")).unwrap(), "x");
}

#[test]
fn nothing_is_written_outside() {
    let outer = tempfile::tempdir().unwrap();
    let dest = outer.path().join("dest");
    let refused = |packets: Vec<Packet>| receive_packets(&dest, packets).unwrap_err().to_string();
    let hard = stat_packet(Stat {
        path: "h".into(),
        mode: 0o644,
        linkname: "../x".into(),
        ..Stat::default()
    });
    let errors = [
        refused(vec![file("../x")]),
        refused(vec![file("/x")]),
        refused(vec![file("a/../../x")]),
        refused(vec![file("..")]),
        refused(vec![file("")]),
        refused(vec![file("a/b")]),
        refused(vec![file("b"), file("a")]),
        refused(vec![file("a"), file("a")]),
        refused(vec![dir("a"), file("a-b"), file("a/x")]),
        refused(vec![link("l", ".."), file("l/x")]),
        refused(vec![hard]),
        refused(vec![data_packet(3, "x".into())]),
        refused(vec![signal(PacketType::PacketReq)]),
        refused(vec![signal(PacketType::PacketStat), file("late")]),
        refused(vec![dir("a")]),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r#"
    the engine sent a path that leaves the directory: `../x`
    the engine sent a path that is not clean and relative: `/x`
    the engine sent a path that is not clean and relative: `a/../../x`
    the engine sent a path that leaves the directory: `..`
    the engine sent a path that is not clean and relative: ``
    the engine sent a path whose directory was not listed: `a/b`
    the engine sent a path out of order: `a`
    the engine sent a path out of order: `a`
    the engine sent a path out of order: `a/x`
    the engine sent a path whose directory was not listed: `l/x`
    the engine sent a hard link `h` to the unknown path `../x`
    the engine sent content of file 3, which was not asked for
    the engine sent an unexpected packet of type PacketReq
    the engine sent an entry after the list's end
    the transfer was cut off
    "#);
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1, "only the destination");
}

#[test]
fn links_that_are_there_already_lead_nowhere() {
    let outer = tempfile::tempdir().unwrap();
    let (from, dest) = (outer.path().join("from"), outer.path().join("dest"));
    write(&from, "etc/passwd", "new");
    write(&from, "plain", "new");
    write(outer.path(), "elsewhere/passwd", "old");
    write(outer.path(), "target", "old");
    fs::create_dir(&dest).unwrap();
    symlink("../elsewhere", dest.join("etc")).unwrap();
    symlink("../target", dest.join("plain")).unwrap();
    copy(&from, &dest, &Ask::default());
    assert_eq!(
        fs::read_to_string(outer.path().join("elsewhere/passwd")).unwrap(),
        "old"
    );
    assert_eq!(fs::read_to_string(outer.path().join("target")).unwrap(), "old");
    assert_eq!(fs::read_to_string(dest.join("etc/passwd")).unwrap(), "new");
    assert_eq!(fs::read_to_string(dest.join("plain")).unwrap(), "new");
}

#[test]
fn a_directory_gives_way_to_a_file() {
    let outer = tempfile::tempdir().unwrap();
    let (from, dest) = (outer.path().join("from"), outer.path().join("dest"));
    write(&from, "x", "file now");
    write(&from, "y/z", "directory now");
    write(&dest, "x/deep/er", "old");
    write(&dest, "y", "old");
    copy(&from, &dest, &Ask::default());
    assert_eq!(fs::read_to_string(dest.join("x")).unwrap(), "file now");
    assert_eq!(fs::read_to_string(dest.join("y/z")).unwrap(), "directory now");
}

#[test]
fn a_directory_of_any_depth_and_any_names_gives_way() {
    use std::os::unix::ffi::OsStrExt as _;
    let outer = tempfile::tempdir().unwrap();
    let (from, dest) = (outer.path().join("from"), outer.path().join("dest"));
    write(&from, "x", "file now");
    // From the innermost out, since no path reaches so deep.
    let (deep, above) = (outer.path().join("deep"), outer.path().join("above"));
    write(&deep, "f", "");
    for _ in 0..3000 {
        fs::create_dir(&above).unwrap();
        fs::rename(&deep, above.join("deep")).unwrap();
        fs::rename(&above, &deep).unwrap();
    }
    write(&dest, "x/f", "");
    fs::rename(&deep, dest.join("x/deep")).unwrap();
    let odd = dest.join("x").join(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    write(&odd, "inner/f", "old");
    fs::write(odd.join(std::ffi::OsStr::from_bytes(b"\xfe")), "old").unwrap();
    copy(&from, &dest, &Ask::default());
    assert_eq!(fs::read_to_string(dest.join("x")).unwrap(), "file now");
    assert_eq!(fs::read_dir(&dest).unwrap().count(), 1);
}

#[test]
fn a_cut_transfer_leaves_no_temporary_files() {
    let dest = tempfile::tempdir().unwrap();
    let packets = vec![file("a"), data_packet(0, "half".into())];
    assert!(matches!(receive_packets(dest.path(), packets), Err(TransferError::Cut)));
    assert_eq!(fs::read_dir(dest.path()).unwrap().count(), 0);
}

/// Packets as a confused or hostile engine may send them.
fn any_packet() -> impl proptest::strategy::Strategy<Value = Packet> {
    use proptest::prelude::*;
    let path = prop::sample::select(vec![
        "a",
        "b",
        "a/b",
        "a/b/c",
        "b/c",
        "../x",
        "/x",
        "a/../../x",
        ".",
        "",
    ]);
    let kind = prop::sample::select(vec![0, mode::DIR, mode::SYMLINK, mode::PIPE, mode::SOCKET, u32::MAX]);
    let link = prop::sample::select(vec!["", "", "a", "..", "../x", "a/b"]);
    let stat = (path, kind, link, any::<i64>()).prop_map(|(path, kind, link, time)| {
        stat_packet(Stat {
            path: path.into(),
            mode: kind | 0o755,
            linkname: link.into(),
            mod_time: time,
            ..Stat::default()
        })
    });
    let data = (0u32..6, "x{0,2}").prop_map(|(id, data)| data_packet(id, data.into()));
    let other = any::<i32>().prop_map(|kind| Packet {
        r#type: kind % 6,
        ..Packet::default()
    });
    prop_oneof![4 => stat, 2 => data, 1 => other]
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever is sent, nothing is written outside the destination, and nothing half-written stays in it.
    #[test]
    fn any_packets(packets in proptest::collection::vec(any_packet(), 0..30)) {
        let outer = tempfile::tempdir().unwrap();
        let dest = outer.path().join("dest");
        write(outer.path(), "x", "untouched");
        let result = receive_packets(&dest, packets);
        proptest::prop_assert_eq!(fs::read_to_string(outer.path().join("x")).unwrap(), "untouched");
        proptest::prop_assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 2);
        let left = listing(&dest);
        proptest::prop_assert!(!left.contains(".luakit-"), "{result:?} left {left}");
    }
}

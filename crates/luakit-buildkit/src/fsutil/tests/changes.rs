//! Files that change between being listed and being sent, and while they are.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use luakit_proto::fsutil::{Packet, packet::PacketType};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::super::anchor::Anchor;
use super::super::filter::Filter;
use super::super::{TransferError, request_packet, send, signal};
use super::write;

/// Sends the file `f`, to which something happens: between being listed and asked for, or when the first bytes of it
/// have gone. How that ends, and what was sent.
fn send_while(
    size: u64,
    asked: impl FnOnce(&Path) + Send + 'static,
    begun: impl FnOnce(&Path) + Send + 'static,
) -> (Result<(), TransferError>, Vec<Result<Packet, tonic::Status>>) {
    let from = tempfile::tempdir().unwrap();
    write(from.path(), "f", "");
    let path = from.path().join("f");
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(size)
        .unwrap();
    // Or a change might come within the same tick of the clock.
    let past = SystemTime::now() - Duration::from_secs(60);
    fs::File::open(&path).unwrap().set_modified(past).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let anchor = Anchor::open(from.path()).unwrap();
        let (outgoing, sent) = mpsc::channel(4);
        let mut sent = crate::session::filesync::Flat::new(sent);
        let (requests, incoming) = mpsc::channel(4);
        let packets = tokio::spawn(async move {
            let (mut asked, mut begun) = (Some(asked), Some(begun));
            let mut packets = Vec::new();
            while let Some(packet) = sent.next().await {
                match packet
                    .as_ref()
                    .map(|p| (p.r#type(), p.stat.is_some(), p.data.is_empty()))
                {
                    Ok((PacketType::PacketStat, false, _)) => {
                        asked.take().unwrap()(&path);
                        requests.send(Ok(request_packet(0))).await.unwrap();
                    }
                    Ok((PacketType::PacketData, _, false)) => {
                        if let Some(begun) = begun.take() {
                            begun(&path);
                        }
                    }
                    Ok((PacketType::PacketData, _, true)) => {
                        requests.send(Ok(signal(PacketType::PacketFin))).await.unwrap();
                    }
                    _ => {}
                }
                packets.push(packet);
            }
            packets
        });
        let incoming = ReceiverStream::new(incoming).map(|p| p);
        let result = send::send(anchor, Filter::default(), incoming, outgoing, |_: &str| {}).await;
        (result, packets.await.unwrap())
    })
}

#[test]
fn a_vanished_file_is_an_error() {
    let (result, packets) = send_while(1, |path| fs::remove_file(path).unwrap(), |_| ());
    assert!(matches!(result, Err(TransferError::Changed(path)) if path == "f"));
    let told = packets
        .iter()
        .flatten()
        .find(|p| p.r#type() == PacketType::PacketErr)
        .unwrap();
    assert_eq!(&told.data[..], b"`f` changed while it was being sent");
    assert!(packets.last().unwrap().is_err());
}

#[test]
fn a_file_that_changes_is_an_error() {
    const LARGE: u64 = 64 << 20;
    let resize = |size: u64| {
        move |path: &Path| {
            fs::OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(size)
                .unwrap();
        }
    };
    let rewrite = |path: &Path| fs::write(path, "x").unwrap();
    let replace = |path: &Path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    };
    let nothing = |_: &Path| ();
    let cases = [
        ("cut before", send_while(9, resize(8), nothing)),
        ("grown before", send_while(9, resize(10), nothing)),
        ("rewritten before", send_while(1, rewrite, nothing)),
        ("replaced before", send_while(1, replace, nothing)),
        ("cut meanwhile", send_while(LARGE, nothing, resize(LARGE - 1))),
        ("grown meanwhile", send_while(LARGE, nothing, resize(LARGE * 2))),
        ("emptied meanwhile", send_while(LARGE, nothing, resize(0))),
        (
            "rewritten meanwhile",
            send_while(LARGE, nothing, |path: &Path| {
                use std::os::unix::fs::FileExt as _;
                fs::OpenOptions::new()
                    .write(true)
                    .open(path)
                    .unwrap()
                    .write_at(b"x", 0)
                    .unwrap();
            }),
        ),
    ];
    for (what, (result, _)) in cases {
        assert!(matches!(result, Err(TransferError::Changed(_))), "{what}: {result:?}");
    }
    let (still, packets) = send_while(LARGE, nothing, nothing);
    still.unwrap();
    let sent: usize = packets.iter().flatten().map(|packet| packet.data.len()).sum();
    assert_eq!(sent as u64, LARGE);
}

//! A definition for another target must be the one that marshalling for that target gives.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod graphs;

use graphs::{Script, app, bind, pin, plain_copy};
use luakit_llb::definition::{AppliedImage, ExportError, ExportRecord, RetargetError};
use luakit_llb::marshal::op_digest;
use luakit_llb::op::FileAction;
use luakit_llb::{ConfigOverlay, Definition, Pins, Platform, State, image_config};
use luakit_proto::{Message as _, pb};

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

fn exported(script: &Script, state: State, target: &str) -> Definition {
    let mut definition = script.definition_for(state, target);
    let mut record = ExportRecord::new(&definition, platform(target));
    let overlay = ConfigOverlay {
        user: Some("nobody".to_owned()),
        ..ConfigOverlay::default()
    };
    let config = image_config::compose(&script.graph, state, &overlay, &platform(target), None, &Pins::new());
    record.config = String::from_utf8(config).unwrap();
    record.name = Some("app".to_owned());
    definition.set_export(&record);
    definition
}

/// Retargeting what was marshalled for one platform gives what is marshalled for the other.
fn check(script: &Script, state: State, from: &str, to: &str) {
    let before = exported(script, state, from);
    let expect = exported(script, state, to);
    // As it arrives over a pipe.
    let piped = Definition::from_bytes(&before.to_bytes()).unwrap();
    let retargeted = piped.retarget(&platform(to)).unwrap();
    assert_eq!(digests(&retargeted), digests(&expect), "{from} to {to}");
    assert_eq!(retargeted.message(), expect.message(), "{from} to {to}");
    assert_eq!(retargeted.to_bytes(), expect.to_bytes(), "{from} to {to}");
    assert_eq!(retargeted.explicit_platforms(), expect.explicit_platforms());
    assert_eq!(retargeted.mixed_platforms(), expect.mixed_platforms());
}

fn digests(definition: &Definition) -> Vec<String> {
    definition.message().def.iter().map(|op| op_digest(op)).collect()
}

#[test]
fn a_script_for_the_default_platform_is_built_for_another() {
    let mut script = Script::new();
    let state = app(&mut script);
    for (from, to) in [
        ("linux/amd64", "linux/s390x"),
        ("linux/amd64", "linux/arm/v7"),
        ("linux/arm/v7", "linux/amd64"),
        ("linux/amd64", "linux/arm64"),
    ] {
        check(&script, state, from, to);
    }
}

#[test]
fn a_platform_that_the_script_says_stays() {
    let mut script = Script::new();
    let builder = script.image("golang", Some("linux/amd64"));
    let built = script.run(builder, "go build");
    let runtime = script.image("alpine", None);
    let state = script.copy(runtime, built, "/out", "/app");
    check(&script, state, "linux/amd64", "linux/arm64");
    let kept = exported(&script, state, "linux/amd64")
        .retarget(&platform("linux/arm64"))
        .unwrap();
    let parsed = kept.read().unwrap();
    let said: Vec<_> = parsed
        .vertices()
        .iter()
        .filter_map(|v| v.op.platform.as_ref())
        .collect();
    let archs: Vec<_> = said.iter().map(|p| p.architecture.as_str()).collect();
    assert_eq!(archs, ["arm64", "amd64", "amd64"]);
}

/// Under the new target two images are one, and so are the inputs of what consumed both, named owners and later actions
/// included.
#[test]
fn ops_that_become_equal_are_joined() {
    let mut script = Script::new();
    let at = script.at_module("lib/images.lua", 7);
    let theirs = script.image_at("alpine", Some("linux/arm64"), at);
    let theirs = script.describe(theirs, "their alpine");
    let ours = script.image("alpine", None);
    let copied = script.copy(ours, theirs, "/etc/motd", "/motd");
    let mounted = script.run_with(copied, "ls", |run| {
        run.mounts = vec![bind(ours, "/a", true), bind(theirs, "/b", false)];
    });
    let seen = script.graph.run_output(mounted, "/b").unwrap();
    let several = script.at();
    let actions = vec![
        FileAction::Copy(plain_copy(theirs, "/x", "/x")),
        FileAction::Copy(plain_copy(seen, "/y", "/y")),
        FileAction::Copy(plain_copy(mounted, "/z", "/z")),
    ];
    let filed = script.graph.file(ours, actions, several);
    let merged = script.merge(&[ours, theirs, filed]);
    let state = script.diff(theirs, merged);
    check(&script, state, "linux/amd64", "linux/s390x");

    // Towards what the script says for one of them there is a step less, and one that stands for both.
    let joined = exported(&script, state, "linux/amd64")
        .retarget(&platform("linux/arm64"))
        .unwrap();
    let expect = exported(&script, state, "linux/arm64");
    assert_eq!(digests(&joined), digests(&expect));
    assert_eq!(joined.to_bytes(), expect.to_bytes());
    assert_eq!(joined.mixed_platforms().len(), 1);
    let back = joined.retarget(&platform("linux/amd64"));
    assert_eq!(
        back,
        Err(RetargetError::Mixed {
            digest: joined.mixed_platforms().first().unwrap().clone()
        })
    );
}

#[test]
fn what_would_not_be_honest_is_refused() {
    let mut script = Script::new();
    let state = app(&mut script);
    let to = platform("linux/arm64");
    let plain = script.definition(state);
    let record = ExportRecord::new(&plain, platform("linux/amd64"));
    let with = |change: fn(&mut ExportRecord)| {
        let mut record = record.clone();
        change(&mut record);
        let mut definition = plain.clone();
        definition.set_export(&record);
        definition.retarget(&to).unwrap_err().to_string()
    };
    insta::assert_snapshot!(plain.retarget(&to).unwrap_err(), @"the definition does not say which platform it was written for");
    insta::assert_snapshot!(with(|r| r.fixed_platform = true), @"the script gives this export its platform, linux/amd64");
    insta::assert_snapshot!(with(|r| r.depends_on_target = true), @"the script reads its target platform, so it must be evaluated for each one");
    insta::assert_snapshot!(with(|r| r.mixed = vec!["sha256:aa".to_owned()]), @"op sha256:aa stands for two steps, and the script says the platform of one of them alone");
    insta::assert_snapshot!(with(|r| r.images = vec![AppliedImage {
        reference: "docker.io/library/alpine:latest".to_owned(),
        platform: platform("linux/amd64"),
    }]), @"the definition holds what the config of `docker.io/library/alpine:latest` says for linux/amd64");
}

#[test]
fn the_same_platform_and_scratch_stay_as_they_are() {
    let mut script = Script::new();
    let state = app(&mut script);
    let definition = exported(&script, state, "linux/amd64");
    assert_eq!(definition.retarget(&platform("linux/amd64")).as_ref(), Ok(&definition));
    let scratch = script.graph.scratch();
    let scratch = exported(&script, scratch, "linux/amd64");
    assert!(scratch.to_bytes().is_empty());
    assert_eq!(scratch.retarget(&platform("linux/arm64")), Ok(scratch));
}

/// Ops of an encoder of another kind: fields in plain order, one that nobody knows, a number in more bytes than it takes.
#[test]
fn bytes_that_need_not_change_stay_as_another_client_wrote_them() {
    let source = pb::Op {
        platform: Some(pb::Platform {
            architecture: "amd64".to_owned(),
            os: "linux".to_owned(),
            ..Default::default()
        }),
        op: Some(pb::op::Op::Source(pb::SourceOp {
            identifier: "docker-image://docker.io/library/alpine:latest".to_owned(),
            attrs: Vec::new(),
        })),
        ..Default::default()
    };
    // prost writes the payload before the platform; field 99 is from the future; 0x80 0x00 is a long zero.
    let odd_tail = b"\x9a\x06\x03odd\xb0\x06\x80\x00";
    let with_tail = |op: &pb::Op| {
        let mut bytes = op.encode_to_vec();
        bytes.extend_from_slice(odd_tail);
        bytes
    };
    let file = |digest: &str| {
        with_tail(&pb::Op {
            inputs: vec![pb::Input {
                digest: digest.to_owned(),
                index: 0,
            }],
            op: Some(pb::op::Op::File(pb::FileOp::default())),
            ..Default::default()
        })
    };
    let build = |source: pb::Op, local: Vec<u8>| {
        let source = with_tail(&source);
        let file = file(&op_digest(&source));
        let end = pb::Op {
            inputs: vec![pb::Input {
                digest: op_digest(&file),
                index: 0,
            }],
            ..Default::default()
        };
        let message = pb::Definition {
            def: vec![local, source, file, end.encode_to_vec()],
            ..Default::default()
        };
        Definition::from_bytes(&message.encode_to_vec()).unwrap()
    };
    let local = with_tail(&pb::Op {
        op: Some(pb::op::Op::Source(pb::SourceOp {
            identifier: "local://context".to_owned(),
            attrs: Vec::new(),
        })),
        ..Default::default()
    });
    let mut arm = source.clone();
    arm.platform.as_mut().unwrap().architecture = "arm64".to_owned();
    let before = build(source, local.clone());
    let expect = build(arm, local);
    let (from, to) = (platform("linux/amd64"), platform("linux/arm64"));
    let retargeted = luakit_llb::definition::retarget(&before, &from, &to, &[]).unwrap();
    assert_eq!(retargeted, expect);
    let there_is_nothing_to_do = luakit_llb::definition::retarget(&expect, &from, &to, &[]).unwrap();
    assert_eq!(there_is_nothing_to_do.to_bytes(), expect.to_bytes());
}

#[test]
fn deep_graphs_need_no_stack() {
    let deep = || {
        let mut script = Script::new();
        let mut state = script.image("alpine", None);
        for i in 0..5_000 {
            state = script.run(state, &format!("echo {i}"));
        }
        check(&script, state, "linux/amd64", "linux/arm64");
    };
    let small = std::thread::Builder::new().stack_size(128 * 1024);
    small.spawn(deep).unwrap().join().unwrap();
}

#[test]
fn the_record_survives_the_trip() {
    let mut script = Script::new();
    let state = app(&mut script);
    let mut definition = script.definition(state);
    assert_eq!(definition.export(), Ok(None));
    let mut pins = Pins::new();
    pin(&mut pins, "alpine", "linux/amd64", "{}");
    let mut record = ExportRecord::new(&definition, platform("linux/amd64"));
    record.name = Some("app".to_owned());
    record.config = "{\"os\":\"linux\"}".to_owned();
    record.annotations.insert("b".to_owned(), "2".to_owned());
    record.annotations.insert("a".to_owned(), "\"1\"".to_owned());
    record.images = pins
        .images()
        .map(|(reference, platform, _)| AppliedImage {
            reference: reference.to_string(),
            platform: platform.clone(),
        })
        .collect();
    record.depends_on_target = true;
    insta::assert_snapshot!(record.to_json(), @r#"{"annotations":{"a":"\"1\"","b":"2"},"config":"{\"os\":\"linux\"}","dependsOnTarget":true,"images":[{"platform":"linux/amd64","reference":"docker.io/library/alpine:latest"}],"name":"app","platform":"linux/amd64","version":1}"#);
    definition.set_export(&record);
    let piped = Definition::from_bytes(&definition.to_bytes()).unwrap();
    assert_eq!(piped.export(), Ok(Some(record)));
    assert_eq!(digests(&piped), digests(&script.definition(state)));
}

#[test]
fn records_of_other_versions_are_refused() {
    let read = |text: &str| ExportRecord::from_json(text).map_err(|e| e.to_string());
    assert_eq!(
        ExportRecord::from_json("{\"version\":2,\"newShape\":[]}"),
        Err(ExportError::Version { found: 2 })
    );
    insta::assert_snapshot!(read("{\"version\":2}").unwrap_err(), @"the definition's export record has version 2, and this Luakit reads version 1");
    insta::assert_snapshot!(read("{").unwrap_err(), @"the definition's export record is damaged: EOF while parsing an object at line 1 column 1");
    insta::assert_snapshot!(read("{\"version\":1}").unwrap_err(), @"the definition's export record is damaged: missing field `config` at line 1 column 13");
    insta::assert_snapshot!(read("{\"version\":1,\"config\":\"\",\"platform\":\"linus/amd64\"}").unwrap_err(), @"the definition's export record is damaged: unknown operating system `linus`");
    let later = read("{\"version\":1,\"config\":\"\",\"platform\":\"linux/amd64\",\"later\":1}");
    assert_eq!(later.unwrap().platform, platform("linux/amd64"));
}

//! Definitions of other hands: taken apart, or refused with the reason.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod graphs;

use graphs::{Script, app};
use luakit_llb::definition::{Kind, retarget};
use luakit_llb::marshal::op_digest;
use luakit_llb::view::{Format, Options, render};
use luakit_llb::{Definition, Platform};
use luakit_proto::{Message as _, map, pb};
use proptest::prelude::*;

fn source(identifier: &str) -> pb::Op {
    pb::Op {
        op: Some(pb::op::Op::Source(pb::SourceOp {
            identifier: identifier.to_owned(),
            attrs: Vec::new(),
        })),
        ..Default::default()
    }
}

fn exec(mounts: Vec<pb::Mount>) -> pb::ExecOp {
    pb::ExecOp {
        meta: Some(pb::Meta {
            args: vec!["true".to_owned()],
            cwd: "/".to_owned(),
            ..Default::default()
        }),
        mounts,
        ..Default::default()
    }
}

fn mount(dest: &str, input: i64) -> pb::Mount {
    pb::Mount {
        dest: dest.to_owned(),
        input,
        ..Default::default()
    }
}

/// An op that consumes the first outputs of others.
fn on(inputs: &[&pb::Op], op: pb::op::Op) -> pb::Op {
    let input = |op: &&pb::Op| pb::Input {
        digest: op_digest(&op.encode_to_vec()),
        index: 0,
    };
    pb::Op {
        inputs: inputs.iter().map(input).collect(),
        op: Some(op),
        ..Default::default()
    }
}

fn returning(op: &pb::Op) -> pb::Op {
    pb::Op {
        inputs: vec![pb::Input {
            digest: op_digest(&op.encode_to_vec()),
            index: 0,
        }],
        ..Default::default()
    }
}

fn definition(ops: &[&pb::Op]) -> pb::Definition {
    pb::Definition {
        def: ops.iter().map(|op| op.encode_to_vec()).collect(),
        ..Default::default()
    }
}

fn read(message: &pb::Definition) -> Result<(), String> {
    let definition = Definition::from_bytes(&message.encode_to_vec()).map_err(|e| e.to_string())?;
    let parsed = definition.read().map_err(|e| e.to_string())?;
    parsed.check().map_err(|e| e.to_string())
}

fn refused(message: &pb::Definition) -> String {
    read(message).unwrap_err()
}

#[test]
fn a_definition_is_taken_apart() {
    let mut script = Script::new();
    let state = app(&mut script);
    let bytes = script.definition(state).to_bytes();
    let definition = Definition::from_bytes(&bytes).unwrap();
    let parsed = definition.read().unwrap();
    assert_eq!(parsed.check(), Ok(()));
    let vertices = parsed.vertices();
    assert_eq!(vertices.len() + 1, definition.message().def.len());
    assert_eq!(parsed.inputs_first(), (0..vertices.len()).collect::<Vec<_>>());
    let merge = vertices.iter().find(|v| v.kind() == Kind::Merge).unwrap();
    let outputs: Vec<u64> = merge.inputs.iter().map(|edge| edge.output).collect();
    assert_eq!(outputs, [0, 0, 1]);
    let third = parsed.input(*merge.inputs.last().unwrap()).unwrap();
    assert_eq!(third.custom_name(), Some("build \"the app\""));
    let place = third.places.first().unwrap();
    assert_eq!((place.file, place.line), ("build.lua", 5));
    let result = parsed.input(parsed.returns().unwrap().result).unwrap();
    assert_eq!(result.digest, vertices.last().unwrap().digest);
}

#[test]
fn ops_may_stand_in_any_order_and_twice() {
    let a = source("local://a");
    let b = source("local://b");
    let merged = on(
        &[&a, &b],
        pb::op::Op::Merge(pb::MergeOp {
            inputs: vec![pb::MergeInput { input: 0 }, pb::MergeInput { input: 1 }],
        }),
    );
    let message = definition(&[&merged, &b, &a, &b, &returning(&merged)]);
    assert_eq!(read(&message), Ok(()));
    let definition = Definition::from_bytes(&message.encode_to_vec()).unwrap();
    let parsed = definition.read().unwrap();
    assert_eq!(parsed.inputs_first(), [2, 1, 0]);
    assert_eq!(parsed.names().first().unwrap(), "merge (local://a, local://b)");
}

#[test]
fn damaged_definitions_are_refused() {
    let a = source("local://a");
    let b = source("local://b");
    let good = definition(&[&a, &returning(&a)]);
    assert_eq!(read(&good), Ok(()));

    let bytes = good.encode_to_vec();
    let cut = Definition::from_bytes(&bytes[..bytes.len() - 3]).unwrap_err();
    insta::assert_snapshot!(cut, @"this is not an LLB definition: failed to decode Protobuf message: Definition.def: buffer underflow");
    let mut broken = good.clone();
    broken.def[0].truncate(5);
    insta::assert_snapshot!(refused(&broken), @"op 1 of the definition is damaged: failed to decode Protobuf message: Op.op: buffer underflow");
    insta::assert_snapshot!(refused(&definition(&[&a])), @"the definition has a single op: it needs an operation and the return vertex after it");
    insta::assert_snapshot!(refused(&definition(&[&b, &a])), @"the definition has no return vertex: its last op, sha256:54d2cf71e1f5b1118b079cb75b94face753ab14fee6610848d6c416a250d53e4, has no input");
    insta::assert_snapshot!(refused(&definition(&[&a, &returning(&b)])), @"input 0 of op sha256:12f1a03c94f6cf5d0a2d61279c0c60187aa3315af5aa171f80e8ce0ceeb351bf is sha256:02e8ecec6cdb9eb0da309163d1048ad0e52a5fe6545b040b89482c54d6c1d9a5, which the definition doesn't have");
    // The return vertex is no input.
    let end = returning(&a);
    let above = on(&[&end], pb::op::Op::File(pb::FileOp::default()));
    insta::assert_snapshot!(refused(&definition(&[&a, &above, &end])), @"input 0 of op sha256:845308c7f5eedc4a59acb5432d7dc4d64210bbaa6c84e115491867fb79ce3f8a is sha256:fcbd52da8b550b6a4139fe3142d7c7f4e745df23fb0a83b1a3c37800be351564, which the definition doesn't have");
    let mut negative = returning(&a);
    negative.inputs[0].index = -1;
    insta::assert_snapshot!(refused(&definition(&[&a, &negative])), @"input 0 of op sha256:437c3391d04b35f62bf89eca6f68de9be7d21594b5e6e7a76e873b3b7ec6cf83 asks for output -1");

    let mut twice = good.clone();
    let entry = pb::MetadataEntry {
        key: Some("sha256:aa".to_owned()),
        value: None,
    };
    twice.metadata = vec![entry.clone(), entry];
    insta::assert_snapshot!(refused(&twice), @"the definition has two metadata entries for sha256:aa");

    let mut lost = good;
    let location = pb::Location {
        source_index: 2,
        ranges: Vec::new(),
    };
    let locations = pb::Locations {
        locations: vec![location],
    };
    lost.source = Some(pb::Source {
        locations: map::entries([(op_digest(&a.encode_to_vec()), locations)]),
        infos: vec![pb::SourceInfo::default()],
    });
    insta::assert_snapshot!(refused(&lost), @"op sha256:54d2cf71e1f5b1118b079cb75b94face753ab14fee6610848d6c416a250d53e4 is said to come from file 2 of the source map, which has 1");
}

#[test]
fn ops_that_no_engine_takes_are_refused() {
    let a = source("local://a");
    let problem = |op: pb::op::Op| {
        let op = on(&[&a], op);
        let refused = refused(&definition(&[&a, &op, &returning(&op)]));
        refused.split_once("can't be built: ").unwrap().1.to_owned()
    };
    let run = |exec| problem(pb::op::Op::Exec(exec));
    insta::assert_snapshot!(run(pb::ExecOp::default()), @"the exec has no arguments");
    insta::assert_snapshot!(run(exec(vec![mount("/a", 0)])), @"the exec mounts nothing at `/`");
    insta::assert_snapshot!(run(exec(vec![mount("/", 1)])), @"the mount at `/` uses input 1, and there are 1");
    insta::assert_snapshot!(run(exec(vec![mount("/", -2)])), @"the mount at `/` uses input -2, and there are 1");
    let of_kind = |dest: &str, kind: i32| pb::Mount {
        mount_type: kind,
        ..mount(dest, -1)
    };
    insta::assert_snapshot!(run(exec(vec![mount("/", 0), of_kind("/c", 3)])), @"the cache mount at `/c` has no options");
    insta::assert_snapshot!(run(exec(vec![mount("/", 0), of_kind("/c", 9)])), @"the mount at `/c` is of the unknown kind 9");
    let tmpfs = pb::Mount {
        tmpfs_opt: Some(pb::TmpfsOpt::default()),
        ..of_kind("/", 4)
    };
    insta::assert_snapshot!(run(exec(vec![tmpfs])), @"a tmpfs mount can't be the root filesystem");
    let no_output = pb::Mount {
        output: -1,
        ..mount("/", 0)
    };
    insta::assert_snapshot!(run(exec(vec![no_output])), @"input 0 asks for output 0 of sha256:9600cfd1597435b474f2156dfc1488e837b5bbb917b92653f7df48a76d7beb12, which has 0");

    let files = |actions| problem(pb::op::Op::File(pb::FileOp { actions }));
    let action = |input, output| pb::FileAction {
        input,
        secondary_input: -1,
        output,
        action: Some(pb::file_action::Action::Rm(pb::FileActionRm::default())),
    };
    insta::assert_snapshot!(files(Vec::new()), @"the file op has no action");
    insta::assert_snapshot!(files(vec![action(0, -1), action(2, 0)]), @"action 1 of the file op uses input 2, and there are 2");
    insta::assert_snapshot!(files(vec![action(0, 1)]), @"the outputs of the file op are not numbered from 0 without gaps");
    insta::assert_snapshot!(files(vec![pb::FileAction { action: None, ..action(0, 0) }]), @"action 0 of the file op does nothing that this version of Luakit knows");

    let merge = pb::MergeOp {
        inputs: vec![pb::MergeInput { input: -1 }],
    };
    insta::assert_snapshot!(problem(pb::op::Op::Merge(merge)), @"the merge uses input -1, and there are 1");
    insta::assert_snapshot!(problem(pb::op::Op::Diff(pb::DiffOp::default())), @"the diff does not say what its two sides are");
    let pass = |id: &str, outputs: Vec<i64>| {
        problem(pb::op::Op::Passthrough(pb::PassthroughOp {
            id: id.to_owned(),
            outputs,
        }))
    };
    insta::assert_snapshot!(pass("", vec![0]), @"the passthrough has no id");
    insta::assert_snapshot!(pass("x", Vec::new()), @"the passthrough has no output");
    insta::assert_snapshot!(pass("x", vec![1]), @"an output of the passthrough uses input 1, and there are 1");

    let nameless = source("alpine");
    let refused = |op: &pb::Op| refused(&definition(&[op, &returning(op)]));
    insta::assert_snapshot!(refused(&nameless), @"op sha256:1565878a5da7eb6d59af325d04d71e9e4a1a180f5dda9b01cb63c0dca8fdb6c8 can't be built: the source `alpine` has no scheme");
    insta::assert_snapshot!(refused(&pb::Op { platform: Some(pb::Platform::default()), ..Default::default() }), @"op sha256:4f82d2d4702d95b60ed4e752df221c56b0fb2de94af5889d016578e6db8afb7a can't be built: it does nothing that this version of Luakit knows");
}

/// As on an engine, what nothing needs does no harm.
#[test]
fn what_the_result_does_not_need_is_not_checked() {
    let a = source("local://a");
    let unused = source("no scheme");
    assert_eq!(read(&definition(&[&unused, &a, &returning(&a)])), Ok(()));
}

/// Go's encoder may leave the empty value of a map entry out, and an engine crashes on one that stays out.
#[test]
fn locations_without_a_value_get_one() {
    let a = source("local://a");
    let mut message = definition(&[&a, &returning(&a)]);
    message.source = Some(pb::Source {
        locations: vec![pb::LocationsEntry {
            key: Some("sha256:aa".to_owned()),
            value: None,
        }],
        infos: Vec::new(),
    });
    let definition = Definition::from_bytes(&message.encode_to_vec()).unwrap();
    let source = definition.message().source.as_ref().unwrap();
    assert_eq!(source.locations[0].value, Some(pb::Locations::default()));
}

/// Everything that takes a definition apart: none of it may panic.
fn exercise(bytes: &[u8]) {
    let Ok(definition) = Definition::from_bytes(bytes) else {
        return;
    };
    let _ = definition.export();
    let Ok(parsed) = definition.read() else { return };
    let _ = parsed.check();
    for format in [Format::Text, Format::Dot, Format::Json, Format::Mermaid] {
        let _ = render(&parsed, format, &Options::default());
    }
    let arm = "linux/arm64".parse().unwrap();
    let _ = definition.retarget(&arm);
    let _ = retarget(&definition, &Platform::linux_amd64(), &arm, &[]);
}

fn any_op() -> impl Strategy<Value = Vec<u8>> {
    let index = -2_i64..4;
    let action =
        (index.clone(), index.clone(), index.clone()).prop_map(|(input, secondary_input, output)| pb::FileAction {
            input,
            secondary_input,
            output,
            action: Some(pb::file_action::Action::Copy(pb::FileActionCopy::default())),
        });
    let file = prop::collection::vec(action, 0..3).prop_map(|actions| pb::op::Op::File(pb::FileOp { actions }));
    let mounts =
        (index.clone(), index.clone(), 0..6_i32, "/?[a-b]?").prop_map(|(input, output, mount_type, dest)| pb::Mount {
            input,
            output,
            mount_type,
            dest,
            ..Default::default()
        });
    let exec = prop::collection::vec(mounts, 0..4).prop_map(|mounts| pb::op::Op::Exec(exec(mounts)));
    let merge = prop::collection::vec(index.clone(), 0..4).prop_map(|inputs| {
        let inputs = inputs.into_iter().map(|input| pb::MergeInput { input }).collect();
        pb::op::Op::Merge(pb::MergeOp { inputs })
    });
    let diff = (index.clone(), index.clone()).prop_map(|(lower, upper)| {
        pb::op::Op::Diff(pb::DiffOp {
            lower: Some(pb::LowerDiffInput { input: lower }),
            upper: Some(pb::UpperDiffInput { input: upper }),
        })
    });
    let source = "[a-c]?(://)?[a-c]".prop_map(|identifier| {
        pb::op::Op::Source(pb::SourceOp {
            identifier,
            attrs: Vec::new(),
        })
    });
    let payload = prop::option::of(prop_oneof![file, exec, merge, diff, source]);
    let platform = prop::option::of("amd64|arm64").prop_map(|architecture| {
        architecture.map(|architecture| pb::Platform {
            architecture,
            os: "linux".to_owned(),
            ..Default::default()
        })
    });
    (payload, platform).prop_map(|(op, platform)| {
        pb::Op {
            op,
            platform,
            ..Default::default()
        }
        .encode_to_vec()
    })
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_taken_apart(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise(&bytes);
    }

    /// A good definition with a few bytes changed.
    #[test]
    fn damaged_bytes_are_refused_or_taken_apart(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut script = Script::new();
        let state = app(&mut script);
        let mut bytes = script.definition(state).to_bytes();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        exercise(&bytes);
        exercise(&bytes[..cut.index(bytes.len())]);
    }

    /// Ops of all kinds with wild indexes, joined into graphs.
    #[test]
    fn any_graph_is_refused_or_taken_apart(
        ops in prop::collection::vec((any_op(), prop::collection::vec((any::<prop::sample::Index>(), -1_i64..3), 0..4)), 1..8),
    ) {
        let mut def: Vec<Vec<u8>> = Vec::new();
        for (bytes, inputs) in ops {
            let mut op = pb::Op::decode(&*bytes).unwrap();
            if !def.is_empty() {
                let input = |(at, index): (prop::sample::Index, i64)| pb::Input {
                    digest: op_digest(at.get::<Vec<u8>>(&def)),
                    index,
                };
                op.inputs = inputs.into_iter().map(input).collect();
            }
            def.push(op.encode_to_vec());
        }
        let last = op_digest(def.last().unwrap());
        let end = pb::Op { inputs: vec![pb::Input { digest: last, index: 0 }], ..Default::default() };
        def.push(end.encode_to_vec());
        let message = pb::Definition { def, ..Default::default() };
        exercise(&message.encode_to_vec());
    }
}

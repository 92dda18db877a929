//! Other clients' definitions as states: passed on as they are, and built upon like any other state.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod graphs;

use graphs::{Script, app};
use luakit_llb::definition::DefinitionError;
use luakit_llb::image_config::compose;
use luakit_llb::marshal::{NoCache, Options, marshal, op_digest};
use luakit_llb::view::{self, Format};
use luakit_llb::{ConfigOverlay, Definition, Graph, Pins, Platform, Reached, State};
use luakit_proto::{Message as _, map, pb};
use serde_json::{Value, json};

fn written(graph: &Graph, state: State, platform: &str, no_cache: NoCache<'_>) -> Definition {
    let options = Options {
        platform: &platform.parse().unwrap(),
        pins: &Pins::new(),
        local_unique: "test",
        context_excludes: &[],
        run_defaults: None,
        no_cache,
        resolve_mode: luakit_llb::op::ResolveMode::Default,
    };
    marshal(graph, state, &options)
}

/// A definition taken into an empty graph, and written again for a platform that is not its own.
fn through(definition: &Definition) -> Definition {
    let mut graph = Graph::new();
    let state = graph.definition(definition, None).unwrap();
    written(&graph, state, "linux/riscv64", NoCache::Everything)
}

fn digests(definition: &Definition) -> Vec<String> {
    definition.message().def.iter().map(|op| op_digest(op)).collect()
}

/// The definition of a script with everything in it, as an engine receives it.
fn sent(state: impl FnOnce(&mut Script) -> State) -> Definition {
    let mut script = Script::new();
    let state = state(&mut script);
    Definition::from_bytes(&script.definition(state).to_bytes()).unwrap()
}

#[test]
fn what_is_taken_in_is_written_as_it_was() {
    let definition = sent(app);
    assert_eq!(through(&definition).to_bytes(), definition.to_bytes());
}

#[test]
fn what_the_go_client_wrote_is_written_as_it_was() {
    let vectors: Value = serde_json::from_str(include_str!("data/llb-vectors.json")).unwrap();
    let mut seen = 0;
    for case in vectors["cases"].as_array().unwrap() {
        let ops = case["ops"].as_array().unwrap();
        if ops.is_empty() {
            continue;
        }
        let caps = |op: &Value| {
            let caps = op["caps"].as_array().into_iter().flatten();
            let caps = caps.map(|cap| (cap.as_str().unwrap().to_owned(), true));
            pb::OpMetadata {
                caps: map::entries(caps),
                ..Default::default()
            }
        };
        let digest = |op: &Value| op["digest"].as_str().unwrap().to_owned();
        let message = pb::Definition {
            def: ops
                .iter()
                .map(|op| hex::decode(op["hex"].as_str().unwrap()).unwrap())
                .collect(),
            metadata: map::entries(ops.iter().map(|op| (digest(op), caps(op)))),
            source: None,
        };
        let again = through(&Definition::from_bytes(&message.encode_to_vec()).unwrap());
        assert_eq!(again.message().def, message.def, "{}", case["case"]);
        // The vectors leave labels out, and the last op says which of them there were.
        let last = op_digest(message.def.last().unwrap());
        let labels = |message: &pb::Definition| -> Vec<pb::MetadataEntry> {
            let entries = message.metadata.iter();
            entries
                .filter(|entry| entry.key.as_deref() != Some(&last))
                .cloned()
                .collect()
        };
        assert_eq!(labels(again.message()), labels(&message), "{}", case["case"]);
        seen += 1;
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn an_empty_definition_is_scratch() {
    let mut graph = Graph::new();
    let config = br#"{"config":{"Env":["A=1"]}}"#.to_vec();
    let state = graph.definition(&Definition::scratch(), Some(config)).unwrap();
    assert_eq!(state.output, None);
    assert!(written(&graph, state, "linux/amd64", NoCache::AsWritten).is_scratch());
    let config = compose(
        &graph,
        state,
        &ConfigOverlay::default(),
        &Platform::linux_amd64(),
        None,
        &Pins::new(),
    );
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["config"]["Env"][1], "A=1", "after the `PATH` of all images");
}

const CONFIG: &str = r#"{
    "os": "linux", "architecture": "arm64",
    "config": { "Env": ["PATH=/bin", "GREETING=hello"], "WorkingDir": "/srv", "User": "app", "Shell": ["/bin/ash", "-c"] }
}"#;

#[test]
fn what_is_built_on_top_takes_over_the_config() {
    let definition = sent(app);
    let mut script = Script::new();
    let state = script.graph.definition(&definition, Some(CONFIG.into())).unwrap();
    let top = script.run(state, "make");
    let whole = written(&script.graph, top, "linux/amd64", NoCache::AsWritten);

    let (before, after) = (digests(&definition), digests(&whole));
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after[..before.len() - 1], before[..before.len() - 1], "its ops stay");
    let run = pb::Op::decode(whole.message().def[before.len() - 1].as_slice()).unwrap();
    assert_eq!(run.inputs[0].digest, before[before.len() - 2]);
    assert_eq!(run.platform.unwrap().architecture, "arm64");
    let Some(pb::op::Op::Exec(exec)) = run.op else {
        unreachable!("a run is an exec")
    };
    let meta = exec.meta.unwrap();
    assert_eq!(meta.args, ["/bin/ash", "-c", "make"]);
    assert_eq!(meta.env, ["PATH=/bin", "GREETING=hello"]);
    assert_eq!((meta.cwd.as_str(), meta.user.as_str()), ("/srv", "app"));

    let overlay = ConfigOverlay {
        env: vec![("MORE".to_owned(), "1".to_owned())],
        ..ConfigOverlay::default()
    };
    let config = compose(
        &script.graph,
        top,
        &overlay,
        &Platform::linux_amd64(),
        None,
        &Pins::new(),
    );
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["architecture"], "arm64");
    assert_eq!(
        config["config"]["Env"],
        json!(["PATH=/bin", "GREETING=hello", "MORE=1"])
    );
    assert_eq!(config["config"]["User"], "app");
}

#[test]
fn without_a_config_runs_have_the_platform_of_the_last_operation() {
    let definition = sent(|script| {
        let image = script.image("alpine:3.19", Some("linux/arm64"));
        script.run(image, "true")
    });
    let mut script = Script::new();
    let state = script.graph.definition(&definition, None).unwrap();
    let top = script.run(state, "make");
    let whole = written(&script.graph, top, "linux/amd64", NoCache::AsWritten);
    let run = pb::Op::decode(whole.message().def[2].as_slice()).unwrap();
    assert_eq!(run.platform.unwrap().architecture, "arm64");
    // For another target it would stay so.
    assert_eq!(whole.explicit_platforms(), Vec::<String>::new());
    let same = written(&script.graph, top, "linux/arm64", NoCache::AsWritten);
    assert_eq!(same.explicit_platforms().len(), 3);
}

#[test]
fn equal_ops_of_several_hands_are_one() {
    let definition = sent(|script| {
        let image = script.image("alpine:3.19", None);
        script.run(image, "true")
    });
    let mut script = Script::new();
    // The same image on another line, and what its definition says of it.
    script.at();
    let own = script.image("alpine:3.19", None);
    let first = script.graph.definition(&definition, None).unwrap();
    let second = script.graph.definition(&definition, None).unwrap();
    let own = script.run(own, "false");
    let merged = script.merge(&[first, own, second]);
    let whole = written(&script.graph, merged, "linux/amd64", NoCache::AsWritten);
    // The image, two runs, the merge, and the return vertex.
    assert_eq!(whole.message().def.len(), 5);
    let parsed = whole.read().unwrap();
    let image = &parsed.vertices()[0];
    let lines: Vec<i32> = image.places.iter().map(|place| place.line).collect();
    assert_eq!(lines, [1, 2], "one place each, though the definition was taken twice");
    assert_eq!(
        whole.message().source.as_ref().unwrap().infos.len(),
        1,
        "equal files are one"
    );
}

#[test]
fn labels_and_places_stay_and_others_lie_over_them() {
    let mut definition = sent(|script| script.local("src"));
    definition.ignore_cache();
    let mut script = Script::new();
    let state = script.graph.definition(&definition, None).unwrap();
    let named = luakit_llb::Metadata {
        description: Some("the sources".to_owned()),
        ..Default::default()
    };
    let state = script.graph.with_metadata(state, named);
    let whole = written(&script.graph, state, "linux/amd64", NoCache::AsWritten);
    let parsed = whole.read().unwrap();
    let vertex = &parsed.vertices()[0];
    assert_eq!(vertex.custom_name(), Some("the sources"));
    assert!(vertex.metadata.unwrap().ignore_cache);
    assert_eq!(vertex.places.len(), 1);
    assert_eq!(digests(&whole), digests(&definition));
    let text = view::render(&parsed, Format::Text, &view::Options::default());
    assert!(text.contains("the sources"), "{text}");
}

#[test]
fn nothing_of_it_is_resolved_again() {
    let definition = sent(app);
    let mut graph = Graph::new();
    let state = graph.definition(&definition, Some(CONFIG.into())).unwrap();
    assert_eq!(graph.reached(state, &Platform::linux_amd64()), Reached::default());
    assert_eq!(graph.explicit_platform(state), None);
    assert_eq!(
        graph.made_of(state).vertices(&graph).count(),
        definition.message().def.len() - 1
    );
}

#[test]
fn damaged_definitions_are_refused() {
    let good = sent(app);
    let refused = |change: &dyn Fn(&mut pb::Definition)| {
        let mut message = good.message().clone();
        change(&mut message);
        let definition = Definition::from_bytes(&message.encode_to_vec()).unwrap();
        Graph::new().definition(&definition, None).unwrap_err()
    };
    let lost = refused(&|message| drop(message.def.remove(0)));
    assert!(matches!(lost, DefinitionError::MissingInput { .. }), "{lost}");
    let alone = refused(&|message| message.def = vec![message.def.pop().unwrap()]);
    assert_eq!(alone, DefinitionError::SingleOp);
    let endless = refused(&|message| drop(message.def.drain(1..)));
    assert_eq!(endless, DefinitionError::SingleOp);
    let broken = refused(&|message| message.def[0].truncate(5));
    assert!(
        matches!(broken, DefinitionError::MalformedOp { number: 1, .. }),
        "{broken}"
    );
    let ends_in_a_source = refused(&|message| {
        let source = pb::op::Op::Source(pb::SourceOp {
            identifier: "local://b".to_owned(),
            attrs: Vec::new(),
        });
        let source = pb::Op {
            op: Some(source),
            ..Default::default()
        };
        message.def.push(source.encode_to_vec());
    });
    assert!(
        matches!(ends_in_a_source, DefinitionError::NoReturn { .. }),
        "{ends_in_a_source}"
    );
    for index in [-1, 1 << 40] {
        let far = refused(&|message| {
            let last = message.def.pop().unwrap();
            let mut last = pb::Op::decode(last.as_slice()).unwrap();
            last.inputs[0].index = index;
            message.def.push(last.encode_to_vec());
        });
        assert!(matches!(far, DefinitionError::ImpossibleOutput { .. }), "{far}");
    }
}

/// Neither recursion nor square cost: with either, this test would not end.
#[test]
fn a_long_chain_goes_through() {
    let definition = sent(|script| {
        let mut state = script.image("alpine:3.19", None);
        for _ in 0..20_000 {
            state = script.mkdir(state, "/deeper");
        }
        state
    });
    let mut script = Script::new();
    let mut state = script.graph.definition(&definition, None).unwrap();
    state = script.mkdir(state, "/deepest");
    let whole = written(&script.graph, state, "linux/amd64", NoCache::AsWritten);
    assert_eq!(whole.message().def.len(), definition.message().def.len() + 1);
}

//! Graphs of 100 to 100,000 runs, built and marshalled without Lua: `cargo bench -p luakit-llb`.
//!
//! Read the `median` column, and the `items/s` under it: an item is a run, so cost is linear when that stays level from one
//! size to the next. `max alloc` is the memory that one marshalling holds at its peak, the graph not included.

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use luakit_llb::marshal::{NoCache, Options, marshal};
use luakit_llb::op::{Command, ImageSource, Mount, MountKind, ResolveMode, Run};
use luakit_llb::{Definition, Frame, Graph, Metadata, Pins, Platform, SourceText, StackId, State};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const SIZES: [u32; 4] = [100, 1_000, 10_000, 100_000];

fn main() {
    divan::main();
}

/// Each run on the one before it.
#[divan::bench(args = SIZES, sample_count = 10, max_time = 2)]
fn chain(bencher: Bencher<'_, '_>, runs: u32) {
    measure(bencher, runs, || deep(runs, |_| {}));
}

/// A chain whose environment has 20 variables, as that of a language's image and a few settings has.
#[divan::bench(args = SIZES, sample_count = 10, max_time = 2)]
fn chain_with_environment(bencher: Bencher<'_, '_>, runs: u32) {
    measure(bencher, runs, || {
        let mut script = Script::new();
        let base = script.image();
        let vars = (0..20).map(|i| (format!("VARIABLE_{i}"), format!("value {i}")));
        let mut state = script.graph.with_env(base, vars.collect());
        for i in 0..runs {
            state = script.run(state, i, |_| {});
        }
        (script.graph, state)
    });
}

/// A chain whose runs each have a cache and a bind mount.
#[divan::bench(args = SIZES, sample_count = 10, max_time = 2)]
fn chain_with_mounts(bencher: Bencher<'_, '_>, runs: u32) {
    measure(bencher, runs, || {
        let mut script = Script::new();
        let base = script.image();
        let mut state = base;
        for i in 0..runs {
            state = script.run(state, i, |run| run.mounts = mounts(base));
        }
        (script.graph, state)
    });
}

/// One merge of what each run has over the base.
#[divan::bench(args = SIZES, sample_count = 10, max_time = 2)]
fn merge_of_diffs(bencher: Bencher<'_, '_>, runs: u32) {
    measure(bencher, runs, || {
        let mut script = Script::new();
        let base = script.image();
        let mut parts = vec![base];
        for i in 0..runs {
            let run = script.run(base, i, |_| {});
            parts.push(script.graph.diff(base, run, script.at));
        }
        let state = script.graph.merge(&parts, script.at);
        (script.graph, state)
    });
}

/// What `luakit dag` and `luakit solve` do first.
#[divan::bench(args = SIZES, sample_count = 10, max_time = 2)]
fn read(bencher: Bencher<'_, '_>, runs: u32) {
    let (graph, state) = deep(runs, |_| {});
    let definition = definition(&graph, state);
    bencher
        .counter(ItemsCount::new(runs))
        .bench_local(|| black_box(definition.read().is_ok()));
}

/// Only the graph, as a script's calls make it.
#[divan::bench(args = SIZES, sample_count = 10, max_time = 2)]
fn build_graph(bencher: Bencher<'_, '_>, runs: u32) {
    bencher
        .counter(ItemsCount::new(runs))
        .bench_local(|| black_box(deep(runs, |_| {})));
}

fn measure(bencher: Bencher<'_, '_>, runs: u32, build: impl Fn() -> (Graph, State)) {
    let (graph, state) = build();
    bencher
        .counter(ItemsCount::new(runs))
        .bench_local(|| black_box(definition(&graph, state)));
}

fn definition(graph: &Graph, state: State) -> Definition {
    let options = Options {
        platform: &Platform::linux_amd64(),
        pins: &Pins::new(),
        local_unique: "bench",
        context_excludes: &[],
        run_defaults: None,
        no_cache: NoCache::AsWritten,
        resolve_mode: ResolveMode::Default,
    };
    marshal(graph, state, &options)
}

fn deep(runs: u32, change: impl Fn(&mut Run)) -> (Graph, State) {
    let mut script = Script::new();
    let mut state = script.image();
    for i in 0..runs {
        state = script.run(state, i, &change);
    }
    (script.graph, state)
}

fn mounts(state: State) -> Vec<Mount> {
    let cache = MountKind::Cache {
        id: "//root/.cache".to_owned(),
        sharing: luakit_llb::op::CacheSharing::Shared,
        from: None,
        selector: None,
    };
    let bind = MountKind::Bind {
        state,
        selector: None,
        readonly: true,
    };
    let at = |dest: &str, kind| Mount {
        dest: dest.to_owned(),
        kind,
    };
    vec![at("/root/.cache", cache), at("/src", bind)]
}

/// A graph under way, all of it from one place of one file, as a loop's is.
struct Script {
    graph: Graph,
    at: StackId,
}

impl Script {
    fn new() -> Self {
        let mut graph = Graph::new();
        let file = graph.add_file(SourceText {
            name: "build.lua".to_owned(),
            data: b"for i = 1, n do state = state:run(command(i)) end".as_slice().into(),
        });
        let at = graph.intern_stack(&[Frame { file, line: 1 }]);
        Self { graph, at }
    }

    #[allow(clippy::expect_used, reason = "the reference is good")]
    fn image(&mut self) -> State {
        let image = ImageSource {
            reference: "alpine:3.19".parse().expect("a reference"),
            platform: None,
            resolve_mode: ResolveMode::Default,
            resolve_digest: true,
            layer_limit: None,
            checksum: None,
        };
        self.graph.image(image, self.at)
    }

    fn run(&mut self, state: State, i: u32, change: impl Fn(&mut Run)) -> State {
        let mut run = Run::new(Command::Shell(format!("echo {i}")));
        change(&mut run);
        self.graph.run(state, run, Metadata::default(), self.at)
    }
}

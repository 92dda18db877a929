//! A list for people: each vertex with what it does, what it consumes, and where the script asked for it.

use std::fmt::Write as _;

use luakit_proto::{map, pb};

use super::dag::{Dag, Link, Node, show_place};
use super::one_line;
use crate::definition::Vertex;

/// How much of a text is shown on a line.
const LINE: usize = 160;

pub(super) fn render(dag: &Dag<'_>) -> String {
    let mut out = String::new();
    heading(&mut out, dag);
    for node in &dag.nodes {
        if let Some(vertex) = dag.vertex(node) {
            show(&mut out, dag, node, vertex);
        }
    }
    if dag.parsed.returns().is_some() {
        put(&mut out, format_args!("\nresult {}\n", links(&dag.result)));
    }
    out
}

fn heading(out: &mut String, dag: &Dag<'_>) {
    let all = dag.parsed.vertices().len();
    if all == 0 {
        out.push_str("scratch: nothing to build\n");
        return;
    }
    let shown = dag.nodes.iter().filter(|node| node.matched).count();
    let of = if dag.filtered {
        format!("{shown} of {all}")
    } else {
        all.to_string()
    };
    let noun = if all == 1 { "vertex" } else { "vertices" };
    put(out, format_args!("{of} {noun}"));
    if let Some(target) = &dag.target {
        put(out, format_args!(" for {target}"));
    }
    out.push('\n');
}

fn show(out: &mut String, dag: &Dag<'_>, node: &Node, vertex: &Vertex<'_>) {
    let name = one_line(dag.name(node.position), LINE);
    let number = node.position + 1;
    let kind = vertex.kind().name();
    // The names of merges and diffs begin so.
    let kind = if name.starts_with(kind) {
        ""
    } else {
        &format!("{kind} ")
    };
    put(out, format_args!("\n#{number} {kind}{name}\n"));
    if vertex.custom_name().is_some() {
        let deed = dag.parsed.deed(node.position, &dag.names);
        detail(out, "does", &deed);
    }
    if !node.links.is_empty() {
        detail(out, "from", &links(&node.links));
    }
    if let Some(platform) = dag.platform(vertex) {
        detail(out, "platform", &platform);
    }
    match &vertex.op.op {
        Some(pb::op::Op::Source(source)) => {
            for (name, value) in map::map(source.attrs.clone()) {
                detail(out, "with", &format!("{name}={value}"));
            }
        }
        Some(pb::op::Op::Exec(exec)) => show_exec(out, exec),
        _ => {}
    }
    let mut marks = marks(vertex);
    if !node.matched {
        marks.push("not asked for, but joins what is".to_owned());
    }
    if !marks.is_empty() {
        detail(out, "marks", &marks.join(", "));
    }
    if !vertex.places.is_empty() {
        let places: Vec<String> = vertex.places.iter().map(|place| show_place(*place)).collect();
        detail(out, "at", &places.join(", "));
    }
}

fn show_exec(out: &mut String, exec: &pb::ExecOp) {
    if let Some(meta) = &exec.meta {
        if meta.cwd != "/" {
            detail(out, "in", &meta.cwd);
        }
        if !meta.user.is_empty() {
            detail(out, "as", &meta.user);
        }
    }
    for mount in &exec.mounts {
        let dest = &mount.dest;
        if let Some(cache) = &mount.cache_opt {
            let sharing = match cache.sharing() {
                pb::CacheSharingOpt::Shared => "shared",
                pb::CacheSharingOpt::Private => "private",
                pb::CacheSharingOpt::Locked => "locked",
            };
            detail(out, "cache", &format!("{dest} (id {}, {sharing})", cache.id));
        } else if let Some(secret) = &mount.secret_opt {
            detail(out, "secret", &format!("{dest} (id {})", secret.id));
        } else if let Some(ssh) = &mount.ssh_opt {
            let id = if ssh.id.is_empty() { "default" } else { &ssh.id };
            detail(out, "ssh", &format!("{dest} (id {id})"));
        } else if mount.tmpfs_opt.is_some() {
            detail(out, "tmpfs", dest);
        }
    }
    for secret in &exec.secretenv {
        detail(out, "secret", &format!("${} (id {})", secret.name, secret.id));
    }
}

/// What sets a vertex apart without being what it does.
fn marks(vertex: &Vertex<'_>) -> Vec<String> {
    let mut marks = Vec::new();
    if let Some(metadata) = vertex.metadata {
        if metadata.ignore_cache {
            marks.push("not cached".to_owned());
        }
        match metadata.export_cache {
            Some(pb::ExportCache { value: true }) => marks.push("in exported caches".to_owned()),
            Some(pb::ExportCache { value: false }) => marks.push("not in exported caches".to_owned()),
            None => {}
        }
        if let Some(group) = &metadata.progress_group {
            marks.push(format!(
                "group {}",
                if group.name.is_empty() { &group.id } else { &group.name }
            ));
        }
        if metadata.linux_resources.is_some() {
            marks.push("limited resources".to_owned());
        }
    }
    if let Some(pb::op::Op::Exec(exec)) = &vertex.op.op {
        match exec.network() {
            pb::NetMode::Unset => {}
            pb::NetMode::Host => marks.push("host network".to_owned()),
            pb::NetMode::None => marks.push("no network".to_owned()),
        }
        if exec.security() == pb::SecurityMode::Insecure {
            marks.push("insecure".to_owned());
        }
        let devices = exec.cdi_devices.iter().map(|device| format!("device {}", device.name));
        marks.extend(devices);
    }
    marks
}

fn links(links: &[Link]) -> String {
    let mut shown = Vec::with_capacity(links.len());
    for link in links {
        let mut text = String::new();
        if !link.direct {
            text.push('…');
        }
        put(&mut text, format_args!("#{}", link.from + 1));
        if link.output > 0 {
            put(&mut text, format_args!("[{}]", link.output));
        }
        if !link.label.is_empty() {
            put(&mut text, format_args!(" at {}", link.label));
        }
        shown.push(text);
    }
    if shown.is_empty() {
        return "nothing that is shown".to_owned();
    }
    shown.join(", ")
}

fn detail(out: &mut String, what: &str, text: &str) {
    put(out, format_args!("   {what} {}\n", one_line(text, LINE)));
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String can't fail.
    let _infallible = out.write_fmt(text);
}

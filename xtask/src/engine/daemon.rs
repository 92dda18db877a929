//! The running engine: two Docker daemons with one containerd, two registries and a
//! server of packages, in namespaces of their own.
//!
//! The second daemon keeps images with a graph driver, as older installations do; it is there for what differs.
//!
//! All run below one process in a private mount and PID namespace (`init.sh`): killing that process ends
//! every daemon and container and undoes every mount, however the run ended. The network namespace is the
//! machine's, so that the daemon reaches test servers on loopback. The daemon writes no packet filter rules
//! and switches no forwarding on: run steps reach each other and this machine, not beyond.

use std::fs::{self, File, OpenOptions};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use luakit_testkit::engine::{FACTS_FILE, Facts, ping};
use serde_json::json;

use super::footprint::{self, EMULATED};
use super::packages::{Tools, remove_folder};
use super::place::Place;
use super::process::{command, output, tail};

const INIT: &str = include_str!("init.sh");

/// Public registries whose images our registry serves, under their own names.
///
/// `registry-1.docker.io` is where a daemon turns when its mirror lacks an image: it finds our registry
/// there too, so a missing image fails at once and alike on every machine.
const UPSTREAMS: [&str; 2] = ["gcr.io", "registry-1.docker.io"];

/// How long the daemons may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The process above the engine's namespaces, if it runs.
pub(super) fn pid(place: &Place) -> Option<u32> {
    let text = fs::read_to_string(place.root.join("pid")).ok()?;
    let (pid, since) = text.trim().split_once(' ')?;
    let pid = pid.parse().ok()?;
    // A number may be reused after a reboot; number and start time together are not.
    (start_time(pid)? == since).then_some(pid)
}

/// Starts the daemons and waits until they answer. The facts have no images yet.
pub(super) fn start(place: &Place, tools: &Tools) -> Result<Facts> {
    println!("starting the engine");
    let port = free_port(place.port())?;
    let loopback = place.loopback();
    let upstreams = format!("{loopback}:443");
    TcpListener::bind(&upstreams).with_context(|| {
        format!(
            "`{upstreams}` must be free, to stand in for {}: does a server here listen on port 443 of every address",
            UPSTREAMS.join(" and ")
        )
    })?;
    let registry = format!("127.0.0.1:{port}");
    let gateway = footprint::make_bridge(place)?;
    let packages = format!("{gateway}:80");
    configure(place, tools, &registry, &upstreams, &gateway)?;
    fs::write(place.run().join("packages"), &packages)?;

    let mut init = spawn(place, tools)?;
    let ready = wait_until_ready(place, &mut init, &[&registry, &upstreams, &packages]);
    if let Err(why) = ready {
        stop(place)?;
        return Err(why);
    }
    let docker_host = format!("unix://{}", place.docker_socket().display());
    let docker_cli = tools.root.join("usr/bin/docker");
    let version = output(command(&docker_cli).env("DOCKER_HOST", &docker_host).args([
        "version",
        "--format",
        "{{.Server.Version}}",
    ]))?;
    let emulators = emulators_registered(&init, place)?;
    let runs = std::iter::once("linux/amd64")
        .chain(emulators)
        .map(str::to_owned)
        .collect();
    Ok(Facts {
        docker_socket: place.docker_socket(),
        graph_socket: place.graph_socket(),
        docker_host,
        docker_cli,
        tools: tools.root.clone(),
        docker_config: place.root.join("docker-config"),
        version: version.trim().to_owned(),
        registry,
        mirrored: vec!["docker.io".to_owned(), "gcr.io".to_owned()],
        gateway,
        runs,
        images: Vec::new(),
    })
}

/// Stops whatever runs, and removes what it kept and left: also after a run that was killed.
pub(super) fn stop(place: &Place) -> Result<()> {
    if let Some(pid) = pid(place) {
        // `unshare --kill-child` passes it on to process 1, and the kernel to all the rest.
        output(command("kill").args(["-KILL", &pid.to_string()]))?;
    }
    let deadline = Instant::now() + PATIENCE;
    while remaining(place) {
        if Instant::now() > deadline {
            bail!("the engine's processes do not end: see `{}`", place.logs().display());
        }
        sleep(Duration::from_millis(50));
    }
    footprint::clear(place)?;
    remove_folder(&place.run())?;
    for file in [
        place.root.join("pid"),
        place.root.join("init"),
        place.root.join(FACTS_FILE),
        place.docker_socket(),
        place.graph_socket(),
    ] {
        match fs::remove_file(&file) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                return Err(why).with_context(|| format!("cannot remove `{}`", file.display()));
            }
            _ => {}
        }
    }
    if place.sockets() != place.root {
        remove_folder(&place.sockets())?;
    }
    Ok(())
}

/// Whether process 0 or 1 of the namespaces is still there. The latter is reaped last of all.
fn remaining(place: &Place) -> bool {
    let init = fs::read_to_string(place.root.join("init")).ok();
    let init = init.as_deref().and_then(|text| text.trim().split_once(' '));
    let init_runs =
        init.is_some_and(|(pid, since)| pid.parse().ok().and_then(start_time).is_some_and(|now| now == since));
    pid(place).is_some() || init_runs
}

fn spawn(place: &Place, tools: &Tools) -> Result<Child> {
    let script = place.run().join("init.sh");
    fs::write(&script, INIT)?;
    let log = place.logs().join("init.log");
    let log = OpenOptions::new().create(true).write(true).truncate(true).open(log)?;
    // `setsid`: the engine outlives the terminal and the job that started it.
    let mut init = command("setsid")
        .args([
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "--pid",
            "--fork",
            "--kill-child",
        ])
        .args(["--mount-proc", "/bin/sh"])
        .args([&script, &place.run(), &place.logs(), &place.served()])
        .env("PATH", tools.path())
        .current_dir("/")
        .stdout(log.try_clone()?)
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .context("cannot run `unshare`")?;
    let pid = init.id();
    let since = start_time(pid).context("the engine ended at once")?;
    fs::write(place.root.join("pid"), format!("{pid} {since}"))?;
    let deadline = Instant::now() + PATIENCE;
    let child = loop {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        if let Some(child) = children.split_whitespace().next() {
            break child.to_owned();
        }
        if init.try_wait()?.is_some() || Instant::now() > deadline {
            bail!("`unshare` made no namespaces: {}", log_tail(place, "init.log"));
        }
        sleep(Duration::from_millis(5));
    };
    if let Some(since) = child.parse().ok().and_then(start_time) {
        fs::write(place.root.join("init"), format!("{child} {since}"))?;
    }
    Ok(init)
}

fn wait_until_ready(place: &Place, init: &mut Child, registries: &[&str]) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answers = registries.iter().all(|address| TcpStream::connect(address).is_ok())
            && [place.docker_socket(), place.graph_socket()]
                .iter()
                .all(|socket| ping(socket).is_ok());
        if answers {
            return Ok(());
        }
        let ended = init.try_wait()?.is_some();
        if ended || Instant::now() > deadline {
            let mut logs = Vec::new();
            for name in [
                "init.log",
                "registry.log",
                "upstreams.log",
                "packages.log",
                "containerd.log",
                "dockerd.log",
                "graph.log",
            ] {
                logs.push(format!("--- {name}\n{}", log_tail(place, name)));
            }
            let how = if ended { "ended" } else { "does not answer" };
            bail!("the engine {how}:\n{}", logs.join("\n"));
        }
        sleep(Duration::from_millis(50));
    }
}

fn log_tail(place: &Place, name: &str) -> String {
    tail(&fs::read_to_string(place.logs().join(name)).unwrap_or_default())
}

/// The emulated platforms whose entries process 1 could register.
fn emulators_registered(init: &Child, place: &Place) -> Result<Vec<&'static str>> {
    let table = output(command("nsenter").args([
        "--mount",
        "--target",
        &init_pid(init, place)?,
        "ls",
        "/proc/sys/fs/binfmt_misc",
    ]))?;
    let named = |emulator: &str| format!("luakit-{}-{emulator}", place.id());
    Ok(EMULATED
        .iter()
        .filter(|(_, emulator, ..)| table.lines().any(|line| line == named(emulator)))
        .map(|(platform, ..)| *platform)
        .collect())
}

fn init_pid(init: &Child, place: &Place) -> Result<String> {
    let text = fs::read_to_string(place.root.join("init")).unwrap_or_default();
    match text.split_once(' ') {
        Some((pid, _)) => Ok(pid.to_owned()),
        None => bail!("process 1 below {} is not known", init.id()),
    }
}

fn configure(place: &Place, tools: &Tools, registry: &str, upstreams: &str, gateway: &str) -> Result<()> {
    let run = place.run();
    for folder in [
        &run,
        &place.logs(),
        &place.registry(),
        &place.served(),
        &place.sockets(),
    ] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    }
    for (name, store) in [("daemon", Store::Containerd), ("graph", Store::Graph)] {
        let config = docker_config(place, registry, gateway, store);
        fs::write(run.join(format!("{name}.json")), serde_json::to_vec_pretty(&config)?)?;
    }
    fs::write(run.join("containerd.toml"), containerd_config(&run.join("containerd")))?;
    fs::write(run.join("registry.yml"), registry_config(place, registry))?;
    fs::write(run.join("upstreams.yml"), upstreams_config(place, upstreams))?;
    certify(&run, tools)?;
    let hosts = format!("{} {}\n", place.loopback(), UPSTREAMS.join(" "));
    fs::write(run.join("hosts.more"), hosts)?;
    fs::write(run.join("binfmt"), binfmt_entries(place, tools))?;
    let plugins = place.root.join("docker-config/cli-plugins");
    remove_folder(&plugins)?;
    fs::create_dir_all(&plugins)?;
    let buildx = tools.root.join("usr/libexec/docker/cli-plugins/docker-buildx");
    std::os::unix::fs::symlink(buildx, plugins.join("docker-buildx"))?;
    Ok(())
}

/// Where a Docker daemon keeps images.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    Containerd,
    Graph,
}

/// A daemon's configuration. Both run their steps on the bridge, each with a half of its addresses; its own is
/// `gateway`.
fn docker_config(place: &Place, registry: &str, gateway: &str, store: Store) -> serde_json::Value {
    let (name, socket, half) = match store {
        Store::Containerd => ("docker", place.docker_socket(), 0),
        Store::Graph => ("graph", place.graph_socket(), 128),
    };
    let subnet = gateway.rsplit_once('.').map_or(gateway, |(subnet, _)| subnet);
    json!({
        "features": { "containerd-snapshotter": store == Store::Containerd },
        "hosts": [format!("unix://{}", socket.display())],
        "containerd": "/run/containerd/containerd.sock",
        "containerd-namespace": name,
        "containerd-plugins-namespace": format!("{name}-plugins"),
        "data-root": place.run().join(name),
        "exec-root": format!("/run/{name}"),
        "pidfile": format!("/run/{name}.pid"),
        "bridge": place.bridge(),
        "fixed-cidr": format!("{subnet}.{half}/25"),
        "iptables": false,
        "ip6tables": false,
        "ip-forward": false,
        "ip-masq": false,
        "userland-proxy": false,
        "cgroup-parent": format!("/{}", place.cgroup()),
        "registry-mirrors": [format!("http://{registry}")],
        "builder": {
            "gc": { "enabled": false },
            "entitlements": { "network-host": true, "security-insecure": true },
        },
    })
}

fn containerd_config(root: &Path) -> String {
    // Only overlayfs is wanted; the plugins left out look for devices or keep listeners open.
    format!(
        r#"version = 2
root = "{}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
address = "/run/containerd/containerd.sock"
"#,
        root.display()
    )
}

fn registry_config(place: &Place, address: &str) -> String {
    format!(
        "version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: '{}'}}, delete: {{enabled: true}}}}
http: {{addr: '{address}'}}
",
        place.registry().display()
    )
}

/// The same storage under the public registries' names: by TLS, as they are spoken to, and read-only.
fn upstreams_config(place: &Place, address: &str) -> String {
    let run = place.run();
    format!(
        "version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: '{}'}}, maintenance: {{readonly: {{enabled: true}}}}}}
http: {{addr: '{address}', tls: {{certificate: '{}', key: '{}'}}}}
",
        place.registry().display(),
        run.join("certificate.pem").display(),
        run.join("key.pem").display(),
    )
}

/// Makes a certificate for the public registries' names that this engine's daemon alone trusts.
fn certify(run: &Path, tools: &Tools) -> Result<()> {
    let names: Vec<String> = UPSTREAMS.iter().map(|name| format!("DNS:{name}")).collect();
    output(
        command(tools.root.join("usr/bin/openssl"))
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ])
            .args(["-days", "365", "-subj", "/CN=luakit test engine", "-addext"])
            .arg(format!("subjectAltName={}", names.join(",")))
            .args(["-keyout", "key.pem", "-out", "certificate.pem"])
            .current_dir(run),
    )?;
    let mut roots = fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    roots.extend(fs::read(run.join("certificate.pem"))?);
    fs::write(run.join("roots.pem"), roots)?;
    Ok(())
}

/// Flags: `F` opens the emulator now, so that containers need not hold it; `P` keeps `argv[0]` (busybox is
/// nothing without), `OC` file and credentials.
fn binfmt_entries(place: &Place, tools: &Tools) -> String {
    let mut entries = String::new();
    for (_, emulator, magic, mask) in EMULATED {
        let (id, program) = (place.id(), tools.root.join("usr/bin").join(emulator));
        entries.push_str(":luakit-");
        entries.extend([&id, "-", emulator, ":M::", magic, ":", mask, ":"]);
        entries.push_str(&program.display().to_string());
        entries.push_str(":POCF\n");
    }
    entries
}

fn free_port(preferred: u16) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", preferred))
        .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))
        .context("no free port on loopback")?;
    Ok(listener.local_addr()?.port())
}

/// When a process started, in clock ticks since boot; nothing if it is gone or a zombie.
fn start_time(pid: u32) -> Option<String> {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut File::open(format!("/proc/{pid}/stat")).ok()?, &mut text).ok()?;
    // The name in parentheses may hold anything; fields are counted after it.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then_some(())?;
    fields.nth(18).map(str::to_owned)
}

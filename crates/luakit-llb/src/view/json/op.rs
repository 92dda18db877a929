//! The messages of `ops.proto`, field by field in the order of Go's structs.

use luakit_proto::pb::file_action::Action;
use luakit_proto::{map, pb};

use super::object::Object;

pub(super) fn op(o: &mut Object<'_>, op: &pb::Op) {
    o.list("inputs", &op.inputs, |o, input| {
        o.string("digest", &input.digest);
        o.int("index", input.index);
    });
    o.object("Op", |o| match &op.op {
        Some(pb::op::Op::Exec(m)) => o.object("exec", |o| exec(o, m)),
        Some(pb::op::Op::Source(m)) => o.object("source", |o| {
            o.string("identifier", &m.identifier);
            strings(o, "attrs", &m.attrs);
        }),
        Some(pb::op::Op::File(m)) => o.object("file", |o| o.list("actions", &m.actions, action)),
        Some(pb::op::Op::Build(m)) => o.object("build", |o| build(o, m)),
        Some(pb::op::Op::Merge(m)) => o.object("merge", |o| {
            o.list("inputs", &m.inputs, |o, input| o.int("input", input.input));
        }),
        Some(pb::op::Op::Diff(m)) => o.object("diff", |o| {
            o.some("lower", m.lower.as_ref(), |o, side| o.int("input", side.input));
            o.some("upper", m.upper.as_ref(), |o, side| o.int("input", side.input));
        }),
        Some(pb::op::Op::Passthrough(m)) => o.object("passthrough", |o| {
            o.string("id", &m.id);
            o.ints("outputs", m.outputs.iter().copied());
        }),
        None => {}
    });
    o.some("platform", op.platform.as_ref(), |o, platform| {
        o.string("Architecture", &platform.architecture);
        o.string("OS", &platform.os);
        o.string("Variant", &platform.variant);
        o.string("OSVersion", &platform.os_version);
        o.strings("OSFeatures", &platform.os_features);
    });
    o.some("constraints", op.constraints.as_ref(), |o, constraints| {
        o.strings("filter", &constraints.filter);
    });
}

pub(super) fn metadata(o: &mut Object<'_>, m: &pb::OpMetadata) {
    o.bool("ignore_cache", m.ignore_cache);
    strings(o, "description", &m.description);
    o.some("export_cache", m.export_cache.as_ref(), |o, cache| {
        o.bool("Value", cache.value);
    });
    o.map("caps", map::map(m.caps.clone()).into_iter(), |o, cap, needed| {
        o.bool_always(cap, needed);
    });
    o.some("progress_group", m.progress_group.as_ref(), |o, group| {
        o.string("id", &group.id);
        o.string("name", &group.name);
        o.bool("weak", group.weak);
    });
    o.some("linux_resources", m.linux_resources.as_ref(), |o, limits| {
        o.int("memory", limits.memory);
        o.int("memorySwap", limits.memory_swap);
        o.uint("cpuShares", limits.cpu_shares);
        o.uint("cpuPeriod", limits.cpu_period);
        o.int("cpuQuota", limits.cpu_quota);
        o.string("cpusetCpus", &limits.cpuset_cpus);
        o.string("cpusetMems", &limits.cpuset_mems);
    });
}

fn strings(o: &mut Object<'_>, key: &str, entries: &[pb::StringEntry]) {
    o.map(
        key,
        map::map(entries.iter().cloned()).into_iter(),
        |o, name, value: String| {
            o.string_always(name, &value);
        },
    );
}

fn exec(o: &mut Object<'_>, m: &pb::ExecOp) {
    o.some("meta", m.meta.as_ref(), meta);
    o.list("mounts", &m.mounts, mount);
    o.int("network", m.network.into());
    o.int("security", m.security.into());
    o.list("secretenv", &m.secretenv, |o, secret| {
        o.string("ID", &secret.id);
        o.string("name", &secret.name);
        o.bool("optional", secret.optional);
    });
    o.list("cdiDevices", &m.cdi_devices, |o, device| {
        o.string("name", &device.name);
        o.bool("optional", device.optional);
    });
}

fn meta(o: &mut Object<'_>, m: &pb::Meta) {
    o.strings("args", &m.args);
    o.strings("env", &m.env);
    o.string("cwd", &m.cwd);
    o.string("user", &m.user);
    o.some("proxy_env", m.proxy_env.as_ref(), |o, proxy| {
        o.string("http_proxy", &proxy.http_proxy);
        o.string("https_proxy", &proxy.https_proxy);
        o.string("ftp_proxy", &proxy.ftp_proxy);
        o.string("no_proxy", &proxy.no_proxy);
        o.string("all_proxy", &proxy.all_proxy);
    });
    o.list("extraHosts", &m.extra_hosts, |o, host| {
        o.string("Host", &host.host);
        o.string("IP", &host.ip);
    });
    o.string("hostname", &m.hostname);
    o.list("ulimit", &m.ulimit, |o, limit| {
        o.string("Name", &limit.name);
        o.int("Soft", limit.soft);
        o.int("Hard", limit.hard);
    });
    o.string("cgroupParent", &m.cgroup_parent);
    o.bool("removeMountStubsRecursive", m.remove_mount_stubs_recursive);
    o.ints("validExitCodes", m.valid_exit_codes.iter().map(|code| i64::from(*code)));
}

fn mount(o: &mut Object<'_>, m: &pb::Mount) {
    o.int("input", m.input);
    o.string("selector", &m.selector);
    o.string("dest", &m.dest);
    o.int("output", m.output);
    o.bool("readonly", m.readonly);
    o.int("mountType", m.mount_type.into());
    o.some("TmpfsOpt", m.tmpfs_opt.as_ref(), |o, tmpfs| o.int("size", tmpfs.size));
    o.some("cacheOpt", m.cache_opt.as_ref(), |o, cache| {
        o.string("ID", &cache.id);
        o.int("sharing", cache.sharing.into());
    });
    o.some("secretOpt", m.secret_opt.as_ref(), |o, secret| {
        o.string("ID", &secret.id);
        o.uint("uid", secret.uid.into());
        o.uint("gid", secret.gid.into());
        o.uint("mode", secret.mode.into());
        o.bool("optional", secret.optional);
    });
    o.some("SSHOpt", m.ssh_opt.as_ref(), |o, ssh| {
        o.string("ID", &ssh.id);
        o.uint("uid", ssh.uid.into());
        o.uint("gid", ssh.gid.into());
        o.uint("mode", ssh.mode.into());
        o.bool("optional", ssh.optional);
    });
    o.string("resultID", &m.result_id);
    o.int("contentCache", m.content_cache.into());
}

fn action(o: &mut Object<'_>, m: &pb::FileAction) {
    o.int_always("input", m.input);
    o.int_always("secondaryInput", m.secondary_input);
    o.int_always("output", m.output);
    o.object("Action", |o| match &m.action {
        Some(Action::Copy(m)) => o.object("copy", |o| copy(o, m)),
        Some(Action::Mkfile(m)) => o.object("mkfile", |o| {
            o.string("path", &m.path);
            o.int("mode", m.mode.into());
            o.bytes("data", &m.data);
            owner(o, m.owner.as_ref());
            o.int("timestamp", m.timestamp);
        }),
        Some(Action::Mkdir(m)) => o.object("mkdir", |o| {
            o.string("path", &m.path);
            o.int("mode", m.mode.into());
            o.bool("makeParents", m.make_parents);
            owner(o, m.owner.as_ref());
            o.int("timestamp", m.timestamp);
        }),
        Some(Action::Rm(m)) => o.object("rm", |o| {
            o.string("path", &m.path);
            o.bool("allowNotFound", m.allow_not_found);
            o.bool("allowWildcard", m.allow_wildcard);
        }),
        Some(Action::Symlink(m)) => o.object("symlink", |o| {
            o.string("oldpath", &m.oldpath);
            o.string("newpath", &m.newpath);
            owner(o, m.owner.as_ref());
            o.int("timestamp", m.timestamp);
        }),
        None => {}
    });
}

fn copy(o: &mut Object<'_>, m: &pb::FileActionCopy) {
    o.string("src", &m.src);
    o.string("dest", &m.dest);
    owner(o, m.owner.as_ref());
    o.int("mode", m.mode.into());
    o.bool("followSymlink", m.follow_symlink);
    o.bool("dirCopyContents", m.dir_copy_contents);
    o.bool(
        "attemptUnpackDockerCompatibility",
        m.attempt_unpack_docker_compatibility,
    );
    o.bool("createDestPath", m.create_dest_path);
    o.bool("allowWildcard", m.allow_wildcard);
    o.bool("allowEmptyWildcard", m.allow_empty_wildcard);
    o.int("timestamp", m.timestamp);
    o.strings("include_patterns", &m.include_patterns);
    o.strings("exclude_patterns", &m.exclude_patterns);
    o.bool("alwaysReplaceExistingDestPaths", m.always_replace_existing_dest_paths);
    o.string("modeStr", &m.mode_str);
    o.strings("required_paths", &m.required_paths);
}

fn owner(o: &mut Object<'_>, owner: Option<&pb::ChownOpt>) {
    o.some("owner", owner, |o, owner| {
        o.some("user", owner.user.as_ref(), user);
        o.some("group", owner.group.as_ref(), user);
    });
}

fn user(o: &mut Object<'_>, user: &pb::UserOpt) {
    o.object("User", |o| match &user.user {
        Some(pb::user_opt::User::ByName(named)) => o.object("byName", |o| {
            o.string("name", &named.name);
            o.int("input", named.input);
        }),
        Some(pb::user_opt::User::ById(id)) => o.uint("byId", (*id).into()),
        None => {}
    });
}

fn build(o: &mut Object<'_>, m: &pb::BuildOp) {
    o.int("builder", m.builder);
    o.map(
        "inputs",
        map::map(m.inputs.iter().cloned()).into_iter(),
        |o, name, input: pb::BuildInput| {
            o.object(name, |o| o.int("input", input.input));
        },
    );
    o.some("def", m.def.as_ref(), definition);
    strings(o, "attrs", &m.attrs);
}

fn definition(o: &mut Object<'_>, m: &pb::Definition) {
    o.byte_strings("def", &m.def);
    let entries = map::map(m.metadata.iter().cloned());
    o.map("metadata", entries.into_iter(), |o, digest, value: pb::OpMetadata| {
        o.object(digest, |o| metadata(o, &value));
    });
    o.some("Source", m.source.as_ref(), source);
}

fn source(o: &mut Object<'_>, m: &pb::Source) {
    let entries = map::map(m.locations.iter().cloned());
    o.map("locations", entries.into_iter(), |o, digest, value: pb::Locations| {
        o.object(digest, |o| o.list("locations", &value.locations, location));
    });
    o.list("infos", &m.infos, |o, info| {
        o.string("filename", &info.filename);
        o.bytes("data", &info.data);
        // The decoder bounds how deep definitions lie in each other.
        o.some("definition", info.definition.as_ref(), definition);
        o.string("language", &info.language);
    });
}

fn location(o: &mut Object<'_>, m: &pb::Location) {
    o.int("sourceIndex", m.source_index.into());
    o.list("ranges", &m.ranges, |o, range| {
        for (key, at) in [("start", &range.start), ("end", &range.end)] {
            o.some(key, at.as_ref(), |o, at| {
                o.int("line", at.line.into());
                o.int("character", at.character.into());
            });
        }
    });
}

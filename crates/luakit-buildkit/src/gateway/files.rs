//! What a frontend asks of its host besides solving: files of results, what the client has built already, and to pass
//! warnings on.

use std::collections::BTreeMap;

use luakit_diagnostic::Diagnostic;
use luakit_frontend::host::{Entry, EntryKind, Host};
use luakit_llb::{Definition, Platform, Reference};
use luakit_proto::gateway::{
    FileRange, InputsRequest, ReadDirRequest, ReadFileRequest, ResolveImageConfigRequest, WarnRequest,
};
use luakit_proto::{Message as _, fsutil};
use tonic::Status;

use super::places::Excerpt;
use super::{Gateway, GatewayError, ResultRef, platform_message};
use crate::error::BuildError;
use crate::fsutil::{mode, shown};

/// How much of a file is asked for at once: messages end at 16 MiB.
const PIECE: u64 = 4 << 20;

/// The file of a result that lists what a directory holds: a message for each, with its length before it
/// (<https://github.com/tonistiigi/fsutil/blob/master/receive.go>).
const LIST: &str = "/.fsutil-metadata";
const LONGEST_LIST: u64 = 64 << 20;

/// How images of layouts are looked up, rather than those of registries.
const OCI_LAYOUT: i32 = 1;

/// What is usual; BuildKit's clients know no other.
const LEVEL: i64 = 1;

impl Host for Gateway {
    async fn load(&self, definition: Definition) -> Result<ResultRef, GatewayError> {
        let loaded = self.solve_all(vec![definition], &[]).await?;
        Ok(loaded.into_iter().next().unwrap_or_default())
    }

    async fn read_file(&self, at: &ResultRef, path: &str, limit: u64) -> Result<Vec<u8>, GatewayError> {
        let mut data = Vec::new();
        loop {
            let have = u64::try_from(data.len()).unwrap_or(u64::MAX);
            let wanted = PIECE.min(limit.saturating_sub(have));
            if wanted == 0 {
                return Ok(data);
            }
            let request = ReadFileRequest {
                r#ref: at.0.id.clone(),
                file_path: path.to_owned(),
                range: Some(FileRange {
                    offset: i64::try_from(have).unwrap_or(i64::MAX),
                    length: i64::try_from(wanted).unwrap_or(i64::MAX),
                }),
            };
            let piece = self.client.clone().read_file(self.request(request)).await?;
            let piece = piece.into_inner().data;
            data.extend_from_slice(&piece);
            if u64::try_from(piece.len()).unwrap_or(u64::MAX) < wanted {
                return Ok(data);
            }
        }
    }

    async fn read_dir(&self, at: &ResultRef, path: &str) -> Result<Vec<Entry>, GatewayError> {
        // Nothing was solved for it, so there is nothing to ask for.
        if at.0.id.is_empty() {
            return Ok(Vec::new());
        }
        let request = ReadDirRequest {
            r#ref: at.0.id.clone(),
            dir_path: path.to_owned(),
            include_pattern: String::new(),
        };
        let listed = self.client.clone().read_dir(self.request(request)).await?;
        Ok(listed.into_inner().entries.iter().map(entry).collect())
    }

    fn sends_lists(&self) -> bool {
        let mut caps = self.pong.llb_caps.iter();
        caps.any(|cap| cap.enabled && cap.id == "source.local.metadatatransfer")
    }

    async fn read_list(&self, at: &ResultRef) -> Result<Vec<Entry>, GatewayError> {
        if at.0.id.is_empty() {
            return Ok(Vec::new());
        }
        let data = self.read_file(at, LIST, LONGEST_LIST + 1).await?;
        if u64::try_from(data.len()).is_ok_and(|size| size > LONGEST_LIST) {
            let text = format!("the list of files is larger than {} MiB", LONGEST_LIST >> 20);
            return Err(Status::resource_exhausted(text).into());
        }
        list(&data).ok_or_else(|| Status::internal("the list of files is malformed").into())
    }

    async fn layout_config(
        &self,
        store: &str,
        image: &Reference,
        platform: &Platform,
        step: &str,
    ) -> Result<Vec<u8>, GatewayError> {
        let request = ResolveImageConfigRequest {
            r#ref: image.to_string(),
            platform: Some(platform_message(platform)),
            resolve_mode: self.setting.resolve_mode.as_str().to_owned(),
            log_name: step.to_owned(),
            resolver_type: OCI_LAYOUT,
            session_id: self.setting.session.clone(),
            store_id: store.to_owned(),
        };
        let answer = self.client.clone().resolve_image_config(self.request(request)).await?;
        Ok(answer.into_inner().config)
    }

    async fn inputs(&self) -> Result<BTreeMap<String, Definition>, GatewayError> {
        if !self.offers("frontend.inputs") {
            return Ok(BTreeMap::new());
        }
        let inputs = self.client.clone().inputs(self.request(InputsRequest {})).await?;
        let read = |(name, message): (String, luakit_proto::pb::Definition)| {
            let definition = Definition::from_bytes(&message.encode_to_vec());
            let definition = definition.map_err(|e| BuildError::Definition(format!("the input `{name}`: {e}")))?;
            Ok((name, definition))
        };
        inputs.into_inner().definitions.into_iter().map(read).collect()
    }

    async fn warn(&self, vertex: &str, warning: &Diagnostic) -> bool {
        if !self.offers("gateway.warnings") {
            return false;
        }
        // A warning that doesn't come through is no reason to fail the build.
        let request = self.request(warn_request(vertex, warning));
        self.client.clone().warn(request).await.is_ok()
    }
}

/// Clients show the first line alone, unless they are asked for more: it says the place.
fn warn_request(vertex: &str, warning: &Diagnostic) -> WarnRequest {
    let message = luakit_diagnostic::render_without_source(warning);
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    let detail = lines.map(|line| line.as_bytes().to_vec()).collect();
    let short = match &warning.span {
        Some(span) => format!("{first} ({}:{})", span.file.name, span.line),
        None => first.to_owned(),
    };
    let label = warning.labels.first().map(|label| &label.span);
    let place = warning.span.as_ref().or(label).map(Excerpt::of);
    let (info, ranges) = place.map(Excerpt::into_wire).unzip();
    WarnRequest {
        digest: vertex.to_owned(),
        level: LEVEL,
        short: short.into_bytes(),
        detail,
        url: String::new(),
        info,
        ranges: ranges.unwrap_or_default(),
    }
}

/// What a list names; `None` when it is damaged.
fn list(mut data: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !data.is_empty() {
        let (length, rest) = data.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (message, rest) = rest.split_at_checked(length)?;
        let stat = fsutil::Stat::decode(message).ok()?;
        let name = shown(&stat.path);
        entries.push(Entry { name, ..entry(&stat) });
        data = rest;
    }
    Some(entries)
}

fn entry(stat: &fsutil::Stat) -> Entry {
    let name = stat.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let kind = match stat.mode & mode::TYPE {
        0 => EntryKind::File,
        mode::DIR => EntryKind::Directory,
        mode::SYMLINK => EntryKind::Link(shown(&stat.linkname)),
        _ => EntryKind::Other,
    };
    Entry {
        name: shown(name),
        kind,
    }
}

#[cfg(test)]
mod tests {
    use luakit_diagnostic::{SourceFile, Span};

    use super::*;

    #[test]
    fn the_first_line_of_a_warning_says_where() {
        let file = SourceFile::new("build.lua", &b"bk.arg('x')\n"[..]);
        let warning = Diagnostic::warning("odd", "this is odd")
            .with_span(Span::line(file, 1))
            .with_hint("change it");
        let request = warn_request("sha256:1", &warning);
        assert_eq!(String::from_utf8_lossy(&request.short), "this is odd (build.lua:1)");
        assert_eq!(request.detail, [b"hint: change it".to_vec()]);
        assert_eq!(request.info.unwrap().filename, "build.lua");
        assert_eq!(request.ranges.len(), 1);
    }

    #[test]
    fn kinds_of_entries() {
        let kind = |mode| {
            entry(&fsutil::Stat {
                path: "a/b".into(),
                mode,
                linkname: "to".into(),
                ..fsutil::Stat::default()
            })
        };
        assert_eq!(kind(0o644).kind, EntryKind::File);
        assert_eq!(kind(mode::DIR | 0o755).kind, EntryKind::Directory);
        assert_eq!(kind(mode::SYMLINK | 0o777).kind, EntryKind::Link("to".to_owned()));
        assert_eq!(kind(mode::PIPE).kind, EntryKind::Other);
        assert_eq!(kind(0).name, "b");
    }
    #[test]
    fn a_list_of_files() {
        let framed = |path: &str, mode| {
            let stat = fsutil::Stat {
                path: path.into(),
                mode,
                ..fsutil::Stat::default()
            };
            let message = stat.encode_to_vec();
            [u32::try_from(message.len()).unwrap().to_le_bytes().to_vec(), message].concat()
        };
        let data = [framed("a", mode::DIR), framed("a/b.go", 0o644)].concat();
        let named = |name: &str, kind| Entry {
            name: name.to_owned(),
            kind,
        };
        let expected = vec![named("a", EntryKind::Directory), named("a/b.go", EntryKind::File)];
        assert_eq!(list(&data), Some(expected));
        assert_eq!(list(&[]), Some(Vec::new()));
        for damaged in [&data[..data.len() - 1], &data[..2], &[255; 4], &[1, 0, 0, 0, 255]] {
            assert_eq!(list(damaged), None);
        }
    }
}

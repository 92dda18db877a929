//! Pushing made images to the engine's registry, over plain HTTP.
//!
//! The protocol is the distribution specification's: blobs first, each by one upload, then manifests,
//! then indexes by tag (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md>). What the
//! registry holds already is not sent again, so a warm start asks and sends nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::TcpStream;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use luakit_testkit::engine::MANIFEST_TYPES;
use luakit_testkit::http::{Request, Response, exchange};

/// The engine's registry, and where in it each blob was first pushed.
#[derive(Debug)]
pub(super) struct Registry {
    address: String,
    homes: BTreeMap<String, String>,
}

impl Registry {
    /// The registry at `HOST:PORT`.
    pub(super) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            homes: BTreeMap::new(),
        }
    }

    /// The digest that a tag names, if there is such a tag.
    pub(super) fn digest(&self, repository: &str, tag: &str) -> Result<Option<String>> {
        let target = format!("/v2/{repository}/manifests/{tag}");
        let response = self.send("HEAD", &target, &[("Accept", MANIFEST_TYPES)], &mut io::empty(), 0)?;
        match response.status {
            200 => Ok(response.header("docker-content-digest").map(str::to_owned)),
            404 => Ok(None),
            status => bail!("the registry answers {status} to `HEAD {target}`"),
        }
    }

    /// Pushes a blob from a file, unless the repository has it; from another repository if that has it.
    pub(super) fn push_blob(&mut self, repository: &str, digest: &str, file: &Path) -> Result<()> {
        let target = format!("/v2/{repository}/blobs/{digest}");
        let response = self.send("HEAD", &target, &[], &mut io::empty(), 0)?;
        if response.status != 200 {
            self.upload(repository, digest, file)
                .with_context(|| format!("cannot push `{digest}` to `{repository}`"))?;
        }
        self.homes
            .entry(digest.to_owned())
            .or_insert_with(|| repository.to_owned());
        Ok(())
    }

    /// Pushes a manifest or index under a tag or its digest.
    pub(super) fn push_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        content: &[u8],
    ) -> Result<()> {
        let target = format!("/v2/{repository}/manifests/{reference}");
        let headers = [("Content-Type", media_type)];
        let response = self.send("PUT", &target, &headers, &mut &*content, content.len() as u64)?;
        created(&response, &target)
    }

    fn upload(&self, repository: &str, digest: &str, file: &Path) -> Result<()> {
        let mount = match self.homes.get(digest) {
            Some(home) => format!("?mount={digest}&from={home}"),
            None => String::new(),
        };
        let target = format!("/v2/{repository}/blobs/uploads/{mount}");
        let response = self.send("POST", &target, &[], &mut io::empty(), 0)?;
        if response.status == 201 {
            return Ok(());
        }
        let Some(location) = response.header("location").filter(|_| response.status == 202) else {
            bail!("the registry answers {} to `POST {target}`", response.status);
        };
        let origin = format!("http://{}", self.address);
        let path = location.strip_prefix(&origin).unwrap_or(location);
        let joint = if path.contains('?') { '&' } else { '?' };
        let target = format!("{path}{joint}digest={digest}");
        let mut content = File::open(file)?;
        let length = content.metadata()?.len();
        let headers = [("Content-Type", "application/octet-stream")];
        let response = self.send("PUT", &target, &headers, &mut content, length)?;
        created(&response, &target)
    }

    fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &mut dyn Read,
        length: u64,
    ) -> Result<Response> {
        let request = Request {
            method,
            host: &self.address,
            target,
            headers,
        };
        TcpStream::connect(&self.address)
            .and_then(|stream| exchange(stream, &request, body, length))
            .with_context(|| format!("the registry at `{}` does not answer", self.address))
    }
}

fn created(response: &Response, target: &str) -> Result<()> {
    if response.status == 201 {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&response.body);
    bail!("the registry answers {} to `PUT {target}`: {body}", response.status)
}

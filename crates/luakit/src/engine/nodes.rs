//! A build on several nodes of a builder: each builds the platforms that it has, and the results become one.

use luakit_buildkit::{BuildRequest, BuildResponse};
use luakit_frontend::plan::MarshalSettings;
use luakit_frontend::resolve::Registry;
use luakit_llb::Platform;

use super::build::{self, Job, NodeJob};
use super::connect::Part;
use super::{divide, joint_index};
use crate::failure::Failure;
use crate::output_file::Begun;
use crate::printer::Printer;
use crate::progress::Setup;

/// Refuses what several nodes can't do together.
pub(crate) fn check(request: &BuildRequest, parts: &[Part], printer: &Printer) -> Result<(), Failure> {
    let nodes: Vec<String> = parts.iter().map(|part| format!("`{}`", part.node)).collect();
    divide::check(&request.exports, &nodes)?;
    if !request.attachments.uploads.is_empty() {
        return Err(Failure::usage(
            "a stream can be read by one node, and this build is divided among several",
        ));
    }
    if request.cache_exports.iter().any(|cache| cache.kind != "inline") {
        printer.warning(
            "divided-cache",
            "each node writes its cache to the place that `--cache-to` names, and the last one's stays there",
        );
    }
    Ok(())
}

/// Builds the parts at once, each from its own plan, and joins what came of them. `registry` is asked for with whether
/// it may be reached without TLS.
pub(crate) async fn build(
    parts: Vec<(Part, Job)>,
    mut request: BuildRequest,
    registry: impl Fn(&[String]) -> Result<Registry, Failure>,
    settings: &MarshalSettings,
    progress: Setup,
    printer: &Printer,
) -> Result<BuildResponse, Failure> {
    let platforms: Vec<&[Platform]> = parts.iter().map(|(part, _)| part.platforms.as_slice()).collect();
    let exports = std::mem::take(&mut request.exports);
    let mut divided = divide::divide(exports, &platforms, printer)?;
    request.written.extend(divided.places());
    // So that one platform's result has the form that several have: a directory, or an entry of an index.
    request.multi_platform = true;
    let jobs = parts.into_iter().zip(std::mem::take(&mut divided.exports));
    let jobs = jobs.map(|((part, job), exports)| NodeJob {
        node: part.node,
        engine: part.engine,
        request: BuildRequest {
            exports,
            ..request.for_another()
        },
        job,
    });
    let jobs = jobs.collect();
    let cancel = request.cancel;
    let canceled = cancel.clone();
    let finish = async |answers: Vec<BuildResponse>| {
        // What is pushed is seen at once; before, all else must have gone well.
        let files = divided.join_tarballs(&canceled).await?;
        let response = match &divided.image {
            Some(image) => {
                let insecure = image.names.iter().filter(|_| image.insecure);
                let insecure: Vec<String> = insecure.map(|name| name.domain().to_owned()).collect();
                joint_index::push(&registry(&insecure)?, image, &answers).await?
            }
            None => answers.into_iter().next().unwrap_or_default(),
        };
        files.into_iter().try_for_each(Begun::commit)?;
        Ok(response)
    };
    build::on_nodes(jobs, cancel, settings, finish, progress, printer).await
}

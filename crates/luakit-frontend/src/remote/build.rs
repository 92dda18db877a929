//! The whole way of a request: script found, evaluated, resolved, marshalled, solved.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use luakit_diagnostic::Diagnostic;
use luakit_llb::{Pins, Platform};
use luakit_script::{Limits, LoadError, NamedContexts, ScriptError};

use super::open::{Opened, open};
use super::printed::Printed;
use super::source::Sources;
use super::{RemoteFailure, contexts, demands};
use crate::host::Host;
use crate::lock;
use crate::options::Options;
use crate::plan::{Output, Plan, PlanError, Request, UNRESOLVED_CONFIG};
use crate::solver::{self, References};
use crate::subrequest::{self, Request as Question};
use crate::targets::Selection;

/// A request to a frontend.
#[derive(Debug, Clone)]
pub struct Job {
    /// What is asked for.
    pub options: Options,
    /// What tells this build from others: its session.
    pub session: String,
    /// What the engine's machine is, and what is built for when nobody says.
    pub machine: Platform,
}

/// What a request is answered with.
#[derive(Debug)]
pub enum Answer<R> {
    /// Results.
    Built(Build<R>),
    /// Words, where a question was asked.
    Told(subrequest::Answer),
}

/// Results, and what shape they have.
#[derive(Debug)]
pub struct Build<R> {
    /// Each output with its result.
    pub outputs: Vec<(Output, R)>,
    /// Whether they are one of several platforms though there may be only one.
    pub multi_platform: bool,
    /// The time of everything in them, in seconds.
    pub epoch: Option<i64>,
}

/// Does what is asked for. What is odd, and what the script prints, goes to the user through the engine.
pub async fn build<H: Host>(host: &H, job: Job) -> Result<Answer<H::Ref>, RemoteFailure<H::Error>> {
    let sources = Sources::new(host.clone(), &job.session);
    let options = &job.options;
    let question = options.request.as_deref().map(Question::parse).transpose();
    let question = question.map_err(RemoteFailure::UnknownRequest)?;
    if question == Some(Question::Describe) {
        return Ok(Answer::Told(subrequest::describe()));
    }
    let mut opened = open(&sources, &options.place, &options.local_sessions).await?;
    let step = opened.step.clone();
    let mut told = Told {
        host,
        step: &step.digest,
        seen: Vec::new(),
        remarks: 0,
    };
    let mut contexts = NamedContexts::default();
    contexts.set_main(opened.main.clone());
    opened.loader.know(contexts::add(&mut contexts, host, options).await?);
    let outcome = match question {
        Some(question) => ask(&job, question, opened, contexts, &mut told).await,
        None => finish(&sources, &job, opened, contexts, &mut told).await,
    };
    if told.remarks > 0 {
        // What goes wrong with it is no reason to fail the build.
        let _unseen = sources.show_again(&step.name).await;
    }
    outcome
}

/// Answers a question about the script. What is odd about it is part of the answer, or not asked for.
async fn ask<H: Host>(
    job: &Job,
    question: Question,
    opened: Opened<H>,
    contexts: NamedContexts,
    told: &mut Told<'_, H>,
) -> Result<Answer<H::Ref>, RemoteFailure<H::Error>> {
    let options = &job.options;
    let script = Arc::clone(&opened.script);
    let (plan, printed) = evaluate(job, opened, contexts, Some(question)).await;
    told.printed(printed).await;
    if question == Question::Lint {
        let checked = subrequest::lint(plan.as_ref(), &script, &options.warnings);
        // Clients from before 2024 show the text and nothing else, and end well whatever it says.
        let mut answer = checked.answer;
        answer.text.push_str(&checked.error);
        return Ok(Answer::Told(answer));
    }
    let plan = plan.map_err(planning_error)?;
    Ok(Answer::Told(match question {
        Question::Targets => subrequest::targets(&plan, &script),
        _ => subrequest::outline(&plan, &script, &options.args),
    }))
}

async fn finish<H: Host>(
    sources: &Sources<H>,
    job: &Job,
    opened: Opened<H>,
    contexts: NamedContexts,
    told: &mut Told<'_, H>,
) -> Result<Answer<H::Ref>, RemoteFailure<H::Error>> {
    let host = sources.host();
    let options = &job.options;
    let lock = opened.lock.clone();
    told.all(&options.warnings).await;
    let (plan, printed) = evaluate(job, opened, contexts, None).await;
    told.printed(printed).await;
    let mut plan = plan.map_err(planning_error)?;
    let warnings: Vec<Diagnostic> = plan.warnings().into_iter().cloned().collect();
    told.all(&warnings).await;
    if let crate::plan::NoCacheFor::Targets(names) = &options.no_cache {
        plan.check_targets(names).map_err(|error| target_error(&error))?;
    }
    if let Some(wrong) = too_many_platforms(&plan, options) {
        return Err(wrong.into());
    }
    plan.label(&options.labels);
    demands::directories(sources, &plan, options).await?;
    let mut pins = match lock {
        Some(file) => {
            let pins = lock::parse(Arc::clone(&file)).map_err(|e| RemoteFailure::Told(e.diagnostics()))?;
            demands::images(host, &plan, &pins, &file).await?;
            pins
        }
        None => Pins::new(),
    };
    contexts::note_layouts(host, options, &plan, &mut pins).await?;
    let settings = crate::plan::MarshalSettings {
        local_unique: job.session.clone(),
        ..options.marshal_settings()
    };
    let mut definitions = Vec::new();
    let marshalled = |outputs: &[Output]| definitions.extend(outputs.iter().map(|output| output.definition.clone()));
    let built = solver::build(host, &plan, &References::Resolved(pins), &settings, marshalled).await;
    let built = built.map_err(|failure| match failure {
        solver::Failure::Resolve(errors) => RemoteFailure::Told(plan.unresolved(&errors)),
        solver::Failure::Solve(error) => RemoteFailure::Host { error, definitions },
    })?;
    told.all(&built.warnings.into_iter().map(of_layout).collect::<Vec<_>>())
        .await;
    Ok(Answer::Built(Build {
        outputs: built.outputs,
        multi_platform: options.multi_platform.unwrap_or(false),
        epoch: options.source_date_epoch,
    }))
}

/// That a result must be for one platform, and the script builds for several.
fn too_many_platforms(plan: &Plan, options: &Options) -> Option<Diagnostic> {
    let platforms: BTreeSet<&Platform> = plan.planned().map(|(_, platform)| platform).collect();
    if options.multi_platform != Some(false) || platforms.len() < 2 {
        return None;
    }
    let platforms: Vec<String> = platforms.into_iter().map(|platform| format!("`{platform}`")).collect();
    let message = format!(
        "the option `multi-platform` is `false`, and the script builds for {}",
        platforms.join(", ")
    );
    Some(Diagnostic::error("option", message).with_hint("choose one with `--platform`"))
}

/// Runs the script for a question or for a build, on a thread that may wait for the engine, and gives what it printed.
async fn evaluate<H: Host>(
    job: &Job,
    opened: Opened<H>,
    contexts: NamedContexts,
    question: Option<Question>,
) -> (Result<Plan, PlanError>, Vec<String>) {
    let printed = Arc::new(Mutex::new(Printed::default()));
    let lines = Arc::clone(&printed);
    let print = Arc::new(move |line: &str| lines.lock().unwrap_or_else(PoisonError::into_inner).add(line));
    let platforms = job.options.platforms.clone();
    let args = job.options.args.clone();
    let target = job.options.target.clone();
    let machine = job.machine.clone();
    let loader = Arc::new(opened.loader);
    let asked = Arc::clone(&loader);
    let evaluated = tokio::task::spawn_blocking(move || {
        let request = Request {
            script_name: opened.script.name.clone(),
            script: opened.script.data.to_vec(),
            loader,
            args,
            contexts,
            limits: Limits::default(),
            print,
            selection: match question {
                Some(question) => question.selection(target.as_deref()),
                None => target.as_deref().map_or(Selection::Default, Selection::Named),
            },
            platforms,
            default_platform: machine.clone(),
            build_platform: machine,
        };
        Plan::evaluate(&request)
    });
    let mut plan = evaluated.await.unwrap_or_else(|error| match error.try_into_panic() {
        // Whoever waits for the frontend catches it as the frontend's.
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(PlanError::Stopped),
    });
    if let Err(PlanError::Script(failure)) = &mut plan
        && let ScriptError::Call(call) = &failure.error
        && let Some(LoadError::IgnoreFile { key, .. }) = &call.unread
        && let Some(wrong) = asked.wrong_ignore(key)
    {
        *failure.diagnostic = wrong;
    }
    let printed = std::mem::take(&mut *printed.lock().unwrap_or_else(PoisonError::into_inner));
    (plan, printed.into_lines())
}

/// An image without a config is a layout's here, and docker gives layouts names of its own.
fn of_layout(warning: Diagnostic) -> Diagnostic {
    if warning.code != UNRESOLVED_CONFIG {
        return warning;
    }
    warning.with_hint(contexts::LAYOUT_BY_DOCKER)
}

fn planning_error(error: PlanError) -> Diagnostic {
    match error {
        PlanError::Script(failure) => script_error(failure),
        PlanError::Target(error) => target_error(&error),
        PlanError::Stopped => Diagnostic::error("internal", error.to_string()),
    }
}

/// What is wrong with the script. Its limits are nobody's to set here.
fn script_error(failure: luakit_script::Failure) -> Diagnostic {
    let mut diagnostic = *failure.diagnostic;
    if let ScriptError::Limit(_) = failure.error {
        diagnostic.hint = None;
    }
    diagnostic
}

fn target_error(error: &crate::targets::TargetError) -> Diagnostic {
    Diagnostic::error("target", error.to_string()).with_hint(error.hint())
}

/// What the user hears while a request is worked on, each remark once.
struct Told<'a, H: Host> {
    host: &'a H,
    /// The step that remarks are made on.
    step: &'a str,
    seen: Vec<Diagnostic>,
    /// How many the engine passed on.
    remarks: usize,
}

impl<H: Host> Told<'_, H> {
    async fn all(&mut self, warnings: &[Diagnostic]) {
        for warning in warnings {
            if !self.seen.contains(warning) {
                self.tell(warning).await;
                self.seen.push(warning.clone());
            }
        }
    }

    /// An engine passes nothing on for a frontend but remarks.
    async fn printed(&mut self, lines: Vec<String>) {
        for line in lines {
            self.tell(&Diagnostic::warning("print", format!("print: {line}"))).await;
        }
    }

    async fn tell(&mut self, remark: &Diagnostic) {
        if self.host.warn(self.step, remark).await {
            self.remarks += 1;
        }
    }
}

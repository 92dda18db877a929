//! From a script to its plan, and to the settings that its definitions are marshalled with.

use std::sync::Arc;

use luakit_diagnostic::SourceFile;
use luakit_frontend::plan::MarshalSettings;
use luakit_frontend::{Plan, PlanError, Request, Selection};
use luakit_llb::Platform;
use luakit_script::{DirLoader, NamedContexts, Print};

use super::ScriptArgs;
use super::context;
use crate::environment;
use crate::failure::{Failure, Kind, reason};
use crate::printer::Printer;

impl ScriptArgs {
    /// Evaluates the script for its platforms, or for linux/amd64, and chooses exports, and tells what is odd about it.
    pub(crate) fn plan(&self, selection: Selection<'_>, printer: &Printer) -> Result<Plan, Failure> {
        self.plan_on(&Platform::linux_amd64(), selection, &NamedContexts::default(), printer)
    }

    /// The same for an engine whose own platform is `machine`, with contexts in the place of images and directories.
    pub(crate) fn plan_on(
        &self,
        machine: &Platform,
        selection: Selection<'_>,
        contexts: &NamedContexts,
        printer: &Printer,
    ) -> Result<Plan, Failure> {
        let lines = printer.clone();
        let plan = self.evaluate(
            machine,
            machine,
            selection,
            contexts,
            Arc::new(move |line| lines.printed(line)),
        )?;
        for warning in plan.warnings() {
            printer.diagnostic(warning);
        }
        Ok(plan)
    }

    /// The plan of an engine whose own platform is `machine`, with another engine's plan told already: what is built
    /// for is `default` as it was for that, and nothing is told again.
    pub(crate) fn plan_again_on(
        &self,
        machine: &Platform,
        default: &Platform,
        selection: Selection<'_>,
        contexts: &NamedContexts,
    ) -> Result<Plan, Failure> {
        self.evaluate(machine, default, selection, contexts, Arc::new(|_| {}))
    }

    fn evaluate(
        &self,
        machine: &Platform,
        default: &Platform,
        selection: Selection<'_>,
        contexts: &NamedContexts,
        print: Print,
    ) -> Result<Plan, Failure> {
        self.check()?;
        let script = self.read()?;
        let plan = self.evaluate_text(script, (machine, default), selection, contexts, print)?;
        plan.map_err(|error| planning_failure(self.with_unset_variable(error)))
    }

    /// Says of a missing argument that it was to come from the environment.
    fn with_unset_variable(&self, error: PlanError) -> PlanError {
        let PlanError::Script(mut failure) = error else {
            return error;
        };
        let missing = |name: &&String| {
            let message = &failure.diagnostic.message;
            environment::variable(name).is_none()
                && message.starts_with(&format!("build argument `{name}` is required"))
        };
        let bare = self.arg.iter().filter(|(_, value)| value.is_none());
        if let Some(name) = bare.map(|(name, _)| name).find(missing) {
            let note = format!("the variable `{name}` isn't set, from which `--arg {name}` takes the value");
            failure.diagnostic.notes.push(note);
        }
        PlanError::Script(failure)
    }

    /// Evaluates the script for its platforms, or for linux/amd64: its text, and what came of it. What is odd about it
    /// is not told.
    pub(crate) fn evaluate_quietly(
        &self,
        selection: Selection<'_>,
        contexts: &NamedContexts,
        printer: &Printer,
    ) -> Result<(Arc<SourceFile>, Result<Plan, PlanError>), Failure> {
        self.check()?;
        let script = self.read()?;
        let file = SourceFile::new(self.script_name(), script.as_slice());
        let (lines, platform) = (printer.clone(), Platform::linux_amd64());
        let print: Print = Arc::new(move |line| lines.printed(line));
        let plan = self.evaluate_text(script, (&platform, &platform), selection, contexts, print)?;
        Ok((file, plan))
    }

    /// Evaluates the script's text on an engine whose own platform is the first, for the second.
    fn evaluate_text(
        &self,
        script: Vec<u8>,
        (machine, default): (&Platform, &Platform),
        selection: Selection<'_>,
        contexts: &NamedContexts,
        print: Print,
    ) -> Result<Result<Plan, PlanError>, Failure> {
        let loader = DirLoader::open(Some(&self.script_dir()), Some(self.context_dir()?))
            .map_err(|e| Failure::usage(format!("can't open the context: {}", reason(&e))))?;
        let request = Request {
            script_name: self.script_name(),
            script,
            loader: Arc::new(loader),
            args: self.args()?,
            contexts: contexts.clone(),
            limits: self.limits(),
            print,
            selection,
            platforms: self.platform.iter().map(|wanted| wanted.on(default)).collect(),
            default_platform: default.clone(),
            build_platform: machine.clone(),
        };
        Ok(Plan::evaluate(&request))
    }

    /// A definition is for one platform, and so is its graph. Of several that the script exports, and none asked for,
    /// it is the default one's, and the others are named. `what` is what they would be several of.
    pub(crate) fn keep_one_platform(&self, plan: &mut Plan, what: &str, printer: &Printer) -> Result<(), Failure> {
        let platforms: Vec<Platform> = plan.planned().map(|(_, platform)| platform.clone()).collect();
        if platforms.len() < 2 {
            return Ok(());
        }
        let all: Vec<String> = platforms.iter().map(Platform::to_string).collect();
        let all = all.join(", ");
        let default = Platform::linux_amd64();
        if !self.platform.is_empty() || !platforms.contains(&default) {
            return Err(
                Failure::usage(format!("a {what} holds one platform, and this one would be for {all}"))
                    .hint("choose one with `--platform`, and run the command once for each"),
            );
        }
        printer.warning(
            "several-platforms",
            &format!("the script exports {all}; this {what} is for {default}: choose another with `--platform`"),
        );
        plan.retain(|_, platform| *platform == default);
        Ok(())
    }

    /// What definitions are marshalled with.
    pub(crate) fn marshal_settings(&self, local_unique: Option<&str>) -> Result<MarshalSettings, Failure> {
        Ok(MarshalSettings {
            local_unique: local_unique.map_or_else(|| context::local_unique_of(self.context()), str::to_owned),
            context_excludes: self.context_excludes()?,
            ..MarshalSettings::default()
        })
    }
}

pub(crate) fn planning_failure(error: PlanError) -> Failure {
    match error {
        PlanError::Script(failure) => Failure::new(Kind::Script, *failure.diagnostic),
        PlanError::Target(error) => Failure::usage(error.to_string()).hint(error.hint()),
        PlanError::Stopped => Failure::internal(error.to_string()),
    }
}

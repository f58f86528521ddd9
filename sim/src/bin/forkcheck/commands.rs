//! What each command does: read, call the library, print.

use std::sync::Arc;
use std::time::Instant;

use clap::CommandFactory;
use forkcheck::config::{Atomicity, Budget, Config, Library, Limits};
use forkcheck::effect_comments::EffectComments;
use forkcheck::execution::{Cut, Subject};
use forkcheck::explore::first_schedule;
use forkcheck::explore::schedule;
use forkcheck::parallel::{self, Ran};
use forkcheck::program::Program;
use forkcheck::report::explain::Rule;
use forkcheck::report::{Report, explain, github, junit, sarif, text};
use forkcheck_model::archive::saved::write_saved;
use forkcheck_model::difference::close;
use forkcheck_model::effects::TooLarge;
use forkcheck_model::graph::parse::GraphText;
use forkcheck_model::module::{Function, FunctionId, Module};
use forkcheck_model::tensor::Math;
use forkcheck_model::value::{Key, Value};
use forkcheck_model::{Error, graph};
use forkcheck_scheduler::Spec;
use forkcheck_scheduler::strategy::replay::Mode;

use crate::args::{
    Arguments, AtomicityArg, Audit, AuditFormat, Command, Deny, Format, Graph, GraphFormat, MathMode, Run, Target,
};
use crate::inputs::Source;
use crate::store::Store;
use crate::{inputs, output, progress, replay};

/// Carries out the command; gives the exit code.
pub(crate) fn run(arguments: Arguments) -> Result<u8, Error> {
    match arguments.command {
        Command::Audit(arguments) => audit(&arguments),
        Command::Run(arguments) => run_once(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Graph(arguments) => print_graph(&arguments),
        Command::Explain { code } => explain_code(code.as_deref()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "forkcheck", &mut script);
            output::print(&String::from_utf8_lossy(&script))?;
            Ok(0)
        }
        Command::Man => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(Arguments::command()).render(&mut page);
            rendered.map_err(|error| Error::new(error.to_string()))?;
            output::print(&String::from_utf8_lossy(&page))?;
            Ok(0)
        }
    }
}

fn audit(arguments: &Audit) -> Result<u8, Error> {
    let started = Instant::now();
    let strategy = arguments.strategy;
    if matches!(strategy, Spec::Threads { .. }) {
        return Err(Error::new("expected a strategy that explores: real threads are for `run`".to_string()));
    }
    let memory = arguments.target.max_memory.unwrap_or_else(inputs::default_memory);
    let source = inputs::open(&arguments.target.program, memory)?;
    let mut config = Config {
        strategy,
        seed: arguments.seed,
        atomicity: atomicity(arguments.atomicity),
        limits: Limits { memory, ..Limits::default() },
        library: library(&arguments.target),
        jobs: arguments.jobs,
        ..Config::default()
    };
    match arguments.budget {
        None => {}
        Some(Budget::Executions(executions)) => config.ask_for(executions),
        Some(Budget::Time(time)) => {
            config.ask_for(u64::MAX);
            config.limits.expired = Some(Arc::new(move || started.elapsed() >= time));
        }
    }
    let mut report = match source {
        Source::Archive(module, digest) => audit_archive(arguments, module, &digest, config)?,
        Source::Graph(text) if arguments.static_only => {
            inputs::has_no_methods(&arguments.target.program, &arguments.target.method)?;
            forkcheck::static_audit_of_graph(&arguments.target.program.display().to_string(), &text, &config)
        }
        Source::Graph(_) => return Err(inputs::not_runnable(&arguments.target.program)),
    };
    let witnesses = report.outcomes.as_ref().map_or(&[][..], |outcomes| &outcomes.witnesses);
    report.replay =
        witnesses.get(1).map(|witness| replay::command(&witness.schedule, &arguments.target, arguments.seed));
    report.stats.seconds = started.elapsed().as_secs_f64();
    if arguments.deny == Some(Deny::Warnings) {
        report.deny_warnings();
    }
    let colour = arguments.output.is_none() && output::coloured();
    let rendered = match arguments.format {
        AuditFormat::Text => render(&report, Format::Text, colour),
        AuditFormat::Json => render(&report, Format::Json, colour),
        AuditFormat::Sarif => sarif::render(&report),
        AuditFormat::Junit => junit::render(&report),
        AuditFormat::Github => github::render(&report),
    };
    match &arguments.output {
        Some(path) => inputs::write(path, rendered.as_bytes())?,
        None => output::print(&rendered)?,
    }
    Ok(report.exit_code())
}

fn audit_archive(arguments: &Audit, module: Module, digest: &str, config: Config) -> Result<Report, Error> {
    let name = arguments.target.program.display().to_string();
    let method = &arguments.target.method;
    let given = if arguments.static_only { None } else { inputs::inputs(&arguments.target, &module, arguments.seed)? };
    let Some(given) = given else {
        return forkcheck::static_audit(&name, method, &module, &config);
    };
    let program = Program::new(&name, module, method, given, config.library.clone());
    let program = program.map_err(|error| error.in_file(&name))?;
    if config.strategy == Spec::Loom
        && let Some(reason) = forkcheck::explore::loom::refusal(&program, &config)
    {
        return Err(Error::new(reason).in_file(&name));
    }
    let spinner = progress::Spinner::start();
    let config = Config { watch: spinner.watch(), ..config };
    let mut report = match Store::from_env()?.case(arguments, digest, &program, &config) {
        None => forkcheck::audit::audit(&program, &config),
        Some(case) => case.audit(&program, &config),
    };
    forkcheck::meet(&mut report, &program);
    Ok(report)
}

fn run_once(arguments: &Run) -> Result<u8, Error> {
    let memory = arguments.target.max_memory.unwrap_or_else(inputs::default_memory);
    let (module, _) = inputs::load(&arguments.target.program, memory)?;
    let name = arguments.target.program.display().to_string();
    let given = inputs::inputs(&arguments.target, &module, arguments.seed)?.ok_or_else(|| {
        Error::new("expected inputs: --inputs FILE.pt, --example SPEC, or inputs bundled with the module")
            .in_file(&name)
    })?;
    let program = Program::new(&name, module, &arguments.target.method, given, library(&arguments.target))
        .map_err(|error| error.in_file(&name))?
        .with_math(match arguments.math {
            MathMode::Native => Math::Native,
            MathMode::Portable => Math::Portable,
        });
    let ran = match arguments.strategy {
        Spec::ChildFirst => parallel::run(&program, &long(memory), 1),
        Spec::Threads { count } if count > THREADS_MOST => {
            return Err(Error::new(format!("expected at most {THREADS_MOST} threads, found threads:{count}")));
        }
        Spec::Threads { count } => parallel::run(&program, &long(memory), count),
        _ => scheduled(&program, arguments, Limits { memory, ..Limits::default() })?,
    };
    output::print(&ran.printed.text)?;
    ran.printed.different_warnings().for_each(output::warning);
    if let Some(cut) = ran.cut {
        output::error(&cut.to_string());
        return Ok(3);
    }
    let error = ran.result.as_ref().and_then(|result| result.as_ref().err()).map(|raised| program.error_text(raised));
    let result = ran.result.and_then(Result::ok);
    if let (Some(path), Some(result)) = (&arguments.save, &result) {
        inputs::write(path, &write_saved(result)?)?;
    }
    match &arguments.expect {
        Some(path) => compare(&inputs::saved(path, memory)?, result.as_ref(), error.as_deref(), arguments),
        None => match (error, result) {
            (Some(error), _) => {
                output::error(&error);
                Ok(1)
            }
            (None, Some(result)) => {
                output::print(&(forkcheck::text_of(&result) + "\n"))?;
                Ok(0)
            }
            (None, None) => {
                output::error("deadlock: the entry waits for ever");
                Ok(1)
            }
        },
    }
}

/// Who asks for more has mistaken them for tasks.
const THREADS_MOST: u32 = 1024;

/// What a run may take that nobody searches: a loop of integers is a hundred seconds under way until it is given up.
fn long(memory: u64) -> Limits {
    Limits { memory, steps: 10_000_000_000, ..Limits::default() }
}

/// One execution in the order of a strategy.
fn scheduled(program: &Program, arguments: &Run, limits: Limits) -> Result<Ran, Error> {
    let strategy = arguments.strategy;
    if !matches!(strategy, Spec::RoundRobin | Spec::Random | Spec::Pct { .. } | Spec::Pos | Spec::Uniform) {
        let expected = "child-first, round-robin, random, pct:D, pos, uniform or threads:N";
        return Err(Error::new(format!("`run` goes one way: {expected}, not {strategy}")));
    }
    let config = Config { strategy, seed: arguments.seed, limits: limits.clone(), ..Config::default() };
    let Some(schedule) = first_schedule(program, &config) else {
        let cut = Cut::Refused("the run was cut".to_string());
        return Ok(Ran { result: None, printed: Default::default(), cut: Some(cut), outcome: None });
    };
    let (replayed, looks) = schedule::replay_and_look(program, &schedule, Mode::Strict, &limits);
    let (execution, outcome) = (replayed.execution, replayed.outcome);
    let error = outcome.as_ref().and_then(|outcome| outcome.error.clone());
    let result = looks.and_then(|(at_return, _)| at_return.result);
    Ok(Ran {
        result: error.map(Err).or(result.map(Ok)),
        printed: execution.printed().clone(),
        cut: execution.cut().cloned(),
        outcome,
    })
}

/// Holds a result against an expectation.
fn compare(expected: &Value, result: Option<&Value>, error: Option<&str>, arguments: &Run) -> Result<u8, Error> {
    let expected_error = match expected {
        Value::Dict(dict) => dict.content().entries.get(&Key::Str("__error__".into())).cloned(),
        _ => None,
    };
    let problem = match (expected_error, error, result) {
        (Some(Value::Str(text)), Some(error), _) if error.contains(&*text) => None,
        (Some(text), Some(error), _) => {
            Some(format!("expected an error with {}, found: {error}", forkcheck::text_of(&text)))
        }
        (Some(text), None, _) => Some(format!("expected an error with {}, found a result", forkcheck::text_of(&text))),
        (None, Some(error), _) => Some(format!("expected a result, found: {error}")),
        (None, None, None) => Some("expected a result, found a deadlock".to_string()),
        (None, None, Some(result)) => {
            let differs = close("output", result, expected, arguments.rtol, arguments.atol);
            differs.map(|difference| {
                let (a, b) = (forkcheck::text_of(&difference.a), forkcheck::text_of(&difference.b));
                format!("the result differs at {}: {a}, expected {b}", difference.place)
            })
        }
    };
    match problem {
        None => Ok(0),
        Some(problem) => {
            output::error(&problem);
            Ok(1)
        }
    }
}

fn print_graph(arguments: &Graph) -> Result<u8, Error> {
    match inputs::open(&arguments.program, inputs::default_memory())? {
        Source::Archive(module, _) => {
            let name = arguments.program.display().to_string();
            let method = module.method(&arguments.method).ok_or_else(|| {
                Error::new(format!("expected a method of the module, found `{}`", arguments.method)).in_file(&name)
            })?;
            print_function(arguments, &module.functions, method, || EffectComments::of_module(&module, method))
        }
        Source::Graph(text) => {
            inputs::has_no_methods(&arguments.program, &arguments.method)?;
            print_function(arguments, &text.functions, GraphText::MAIN, || EffectComments::of_graph(&text))
        }
    }
}

fn print_function<'a>(
    arguments: &Graph,
    functions: &[Function],
    id: FunctionId,
    effects: impl FnOnce() -> Result<EffectComments<'a>, TooLarge>,
) -> Result<u8, Error> {
    let mut comments: Box<dyn graph::print::Comments> = Box::new(());
    let mut code = 0;
    if arguments.effects {
        match effects() {
            Ok(known) => comments = Box::new(known),
            Err(too_large) => {
                output::error(&format!("nothing is known of the effects: {too_large}"));
                code = 3;
            }
        }
    }
    let print = match arguments.format {
        GraphFormat::Text => graph::print::text_with,
        GraphFormat::Dot => graph::dot::text_with,
    };
    output::print(&print(functions, id, &mut *comments))?;
    Ok(code)
}

fn explain_code(code: Option<&str>) -> Result<u8, Error> {
    let Some(code) = code else {
        let row = |rule: &Rule| format!("{}  {}: {}\n", rule.kind.code(), rule.kind.name(), rule.short);
        output::print(&explain::RULES.iter().map(row).collect::<String>())?;
        return Ok(0);
    };
    let rule = explain::rule(code).ok_or_else(|| {
        let known: Vec<_> = explain::RULES.iter().map(|rule| rule.kind.code()).collect();
        Error::new(format!("expected a code ({}), found `{code}`", known.join(", ")))
    })?;
    output::print(&rule.text())?;
    Ok(0)
}

/// The same in the library's words.
pub(crate) fn atomicity(argument: AtomicityArg) -> Atomicity {
    match argument {
        AtomicityArg::Op => Atomicity::Op,
        AtomicityArg::Split => Atomicity::Split,
    }
}

/// Whose frames are not the user's.
pub(crate) fn library(target: &Target) -> Library {
    Library { library: target.library.clone(), user_code: target.user_code.clone() }
}

/// A report as it is printed.
pub(crate) fn render(report: &Report, format: Format, colour: bool) -> String {
    match format {
        Format::Text => text::render(report, colour),
        Format::Json => report.to_json() + "\n",
    }
}

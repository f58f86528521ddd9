//! Repeating a schedule or a stored failure, and the line that does it.

use std::path::{Path, PathBuf};

use forkcheck::config::{Config, Limits};
use forkcheck::explore::schedule::program_tag;
use forkcheck::failures::{Failure, Standing, Subject, input_digest};
use forkcheck::program::Program;
use forkcheck::replay::repeat;
use forkcheck_model::Error;
use forkcheck_scheduler::Schedule;
use forkcheck_scheduler::strategy::replay::Mode;

use crate::args::{Replay, Target};
use crate::commands::{atomicity, library, render};
use crate::{inputs, output};

/// Carries out `replay`; gives the exit code.
pub(crate) fn run(arguments: &Replay) -> Result<u8, Error> {
    let path = Path::new(&arguments.what);
    if path.is_file() || arguments.what.ends_with(".json") {
        return failure(arguments, path);
    }
    let schedule: Schedule = arguments.what.parse().map_err(|error| Error::new(format!("{error}")))?;
    one(arguments, &schedule)
}

/// Repeats one schedule.
fn one(arguments: &Replay, schedule: &Schedule) -> Result<u8, Error> {
    check_atomicity(arguments, &schedule.atomicity.to_string())?;
    let path = arguments.program.clone();
    let path = path.ok_or_else(|| Error::new("expected a program after the schedule: the path of an archive"))?;
    let seed = arguments.seed.unwrap_or(0);
    let target = target(arguments, path, arguments.method.as_deref().unwrap_or("forward"));
    let (program, _, config) = load(&target, seed)?;
    let repeated = repeat(&program, &config, std::slice::from_ref(schedule), mode(arguments));
    output::print(&render(&repeated.report, arguments.format, output::coloured()))?;
    if schedule.program != program_tag(&program) && !arguments.lenient {
        output::error("stale: the schedule is of another program");
        return Ok(4);
    }
    if let Some(stale) = &repeated.stale {
        output::error(&format!("stale: {stale}"));
        return Ok(4);
    }
    for deviation in &repeated.skipped {
        output::error(&format!("left out: {deviation}"));
    }
    Ok(if repeated.cut.is_none() { 0 } else { 3 })
}

/// Repeats both schedules of a stored failure. Its paths begin at the folder of the file; what is given on the command
/// line takes their place.
fn failure(arguments: &Replay, path: &Path) -> Result<u8, Error> {
    let in_file = |error: Error| error.in_file(path.display().to_string());
    let bytes = inputs::read(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| in_file(Error::new("expected a stored failure in UTF-8")))?;
    let failure = Failure::read(text).map_err(in_file)?;
    let subject = &failure.subject;
    check_atomicity(arguments, &subject.atomicity)?;
    if arguments.method.as_ref().is_some_and(|method| *method != subject.method) {
        return Err(Error::new(format!("the stored failure is of --method {}", subject.method)));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let program = arguments.program.clone().unwrap_or_else(|| reach(folder, &subject.program));
    let mut target = target(arguments, program, &subject.method);
    if target.inputs.is_none() && target.example.is_empty() {
        target.inputs = subject.inputs.as_ref().map(|inputs| reach(folder, inputs));
        target.example = subject.examples.clone();
    }
    let (program, digest, config) = load(&target, arguments.seed.unwrap_or(failure.seed))?;
    say_changes(subject, &program, &digest);
    let (repeated, standing) = failure.repeat(&program, &digest, &config, mode(arguments));
    output::print(&render(&repeated.report, arguments.format, output::coloured()))?;
    for deviation in &repeated.skipped {
        output::error(&format!("left out: {deviation}"));
    }
    match standing {
        Standing::Holds => Ok(0),
        Standing::Stale(why) => {
            output::error(&format!("stale: {why}"));
            Ok(4)
        }
        Standing::Same => {
            output::error("stale: both schedules have the same outcome now");
            Ok(4)
        }
        Standing::Cut(why) => {
            output::error(&why);
            Ok(3)
        }
    }
}

/// The path that is reached from a folder, without needless ways down and up again.
fn reach(folder: &Path, path: &str) -> PathBuf {
    let (mut folder, mut path) = (folder, path);
    while let Some(rest) = path.strip_prefix("../") {
        // Above a link, or a folder that is not named, is not its parent.
        let named = folder.file_name().is_some() && !folder.is_symlink();
        let Some(parent) = folder.parent().filter(|_| named) else { break };
        (folder, path) = (parent, rest);
    }
    folder.join(path)
}

/// Says whether the program or its inputs have changed since the failure was stored.
pub(crate) fn say_changes(subject: &Subject, program: &Program, digest: &str) {
    if subject.program_digest != digest {
        output::note("the program has changed since the failure was stored");
    }
    if subject.input_digest != input_digest(program) {
        output::note("the inputs have changed since the failure was stored");
    }
}

fn check_atomicity(arguments: &Replay, of_schedule: &str) -> Result<(), Error> {
    match arguments.atomicity {
        Some(given) if atomicity(given).to_string() != of_schedule => {
            Err(Error::new(format!("the schedule is of --atomicity {of_schedule}")))
        }
        _ => Ok(()),
    }
}

fn mode(arguments: &Replay) -> Mode {
    if arguments.lenient { Mode::Lenient } else { Mode::Strict }
}

fn target(arguments: &Replay, program: PathBuf, method: &str) -> Target {
    Target {
        program,
        inputs: arguments.inputs.clone(),
        example: arguments.example.clone(),
        method: method.to_string(),
        library: arguments.library.clone(),
        user_code: arguments.user_code.clone(),
        max_memory: arguments.max_memory,
    }
}

/// The program with its inputs, the digest of its file, and what a replay takes of a configuration.
fn load(target: &Target, seed: u64) -> Result<(Program, String, Config), Error> {
    let memory = target.max_memory.unwrap_or_else(inputs::default_memory);
    let (module, digest) = inputs::load(&target.program, memory)?;
    let name = target.program.display().to_string();
    let given = inputs::inputs(target, &module, seed)?
        .ok_or_else(|| Error::new("expected the inputs of the schedule: --inputs FILE.pt").in_file(&name))?;
    let program =
        Program::new(&name, module, &target.method, given, library(target)).map_err(|error| error.in_file(&name))?;
    let config = Config { limits: Limits { memory, ..Limits::default() }, ..Config::default() };
    Ok((program, digest, config))
}

/// The command that repeats a schedule, to be pasted into a shell.
pub(crate) fn command(schedule: &str, target: &Target, seed: u64) -> String {
    let mut words =
        vec!["forkcheck".to_string(), "replay".into(), schedule.into(), target.program.display().to_string()];
    let mut option = |name: &str, value: String| words.extend([name.to_string(), value]);
    if let Some(inputs) = &target.inputs {
        option("--inputs", inputs.display().to_string());
    }
    target.example.iter().for_each(|example| option("--example", example.clone()));
    if !target.example.is_empty() && seed != 0 {
        option("--seed", seed.to_string());
    }
    if target.method != "forward" {
        option("--method", target.method.clone());
    }
    target.library.iter().for_each(|prefix| option("--library", prefix.clone()));
    target.user_code.iter().for_each(|prefix| option("--user-code", prefix.clone()));
    if let Some(bytes) = target.max_memory {
        option("--max-memory", bytes.to_string());
    }
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

/// The word as a POSIX shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./,:=+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

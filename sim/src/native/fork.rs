//! `fork`, `wait` and futures, wherever the code runs: under the checker, in a trace, on the real pool, or on the spot.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location as Caller, catch_unwind, resume_unwind};
use std::sync::Arc;

use forkcheck_scheduler::TaskId;

use super::guarded::{Guarded, InUse, Thread};
use super::look::{Look, Outcome, Shown};
use super::module::{Forward, Visitor};
use super::outside::SERIAL;
use super::stack::{self, Job};
use super::state::{Arrival, await_turn};
use super::{edge, panics, pool, trace, world};
use crate::execution::Raised;

/// Starts `function` on `args` as a task, and gives its future.
///
/// The function stands apart from its arguments, as in PyTorch, so that what a task is given is known. Arguments are a
/// tuple of up to twelve; a handle (a [`Tensor`](crate::Tensor), an [`Attr`](crate::Attr), a future) is shared, not copied.
/// A [module](crate::Module) can be forked like a function: its [`forward`](Forward::forward) runs.
///
/// - Under [`check`](crate::check()) the task runs whenever the schedule says.
/// - Under [`script`](crate::script) it runs on a pool of threads.
/// - Under [`trace`](crate::trace()) it runs on the spot, and is recorded as `prim::fork`.
/// - Everywhere else it runs on the spot, and the future is finished: eager mode.
///
/// ```
/// use forkcheck::{fork, wait};
///
/// let double = fork(|x: i64| 2 * x, (21,));
/// assert_eq!(wait(&double), 42);
/// ```
#[track_caller]
pub fn fork<F, A, K>(function: F, args: A) -> Future<F::Out>
where
    F: Call<A, K>,
    A: Send + 'static,
    F::Out: Send + 'static,
    K: 'static,
{
    let at = Caller::caller();
    match world::checked(|state| (Home { serial: state.serial, bound: state.bound }, state.watch.is_some())) {
        Some((home, watched)) => fork_checked(Work { function, args }, at, home, watched),
        None => fork_unchecked(Work { function, args }, at),
    }
}

fn fork_checked<F, A, K>(work: Work<F, A>, at: &'static Caller<'static>, home: Home, watched: bool) -> Future<F::Out>
where
    F: Call<A, K>,
    A: Send + 'static,
    F::Out: Send + 'static,
    K: 'static,
{
    // Names are only needed by those who watch.
    let names = watched.then(|| names_of(&work));
    let task = Arc::new(Task::new(work, home, at));
    match world::checked(|state| state.fork(F::callee(), task.clone(), at)).flatten() {
        Some((id, first)) => {
            names.iter().for_each(|names| names.tell(id));
            if first {
                stack::pause();
            }
            Future { task: id, serial: home.serial, shared: task }
        }
        None => stack::never(),
    }
}

/// Where nobody checks: in a trace, on the real pool, or on the spot.
fn fork_unchecked<F, A, K>(work: Work<F, A>, at: &'static Caller<'static>) -> Future<F::Out>
where
    F: Call<A, K>,
    A: Send + 'static,
    F::Out: Send + 'static,
    K: 'static,
{
    let Work { function, args } = work;
    if world::kind() == world::Kind::Traced {
        return trace::fork(function, args, at);
    }
    if pool::is_on() {
        let task = Arc::new(Task::new(Work { function, args }, Home::OUTSIDE, at));
        pool::start(task.clone());
        return Future { task: TaskId::MAIN, serial: SERIAL, shared: task };
    }
    // In eager mode a panic comes out of the fork, as in plain Python.
    Future::done(TaskId::MAIN, Task::<F, A, K>::done(Ok(function.call(args)), at))
}

/// The names of what a task is given.
#[inline(never)]
fn names_of<F: Call<A, K>, A, K>(work: &Work<F, A>) -> Box<Visitor> {
    let mut visitor = Box::new(Visitor::of_names());
    F::visit(&work.function, &work.args, &mut visitor);
    visitor
}

/// Forces a future: what its task has returned, once it has ended.
///
/// A future can be waited for any number of times, by anybody; each wait gets a clone of the result, and a clone of a handle is
/// the same thing. To wait for many there is [`wait_all`](crate::wait_all), whose line is the one that reports name; with
/// `futures.iter().map(wait)` it is the standard library's.
///
/// # Panics
/// If the task has panicked, with its message and fork path, at each wait; and if the future belongs to another execution.
#[track_caller]
#[inline(always)]
pub fn wait<T: Clone>(future: &Future<T>) -> T {
    let at = Caller::caller();
    wait_for(future);
    match future.shared.result(future.serial == SERIAL) {
        Ok(Some(Ok(value))) => value,
        Ok(None) => stranded(at),
        Ok(Some(Err(failed))) => fail_again(failed, at),
        Err(in_use) => in_use.refuse(format_args!("wait at {}:{}: the result of this future", at.file(), at.line())),
    }
}

/// The error of a task comes out of a wait.
#[cold]
fn fail_again(mut failed: Failed, at: &'static Caller<'static>) -> ! {
    let site = world::checked(|state| state.place("wait", at.file().into(), at.line(), at.column()));
    failed.0.trail.extend(site);
    // Who catches it finds the message, as of any panic; where it came through is kept aside.
    let message = failed.0.message.clone();
    world::checked(|state| state.task().rising = Some(failed.0));
    resume_unwind(Box::new(message))
}

/// Where a wait stands.
enum Waiting {
    /// The task has ended.
    Over,
    /// Others go on until it has; whether that is to be noted then.
    Here(Arrival, bool),
    /// There is nobody to go on meanwhile.
    Elsewhere(Elsewhere),
}

/// Why nobody goes on while a task waits.
enum Elsewhere {
    /// The task runs on the pool, or has run on the spot.
    Pooled,
    /// The task belongs to another execution than this one.
    Foreign,
    /// The task has not ended, and this one cannot be paused.
    Stranded,
    /// Nobody checks the code that waits.
    Unchecked,
}

#[track_caller]
#[inline(always)]
fn wait_for<T>(future: &Future<T>) {
    let at = Caller::caller();
    let Future { task, serial, .. } = *future;
    let panicking = std::thread::panicking();
    let waiting = world::checked(|state| match serial {
        SERIAL => Waiting::Elsewhere(Elsewhere::Pooled),
        serial if serial != state.serial => Waiting::Elsewhere(Elsewhere::Foreign),
        // Nobody who unwinds can be paused until it has.
        _ if panicking && !state.has_ended(task) => Waiting::Elsewhere(Elsewhere::Stranded),
        _ => match state.wait(task, at) {
            None => Waiting::Over,
            Some(arrival) => Waiting::Here(arrival, state.notes_joins()),
        },
    });
    match waiting.unwrap_or(Waiting::Elsewhere(Elsewhere::Unchecked)) {
        Waiting::Over => {}
        Waiting::Here(arrival, noted) => {
            await_turn(arrival);
            if noted {
                world::checked(|state| state.join(task, at));
            }
        }
        Waiting::Elsewhere(elsewhere) => wait_elsewhere(future, elsewhere),
    }
}

#[inline(never)]
#[track_caller]
fn wait_elsewhere<T>(future: &Future<T>, elsewhere: Elsewhere) {
    let at = Caller::caller();
    match elsewhere {
        Elsewhere::Stranded => stranded(at),
        Elsewhere::Foreign => foreign(future, "another execution"),
        Elsewhere::Unchecked if future.serial != SERIAL => foreign(future, "a checked body"),
        Elsewhere::Pooled => pool::wait_until(|| future.shared.has_ended()),
        Elsewhere::Unchecked => {
            pool::wait_until(|| future.shared.has_ended());
            trace::waited(future.task, at);
        }
    }
}

/// A destructor waits while its stack unwinds, for a task that has not ended. It can neither go on nor be paused.
///
/// # Panics
/// Always. To panic in a destructor while another panic unwinds ends the process, so it is told first why.
#[cold]
#[track_caller]
fn stranded(at: &Caller<'_>) -> ! {
    let reason = format!(
        "wait at {}:{}: a destructor waits while its task is unwound, for a task that has not ended, and cannot be paused \
         there; let it wait only `if !std::thread::panicking()`",
        at.file(),
        at.line()
    );
    edge::say(&reason);
    panic!("{reason}");
}

/// # Panics
/// Unless the stack is being taken down, when nothing matters any more.
#[cold]
#[track_caller]
fn foreign<T>(future: &Future<T>, what: &str) {
    let at = Caller::caller();
    if stack::is_falling() {
        return;
    }
    let made = future.shared.made();
    panic!(
        "wait at {}:{}: this future was made at {}:{} in {what}, and its task cannot be waited for here",
        at.file(),
        at.line(),
        made.file(),
        made.line()
    );
}

/// What a task will have returned. A clone is the same future.
///
/// Whether it is done yet cannot be asked: in TorchScript it cannot either, and the answer would depend on the schedule.
/// To know that something has come so far, have the task write an [`Attr`](crate::Attr) and read that.
pub struct Future<T> {
    task: TaskId,
    /// The execution that the task belongs to.
    serial: u64,
    shared: Arc<dyn Results<T>>,
}

impl<T> Future<T> {
    /// The future of a task that has ended already.
    pub(super) fn done(task: TaskId, ended: impl Results<T> + 'static) -> Self {
        Self { task, serial: SERIAL, shared: Arc::new(ended) }
    }
}

impl<T> Clone for Future<T> {
    fn clone(&self) -> Self {
        Self { task: self.task, serial: self.serial, shared: self.shared.clone() }
    }
}

impl<T> fmt::Debug for Future<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = self.shared.made();
        write!(f, "Future made at {}:{}", made.file(), made.line())
    }
}

/// Which task it is of does not count; the caller holds it, so that it may still be waited for.
impl<T> Outcome for Future<T> {
    fn look(&self, look: &mut Look) -> Shown {
        look.futures.push(self.task);
        Shown::text("future")
    }

    fn leads() -> bool {
        false
    }
}

/// The result of a task, whatever its function.
pub(super) trait Results<T>: Send + Sync {
    /// A clone of what the task has returned, if it has. Other threads are waited for, if the task is `outside` of an execution.
    ///
    /// # Errors
    /// If another clone is just being made, on this stack or on one that is paused.
    fn result(&self, outside: bool) -> Result<Option<Result<T, Failed>>, InUse>
    where
        T: Clone;
    /// Whether it has returned, of a task outside of an execution.
    fn has_ended(&self) -> bool;
    fn made(&self) -> &'static Caller<'static>;
}

/// How a task has failed.
#[derive(Debug, Clone)]
pub(super) struct Failed(pub(super) Box<Raised>);

/// A function and what it is called with.
struct Work<F, A> {
    function: F,
    args: A,
}

/// A task, with all that its future needs in one allocation.
pub(super) struct Task<F: Call<A, K>, A, K> {
    stage: Guarded<Stage<F, A, K>>,
    made: &'static Caller<'static>,
}

/// How far a task has come.
enum Stage<F: Call<A, K>, A, K> {
    Forked(Work<F, A>),
    Running,
    Ended(Result<F::Out, Failed>),
}

/// Where a task is at home.
#[derive(Debug, Clone, Copy)]
struct Home {
    /// The execution that it belongs to.
    serial: u64,
    /// The thread that runs all tasks of that, if it is one.
    bound: Option<Thread>,
}

impl Home {
    /// Where nobody checks.
    const OUTSIDE: Self = Self { serial: SERIAL, bound: None };
}

impl<F: Call<A, K>, A, K> Task<F, A, K> {
    fn new(work: Work<F, A>, home: Home, made: &'static Caller<'static>) -> Self {
        Self { stage: Guarded::new(Stage::Forked(work), home.bound), made }
    }

    /// One that has ended already.
    pub(super) fn done(result: Result<F::Out, Failed>, made: &'static Caller<'static>) -> Self {
        Self { stage: Guarded::new(Stage::Ended(result), None), made }
    }

    /// Takes the task to its next stage; gives the one that it was at. Only its own job does, so nobody is in the middle of it.
    #[inline(always)]
    fn go_on(&self, next: Stage<F, A, K>) -> Stage<F, A, K> {
        let gone_on = self.stage.with(|stage| std::mem::replace(stage, next));
        gone_on.unwrap_or_else(|_| panic!("nobody clones what is not there"))
    }
}

impl<F, A, K> Results<F::Out> for Task<F, A, K>
where
    F: Call<A, K>,
    A: Send,
    F::Out: Send,
{
    fn result(&self, outside: bool) -> Result<Option<Result<F::Out, Failed>>, InUse>
    where
        F::Out: Clone,
    {
        let cloned = |stage: &mut Stage<F, A, K>| match stage {
            Stage::Ended(result) => Some(result.clone()),
            _ => None,
        };
        if outside { Ok(self.stage.wait_with(cloned)) } else { self.stage.with(cloned) }
    }

    fn has_ended(&self) -> bool {
        self.stage.wait_with(|stage| matches!(stage, Stage::Ended(_)))
    }

    fn made(&self) -> &'static Caller<'static> {
        self.made
    }
}

impl<F, A, K> Job for Task<F, A, K>
where
    F: Call<A, K>,
    A: Send,
    F::Out: Send,
{
    fn run(self: Arc<Self>) -> Option<TaskId> {
        let Stage::Forked(work) = self.go_on(Stage::Running) else { panic!("a task runs once") };
        let result = attempt(move || work.function.call(work.args));
        let error = result.as_ref().err().map(|failed| failed.0.clone());
        self.go_on(Stage::Ended(result));
        // Whatever this drops of the user's is dropped as a part of the task.
        drop(self);
        world::checked(|state| state.end(error)).flatten()
    }
}

/// Runs code of the user's; a panic is the error that it ends with.
pub(super) fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, Failed> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        if stack::is_falling() {
            // The stack is being taken down; this is no panic of the user's.
            resume_unwind(payload);
        }
        failure(payload)
    })
}

fn failure(payload: Box<dyn Any + Send>) -> Failed {
    let payload = match payload.downcast::<Failed>() {
        Ok(failed) => return *failed,
        Err(payload) => payload,
    };
    let message = payload.downcast_ref::<String>().cloned();
    let message = message.or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string()));
    let message = message.unwrap_or_else(|| "a panic without a message".to_string());
    let rising = world::checked(|state| state.task().rising.take()).flatten();
    if let Some(raised) = rising.filter(|raised| raised.message == message) {
        return Failed(raised);
    }
    let origin = world::checked(|state| state.current).unwrap_or(TaskId::MAIN);
    let trail = panics::last()
        .and_then(|place| world::checked(|state| state.place("panic", place.file.into(), place.line, place.column)));
    let trail = trail.into_iter().collect();
    Failed(Box::new(Raised { class: Some("panic".to_string()), message, origin, trail }))
}

/// Something that can be forked with arguments `A`: a function, a closure, or a [module](crate::Module). `K` tells which, and is
/// found by the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be forked with the arguments `{A}`",
    label = "not a function of these arguments, nor a module whose `forward` takes them",
    note = "arguments are a tuple, with a comma if there is one: `fork(f, (x,))`",
    note = "what a task captures or is given must be `Send + 'static`, and each argument a handle, a number, a string, a \
            container or a `Module`"
)]
pub trait Call<A, K>: Send + Sized + 'static {
    /// What it returns.
    type Out;

    /// Calls it.
    fn call(self, args: A) -> Self::Out;

    /// Its name in the compiler's words.
    #[doc(hidden)]
    fn callee() -> &'static str {
        std::any::type_name::<Self>()
    }

    /// Tells what is given to it, by name.
    #[doc(hidden)]
    fn visit(function: &Self, args: &A, visitor: &mut Visitor);
}

/// The kind of [`Call`] that functions and closures are.
#[derive(Debug)]
pub enum Function {}

/// The kind of [`Call`] that modules are.
#[derive(Debug)]
pub enum Method {}

/// Something that a task can be given: handles, numbers, strings, containers, modules.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a fork",
    label = "forkcheck does not know what state this holds",
    note = "implement `forkcheck::Module` for it, and visit the tensors and attributes that it holds (or none)"
)]
pub trait Input {
    /// Visits the state that it holds.
    fn visit_input(&self, visitor: &mut Visitor);
}

/// The last part of a path of types: `scale` of `crate::scale`, `{closure}` of any closure.
pub(super) fn short_name(full: &str) -> &str {
    let base = full.split('<').next().unwrap_or(full);
    match base.rsplit(':').next().unwrap_or(base) {
        "{{closure}}" => "{closure}",
        last => last,
    }
}

macro_rules! calls {
    ($(($($name:ident $index:tt)*))*) => { $(
        impl<Fun, Out, $($name: Input + Send + 'static),*> Call<($($name,)*), Function> for Fun
        where
            Fun: FnOnce($($name),*) -> Out + Send + 'static,
        {
            type Out = Out;

            #[inline(always)]
            fn call(self, ($($name,)*): ($($name,)*)) -> Out {
                self($($name),*)
            }

            fn visit(_: &Self, args: &($($name,)*), visitor: &mut Visitor) {
                $(visitor.argument($index, |visitor| args.$index.visit_input(visitor));)*
                let _ = (args, visitor);
            }
        }

        impl<Mod, $($name: Input + Send + 'static),*> Call<($($name,)*), Method> for Mod
        where
            Mod: Forward<($($name,)*)> + Send + 'static,
        {
            type Out = Mod::Out;

            #[inline(always)]
            fn call(self, args: ($($name,)*)) -> Mod::Out {
                self.forward(args)
            }

            fn visit(module: &Self, args: &($($name,)*), visitor: &mut Visitor) {
                visitor.root(module);
                $(visitor.argument($index, |visitor| args.$index.visit_input(visitor));)*
                let _ = args;
            }
        }
    )* };
}

#[allow(non_snake_case, reason = "the names of types serve as those of values")]
mod arities {
    use super::*;
    calls! {
        () (A 0) (A 0 B 1) (A 0 B 1 C 2) (A 0 B 1 C 2 D 3) (A 0 B 1 C 2 D 3 E 4) (A 0 B 1 C 2 D 3 E 4 F 5)
        (A 0 B 1 C 2 D 3 E 4 F 5 G 6) (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7) (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8)
        (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9) (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 L 10)
        (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 L 10 M 11)
    }
}

#[cfg(test)]
mod tests {
    use super::short_name;

    #[test]
    fn tasks_are_named_after_their_functions() {
        for (full, short) in [
            ("mine::scale", "scale"),
            ("mine::tests::adds::{{closure}}", "{closure}"),
            ("mine::adds::{{closure}}::{{closure}}", "{closure}"),
            ("mine::Ensemble<alloc::vec::Vec<u8>>", "Ensemble"),
            ("mine::reduce<i64>", "reduce"),
        ] {
            assert_eq!(short_name(full), short);
        }
    }
}

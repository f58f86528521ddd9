//! Traces: a function runs inline on its inputs, and what it calls becomes a graph, as `torch.jit.trace` does it.

use std::any::Any;
use std::fmt;
use std::panic::Location as Caller;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use forkcheck_model::graph::{NodeKind, print};
use forkcheck_model::module::{Function, FunctionId};
use forkcheck_model::tensor::Tensor as Plain;
use forkcheck_scheduler::TaskId;

use super::fork::{Call, Future, Task, short_name};
use super::lift;
use super::look::{Look, Outcome};
use super::module::Visitor;
use super::recorder::{FrameId, Recorder};
use super::registered::Registered;
use super::tensor::Tensor;
use super::world::{self, World};

/// Runs a function, or the `forward` of a [module](crate::Module), on inputs, and gives the graph of the operators that it has
/// called.
///
/// Forks run on the spot, as in eager mode, so the function does what it does anywhere; `prim::fork` and `aten::wait` are in
/// the graph. The example of `torch.jit.fork`:
///
/// ```
/// use forkcheck::{Tensor, fork, trace, wait};
///
/// fn foo(a: Tensor, b: i64) -> Tensor {
///     a + b
/// }
///
/// fn bar(a: Tensor) -> Tensor {
///     let future = fork(foo, (a, 2));
///     wait(&future)
/// }
///
/// // A trace is not run asynchronously, but fork is captured in the graph.
/// let graph = trace(bar, (Tensor::from(2i64),));
/// assert!(graph.to_string().contains("fork"));
/// assert_eq!(graph.kinds().collect::<Vec<_>>(), ["prim::fork", "aten::wait"]);
/// ```
///
/// What is recorded:
///
/// - The tensors of the inputs are the parameters, in order, those inside of containers too. A module is `%self` before them,
///   and each tensor that it [visits](crate::Module::visit) is a `prim::GetAttr`, of a submodule step by step.
/// - Operators stand under their own names, those in place too. Numbers and other tensors, made in the function or outside, are
///   a `prim::Constant`; so is everything that depends on elements that were read ([`item`](Tensor::item),
///   [`to_vec`](Tensor::to_vec)), or on attributes that are no tensors.
/// - A fork captures what its body uses. It returns the tensors of its result, and whatever else is used after a wait.
/// - Nothing is removed or rearranged, and a fork that nobody waits for stays; PyTorch drops it.
///
/// # Panics
/// If the function panics; if it returns a future that it did not wait for; and inside of a checked body or of another trace.
#[track_caller]
pub fn trace<F, A, K>(function: F, inputs: A) -> Graph
where
    F: Call<A, K>,
    F::Out: Outcome,
{
    let at = Caller::caller();
    if world::is_harness() {
        panic!(
            "a trace was begun at {}:{} inside of a checked body or of another trace, which could not see what it does: call one \
             after the other",
            at.file(),
            at.line()
        );
    }
    let mut visitor = Visitor::new();
    F::visit(&function, &inputs, &mut visitor);
    let recorder = Recorder::new(Registered::new(&visitor));
    let tracing = Tracing::begin(recorder);
    let result = function.call(inputs);
    let mut look = Look::default();
    let shown = result.look(&mut look);
    assert!(
        look.futures.is_empty(),
        "the function that is traced at {}:{} returns a future: wait for it, and return its result",
        at.file(),
        at.line()
    );
    let mut recorder = tracing.end();
    recorder.conclude(&shown.0);
    let name = short_name(F::callee());
    Graph { functions: lift::functions(&name, &recorder.frames).into(), function: FunctionId(0) }
}

/// What a [trace](trace()) has recorded. It prints in the form of PyTorch, forked bodies after the graph that forks them.
#[derive(Clone)]
pub struct Graph {
    functions: Arc<[Function]>,
    function: FunctionId,
}

impl Graph {
    /// The kinds of its nodes in order, such as `aten::add` or `prim::fork`; without those of forked bodies.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.function().graph.body.nodes.iter().map(|node| node.kind.name())
    }

    /// The graphs of the bodies that it forks, in order.
    pub fn forks(&self) -> impl Iterator<Item = Graph> {
        let nodes = self.function().graph.body.nodes.iter();
        nodes.filter_map(|node| match node.kind {
            NodeKind::Fork(function) => Some(Graph { functions: self.functions.clone(), function }),
            _ => None,
        })
    }

    fn function(&self) -> &Function {
        &self.functions[self.function.0 as usize]
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print::text(&self.functions, self.function))
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// While it lives, this thread records. A panic ends it.
struct Tracing;

impl Tracing {
    fn begin(recorder: Recorder) -> Self {
        world::put(World::Traced(Box::new(recorder)));
        Self
    }

    fn end(self) -> Box<Recorder> {
        match world::take() {
            World::Traced(recorder) => recorder,
            _ => unreachable!("nobody takes the world of a trace"),
        }
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        drop(world::take());
    }
}

/// Futures of traces are told apart by numbers that no task of an execution has.
static FUTURES: AtomicU32 = AtomicU32::new(0);

const FIRST_FUTURE: u32 = 1 << 31;

/// A fork in a trace: it runs on the spot, and its body is recorded apart.
pub(super) fn fork<F, A, K>(function: F, args: A, at: &'static Caller<'static>) -> Future<F::Out>
where
    F: Call<A, K>,
    A: Send + 'static,
    F::Out: Send + 'static,
    K: 'static,
{
    let body = Body::begin();
    let result = function.call(args);
    let task = TaskId::new(FIRST_FUTURE | FUTURES.fetch_add(1, Ordering::Relaxed));
    body.end(&tensors_of(&result), task, at);
    Future { task, shared: Arc::new(Task::<F, A, K>::done(Ok(result), at)) }
}

/// A future was waited for, maybe in a trace.
pub(super) fn waited(task: TaskId, at: &'static Caller<'static>) {
    if task.number() >= FIRST_FUTURE {
        world::traced(|recorder| recorder.wait(task, at));
    }
}

/// The body of a fork while it runs. A panic leaves it.
struct Body(Option<FrameId>);

impl Body {
    fn begin() -> Self {
        Self(world::traced(Recorder::begin))
    }

    fn end(mut self, result: &[Plain], task: TaskId, at: &'static Caller<'static>) {
        let frame = self.0.take().expect("it has begun");
        world::traced(|recorder| recorder.end(frame, result, task, at));
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(frame) = self.0.take() {
            world::traced(|recorder| recorder.abandon(frame));
        }
    }
}

/// The tensors of a result, if it is made of tensors alone. Of any other only what is used later is known.
fn tensors_of(result: &dyn Any) -> Vec<Plain> {
    type T = Tensor;
    let handles: Vec<&Tensor> = if let Some(tensor) = result.downcast_ref::<T>() {
        vec![tensor]
    } else if let Some(tensors) = result.downcast_ref::<Vec<T>>() {
        tensors.iter().collect()
    } else if let Some((a, b)) = result.downcast_ref::<(T, T)>() {
        vec![a, b]
    } else if let Some((a, b, c)) = result.downcast_ref::<(T, T, T)>() {
        vec![a, b, c]
    } else {
        Vec::new()
    };
    handles.into_iter().map(|tensor| tensor.plain().clone()).collect()
}

//! Traces: a function runs inline on its inputs, and what it calls becomes a graph, as `torch.jit.trace` does it.

use std::any::Any;
use std::fmt;
use std::panic::Location as Caller;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use forkcheck_model::graph::{NodeKind, print};
use forkcheck_model::module::{Function, FunctionId};
use forkcheck_scheduler::TaskId;

use super::fork::{Call, Future, Task, short_name};
use super::lift;
use super::look::{Look, Outcome};
use super::module::Visitor;
use super::recorder::{FrameId, Recorder, Tensors};
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
/// The text, without the places of the source that end its lines:
///
/// ```text
/// graph(%input.1 : Tensor):
///   %0 : Future[Tensor] = prim::fork_0(%input.1)
///   %1 : Tensor = aten::wait(%0)
///   return (%1)
/// with prim::fork_0 = graph(%input.1 : Tensor):
///   %0 : int = prim::Constant[value=2]()
///   %1 : int = prim::Constant[value=1]()
///   %2 : Tensor = aten::add(%input.1, %0, %1)
///   return (%2)
/// ```
///
/// What is recorded:
///
/// - The tensors of the inputs are the parameters, in order, those inside of containers too. A module is `%self` before them,
///   and each tensor that it [visits](crate::Module::visit) is a `prim::GetAttr`, of a submodule step by step.
/// - Operators stand under their own names, those in place too. Numbers and other tensors, made in the function or outside, are
///   a `prim::Constant`; so is everything that depends on elements that were read ([`item`](Tensor::item),
///   [`to_vec`](Tensor::to_vec)), or on attributes that are no tensors. That an attribute is set is not recorded.
/// - A fork captures what its body uses. It returns the tensors of its result, and whatever else is used after a wait.
/// - Nothing is removed or rearranged, and a fork that nobody waits for stays; PyTorch drops it.
///
/// # Panics
/// If the function panics; if it returns a future that it did not wait for; and inside of a checked body or of another trace.
#[track_caller]
pub fn trace<F, A, K>(function: F, inputs: A) -> Graph
where
    F: Call<A, K>,
    F::Out: Outcome + 'static,
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
    recorder.conclude(&shown.0, tensors_of(&result).list);
    let name = short_name(F::callee());
    Graph { functions: lift::functions(name, &recorder.frames).into(), function: FunctionId(0) }
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
    body.end(tensors_of(&result), task, at);
    Future::done(task, Task::<F, A, K>::done(Ok(result), at))
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

    fn end(mut self, result: Tensors, task: TaskId, at: &'static Caller<'static>) {
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

/// The tensors of a result that is made of tensors alone. Of any other only what is used later is known.
fn tensors_of(result: &dyn Any) -> Tensors {
    let plain = |tensor: &Tensor| tensor.plain().clone();
    if let Some(tensors) = result.downcast_ref::<Vec<Tensor>>() {
        return Tensors { tensors: tensors.iter().map(plain).collect(), list: true };
    }
    macro_rules! tuples {
        ($(($($name:ident)*))*) => { $(
            if let Some(($($name,)*)) = result.downcast_ref::<($(tuples!(@tensor $name),)*)>() {
                return Tensors { tensors: vec![$(plain($name)),*], list: false };
            }
        )* };
        (@tensor $name:ident) => { Tensor };
    }
    tuples! { (a) (a b) (a b c) (a b c d) (a b c d e) (a b c d e f) }
    Tensors { tensors: result.downcast_ref::<Tensor>().map(plain).into_iter().collect(), list: false }
}

#[cfg(test)]
mod tests {
    use forkcheck_model::graph::ValueId;
    use forkcheck_model::operators::{Call, Printed};
    use forkcheck_model::slot::{Allocator, Memory};
    use forkcheck_model::value::{List, ListContent, Value};

    use super::*;
    use crate::native::fork::{fork, wait};
    use crate::native::outside;

    /// Runs a function of a graph, forks at once: a second reading of what its nodes mean.
    fn run(functions: &[Function], id: FunctionId, args: Vec<Value>) -> Value {
        let graph = &functions[id.0 as usize].graph;
        let mut values = vec![None; graph.values.len()];
        let bind = |values: &mut Vec<Option<Value>>, ids: &[ValueId], bound: Vec<Value>| {
            assert_eq!(ids.len(), bound.len());
            ids.iter().zip(bound).for_each(|(id, value)| values[id.0 as usize] = Some(value));
        };
        bind(&mut values, &graph.body.params, args);
        let mut allocator = outside::allocator();
        for node in &graph.body.nodes {
            let args = node.inputs.iter().map(|id| values[id.0 as usize].clone().expect("it is bound")).collect();
            let bound = match &node.kind {
                NodeKind::Constant(value) => vec![value.clone()],
                NodeKind::Operator(operator) => vec![compute(operator, args)],
                // A future is its result here, so that there is nothing to wait for.
                NodeKind::Fork(body) => vec![run(functions, *body, args)],
                NodeKind::Wait => args,
                NodeKind::TupleConstruct(_) => vec![Value::tuple(args)],
                NodeKind::ListConstruct(item) => {
                    vec![Value::List(List::new(&mut allocator, ListContent { item: item.clone(), items: args }))]
                }
                NodeKind::TupleUnpack | NodeKind::ListUnpack => match &args[0] {
                    Value::Tuple(items) => items.to_vec(),
                    Value::List(list) => list.content().items.clone(),
                    other => panic!("{other:?} has no items"),
                },
                other => panic!("{other:?} is in no graph of these tests"),
            };
            bind(&mut values, &node.outputs, bound);
        }
        values[graph.body.returns[0].0 as usize].clone().expect("it is bound")
    }

    fn compute(operator: &'static forkcheck_model::operators::Operator, args: Vec<Value>) -> Value {
        let mut allocator = Allocator::new(7, Memory::unlimited());
        let (generator, mut modes, mut printed) = (outside::generator(), outside::modes(), Printed::default());
        let (allocator, modes, printed) = (&mut allocator, &mut modes, &mut printed);
        let mut call = Call { operator, args: &args, allocator, generator: &generator, modes, printed };
        operator.kernel.expect("it can be computed")(&mut call).expect("it fits")
    }

    /// Tensors inside of a type that a trace knows nothing of.
    #[derive(Clone)]
    struct Hidden(Vec<Tensor>);

    #[derive(Clone)]
    enum Pending {
        Open(Future<Vec<Tensor>>),
        Hidden(Future<Hidden>),
    }

    /// A number below `bound`; the same for the same seeds.
    fn draw(seed: &mut u64, bound: usize) -> usize {
        *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (*seed >> 33) as usize % bound
    }

    /// A program by number: operators, views, writes in place, forks that use what they like, and waits for some of them.
    fn program(seed: &mut u64, depth: usize, mut pool: Vec<Tensor>, mut pending: Vec<Pending>) -> Vec<Tensor> {
        let body = |seed: &u64, by: u64, pool: &[Tensor], pending: &[Pending]| {
            let (mut seed, pool, pending) = (seed.wrapping_add(by), pool.to_vec(), pending.to_vec());
            move || program(&mut seed, depth - 1, pool, pending)
        };
        for _ in 0..4 + draw(seed, 6) {
            let (a, b) = (pool[draw(seed, pool.len())].clone(), pool[draw(seed, pool.len())].clone());
            match draw(seed, 8) {
                0 => pool.push((a + b).tanh()),
                1 => pool.push(a * 0.5),
                2 => drop(a.add_(0.25)),
                3 => drop(a.narrow(0, 0, 1).mul_(0.5)),
                4 => drop(a.copy_(&b.neg())),
                5 if depth > 0 => pending.push(Pending::Open(fork(body(seed, 9, &pool, &pending), ()))),
                6 if depth > 0 => {
                    let body = body(seed, 17, &pool, &pending);
                    pending.push(Pending::Hidden(fork(|| Hidden(body()), ())));
                }
                _ if !pending.is_empty() => pool.extend(match &pending[draw(seed, pending.len())] {
                    Pending::Open(future) => wait(future),
                    Pending::Hidden(future) => wait(future).0,
                }),
                _ => {}
            }
        }
        let kept = 1 + draw(seed, pool.len());
        pool.split_off(pool.len() - kept)
    }

    #[test]
    fn a_graph_computes_what_the_function_computes_on_other_inputs_too() {
        let inputs = |by: f32| vec![Tensor::from([by, 1.0]), Tensor::from([0.5, -by])];
        let mut forks = 0;
        for seed in 0..300u64 {
            let whole = move |pool: Vec<Tensor>| Tensor::stack(&program(&mut seed.clone(), 3, pool, Vec::new()), 0);
            let graph = trace(whole, (inputs(2.0),));
            forks += graph.functions.len() - 1;
            let args = inputs(3.0).iter().map(|tensor| Value::Tensor(tensor.plain().clone())).collect();
            let Value::Tensor(found) = run(&graph.functions, graph.function, args) else { panic!("{graph}") };
            let expected = whole(inputs(3.0)).to_vec::<f32>();
            assert_eq!(found.to_vec::<f32>(), expected, "program {seed}\n{graph}");
        }
        assert!(forks > 300, "{forks} forks");
    }
}

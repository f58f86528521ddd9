//! Properties: [proptest] picks the inputs of a program that forks, forkcheck its schedules, and both are made small.
//!
//! It is the cargo feature `proptest`, which is not on by default:
//!
//! ```toml
//! [dev-dependencies]
//! forkcheck = { version = "0.1", features = ["proptest"] }
//! proptest = "1"
//! ```
//!
//! # A property
//!
//! A [`Tensor`] belongs to the execution that made it, so a strategy yields [`TensorData`], plain data, and the body makes the
//! tensor. [`check_on`] checks the body on one input, under every schedule that could differ:
//!
//! ```
//! use forkcheck::strategies::{check_on, shapes, tensors};
//! use forkcheck::{Tensor, fork, wait};
//! use proptest::prelude::*;
//!
//! proptest! {
//!     # /*
//!     #[test]
//!     # */
//!     fn the_sum_is_that_of_its_halves(x in tensors(shapes(1, 2..=16), -100i64..=100)) {
//!         check_on(x, |x| {
//!             let (x, half) = (x.tensor(), x.numel() as i64 / 2);
//!             let low = fork(|part: Tensor| part.sum(), (x.narrow(0, 0, half),));
//!             let high = fork(|part: Tensor| part.sum(), (x.narrow(0, half, x.numel() - half),));
//!             assert_eq!(wait(&low) + wait(&high), x.sum());
//!         })?;
//!     }
//! }
//! # the_sum_is_that_of_its_halves();
//! ```
//!
//! Several inputs are a tuple: `check_on((x, y), |(x, y)| …)`. Inputs that depend on each other, such as matrices that can be
//! multiplied, come of `prop_flat_map`, as always in proptest.
//!
//! # What a failure shows
//!
//! An effect, two results, a deadlock, or an assertion that fails in every schedule or in some: whatever
//! [`check`](crate::check()) panics with, `check_on` returns as an error. So nothing is printed while proptest makes the input
//! smaller, which takes dozens of cases, and in the end there is one panic. It holds the report for the minimal input, with
//! the lines of both sides of a race and one line `replay: FORKCHECK_REPLAY=fc1.… cargo test …`, and the minimal input:
//!
//! ```
//! use forkcheck::strategies::{TensorData, shapes, tensors};
//! use forkcheck::{Checker, Tensor, fork, wait};
//! use proptest::test_runner::{Config, TestRunner};
//!
//! /// Two tasks add to the first element.
//! fn body(x: &TensorData<i64>) -> Tensor {
//!     let x = x.tensor();
//!     let add = |x: Tensor| { x.select(0, 0).add_(1); };
//!     let (a, b) = (fork(add, (x.clone(),)), fork(add, (x.clone(),)));
//!     wait(&a);
//!     wait(&b);
//!     x
//! }
//!
//! // What `proptest!` does, without the files, and with the panic as a value.
//! let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
//! let inputs = tensors(shapes(1, 1..=8), 0i64..100);
//! let failed = runner.run(&inputs, |x| Checker::new().check_on(x, body)).unwrap_err().to_string();
//! // One element is enough, and its value does not matter.
//! assert!(failed.ends_with("minimal failing input: TensorData::<i64>::new(&[1], &[0])"));
//! assert_eq!(failed.matches("replay: FORKCHECK_REPLAY=fc1.").count(), 1);
//! ```
//!
//! The input is shown as an expression that makes it, to be pasted into a test of its own. The schedule names its input: while
//! `FORKCHECK_REPLAY` is set, the minimal input runs under that schedule alone, and proptest finds its way there as it did before.
//!
//! # The next time
//!
//! proptest keeps the seed of the input that failed, in `proptest-regressions`. forkcheck keeps the minimal input, to be read,
//! and the two schedules with their two outcomes, in `forkcheck-failures` beside it. Next time proptest begins with that seed, and
//! forkcheck tries the stored schedules on each input, before any others count. So a failure that took a thousand
//! schedules to find is met again at once. Commit both folders, or neither.
//!
//! A property has one file. While proptest makes the input smaller each input that fails takes the place of the last, so
//! what stays is the minimal one; inputs that pass leave the file alone. It is removed when the same input passes under
//! every schedule, and stays otherwise, as proptest's does.
//!
//! # Who picks the schedule
//!
//! Forkcheck should: it knows which schedules are equivalent, runs each kind once, and needs one execution where nothing races.
//! Where a body is so slow that only few schedules can be run for each input, let proptest pick how they are sampled, so that
//! all inputs together see many: see [`samplings`].

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use proptest::collection::{SizeRange, VecStrategy, vec};
use proptest::prelude::any;
use proptest::sample::select;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::{TestCaseError, TestCaseResult, TestRunner};

use crate::{Checker, Element, Outcome, Tensor};

/// Checks a body on an input that proptest has picked, as the variables `FORKCHECK_…` say; see [`Checker::from_env`].
///
/// The body is a function of the input, and what it captures is nothing that changes.
///
/// # Errors
/// With the report, if a fork is impure or the result depends on the schedule: proptest then tries smaller inputs.
///
/// # Panics
/// If a variable has a value that means nothing.
#[track_caller]
pub fn check_on<I, T>(input: I, body: impl Fn(&I) -> T + Send + Sync + 'static) -> TestCaseResult
where
    I: fmt::Debug + Send + Sync + 'static,
    T: Outcome + Send + Sync + 'static,
{
    Checker::of_env().check_on(input, body)
}

impl Checker {
    /// Checks a body on an input that proptest has picked; see [`strategies`](crate::strategies).
    ///
    /// # Errors
    /// With the report, if the body is not what it is expected to be.
    #[track_caller]
    pub fn check_on<I, T>(&self, input: I, body: impl Fn(&I) -> T + Send + Sync + 'static) -> TestCaseResult
    where
        I: fmt::Debug + Send + Sync + 'static,
        T: Outcome + Send + Sync + 'static,
    {
        match self.failure_on(input, body) {
            None => Ok(()),
            // A reason goes on with a full stop and the minimal input.
            Some(message) => {
                Err(TestCaseError::fail(format!("{}\n\nThis is what happens with the input below", message.trim_end())))
            }
        }
    }
}

/// The sizes and elements of a tensor that is yet to be made.
///
/// It is plain data: an execution makes a tensor of it, and another execution another one.
#[derive(Clone, PartialEq)]
pub struct TensorData<T> {
    sizes: Vec<i64>,
    elements: Vec<T>,
}

impl<T: Element> TensorData<T> {
    /// These elements in row-major order.
    ///
    /// # Panics
    /// If there are not as many as `sizes` says.
    #[track_caller]
    pub fn new(sizes: &[i64], elements: &[T]) -> Self {
        assert_eq!(numel(sizes), elements.len(), "a tensor of sizes {sizes:?} has {} elements", numel(sizes));
        Self { sizes: sizes.to_vec(), elements: elements.to_vec() }
    }

    /// A new tensor with memory of its own, which belongs to the execution that this is called in.
    #[track_caller]
    pub fn tensor(&self) -> Tensor {
        Tensor::new(&self.sizes, &self.elements)
    }

    /// The sizes of its dimensions.
    pub fn sizes(&self) -> &[i64] {
        &self.sizes
    }

    /// Its elements in row-major order.
    pub fn elements(&self) -> &[T] {
        &self.elements
    }

    /// How many elements it has.
    pub fn numel(&self) -> usize {
        self.elements.len()
    }
}

/// An expression that makes it.
impl<T: fmt::Debug> fmt::Debug for TensorData<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ty = std::any::type_name::<T>();
        let ty = ty.rsplit("::").next().unwrap_or(ty);
        // On one line, even where the rest is not.
        write!(
            f,
            "TensorData::<{ty}>::new(&{}, &{})",
            format_args!("{:?}", self.sizes),
            format_args!("{:?}", self.elements)
        )
    }
}

fn numel(sizes: &[i64]) -> usize {
    sizes.iter().map(|&size| size as usize).product()
}

/// Sizes of so many dimensions, each in a range. They shrink to fewer dimensions, then to smaller ones.
///
/// ```
/// use forkcheck::strategies::shapes;
///
/// let matrices = shapes(2, 1..=8);
/// let anything_small = shapes(0..=3, 0..5);
/// ```
pub fn shapes(dims: impl Into<SizeRange>, sizes: impl Into<SizeRange>) -> VecStrategy<RangeInclusive<i64>> {
    let sizes = sizes.into();
    vec(sizes.start() as i64..=sizes.end_incl() as i64, dims)
}

/// Tensors with sizes of one strategy, which are not negative, and elements of another. The sizes shrink first, to the first
/// or the last of the elements; then each element shrinks by itself.
///
/// ```
/// use forkcheck::strategies::{shapes, tensors};
/// use proptest::prelude::*;
///
/// let images = tensors(Just(vec![3, 8, 8]), 0.0f32..1.0);
/// let counts = tensors(shapes(1..=2, 1..=4), 0i64..10);
/// ```
pub fn tensors<S, E>(sizes: S, elements: E) -> Tensors<S, E>
where
    S: Strategy<Value = Vec<i64>>,
    E: Strategy<Value: Element>,
{
    Tensors { sizes, elements: Arc::new(elements) }
}

/// See [`tensors`].
#[derive(Debug)]
#[must_use = "a strategy does nothing until a value is picked"]
pub struct Tensors<S, E> {
    sizes: S,
    elements: Arc<E>,
}

impl<S: Clone, E> Clone for Tensors<S, E> {
    fn clone(&self) -> Self {
        Self { sizes: self.sizes.clone(), elements: self.elements.clone() }
    }
}

impl<S, E> Strategy for Tensors<S, E>
where
    S: Strategy<Value = Vec<i64>>,
    E: Strategy<Value: Element>,
{
    type Tree = TensorTree<S::Tree, E>;
    type Value = TensorData<E::Value>;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let sizes = self.sizes.new_tree(runner)?;
        let own = TestRunner::new_with_rng(runner.config().clone(), runner.new_rng());
        let strategy = self.elements.clone();
        let mut tree =
            TensorTree { sizes, elements: Vec::new(), start: 0, strategy, runner: own, failed: 0, last: Part::Sizes };
        tree.fill()?;
        Ok(tree)
    }
}

/// A [`TensorData`] that can shrink.
pub struct TensorTree<S, E: Strategy> {
    sizes: S,
    /// Those from `start` on count, as many as the sizes say; there are enough.
    elements: Vec<E::Tree>,
    start: usize,
    strategy: Arc<E>,
    /// Picks the elements.
    runner: TestRunner,
    /// How many elements there were when it failed last.
    failed: usize,
    /// What was changed last.
    last: Part,
}

/// What shrinks.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// The sizes, and all elements are kept.
    Sizes,
    /// The sizes: so many elements at the end are left out.
    End(usize),
    /// The sizes: so many elements at the front are left out.
    Front(usize),
    Element(usize),
}

impl<S, E: Strategy> fmt::Debug for TensorTree<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TensorTree").field("last", &self.last).finish_non_exhaustive()
    }
}

impl<S: ValueTree<Value = Vec<i64>>, E: Strategy> TensorTree<S, E> {
    fn count(&self) -> usize {
        numel(&self.sizes.current())
    }

    /// Picks elements that the sizes ask for and that there never were.
    fn fill(&mut self) -> Result<(), proptest::test_runner::Reason> {
        while self.elements.len() < self.start + self.count() {
            self.elements.push(self.strategy.new_tree(&mut self.runner)?);
        }
        Ok(())
    }

    /// The sizes have changed: the elements are left out at the end, if there are fewer.
    fn settle(&mut self) -> bool {
        while self.fill().is_err() {
            // There are no elements for these sizes, so on to others.
            if !self.sizes.complicate() {
                return false;
            }
        }
        self.last = match self.failed.saturating_sub(self.count()) {
            0 => Part::Sizes,
            gone => Part::End(gone),
        };
        true
    }
}

impl<S, E> ValueTree for TensorTree<S, E>
where
    S: ValueTree<Value = Vec<i64>>,
    E: Strategy<Value: Element>,
{
    type Value = TensorData<E::Value>;

    fn current(&self) -> Self::Value {
        let sizes = self.sizes.current();
        let elements = self.elements[self.start..][..numel(&sizes)].iter().map(ValueTree::current).collect();
        TensorData { sizes, elements }
    }

    fn simplify(&mut self) -> bool {
        self.failed = self.count();
        let first = match self.last {
            Part::Element(index) => index,
            _ if self.sizes.simplify() => return self.settle(),
            _ => self.start,
        };
        for index in first..self.start + self.failed {
            self.last = Part::Element(index);
            if self.elements[index].simplify() {
                return true;
            }
        }
        false
    }

    fn complicate(&mut self) -> bool {
        match self.last {
            Part::End(gone) => {
                self.start += gone;
                self.last = Part::Front(gone);
                true
            }
            Part::Front(gone) => {
                self.start -= gone;
                self.sizes.complicate() && self.settle()
            }
            Part::Sizes => self.sizes.complicate() && self.settle(),
            Part::Element(index) => self.elements[index].complicate(),
        }
    }
}

/// Seeds for [`Checker::seed`]. They do not shrink, for no seed is simpler than another; the schedule that is found
/// is made short by itself.
pub fn seeds() -> impl Strategy<Value = u64> {
    any::<u64>().no_shrink()
}

/// Ways to sample schedules: a strategy that draws, and its seed. They do not shrink; see [`seeds`].
///
/// ```
/// use forkcheck::strategies::{samplings, shapes, tensors};
/// use forkcheck::{Tensor, fork, wait};
/// use proptest::prelude::*;
///
/// proptest! {
///     # /*
///     #[test]
///     # */
///     fn exp_is_pure(x in tensors(shapes(1, 1..=4), -1.0f32..=1.0), sampling in samplings()) {
///         sampling.checker().budget(5).check_on(x, |x| {
///             let exp = fork(|x: Tensor| x.exp(), (x.tensor(),));
///             wait(&exp)
///         })?;
///     }
/// }
/// # exp_is_pure();
/// ```
pub fn samplings() -> impl Strategy<Value = Sampling> {
    let strategies = select(vec!["random", "pct:2", "pct:3", "pos", "uniform"]);
    (strategies, any::<u64>()).prop_map(|(strategy, seed)| Sampling { strategy, seed }).no_shrink()
}

/// A way to sample schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// As of [`Checker::strategy`].
    pub strategy: &'static str,
    /// As of [`Checker::seed`].
    pub seed: u64,
}

impl Sampling {
    /// A checker as the variables `FORKCHECK_…` say that samples in this way.
    ///
    /// # Panics
    /// If a variable has a value that means nothing.
    #[track_caller]
    pub fn checker(self) -> Checker {
        Checker::of_env().strategy(self.strategy).seed(self.seed)
    }
}

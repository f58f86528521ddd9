//! Scripted functions: their forks run on the real pool, or under whatever checks them.

use std::fmt;

use super::fork::{Function, Method};
use super::module::{Forward, Module, Visitor};
use super::{pool, world};

/// Makes a callable whose forks run asynchronously: on a pool of threads, or, in a checked body, as its tasks.
///
/// The first example of `torch.jit.fork`:
///
/// ```
/// use forkcheck::{Tensor, fork, script, wait};
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
/// let input = Tensor::from([1.0f32, 2.0]);
/// let script_bar = script(bar);
/// // Only the scripted version runs asynchronously, and the result is the same.
/// assert_eq!(script_bar(input.clone()), bar(input));
/// ```
///
/// and the second, where a method of a submodule is forked:
///
/// ```
/// use forkcheck::{Forward, Module, Tensor, Visitor, fork, script, wait};
///
/// #[derive(Clone)]
/// struct AddMod;
///
/// impl Module for AddMod {
///     fn visit(&self, _: &mut Visitor) {}
/// }
///
/// impl Forward<(Tensor, i64)> for AddMod {
///     type Out = Tensor;
///
///     fn forward(&self, (a, b): (Tensor, i64)) -> Tensor {
///         a + b
///     }
/// }
///
/// #[derive(Clone)]
/// struct Mod { r#mod: AddMod }
///
/// impl Module for Mod {
///     fn visit(&self, visitor: &mut Visitor) {
///         visitor.attribute("mod", &self.r#mod);
///     }
/// }
///
/// impl Forward<(Tensor,)> for Mod {
///     type Out = Tensor;
///
///     fn forward(&self, (input,): (Tensor,)) -> Tensor {
///         let future = fork(self.r#mod.clone(), (input, 2));
///         wait(&future)
///     }
/// }
///
/// let input = Tensor::from([1.0f32, 2.0]);
/// let module = Mod { r#mod: AddMod };
/// assert_eq!(module.forward((input.clone(),)), script(module).forward((input,)));
/// ```
pub fn script<S: Script<K>, K>(function: S) -> S::Scripted {
    function.scripted()
}

/// Something that can be scripted: a function of up to twelve arguments, or a [module](Module). `K` tells which, and is found
/// by the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be scripted",
    label = "not a function of up to twelve arguments, nor a module"
)]
pub trait Script<K>: Sized {
    /// What is called instead.
    type Scripted;

    /// See [`script`].
    fn scripted(self) -> Self::Scripted;
}

/// Runs a call with forks on the pool, unless somebody else runs them.
fn run<R>(work: impl FnOnce() -> R) -> R {
    if world::is_harness() { work() } else { pool::with(work) }
}

macro_rules! functions {
    ($(($($name:ident)*))*) => { $(
        #[allow(non_snake_case, reason = "the names of types serve as those of values")]
        impl<Fun, Out, $($name),*> Script<(Function, fn($($name),*) -> Out)> for Fun
        where
            Fun: Fn($($name),*) -> Out + Send + Sync + 'static,
        {
            type Scripted = Box<dyn Fn($($name),*) -> Out + Send + Sync>;

            fn scripted(self) -> Self::Scripted {
                Box::new(move |$($name),*| run(|| self($($name),*)))
            }
        }
    )* };
}
functions! {
    () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) (A B C D E F G H I)
    (A B C D E F G H I J) (A B C D E F G H I J L) (A B C D E F G H I J L M)
}

impl<M: Module> Script<Method> for M {
    type Scripted = Scripted<M>;

    fn scripted(self) -> Scripted<M> {
        Scripted(self)
    }
}

/// A module whose forks run asynchronously.
#[derive(Clone)]
pub struct Scripted<M>(M);

impl<M> fmt::Debug for Scripted<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scripted({})", std::any::type_name::<M>())
    }
}

impl<M: Module> Module for Scripted<M> {
    fn visit(&self, visitor: &mut Visitor) {
        self.0.visit(visitor);
    }
}

impl<A, M: Forward<A>> Forward<A> for Scripted<M> {
    type Out = M::Out;

    fn forward(&self, args: A) -> M::Out {
        run(|| self.0.forward(args))
    }
}

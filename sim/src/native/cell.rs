//! State that tasks share, every access of which is known: attributes of modules, globals, the generator of random numbers.

use std::any::Any;
use std::fmt;
use std::panic::Location as Caller;
use std::sync::{Arc, Mutex, OnceLock};

use forkcheck_model::slot::SlotId;
use forkcheck_scheduler::Kind;

use super::guarded::Guarded;
use super::look::{Kept, Look, Outcome, Shown};
use super::module::Held;
use super::state::{Begin, Place, Step, Touched, step, store, touch};
use super::{lock, outside, world};

/// A value that several tasks may read and write: the attribute of a module.
///
/// A clone is another handle of the same value, as with everything in PyTorch. Under the checker each [`get`](Attr::get) and
/// [`set`](Attr::set) is one step; [`update`](Attr::update) reads and then writes, in two steps where others race for it.
///
/// ```
/// use forkcheck::Attr;
///
/// let count = Attr::new(1);
/// let same = count.clone();
/// count.update(|n| n + 1);
/// assert_eq!(same.get(), 2);
/// ```
///
/// # Panics
/// Each access, if the attribute was made in another execution, or in a checked body that is over.
pub struct Attr<T>(Arc<Cell<T>>);

struct Cell<T> {
    place: Place,
    value: Guarded<T>,
}

impl<T> Cell<T> {
    /// Does something with the value. Nothing of the user's runs inside but `clone`.
    ///
    /// # Panics
    /// If a task that is paused is in the middle of it: its `clone` gave control away, and whoever waited for it would wait for
    /// ever.
    #[inline(always)]
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        self.value.with(work).unwrap_or_else(|in_use| {
            let made = self.place.made;
            in_use.refuse(format_args!("the value of the attribute made at {}:{}", made.file(), made.line()))
        })
    }

    /// Puts another value in place; the old one is dropped when nobody is in the middle of it any more.
    #[inline(always)]
    fn put(&self, value: T) {
        let old = self.with(|place| std::mem::replace(place, value));
        drop(old);
    }
}

impl<T: Clone> Cell<T> {
    #[inline(always)]
    fn get(&self) -> T {
        self.with(|value| value.clone())
    }
}

/// Reads a value and writes what `change` makes of it: in two steps where others race for it.
#[inline(always)]
#[track_caller]
fn update<T, R>(
    place: &Place,
    operator: &'static str,
    at: &'static Caller<'static>,
    get: impl FnOnce() -> T,
    put: impl FnOnce(T),
    change: impl FnOnce(T) -> (T, R),
) -> R {
    let half = touch(place, Kind::Update, operator, at).half;
    let (new, result) = change(get());
    if half {
        store(place.step(&place.touches(Kind::Update), operator, at));
    }
    put(new);
    result
}

impl<T> Attr<T> {
    /// An attribute that begins with this value.
    #[track_caller]
    pub fn new(value: T) -> Self {
        let made = Caller::caller();
        let (slot, serial, bound) = world::checked(|state| {
            let slot = state.fresh();
            if let Some(watch) = &mut state.watch {
                watch.made(slot, "attribute", made);
            }
            (slot, state.serial, state.bound)
        })
        .unwrap_or_else(|| (outside::fresh(), outside::SERIAL, None));
        Self(Arc::new(Cell { place: Place { slot, serial, made }, value: Guarded::new(value, bound) }))
    }

    pub(super) fn slot(&self) -> SlotId {
        self.0.place.slot
    }
}

/// An attribute, and its value when it was met.
pub(super) struct HeldAttr<T> {
    attr: Attr<T>,
    value: Mutex<T>,
}

impl<T: Clone> Attr<T> {
    pub(super) fn holding(&self) -> HeldAttr<T> {
        HeldAttr { attr: self.clone(), value: Mutex::new(self.0.get()) }
    }
}

impl<T: Outcome + Clone + Send + Sync + 'static> Held for HeldAttr<T> {
    fn restore(&self) {
        let value = lock(&self.value).clone();
        self.attr.0.put(value);
    }

    fn look(&self, look: &mut Look) -> Shown {
        Outcome::look(&self.attr, look)
    }
}

impl<T: Clone> Attr<T> {
    /// The value as it is now.
    #[track_caller]
    #[inline]
    pub fn get(&self) -> T {
        touch(&self.0.place, Kind::Read, "Attr::get", Caller::caller());
        self.0.get()
    }

    /// Another value from now on.
    #[track_caller]
    #[inline]
    pub fn set(&self, value: T) {
        touch(&self.0.place, Kind::Write, "Attr::set", Caller::caller());
        self.0.put(value);
    }

    /// Reads the value and writes what `change` makes of it; gives what was written. No more atomic than `x += 1` is: where
    /// others race for the attribute, they may come between the read and the write.
    #[track_caller]
    #[inline]
    pub fn update(&self, change: impl FnOnce(T) -> T) -> T {
        self.change("Attr::update", Caller::caller(), |old| {
            let new = change(old);
            (new.clone(), new)
        })
    }

    /// The same with a change in place, such as a push or an insertion; gives what `change` gives.
    ///
    /// ```
    /// use forkcheck::Attr;
    ///
    /// let queue = Attr::new(vec![1, 2]);
    /// assert_eq!(queue.modify(Vec::pop), Some(2));
    /// assert_eq!(queue.get(), [1]);
    /// ```
    #[track_caller]
    #[inline]
    pub fn modify<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        self.change("Attr::modify", Caller::caller(), |mut value| {
            let result = change(&mut value);
            (value, result)
        })
    }

    #[inline]
    #[track_caller]
    fn change<R>(&self, operator: &'static str, at: &'static Caller<'static>, change: impl FnOnce(T) -> (T, R)) -> R {
        update(&self.0.place, operator, at, || self.0.get(), |new| self.0.put(new), change)
    }
}

impl<T> Clone for Attr<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Attr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value is not shown: to read it is an access, and the debugger is nobody's task.
        write!(f, "Attr made at {}:{}", self.0.place.made.file(), self.0.place.made.line())
    }
}

impl<T: Default> Default for Attr<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: Outcome + Clone + Send + Sync + 'static> Outcome for Attr<T> {
    fn look(&self, look: &mut Look) -> Shown {
        look.reads_whole(self.0.place.slot, T::leads());
        look.keep(self.0.place.slot, || self.holding());
        let value = self.0.get();
        value.look(look)
    }
}

/// A variable of the whole program: a `static` that is made anew for every execution.
///
/// ```
/// use forkcheck::Global;
///
/// static HITS: Global<u64> = Global::new(|| 0);
///
/// HITS.update(|hits| hits + 1);
/// assert_eq!(HITS.get(), 1);
/// ```
///
/// A fork that writes one is impure ([`global-state`](crate::check::Kind::GlobalState)). Its value at the end is a part
/// of the outcome.
pub struct Global<T> {
    begin: fn() -> T,
    made: &'static Caller<'static>,
    /// Where nobody checks, it is an ordinary variable.
    plain: OnceLock<Mutex<T>>,
}

/// The value of a global in one execution.
struct GlobalValue<T> {
    value: Guarded<T>,
    made: &'static Caller<'static>,
}

impl<T> GlobalValue<T> {
    /// Does something with the value. Nothing of the user's runs inside but `clone`.
    ///
    /// # Panics
    /// As with an attribute, if a task that is paused is in the middle of it.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        self.value.with(work).unwrap_or_else(|in_use| {
            in_use.refuse(format_args!("the value of the global made at {}:{}", self.made.file(), self.made.line()))
        })
    }
}

impl<T: Outcome + Clone + Send> Outcome for GlobalValue<T> {
    fn look(&self, look: &mut Look) -> Shown {
        let value = self.with(|value| value.clone());
        value.look(look)
    }

    fn leads() -> bool {
        T::leads()
    }
}

/// Globals are told apart by where they stand in the source.
fn global_slot(made: &Caller<'_>) -> SlotId {
    let hash = xxhash_rust::xxh3::xxh3_64(format!("{}:{}:{}", made.file(), made.line(), made.column()).as_bytes());
    SlotId::new(u32::MAX, hash as u32 | 0x100)
}

impl<T> Global<T> {
    /// A global that begins with what `begin` makes, in each execution.
    #[track_caller]
    pub const fn new(begin: fn() -> T) -> Self {
        Self { begin, made: Caller::caller(), plain: OnceLock::new() }
    }
}

impl<T: Outcome + Clone + Send + Sync + 'static> Global<T> {
    /// The value as it is now.
    #[track_caller]
    pub fn get(&self) -> T {
        touch(&self.place(), Kind::Read, "Global::get", Caller::caller());
        self.with(|value| value.clone())
    }

    /// Another value from now on.
    #[track_caller]
    pub fn set(&self, value: T) {
        touch(&self.place(), Kind::Write, "Global::set", Caller::caller());
        self.put(value);
    }

    /// Reads the value and writes what `change` makes of it; gives what was written. As with [`Attr::update`], others may come
    /// between the two.
    #[track_caller]
    pub fn update(&self, change: impl FnOnce(T) -> T) -> T {
        self.change("Global::update", Caller::caller(), |old| {
            let new = change(old);
            (new.clone(), new)
        })
    }

    /// The same with a change in place; gives what `change` gives. See [`Attr::modify`].
    #[track_caller]
    pub fn modify<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        self.change("Global::modify", Caller::caller(), |mut value| {
            let result = change(&mut value);
            (value, result)
        })
    }

    #[track_caller]
    fn change<R>(&self, operator: &'static str, at: &'static Caller<'static>, change: impl FnOnce(T) -> (T, R)) -> R {
        update(&self.place(), operator, at, || self.with(|value| value.clone()), |new| self.put(new), change)
    }

    fn place(&self) -> Place {
        let slot = global_slot(self.made);
        world::checked(|state| {
            if let Some(watch) = &mut state.watch {
                watch.made(slot, "global", self.made);
            }
        });
        Place { slot, serial: outside::SERIAL, made: self.made }
    }

    fn put(&self, value: T) {
        let old = self.with(|place| std::mem::replace(place, value));
        drop(old);
    }

    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        match self.checked() {
            Some(value) => value.with(work),
            None => work(&mut lock(self.plain.get_or_init(|| Mutex::new((self.begin)())))),
        }
    }

    /// The value in the execution that this code belongs to.
    fn checked(&self) -> Option<Arc<GlobalValue<T>>> {
        let slot = global_slot(self.made);
        let find =
            || world::checked(|state| state.globals.iter().find(|met| met.slot == slot).map(|met| met.value.clone()));
        let known = match find()? {
            Some(known) => known,
            None => {
                let (begin, made) = (self.begin, self.made);
                let begin = Arc::new(move || -> Arc<dyn Kept> {
                    let bound = world::checked(|state| state.bound).flatten();
                    Arc::new(GlobalValue { value: Guarded::new(begin(), bound), made })
                });
                let begin = Begin { begin, made };
                // What it makes is made here, where no execution is borrowed.
                let met = begin.met(slot);
                let value = met.value.clone();
                world::checked(|state| state.meet(met, begin));
                value
            }
        };
        let known: Arc<dyn Any + Send + Sync> = known.into_any();
        Some(known.downcast().expect("one global stands at one place of the source"))
    }
}

impl<T> fmt::Debug for Global<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Global made at {}:{}", self.made.file(), self.made.line())
    }
}

/// The generator of random numbers that a program has one of, as in PyTorch: seeded alike in every execution.
///
/// A draw in a fork is impure ([`global-state`](crate::check::Kind::GlobalState)): which number it gets depends on who
/// drew before. Outside of a harness the generator is the thread's, and begins alike too.
#[derive(Debug, Clone, Copy)]
pub struct Rng(());

/// The generator.
///
/// ```
/// let die = forkcheck::rng().below(6) + 1;
/// assert!((1..=6).contains(&die));
/// ```
pub fn rng() -> Rng {
    Rng(())
}

impl Rng {
    /// 64 random bits.
    #[track_caller]
    pub fn next_u64(self) -> u64 {
        let at = Caller::caller();
        let touches = &[Touched::whole(SlotId::GENERATOR, Kind::Update)];
        step(Step {
            serial: outside::SERIAL,
            made: None,
            touches,
            operator: "Rng::next_u64",
            at: Some(at),
            splits: false,
        });
        world::checked(|state| {
            state.drawn = true;
            state.generator().slot().update(|generator| generator.next_u64())
        })
        .unwrap_or_else(outside::draw)
    }

    /// A number below `bound`, each as likely as the others to within 2^-64.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn below(self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below 0");
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 up to but not including 1, one of 2^53 that lie evenly.
    #[track_caller]
    pub fn unit(self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

//! What a task will give, and who waits for it.

use super::sync::{Mutex, MutexGuard, PoisonError};

/// A value to come, and the jobs that go on when it is there.
pub(super) struct Promise<J, T>(Mutex<State<J, T>>);

enum State<J, T> {
    /// It is not there; these wait.
    Pending(Vec<J>),
    /// It is there.
    Kept(T),
}

impl<J, T: Clone> Promise<J, T> {
    /// A promise that nobody waits for.
    pub(super) fn new() -> Self {
        Self(Mutex::new(State::Pending(Vec::new())))
    }

    /// The value, if it is there.
    pub(super) fn get(&self) -> Option<T> {
        match &*self.lock() {
            State::Pending(_) => None,
            State::Kept(value) => Some(value.clone()),
        }
    }

    /// Leaves a job here until the value is there; gives it back if that is so already. Also says whether it is the first.
    pub(super) fn park(&self, job: J) -> Result<bool, J> {
        match &mut *self.lock() {
            State::Kept(_) => Err(job),
            State::Pending(waiters) => {
                waiters.push(job);
                Ok(waiters.len() == 1)
            }
        }
    }

    /// Puts the value there; the jobs can go on.
    ///
    /// # Panics
    /// If there is one.
    pub(super) fn keep(&self, value: T) -> Vec<J> {
        match std::mem::replace(&mut *self.lock(), State::Kept(value)) {
            State::Pending(waiters) => waiters,
            State::Kept(_) => panic!("a promise is kept once"),
        }
    }

    /// The jobs that wait, who do so no more: nobody will keep it.
    pub(super) fn abandon(&self) -> Vec<J> {
        match &mut *self.lock() {
            State::Pending(waiters) => std::mem::take(waiters),
            State::Kept(_) => Vec::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The tasks that can step: a set that answers in constant time whatever a strategy asks of it.
//!
//! A sorted list would cost a scan where a task is drawn, added or removed. Here the members stand densely in a list and
//! know their places, as in Briggs and Torczon, "An efficient representation for sparse sets" (1993).

use std::ops::Index;

use crate::task::TaskId;

/// A set of tasks.
///
/// Its order is no order of names: it follows from the tasks added and removed before, and so is the same whenever they
/// were the same. `set[i]` with `i < set.len()` is a member, each of them once.
///
/// ```
/// use forkcheck_scheduler::{Enabled, TaskId};
///
/// let mut enabled = Enabled::new();
/// enabled.insert(TaskId::new(7));
/// enabled.insert(TaskId::MAIN);
/// enabled.remove(TaskId::new(7));
/// assert!(enabled.contains(TaskId::MAIN) && !enabled.contains(TaskId::new(7)));
/// assert_eq!((enabled.len(), enabled[0]), (1, TaskId::MAIN));
/// ```
#[derive(Debug, Default)]
pub struct Enabled {
    members: Vec<TaskId>,
    /// By task: its place in `members`. Whether it is one is for `members` to say.
    places: Vec<u32>,
}

impl Enabled {
    /// No task.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody can step.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether `task` is one of them.
    #[inline]
    pub fn contains(&self, task: TaskId) -> bool {
        self.place(task).is_some()
    }

    /// Where `task` stands in the order of the set.
    #[inline]
    pub fn place(&self, task: TaskId) -> Option<usize> {
        let place = *self.places.get(task.index())? as usize;
        (self.members.get(place) == Some(&task)).then_some(place)
    }

    /// Adds a task; says whether it is new.
    #[inline(always)]
    pub fn insert(&mut self, task: TaskId) -> bool {
        if self.contains(task) {
            return false;
        }
        let place = self.members.len() as u32;
        match self.places.get_mut(task.index()) {
            Some(known) => *known = place,
            None => self.make_place(task, place),
        }
        self.members.push(task);
        true
    }

    /// A task with a higher number than any before.
    #[cold]
    fn make_place(&mut self, task: TaskId, place: u32) {
        self.places.resize(task.index(), 0);
        self.places.push(place);
    }

    /// Takes a task out; says whether it was there. The last one takes its place.
    #[inline(always)]
    pub fn remove(&mut self, task: TaskId) -> bool {
        let Some(place) = self.place(task) else { return false };
        if let Some(last) = self.members.pop()
            && last != task
        {
            self.members[place] = last;
            self.places[last.index()] = place as u32;
        }
        true
    }

    /// Undoes the removal of `task` from `place`, if it was the last change: the order is again what it was.
    pub fn insert_at(&mut self, task: TaskId, place: usize) {
        assert!(self.insert(task), "{task} was removed");
        let last = self.members.len() - 1;
        self.members.swap(place, last);
        self.places[self.members[last].index()] = last as u32;
        self.places[task.index()] = place as u32;
    }

    /// Takes all tasks out and keeps the room.
    pub fn clear(&mut self) {
        self.members.clear();
    }

    /// The tasks, in the order of the set.
    #[inline]
    pub fn as_slice(&self) -> &[TaskId] {
        &self.members
    }

    /// The tasks, in the order of the set.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = TaskId> + '_ {
        self.members.iter().copied()
    }
}

impl Clone for Enabled {
    fn clone(&self) -> Self {
        Self { members: self.members.clone(), places: self.places.clone() }
    }

    /// Keeps the room.
    fn clone_from(&mut self, other: &Self) {
        self.members.clone_from(&other.members);
        self.places.clone_from(&other.places);
    }
}

impl Index<usize> for Enabled {
    type Output = TaskId;

    #[inline]
    fn index(&self, place: usize) -> &TaskId {
        &self.members[place]
    }
}

impl FromIterator<TaskId> for Enabled {
    fn from_iter<I: IntoIterator<Item = TaskId>>(tasks: I) -> Self {
        let mut enabled = Self::new();
        for task in tasks {
            enabled.insert(task);
        }
        enabled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_a_set(changes in prop::collection::vec((any::<bool>(), 0..12u32), 0..60)) {
            let (mut enabled, mut set) = (Enabled::new(), BTreeSet::new());
            for (add, number) in changes {
                let task = TaskId::new(number);
                if let Some(place) = enabled.place(task) {
                    let before = enabled.as_slice().to_vec();
                    enabled.remove(task);
                    enabled.insert_at(task, place);
                    prop_assert_eq!(enabled.as_slice(), before);
                    prop_assert_eq!(enabled.place(task), Some(place));
                }
                match add {
                    true => prop_assert_eq!(enabled.insert(task), set.insert(task)),
                    false => prop_assert_eq!(enabled.remove(task), set.remove(&task)),
                }
                prop_assert_eq!(enabled.iter().collect::<BTreeSet<_>>(), set.clone());
                prop_assert_eq!(enabled.len(), set.len());
                prop_assert!((0..12).map(TaskId::new).all(|task| enabled.contains(task) == set.contains(&task)));
            }
        }
    }
}

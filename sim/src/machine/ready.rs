//! The tasks that can go on, by age: the newest is found at once, however many there are.

use forkcheck_scheduler::TaskId;

/// All tasks of an execution in the order in which they were made, and which of them can go on.
#[derive(Debug, Default)]
pub struct Ready {
    /// By age: how many tasks of the execution are older.
    tasks: Vec<TaskId>,
    /// A bit for each age, set if the task can go on.
    words: Vec<u64>,
    /// A bit for each word that is not zero.
    summary: Vec<u64>,
}

impl Ready {
    /// Main alone.
    pub(crate) fn new() -> Self {
        let mut ready = Self::default();
        ready.add(TaskId::MAIN);
        ready
    }

    /// Adds a task that was just made, and gives its age.
    pub(crate) fn add(&mut self, task: TaskId) -> u32 {
        let age = self.count();
        self.tasks.push(task);
        self.words.resize(self.tasks.len().div_ceil(64), 0);
        self.summary.resize(self.words.len().div_ceil(64), 0);
        self.set(age, true);
        age
    }

    /// Says whether the task of this age can go on.
    pub(crate) fn set(&mut self, age: u32, ready: bool) {
        let (word, bit) = (age as usize / 64, age % 64);
        self.words[word] = self.words[word] & !(1 << bit) | u64::from(ready) << bit;
        let (place, bit) = (word / 64, word % 64);
        self.summary[place] = self.summary[place] & !(1 << bit) | u64::from(self.words[word] != 0) << bit;
    }

    /// Forgets all tasks and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.tasks.clear();
        self.words.clear();
        self.summary.clear();
    }

    /// Forgets all but the oldest `count` tasks; none of the others can go on.
    pub(crate) fn truncate(&mut self, count: u32) {
        self.tasks.truncate(count as usize);
    }

    /// How many tasks were made.
    pub fn count(&self) -> u32 {
        u32::try_from(self.tasks.len()).expect("fewer than 2^32 tasks")
    }

    /// Whether nobody can go on.
    pub fn is_empty(&self) -> bool {
        self.summary.iter().all(|&word| word == 0)
    }

    /// The newest task that can go on.
    pub fn newest(&self) -> Option<TaskId> {
        let word = highest(&self.summary)?;
        let age = word * 64 + self.words[word].ilog2() as usize;
        Some(self.tasks[age])
    }

    /// The tasks that can go on, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = TaskId> + '_ {
        let ages = self.words.iter().enumerate().rev().flat_map(|(word, &bits)| {
            (0..64).rev().filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * 64 + bit)
        });
        ages.map(|age| self.tasks[age])
    }
}

/// The place of the highest bit.
fn highest(words: &[u64]) -> Option<usize> {
    let word = words.iter().rposition(|&word| word != 0)?;
    Some(word * 64 + words[word].ilog2() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_is_a_set_by_age() {
        let mut rng = forkcheck_scheduler::Rng::new(1);
        let (mut ready, mut set) = (Ready::new(), BTreeSet::from([0]));
        for number in 1..10_000 {
            assert_eq!(ready.add(TaskId::new(number)), number);
            set.insert(number);
            for _ in 0..3 {
                let age = rng.below(number as usize + 1) as u32;
                // Few are left, so that whole words are empty.
                let keep = rng.below(64) == 0;
                ready.set(age, keep);
                if keep {
                    set.insert(age)
                } else {
                    set.remove(&age)
                };
            }
            assert_eq!(ready.newest().map(TaskId::number), set.last().copied());
            assert_eq!(ready.is_empty(), set.is_empty());
        }
        assert!(ready.newest_first().map(TaskId::number).eq(set.iter().rev().copied()));
        for &age in &set {
            ready.set(age, false);
        }
        assert!(ready.is_empty() && ready.newest().is_none());
    }
}

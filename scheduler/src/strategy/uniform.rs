//! Uniform sampling: every order of the steps equally likely, for fork-join programs.
//!
//! Sen, "Effective random testing of concurrent programs", ASE 2007, weighs each task by the steps that it has left (as
//! Zhao, Wu, Yuan, Yang and others do in "Selectively uniform concurrency testing", ASPLOS 2025). That is uniform as
//! long as nobody waits. Here waits are part of the rule, so it stays uniform:
//!
//! > Draw a step among all that are left, those of tasks not yet forked included. If something that is left must happen
//! > before it, draw again among just that, until a step is drawn that can be taken now.
//!
//! Guarantee: if fork and wait order the steps as a series-parallel order, each of its linear orders has exactly the
//! same chance. So it is for nested fork-join, and for any program whose tasks take no steps of their own between forks
//! and waits. For others, whose futures escape or are awaited out of order, every order has a chance, but not the same.
//!
//! *Why.* What is left of a series-parallel order is one too: it is a step, or parts side by side, or parts one after
//! another. In a uniform linear order of parts side by side the first step is of a part with a chance proportional to
//! its size, and within the part it is the first step of a uniform linear order of that part; of parts one after
//! another it is the first step of the first part. Suppose a draw is uniform over a part Q all of whose predecessors
//! were taken. If Q consists of parts side by side, the draw is in each of them with the right chance, and uniform over
//! it. If Q begins with Q1 and the draw is in Q1, it is uniform over Q1. If it is later, all of Q1 happens before it,
//! so the next draw is uniform over a set that contains Q1, as long as it takes until Q1 is hit, and then it is uniform
//! over Q1. By induction the step at which this ends has the right chance.
//!
//! How many steps there are, and what happens before them, is known from the [`Profile`] of a first execution. A task
//! that can step although it has no known step left counts as one with one step. A step that never comes is no harm: if
//! nothing is left before it, a task is drawn among those that can step.
//!
//! Cost: numbers of tasks are child-first, so a joined subtree is one interval of a tree of sums, and a draw costs the
//! logarithm of the number of tasks. Each draw again halves what is left in the mean, so their number is a logarithm as
//! well, and it is one for flat fork-join. A wait for many futures that escaped costs their number.

use std::sync::Arc;

use crate::choice::{Choice, Scheduler};
use crate::enabled::Enabled;
use crate::profile::{Before, Left, Profile, Step};
use crate::strategy::Campaign;
use crate::task::TaskId;

/// Runs executions that are equally likely, as many as wanted.
#[derive(Debug, Clone)]
pub struct Uniform {
    campaign: Campaign,
    profile: Arc<Profile>,
    left: Left,
    /// What is left at the beginning.
    all: Left,
    /// Tasks that can step and have no known step left.
    strangers: Enabled,
}

impl Uniform {
    /// A campaign with this seed, for the program of which `profile` is.
    pub fn new(seed: u64, profile: &Arc<Profile>) -> Self {
        let all = Left::new(profile);
        Self {
            campaign: Campaign::new(seed),
            profile: profile.clone(),
            left: all.clone(),
            all,
            strangers: Enabled::new(),
        }
    }

    /// Takes note of the step that was taken, and of who is enabled by it.
    fn note(&mut self, choice: &Choice<'_>) {
        if let Some(last) = choice.last() {
            self.left.take(last);
            self.meet(last, choice.enabled().contains(last));
        }
        for &task in choice.woken() {
            self.meet(task, true);
        }
    }

    fn meet(&mut self, task: TaskId, enabled: bool) {
        match enabled && self.left.of(task) == 0 {
            true => self.strangers.insert(task),
            false => self.strangers.remove(task),
        };
    }

    /// A task among those that can step, by a step that is drawn.
    fn draw(&mut self, enabled: &Enabled) -> TaskId {
        let drawn = self.campaign.rng.below(self.left.total() + self.strangers.len());
        if drawn >= self.left.total() {
            return self.strangers[drawn - self.left.total()];
        }
        let mut step = self.left.nth(drawn);
        while !self.can_go(step, enabled) {
            let before = Before::new(&self.profile, &self.left, step);
            if before.count() == 0 {
                return enabled[self.campaign.rng.below(enabled.len())];
            }
            step = before.nth(self.campaign.rng.below(before.count()));
        }
        step.task
    }

    /// Whether nothing that is left happens before a step but steps of its own task that can be taken now.
    fn can_go(&self, step: Step, enabled: &Enabled) -> bool {
        enabled.contains(step.task) && self.profile.same_stage(self.left.taken(step.task), step)
    }
}

impl Scheduler for Uniform {
    fn begin(&mut self) -> bool {
        self.campaign.begin();
        self.left.clone_from(&self.all);
        self.strangers.clear();
        true
    }

    fn pick(&mut self, choice: &Choice<'_>) -> TaskId {
        self.note(choice);
        let enabled = choice.enabled();
        match enabled.len() {
            1 => enabled[0],
            _ => self.draw(enabled),
        }
    }

    fn seek(&mut self, run: u64) {
        self.campaign.seek(run);
    }

    fn run_seed(&self) -> Option<u64> {
        self.campaign.run_seed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::oracle::{brute_force, check_run_seeds, drive, orders, profile};
    use crate::bodies::{Op, Op::*, Program, workloads};
    use crate::strategy::random::Random;

    /// A step that is like all others.
    const S: Op = Print(0);
    const SAMPLES: u32 = 60_000;

    /// Nine steps, 63 orders: a step beside eight, of which six are beside one and then one is last: 9 · 7.
    fn blocked() -> Program {
        let inner = [vec![Fork(3)], vec![S; 6], vec![Wait(3), S]].concat();
        Program::new(&[vec![Fork(1), Fork(2), Wait(2), Wait(1)], vec![S], inner, vec![S]])
    }

    /// Tasks of 1, 2 and 3 steps, and one at last: 6! / (1! 2! 3!) = 60 orders.
    fn flat() -> Program {
        let main = vec![Fork(1), Fork(2), Fork(3), Wait(1), Wait(2), Wait(3), S];
        Program::new(&[main, vec![S], vec![S; 2], vec![S; 3]])
    }

    /// Two steps beside two, one, one beside two: C(4, 2) · C(3, 1) = 18 orders.
    fn one_after_another() -> Program {
        let main = vec![Fork(1), Fork(2), Wait(1), Wait(2), S, Fork(3), Fork(4), Wait(4), Wait(3)];
        Program::new(&[main, vec![S; 2], vec![S; 2], vec![S], vec![S; 2]])
    }

    /// Two trees side by side, each a step, two side by side, a step: C(8, 4) · 2 · 2 = 280 orders.
    fn trees() -> Program {
        let root = |child| vec![S, Fork(child), Fork(child + 1), Wait(child), Wait(child + 1), S];
        let main = vec![S, Fork(1), Fork(4), Wait(4), Wait(1), S];
        Program::new(&[main, root(2), vec![S], vec![S], root(5), vec![S], vec![S]])
    }

    /// Each task takes a step, and then one beside all of its child: with n steps below there are n + 1 places for it,
    /// 2 · 4 · 6 · 8 = 384 orders.
    fn chain() -> Program {
        let link = |child| vec![S, Fork(child), S, Wait(child)];
        Program::new(&[link(1), link(2), link(3), link(4), vec![S]])
    }

    fn chi_square(program: &Program, scheduler: &mut impl Scheduler, count: usize) -> f64 {
        let truth = brute_force(program, 1000).expect("there are few orders").orders;
        assert_eq!(truth.len(), count);
        let seen = orders(program, scheduler, SAMPLES);
        assert!(seen.keys().all(|order| truth.contains(order)));
        let expected = f64::from(SAMPLES) / count as f64;
        truth.iter().map(|order| (f64::from(*seen.get(order).unwrap_or(&0)) - expected).powi(2) / expected).sum()
    }

    /// A uniform sample exceeds the critical value once in 1000 times.
    fn check(program: &Program, count: usize, critical: f64) {
        let chi = chi_square(program, &mut Uniform::new(1, &profile(program)), count);
        assert!(chi < critical, "chi square {chi} with {} degrees of freedom", count - 1);
        let chi = chi_square(program, &mut Random::new(1), count);
        assert!(chi > 10.0 * critical, "a random walk is told from it: {chi}");
    }

    #[test]
    fn every_order_of_fork_join_programs_is_equally_likely() {
        // Critical values of chi square at 0.001, with one degree of freedom less than there are orders.
        check(&flat(), 60, 98.3);
        check(&one_after_another(), 18, 40.8);
        check(&blocked(), 63, 102.2);
        check(&trees(), 280, 356.5);
        check(&chain(), 384, 472.7);
    }

    /// Main takes a step between two waits that are not nested, and waits for a future that its child forked.
    fn escaped() -> Program {
        let main = vec![Fork(1), S, Fork(3), S, Wait(2), S, Wait(3), S];
        Program::new(&[main, vec![S, Fork(2), S], vec![S], vec![S; 2]])
    }

    #[test]
    fn every_order_of_other_programs_has_a_chance() {
        let program = escaped();
        let truth = brute_force(&program, 10_000).unwrap().orders;
        let seen = orders(&program, &mut Uniform::new(1, &profile(&program)), SAMPLES);
        assert!(seen.keys().eq(truth.iter()), "{} of {}", seen.len(), truth.len());
    }

    #[test]
    fn what_the_profile_does_not_know_is_no_harm() {
        let program = one_after_another();
        let truth = brute_force(&program, 1000).unwrap().orders;
        // Nothing known; less known than there is; much more; other tasks, which wait for others.
        for known in [workloads::fork_join(3), workloads::writers(1), workloads::updates(9, 9), blocked(), chain()] {
            let seen = orders(&program, &mut Uniform::new(1, &profile(&known)), SAMPLES);
            assert!(seen.keys().eq(truth.iter()), "{} of {}", seen.len(), truth.len());
        }
    }

    #[test]
    fn a_run_seed_repeats_the_run() {
        let profile = profile(&trees());
        check_run_seeds(&trees(), |seed| Uniform::new(seed, &profile));
    }

    #[test]
    fn a_seed_picks_the_same_for_ever() {
        let order = drive(&chain(), &mut Uniform::new(7, &profile(&chain())));
        assert_eq!(order, [0, 1, 2, 2, 0, 1, 3, 3, 4]);
    }
}

//! Partial-order sampling: every pending step has a random priority, drawn again when a step that it races with is
//! taken.
//!
//! Yuan, Yang and Gu, "Partial order aware concurrency sampling", CAV 2018. Guarantee: each equivalence class of
//! executions, those with the same order of conflicting steps, has a chance, and steps that conflict with nothing do
//! not make that of the others smaller, as they do in a random walk.
//!
//! Priorities are drawn as times of an exponential distribution, and the earliest goes first; only their order matters,
//! so it is the same as with uniform numbers. But times have no memory, and that saves most of the work. Pending steps
//! with equal footprints race with the same steps, so they are drawn again together, and among m of them that were,
//! only the earliest counts: its time is that of one, divided by m. When it has passed, who it was is drawn among the
//! m, and the earliest of the others comes a time later that is drawn in the same way.
//!
//! Which footprints race is found once for each pair that has a location in common, and kept. A step costs constant
//! time for each footprint that races with it and is pending, and the logarithm of the number of tasks: a thousand
//! tasks that wait to write one location cost no more than four.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::choice::{Choice, Scheduler};
use crate::footprint::{Footprint, Location};
use crate::rng::Rng;
use crate::strategy::Campaign;
use crate::task::TaskId;

/// Runs by random priorities of steps, as often as wanted.
#[derive(Debug, Clone)]
pub struct Pos {
    campaign: Campaign,
    /// All footprints seen so far, and what is known of them in every execution.
    kinds: Kinds,
    /// By footprint: who is about to do that.
    groups: Vec<Group>,
    /// By task: the group of its last pending step, and its place there if it is pending.
    places: Vec<(u32, u32)>,
    /// Who comes when, the earliest first; some are out of date.
    queue: BinaryHeap<Reverse<Ticket>>,
    /// Groups whose earliest is to be drawn.
    undrawn: Vec<u32>,
}

/// The tasks whose pending steps have one footprint.
///
/// Invariant: a ticket is out for each member that has its own, and one for those alike unless the group is `undrawn`
/// or there are none.
#[derive(Debug, Clone, Default)]
struct Group {
    /// The first `alike` of them differ in nothing: each comes at a time after `since` that is not drawn yet, but that
    /// of the earliest. The others have tickets of their own.
    members: Vec<TaskId>,
    alike: usize,
    since: f64,
    /// Whether it is in `undrawn`.
    undrawn: bool,
    /// Tickets of an earlier draw are out of date.
    draw: u32,
}

/// When a step comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket {
    /// The bits of a number that is not negative: they are ordered as the numbers are.
    time: u64,
    /// This task, or one of those alike.
    task: Option<TaskId>,
    group: u32,
    draw: u32,
}

impl Pos {
    /// A campaign with this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            campaign: Campaign::new(seed),
            kinds: Kinds::default(),
            groups: Vec::new(),
            places: Vec::new(),
            queue: BinaryHeap::new(),
            undrawn: Vec::new(),
        }
    }

    /// The step of `task` is pending from now on.
    fn arrive(&mut self, task: TaskId, footprint: &Footprint) {
        if self.places.len() <= task.index() {
            self.places.resize(task.index() + 1, (0, 0));
        }
        let number = self.kinds.find(footprint, self.places[task.index()].0);
        self.groups.resize_with(self.kinds.footprints.len(), Group::default);
        let group = &mut self.groups[number as usize];
        self.places[task.index()] = (number, group.members.len() as u32);
        group.members.push(task);
        if group.alike == 0 || group.undrawn && group.since == 0.0 {
            group.since = 0.0;
            let last = group.members.len() - 1;
            group.swap(group.alike, last, &mut self.places);
            group.alike += 1;
            self.draw_later(number);
        } else {
            let (time, draw) = (exponential(&mut self.campaign.rng), group.draw);
            self.queue.push(Reverse(Ticket { time: time.to_bits(), task: Some(task), group: number, draw }));
        }
    }

    fn draw_later(&mut self, number: u32) {
        let group = &mut self.groups[number as usize];
        if !group.undrawn {
            group.undrawn = true;
            self.undrawn.push(number);
        }
    }

    /// Draws when the earliest of those alike comes, wherever that is to be drawn.
    fn draw(&mut self) {
        for number in self.undrawn.drain(..) {
            let group = &mut self.groups[number as usize];
            group.undrawn = false;
            if group.alike > 0 {
                let time = group.since + exponential(&mut self.campaign.rng) / group.alike as f64;
                let (time, draw) = (time.to_bits(), group.draw);
                self.queue.push(Reverse(Ticket { time, task: None, group: number, draw }));
            }
        }
    }

    /// Takes the earliest step out; gives its task and group.
    fn earliest(&mut self) -> (TaskId, u32) {
        loop {
            let Reverse(ticket) = self.queue.pop().expect("a ticket is out for whoever comes next");
            let group = &mut self.groups[ticket.group as usize];
            if ticket.draw != group.draw {
                continue;
            }
            let task = ticket.task.unwrap_or_else(|| group.members[self.campaign.rng.below(group.alike)]);
            group.remove(task, &mut self.places);
            if ticket.task.is_none() && group.alike > 0 {
                group.since = f64::from_bits(ticket.time);
                self.draw_later(ticket.group);
            }
            return (task, ticket.group);
        }
    }

    /// A step of this footprint is taken: the pending ones that race with it are drawn again.
    fn race(&mut self, number: u32) {
        for i in 0..self.kinds.racing[number as usize].len() {
            let racing = self.kinds.racing[number as usize][i];
            let group = &mut self.groups[racing as usize];
            if !group.members.is_empty() {
                group.alike = group.members.len();
                group.since = 0.0;
                group.draw += 1;
                self.draw_later(racing);
            }
        }
    }

    /// Throws tickets away that are out of date, when they are more than the others.
    fn tidy(&mut self, enabled: usize) {
        if self.queue.len() > 2 * enabled + 16 {
            let groups = &self.groups;
            self.queue.retain(|Reverse(ticket)| ticket.draw == groups[ticket.group as usize].draw);
        }
    }
}

impl Group {
    /// Exchanges two members.
    fn swap(&mut self, a: usize, b: usize, places: &mut [(u32, u32)]) {
        self.members.swap(a, b);
        places[self.members[a].index()].1 = a as u32;
        places[self.members[b].index()].1 = b as u32;
    }

    fn remove(&mut self, task: TaskId, places: &mut [(u32, u32)]) {
        let mut place = places[task.index()].1 as usize;
        if place < self.alike {
            self.alike -= 1;
            self.swap(place, self.alike, places);
            place = self.alike;
        }
        self.swap(place, self.members.len() - 1, places);
        self.members.pop();
    }
}

impl Scheduler for Pos {
    fn begin(&mut self) -> bool {
        self.campaign.begin();
        for group in &mut self.groups {
            group.members.clear();
            (group.alike, group.since, group.undrawn, group.draw) = (0, 0.0, false, 0);
        }
        self.queue.clear();
        self.undrawn.clear();
        true
    }

    fn pick(&mut self, choice: &Choice<'_>) -> TaskId {
        let last = choice.last().filter(|&last| choice.enabled().contains(last));
        for task in last.into_iter().chain(choice.woken().iter().copied()) {
            self.arrive(task, choice.pending(task));
        }
        self.draw();
        self.tidy(choice.enabled().len());
        let (task, group) = self.earliest();
        self.race(group);
        task
    }

    fn seek(&mut self, run: u64) {
        self.campaign.seek(run);
    }

    fn run_seed(&self) -> Option<u64> {
        self.campaign.run_seed()
    }
}

/// The footprints that were seen, by number, and which of them race.
#[derive(Debug, Clone, Default)]
struct Kinds {
    footprints: Vec<Footprint>,
    numbers: BTreeMap<Footprint, u32>,
    by_location: BTreeMap<Location, Vec<u32>>,
    /// By number: those that race with it, itself among them if it does.
    /// Invariant: ascending by footprint, because numbers depend on the executions before.
    racing: Vec<Vec<u32>>,
}

impl Kinds {
    /// The number of a footprint, which is likely to be `likely`.
    fn find(&mut self, footprint: &Footprint, likely: u32) -> u32 {
        if self.footprints.get(likely as usize) == Some(footprint) {
            return likely;
        }
        self.numbers.get(footprint).copied().unwrap_or_else(|| self.add(footprint))
    }

    fn add(&mut self, footprint: &Footprint) -> u32 {
        let number = self.footprints.len() as u32;
        self.footprints.push(footprint.clone());
        self.numbers.insert(footprint.clone(), number);
        for access in footprint.accesses() {
            let here = self.by_location.entry(access.location).or_default();
            if here.last() != Some(&number) {
                here.push(number);
            }
        }
        let mut racing = self.near(footprint);
        racing.retain(|&other| footprint.conflicts(&self.footprints[other as usize]));
        racing.sort_by(|&a, &b| self.footprints[a as usize].cmp(&self.footprints[b as usize]));
        racing.dedup();
        for &other in racing.iter().filter(|&&other| other != number) {
            let theirs = &mut self.racing[other as usize];
            let place = theirs.partition_point(|&known| self.footprints[known as usize] < *footprint);
            theirs.insert(place, number);
        }
        self.racing.push(racing);
        number
    }

    /// All that could race with a footprint.
    fn near(&self, footprint: &Footprint) -> Vec<u32> {
        let locations: Vec<Location> = footprint.accesses().iter().map(|access| access.location).collect();
        if locations.contains(&Location::EVERYTHING) {
            return (0..self.footprints.len() as u32).collect();
        }
        let places = locations.iter().chain([&Location::EVERYTHING]);
        places.filter_map(|location| self.by_location.get(location)).flatten().copied().collect()
    }
}

/// A time of the exponential distribution with the mean 1.
///
/// By von Neumann's method ("Various techniques used in connection with random digits", 1951), which only compares
/// numbers and so gives the same on every machine: the length of a descending run that begins with x is odd with a
/// chance of e^-x.
fn exponential(rng: &mut Rng) -> f64 {
    let mut whole = 0.0;
    loop {
        let first = uniform(rng);
        let (mut last, mut odd) = (first, true);
        loop {
            let next = uniform(rng);
            if next >= last {
                break;
            }
            (last, odd) = (next, !odd);
        }
        if odd {
            return whole + first;
        }
        whole += 1.0;
    }
}

/// A number from 0 up to 1, without it.
fn uniform(rng: &mut Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::oracle::{brute_force, check_run_seeds, class_of, drive, orders};
    use crate::bodies::{Op::*, Part, Program, workloads};
    use std::collections::BTreeSet;

    /// The same by the letter: a uniform number for each pending step, all of them looked at in each step.
    struct Plain {
        campaign: Campaign,
        priorities: BTreeMap<TaskId, (f64, Footprint)>,
    }

    impl Scheduler for Plain {
        fn begin(&mut self) -> bool {
            self.campaign.begin();
            self.priorities.clear();
            true
        }

        fn pick(&mut self, choice: &Choice<'_>) -> TaskId {
            for task in choice.enabled().iter() {
                let fresh = || (uniform(&mut self.campaign.rng), choice.pending(task).clone());
                self.priorities.entry(task).or_insert_with(fresh);
            }
            let (&task, _) = self.priorities.iter().max_by(|a, b| a.1.0.total_cmp(&b.1.0)).unwrap();
            let (_, taken) = self.priorities.remove(&task).unwrap();
            for (priority, _) in self.priorities.values_mut().filter(|(_, pending)| pending.conflicts(&taken)) {
                *priority = uniform(&mut self.campaign.rng);
            }
            task
        }
    }

    /// Readers, writers, overlapping parts and strangers; tasks that begin late.
    fn mixed() -> Program {
        let part = |start, count| Part { start, step: 1, count };
        Program::new(&[
            vec![Fork(1), Fork(3), Fork(4), Wait(1), WritePart(part(0, 2))],
            vec![Read(0), Fork(2), Read(0)],
            vec![ReadPart(part(1, 2))],
            vec![Write(0), WritePart(part(1, 1))],
            vec![Read(0), Write(1)],
        ])
    }

    #[test]
    fn the_chances_are_those_of_the_plain_rule() {
        const RUNS: u32 = 40_000;
        for program in [mixed(), workloads::readers_and_writer(2, 2), workloads::increments(2), workloads::writers(4)] {
            let ours = orders(&program, &mut Pos::new(1), RUNS);
            let plain = orders(&program, &mut Plain { campaign: Campaign::new(2), priorities: BTreeMap::new() }, RUNS);
            // Two samples of one distribution: chi square with at most one degree of freedom less than there are
            // orders.
            let all: BTreeSet<&Vec<u32>> = ours.keys().chain(plain.keys()).collect();
            let count = |seen: &BTreeMap<Vec<u32>, u32>, order| f64::from(*seen.get(order).unwrap_or(&0));
            let terms = all.iter().map(|&order| (count(&ours, order), count(&plain, order)));
            let chi: f64 = terms.map(|(a, b)| (a - b).powi(2) / (a + b)).sum();
            let freedom = all.len() as f64 - 1.0;
            // The mean is the number of degrees, the variance twice that.
            assert!(chi < freedom + 4.0 * (2.0 * freedom).sqrt(), "{chi} with {freedom} degrees of freedom");
        }
    }

    #[test]
    fn every_class_has_a_chance() {
        for (program, runs) in [
            (workloads::increments(3), 5_000),
            (workloads::ring(4), 2_000),
            (workloads::readers(4), 2_000),
            (workloads::writers(4), 2_000),
            (workloads::alternating_adds(2), 20_000),
            (workloads::tree(2), 2_000),
            (mixed(), 20_000),
        ] {
            let truth = brute_force(&program, 200_000).unwrap().classes;
            let seen = orders(&program, &mut Pos::new(1), runs);
            let seen: BTreeSet<_> = seen.keys().map(|order| class_of(&program, order)).collect();
            assert_eq!(seen.len(), truth.len());
            assert_eq!(seen, truth);
        }
    }

    #[test]
    fn the_time_is_exponential() {
        let mut rng = Rng::new(1);
        let mut times: Vec<f64> = (0..10_000).map(|_| exponential(&mut rng)).collect();
        times.sort_by(f64::total_cmp);
        // Kolmogorov and Smirnov: the distance exceeds 1.95 / sqrt(n) once in 1000 times.
        let shares = times.iter().enumerate().map(|(i, time)| ((i as f64 / 1e4) - (1.0 - (-time).exp())).abs());
        assert!(shares.fold(0.0, f64::max) < 1.95 / 100.0);
    }

    #[test]
    fn a_run_seed_repeats_the_run() {
        check_run_seeds(&mixed(), Pos::new);
        check_run_seeds(&workloads::chain(), Pos::new);
    }

    #[test]
    fn a_seed_picks_the_same_for_ever() {
        assert_eq!(drive(&workloads::updates(3, 3), &mut Pos::new(7)), [2, 2, 3, 2, 3, 1, 3, 1, 1]);
    }
}

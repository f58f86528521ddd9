//! The finished graph: numbers of schedules, probabilities, and the schedules with the fewest preemptions.
//!
//! Workers number states as they meet them. Here they are numbered anew, breadth first from the beginning, and
//! everything is computed in an order that only depends on that.

use std::collections::{BTreeMap, VecDeque};

use super::explore::Found;
use super::{Reach, States};
use crate::task::TaskId;

/// A step from one state to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) task: TaskId,
    pub(super) to: u32,
}

/// Where a step leads that a limit refused.
pub(super) const CUT: u32 = u32::MAX;

/// Neither a state nor a step.
const NONE: u32 = u32::MAX;

/// States in breadth-first order, the first one being the beginning.
#[derive(Debug)]
pub(super) struct Graph {
    /// By state, where its steps begin; one more at the end.
    starts: Vec<u32>,
    /// Ascending by task within a state.
    steps: Vec<(TaskId, u32)>,
    /// By state: the number of its outcome, or `NONE`.
    ends: Vec<u32>,
}

impl Graph {
    pub(super) fn new(root: u32, found: Vec<Found>) -> Self {
        let edges = || found.iter().flat_map(|part| &part.edges);
        let met = edges().flat_map(|edge| [edge.from, edge.to]).filter(|&state| state != CUT);
        let count = met.max().unwrap_or(root) as usize + 1;
        let mut first = vec![0u32; count + 1];
        edges().for_each(|edge| first[edge.from as usize + 1] += 1);
        (0..count).for_each(|state| first[state + 1] += first[state]);
        let mut place = first.clone();
        let mut sorted = vec![(TaskId::MAIN, CUT); first[count] as usize];
        for edge in edges() {
            let place = &mut place[edge.from as usize];
            sorted[*place as usize] = (edge.task, edge.to);
            *place += 1;
        }
        let ends: Vec<(u32, u32)> = found.iter().flat_map(|part| &part.ends).copied().collect();
        drop(found);
        let mut number = vec![NONE; count];
        let mut order = vec![root];
        number[root as usize] = 0;
        let (mut starts, mut steps) = (vec![0], Vec::with_capacity(sorted.len()));
        let mut next = 0;
        while let Some(&state) = order.get(next) {
            next += 1;
            let steps_of = &mut sorted[first[state as usize] as usize..first[state as usize + 1] as usize];
            steps_of.sort_unstable();
            for &(task, to) in &*steps_of {
                if to == CUT {
                    steps.push((task, CUT));
                    continue;
                }
                let known = &mut number[to as usize];
                if *known == NONE {
                    *known = order.len() as u32;
                    order.push(to);
                }
                steps.push((task, *known));
            }
            starts.push(steps.len() as u32);
        }
        let mut graph = Self { starts, steps, ends: vec![NONE; order.len()] };
        for (state, outcome) in ends {
            graph.ends[number[state as usize] as usize] = outcome;
        }
        graph
    }

    /// Everything there is to know; `outcomes` gives the number of each.
    pub(super) fn weigh<O: Ord>(&self, states: u64, outcomes: BTreeMap<O, u32>, stopped: bool) -> States<O> {
        let weights = self.weights(outcomes.len());
        let endless = weights.is_none();
        let mut shortest = self.fewest_preemptions(outcomes.len());
        let mut reach = |number: u32| {
            let (schedule, preemptions) = std::mem::take(&mut shortest[number as usize]);
            let weight = weights.as_ref().filter(|_| !stopped).map(|weights| weights[number as usize]);
            let (schedules, probability) = weight.unzip();
            Reach { schedules, probability, schedule, preemptions }
        };
        let cut = self.steps.iter().filter(|&&(_, to)| to == CUT).count() as u64;
        States {
            outcomes: outcomes.into_iter().map(|(outcome, number)| (outcome, reach(number))).collect(),
            states,
            steps: self.steps.len() as u64 - cut,
            cut,
            stopped,
            endless,
        }
    }

    fn steps(&self, state: u32) -> std::ops::Range<usize> {
        self.starts[state as usize] as usize..self.starts[state as usize + 1] as usize
    }

    /// By outcome: the number of schedules, and the chance that a random walk is one of them. None if a state can come
    /// again.
    ///
    /// From the beginning on, each state passes on how many schedules lead to it, as soon as all before it have.
    fn weights(&self, outcomes: usize) -> Option<Vec<(u128, f64)>> {
        let count = self.ends.len();
        let mut missing = vec![0u32; count];
        let inner = self.steps.iter().filter(|&&(_, to)| to != CUT);
        inner.for_each(|&(_, to)| missing[to as usize] += 1);
        let mut weights = vec![(0u128, 0.0f64); count];
        weights[0] = (1, 1.0);
        let mut ready: VecDeque<u32> = if missing[0] == 0 { VecDeque::from([0]) } else { VecDeque::new() };
        let mut done = 0;
        let mut sums = vec![(0u128, 0.0f64); outcomes];
        while let Some(state) = ready.pop_front() {
            done += 1;
            let (schedules, probability) = weights[state as usize];
            let steps = self.steps(state);
            let each = probability / steps.len() as f64;
            for &(_, to) in &self.steps[steps] {
                if to == CUT {
                    continue;
                }
                let weight = &mut weights[to as usize];
                *weight = (weight.0.saturating_add(schedules), weight.1 + each);
                missing[to as usize] -= 1;
                if missing[to as usize] == 0 {
                    ready.push_back(to);
                }
            }
            if let Some(sum) = sums.get_mut(self.ends[state as usize] as usize) {
                *sum = (sum.0.saturating_add(schedules), sum.1 + probability);
            }
        }
        (done == count).then_some(sums)
    }

    /// By outcome: a schedule with the fewest preemptions, and how many.
    ///
    /// The breadth-first search for edges of weight 0 and 1, where to *arrive* at a state by a step of some task is what
    /// has a distance: from there it costs 1 to turn to another task if the same could go on. An arrival that is not
    /// among the nearest of its state need not be followed: from a nearest one every step costs at most 1 more. What is
    /// first met of an outcome is nearest, so the search ends with the last outcome.
    fn fewest_preemptions(&self, outcomes: usize) -> Vec<(Vec<TaskId>, u32)> {
        let mut search = Fewest {
            distance: vec![NONE; self.steps.len()],
            previous: vec![NONE; self.steps.len()],
            queue: VecDeque::new(),
        };
        let mut nearest: Vec<u32> = vec![NONE; self.ends.len()];
        let (mut found, mut missing) = (vec![None; outcomes], outcomes);
        nearest[0] = 0;
        if self.ends[0] != NONE {
            found[self.ends[0] as usize] = Some((Vec::new(), 0));
            missing -= 1;
        }
        for step in self.steps(0).rev() {
            search.reach(step, NONE, 0, 0);
        }
        while missing > 0
            && let Some((arrival, distance)) = search.queue.pop_front()
        {
            let (last, state) = self.steps[arrival as usize];
            if search.distance[arrival as usize] < distance || state == CUT {
                continue;
            }
            let first = nearest[state as usize] == NONE;
            if first {
                nearest[state as usize] = distance;
            } else if nearest[state as usize] < distance {
                continue;
            }
            if let Some(outcome @ None) = found.get_mut(self.ends[state as usize] as usize) {
                *outcome = Some((self.way(arrival, &search.previous), distance));
                missing -= 1;
            }
            let steps = self.steps(state);
            let stays = self.steps[steps.clone()].binary_search_by_key(&last, |&(task, _)| task);
            match stays {
                Ok(place) => {
                    if first {
                        for step in steps.clone().filter(|&step| step != steps.start + place) {
                            search.reach(step, arrival, distance, 1);
                        }
                    }
                    search.reach(steps.start + place, arrival, distance, 0);
                }
                Err(_) => {
                    for step in steps.rev() {
                        search.reach(step, arrival, distance, 0);
                    }
                }
            }
        }
        found.into_iter().map(Option::unwrap_or_default).collect()
    }

    /// Who took the steps up to this one.
    fn way(&self, last: u32, previous: &[u32]) -> Vec<TaskId> {
        let steps =
            std::iter::successors(Some(last), |&step| Some(previous[step as usize]).filter(|&step| step != NONE));
        let mut way: Vec<TaskId> = steps.map(|step| self.steps[step as usize].0).collect();
        way.reverse();
        way
    }
}

struct Fewest {
    distance: Vec<u32>,
    previous: Vec<u32>,
    queue: VecDeque<(u32, u32)>,
}

impl Fewest {
    fn reach(&mut self, step: usize, from: u32, distance: u32, cost: u32) {
        if distance + cost < self.distance[step] {
            self.distance[step] = distance + cost;
            self.previous[step] = from;
            let arrival = (step as u32, distance + cost);
            if cost == 0 { self.queue.push_front(arrival) } else { self.queue.push_back(arrival) }
        }
    }
}

//! The machine as a search sees it: steps at racing locations, points to come back to.

use std::sync::Arc;

use forkcheck_scheduler::{Clock, Enabled, Footprint, Moment, Refused, System, TaskId};
use smallvec::SmallVec;

use super::access::{self, Thing, Touches};
use super::code::Action;
use super::execute::first_half;
use super::task::Parked;
use super::{Flow, Looks, Machine, undo};
use crate::check::ShadowMark;
use crate::config::{Atomicity, Limits};
use crate::execution::Site;
use forkcheck_model::graph::NodeKind;
use forkcheck_model::operators::{Operator, printed};
use forkcheck_model::types::Type;

/// A point of an execution that a search can come back to.
#[derive(Debug)]
pub struct Mark {
    undo: undo::Point,
    tasks: u32,
    printed: printed::Mark,
    steps: u64,
    looks: Looks,
    order: usize,
    woken: SmallVec<[TaskId; 6]>,
    shadow: ShadowMark,
    joined: usize,
}

impl Machine {
    /// Keeps track of what changes, so that the state has a digest although nobody will go back.
    #[must_use]
    pub fn with_digests(mut self) -> Self {
        self.undo = Some(undo::Log::default());
        self
    }

    /// Gets ready to be searched: every task runs until it is about to touch a hot location.
    #[must_use]
    pub fn into_search(mut self) -> Self {
        self = self.reusing();
        self.undo = Some(undo::Log::default());
        self.settle(SmallVec::from_slice(&[TaskId::MAIN]));
        self.woken = self.enabled.iter().collect();
        self
    }

    /// Another machine that takes the same steps from the start. It comes to the same state; anything else is a mistake of
    /// ours, or a nondeterminism that a program has by itself.
    #[must_use]
    pub fn repeated(&self) -> Machine {
        // Time decides nothing here.
        let limits = Limits { expired: None, ..self.limits.clone() };
        let mut machine = Machine::new(&self.program, self.atomicity, limits, self.names.clone())
            .with_hot(self.hot.clone())
            .into_search();
        for &task in &self.order {
            machine.step(task).expect("what was done once can be done again");
        }
        machine
    }

    /// Lets the task take the step that it is parked at, and then everything run on to the next hot locations.
    fn step_parked(&mut self, id: TaskId) {
        self.disable(id);
        self.woken.clear();
        let parked = self.task_mut(id).parked.take().expect("a task that is enabled is parked");
        let half = parked.phase == 0 && self.splits(id, &parked.touches);
        let on = match self.perform(&self.program.clone().codes, id, parked.site, &parked.touches, half) {
            Flow::Next => SmallVec::from_slice(&[id]),
            Flow::Forked(child) => SmallVec::from_slice(&[id, child]),
            Flow::Waits => SmallVec::new(),
            Flow::Ended(woken) => SmallVec::from_vec(woken),
        };
        self.settle(on);
        self.woken.retain(|&woken| woken != id);
        if self.leading {
            self.look_again();
        }
    }

    /// Whether it depends on something raced for what a step touches, and whether it does so for what it touches where others
    /// race: the tensors of a list, the elements that a tensor's sizes show, all that an attribute leads to when the
    /// caller looks.
    fn led(&self, id: TaskId, site: Site, touches: &Touches) -> (bool, bool) {
        let look = site == Site::LOOK;
        let is_hot = |touch: &access::Touch| self.hot.contains(&touch.thing.location());
        let elements = |touch: &&access::Touch| matches!(touch.thing, Thing::Storage(_));
        let (mut led, mut led_to_hot) = (false, false);
        for touch in touches.iter().filter(|touch| is_hot(touch)) {
            let (leads, to_hot) = match &touch.thing {
                // An operator that copies or not, or finds no elements yet, would touch something that is not among these.
                Thing::Shape(tensor) if self.depends_on_shapes(id) || tensor.numel() == 0 => (true, self.hot.len() > 1),
                Thing::Shape(_) => {
                    (touches.iter().any(|touch| elements(&touch)), touches.iter().filter(elements).any(is_hot))
                }
                // To anything, if it is there that others race.
                Thing::List(list) if look || touches.len() > 1 => {
                    (leads_anywhere(&list.content().item), self.hot.len() > 1)
                }
                Thing::Dict(dict) if look || touches.len() > 1 => {
                    (leads_anywhere(&dict.content().value), self.hot.len() > 1)
                }
                Thing::Attribute(object, index) if look => {
                    (leads_anywhere(&object.class().attributes[*index].ty), self.hot.len() > 1)
                }
                _ => (false, false),
            };
            led |= leads;
            led_to_hot |= leads && to_hot;
        }
        // Nobody changes anything after everybody else has ended, under any schedule.
        let clock = &self.task(id).clock;
        let others_live = || self.tasks.iter().flatten().any(|other| other.id != id && !clock.completed(other.id));
        let may_change = led && (!look || others_live());
        (may_change, may_change && led_to_hot)
    }

    /// What the next step reads and writes where others race. Of an operator in two halves that is the first, which only
    /// reads.
    fn footprint(&self, id: TaskId, phase: u8, touches: &Touches) -> Footprint {
        let hot = |touches: &Touches| -> Footprint {
            touches.iter().map(access::Touch::to_access).filter(|access| self.hot.contains(&access.location)).collect()
        };
        match phase == 0 && self.splits(id, touches) {
            true => hot(&first_half(touches)),
            false => hot(touches),
        }
    }

    /// Finds out anew what tasks are about to touch that others may have led elsewhere.
    fn look_again(&mut self) {
        for place in 0..self.enabled.len() {
            let id = self.enabled[place];
            let parked = self.task(id).parked.clone().expect("a task that is enabled is parked");
            if parked.led {
                let (site, phase, touches) = self.upcoming(id);
                let footprint = self.footprint(id, phase, &touches);
                let varies = parked.varies || self.led(id, site, &touches).1;
                self.task_mut(id).parked =
                    Some(Arc::new(Parked { site, phase, touches, footprint, led: true, varies }));
            }
        }
    }

    /// Lets these tasks, and those that they fork or wake, run until each is parked, waits or has ended. What they
    /// touch on the way nobody races for, so the order does not matter.
    fn settle(&mut self, mut on: SmallVec<[TaskId; 4]>) {
        let program = self.program.clone();
        while let Some(mut id) = on.pop() {
            while self.cut.is_none() && self.is_ready(id) {
                self.glide(&program.codes, id);
                let (site, phase, touches) = self.upcoming(id);
                if self.is_hot(&touches) {
                    let footprint = self.footprint(id, phase, &touches);
                    let (led, varies) = self.led(id, site, &touches);
                    self.leading |= led;
                    self.task_mut(id).parked = Some(Arc::new(Parked { site, phase, touches, footprint, led, varies }));
                    self.enable(id);
                    break;
                }
                match self.perform(&program.codes, id, site, &touches, false) {
                    Flow::Next => {}
                    Flow::Forked(child) => {
                        on.push(id);
                        id = child;
                    }
                    Flow::Waits => break,
                    Flow::Ended(woken) => on.extend(woken),
                }
            }
        }
        if self.cut.is_some() {
            while let Some(&last) = self.enabled.as_slice().last() {
                self.disable(last);
            }
        }
        self.conclude();
    }

    fn enable(&mut self, id: TaskId) {
        assert!(self.enabled.insert(id), "a task is parked once");
        self.undo.as_mut().expect("only a search parks tasks").enabled(id, None);
        self.woken.push(id);
    }

    fn disable(&mut self, id: TaskId) {
        let place = self.enabled.place(id).expect("a search picks a task that is enabled");
        self.enabled.remove(id);
        self.undo.as_mut().expect("only a search parks tasks").enabled(id, Some(place));
    }

    /// Whether the next step of the task takes two: an operator that reads and writes where others race.
    pub(super) fn splits(&self, id: TaskId, touches: &Touches) -> bool {
        self.atomicity == Atomicity::Split && self.may_split(id) && {
            let hot = |touch: &&access::Touch| self.hot.contains(&touch.thing.location());
            let data =
                |touch: &&access::Touch| matches!(touch.thing, access::Thing::Storage(_) | access::Thing::List(_));
            let reads = touches.iter().filter(hot).filter(data).any(|touch| touch.access.reads());
            let writes = touches.iter().filter(hot).filter(data).any(|touch| touch.access.writes());
            reads && writes
        }
    }

    /// Whether the next step is an operator that can be done in two halves: a tensor operator, or `append`. Generators
    /// are locked, and so are the other operators on containers.
    pub(super) fn may_split(&self, id: TaskId) -> bool {
        self.next_operator(id).is_some_and(Operator::splits)
    }

    /// Whether the next step is an operator of which the sizes of its tensors say what else it touches.
    fn depends_on_shapes(&self, id: TaskId) -> bool {
        self.next_operator(id).is_some_and(Operator::depends_on_shapes)
    }

    fn next_operator(&self, id: TaskId) -> Option<&Operator> {
        let frame = self.task(id).frames.last()?;
        match &frame.code.instructions[frame.next].action {
            Action::Node(NodeKind::Operator(operator)) => Some(operator),
            _ => None,
        }
    }
}

/// Whether a value of this type can be something that is written, or lead to such.
fn leads_anywhere(ty: &Type) -> bool {
    !matches!(ty, Type::Int | Type::Float | Type::Bool | Type::Complex | Type::Str | Type::None | Type::Number)
}

impl Moment for Machine {
    fn enabled(&self) -> &Enabled {
        &self.enabled
    }

    fn woken(&self) -> &[TaskId] {
        &self.woken
    }

    fn pending(&self, task: TaskId) -> &Footprint {
        &self.task(task).parked.as_ref().expect("a task that is enabled is parked").footprint
    }

    fn order(&self) -> &[TaskId] {
        &self.order
    }
}

impl System for Machine {
    type Mark = Mark;

    fn step(&mut self, task: TaskId) -> Result<(), Refused> {
        self.order.push(task);
        self.step_parked(task);
        if self.cut.is_some() { Err(Refused) } else { Ok(()) }
    }

    fn mark(&mut self) -> Mark {
        Mark {
            undo: self.undo.as_mut().expect("a search keeps what it will put back").mark(),
            tasks: self.ready.count(),
            printed: self.printed.mark(),
            steps: self.steps,
            looks: self.looks.clone(),
            order: self.order.len(),
            woken: SmallVec::from_slice(&self.woken),
            shadow: self.shadow.mark(),
            joined: self.joined.len(),
        }
    }

    fn rewind(&mut self, mark: &Mark) {
        self.put_back(mark.undo);
        self.ready.truncate(mark.tasks);
        self.joined.truncate(mark.joined);
        self.printed.rewind(mark.printed);
        self.steps = mark.steps;
        self.looks.clone_from(&mark.looks);
        self.order.truncate(mark.order);
        self.woken.clear();
        self.woken.extend_from_slice(&mark.woken);
        self.shadow.rewind(mark.shadow);
        self.cut = None;
        // Now and then, what is put back is held against an execution from the start.
        debug_assert!(!self.undo.as_ref().is_some_and(undo::Log::is_due) || self.repeated().digest() == self.digest());
    }

    fn clock(&self, task: TaskId) -> &Clock {
        &self.task(task).clock
    }

    fn varies(&self, task: TaskId) -> bool {
        self.task(task).parked.as_ref().expect("a task that is enabled is parked").varies
    }

    fn digest(&self) -> Option<u128> {
        Some(self.state_digest())
    }
}

//! One execution as events, each with everything that happened before it: by program order, fork and wait, and by the
//! order in which conflicting steps were taken.
//!
//! [`Clock`] leaves the order of conflicting steps out, because it tells which of them a schedule could reverse. Here it
//! is in, because it tells what a reversed step takes along. Clocks are dense, one number for each task, and are made
//! when an event is added, so that a search pays for new events alone.

use rustc_hash::FxHashMap;

use crate::footprint::Footprint;
use crate::happens_before::Clock;
use crate::task::TaskId;

/// The events of an execution so far.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    events: Vec<Event>,
    /// By task: its events, as places in `events`.
    by_task: Vec<Vec<u32>>,
    /// By event and task: how many events of the task happen before the event or are it; `width` numbers an event.
    clocks: Vec<u32>,
    width: usize,
    /// The clock of the event that is being added.
    clock: Vec<u32>,
}

/// One visible step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) task: TaskId,
    pub(crate) footprint: FootprintId,
    /// Which event of its task it is, from 1.
    nth: u32,
    /// The segment of its task's clock that it belongs to.
    segment: u32,
}

/// For how many tasks there is room from the beginning, and for how many more events: to make room is dearer than to use it.
const FEW_TASKS: usize = 8;
const FEW_EVENTS: usize = 32;

impl Trace {
    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn event(&self, place: usize) -> Event {
        self.events[place]
    }

    /// Whether the first happens before the second, or is it.
    pub(crate) fn before(&self, first: usize, second: usize) -> bool {
        let first = self.events[first];
        self.clocks[second * self.width + first.task.index()] >= first.nth
    }

    /// Adds the step that its task takes next, and lists the events that race with it, the latest first.
    ///
    /// A race is a conflict between two tasks with nothing in between: no fork and wait orders the two, and no third
    /// event comes after the one and before the other. So the two could be neighbours, in either order.
    pub(crate) fn push(&mut self, clock: &Clock, id: FootprintId, footprints: &Footprints, races: &mut Vec<u32>) {
        races.clear();
        let task = clock.task();
        self.make_room(task);
        let place = self.events.len();
        let mine = &self.by_task[task.index()];
        let (nth, segment) = (mine.len() as u32 + 1, clock.segment());
        self.clock.clear();
        let previous = mine.last().map(|&place| place as usize);
        match previous {
            Some(previous) => self.clock.extend(&self.clocks[previous * self.width..][..self.width]),
            None => self.clock.resize(self.width, 0),
        }
        let mut known: usize = self.clock.iter().map(|&count| count as usize).sum();
        // Only forks and waits teach more than the previous event knew, and they begin a segment.
        if previous.is_none_or(|previous| self.events[previous].segment != segment) {
            for (other, events) in self.by_task.iter().enumerate() {
                let count = self.clock[other] as usize;
                if count < events.len() && other != task.index() {
                    let other = TaskId::new(other as u32);
                    let knows = |&event: &u32| clock.knows(other, self.events[event as usize].segment);
                    let seen = count + events[count..].partition_point(knows);
                    if seen > count {
                        let last = events[seen - 1] as usize;
                        known += join(&mut self.clock, &self.clocks[last * self.width..][..self.width]);
                    }
                }
            }
        }
        for earlier in (0..place).rev() {
            if known == place {
                break;
            }
            let event = self.events[earlier];
            if self.clock[event.task.index()] < event.nth && footprints.conflict(event.footprint, id) {
                races.push(earlier as u32);
                known += join(&mut self.clock, &self.clocks[earlier * self.width..][..self.width]);
            }
        }
        self.clock[task.index()] = nth;
        self.clocks.extend(&self.clock);
        self.by_task[task.index()].push(place as u32);
        self.events.push(Event { task, footprint: id, nth, segment });
    }

    /// Forgets all but the first events.
    pub(crate) fn truncate(&mut self, count: usize) {
        for event in self.events.drain(count..).rev() {
            self.by_task[event.task.index()].pop();
        }
        self.clocks.truncate(count * self.width);
    }

    fn make_room(&mut self, task: TaskId) {
        if task.index() < self.width {
            return;
        }
        let width = (task.index() + 1).next_power_of_two().max(FEW_TASKS);
        let mut clocks = Vec::with_capacity(width * (self.events.len() + FEW_EVENTS));
        for clock in self.clocks.chunks_exact(self.width.max(1)) {
            clocks.extend(clock);
            clocks.resize(clocks.len() + width - self.width, 0);
        }
        self.clocks = clocks;
        self.width = width;
        self.by_task.resize(width, Vec::new());
    }
}

/// Takes the later of each pair, and says by how many events that is more.
fn join(clock: &mut [u32], other: &[u32]) -> usize {
    let mut more = 0;
    for (mine, &other) in clock.iter_mut().zip(other) {
        if other > *mine {
            more += (other - *mine) as usize;
            *mine = other;
        }
    }
    more
}

/// The number of a footprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FootprintId(u32);

/// The footprints met so far, each once: events and tasks asleep keep a number.
#[derive(Debug, Default)]
pub(crate) struct Footprints {
    ids: FxHashMap<Footprint, FootprintId>,
    list: Vec<Footprint>,
}

impl Footprints {
    pub(crate) fn id(&mut self, footprint: &Footprint) -> FootprintId {
        if let Some(&id) = self.ids.get(footprint) {
            return id;
        }
        let id = FootprintId(u32::try_from(self.list.len()).expect("fewer than 2^32 footprints"));
        self.ids.insert(footprint.clone(), id);
        self.list.push(footprint.clone());
        id
    }

    pub(crate) fn get(&self, id: FootprintId) -> &Footprint {
        &self.list[id.0 as usize]
    }

    pub(crate) fn conflict(&self, a: FootprintId, b: FootprintId) -> bool {
        self.get(a).conflicts(self.get(b))
    }
}

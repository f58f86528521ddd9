//! What a step reads and writes, and the only definition of *conflict*.
//!
//! A step's footprint is known before the step is taken. Two steps conflict if they touch overlapping regions of one
//! location and at least one writes; only the order of conflicting steps can change what a program does. Fork and
//! wait are order, never conflicts: their footprints are empty.

use std::fmt;

use crate::region::Region;

/// Something that a program can write, by number: a storage, the attribute of an object, the generator.
///
/// The caller gives the numbers; they must mean the same in every execution.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location(pub u64);

impl Location {
    /// All locations at once: what an operator touches of which nothing is known.
    pub const EVERYTHING: Location = Location(u64::MAX);
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Location::EVERYTHING => f.write_str("everything"),
            Location(number) => write!(f, "l{number}"),
        }
    }
}

/// What is done to a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It is read.
    Read,
    /// It is written.
    Write,
    /// It is read and written.
    Update,
    /// It is written in a way that commutes with its like: a line to stdout. An effect, but the order of two of
    /// them is no difference.
    Commute,
}

impl Kind {
    /// Whether the old content matters.
    pub fn reads(self) -> bool {
        matches!(self, Kind::Read | Kind::Update)
    }

    /// Whether the content changes.
    pub fn writes(self) -> bool {
        self != Kind::Read
    }
}

/// One region of one location, read or written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access {
    /// Where.
    pub location: Location,
    /// Which part of it.
    pub region: Region,
    /// What is done.
    pub kind: Kind,
}

impl Access {
    /// An access to a part of a location.
    pub fn new(location: Location, region: Region, kind: Kind) -> Self {
        Self { location, region, kind }
    }

    /// An access to the whole of a location.
    pub fn whole(location: Location, kind: Kind) -> Self {
        Self::new(location, Region::Whole, kind)
    }

    /// Whether the order of the two can matter: one place, and one of them writes there.
    pub fn conflicts(&self, other: &Access) -> bool {
        let kinds = match (self.kind, other.kind) {
            (Kind::Read, Kind::Read) | (Kind::Commute, Kind::Commute) => false,
            (a, b) => a.writes() || b.writes(),
        };
        let everything = self.location == Location::EVERYTHING || other.location == Location::EVERYTHING;
        kinds && (everything || self.location == other.location && self.region.overlaps(&other.region))
    }
}

/// All accesses of one step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Footprint {
    /// Invariant: ascending by location; in the order they were added within one.
    accesses: Vec<Access>,
}

impl Footprint {
    /// No access, as of a fork or a wait.
    pub const EMPTY: &'static Footprint = &Footprint { accesses: Vec::new() };

    /// The footprint of an operator that is not known: it conflicts with every access.
    pub fn opaque() -> Self {
        Self::from_iter([Access::whole(Location::EVERYTHING, Kind::Update)])
    }

    /// Adds one access.
    #[inline]
    pub fn push(&mut self, access: Access) {
        let place = self.accesses.partition_point(|a| a.location <= access.location);
        self.accesses.insert(place, access);
    }

    /// Forgets all accesses and keeps the room.
    #[inline]
    pub fn clear(&mut self) {
        self.accesses.clear();
    }

    /// Whether nothing is touched. Such a step conflicts with no other, now or ever.
    pub fn is_empty(&self) -> bool {
        self.accesses.is_empty()
    }

    /// The accesses, ascending by location.
    pub fn accesses(&self) -> &[Access] {
        &self.accesses
    }

    /// Whether any access of one conflicts with any of the other.
    pub fn conflicts(&self, other: &Footprint) -> bool {
        self.conflicting(other).next().is_some()
    }

    /// The pairs of accesses that conflict, ours first.
    pub fn conflicting<'a>(&'a self, other: &'a Footprint) -> impl Iterator<Item = (&'a Access, &'a Access)> {
        self.accesses.iter().flat_map(move |a| other.near(a.location).filter(|b| a.conflicts(b)).map(move |b| (a, b)))
    }

    /// The accesses that could conflict with one to `location`.
    fn near(&self, location: Location) -> impl Iterator<Item = &Access> {
        let (from, to) = match location {
            Location::EVERYTHING => (0, 0),
            _ => (
                self.accesses.partition_point(|a| a.location < location),
                self.accesses.partition_point(|a| a.location <= location),
            ),
        };
        let everything = match location {
            Location::EVERYTHING => 0,
            _ => self.accesses.partition_point(|a| a.location < Location::EVERYTHING),
        };
        self.accesses[from..to].iter().chain(&self.accesses[everything..])
    }
}

impl FromIterator<Access> for Footprint {
    fn from_iter<I: IntoIterator<Item = Access>>(accesses: I) -> Self {
        let mut accesses: Vec<_> = accesses.into_iter().collect();
        accesses.sort_by_key(|a| a.location);
        Self { accesses }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Kind::*;

    fn check(a: (u64, Kind), b: (u64, Kind), expected: bool) {
        let access = |(location, kind)| Access::whole(Location(location), kind);
        assert_eq!(access(a).conflicts(&access(b)), expected, "{a:?} {b:?}");
        assert_eq!(access(b).conflicts(&access(a)), expected, "{b:?} {a:?}");
        let footprint = |of| Footprint::from_iter([access(of), access((7, Read))]);
        assert_eq!(footprint(a).conflicts(&footprint(b)), expected, "{a:?} {b:?} among others");
    }

    #[test]
    fn a_conflict_is_one_place_and_one_writer() {
        check((1, Read), (1, Read), false);
        check((1, Read), (1, Write), true);
        check((1, Write), (1, Write), true);
        check((1, Update), (1, Read), true);
        check((1, Update), (1, Update), true);
        check((1, Write), (2, Write), false);
    }

    #[test]
    fn lines_of_output_commute_with_each_other_alone() {
        check((1, Commute), (1, Commute), false);
        check((1, Commute), (1, Read), true);
        check((1, Commute), (1, Write), true);
    }

    #[test]
    fn what_is_opaque_conflicts_with_every_access() {
        let opaque = Footprint::opaque();
        assert!(opaque.conflicts(&opaque));
        assert!(!opaque.conflicts(Footprint::EMPTY));
        for kind in [Read, Write, Update, Commute] {
            let other = Footprint::from_iter([Access::whole(Location(3), kind)]);
            assert!(opaque.conflicts(&other) && other.conflicts(&opaque), "{kind:?}");
        }
    }

    #[test]
    fn all_conflicting_pairs_are_listed() {
        let part = |start, kind| Access::new(Location(1), Region::bytes(start, 4), kind);
        let mut a = Footprint::from_iter([part(0, Write), Access::whole(Location(9), Read)]);
        a.push(part(8, Read));
        let b =
            Footprint::from_iter([part(2, Read), part(6, Write), part(20, Write), Access::whole(Location(9), Read)]);
        let pairs: Vec<_> = a.conflicting(&b).map(|(a, b)| (a.region.clone(), b.region.clone())).collect();
        assert_eq!(pairs, [(Region::bytes(0, 4), Region::bytes(2, 4)), (Region::bytes(8, 4), Region::bytes(6, 4))]);
    }
}

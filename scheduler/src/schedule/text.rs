//! The text form of a schedule: one token, safe on a command line and under a double click.
//!
//! `fc1.split.PROGRAM.DEVIATIONS.CHECKSUM`: a version, the atomicity, and three fields in lower-case base 32. The
//! version names the default order and this format together. The field of deviations holds a list of paths, each
//! written as what differs from the one before, and then the deviations: numbers of variable length, and a site in full
//! where it comes up first. Without deviations the field is left out. The checksum is a CRC-32 of all that precedes
//! it, so that a string cut short by a terminal is not mistaken for another schedule. One deviation takes about 55
//! characters, and each further one about 12. A schedule has one text, and a text one schedule.

use std::fmt;
use std::str::FromStr;

use super::{Anchor, Deviation, Schedule};

/// Why a text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScheduleError {
    /// It does not begin as a schedule does; what it begins with.
    Prefix(String),
    /// It is a schedule of a version that this program does not know.
    Version(String),
    /// It began as a schedule, but something is missing or altered.
    Damaged(&'static str),
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScheduleError::Prefix(found) => {
                write!(f, "expected a schedule, a text that begins with `fc1.`, found {found:?}")
            }
            ScheduleError::Version(found) => write!(f, "expected a schedule of version `fc1`, found one of `{found}`"),
            ScheduleError::Damaged(what) => write!(f, "a damaged schedule: {what}; copy the whole token"),
        }
    }
}

impl std::error::Error for ScheduleError {}

const DAMAGED_FIELD: ScheduleError = ScheduleError::Damaged("expected a field that can be decoded");
const DAMAGED_CHECKSUM: ScheduleError = ScheduleError::Damaged("expected a checksum at the end that fits the rest");

/// How much of an unknown text is quoted.
const QUOTED_CHARS: usize = 40;

/// No path list may unfold to more than this, whatever a crafted text says.
const PATH_BYTES_MAX: usize = 1 << 26;

/// What is kept of the program's digest.
const PROGRAM_BYTES: usize = 3;

/// What is kept of the hash of a site. Two sites of a program of ten thousand share it in one program of 20 000.
const SITE_BYTES: usize = 5;

/// A phase from this on is written as a number of its own.
const PHASE_LONG: u64 = 2;

/// A path that lacks so many bytes of the one before, or more, says how many in a number of its own.
const LACKING_LONG: u64 = 3;

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("fc1.{}.{}", self.atomicity, base32(&self.program.to_le_bytes()[..PROGRAM_BYTES]));
        assert!(self.program < 1 << (8 * PROGRAM_BYTES), "a program's tag has 24 bits");
        if !self.deviations.is_empty() {
            text.push('.');
            text.push_str(&base32(&encode(&self.deviations)));
        }
        let checksum = base32(&crc32(text.as_bytes()).to_le_bytes());
        write!(f, "{text}.{checksum}")
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let prefix = || ScheduleError::Prefix(text.chars().take(QUOTED_CHARS).collect());
        let (version, _) = text.split_once('.').ok_or_else(prefix)?;
        match version.strip_prefix("fc") {
            Some("1") => {}
            Some(number) if (1..=9).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(ScheduleError::Version(version.to_owned()));
            }
            _ => return Err(prefix()),
        }
        let (signed, checksum) = text.rsplit_once('.').expect("there is a dot after the version");
        if checksum != base32(&crc32(signed.as_bytes()).to_le_bytes()) {
            return Err(DAMAGED_CHECKSUM);
        }
        let fields: Vec<&str> = signed.split('.').skip(1).collect();
        let (atomicity, program, deviations) = match *fields {
            [atomicity, program] => (atomicity, program, Vec::new()),
            [atomicity, program, deviations] => (atomicity, program, decode(&unbase32(deviations)?)?),
            _ => return Err(ScheduleError::Damaged("expected three or four fields after the version")),
        };
        let atomicity = atomicity.parse().map_err(|_| ScheduleError::Damaged("expected `op` or `split`"))?;
        let program: [u8; PROGRAM_BYTES] = unbase32(program)?.try_into().map_err(|_| DAMAGED_FIELD)?;
        let [a, b, c] = program;
        let schedule = Schedule { atomicity, program: u32::from_le_bytes([a, b, c, 0]), deviations };
        // Whoever compares texts compares schedules.
        if schedule.to_string() == text { Ok(schedule) } else { Err(DAMAGED_FIELD) }
    }
}

/// The number of `item` in `known`, where it is put if it is not there.
fn number_of<T: PartialEq>(known: &mut Vec<T>, item: T) -> usize {
    known.iter().position(|other| *other == item).unwrap_or_else(|| {
        known.push(item);
        known.len() - 1
    })
}

/// Number of paths, the paths, then the deviations to the end.
fn encode(deviations: &[Deviation]) -> Vec<u8> {
    let mut paths = vec!["main"];
    for Deviation { at, to } in deviations {
        number_of(&mut paths, &at.task);
        number_of(&mut paths, to);
    }
    let mut bytes = Vec::new();
    write_number(&mut bytes, paths.len() as u64 - 1);
    for pair in paths.windows(2) {
        write_path(&mut bytes, pair[0].as_bytes(), pair[1].as_bytes());
    }
    let mut sites = Vec::new();
    for Deviation { at, to } in deviations {
        assert!(at.site < 1 << (8 * SITE_BYTES), "a site has 40 bits");
        let (task, to) = (number_of(&mut paths, &at.task), number_of(&mut paths, to));
        write_number(&mut bytes, (task * paths.len() + to) as u64);
        let (fresh, site) = (sites.len(), number_of(&mut sites, at.site));
        let phase = u64::from(at.phase).min(PHASE_LONG);
        write_number(&mut bytes, (u64::from(at.occurrence) * (PHASE_LONG + 1) + phase) * 2 + u64::from(site < fresh));
        if phase == PHASE_LONG {
            write_number(&mut bytes, u64::from(at.phase) - PHASE_LONG);
        }
        if site < fresh {
            write_number(&mut bytes, site as u64);
        } else {
            bytes.extend(&at.site.to_le_bytes()[..SITE_BYTES]);
        }
    }
    bytes
}

fn decode(mut bytes: &[u8]) -> Result<Vec<Deviation>, ScheduleError> {
    let bytes = &mut bytes;
    let mut paths = vec![String::from("main")];
    let mut unfolded = 0;
    for _ in 0..read_number(bytes)? {
        let path = read_path(bytes, paths.last().expect("main is there").as_bytes())?;
        unfolded += path.len();
        if unfolded > PATH_BYTES_MAX {
            return Err(ScheduleError::Damaged("expected shorter paths"));
        }
        paths.push(path);
    }
    let (mut deviations, mut sites) = (Vec::new(), Vec::new());
    while !bytes.is_empty() {
        let tasks = read_number(bytes)?;
        let path = |number: u64| {
            let path = usize::try_from(number).ok().and_then(|number| paths.get(number));
            path.cloned().ok_or(DAMAGED_FIELD)
        };
        let (task, to) = (path(tasks / paths.len() as u64)?, path(tasks % paths.len() as u64)?);
        let event = read_number(bytes)?;
        let (event, known) = (event / 2, event % 2 == 1);
        let occurrence = u32::try_from(event / (PHASE_LONG + 1)).map_err(|_| DAMAGED_FIELD)?;
        let phase = match event % (PHASE_LONG + 1) {
            PHASE_LONG => read_number(bytes)?.saturating_add(PHASE_LONG).try_into().map_err(|_| DAMAGED_FIELD)?,
            phase => phase as u8,
        };
        let site = if known {
            let number = usize::try_from(read_number(bytes)?).map_err(|_| DAMAGED_FIELD)?;
            *sites.get(number).ok_or(DAMAGED_FIELD)?
        } else {
            let mut site = [0; 8];
            site[..SITE_BYTES].copy_from_slice(bytes.split_off(..SITE_BYTES).ok_or(DAMAGED_FIELD)?);
            u64::from_le_bytes(site)
        };
        number_of(&mut sites, site);
        deviations.push(Deviation { at: Anchor { task, site, occurrence, phase }, to });
    }
    Ok(deviations)
}

/// A path as its difference from the one before: how many bytes of its own it ends with, how many of the other's end it
/// lacks, and its own. Both numbers fit into one byte where one sibling follows another.
fn write_path(bytes: &mut Vec<u8>, before: &[u8], path: &[u8]) {
    let shared = before.iter().zip(path).take_while(|(a, b)| a == b).count();
    let (own, lacking) = ((path.len() - shared) as u64, (before.len() - shared) as u64);
    let short = lacking.min(LACKING_LONG);
    write_number(bytes, own * (LACKING_LONG + 1) + short);
    if short == LACKING_LONG {
        write_number(bytes, lacking - LACKING_LONG);
    }
    bytes.extend(&path[shared..]);
}

fn read_path(bytes: &mut &[u8], before: &[u8]) -> Result<String, ScheduleError> {
    let number = read_number(bytes)?;
    let lacking = match number % (LACKING_LONG + 1) {
        LACKING_LONG => read_number(bytes)?.saturating_add(LACKING_LONG),
        short => short,
    };
    let shared = (before.len() as u64).checked_sub(lacking).ok_or(DAMAGED_FIELD)?;
    let own = usize::try_from(number / (LACKING_LONG + 1)).map_err(|_| DAMAGED_FIELD)?;
    let mut path = before[..shared as usize].to_vec();
    path.extend(bytes.split_off(..own).ok_or(DAMAGED_FIELD)?);
    String::from_utf8(path).map_err(|_| DAMAGED_FIELD)
}

/// Seven bits a byte, the least first; the top bit says that more follow.
fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Result<u64, ScheduleError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first().ok_or(DAMAGED_FIELD)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(DAMAGED_FIELD)
}

/// RFC 4648's alphabet in lower case, without padding.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

fn base32(bytes: &[u8]) -> String {
    let digits = bytes.chunks(5).flat_map(|chunk| {
        let mut word = [0; 8];
        word[3..3 + chunk.len()].copy_from_slice(chunk);
        let word = u64::from_be_bytes(word);
        let count = (chunk.len() * 8).div_ceil(5);
        (0..count).map(move |i| ALPHABET[(word >> (35 - 5 * i) & 31) as usize] as char)
    });
    digits.collect()
}

fn unbase32(text: &str) -> Result<Vec<u8>, ScheduleError> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    for chunk in text.as_bytes().chunks(8) {
        let mut word = 0u64;
        for (i, digit) in chunk.iter().enumerate() {
            let value = ALPHABET.iter().position(|known| known == digit).ok_or(DAMAGED_FIELD)?;
            word |= (value as u64) << (35 - 5 * i);
        }
        let whole = chunk.len() * 5 / 8;
        bytes.extend(&word.to_be_bytes()[3..3 + whole]);
    }
    // Each sequence of bytes has one text.
    if base32(&bytes) == text { Ok(bytes) } else { Err(DAMAGED_FIELD) }
}

/// The CRC-32 of zip and PNG, bit by bit: the texts are short.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Atomicity;
    use proptest::prelude::*;

    fn deviation(task: &str, site: u64, occurrence: u32, phase: u8, to: &str) -> Deviation {
        Deviation { at: Anchor { task: task.into(), site, occurrence, phase }, to: to.into() }
    }

    fn example() -> Schedule {
        let mut schedule = Schedule::new(Atomicity::Split, 0xad_beef);
        schedule.deviations = vec![
            deviation("main/forward#0", 0x01_2345_6789, 0, 1, "main"),
            deviation("main", 42, 300, 0, "main/forward#1"),
        ];
        schedule
    }

    /// Strings of today must be read for ever.
    #[test]
    fn the_text_is_frozen() {
        let with = |deviations| Schedule { deviations, ..Schedule::new(Atomicity::Op, 7) };
        let nested = with(vec![
            deviation("main/step#0/inner%2f#12", 5, 0, 0, "main/step#1/other#0"),
            deviation("main/step#1/other#0", 5, 1, 1, "main/step#0"),
            deviation("main", 6, 1_000_000, 9, "main/step#0/inner%2f#12"),
        ]);
        for (schedule, text) in [
            (Schedule::new(Atomicity::Op, 0), "fc1.op.aaaaa.k4wqksa"),
            (example(), "fc1.split.567k2.aiuc6ztpoj3wc4teemyakmidakeworjdaebiqdrkaaaaaaa.42knd2y"),
            (
                nested,
                "fc1.op.a4aaa.angc643umvycgmbpnfxg4zlseuzgmizrgitqumjpn52gqzlsemyaobrqayaakaaaaaaawciaagcjx3qca4daaaaaaa.vwfguji",
            ),
        ] {
            assert_eq!(schedule.to_string(), text);
            assert_eq!(text.parse(), Ok(schedule));
        }
    }

    /// What a report shows: one switch between two forks of one function, and a lost update.
    #[test]
    fn short_schedules_have_short_texts() {
        let lost_update = |name: &str| Schedule {
            deviations: vec![
                deviation(&format!("main/{name}#0"), 1 << 39, 0, 1, "main"),
                deviation("main", 1 << 38, 0, 0, &format!("main/{name}#1")),
            ],
            ..Schedule::new(Atomicity::Split, 0)
        };
        // 24 characters around; in base 32 1 + (1 + name + 3) + 2 bytes for the paths and 7 for each deviation.
        for (name, length) in [("f", 60), ("forward", 69), ("weighted_sum_of_rows", 90)] {
            assert_eq!(lost_update(name).to_string().len(), length, "{name}");
        }
    }

    fn check_refused(text: &str, expected: ScheduleError) {
        assert_eq!(text.parse::<Schedule>(), Err(expected), "{text:?}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for text in ["", "model.pt", "fc.split", "no dots"] {
            check_refused(text, ScheduleError::Prefix(text.into()));
        }
        let long = "x".repeat(1000);
        check_refused(&long, ScheduleError::Prefix(long[..QUOTED_CHARS].into()));
        check_refused("fc2.split.aaaa.aaaa", ScheduleError::Version("fc2".into()));
        check_refused("fc1.", DAMAGED_CHECKSUM);
        let text = example().to_string();
        check_refused(&text[..text.len() - 1], DAMAGED_CHECKSUM);
        check_refused(&text.to_uppercase(), ScheduleError::Prefix(text.to_uppercase()[..QUOTED_CHARS].into()));
    }

    /// With a right checksum, the fields themselves are still checked.
    #[test]
    fn crafted_texts_are_refused() {
        let sign = |text: &str| format!("{text}.{}", base32(&crc32(text.as_bytes()).to_le_bytes()));
        let field = |bytes: &[u8]| sign(&format!("fc1.op.aaaaa.{}", base32(bytes)));
        assert!(sign("fc1.op.aaaaa").parse::<Schedule>().is_ok());
        for text in [
            sign("fc1"),
            sign("fc1.op"),
            sign("fc1.rw.aaaaa"),
            sign("fc1.op.aaaab"),
            sign("fc1.op.aaaaaa"),
            sign("fc1.op.aaaaa.AA"),
            sign("fc1.op.aaaaa.aa.aa"),
            field(&[]),
            // A path that lacks more than there is, one that is longer than the text, one that is not UTF-8.
            field(&[1, 3, 2]),
            field(&[1, 200, 1]),
            field(&[1, 4, 0xff]),
            // 2^63 paths, a number without end, an unknown path.
            field(&[255, 255, 255, 255, 255, 255, 255, 255, 127]),
            field(&[255; 12]),
            field(&[0, 1, 0, 0, 0, 0, 0, 0]),
            // A phase and an occurrence that are too large, a site that was not told, one told twice, a path that is not
            // used.
            field(&[0, 0, 4, 254, 1, 0, 0, 0, 0, 0]),
            field(&[0, 0, 128, 128, 128, 128, 128, 1, 0, 0, 0, 0, 0]),
            field(&[0, 0, 1, 0]),
            field(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
            field(&[1, 4, b'a', 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert!(matches!(text.parse::<Schedule>(), Err(ScheduleError::Damaged(_))), "{text}");
        }
    }

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    fn schedule() -> impl Strategy<Value = Schedule> {
        let path = prop_oneof![Just("main".to_owned()), "main(/[a-c]#[0-9]){1,3}", any::<String>()];
        let deviation =
            (path.clone(), prop_oneof![0..3u64, 0..1u64 << 40], any::<u32>(), prop_oneof![0..3u8, any::<u8>()], path)
                .prop_map(|(task, site, occurrence, phase, to)| deviation(&task, site, occurrence, phase, &to));
        let atomicity = prop_oneof![Just(Atomicity::Op), Just(Atomicity::Split)];
        (atomicity, 0..1u32 << 24, prop::collection::vec(deviation, 0..6))
            .prop_map(|(atomicity, program, deviations)| Schedule { atomicity, program, deviations })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_schedule_goes_round(schedule in schedule()) {
            let text = schedule.to_string();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.'), "{}", text);
            prop_assert_eq!(text.parse(), Ok(schedule));
        }

        #[test]
        fn a_change_of_one_character_is_noticed(schedule in schedule(), at: prop::sample::Index, to in "[a-z0-9.]") {
            let mut text = schedule.to_string();
            let at = at.index(text.len());
            prop_assume!(text[at..=at] != to);
            text.replace_range(at..=at, &to);
            prop_assert!(text.parse::<Schedule>().is_err(), "{}", text);
        }

        #[test]
        fn a_part_of_a_schedule_is_none(schedule in schedule(), cut: prop::sample::Index) {
            let text = schedule.to_string();
            prop_assert!(text[..cut.index(text.len())].parse::<Schedule>().is_err());
        }

        #[test]
        fn a_stretch_left_out_or_turned_round_is_noticed(schedule in schedule(), a: prop::sample::Index, b: prop::sample::Index) {
            let text = schedule.to_string();
            let (a, b) = (a.index(text.len()), b.index(text.len()));
            let (start, end) = (a.min(b), a.max(b) + 1);
            let refused = |text: String| text.parse::<Schedule>().is_err();
            prop_assert!(refused(text[..start].to_owned() + &text[end..]));
            let turned: String = text[start..end].chars().rev().collect();
            prop_assume!(turned != text[start..end]);
            prop_assert!(refused(text[..start].to_owned() + &turned + &text[end..]));
        }

        #[test]
        fn no_text_panics(text: String, bytes: Vec<u8>) {
            let _ = text.parse::<Schedule>();
            let _ = format!("fc1.{text}").parse::<Schedule>();
            let _ = decode(&bytes);
        }
    }
}

//! The text form of a schedule: one token, safe on a command line and under a double click.
//!
//! `fc1.split.PROGRAM.DEVIATIONS.CHECKSUM`: a version, the atomicity, and three fields in lower-case base 32. The
//! version names the default order and this format together. Deviations are numbers of variable length and a list of
//! paths, each written as what differs from the one before; without any the field is left out. The checksum is a
//! CRC-32 of all that precedes it, so that a string cut short by a terminal is not mistaken for another schedule.

use std::fmt;
use std::str::FromStr;

use super::{Anchor, Deviation, Schedule};

/// Why a text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScheduleError {
    /// It does not begin as a schedule does.
    Prefix,
    /// It is a schedule of a version that this program does not know.
    Version(String),
    /// It began as a schedule, but something is missing or altered.
    Damaged(&'static str),
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScheduleError::Prefix => f.write_str("not a schedule: expected a text that begins with `fc1.`"),
            ScheduleError::Version(version) => {
                write!(f, "a schedule of version `{version}`, but only `fc1` is supported")
            }
            ScheduleError::Damaged(what) => write!(f, "a damaged schedule: {what}; copy the whole token"),
        }
    }
}

impl std::error::Error for ScheduleError {}

const DAMAGED_FIELD: ScheduleError = ScheduleError::Damaged("a field cannot be decoded");

/// No path list may unfold to more than this, whatever a crafted text says.
const PATH_BYTES_MAX: usize = 1 << 26;

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("fc1.{}.{}", self.atomicity, base32(&self.program.to_le_bytes()));
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
        let (version, _) = text.split_once('.').ok_or(ScheduleError::Prefix)?;
        match version.strip_prefix("fc") {
            Some("1") => {}
            Some(number) if (1..=9).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(ScheduleError::Version(version.to_owned()));
            }
            _ => return Err(ScheduleError::Prefix),
        }
        let (signed, checksum) = text.rsplit_once('.').expect("there is a dot after the version");
        if checksum != base32(&crc32(signed.as_bytes()).to_le_bytes()) {
            return Err(ScheduleError::Damaged("the checksum does not fit"));
        }
        let fields: Vec<&str> = signed.split('.').skip(1).collect();
        let (atomicity, program, deviations) = match *fields {
            [atomicity, program] => (atomicity, program, Vec::new()),
            [atomicity, program, deviations] => (atomicity, program, decode(&unbase32(deviations)?)?),
            _ => return Err(ScheduleError::Damaged("expected three or four fields after the version")),
        };
        let atomicity = atomicity.parse().map_err(|_| ScheduleError::Damaged("expected `op` or `split`"))?;
        let program = unbase32(program)?.try_into().map_err(|_| DAMAGED_FIELD)?;
        Ok(Schedule { atomicity, program: u32::from_le_bytes(program), deviations })
    }
}

/// Number of paths, the paths, then the deviations to the end.
fn encode(deviations: &[Deviation]) -> Vec<u8> {
    let mut paths = vec!["main"];
    let mut body = Vec::new();
    for Deviation { at, to } in deviations {
        let mut number = |path| {
            paths.iter().position(|known| *known == path).unwrap_or_else(|| {
                paths.push(path);
                paths.len() - 1
            })
        };
        let (task, to) = (number(&at.task), number(to));
        write_number(&mut body, task as u64);
        body.extend(at.site.to_le_bytes());
        write_number(&mut body, at.occurrence.into());
        write_number(&mut body, at.phase.into());
        write_number(&mut body, to as u64);
    }
    let mut bytes = Vec::new();
    write_number(&mut bytes, paths.len() as u64 - 1);
    for pair in paths.windows(2) {
        let (before, path) = (pair[0].as_bytes(), pair[1].as_bytes());
        let shared = before.iter().zip(path).take_while(|(a, b)| a == b).count();
        write_number(&mut bytes, shared as u64);
        write_number(&mut bytes, (path.len() - shared) as u64);
        bytes.extend(&path[shared..]);
    }
    bytes.extend(body);
    bytes
}

fn decode(mut bytes: &[u8]) -> Result<Vec<Deviation>, ScheduleError> {
    let bytes = &mut bytes;
    let mut paths = vec![String::from("main")];
    let mut unfolded = 0;
    for _ in 0..read_number(bytes)? {
        let before = paths.last().expect("main is there").as_bytes();
        let shared = usize::try_from(read_number(bytes)?).map_err(|_| DAMAGED_FIELD)?;
        let mut path = before.get(..shared).ok_or(DAMAGED_FIELD)?.to_vec();
        let own = usize::try_from(read_number(bytes)?).map_err(|_| DAMAGED_FIELD)?;
        path.extend(bytes.split_off(..own).ok_or(DAMAGED_FIELD)?);
        unfolded += path.len();
        if unfolded > PATH_BYTES_MAX {
            return Err(ScheduleError::Damaged("its paths are too long"));
        }
        paths.push(String::from_utf8(path).map_err(|_| DAMAGED_FIELD)?);
    }
    let mut deviations = Vec::new();
    while !bytes.is_empty() {
        let path = |number: u64| {
            let path = usize::try_from(number).ok().and_then(|number| paths.get(number));
            path.cloned().ok_or(DAMAGED_FIELD)
        };
        let task = path(read_number(bytes)?)?;
        let site = *bytes.split_off(..8).and_then(|site| site.as_array()).ok_or(DAMAGED_FIELD)?;
        let occurrence = read_number(bytes)?.try_into().map_err(|_| DAMAGED_FIELD)?;
        let phase = read_number(bytes)?.try_into().map_err(|_| DAMAGED_FIELD)?;
        let to = path(read_number(bytes)?)?;
        deviations.push(Deviation { at: Anchor { task, site: u64::from_le_bytes(site), occurrence, phase }, to });
    }
    Ok(deviations)
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
        let mut schedule = Schedule::new(Atomicity::Split, 0xdead_beef);
        schedule.deviations = vec![
            deviation("main/forward#0", 0x0123_4567_89ab_cdef, 0, 1, "main"),
            deviation("main", 42, 300, 0, "main/forward#1"),
        ];
        schedule
    }

    /// Strings of today must be read for ever.
    #[test]
    fn the_text_is_frozen() {
        for (schedule, text) in [
            (Schedule::new(Atomicity::Op, 0), "fc1.op.aaaaaaa.gtdk7ny"),
            (example(), "fc1.split.567k3xq.aicaul3gn5zhoylsmqrtadibgea67tnlrftukiybaaaqaabkaaaaaaaaaaakyaqaai.ydmdsfy"),
        ] {
            assert_eq!(schedule.to_string(), text);
            assert_eq!(text.parse(), Ok(schedule));
        }
    }

    fn check_refused(text: &str, expected: ScheduleError) {
        assert_eq!(text.parse::<Schedule>(), Err(expected), "{text:?}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        check_refused("", ScheduleError::Prefix);
        check_refused("model.pt", ScheduleError::Prefix);
        check_refused("fc.split", ScheduleError::Prefix);
        check_refused("fc2.split.aaaa.aaaa", ScheduleError::Version("fc2".into()));
        check_refused("fc1.", ScheduleError::Damaged("the checksum does not fit"));
        let text = example().to_string();
        check_refused(&text[..text.len() - 1], ScheduleError::Damaged("the checksum does not fit"));
        check_refused(&text.to_uppercase(), ScheduleError::Prefix);
    }

    /// With a right checksum, the fields themselves are still checked.
    #[test]
    fn crafted_texts_are_refused() {
        let sign = |text: &str| format!("{text}.{}", base32(&crc32(text.as_bytes()).to_le_bytes()));
        let field = |bytes: &[u8]| sign(&format!("fc1.op.aaaaaaa.{}", base32(bytes)));
        assert!(sign("fc1.op.aaaaaaa").parse::<Schedule>().is_ok());
        for text in [
            sign("fc1"),
            sign("fc1.op"),
            sign("fc1.rw.aaaaaaa"),
            sign("fc1.op.aaaaaab"),
            sign("fc1.op.aaaaaa"),
            sign("fc1.op.aaaaaaa.AA"),
            sign("fc1.op.aaaaaaa.aa.aa"),
            field(&[]),
            // A path that shares more than there is, one that is longer than the text, one that is not UTF-8.
            field(&[1, 5, 0]),
            field(&[1, 0, 200, 1]),
            field(&[1, 0, 1, 0xff]),
            // 2^63 paths, a number without end, an unknown path, a phase that is too large.
            field(&[255, 255, 255, 255, 255, 255, 255, 255, 127]),
            field(&[255; 12]),
            field(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            field(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 2, 0]),
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
        let deviation = (path.clone(), any::<u64>(), any::<u32>(), any::<u8>(), path)
            .prop_map(|(task, site, occurrence, phase, to)| deviation(&task, site, occurrence, phase, &to));
        let atomicity = prop_oneof![Just(Atomicity::Op), Just(Atomicity::Split)];
        (atomicity, any::<u32>(), prop::collection::vec(deviation, 0..6))
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
        fn no_text_panics(text: String, bytes: Vec<u8>) {
            let _ = text.parse::<Schedule>();
            let _ = format!("fc1.{text}").parse::<Schedule>();
            let _ = decode(&bytes);
        }
    }
}

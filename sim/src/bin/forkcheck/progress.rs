//! A sign of life on a terminal while an audit runs: what is done, how fast, how much is left, and what was found.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use forkcheck::config::Watch;
use forkcheck::explore::{Progress, Stage};
use indicatif::ProgressBar;

/// Spins until it is dropped; only on a terminal.
pub(crate) struct Spinner(Option<ProgressBar>);

impl Spinner {
    pub(crate) fn start() -> Self {
        Self(std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_message("running schedules");
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        }))
    }

    /// What the audit is to tell of its progress; nobody, if there is no terminal.
    pub(crate) fn watch(&self) -> Option<Watch> {
        let bar = self.0.clone()?;
        let since = Mutex::new(Since::new());
        Some(Arc::new(move |progress: &Progress| {
            let mut since = since.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(text) = since.line(progress, Instant::now()) {
                bar.set_message(text);
            }
        }))
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// The times that an exploration itself must not know.
struct Since {
    stage: Option<Stage>,
    began: Instant,
    shown: Option<Instant>,
    outcomes: usize,
    new: Instant,
}

impl Since {
    fn new() -> Self {
        let now = Instant::now();
        Self { stage: None, began: now, shown: None, outcomes: 0, new: now }
    }

    /// What to show; nothing if something was shown a moment ago.
    fn line(&mut self, progress: &Progress, now: Instant) -> Option<String> {
        if self.stage != Some(progress.stage) {
            (self.stage, self.began, self.shown) = (Some(progress.stage), now, None);
        }
        if self.outcomes != progress.outcomes {
            (self.outcomes, self.new) = (progress.outcomes, now);
        }
        if self.shown.is_some_and(|shown| now - shown < Duration::from_millis(100)) {
            return None;
        }
        self.shown = Some(now);
        Some(line(progress, now - self.began, now - self.new))
    }
}

fn line(progress: &Progress, elapsed: Duration, since_new: Duration) -> String {
    let Progress { stage, done, total, outcomes, since_new: runs } = *progress;
    let mut text = format!("{stage}: {done}");
    if let Some(total) = total.filter(|total| *total >= done as f64 && total.is_finite()) {
        let total = if total < 1e9 { format!("{total:.0}") } else { format!("{total:.0e}") };
        write!(text, " of about {total}").expect("a string takes everything");
    }
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    write!(text, ", {rate:.0}/s, {outcomes} {}", if outcomes == 1 { "outcome" } else { "outcomes" })
        .expect("a string takes everything");
    if runs > 0 {
        write!(text, ", none new for {runs} ({:.0} s)", since_new.as_secs_f64()).expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_far_it_is() {
        let mut since = Since::new();
        let start = since.began;
        let progress = |done, outcomes, since_new| Progress {
            stage: Stage::Sampling,
            done,
            total: Some(1000.0),
            outcomes,
            since_new,
        };
        let at = |ms| start + Duration::from_millis(ms);
        assert!(since.line(&progress(0, 1, 0), at(0)).is_some());
        assert_eq!(since.line(&progress(10, 1, 9), at(50)), None, "not so soon");
        let line = since.line(&progress(500, 1, 499), at(5000)).unwrap();
        assert_eq!(line, "samples: 500 of about 1000, 100/s, 1 outcome, none new for 499 (5 s)");
        let line = since.line(&progress(600, 2, 0), at(6000)).unwrap();
        assert_eq!(line, "samples: 600 of about 1000, 100/s, 2 outcomes");
        // What was found since may be more than was thought, and there may be no end to it.
        let of = |total| {
            super::line(&Progress { total: Some(total), ..progress(600, 2, 0) }, Duration::from_secs(6), Duration::ZERO)
        };
        assert_eq!(of(599.0), "samples: 600, 100/s, 2 outcomes");
        assert_eq!(of(2e30), "samples: 600 of about 2e30, 100/s, 2 outcomes");
        assert_eq!(of(f64::INFINITY), "samples: 600, 100/s, 2 outcomes");
    }
}

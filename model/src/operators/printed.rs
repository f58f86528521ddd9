//! What a program prints: its lines, and its warnings, which PyTorch prints elsewhere.

/// Everything that was printed, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printed {
    /// What `print` printed, with newlines.
    pub text: String,
    /// The messages of `warnings.warn`.
    pub warnings: Vec<String>,
}

/// How much was printed at some time.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    text: usize,
    warnings: usize,
}

impl Printed {
    /// Whether nothing was printed.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.warnings.is_empty()
    }

    /// How much was printed so far.
    pub fn mark(&self) -> Mark {
        Mark { text: self.text.len(), warnings: self.warnings.len() }
    }

    /// Takes back what was printed since.
    pub fn rewind(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        self.warnings.truncate(mark.warnings);
    }

    /// Prints what somebody else printed.
    pub fn append(&mut self, mut other: Printed) {
        self.text.push_str(&other.text);
        self.warnings.append(&mut other.warnings);
    }

    /// The different warnings, in the order of the first of each: Python, too, shows a warning of one place once.
    pub fn different_warnings(&self) -> impl Iterator<Item = &str> {
        let first = |i: usize| !self.warnings[..i].contains(&self.warnings[i]);
        (0..self.warnings.len()).filter(move |&i| first(i)).map(|i| &*self.warnings[i])
    }
}

//! The files of the log, in a table of bounded size, with sums that stay exact.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::assumptions::{Assumptions, CASES, LEVELS};

/// Files that are known at once. When there are more, the half with the fewest octets is added up and forgotten.
const MAX_FILES: usize = 1 << 16;

/// What was asked of one file, or of many.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    pub(super) requests: u64,
    pub(super) octets: u64,
    /// Transfers that take part, by level.
    pub(super) transfers: [u64; LEVELS],
    /// Octets that peers bring, by case and level.
    pub(super) brought: [[f64; LEVELS]; CASES],
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.octets = self.octets.saturating_add(other.octets);
        for (sum, other) in self.transfers.iter_mut().zip(other.transfers) {
            *sum += other;
        }
        for (sum, other) in self.brought.iter_mut().flatten().zip(other.brought.iter().flatten()) {
            *sum += other;
        }
    }
}

/// One file.
#[derive(Debug)]
pub(super) struct File {
    /// Path, with the site in front where the log names one.
    pub(super) name: Box<str>,
    /// The most that one answer or transfer had of it.
    pub(super) length: u64,
    pub(super) sums: Sums,
    /// Prefixes it was asked for from, as many as admission asks for.
    prefixes: Vec<u32>,
    /// When it was asked for often enough, in milliseconds since the epoch.
    pub(super) hot: Option<i64>,
}

impl File {
    /// Notes an answer; `prefix` where the visitor has one.
    pub(super) fn note(
        &mut self,
        octets: u64,
        at: i64,
        prefix: Option<u32>,
        assumptions: &Assumptions,
    ) {
        self.sums.requests += 1;
        self.sums.octets = self.sums.octets.saturating_add(octets);
        if self.hot.is_some() {
            return;
        }
        let most = assumptions.admission_prefixes as usize;
        if let Some(prefix) = prefix.filter(|prefix| !self.prefixes.contains(prefix))
            && self.prefixes.len() < most
        {
            self.prefixes.push(prefix);
        }
        let asked = self.sums.requests >= u64::from(assumptions.admission_requests);
        if asked && self.prefixes.len() >= most {
            self.hot = Some(at);
            self.prefixes = Vec::new();
        }
    }
}

/// The table.
#[derive(Debug)]
pub(super) struct Files {
    known: HashMap<u64, File, FixedState>,
    most: usize,
    /// How many were forgotten; one that is asked for again counts again.
    pub(super) forgotten: u64,
}

impl Files {
    pub(super) fn new() -> Self {
        Self { known: HashMap::default(), most: MAX_FILES, forgotten: 0 }
    }

    pub(super) fn get_mut(&mut self, key: u64) -> Option<&mut File> {
        self.known.get_mut(&key)
    }

    /// A file that was not known. `busy` says which must stay; those that go are handed to `forget`.
    pub(super) fn insert(
        &mut self,
        key: u64,
        name: Box<str>,
        busy: impl Fn(u64) -> bool,
        mut forget: impl FnMut(&File),
    ) {
        if self.known.len() >= self.most {
            let mut octets: Vec<_> = self.known.values().map(|file| file.sums.octets).collect();
            let (_, middle, _) = octets.select_nth_unstable(self.most / 2);
            let middle = *middle;
            let before = self.known.len();
            // Of files with equally few octets any may go, but not all: the table stays of use.
            let mut to_go = self.most / 2;
            self.known.retain(|key, file| {
                let stays = file.sums.octets > middle || to_go == 0 || busy(*key);
                if !stays {
                    to_go -= 1;
                    forget(file);
                }
                stays
            });
            self.forgotten += (before - self.known.len()) as u64;
            if self.known.len() >= self.most {
                // All are busy: the swarms have a bound of their own.
                self.most += self.most / 2;
            }
        }
        self.known.insert(
            key,
            File { name, length: 0, sums: Sums::default(), prefixes: Vec::new(), hot: None },
        );
    }

    pub(super) fn into_files(self) -> Vec<File> {
        self.known.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admission_asks_for_requests_and_prefixes() {
        let assumptions = Assumptions::default();
        let mut file = File {
            name: "/a".into(),
            length: 0,
            sums: Sums::default(),
            prefixes: Vec::new(),
            hot: None,
        };
        for at in 0..5 {
            file.note(1, at, Some(1), &assumptions);
        }
        assert_eq!(file.hot, None);
        file.note(1, 9, None, &assumptions);
        assert_eq!(file.hot, None);
        file.note(1, 10, Some(2), &assumptions);
        assert_eq!(file.hot, Some(10));
    }

    #[test]
    fn a_full_table_forgets_the_least_and_loses_no_sum() {
        let assumptions = Assumptions::default();
        let mut files = Files::new();
        let mut gone = Sums::default();
        let most = MAX_FILES as u64;
        for key in 0..3 * most {
            files.insert(key, "/a".into(), |key| key == 1, |file| gone.add(&file.sums));
            files.get_mut(key).unwrap().note(key.max(1), 0, None, &assumptions);
        }
        let expected: u64 = (0..3 * most).map(|key| key.max(1)).sum();
        let forgotten = files.forgotten;
        assert!(files.get_mut(1).is_some(), "a busy file went");
        assert!(files.get_mut(3 * most - 1).is_some());
        let files = files.into_files();
        assert!(files.len() <= MAX_FILES, "{}", files.len());
        assert_eq!(files.len() as u64 + forgotten, 3 * most);
        for file in &files {
            gone.add(&file.sums);
        }
        assert_eq!((gone.requests, gone.octets), (3 * most, expected));
    }
}

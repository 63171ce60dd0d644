use std::collections::BTreeMap;

use manyhands_metainfo::AssetPath;

use crate::job::Source;

/// How much an asset is wanted: by how many, how often, and how lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) prefixes: u32,
    pub(crate) requests: u32,
    pub(crate) asked: u64,
}

/// Hot assets that wait for a worker, in order of demand and in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    files: Lane,
    fetches: Lane,
}

/// Those that wait for the same kind of bytes.
#[derive(Debug, Default)]
struct Lane {
    wanted: BTreeMap<Rank, AssetPath>,
    line: BTreeMap<u64, AssetPath>,
    /// Whether it is the turn of the one that has waited longest: without it, one that is wanted by few
    /// would wait for as long as there are others wanted by more.
    by_line: bool,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.files.line.len() + self.fetches.line.len()
    }

    pub(crate) fn insert(&mut self, source: &Source, rank: Rank, line: u64, path: AssetPath) {
        let lane = self.lane(source);
        lane.wanted.insert(rank, path.clone());
        lane.line.insert(line, path);
    }

    pub(crate) fn remove(&mut self, source: &Source, rank: Rank, line: u64) {
        let lane = self.lane(source);
        lane.wanted.remove(&rank);
        lane.line.remove(&line);
    }

    /// The same asset, asked for once more.
    pub(crate) fn promote(&mut self, source: &Source, from: Rank, to: Rank) {
        let wanted = &mut self.lane(source).wanted;
        if let Some(path) = wanted.remove(&from) {
            wanted.insert(to, path);
        }
    }

    /// The least wanted of all.
    pub(crate) fn least(&self) -> Option<(Rank, &AssetPath)> {
        let lanes = [&self.files, &self.fetches];
        let least = lanes.into_iter().filter_map(|lane| lane.wanted.first_key_value());
        least.min_by_key(|(rank, _)| **rank).map(|(rank, path)| (*rank, path))
    }

    /// The file whose turn it is.
    pub(crate) fn file(&self) -> Option<&AssetPath> {
        self.files.next()
    }

    /// The fetch whose turn it is. The one that has waited longest keeps its turn until it starts: smaller
    /// ones can't keep the budget from it.
    pub(crate) fn fetch(&self) -> Option<&AssetPath> {
        self.fetches.next()
    }

    /// A file got its turn.
    pub(crate) fn files_turn(&mut self) {
        self.files.by_line = !self.files.by_line;
    }

    /// A fetch got its turn.
    pub(crate) fn fetches_turn(&mut self) {
        self.fetches.by_line = !self.fetches.by_line;
    }

    #[cfg(test)]
    pub(crate) fn paths(&self) -> impl Iterator<Item = &AssetPath> {
        assert_eq!(self.files.wanted.len(), self.files.line.len());
        assert_eq!(self.fetches.wanted.len(), self.fetches.line.len());
        self.files.wanted.values().chain(self.fetches.wanted.values())
    }

    fn lane(&mut self, source: &Source) -> &mut Lane {
        match source {
            Source::File(_) => &mut self.files,
            Source::Fetch | Source::Passing { .. } | Source::None => &mut self.fetches,
        }
    }
}

impl Lane {
    fn next(&self) -> Option<&AssetPath> {
        if self.by_line { self.line.values().next() } else { self.wanted.values().next_back() }
    }
}

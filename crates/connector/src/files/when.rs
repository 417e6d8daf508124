//! Which files are new: a horizon up to which all were read, and marks of those read beyond it.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use super::Listed;
use crate::format::Position;

/// What has been read of the files that one path stands for. Small, however many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilesProgress {
    /// Files up to this one, in their order, are not looked at any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    behind: Option<(i64, String)>,
    /// How many those were at the end of the last sync: more of them than that came too late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    behind_count: Option<u64>,
    /// Marks of the files after it that have been read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    read: BTreeSet<String>,
}

/// A file that is being read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileAt {
    pub(crate) path: String,
    /// What it was when its reading began.
    pub(crate) mark: String,
    pub(crate) position: Position,
}

impl FileAt {
    /// A file whose reading begins.
    pub(crate) fn of(file: &Listed) -> FileAt {
        let (path, mark) = (file.path.clone(), file.mark.clone());
        FileAt { path, mark, position: Position::default() }
    }
}

/// Marks that are kept; past them the horizon moves on over files that were read.
const MARKS_MAX: usize = 500;

impl FilesProgress {
    /// The next file to read, in the order of the listing, none changed after `until`.
    pub(crate) fn next<'a>(&self, listing: &'a [Listed], until: Option<i64>) -> Option<&'a Listed> {
        let mut after = self.after(listing).iter();
        after.find(|file| !is_after(file, until) && !self.read.contains(&file.mark))
    }

    /// So many files came too late: they are older than what is looked at.
    pub(crate) fn late(&self, listing: &[Listed]) -> u64 {
        let behind = listing.len() - self.after(listing).len();
        self.behind_count.map_or(0, |known| (behind as u64).saturating_sub(known))
    }

    /// A file has been read whole.
    pub(crate) fn note(&mut self, file: &Listed, listing: &[Listed]) {
        self.read.insert(file.mark.clone());
        if self.read.len() <= MARKS_MAX {
            return;
        }
        let read = |file: &&Listed| self.read.contains(&file.mark);
        let after = self.after(listing);
        let whole = after.iter().take_while(read).count();
        let Some(last) = whole.saturating_sub(MARKS_MAX / 2).checked_sub(1) else { return };
        self.move_to(after[last].modified.unwrap_or(i64::MAX), &after[last].path, listing);
    }

    /// All files up to `until` have been read: what is older than `lookback` before the newest of them is left
    /// behind. Those after it are for the next sync, however new they are. A time to come is not believed.
    pub(crate) fn end(&mut self, listing: &[Listed], until: Option<i64>, lookback: i64, now: i64) {
        let read = listing.iter().filter(|file| !is_after(file, until));
        let newest = read.filter_map(|file| file.modified).max();
        if let Some(newest) = newest {
            let floor = newest.min(now).saturating_sub(lookback);
            if self.behind.as_ref().is_none_or(|(behind, _)| floor > *behind) {
                self.move_to(floor, "", listing);
            }
        }
        // One that cannot be told from what it becomes is read each time.
        let kept: HashSet<&str> =
            listing.iter().filter(|file| file.has_version()).map(|file| &file.mark[..]).collect();
        self.read.retain(|mark| kept.contains(&mark[..]));
        self.behind_count = Some((listing.len() - self.after(listing).len()) as u64);
    }

    fn move_to(&mut self, modified: i64, path: &str, listing: &[Listed]) {
        self.behind = Some((modified, path.to_owned()));
        let after: HashSet<&str> = self.after(listing).iter().map(|file| &file.mark[..]).collect();
        self.read.retain(|mark| after.contains(&mark[..]));
    }

    /// The files that are looked at.
    fn after<'a>(&self, listing: &'a [Listed]) -> &'a [Listed] {
        let Some((modified, path)) = &self.behind else { return listing };
        let start = listing.partition_point(|file| file.order() <= (*modified, path.as_str()));
        &listing[start..]
    }
}

/// Whether a file was changed after the reading began.
fn is_after(file: &Listed, until: Option<i64>) -> bool {
    until.zip(file.modified).is_some_and(|(until, modified)| modified > until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(listed: &[(i64, &str)]) -> Vec<Listed> {
        let mut files: Vec<Listed> = listed
            .iter()
            .map(|(modified, path)| {
                let modified = (*modified > 0).then_some(*modified);
                Listed::new((*path).to_owned(), (*path).to_owned(), modified, None, None)
            })
            .collect();
        files.sort_by(|one, other| one.order().cmp(&other.order()));
        files
    }

    /// Reads all that is new, and tells it.
    fn sync(progress: &mut FilesProgress, listing: &[Listed], lookback: i64) -> Vec<String> {
        let until = listing.iter().filter_map(|file| file.modified).max();
        let mut read = Vec::new();
        while let Some(file) = progress.next(listing, until).cloned() {
            progress.note(&file, listing);
            read.push(file.path);
        }
        progress.end(listing, until, lookback, 1_000_000);
        read
    }

    #[test]
    fn new_changed_and_late_files_are_read_and_no_other() {
        let mut progress = FilesProgress::default();
        let mut check = |listed: &[(i64, &str)], expected: &[&str], late: u64| {
            let listing = files(listed);
            assert_eq!(progress.late(&listing), late, "{listed:?}");
            assert_eq!(sync(&mut progress, &listing, 100), expected, "{listed:?}");
            assert_eq!(sync(&mut progress, &listing, 100), [""; 0], "{listed:?} again");
        };
        check(&[], &[], 0);
        check(&[(500, "b"), (500, "a"), (300, "z")], &["z", "a", "b"], 0);
        // The same time, and a path that comes before: it is read all the same.
        check(&[(500, "b"), (500, "a"), (300, "z"), (500, "0")], &["0"], 0);
        // Late, within the lookback, and a changed one.
        check(&[(500, "b"), (600, "a"), (300, "z"), (450, "y")], &["y", "a"], 0);
        // Gone, and there again as it was.
        check(&[(600, "a"), (450, "y")], &[], 0);
        check(&[(600, "a"), (450, "y"), (500, "b")], &["b"], 0);
        // Later than that is too late, and told.
        check(&[(600, "a"), (450, "y"), (500, "b"), (20, "x")], &[], 1);
    }

    #[test]
    fn a_file_of_a_time_to_come_does_not_hide_others() {
        let mut progress = FilesProgress::default();
        sync(&mut progress, &files(&[(9_000_000, "a"), (999_950, "b")]), 100);
        let listing = files(&[(9_000_000, "a"), (999_950, "b"), (999_960, "c")]);
        assert_eq!(sync(&mut progress, &listing, 100), ["c"]);
    }

    /// The listing was made anew while the reading was under way: what is newer than its bound waits, and is
    /// not left behind by a file that is newer still.
    #[test]
    fn files_that_come_while_a_sync_reads_are_for_the_next_one() {
        let mut progress = FilesProgress::default();
        let before = files(&[(500, "a")]);
        progress.note(&before[0], &before);
        let listing = files(&[(500, "a"), (600, "b"), (900, "c")]);
        assert_eq!(progress.next(&listing, Some(500)), None);
        progress.end(&listing, Some(500), 0, 1_000_000);
        assert_eq!(progress.late(&listing), 0);
        assert_eq!(sync(&mut progress, &listing, 0), ["b", "c"]);
    }

    /// With tens of thousands of files of one moment the state stays small, and each is read once.
    #[test]
    fn many_files_leave_a_small_state() {
        let names: Vec<(i64, String)> =
            (0..20_000).map(|number| (7, format!("{number:05}"))).collect();
        let names: Vec<(i64, &str)> = names.iter().map(|(at, name)| (*at, &name[..])).collect();
        let listing = files(&names);
        let mut progress = FilesProgress::default();
        assert_eq!(sync(&mut progress, &listing, 1000).len(), 20_000);
        let state = serde_json::to_string(&progress).expect("JSON");
        assert!(state.len() < 20 * MARKS_MAX, "{}", state.len());
        assert_eq!(sync(&mut progress, &listing, 1000).len(), 0);
    }

    #[test]
    fn a_file_that_shows_no_version_is_read_each_time() {
        let mut progress = FilesProgress::default();
        let listing = files(&[(0, "https://example.com/a")]);
        assert_eq!(sync(&mut progress, &listing, 100).len(), 1);
        assert_eq!(sync(&mut progress, &listing, 100).len(), 1);
    }
}

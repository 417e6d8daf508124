//! Starting over: in place, for one table, or beside the old tables, which are replaced at the end.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::{State, TableName};

use super::{Planner, naming};
use crate::Batch;
use crate::batch::Replacement;
use crate::position::{Chain, Only, Position};
use crate::run::Run;

/// How to start over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resync {
    /// Whether the next sync that runs to its end marks the rows of keyed tables that it did not see
    /// (Dec-40).
    pub mark_missing: bool,
    /// Whether each table is made anew beside the old one, and replaces it when the sync has run to its
    /// end: its key may be another then, and its columns narrower.
    pub rebuild: bool,
    /// The one table, by its name in the destination, that is read again; the others are passed over, and
    /// go on afterwards from where they are.
    pub table: Option<String>,
}

/// What a table is called while it is made anew.
pub(super) fn made_anew(table: &str) -> String {
    naming::fit(format!("{table}__resync"))
}

impl Batch {
    /// Starting over (F-087): the state is `{}` again, tables and rows stay until the new ones are in.
    pub fn resync(position: &Position, resync: &Resync, run: &Run) -> Batch {
        let mut planner = Planner::new(position, run);
        let before = planner.give_up_resync();
        let tables: BTreeSet<String> = match &resync.table {
            Some(table) => BTreeSet::from([table.clone()]),
            None => planner.leaves.schema.tables.keys().cloned().collect(),
        };
        let only = resync.table.is_some().then(|| {
            // A resync of a table that is given up goes on from where the first one began.
            let (state, chain) = match before {
                Some(Chain { only: Some(only), .. }) => (only.state, only.chain),
                chain => (position.state.clone(), chain.map(Box::new)),
            };
            Only { tables: tables.clone(), state, chain }
        });
        planner.leaves.chain = Some(Chain {
            mark_missing: resync.mark_missing,
            rebuilding: if resync.rebuild { tables } else { BTreeSet::new() },
            only,
            ..Chain::default()
        });
        planner.finish(State::default())
    }
}

impl Planner<'_> {
    /// Whether a table is passed over, since another one is read again.
    pub(super) fn is_passed_over(&self, source: &TableName) -> bool {
        let only = self.leaves.chain.as_ref().and_then(|chain| chain.only.as_ref());
        only.is_some_and(|only| !only.tables.contains(&self.old_table_name(source)))
    }

    /// Forgets what unfinished syncs have gathered, and the tables that they were making anew.
    pub(super) fn give_up_resync(&mut self) -> Option<Chain> {
        let chain = self.leaves.chain.take();
        for table in chain.iter().flat_map(|chain| &chain.rebuilding) {
            let made = made_anew(table);
            self.leaves.next_index.remove(&made);
            if self.leaves.schema.tables.remove(&made).is_some() {
                self.before.tables.remove(&made);
                self.replacements.push(Replacement { made, table: None });
            }
        }
        chain
    }

    /// The tables that were made anew take the place of the old ones. One of which no row came stays as
    /// it is.
    pub(super) fn replace(&mut self, rebuilt: BTreeSet<String>) {
        for table in rebuilt {
            let made = made_anew(&table);
            if let Some(anew) = self.leaves.schema.tables.remove(&made) {
                self.leaves.schema.tables.insert(table.clone(), Arc::clone(&anew));
                if let Some(index) = self.leaves.next_index.remove(&made) {
                    self.leaves.next_index.insert(table.clone(), index);
                }
                self.replacements.push(Replacement { made, table: Some(table) });
            }
        }
    }
}

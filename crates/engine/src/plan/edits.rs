//! Batches without rows: what a person asks for.

use protocol::State;

use super::Planner;
use crate::run::Run;
use crate::schema::Schema;
use crate::time::Timestamp;
use crate::{Batch, Position};

impl Batch {
    /// An operator's edit of the state: a batch with no rows, through the same door as any other, so
    /// that a sync under way gets `Moved`. What unfinished syncs had gathered to sweep is forgotten: the
    /// rows that they saw say nothing about those that follow the new state.
    pub fn set_state(position: &Position, state: State, run: &Run) -> Batch {
        let mut planner = Planner::new(position, run);
        planner.give_up_resync();
        planner.finish(state)
    }

    /// A connection that moves to another destination, as it is: a batch without rows that makes all of its
    /// tables there and leaves its position. The rows come by another way, in the same transaction.
    pub fn migrate(position: &Position, run: &Run) -> Batch {
        let mut planner = Planner::new(position, run);
        planner.before = Schema::default();
        planner.finish(position.state.clone())
    }

    /// Tables that somebody else made are ours from now on, as they are, and the function goes on from a
    /// state: a batch without rows, the first of its connection (Dec-59). `synced_at` is when the latest of
    /// their rows was synced.
    pub fn adopt(schema: Schema, state: State, synced_at: Timestamp, run: &Run) -> Batch {
        let mut planner = Planner::new(&Position::default(), run);
        planner.before.clone_from(&schema);
        planner.leaves.schema = schema;
        planner.leaves.naming = Some(run.options.naming);
        planner.leaves.synced_at = planner.leaves.synced_at.max(synced_at);
        planner.finish(state)
    }
}

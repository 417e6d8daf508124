use std::collections::BTreeMap;
use std::time::Duration;

use protocol::{Response, State};

use crate::contract::Doubles;
use crate::destination::{Destination, DestinationError, Landed};
use crate::event::SyncEvent;
use crate::progress::Progress;
use crate::run::Run;
use crate::sync::SyncError;
use crate::time::Timestamp;
use crate::{Batch, Position};

/// What has landed, and the pages on top of it that are joined but have not.
pub(crate) struct Landing {
    position: Position,
    batch: Option<Batch>,
    /// The page that the batch was planned of, where rows of it may have to go because of what is stored:
    /// then each page lands by itself.
    page: Option<(u64, Response)>,
    /// When the batch's first page came.
    since: Timestamp,
}

impl Landing {
    pub(crate) fn new(position: Position) -> Landing {
        Landing { position, batch: None, page: None, since: Timestamp::default() }
    }

    /// The state to send next.
    pub(crate) fn state(&self) -> &State {
        self.tip().state()
    }

    fn tip(&self) -> &Position {
        self.batch.as_ref().map_or(&self.position, Batch::leaves)
    }

    /// Types a page and joins it; a page that cannot be placed changes nothing (Dec-29).
    pub(crate) fn add(
        &mut self,
        page: u64,
        response: Response,
        run: &Run,
        progress: &mut Progress<'_, impl FnMut(SyncEvent<'_>) + Send>,
    ) -> Result<(), SyncError> {
        self.page = run.options.policy.has_unique().then(|| (page, response.clone()));
        let planned = Batch::plan(response, self.tip(), run)
            .map_err(|source| SyncError::Plan { page, source })?;
        planned.warnings().iter().for_each(|warning| progress.warned(warning));
        self.batch = Some(match self.batch.take() {
            Some(batch) => batch.join(planned),
            None => {
                self.since = progress.now();
                planned
            }
        });
        Ok(())
    }

    /// Whether the batch is large, or will be old when the next page has come: `took` is how long the
    /// last one needed. So a slow function has every page landed at once.
    pub(crate) fn is_full(&self, run: &Run, now: Timestamp, took: Duration) -> bool {
        self.batch.as_ref().is_some_and(|batch| {
            self.page.is_some()
                || batch.rows() >= run.limits.batch_rows_max
                || batch.wire_bytes() >= run.limits.batch_bytes_max
                || now.since(self.since) + took >= run.limits.batch_age_max
        })
    }

    /// Commits what has been joined, if anything.
    pub(crate) async fn land(
        &mut self,
        destination: &mut impl Destination,
        progress: &mut Progress<'_, impl FnMut(SyncEvent<'_>) + Send>,
    ) -> Result<(), SyncError> {
        let Some(mut batch) = self.batch.take() else { return Ok(()) };
        progress.landing(&batch);
        let started_at = progress.now();
        let mut doubles = Doubles::new();
        let landed = loop {
            let refused = match commit(&batch, destination).await {
                Ok(landed) => break landed,
                Err(error) => error,
            };
            let Some((page, response)) = &self.page else { return Err(refused.into()) };
            let found = batch.doubles(&refused);
            let rows = |doubles: &Doubles| doubles.values().map(BTreeMap::len).sum::<usize>();
            let known = rows(&doubles);
            for (source, found) in found {
                doubles.entry(source).or_default().extend(found);
            }
            // Each time more rows go, so it ends; a page has at most so many.
            if rows(&doubles) == known {
                return Err(refused.into());
            }
            batch = Batch::plan_without(response.clone(), &self.position, progress.run(), &doubles)
                .map_err(|source| SyncError::Plan { page: *page, source })?;
        };
        progress.landed(&batch, &landed, progress.now().since(started_at));
        self.position = batch.into_leaves();
        Ok(())
    }
}

/// Commits once. If the answer is lost, the destination knows whether it landed.
async fn commit(
    batch: &Batch,
    destination: &mut impl Destination,
) -> Result<Landed, DestinationError> {
    match destination.commit(batch).await {
        Err(DestinationError::Unavailable(_)) => {}
        answered => return answered,
    }
    if destination.position().await?.was_left_by(batch) {
        return Ok(Landed::default());
    }
    destination.commit(batch).await
}

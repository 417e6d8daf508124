//! What is kept of files between pages and calls of one process.

use std::sync::{Mutex, PoisonError};

use super::{Listing, Opened, Place};
use crate::connector::Connector;

/// The table, the number of the path in it, and the sync.
pub(crate) type ListingName = (String, usize, String);

/// The file under way and the listing that it is in.
#[derive(Default)]
pub(crate) struct KeptFiles {
    opened: Mutex<Option<Opened>>,
    listing: Mutex<Option<(ListingName, (Place, Listing))>>,
}

impl Connector {
    /// The file that was left open.
    pub(crate) fn take_opened(&self) -> Option<Opened> {
        self.files.opened.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn keep_opened(&self, opened: Opened) {
        *self.files.opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
    }

    pub(crate) fn kept_listing(&self, name: &ListingName) -> Option<(Place, Listing)> {
        let kept = self.files.listing.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|(kept, _)| kept == name).map(|(_, listing)| listing.clone())
    }

    pub(crate) fn keep_listing(&self, name: ListingName, listing: (Place, Listing)) {
        let mut kept = self.files.listing.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((name, listing));
    }

    /// The files of a table are listed anew.
    pub(crate) fn forget_listing(&self, table: &str) {
        let mut kept = self.files.listing.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take_if(|((of, ..), _)| of == table);
    }
}

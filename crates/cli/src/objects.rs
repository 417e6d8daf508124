//! Objects that functions wrote their rows to, deleted when the rows have landed (F-058).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::{Function, FunctionError, ObjectPlace, Request, Response, Warning};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::function::OpenFunction;

/// A Function that notes where the rows of each page lie, in the order of pages.
pub(crate) struct Noting<F> {
    function: F,
    pages: Arc<Pages>,
}

/// The pages that have been answered and have not landed.
#[derive(Default)]
struct Pages(Mutex<VecDeque<Option<ObjectPlace>>>);

impl Pages {
    fn list(&self) -> std::sync::MutexGuard<'_, VecDeque<Option<ObjectPlace>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Function + Sync> Function for Noting<F> {
    fn call(
        &self,
        request: &Request,
    ) -> impl Future<Output = Result<Response, FunctionError>> + Send {
        // What it wraps begins its call at once, so this one does, too.
        let call = self.function.call(request);
        async move {
            let response = call.await?;
            self.pages.list().push_back(response.object.clone());
            Ok(response)
        }
    }
}

/// Deletes what has landed, while the sync goes on.
///
/// What has not landed stays: after a crash, or when a page could not be placed. The next sync asks for
/// those rows again, under another name.
pub(crate) struct Objects {
    pages: Arc<Pages>,
    landed: UnboundedSender<ObjectPlace>,
    deleting: tokio::task::JoinHandle<Option<Warning>>,
}

impl Objects {
    /// Those of `function`, whose calls go through `outer`.
    pub(crate) fn of<F>(function: &Arc<OpenFunction>, outer: F) -> (Objects, Noting<F>) {
        let (landed, places) = unbounded_channel();
        let pages = Arc::<Pages>::default();
        let deleting = tokio::spawn(delete(Arc::clone(function), places));
        let noting = Noting { function: outer, pages: Arc::clone(&pages) };
        (Objects { pages, landed, deleting }, noting)
    }

    /// So many pages have landed, the oldest ones.
    pub(crate) fn landed(&self, pages: u64) {
        let mut list = self.pages.list();
        for _ in 0..pages {
            if let Some(place) = list.pop_front().flatten() {
                // It fails when nobody deletes any more, and then the object stays.
                let _ = self.landed.send(place);
            }
        }
    }

    /// Waits until what has landed is deleted; one warning says what could not be.
    pub(crate) async fn close(self) -> Option<Warning> {
        drop(self.landed);
        self.deleting.await.unwrap_or_default()
    }
}

async fn delete(
    function: Arc<OpenFunction>,
    mut places: UnboundedReceiver<ObjectPlace>,
) -> Option<Warning> {
    let (mut left, mut why) = (0_u64, None);
    while let Some(place) = places.recv().await {
        if let Err(error) = function.delete_object(&place).await {
            left += 1;
            why.get_or_insert(error);
        }
    }
    why.map(|error| {
        let message = format!(
            "{left} objects whose rows have landed are still in the bucket: {error}; delete them, or let a lifecycle rule do it"
        );
        Warning::new("s3_objects_left", message)
    })
}

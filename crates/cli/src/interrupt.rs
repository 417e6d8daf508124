//! Ctrl-C and SIGTERM: the first lands what is whole, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::failure::Exit;
use crate::log::{Level, Log};

/// Whether a person (or a scheduler) has asked to stop.
#[derive(Clone)]
pub(crate) struct Stop {
    asked: watch::Receiver<bool>,
    exit_code: Arc<AtomicU8>,
}

impl Stop {
    /// Listens to the signals from now on.
    ///
    /// # Panics
    /// Outside a tokio runtime, or when the process may not listen to signals.
    pub(crate) fn listen(log: &Arc<Log>) -> Stop {
        let listen = |kind| signal(kind).expect("a process may listen to its signals");
        let signals = (listen(SignalKind::interrupt()), listen(SignalKind::terminate()));
        let (ask, asked) = watch::channel(false);
        let exit_code = Arc::new(AtomicU8::new(0));
        tokio::spawn(wait(signals, ask, Arc::clone(&exit_code), Arc::clone(log)));
        Stop { asked, exit_code }
    }

    /// For functions, which give up a call under way.
    pub(crate) fn receiver(&self) -> watch::Receiver<bool> {
        self.asked.clone()
    }

    /// The exit code of the signal that asked, if one did.
    pub(crate) fn exit(&self) -> Option<Exit> {
        match self.exit_code.load(Ordering::SeqCst) {
            0 => None,
            code if code == Exit::Terminated.code() => Some(Exit::Terminated),
            _ => Some(Exit::Interrupted),
        }
    }
}

async fn wait(
    (mut interrupt, mut terminate): (Signal, Signal),
    ask: watch::Sender<bool>,
    exit_code: Arc<AtomicU8>,
    log: Arc<Log>,
) {
    let mut next = async || {
        tokio::select! {
            _ = interrupt.recv() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Terminated,
        }
    };
    let first = next().await;
    exit_code.store(first.code(), Ordering::SeqCst);
    log.say(Level::Normal, "stopping: what is whole lands first; once more ends at once");
    ask.send_replace(true);
    let second = next().await;
    // Whatever was not committed is sent again by the next sync.
    std::process::exit(i32::from(second.code()));
}

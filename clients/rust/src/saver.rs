use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::Error;
use crate::cursor::DynCursorStore;

/// Writes the newest cursor to a store, not at each change but within an interval of it.
pub(crate) struct Saver {
    store: Arc<dyn DynCursorStore>,
    interval: Duration,
    /// Held over a save: they keep their order.
    saving: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// To be saved by the timer that runs; empty when none does.
    pending: String,
    saved: String,
    error: Option<Error>,
}

impl Saver {
    pub(crate) fn new(store: Arc<dyn DynCursorStore>, interval: Duration) -> Arc<Self> {
        Arc::new(Saver { store, interval, saving: tokio::sync::Mutex::default(), state: Mutex::default() })
    }

    pub(crate) async fn load(&self) -> Result<Option<String>, Error> {
        let cursor = self.store.load().await.map_err(Error::cursor_store)?;
        self.state().saved = cursor.clone().unwrap_or_default();
        Ok(cursor)
    }

    /// Sets what is to be saved.
    pub(crate) fn note(self: &Arc<Self>, cursor: &str) {
        let mut state = self.state();
        let armed = !state.pending.is_empty();
        if !armed && state.saved == cursor {
            return;
        }
        state.pending.clear();
        state.pending.push_str(cursor);
        drop(state);
        if !armed {
            self.arm();
        }
    }

    fn arm(self: &Arc<Self>) {
        let (saver, interval) = (Arc::downgrade(self), self.interval);
        tokio::spawn(async move {
            sleep(interval).await;
            if let Some(saver) = saver.upgrade() {
                saver.save_where_blocking_is_allowed().await;
            }
        });
    }

    /// The error of an earlier save.
    pub(crate) fn failed(&self) -> Result<(), Error> {
        self.state().error.clone().map_or(Ok(()), Err)
    }

    /// Saves what is pending.
    pub(crate) async fn flush(self: &Arc<Self>) -> Result<(), Error> {
        Arc::clone(self).save_where_blocking_is_allowed().await;
        self.failed()
    }

    /// `flush`, as far as it gets without waiting; a runtime does the rest, if there is one that goes on.
    pub(crate) fn flush_on_drop(self: &Arc<Self>) {
        if self.state().pending.is_empty() {
            return;
        }
        let saver = Arc::clone(self);
        let mut save = Box::pin(async move { saver.save().await });
        let unfinished = save.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
        if let (true, Ok(runtime)) = (unfinished, Handle::try_current()) {
            runtime.spawn(save);
        }
    }

    async fn save_where_blocking_is_allowed(self: Arc<Self>) {
        let saver = Arc::clone(&self);
        let end = spawn_blocking(move || Handle::current().block_on(saver.save())).await;
        if end.is_err_and(|e| e.is_panic()) {
            self.state().error = Some(Error::cursor_store("it panicked"));
        }
    }

    async fn save(&self) {
        let _order = self.saving.lock().await;
        let cursor = std::mem::take(&mut self.state().pending);
        if cursor.is_empty() {
            return;
        }
        let result = self.store.save(&cursor).await;
        let mut state = self.state();
        match result {
            Ok(()) => state.saved = cursor,
            Err(error) => state.error = Some(Error::cursor_store(error)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BoxError, CursorStore};

    /// Keeps every cursor that was saved.
    #[derive(Clone, Default)]
    struct Recorder(Arc<Mutex<Vec<String>>>);

    impl CursorStore for Recorder {
        async fn load(&self) -> Result<Option<String>, BoxError> {
            Ok(Some("c0".into()))
        }

        async fn save(&self, cursor: &str) -> Result<(), BoxError> {
            if cursor == "broken" {
                return Err("disk full".into());
            }
            self.0.lock().unwrap().push(cursor.into());
            Ok(())
        }
    }

    impl Recorder {
        fn saved(&self) -> Vec<String> {
            self.0.lock().unwrap().clone()
        }
    }

    fn saver(interval: Duration) -> (Recorder, Arc<Saver>) {
        let recorder = Recorder::default();
        (recorder.clone(), Saver::new(Arc::new(recorder), interval))
    }

    const NEVER: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn changes_within_an_interval_are_saved_once() {
        let (recorder, saver) = saver(Duration::from_millis(100));
        for n in 0..50 {
            saver.note(&format!("c{n}"));
            sleep(Duration::from_millis(10)).await; // of a paused clock, which advances by itself
        }
        saver.flush().await.unwrap();
        let cursors = recorder.saved();
        assert!((4..=6).contains(&cursors.len()), "{cursors:?}");
        assert_eq!(cursors.last().unwrap(), "c49");
    }

    #[tokio::test]
    async fn what_was_loaded_is_not_saved_again() {
        let (recorder, saver) = saver(NEVER);
        assert_eq!(saver.load().await.unwrap().as_deref(), Some("c0"));
        saver.note("c0");
        saver.flush().await.unwrap();
        assert_eq!(recorder.saved(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_drop_saves_at_once_what_needs_no_wait() {
        let (recorder, saver) = saver(NEVER);
        saver.note("c1");
        saver.flush_on_drop();
        assert_eq!(recorder.saved(), ["c1"]);
    }

    #[tokio::test]
    async fn an_error_is_kept() {
        let (_, saver) = saver(NEVER);
        saver.note("broken");
        let error = saver.flush().await.unwrap_err();
        assert!(error.to_string().contains("disk full"), "{error}");
        assert!(saver.failed().is_err());
    }
}

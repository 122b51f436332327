use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use crate::BoxError;

/// Holds the position of one subscription.
///
/// Its methods are called one at a time. An error ends the subscription and is its last error. `async fn` implements them:
///
/// ```
/// # use straw_client::{BoxError, CursorStore};
/// struct InMemory(tokio::sync::Mutex<Option<String>>);
///
/// impl CursorStore for InMemory {
///     async fn load(&self) -> Result<Option<String>, BoxError> {
///         Ok(self.0.lock().await.clone())
///     }
///     async fn save(&self, cursor: &str) -> Result<(), BoxError> {
///         *self.0.lock().await = Some(cursor.to_owned());
///         Ok(())
///     }
/// }
/// ```
pub trait CursorStore: Send + Sync + 'static {
    /// The saved cursor; none if none was ever saved.
    fn load(&self) -> impl Future<Output = Result<Option<String>, BoxError>> + Send;

    /// Replaces the saved cursor, and returns once that would survive a crash.
    ///
    /// It may block: it runs where that is allowed, but for the last one of a subscription that is dropped instead of
    /// [closed](crate::Subscription::close). That one runs within the drop as far as its first await, and
    /// the rest of it only if the runtime goes on.
    fn save(&self, cursor: &str) -> impl Future<Output = Result<(), BoxError>> + Send;
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send + 'a>>;

/// A [`CursorStore`] of any type.
pub(crate) trait DynCursorStore: Send + Sync + 'static {
    fn load(&self) -> Boxed<'_, Option<String>>;
    fn save<'a>(&'a self, cursor: &'a str) -> Boxed<'a, ()>;
}

impl<S: CursorStore> DynCursorStore for S {
    fn load(&self) -> Boxed<'_, Option<String>> {
        Box::pin(CursorStore::load(self))
    }

    fn save<'a>(&'a self, cursor: &'a str) -> Boxed<'a, ()> {
        Box::pin(CursorStore::save(self, cursor))
    }
}

/// A [`CursorStore`] in a file of its own, replaced atomically and synced.
///
/// Its folder must exist, and a file with `.tmp` after its name may be overwritten. Two subscriptions must not share a file.
#[derive(Clone, Debug)]
pub struct FileCursor {
    path: PathBuf,
}

impl FileCursor {
    /// In the file at `path`, which need not exist yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FileCursor { path: path.into() }
    }

    fn read(&self) -> Result<Option<String>, BoxError> {
        let content = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            content => content.map_err(|e| self.context("reading", &e))?,
        };
        match content.trim() {
            "" => Err(format!(
                "{} is empty: the position in it was lost; remove the file to begin anew",
                self.path.display()
            )
            .into()),
            cursor => Ok(Some(cursor.to_owned())),
        }
    }

    fn replace(&self, cursor: &str) -> io::Result<()> {
        let mut name = self.path.clone().into_os_string();
        name.push(".tmp");
        let temporary = Path::new(&name);
        let mut file = File::create(temporary)?;
        writeln!(file, "{cursor}")?;
        file.sync_all()?;
        drop(file);
        fs::rename(temporary, &self.path)?;
        sync_folder(&self.path)
    }

    fn context(&self, doing: &str, error: &io::Error) -> BoxError {
        format!("{doing} {}: {error}", self.path.display()).into()
    }
}

impl CursorStore for FileCursor {
    async fn load(&self) -> Result<Option<String>, BoxError> {
        self.read()
    }

    async fn save(&self, cursor: &str) -> Result<(), BoxError> {
        self.replace(cursor).map_err(|e| self.context("writing", &e))
    }
}

/// Makes a rename in the folder of `path` durable. Windows neither needs that nor can open a folder.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_holds_what_was_saved_last() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileCursor::new(folder.path().join("position"));
        assert_eq!(CursorStore::load(&store).await.unwrap(), None);
        for cursor in ["c1", "c2"] {
            CursorStore::save(&store, cursor).await.unwrap();
            assert_eq!(CursorStore::load(&store).await.unwrap().as_deref(), Some(cursor));
        }
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["position"]);
    }

    #[tokio::test]
    async fn an_empty_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("position");
        fs::write(&path, " \n").unwrap();
        let error = CursorStore::load(&FileCursor::new(&path)).await.unwrap_err().to_string();
        assert!(error.contains("is empty") && error.contains("position"), "{error}");
    }

    #[tokio::test]
    async fn a_folder_that_does_not_exist_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileCursor::new(folder.path().join("missing/position"));
        let error = CursorStore::save(&store, "c1").await.unwrap_err().to_string();
        assert!(error.contains("missing/position"), "{error}");
    }
}

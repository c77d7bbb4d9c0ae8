//! The driver: its thread, its limits, and what its errors mean.
//!
//! The driver is asynchronous, a store is not. A thread of the store's own runs the driver's
//! sockets and timers; callers wait on theirs.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use mongodb::bson::Document;
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Collection};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::address::Address;
use crate::store::StoreError;

/// An answer may take this long.
const ANSWER: Duration = Duration::from_secs(60);

/// A majority may take this long to have a write on disk.
const MAJORITY: Duration = Duration::from_secs(30);

/// How often a write is tried whose outcome is unclear.
const TRIES: u32 = 3;

/// The pause before the second try; the next is four times as long.
const PAUSE: Duration = Duration::from_millis(100);

const DUPLICATE_KEY: i32 = 11_000;

/// `OutOfDiskSpace`, and Atlas's answer when a quota is used up.
const NO_ROOM: [i32; 2] = [14_031, 8_000];

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server took it and did not say what became of it.
    Unclear(String),
    /// It was not done, and may be later.
    Away(String),
    /// There is no room.
    Full(String),
    /// Never will be.
    Broken(String),
}

/// A connected driver.
#[derive(Debug)]
pub(super) struct Link {
    handle: Handle,
    /// Dropped, it ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    pub collection: Collection<Document>,
    pub address: Address,
}

impl Link {
    /// Prepares the driver; it connects when it is first used.
    pub(super) fn new(address: Address, connect_timeout: Duration) -> Result<Link, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("mongodb".into())
            .spawn(move || drop(runtime.block_on(stopped)))
            .map_err(|error| error.to_string())?;
        let collection = handle.block_on(collection(&address, connect_timeout));
        let collection = collection.map_err(|e| address.without_secrets(explained(&e)))?;
        Ok(Link { handle, stop: Some(stop), thread: Some(thread), collection, address })
    }

    /// Waits for an answer.
    pub(super) fn wait<T>(
        &self,
        question: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        self.handle.block_on(question)
    }

    /// What a caller of the store is told.
    pub(super) fn told(&self, fault: Fault) -> StoreError {
        let text = |reason| format!("{}: {}", self.address, self.address.without_secrets(reason));
        match fault {
            Fault::Unclear(reason) | Fault::Away(reason) => StoreError::Away(text(reason)),
            Fault::Full(reason) => StoreError::Full(text(reason)),
            Fault::Broken(reason) => StoreError::Broken(text(reason)),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It only waits, so it cannot have failed.
            let _ = thread.join();
        }
    }
}

async fn collection(address: &Address, limit: Duration) -> Result<Collection<Document>, Error> {
    let mut options = ClientOptions::parse(&address.uri).await?;
    options.connect_timeout = Some(limit);
    options.server_selection_timeout = Some(limit);
    options.app_name.get_or_insert_with(|| "leveret delayer".to_owned());
    // Whatever the address asks for: only this is what acknowledged messages are worth.
    options.write_concern = Some(
        WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .w_timeout(MAJORITY)
            .build(),
    );
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    let client = Client::with_options(options)?;
    Ok(client.database(&address.database).collection(&address.collection))
}

/// An operation of the driver, within the time that an answer may take.
pub(super) async fn answer<T>(
    question: impl IntoFuture<Output = Result<T, Error>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(ANSWER, question.into_future()).await {
        Ok(answer) => answer.map_err(|error| judged(&error)),
        Err(_) => Err(Fault::Unclear(format!("no answer in {} s", ANSWER.as_secs()))),
    }
}

/// Tries something that may be done twice without harm, until its outcome is clear.
pub(super) async fn until_clear<T>(
    mut attempt: impl AsyncFnMut() -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match attempt().await {
            Err(Fault::Unclear(_)) => tokio::time::sleep(pause).await,
            clear => return clear,
        }
        pause *= 4;
    }
    attempt().await
}

/// Inserts documents whose names nobody else uses. One that is already there after an unclear
/// try is there by that; one that is there at the first is somebody else's.
pub(super) async fn insert(
    collection: &Collection<Document>,
    documents: &[Document],
) -> Result<(), Fault> {
    let mut tried = false;
    until_clear(async || {
        let again = std::mem::replace(&mut tried, true);
        let inserted = collection.insert_many(documents).ordered(false);
        match tokio::time::timeout(ANSWER, inserted.into_future()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if only_duplicates(&error) && again => Ok(()),
            Ok(Err(error)) if only_duplicates(&error) => Err(Fault::Broken(
                "somebody else writes to this collection; give the delayer one of its own".into(),
            )),
            Ok(Err(error)) => Err(judged(&error)),
            Err(_) => Err(Fault::Unclear(format!("no answer in {} s", ANSWER.as_secs()))),
        }
    })
    .await
}

fn only_duplicates(error: &Error) -> bool {
    let ErrorKind::InsertMany(failure) = &*error.kind else { return false };
    let errors = failure.write_errors.as_deref().unwrap_or_default();
    failure.write_concern_error.is_none()
        && !errors.is_empty()
        && errors.iter().all(|error| error.code == DUPLICATE_KEY)
}

fn judged(error: &Error) -> Fault {
    let reason = explained(error);
    if codes(error).iter().any(|code| NO_ROOM.contains(code)) {
        return Fault::Full(reason);
    }
    let unclear = match &*error.kind {
        ErrorKind::Io(error) => error.kind() != io::ErrorKind::ConnectionRefused,
        ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::InvalidResponse { .. } => true,
        ErrorKind::Write(WriteFailure::WriteConcernError(_)) => true,
        ErrorKind::InsertMany(failure) => failure.write_concern_error.is_some(),
        _ => error.contains_label("RetryableWriteError"),
    };
    if unclear { Fault::Unclear(reason) } else { Fault::Away(reason) }
}

/// The server's codes in an error.
fn codes(error: &Error) -> Vec<i32> {
    match &*error.kind {
        ErrorKind::Command(error) => vec![error.code],
        ErrorKind::Write(WriteFailure::WriteError(error)) => vec![error.code],
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => vec![error.code],
        ErrorKind::InsertMany(failure) => {
            let errors = failure.write_errors.as_deref().unwrap_or_default();
            let concern = failure.write_concern_error.as_ref().map(|error| error.code);
            errors.iter().map(|error| error.code).chain(concern).collect()
        }
        _ => Vec::new(),
    }
}

/// An error in words: the server's, where it has some.
pub(super) fn explained(error: &Error) -> String {
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.message.clone(),
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => error.message.clone(),
        ErrorKind::Command(error) => format!("{} ({})", error.message, error.code_name),
        ErrorKind::InsertMany(failure) => {
            let errors = failure.write_errors.as_deref().unwrap_or_default();
            let first = errors.first().map(|error| error.message.clone());
            let concern = failure.write_concern_error.as_ref().map(|error| error.message.clone());
            first.or(concern).unwrap_or_else(|| "an insert failed".into())
        }
        kind => kind.to_string(),
    }
}

//! The thread of the control socket: lines of JSON in, lines of JSON out. It knows nothing of what
//! they mean.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use control::address::Address;
use control::reply::{Refusal, Reply, Why};
use control::request::Request;
use control::{LINE_BYTES_MAX, SOCKET_NAME};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Ask;

/// Clients at a time; more wait until one is gone.
const CLIENTS_MAX: usize = 64;
/// Requests that wait for the shard.
const ASKS_MAX: usize = 16;
/// Lines of one answer that wait for its client.
const LINES_MAX: usize = 2;
/// A client that says nothing for so long, or does not read, is gone: 60 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// The running thread. Dropping it ends the thread and removes the socket.
pub(crate) struct Control {
    path: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the control socket had panicked");
        }
    }
}

/// Listens in the data directory, in place of a socket that a killed process left there.
pub(super) fn start(dir: &Path) -> io::Result<(Control, mpsc::Receiver<Ask>)> {
    let path = dir.join(SOCKET_NAME);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _inside = runtime.enter();
        bind(&path)?
    };
    let (asks, questions) = mpsc::channel(ASKS_MAX);
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = thread::Builder::new().name("control".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = accept(listener, asks) => {}
                // Here as well: the handle was dropped.
                _ = stopped => {}
            }
        });
    })?;
    Ok((Control { path, stop: Some(stop), thread: Some(thread) }, questions))
}

/// The socket is the owner's alone before anybody can find it under its name.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let new = path.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let listener = UnixListener::bind(Address::of(&new)?.path())?;
    std::fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    std::fs::rename(&new, path)?;
    Ok(listener)
}

async fn accept(listener: UnixListener, asks: mpsc::Sender<Ask>) {
    let mut clients = JoinSet::new();
    loop {
        while clients.len() >= CLIENTS_MAX {
            clients.join_next().await;
        }
        while clients.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let asks = asks.clone();
                clients.spawn(async move {
                    // A client that is gone needs no answer.
                    let _ = serve(stream, asks).await;
                });
            }
            Err(error) => {
                tracing::error!("cannot accept a client of the control socket: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: UnixStream, asks: mpsc::Sender<Ask>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let request = match read(&mut stream, LINE_BYTES_MAX).await? {
            None => return Ok(()),
            Some(Ok(request)) => request,
            Some(Err(text)) => {
                let refused = Reply::Refused(Refusal::new(Why::Invalid, text));
                return write(&mut stream, &refused, LINE_BYTES_MAX).await;
            }
        };
        let (reply, mut replies) = mpsc::channel(LINES_MAX);
        let mut ended = false;
        if asks.send(Ask { request, reply }).await.is_ok() {
            while let Some(line) = replies.recv().await {
                ended = !matches!(line, Reply::Rows(_));
                write(&mut stream, &line, LINE_BYTES_MAX).await?;
                if ended {
                    break;
                }
            }
        }
        if !ended {
            let text = "the application stopped before it answered";
            let refused = Reply::Refused(Refusal::new(Why::AppStopped, text));
            write(&mut stream, &refused, LINE_BYTES_MAX).await?;
        }
    }
}

/// The next request, or why it is none; nothing when the client is gone.
async fn read(
    stream: &mut BufReader<UnixStream>,
    bytes_max: usize,
) -> io::Result<Option<Result<Request, String>>> {
    let mut line = Vec::new();
    let mut limited = stream.take(bytes_max as u64);
    timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await??;
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() >= bytes_max && !line.ends_with(b"\n") {
        return Ok(Some(Err(format!("a request is a line of at most {bytes_max} bytes"))));
    }
    let request = serde_json::from_slice(&line);
    Ok(Some(request.map_err(|error| format!("not a request that this node understands: {error}"))))
}

/// Writes a line of an answer, or that it is longer than clients read.
async fn write(
    stream: &mut BufReader<UnixStream>,
    reply: &Reply,
    bytes_max: usize,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    if line.len() > bytes_max {
        let text = format!("the answer has {} bytes, and a line at most {bytes_max}", line.len());
        line = serde_json::to_vec(&Reply::Refused(Refusal::new(Why::Failed, text)))?;
        line.push(b'\n');
    }
    timeout(PATIENCE, stream.write_all(&line)).await?
}

#[cfg(test)]
mod tests;

//! Clients of a node's API, each with a connection that stays open and one request at a time.

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

/// How many clients there are.
pub(super) const CALLERS: usize = 64;

/// A request.
pub(super) struct Call {
    /// Method and path.
    pub(super) line: String,
    /// JSON.
    pub(super) body: String,
}

/// What came of it.
pub(super) struct Calls {
    /// From the first request to the last answer.
    pub(super) seconds: f64,
    /// Of each request, in order of length.
    pub(super) round_trips_ms: Vec<f64>,
}

/// Makes `count` calls, each of which one node must have taken; `make` is given the call's number
/// and the caller's.
pub(super) fn call(
    web: SocketAddr,
    count: u64,
    make: impl Fn(u64, usize) -> Call + 'static,
) -> Result<Calls> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (next, make) = (Rc::new(Cell::new(0)), Rc::new(make));
    let round_trips_ms = Rc::new(RefCell::new(Vec::new()));
    let from = Instant::now();
    LocalSet::new().block_on(&runtime, async {
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (next, make) = (Rc::clone(&next), Rc::clone(&make));
            let round_trips_ms = Rc::clone(&round_trips_ms);
            callers.spawn_local(async move {
                let mut stream = TcpStream::connect(web).await?;
                stream.set_nodelay(true)?;
                let mut input = Vec::new();
                while next.get() < count {
                    let call = make(next.replace(next.get() + 1), caller);
                    let from = Instant::now();
                    one(&mut stream, &mut input, &call).await?;
                    round_trips_ms.borrow_mut().push(from.elapsed().as_secs_f64() * 1e3);
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = callers.join_next().await {
            ended??;
        }
        anyhow::Ok(())
    })?;
    let seconds = from.elapsed().as_secs_f64();
    let mut round_trips_ms = round_trips_ms.take();
    round_trips_ms.sort_by(f64::total_cmp);
    Ok(Calls { seconds, round_trips_ms })
}

async fn one(stream: &mut TcpStream, input: &mut Vec<u8>, call: &Call) -> Result<()> {
    let request = format!(
        "{} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
        call.line,
        call.body.len(),
        call.body
    );
    stream.write_all(request.as_bytes()).await?;
    input.clear();
    loop {
        ensure!(stream.read_buf(input).await? > 0, "the node closed a connection");
        let Some(answer) = whole(input)? else { continue };
        ensure!(answer.contains(r#""taken":1"#), "{} was answered {answer}", call.line);
        return Ok(());
    }
}

/// An answer, once all of it is there.
fn whole(input: &[u8]) -> Result<Option<&str>> {
    let text = std::str::from_utf8(input)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.context("an answer without a length")?.parse()?;
    Ok((body.len() >= length).then_some(text))
}

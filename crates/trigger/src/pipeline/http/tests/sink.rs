//! An endpoint that answers by script.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What the endpoint does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Sends this, and takes the next request.
    Say(String),
    /// Sends this, and closes.
    Close(String),
    /// Sends this, and nothing more until the client goes away.
    Hang(String),
    /// Sends the first text, and then the second one again and again until the client goes away.
    Endless(String, String),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Seen {
    /// The values of a header, in order.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }
}

#[derive(Default)]
struct Log {
    seen: Vec<Seen>,
    connections: usize,
    /// Answers given; the last of the script is given again and again.
    answered: usize,
}

/// The endpoint.
pub(crate) struct Sink {
    pub(crate) port: u16,
    log: Arc<Mutex<Log>>,
    /// Bytes sent over each connection that has ended.
    ended: mpsc::UnboundedReceiver<u64>,
}

pub(crate) fn ok(body: &str) -> Answer {
    Answer::Say(response("200 OK", "text/plain", body))
}

pub(crate) fn json(body: &str) -> Answer {
    Answer::Say(response("200 OK", "application/json", body))
}

pub(crate) fn status(line: &str) -> Answer {
    Answer::Say(response(line, "text/plain", ""))
}

fn response(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}")
}

impl Sink {
    pub(crate) async fn new(script: impl Into<Vec<Answer>>) -> Sink {
        Sink::over(script, |tcp| async { Some(tcp) }).await
    }

    /// With something between TCP and HTTP, such as TLS.
    pub(crate) async fn over<S, F>(
        script: impl Into<Vec<Answer>>,
        wrap: impl Fn(tokio::net::TcpStream) -> F + Send + Sync + 'static,
    ) -> Sink
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Option<S>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Log::default()));
        let (ends, ended) = mpsc::unbounded_channel();
        let script: Arc<[Answer]> = script.into().into();
        let shared = log.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                let (wrapped, log) = (wrap(tcp), shared.clone());
                let (script, ends) = (script.clone(), ends.clone());
                tokio::spawn(async move {
                    let mut sent = 0;
                    if let Some(stream) = wrapped.await {
                        let _ = serve(BufStream::new(stream), &script, &log, &mut sent).await;
                    }
                    let _ = ends.send(sent);
                });
            }
        });
        Sink { port, log, ended }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.log.lock().unwrap().seen.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.log.lock().unwrap().connections
    }

    /// Waits for the end of a connection; how many bytes went over it.
    pub(crate) async fn ended(&mut self) -> u64 {
        self.ended.recv().await.unwrap()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufStream<S>,
    script: &[Answer],
    log: &Mutex<Log>,
    sent: &mut u64,
) -> std::io::Result<()> {
    loop {
        let seen = take(&mut stream).await?;
        let answer = {
            let mut log = log.lock().unwrap();
            log.seen.push(seen);
            log.answered += 1;
            script[(log.answered - 1).min(script.len() - 1)].clone()
        };
        let (first, again) = match &answer {
            Answer::Say(text) | Answer::Close(text) | Answer::Hang(text) => (text.as_str(), ""),
            Answer::Endless(first, again) => (first.as_str(), again.as_str()),
        };
        stream.write_all(first.as_bytes()).await?;
        stream.flush().await?;
        *sent += first.len() as u64;
        match answer {
            Answer::Say(_) => {}
            Answer::Close(_) => return stream.shutdown().await,
            Answer::Hang(_) => drop(stream.read_u8().await?),
            Answer::Endless(..) => loop {
                stream.write_all(again.as_bytes()).await?;
                stream.flush().await?;
                *sent += again.len() as u64;
            },
        }
    }
}

async fn take<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
) -> std::io::Result<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let mut seen = Seen { head: String::from_utf8(head).unwrap(), body: String::new() };
    let length = seen.header("content-length").first().map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    seen.body = String::from_utf8(body).unwrap();
    Ok(seen)
}

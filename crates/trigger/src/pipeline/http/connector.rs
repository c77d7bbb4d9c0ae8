//! New connections to endpoints: resolves, asks the network rules about every address, connects to
//! an address that was checked, and speaks TLS where the URL says so. The pool asks for one when it
//! has none idle.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::pipeline::http::failure::io_text;
use crate::pipeline::http::net::{Forbidden, Rules};

/// Makes the connections of one trigger. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connector(pub(crate) Arc<Way>);

/// How connections are made.
pub(crate) struct Way {
    pub(crate) rules: Rules,
    /// Whether a connection goes to an address that was checked; else the name is looked up once
    /// more.
    pub(crate) pin_dns: bool,
    /// The limit of lookup, TCP and TLS together.
    pub(crate) timeout: Duration,
    /// For `https`.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{host}: {source}")]
    Forbidden { host: String, source: Forbidden },
    #[error("no connection to {host} in {} ms", .limit.as_millis())]
    TimedOut { host: String, limit: Duration },
    #[error("cannot find the address of {host}: {}", io_text(.error))]
    Lookup { host: String, error: io::Error },
    #[error("cannot connect to {host}: {}", io_text(.error))]
    Tcp { host: String, error: io::Error },
    #[error("TLS with {host}: {}", io_text(.error))]
    Tls { host: String, error: io::Error },
    #[error("{host} is no name that a certificate can have")]
    Name { host: String },
}

/// A stream of bytes, encrypted or not.
pub(crate) trait Bytestream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Bytestream for S {}

impl Connection for Box<dyn Bytestream> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Bytestream>>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let way = self.0.clone();
        Box::pin(async move {
            // Brackets are part of a URL, not of the address.
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            match tokio::time::timeout(way.timeout, way.connect(&uri, &host)).await {
                Ok(connected) => connected.map(TokioIo::new),
                Err(_) => Err(ConnectError::TimedOut { host, limit: way.timeout }),
            }
        })
    }
}

impl Way {
    async fn connect(&self, uri: &Uri, host: &str) -> Result<Box<dyn Bytestream>, ConnectError> {
        let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let tcp = self.reach(host, port).await?;
        let Some(tls) = self.tls.as_ref().filter(|_| is_tls) else { return Ok(Box::new(tcp)) };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| ConnectError::Name { host: host.to_owned() })?;
        match TlsConnector::from(tls.clone()).connect(name, tcp).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(ConnectError::Tls { host: host.to_owned(), error }),
        }
    }

    async fn reach(&self, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
        let unknown = |error| ConnectError::Lookup { host: host.to_owned(), error };
        let found = tokio::net::lookup_host((host, port)).await.map_err(unknown)?;
        let addresses = self.allowed(host, found)?;
        let failed = |error| ConnectError::Tcp { host: format!("{host}:{port}"), error };
        let tcp = match self.pin_dns {
            true => first_of(&addresses, self.timeout).await,
            false => TcpStream::connect((host, port)).await,
        };
        let tcp = tcp.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        Ok(tcp)
    }

    /// The addresses that may be used. Without pinning, all of them have to be allowed, because
    /// nobody knows which one is taken.
    fn allowed(
        &self,
        host: &str,
        found: impl Iterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        let mut allowed = Vec::new();
        let mut refused = None;
        for address in found {
            match self.rules.check(address.ip()) {
                Ok(()) => allowed.push(address),
                Err(forbidden) => refused = refused.or(Some(forbidden)),
            }
        }
        match refused {
            Some(source) if allowed.is_empty() || !self.pin_dns => {
                Err(ConnectError::Forbidden { host: host.to_owned(), source })
            }
            _ => Ok(allowed),
        }
    }
}

/// A connection to the first address that answers; each gets its share of the time, so that one
/// that is silent does not hide the others.
async fn first_of(addresses: &[SocketAddr], timeout: Duration) -> io::Result<TcpStream> {
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match tokio::time::timeout(timeout / count, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests;

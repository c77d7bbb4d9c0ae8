//! What holds for every request: limits on its head and body, no changes on behalf of other web
//! sites, and headers that keep a browser from doing more with an answer than showing it.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use super::refusal::Refusal;

/// Bytes of path, query and headers together; a query holds little more than a name of 255 bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Bytes of a request's body; what is asked for fits into a line.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;

const ANSWER_HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// The routes behind the guard; every other path and method is refused.
pub fn guarded<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .fallback(|| async { Refusal::not_found("no such page; / shows what there is") })
        .method_not_allowed_fallback(|| async { Refusal::method() })
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(middleware::from_fn(guard))
}

/// Lets a request through, or refuses it.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = match check(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in ANSWER_HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn check(request: &Request) -> Result<(), Refusal> {
    let uri = request.uri().path_and_query().map_or(0, |uri| uri.as_str().len());
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    if uri + headers.sum::<usize>() > HEAD_BYTES_MAX {
        let error = format!("path, query and headers have more than {HEAD_BYTES_MAX} bytes");
        return Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, error));
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !reads && from_another_site(request.headers()) {
        let error = "a page of another web site asks for this change";
        return Err(Refusal::new(StatusCode::FORBIDDEN, error));
    }
    Ok(())
}

/// Whether a browser says that the request comes from a page of another site. Programs that are no
/// browsers say nothing.
///
/// `sec-fetch-site` is right even behind a proxy that changes the host; browsers send it only over
/// HTTPS and to this machine, otherwise the origin has to be the host that is asked.
fn from_another_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    !matches!((authority, host), (Some(a), Some(h)) if a.eq_ignore_ascii_case(h))
}

//! `Authorization`: how a trigger shows who it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::config::{HttpConfig, Secrets};
use crate::pipeline::http::SetupError;
use crate::pipeline::http::headers::Common;
use crate::pipeline::http::oauth2::Tokens;

/// Puts a fixed authorization into the headers of every request, or gives the tokens to be asked.
pub(crate) fn prepare(
    config: &HttpConfig,
    secrets: &Secrets,
    common: &mut Common,
) -> Result<Option<Tokens>, SetupError> {
    if !config.auth_oauth2_token_url.is_empty() {
        return Tokens::new(config, &secrets.oauth2_client_secret).map(Some);
    }
    if !secrets.bearer.is_empty() {
        common.authorize(bearer(&secrets.bearer).ok_or(SetupError::Bearer)?);
    } else if !config.auth_basic_username.is_empty() {
        common.authorize(basic(&config.auth_basic_username, &secrets.basic_password));
    }
    Ok(None)
}

/// The basic scheme (RFC 7617); UTF-8.
pub(crate) fn basic(username: &str, password: &str) -> HeaderValue {
    let encoded = STANDARD.encode(format!("{username}:{password}"));
    secret(format!("Basic {encoded}")).expect("base64 is visible ASCII")
}

/// The bearer scheme (RFC 6750); none if the token cannot stand in a header.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    secret(format!("Bearer {token}"))
}

/// Not shown by `Debug`.
fn secret(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

//! Columns that a command line asks for.

use super::arguments::Given;
use super::failure::Failure;
use crate::listing::Listing;

/// The columns that the words name, separated by spaces or commas, or those that are always shown.
pub(super) fn wanted(
    words: &[String],
    given: &Given,
    listing: Listing,
) -> Result<Vec<String>, Failure> {
    let split = |word: &str| -> Vec<String> {
        let parts = word.split([',', ' ']).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let named: Vec<String> = words.iter().flat_map(|word| split(word)).collect();
    let unknown: Vec<&str> =
        named.iter().map(String::as_str).filter(|name| !listing.columns().contains(name)).collect();
    if !unknown.is_empty() {
        let names = unknown.join(",");
        return Err(given.invalid(&format!("Info key(s) {names} are not supported")));
    }
    match named.is_empty() {
        true => Ok(listing.shown().iter().map(|name| (*name).to_owned()).collect()),
        false => Ok(named),
    }
}

//! Addresses, and what needs a server: [`peer`].
//!
//! `cargo xtask with-peers -- cargo nextest run -p delayer` runs all; without a server,
//! `cargo nextest run -p delayer -E 'not test(peer)'` leaves those out.

mod peer;
mod proxy;

use super::address::Address;
use super::{Options, shown};

#[test]
fn addresses_name_a_database_and_a_collection() {
    let read = |text| {
        let address = Address::parse(text).unwrap();
        assert_eq!(shown(text), address.to_string());
        (address.uri, address.database, address.collection)
    };
    let is = |uri: &str, database: &str, collection: &str| {
        (uri.to_owned(), database.to_owned(), collection.to_owned())
    };
    assert_eq!(read("mongodb://h/db"), is("mongodb://h/db?", "db", "messages"));
    assert_eq!(read("mongodb://h/db/"), is("mongodb://h/db?", "db", "messages"));
    assert_eq!(read("mongodb://h:1/db/c"), is("mongodb://h:1/db?", "db", "c"));
    assert_eq!(
        read("mongodb://u:p@h,i:2/db/c?w=0&tls=true"),
        is("mongodb://u:p@h,i:2/db?w=0&tls=true", "db", "c")
    );
    assert_eq!(read("mongodb+srv://h/db/c"), is("mongodb+srv://h/db?", "db", "c"));
    assert_eq!(
        read("mongodb://h1;h2/set/db/c"),
        is("mongodb://h1,h2/db?replicaSet=set", "db", "c"),
        "as MailerQ has it"
    );
    assert_eq!(
        read("mongodb://u:p/a@s:s@h/db"),
        is("mongodb://u:p%2Fa%40s%3As@h/db?", "db", "messages"),
        "a password that is not encoded"
    );
    assert_eq!(read("mongodb://u:p%2Fa@h/db").0, "mongodb://u:p%2Fa@h/db?");
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        "",
        "h/db",
        "http://h/db",
        "mongodb://h",
        "mongodb://h/",
        "mongodb:///db",
        "mongodb://h/a/b/c/d",
    ] {
        assert!(Address::parse(text).unwrap_err().starts_with("expected mongodb://"), "{text}");
    }
}

#[test]
fn no_text_shows_the_password() {
    let text = "mongodb://user:s3c/ret@h/db/c?tlsCertificateKeyFilePassword=other";
    let options = Options { address: text.into(), connect_timeout: std::time::Duration::ZERO };
    let address = Address::parse(text).unwrap();
    assert_eq!(format!("{options:?}"), "Options(mongodb://h/db/c, 0ns)");
    assert_eq!(format!("{address:?}"), "Address(mongodb://h/db/c)");
    let told = address.without_secrets(format!("cannot use {} or s3c/ret", address.uri));
    assert!(!told.contains("s3c"), "{told}");
}

#[test]
fn a_server_that_cannot_be_reached_is_named_without_the_password() {
    // Nobody listens there any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("mongodb://user:s3cret@127.0.0.1:{port}/db/c");
    let connect_timeout = std::time::Duration::from_millis(300);
    let opened = super::MongoStore::open(&Options { address, connect_timeout });
    let error = opened.map(drop).unwrap_err().to_string();
    let named = format!("cannot open the storage mongodb://127.0.0.1:{port}/db/c: ");
    assert!(error.starts_with(&named), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}

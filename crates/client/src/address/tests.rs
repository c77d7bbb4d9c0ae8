//! Addresses as people write them, and what they are told.

use super::*;

#[track_caller]
fn check(text: &str, shown: &str, password: &str, vhost: &str) {
    let address = Address::parse(text).unwrap();
    assert_eq!(address.to_string(), shown);
    assert_eq!(address.password.0, password);
    assert_eq!(address.vhost, vhost);
}

#[test]
fn what_is_left_out_is_the_usual() {
    check("amqp://", "amqp://guest@localhost:5672/", "guest", "/");
    check("amqps://", "amqps://guest@localhost:5671/", "guest", "/");
    check("AMQP://hare", "amqp://guest@hare:5672/", "guest", "/");
    check("amqp://hare:1234", "amqp://guest@hare:1234/", "guest", "/");
    check("amqp://:1234/v", "amqp://guest@localhost:1234/v", "guest", "v");
    check("amqp://hare:", "amqp://guest@hare:5672/", "guest", "/");
    check("amqp:///v", "amqp://guest@localhost:5672/v", "guest", "v");
    check(" amqp://u@hare ", "amqp://u@hare:5672/", "guest", "/");
    check("amqp://u:@hare", "amqp://u@hare:5672/", "", "/");
    check("amqp://:@hare", "amqp://@hare:5672/", "", "/");
    assert_eq!(Address::parse("amqp://guest:guest@localhost:5672/"), Ok(Address::default()));
}

#[test]
fn the_virtual_host_is_what_follows_the_slash() {
    check("amqp://h", "amqp://guest@h:5672/", "guest", "/");
    check("amqp://h/", "amqp://guest@h:5672/", "guest", "/");
    check("amqp://h//", "amqp://guest@h:5672/", "guest", "/");
    check("amqp://h/%2f", "amqp://guest@h:5672/", "guest", "/");
    check("amqp://h/%2Fmail", "amqp://guest@h:5672/%2Fmail", "guest", "/mail");
    check("amqp://h/a/b", "amqp://guest@h:5672/a%2Fb", "guest", "a/b");
    check("amqp://h/p%C3%A5%20x", "amqp://guest@h:5672/p%C3%A5%20x", "guest", "på x");
    check("amqp://h/@", "amqp://guest@h:5672/%40", "guest", "@");
    let long = format!("amqp://h/{}", "v".repeat(256));
    assert_eq!(Address::parse(&long), Err(AddressError::Long { part: "the virtual host" }));
}

#[test]
fn special_characters_are_percent_encoded() {
    check("amqp://a%3Ab:p%40%2F%25%2C@h/", "amqp://a%3Ab@h:5672/", "p@/%,", "/");
    check("amqp://u:p:q@h/", "amqp://u@h:5672/", "p:q", "/");
    check("amqp://u:p@q@h/", "amqp://u@h:5672/", "p@q", "/");
    check("amqp://ho%61st:10000", "amqp://guest@hoast:10000/", "guest", "/");
    for broken in ["amqp://u:%@h", "amqp://u:%4@h", "amqp://u:%zz@h", "amqp://u:%ff@h"] {
        let expected = AddressError::Percent { part: "the password" };
        assert_eq!(Address::parse(broken), Err(expected));
    }
}

#[test]
fn ipv6_stands_in_brackets() {
    check("amqp://[::1]", "amqp://guest@[::1]:5672/", "guest", "/");
    check("amqp://u:p@[2001:db8::2]:99/v", "amqp://u@[2001:db8::2]:99/v", "p", "v");
    assert_eq!(Address::parse("amqp://[::1]").unwrap().host, "::1");
    for broken in ["amqp://[::1", "amqp://[hare]", "amqp://[]"] {
        assert_eq!(Address::parse(broken), Err(AddressError::Brackets));
    }
    assert_eq!(Address::parse("amqp://[::1]x"), Err(AddressError::Port(HINT)));
}

#[test]
fn a_slash_instead_of_an_at_sign_is_answered_with_the_right_form() {
    for text in ["amqp://user:secret/hostname", "amqp://user:secret/hostname/vhost"] {
        let told = Address::parse(text).unwrap_err().to_string();
        assert!(told.contains("did you mean amqp://user:password@hostname/vhost?"), "{told}");
        assert!(!told.contains("secret"), "{told}");
    }
    let told = Address::parse("user:secret/hostname").unwrap_err().to_string();
    assert!(told.contains("amqp://user:password@hostname/vhost") && !told.contains("secret"));
    let told = Address::parse("amqp://user:sec/ret@hostname/vhost").unwrap_err().to_string();
    assert!(told.contains("%2F") && !told.contains("sec/"), "{told}");
    for port in ["0", "65536", "-1", "x"] {
        let text = format!("amqp://h:{port}/");
        assert_eq!(Address::parse(&text), Err(AddressError::Port(HINT)), "{text}");
    }
    assert_eq!(Address::parse("http://h"), Err(AddressError::Scheme));
}

#[test]
fn options_are_read() {
    let text = "amqps://h/v?heartbeat=5&connection_timeout=1500&channel_max=12&verify=verify_none\
                &cacertfile=/etc/ca%20file.pem&certfile=c&keyfile=k&auth_mechanism=EXTERNAL\
                &server_name_indication=broker.example";
    let expected = Address {
        tls: true,
        host: "h".into(),
        port: TLS_PORT,
        vhost: "v".into(),
        heartbeat_s: Some(5),
        connection_timeout: Some(Duration::from_millis(1500)),
        channel_max: Some(12),
        verify: false,
        ca: Some("/etc/ca file.pem".into()),
        cert: Some("c".into()),
        key: Some("k".into()),
        mechanism: Mechanism::External,
        server_name: Some("broker.example".into()),
        ..Address::default()
    };
    assert_eq!(Address::parse(text), Ok(expected));
    assert_eq!(Address::parse("amqp://h?heartbeat=0").unwrap().heartbeat_s, Some(0));
    assert_eq!(Address::parse("amqp://h?").unwrap().host, "h");
}

#[test]
fn options_that_do_not_fit_are_named() {
    #[track_caller]
    fn check(query: &str, expected: &str) {
        let told = Address::parse(&format!("amqp://u:secret@h/?{query}")).unwrap_err().to_string();
        assert!(told.contains(expected) && !told.contains("secret"), "{told}");
    }
    check("heartbeat=x", "heartbeat of the address is not a number");
    check("heartbeat=65536", "heartbeat of the address is not a number");
    check("verify=maybe", "verify of the address is not verify_peer or verify_none");
    check("auth_mechanism=amqplain", "auth_mechanism of the address is not plain or external");
    check("hartbeat=5", "unknown option \"hartbeat\" in the address; known are heartbeat, ");
    check("cacertfile=%", "an option holds a %");
}

#[test]
fn a_list_is_separated_by_commas() {
    let list = Address::parse_list("amqp://a, amqps://u:p%2Cq@b:1/v").unwrap();
    let shown: Vec<_> = list.iter().map(Address::to_string).collect();
    assert_eq!(shown, ["amqp://guest@a:5672/", "amqps://u@b:1/v"]);
    assert_eq!(list[1].password.0, "p,q");
    assert_eq!(Address::parse_list(""), Err(AddressError::Empty));
    assert_eq!(Address::parse_list("amqp://a,,amqp://b"), Err(AddressError::Empty));
    let comma = Address::parse_list("amqp://u:p,q@h/");
    // The first half alone is not an address either; what matters is that nothing is shown.
    assert!(matches!(comma, Err(AddressError::Port(_))), "{comma:?}");
    let comma = Address::parse_list("amqp://a,b").unwrap_err().to_string();
    assert!(comma.contains("%2C"), "{comma}");
}

#[test]
fn the_password_is_never_shown() {
    let address = Address::parse("amqp://u:secret@h/").unwrap();
    let shown = format!("{address} {address:?} {} {:?}", address.password, address.password);
    assert!(!shown.contains("secret"), "{shown}");
}

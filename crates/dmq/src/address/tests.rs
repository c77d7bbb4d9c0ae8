//! Ways to write a node, and how it is written again.

use super::*;

#[test]
fn a_node_is_written_in_one_way() {
    let cases = [
        ("sip:10.0.0.1:5060", Ok("sip:10.0.0.1:5060")),
        ("sip:10.0.0.1", Ok("sip:10.0.0.1:5060")),
        ("sips:host:5061", Ok("sip:host:5061")),
        ("SIP:Host.Example:5080", Ok("sip:host.example:5080")),
        ("sip:user@10.0.0.1:5060;inc=7", Ok("sip:10.0.0.1:5060")),
        ("sip:a;b?c@10.0.0.1", Ok("sip:10.0.0.1:5060")),
        ("sip:a@b@10.0.0.1", Err(UriError::Host)),
        ("sip:10.0.0.1;transport=tcp", Ok("sip:10.0.0.1:5060;transport=tcp")),
        ("sip:10.0.0.1;transport=TLS", Ok("sip:10.0.0.1:5061;transport=tls")),
        ("sip:10.0.0.1:5070;transport=udp?x=y", Ok("sip:10.0.0.1:5070")),
        ("sip:[::1]:5060", Ok("sip:[::1]:5060")),
        ("sip:[2001:DB8::1]", Ok("sip:[2001:db8::1]:5060")),
        ("", Err(UriError::Scheme)),
        ("http://10.0.0.1", Err(UriError::Scheme)),
        ("s\u{e9}p:10.0.0.1", Err(UriError::Scheme)),
        ("sip:", Err(UriError::Host)),
        ("sip:user@", Err(UriError::Host)),
        ("sip:<10.0.0.1>:5060", Err(UriError::Host)),
        ("sip:[10.0.0.1]:5060", Err(UriError::Host)),
        ("sip:[::1", Err(UriError::Host)),
        ("sip:a b:5060", Err(UriError::Host)),
        ("sip:10.0.0.1:0", Err(UriError::Port)),
        ("sip:10.0.0.1:65536", Err(UriError::Port)),
        ("sip:10.0.0.1:", Err(UriError::Port)),
        ("sip:[::1]5060", Err(UriError::Port)),
        ("sip:10.0.0.1;transport=sctp", Err(UriError::Transport)),
    ];
    for (text, written) in cases {
        let parsed = text.parse::<NodeUri>().map(|uri| uri.to_string());
        assert_eq!(parsed, written.map(str::to_owned), "{text}");
        if let Ok(text) = parsed {
            assert_eq!(text.parse::<NodeUri>().map(|uri| uri.to_string()), Ok(text));
        }
    }
}

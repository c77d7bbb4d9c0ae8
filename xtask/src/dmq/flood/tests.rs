//! The requests of the flood, and which answers count.

use super::*;

#[test]
fn an_answer_is_known_by_its_branch() {
    let [to, from] = ["127.0.0.1:5060", "127.0.0.1:5070"].map(|text| text.parse().unwrap());
    let packet = String::from_utf8(request(17, "bench", to, from, "{}")).unwrap();
    let ok = packet.replacen("KDMQ sip:bench@127.0.0.1:5060 SIP/2.0", "SIP/2.0 200 OK", 1);
    assert_eq!(answered(ok.as_bytes()).unwrap(), 17);
    assert!(answered(packet.as_bytes()).is_err());
    assert!(answered(ok.replacen("200 OK", "404 User Not Found", 1).as_bytes()).is_err());
}

//! The messages of the measurements, as the endpoint sees them.

use super::*;

#[test]
fn bodies_are_json_of_one_size() {
    for number in [0, 17, 4_000_000_000] {
        let body = body(number);
        assert_eq!(body.len(), BODY_BYTES);
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["number"], number);
        assert_eq!(sink::number(&body), Some(number as usize));
    }
}

//! The fields that methods and properties are made of.

use super::*;

#[test]
fn bits_share_octets_until_another_field_comes() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    let bits = [true, false, true, false, false, false, false, true, true];
    bits.iter().for_each(|bit| bit.write(&mut writer));
    7u8.write(&mut writer);
    true.write(&mut writer);
    "".write(&mut writer);
    true.write(&mut writer);
    assert_eq!(out, [0b1000_0101, 1, 7, 1, 0, 1]);

    let mut reader = Reader::new(&out);
    for bit in bits {
        assert_eq!(bool::read(&mut reader), Ok(bit));
    }
    assert_eq!(u8::read(&mut reader), Ok(7));
    assert_eq!(bool::read(&mut reader), Ok(true));
    assert_eq!(<&str>::read(&mut reader), Ok(""));
    assert_eq!(bool::read(&mut reader), Ok(true));
    assert_eq!(bool::read(&mut reader).and(bool::read(&mut reader)), Ok(false));
    assert_eq!(reader.finish(), Ok(()));
}

#[test]
fn a_reader_stops_at_the_end() {
    let check = |bytes: &[u8], read: fn(&mut Reader<'_>) -> Result<(), DecodeError>| {
        let mut reader = Reader::new(bytes);
        assert_eq!(read(&mut reader), Err(DecodeError::Truncated));
    };
    check(&[], |r| r.u8().map(drop));
    check(&[1], |r| r.u16().map(drop));
    check(&[1; 3], |r| r.u32().map(drop));
    check(&[1; 7], |r| r.u64().map(drop));
    check(&[], |r| bool::read(r).map(drop));
    check(&[2, b'a'], |r| r.short_bytes().map(drop));
    check(&[0, 0, 0], |r| r.long_bytes().map(drop));
    check(&[0, 0, 0, 1], |r| r.long_bytes().map(drop));
    check(&[255, 255, 255, 255, 1], |r| r.long_bytes().map(drop));
}

#[test]
fn short_strings_are_cut_between_characters() {
    let mut out = Vec::new();
    let text = format!("a{}", "é".repeat(200));
    text.as_str().write(&mut Writer::new(&mut out));
    assert_eq!(usize::from(out[0]), out.len() - 1);
    assert_eq!(out.len(), 1 + 255);
    let mut reader = Reader::new(&out);
    assert_eq!(<&str>::read(&mut reader), Ok(&text[..255]));

    let mut out = Vec::new();
    (&text[1..]).write(&mut Writer::new(&mut out));
    assert_eq!(out.len(), 1 + 254);
}

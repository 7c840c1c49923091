//! Nothing that the other end sends panics, exhausts the stack, or takes memory out of proportion.

use bytes::Bytes;
use oast_actors::{ChannelMessage, EvalId, Value};
use oast_config::ByteSize;
use proptest::{collection::vec, prelude::*};
use serde::Deserialize;

use super::{
    Decoder, FromLauncher, FromWorker, Message, Outgoing, ToLauncher, ToWorker, WireError, decode_arguments,
    encode_arguments,
    round_trip_tests::{decode_all, take},
};

const LIMIT: ByteSize = ByteSize::mib(16);
const CHANNEL: u8 = 36;

/// The first error, or `None` when all bytes are good or more are needed.
fn error_of<M: Message>(bytes: &[u8]) -> Option<WireError> {
    let mut decoder = Decoder::<M>::new(LIMIT);
    for chunk in bytes.chunks(4096) {
        decoder.space().extend_from_slice(chunk);
        loop {
            match decoder.next() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => return Some(error),
            }
        }
    }
    None
}

fn frame(kind: u8, id: u64, body: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&(16 + body.len() as u32 + payload.len() as u32).to_le_bytes());
    frame.extend_from_slice(&[1, kind, 0, 0]);
    frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
    frame.extend_from_slice(&id.to_le_bytes());
    frame.extend_from_slice(body);
    frame.extend_from_slice(payload);
    frame
}

/// A channel value's body: the empty name, `Put`, and then this.
fn put(value: &[u8]) -> Vec<u8> {
    [&[0; 8], &1u32.to_le_bytes()[..], value].concat()
}

fn malformed(value: &[u8], payload: &[u8]) -> String {
    match error_of::<FromWorker>(&frame(CHANNEL, 0, &put(value), payload)) {
        Some(WireError::Malformed { kind: CHANNEL, cause }) => format!("{cause:?}"),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn random_bytes_are_never_more_than_an_error(bytes in vec(any::<u8>(), 0..300)) {
        error_of::<ToWorker>(&bytes);
        error_of::<FromWorker>(&bytes);
        error_of::<FromLauncher>(&bytes);
        error_of::<ToLauncher>(&bytes);
    }

    #[test]
    fn random_bodies_are_never_more_than_an_error(kind in 0..60u8, id in 0..2u64, body in vec(0..12u8, 0..300), payload in vec(any::<u8>(), 0..9)) {
        let frame = frame(kind, id, &body, &payload);
        error_of::<ToWorker>(&frame);
        error_of::<FromWorker>(&frame);
        error_of::<FromLauncher>(&frame);
        error_of::<ToLauncher>(&frame);
    }

    #[test]
    fn random_results_are_never_more_than_an_error(bytes in vec(0..9u8, 0..300)) {
        let encoded = super::Encoded { bytes: bytes.into(), attachments: Vec::new() };
        let _ = decode_arguments::<(Vec<String>, Option<Tree>)>(encoded);
    }

    #[test]
    fn a_changed_byte_is_never_more_than_an_error(at in 0..1000usize, byte in any::<u8>()) {
        let values = vec![Value::Text("ab".into()), Value::Bytes(Bytes::from(vec![1; 600])), Value::Int(1)];
        let mut outgoing = Outgoing::new(LIMIT);
        outgoing.channel_from_worker("name", &ChannelMessage::Put(Value::List(values))).unwrap();
        let mut bytes = take(&mut outgoing);
        let place = at % bytes.len();
        bytes[place] = byte;
        error_of::<FromWorker>(&bytes);
    }
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only its shape matters: a type that nests in itself")]
struct Tree(Vec<Tree>);

#[test]
fn a_frame_over_the_limit_is_refused_at_its_length_and_takes_no_memory() {
    let mut decoder = Decoder::<FromWorker>::new(LIMIT);
    decoder.space().extend_from_slice(&u32::MAX.to_le_bytes());
    let error = decoder.next().unwrap_err();
    assert!(matches!(error, WireError::TooLong { length: u32::MAX, limit } if limit == 16 << 20), "{error}");
}

#[test]
fn each_field_of_the_prefix_is_checked() {
    let good = frame(37, 0, &[], &[]);
    assert!(error_of::<FromWorker>(&good).is_none());
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        error_of::<FromWorker>(&bytes)
    };
    assert!(matches!(with(0, 15), Some(WireError::TooShort { length: 15 })));
    assert!(matches!(with(4, 2), Some(WireError::Version(2))));
    assert!(matches!(with(5, 1), Some(WireError::Kind(1))));
    assert!(matches!(with(5, 250), Some(WireError::Kind(250))));
    assert!(matches!(with(7, 1), Some(WireError::Reserved(256))));
    assert!(matches!(with(8, 1), Some(WireError::Body { body: 1, length: 16 })));
    assert!(matches!(with(12, 1), Some(WireError::Id { kind: 37, id: 1 })));
    assert!(matches!(error_of::<FromWorker>(&frame(33, 0, &[], &[])), Some(WireError::Id { kind: 33, id: 0 })));
}

#[test]
fn garbage_is_noticed_before_a_whole_prefix_has_come() {
    assert!(matches!(error_of::<FromWorker>(b"hello\n"), Some(WireError::TooLong { .. })));
    assert!(matches!(error_of::<FromWorker>(&[16, 0, 0, 0, 9]), Some(WireError::Version(9))));
}

#[test]
fn a_part_of_a_frame_is_no_message() {
    let whole = frame(CHANNEL, 0, &put(&[0; 4]), &[]);
    for length in 1..whole.len() {
        let mut decoder = Decoder::<FromWorker>::new(LIMIT);
        decoder.space().extend_from_slice(&whole[..length]);
        assert!(decoder.next().unwrap().is_none());
    }
    assert_eq!(decode_all(&mut Decoder::<FromWorker>::new(LIMIT), &whole).len(), 1);
}

#[test]
fn lists_that_nest_a_hundred_thousand_deep_are_refused() {
    let level = [&7u32.to_le_bytes()[..], &1u64.to_le_bytes()].concat();
    assert!(malformed(&level.repeat(80_000), &[]).contains("too deeply"));
}

#[test]
fn lengths_beyond_the_frame_are_refused() {
    for (kind, count) in [(7u32, u64::MAX), (7, 1 << 40), (8, 1 << 62), (7, 1000)] {
        let list = [&kind.to_le_bytes()[..], &count.to_le_bytes()].concat();
        assert!(malformed(&list, &[]).contains("longer than its frame"));
    }
    for length in [u64::MAX, 1 << 40, 3] {
        let text = [&5u32.to_le_bytes()[..], &length.to_le_bytes()].concat();
        assert!(malformed(&text, &[]).contains("UnexpectedEnd"));
        let bytes = [&6u32.to_le_bytes()[..], &1u32.to_le_bytes(), &length.to_le_bytes()].concat();
        assert!(malformed(&bytes, &[]).contains("beyond the end"));
    }
}

#[test]
fn nested_lists_cannot_each_claim_the_whole_frame() {
    // 100 lists, each within the one before, each of as many elements as the body could hold.
    let level = [&7u32.to_le_bytes()[..], &2000u64.to_le_bytes()].concat();
    let mut value = level.repeat(100);
    value.resize(10_000, 0);
    assert!(malformed(&value, &[]).contains("longer than its frame"));
}

#[test]
fn bytes_that_nobody_names_are_refused() {
    assert!(malformed(&[0; 5], &[]).contains("after the end"));
    assert!(malformed(&[0; 4], &[1]).contains("does not name"));
}

#[test]
fn values_that_cannot_be_are_refused() {
    let big_int = [&3u32.to_le_bytes()[..], &2u64.to_le_bytes(), b"1x"].concat();
    assert!(malformed(&big_int, &[]).contains("decimal digits"));
    let array = [&9u32.to_le_bytes()[..], &10u32.to_le_bytes(), &[0; 4], &3u64.to_le_bytes(), b"abc"].concat();
    assert!(malformed(&array, &[]).contains("within an element"));
    assert!(malformed(&12u32.to_le_bytes(), &[]).contains("not known"));
    let text = [&5u32.to_le_bytes()[..], &1u64.to_le_bytes(), b"\xFF"].concat();
    assert!(malformed(&text, &[]).contains("Utf8"));
}

#[test]
fn results_are_bounded_as_messages_are() {
    let decode = |bytes: Vec<u8>| super::Encoded { bytes: bytes.into(), attachments: Vec::new() };
    decode_arguments::<Vec<()>>(decode(u64::MAX.to_le_bytes().to_vec())).unwrap_err();
    decode_arguments::<String>(decode(u64::MAX.to_le_bytes().to_vec())).unwrap_err();
    decode_arguments::<Tree>(decode(1u64.to_le_bytes().repeat(100_000))).unwrap_err();
    decode_arguments::<super::Blob>(decode(vec![0; 4])).unwrap_err();
    let many = encode_arguments(&vec![(); 1000]).unwrap();
    assert_eq!(decode_arguments::<Vec<()>>(many).unwrap().len(), 1000);
}

#[test]
fn a_large_frame_that_never_comes_holds_no_more_than_its_bytes() {
    let mut decoder = Decoder::<FromWorker>::new(ByteSize::mib(1 << 10));
    let mut begun = frame(34, 1, &[], &[]);
    begun[0..4].copy_from_slice(&(1u32 << 30).to_le_bytes());
    decoder.space().extend_from_slice(&begun);
    assert!(decoder.next().unwrap().is_none());
    assert!(decoder.space().is_empty() && decoder.space().capacity() >= (1 << 30) - 16);
    assert!(decoder.reclaim(EvalId(1)).is_none());
}

//! What is encoded decodes to the same, however the bytes are cut, and bulk bytes are not copied.

use std::{io::IoSlice, time::Duration};

use bytes::Bytes;
use oast_actors::{
    Array, BigInt, Call, ChannelMessage, Code, Element, EvalId, Handle, Job, Raised, Reply, ReplyResult, Request,
    TooLarge, Usage, Value,
};
use oast_config::ByteSize;
use proptest::{collection::vec, option, prelude::*};

use super::{
    Blob, Decoder, EncodeError, FromWorker, MAX_DEPTH, Message, Outgoing, Replied, ToWorker, decode_arguments,
    encode_arguments,
};

const LIMIT: ByteSize = ByteSize::mib(64);

/// Everything that waits, as a socket would get it through `writev`, a few bytes at a time.
pub(super) fn take(outgoing: &mut Outgoing) -> Vec<u8> {
    let mut taken = Vec::new();
    while !outgoing.is_empty() {
        let mut slices = [IoSlice::new(&[]); 3];
        let count = outgoing.slices(&mut slices);
        let waiting: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
        assert!(!waiting.is_empty() && waiting.len() <= outgoing.len());
        let step = waiting.len().min(100_003);
        taken.extend_from_slice(&waiting[..step]);
        outgoing.advance(step);
    }
    assert_eq!(outgoing.len(), 0);
    taken
}

/// Feeds `bytes` as a socket would give them, as many at a time as there is room for.
pub(super) fn decode_all<M: Message>(decoder: &mut Decoder<M>, bytes: &[u8]) -> Vec<M> {
    decode_in_steps(decoder, bytes, usize::MAX)
}

fn decode_in_steps<M: Message>(decoder: &mut Decoder<M>, mut bytes: &[u8], most: usize) -> Vec<M> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let space = decoder.space();
        let step = bytes.len().min(space.capacity() - space.len()).min(most);
        assert!(step > 0, "there is always some space");
        space.extend_from_slice(&bytes[..step]);
        bytes = &bytes[step..];
        while let Some(message) = decoder.next().unwrap() {
            messages.push(message);
        }
    }
    messages
}

fn bytes() -> impl Strategy<Value = Bytes> {
    let length = prop_oneof![4 => 0..40usize, 1 => 500..600usize, 1 => 16_000..80_000usize];
    (length, any::<u8>()).prop_map(|(length, byte)| Bytes::from(vec![byte; length]))
}

fn element() -> impl Strategy<Value = Element> {
    prop::sample::select(vec![Element::U8Clamped, Element::I16, Element::U32, Element::F64])
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::INFINITE;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<i128>().prop_map(|number| Value::BigInt(BigInt::parse(&number.to_string()).unwrap())),
        number.prop_map(Value::Float),
        ".{0,20}".prop_map(Value::Text),
        bytes().prop_map(Value::Bytes),
        (element(), bytes()).prop_map(|(element, data)| {
            let whole = data.len() - data.len() % element.width();
            Value::Array(Array::new(element, data.slice(..whole)).unwrap())
        }),
        number.prop_map(Value::Date),
        (any::<u64>(), ".{0,9}", ".{0,9}").prop_map(|(id, kind, text)| Value::Handle(Handle { id, kind, text })),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::List),
            vec((inner.clone(), inner), 0..6).prop_map(Value::Map),
        ]
    })
}

fn request() -> impl Strategy<Value = Request> {
    let code = (".{0,80}", ".{0,9}", any::<bool>(), vec(".{0,9}", 0..3))
        .prop_map(|(source, name, module, arguments)| Job::Code(Code { source, name, module, arguments }));
    let call = (any::<u64>(), bytes(), vec(bytes(), 0..3))
        .prop_map(|(function, arguments, attachments)| Job::Call(Call { function, arguments, attachments }));
    (prop_oneof![code, call], any::<bool>()).prop_map(|(job, fetch)| Request { job, fetch })
}

fn reply() -> impl Strategy<Value = Replied> {
    let raised =
        (".{0,9}", ".{0,9}", ".{0,9}").prop_map(|(kind, message, traceback)| Raised { kind, message, traceback });
    let result = prop_oneof![
        4 => value().prop_map(ReplyResult::Value),
        1 => raised.prop_map(ReplyResult::Raised),
        1 => Just(ReplyResult::Interrupted),
        1 => Just(ReplyResult::Withdrawn),
    ];
    let usage = (any::<u32>(), option::of(any::<u64>())).prop_map(|(wall, memory)| Usage {
        wall: Duration::from_nanos(wall.into()),
        cpu: Duration::from_secs(wall.into()),
        memory: memory.map(ByteSize),
    });
    (result, option::of(".{0,9}"), usage, any::<(u64, u64)>()).prop_map(|(result, text, usage, ends)| Replied {
        reply: Reply { result, text, usage },
        stdout_end: ends.0,
        stderr_end: ends.1,
    })
}

fn encode_all<M: Message>(messages: &[M]) -> Vec<u8> {
    let mut outgoing = Outgoing::new(LIMIT);
    for message in messages {
        message.encode(&mut outgoing).unwrap();
    }
    take(&mut outgoing)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn requests_arrive_as_they_were_sent(requests in vec(request(), 1..5), most in 1..100_000usize) {
        let messages: Vec<_> = (1..).map(EvalId).zip(requests).map(|(id, request)| ToWorker::Evaluate(id, request)).collect();
        prop_assert_eq!(decode_in_steps(&mut Decoder::<ToWorker>::new(LIMIT), &encode_all(&messages), most), messages);
    }

    #[test]
    fn replies_and_channel_values_arrive_as_they_were_sent(reply in reply(), value in value(), most in 1..100_000usize) {
        let put = FromWorker::Channel("c".into(), ChannelMessage::Put(value));
        let messages = [put.clone(), FromWorker::Replied(EvalId(1), reply), put];
        prop_assert_eq!(decode_in_steps(&mut Decoder::<FromWorker>::new(LIMIT), &encode_all(&messages), most), messages);
    }

    #[test]
    fn arguments_decode_to_what_was_encoded(number in any::<i128>(), texts in vec(".{0,9}", 0..5), blob in vec(any::<u8>(), 0..99)) {
        let arguments = (number, texts, Some(Blob::from(blob)), 'x', ((), [1.5f32]));
        let encoded = encode_arguments(&arguments).unwrap();
        prop_assert_eq!(encoded.attachments.len(), 1);
        prop_assert_eq!(decode_arguments::<(i128, Vec<String>, Option<Blob>, char, ((), [f32; 1]))>(encoded).unwrap(), arguments);
    }
}

#[test]
fn large_bytes_are_not_copied_on_their_way_out() {
    let data = Bytes::from(vec![1; 1 << 20]);
    let mut outgoing = Outgoing::new(LIMIT);
    let put = ChannelMessage::Put(Value::Bytes(data.clone()));
    outgoing.channel_to_worker("c", &put).unwrap();
    let mut slices = [IoSlice::new(&[]); 4];
    let count = outgoing.slices(&mut slices);
    assert!(slices[..count].iter().any(|slice| slice.as_ptr() == data.as_ptr()));
}

#[test]
fn large_bytes_are_received_into_the_memory_that_was_lent() {
    let value = Value::Bytes(Bytes::from(vec![7; 1 << 20]));
    let reply = Reply { result: ReplyResult::Value(value), text: None, usage: Usage::default() };
    let reply = FromWorker::Replied(EvalId(3), Replied { reply, stdout_end: 0, stderr_end: 0 });
    let sent = [reply, FromWorker::ResetDone];
    let buffer = Vec::<u8>::with_capacity(2 << 20);
    let range = buffer.as_ptr_range().start..buffer.as_ptr().wrapping_add(2 << 20);
    let mut decoder = Decoder::new(LIMIT);
    decoder.lend(EvalId(3), buffer);
    let received = decode_all(&mut decoder, &encode_all(&sent));
    assert_eq!(received, sent);
    let [FromWorker::Replied(_, replied), _] = &received[..] else { panic!("not a reply") };
    let ReplyResult::Value(Value::Bytes(bytes)) = &replied.reply.result else { panic!("not bytes") };
    assert!(range.contains(&bytes.as_ptr()));
    assert!(decoder.reclaim(EvalId(3)).is_none());
}

#[test]
fn a_message_over_the_limit_is_refused_and_leaves_nothing_behind() {
    let mut outgoing = Outgoing::new(ByteSize::kib(1));
    let large = ChannelMessage::Put(Value::List(vec![
        Value::Text("x".repeat(5000)),
        Value::Bytes(Bytes::from(vec![0; 1 << 20])),
    ]));
    let refused = outgoing.channel_to_worker("c", &large).unwrap_err();
    let EncodeError::TooLarge(TooLarge { size, limit: 1024 }) = refused else { panic!("{refused}") };
    assert!(size > (1 << 20) + 5000 && size < (1 << 20) + 5200);
    assert!(outgoing.is_empty());
    outgoing.channel_to_worker("c", &ChannelMessage::Close).unwrap();
    let closed = ToWorker::Channel("c".into(), ChannelMessage::Close);
    assert_eq!(decode_all::<ToWorker>(&mut Decoder::new(LIMIT), &take(&mut outgoing)), [closed]);
}

#[test]
fn a_value_at_the_greatest_depth_travels_and_a_deeper_one_is_refused() {
    let nested = |depth| (1..depth).fold(Value::Null, |value, _| Value::List(vec![value]));
    let put = |depth| ToWorker::Channel("c".into(), ChannelMessage::Put(nested(depth)));
    let deepest = [put(MAX_DEPTH)];
    assert_eq!(decode_all::<ToWorker>(&mut Decoder::new(LIMIT), &encode_all(&deepest)), deepest);
    let refused = put(MAX_DEPTH + 1).encode(&mut Outgoing::new(LIMIT));
    assert!(matches!(refused, Err(EncodeError::TooDeep)));
}

use super::*;

#[test]
fn values_go_out_in_order_and_wait_when_it_is_full() {
    let mut js = Fixture::new();
    let (producer, reply) =
        js.start("const out = oast.channel('out'); for (let i = 0; i < 5; i++) await out.put({ i }); 'sent'");
    assert!(reply.is_none());
    let mut got = Vec::new();
    let mut ended = Vec::new();
    while got.len() < 5 {
        got.extend(js.host.outgoing.borrow_mut().get_mut("out").unwrap().pop_front());
        js.runtime.resume(&mut ended);
    }
    let expected: Vec<_> = (0..5).map(|i| Value::Map(vec![(text("i"), Value::Int(i))])).collect();
    assert_eq!(got, expected);
    assert!(ended.iter().any(|(id, reply)| *id == producer && matches!(&reply.result, Ok(it) if *it == text("sent"))));
}

#[test]
fn values_come_in_first_come_first_served() {
    let mut js = Fixture::new();
    let (first, _) = js.start("oast.channel('in').take()");
    let (second, _) = js.start("oast.channel('in').take()");
    assert_eq!(js.value("oast.channel('in').tryTake()"), Value::Null);
    js.host.incoming.borrow_mut().entry("in".to_owned()).or_default().extend([
        Value::Int(1),
        Value::Int(2),
        Value::Int(3),
    ]);
    let ended = js.resume();
    let of = |id| ended.iter().find(|(ended, _)| *ended == id).map(|(_, reply)| &reply.result);
    assert!(matches!(of(first), Some(Ok(Value::Int(1)))));
    assert!(matches!(of(second), Some(Ok(Value::Int(2)))));
    assert_eq!(js.value("oast.channel('in').tryTake()"), Value::Int(3));
}

#[test]
fn every_kind_of_value_comes_in() {
    let mut js = Fixture::new();
    let values = vec![
        Value::Null,
        Value::Float(-0.5),
        Value::Int(i64::MAX),
        text("é"),
        Value::Bytes(vec![1, 2].into()),
        Value::List(vec![Value::Bool(true)]),
        Value::Map(vec![(text("__proto__"), Value::Int(1))]),
        Value::Map(vec![(Value::Int(1), Value::Int(2))]),
        Value::Array(Array::new(Element::F64, 1.5_f64.to_le_bytes().to_vec().into()).unwrap()),
        Value::BigInt(BigInt::parse("-123456789012345678901234567890").unwrap()),
        Value::Date(5.0),
    ];
    js.host.incoming.borrow_mut().entry("in".to_owned()).or_default().push_back(Value::List(values.clone()));
    let mut expected = values;
    expected[2] = Value::BigInt(BigInt::parse("9223372036854775807").unwrap());
    assert_eq!(js.value("oast.channel('in').take()"), Value::List(expected));
}

#[test]
fn a_closed_channel_says_so() {
    let mut js = Fixture::new();
    let (waits, _) = js.start("oast.channel('c').take()");
    assert_eq!(js.value("oast.channel('c').isOpen"), Value::Bool(true));
    assert_eq!(js.value("oast.channel('c').close(); oast.channel('c').isOpen"), Value::Bool(false));
    let reply = js.resume().into_iter().find(|(id, _)| *id == waits).unwrap().1;
    assert!(matches!(&reply.result, Err(Failure::Raised(raised)) if raised.kind == "ChannelClosed"), "{reply:?}");
    assert_eq!(js.raised("oast.channel('c').put(1)").kind, "ChannelClosed");
}

#[test]
fn a_loop_over_a_channel_ends_with_it() {
    let mut js = Fixture::new();
    js.host.incoming.borrow_mut().entry("in".to_owned()).or_default().extend([Value::Int(1), Value::Int(2)]);
    let (sum, _) = js.start("let sum = 0; for await (const x of oast.channel('in')) sum += x; sum");
    js.host.close("in");
    assert!(matches!(
        js.resume().into_iter().find(|(id, _)| *id == sum),
        Some((_, Reply { result: Ok(Value::Int(3)), .. }))
    ));
}

#[test]
fn an_interrupted_taker_takes_nothing() {
    let mut js = Fixture::new();
    let (taker, _) = js.start("await oast.channel('in').take()");
    assert!(is_interrupted(&js.runtime.interrupt(taker).unwrap()));
    js.host.incoming.borrow_mut().entry("in".to_owned()).or_default().push_back(Value::Int(1));
    js.resume();
    assert_eq!(js.value("oast.channel('in').tryTake()"), Value::Int(1));
}

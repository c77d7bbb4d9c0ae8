//! What declares and consumes say: everything false and empty unless the test says otherwise.

use amqp::value::{Table, Value};

/// A field table.
pub(crate) fn table<const N: usize>(fields: [(&str, Value); N]) -> Table {
    let mut table = Table::new();
    for (key, value) in fields {
        table.insert(key, value);
    }
    table
}

/// One header of each type that both brokers take.
pub(crate) fn every_type() -> Table {
    let inner = table([("deep", Value::I8(-1)), ("void", Value::Void)]);
    table([
        ("t", Value::Bool(true)),
        ("b", Value::I8(-8)),
        ("B", Value::U8(200)),
        ("s", Value::I16(-1600)),
        ("u", Value::U16(60_000)),
        ("I", Value::I32(-320_000)),
        ("i", Value::U32(4_000_000_000)),
        ("l", Value::I64(i64::MIN)),
        ("f", Value::F32(1.5)),
        ("d", Value::F64(-2.25)),
        ("D", Value::Decimal { scale: 2, value: 12_345 }),
        ("S", Value::from("longer than a short string ".repeat(20).as_str())),
        ("A", Value::Array(vec![Value::I32(1), Value::from("two"), inner.clone().into()])),
        ("T", Value::Timestamp(1_700_000_000)),
        ("F", inner.into()),
        ("V", Value::Void),
        ("x", Value::Bytes(vec![0, 255, 1, 254])),
    ])
}

/// A table's bytes, without their length.
pub(crate) fn encoded(table: &Table) -> Vec<u8> {
    let mut bytes = Vec::new();
    table.encode(&mut bytes);
    bytes.split_off(4)
}

/// `queue.declare`.
#[derive(Clone, Default)]
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) passive: bool,
    pub(crate) durable: bool,
    pub(crate) exclusive: bool,
    pub(crate) auto_delete: bool,
    pub(crate) arguments: Table,
}

/// A transient queue that anyone may use.
pub(crate) fn queue(name: &str) -> Queue {
    Queue { name: name.to_owned(), ..Queue::default() }
}

impl Queue {
    pub(crate) fn passive(self) -> Queue {
        Queue { passive: true, ..self }
    }

    pub(crate) fn durable(self) -> Queue {
        Queue { durable: true, ..self }
    }

    pub(crate) fn exclusive(self) -> Queue {
        Queue { exclusive: true, ..self }
    }

    pub(crate) fn auto_delete(self) -> Queue {
        Queue { auto_delete: true, ..self }
    }

    pub(crate) fn arg(mut self, key: &str, value: impl Into<Value>) -> Queue {
        self.arguments.insert(key, value.into());
        self
    }
}

/// `exchange.declare`.
#[derive(Clone, Default)]
pub(crate) struct Exchange {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) passive: bool,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) internal: bool,
    pub(crate) arguments: Table,
}

/// A transient exchange.
pub(crate) fn exchange(name: &str, kind: &str) -> Exchange {
    Exchange { name: name.to_owned(), kind: kind.to_owned(), ..Exchange::default() }
}

impl Exchange {
    pub(crate) fn passive(self) -> Exchange {
        Exchange { passive: true, ..self }
    }

    pub(crate) fn durable(self) -> Exchange {
        Exchange { durable: true, ..self }
    }

    pub(crate) fn auto_delete(self) -> Exchange {
        Exchange { auto_delete: true, ..self }
    }

    pub(crate) fn internal(self) -> Exchange {
        Exchange { internal: true, ..self }
    }

    pub(crate) fn arg(mut self, key: &str, value: impl Into<Value>) -> Exchange {
        self.arguments.insert(key, value.into());
        self
    }
}

/// `basic.consume`.
#[derive(Clone, Default)]
pub(crate) struct Consume {
    pub(crate) queue: String,
    pub(crate) tag: String,
    pub(crate) no_ack: bool,
    pub(crate) exclusive: bool,
    pub(crate) arguments: Table,
}

/// A consumer with a tag of the broker's choice that acknowledges.
pub(crate) fn consume(queue: &str) -> Consume {
    Consume { queue: queue.to_owned(), ..Consume::default() }
}

impl Consume {
    pub(crate) fn tag(self, tag: &str) -> Consume {
        Consume { tag: tag.to_owned(), ..self }
    }

    pub(crate) fn no_ack(self) -> Consume {
        Consume { no_ack: true, ..self }
    }

    pub(crate) fn exclusive(self) -> Consume {
        Consume { exclusive: true, ..self }
    }

    pub(crate) fn arg(mut self, key: &str, value: impl Into<Value>) -> Consume {
        self.arguments.insert(key, value.into());
        self
    }
}

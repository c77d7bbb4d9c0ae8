//! Translates our values into those of the `amq-protocol` crate, field by field and by hand, so
//! that a field in the wrong place shows.

mod basic;
mod connection;
mod exchange;
mod queue;

use amq_protocol::protocol::basic::AMQPProperties;
use amq_protocol::protocol::{AMQPClass, access, confirm, tx};
use amq_protocol::types::{
    AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable, ShortString,
};
use amqp::content::PropertiesBuf;
use amqp::method::Method;
use amqp::value::{RawTable, Table, Value};

/// The same method.
pub(crate) fn class(method: &Method<'_>) -> AMQPClass {
    match method.id().0 {
        10 => AMQPClass::Connection(connection::connection(method)),
        20 => AMQPClass::Channel(connection::channel(method)),
        30 => AMQPClass::Access(access(method)),
        40 => AMQPClass::Exchange(exchange::method(method)),
        50 => AMQPClass::Queue(queue::method(method)),
        60 => AMQPClass::Basic(basic::method(method)),
        85 => AMQPClass::Confirm(confirm(method)),
        90 => AMQPClass::Tx(tx(method)),
        other => panic!("no such class: {other}"),
    }
}

fn access(method: &Method<'_>) -> access::AMQPMethod {
    use access::AMQPMethod;
    match *method {
        Method::AccessRequest(m) => AMQPMethod::Request(access::Request {
            realm: m.realm.into(),
            exclusive: m.exclusive,
            passive: m.passive,
            active: m.active,
            write: m.write,
            read: m.read,
        }),
        Method::AccessRequestOk(_) => AMQPMethod::RequestOk(access::RequestOk {}),
        _ => panic!("not of this class: {method:?}"),
    }
}

fn confirm(method: &Method<'_>) -> confirm::AMQPMethod {
    use confirm::AMQPMethod;
    match *method {
        Method::ConfirmSelect(m) => AMQPMethod::Select(confirm::Select { nowait: m.no_wait }),
        Method::ConfirmSelectOk(_) => AMQPMethod::SelectOk(confirm::SelectOk {}),
        _ => panic!("not of this class: {method:?}"),
    }
}

fn tx(method: &Method<'_>) -> tx::AMQPMethod {
    use tx::AMQPMethod;
    match *method {
        Method::TxSelect(_) => AMQPMethod::Select(tx::Select {}),
        Method::TxSelectOk(_) => AMQPMethod::SelectOk(tx::SelectOk {}),
        Method::TxCommit(_) => AMQPMethod::Commit(tx::Commit {}),
        Method::TxCommitOk(_) => AMQPMethod::CommitOk(tx::CommitOk {}),
        Method::TxRollback(_) => AMQPMethod::Rollback(tx::Rollback {}),
        Method::TxRollbackOk(_) => AMQPMethod::RollbackOk(tx::RollbackOk {}),
        _ => panic!("not of this class: {method:?}"),
    }
}

/// The same table, of keys that are text and not there twice.
pub(crate) fn table(table: &Table) -> FieldTable {
    let mut translated = FieldTable::default();
    for (key, field) in table.iter() {
        translated.insert(short(key), value(field));
    }
    translated
}

fn raw_table(table: RawTable<'_>) -> FieldTable {
    self::table(&table.decode().unwrap())
}

fn value(value: &Value) -> AMQPValue {
    match value.clone() {
        Value::Bool(value) => AMQPValue::Boolean(value),
        Value::I8(value) => AMQPValue::ShortShortInt(value),
        Value::U8(value) => AMQPValue::ShortShortUInt(value),
        Value::I16(value) => AMQPValue::ShortInt(value),
        Value::U16(value) => AMQPValue::ShortUInt(value),
        Value::I32(value) => AMQPValue::LongInt(value),
        Value::U32(value) => AMQPValue::LongUInt(value),
        Value::I64(value) => AMQPValue::LongLongInt(value),
        Value::F32(value) => AMQPValue::Float(value),
        Value::F64(value) => AMQPValue::Double(value),
        Value::Decimal { scale, value } => AMQPValue::DecimalValue(DecimalValue { scale, value }),
        Value::LongStr(bytes) => AMQPValue::LongString(bytes.into()),
        Value::Array(values) => {
            let values: Vec<AMQPValue> = values.iter().map(self::value).collect();
            AMQPValue::FieldArray(FieldArray::from(values))
        }
        Value::Timestamp(seconds) => AMQPValue::Timestamp(seconds),
        Value::Table(table) => AMQPValue::FieldTable(self::table(&table)),
        Value::Void => AMQPValue::Void,
        Value::Bytes(bytes) => AMQPValue::ByteArray(ByteArray::from(bytes)),
    }
}

/// The same properties, of strings that are text.
pub(crate) fn properties(properties: &PropertiesBuf) -> AMQPProperties {
    type With<T> = fn(AMQPProperties, T) -> AMQPProperties;
    let p = properties;
    let strings: [(&Option<Vec<u8>>, With<ShortString>); 10] = [
        (&p.content_type, AMQPProperties::with_content_type),
        (&p.content_encoding, AMQPProperties::with_content_encoding),
        (&p.correlation_id, AMQPProperties::with_correlation_id),
        (&p.reply_to, AMQPProperties::with_reply_to),
        (&p.expiration, AMQPProperties::with_expiration),
        (&p.message_id, AMQPProperties::with_message_id),
        (&p.kind, AMQPProperties::with_type),
        (&p.user_id, AMQPProperties::with_user_id),
        (&p.app_id, AMQPProperties::with_app_id),
        (&p.cluster_id, AMQPProperties::with_cluster_id),
    ];
    let mut translated = AMQPProperties::default();
    for (string, with) in strings {
        if let Some(string) = string {
            translated = with(translated, short(string));
        }
    }
    if let Some(headers) = &p.headers {
        translated = translated.with_headers(table(headers));
    }
    if let Some(mode) = p.delivery_mode {
        translated = translated.with_delivery_mode(mode);
    }
    if let Some(priority) = p.priority {
        translated = translated.with_priority(priority);
    }
    if let Some(timestamp) = p.timestamp {
        translated = translated.with_timestamp(timestamp);
    }
    translated
}

fn short(bytes: &[u8]) -> ShortString {
    str::from_utf8(bytes).unwrap().into()
}

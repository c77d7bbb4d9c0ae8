//! The classes `connection` and `channel`.

use amq_protocol::protocol::{channel, connection};
use amqp::method::Method;

use super::raw_table;

pub(super) fn connection(method: &Method<'_>) -> connection::AMQPMethod {
    use connection::AMQPMethod;
    match *method {
        Method::ConnectionStart(m) => AMQPMethod::Start(connection::Start {
            version_major: m.version_major,
            version_minor: m.version_minor,
            server_properties: raw_table(m.server_properties),
            mechanisms: m.mechanisms.into(),
            locales: m.locales.into(),
        }),
        Method::ConnectionStartOk(m) => AMQPMethod::StartOk(connection::StartOk {
            client_properties: raw_table(m.client_properties),
            mechanism: m.mechanism.into(),
            response: m.response.into(),
            locale: m.locale.into(),
        }),
        Method::ConnectionSecure(m) => {
            AMQPMethod::Secure(connection::Secure { challenge: m.challenge.into() })
        }
        Method::ConnectionSecureOk(m) => {
            AMQPMethod::SecureOk(connection::SecureOk { response: m.response.into() })
        }
        Method::ConnectionTune(m) => AMQPMethod::Tune(connection::Tune {
            channel_max: m.channel_max,
            frame_max: m.frame_max,
            heartbeat: m.heartbeat,
        }),
        Method::ConnectionTuneOk(m) => AMQPMethod::TuneOk(connection::TuneOk {
            channel_max: m.channel_max,
            frame_max: m.frame_max,
            heartbeat: m.heartbeat,
        }),
        Method::ConnectionOpen(m) => {
            AMQPMethod::Open(connection::Open { virtual_host: m.virtual_host.into() })
        }
        Method::ConnectionOpenOk(_) => AMQPMethod::OpenOk(connection::OpenOk {}),
        Method::ConnectionClose(m) => AMQPMethod::Close(connection::Close {
            reply_code: m.reply_code,
            reply_text: m.reply_text.into(),
            class_id: m.class_id,
            method_id: m.method_id,
        }),
        Method::ConnectionCloseOk(_) => AMQPMethod::CloseOk(connection::CloseOk {}),
        Method::ConnectionBlocked(m) => {
            AMQPMethod::Blocked(connection::Blocked { reason: m.reason.into() })
        }
        Method::ConnectionUnblocked(_) => AMQPMethod::Unblocked(connection::Unblocked {}),
        Method::ConnectionUpdateSecret(m) => AMQPMethod::UpdateSecret(connection::UpdateSecret {
            new_secret: m.new_secret.into(),
            reason: m.reason.into(),
        }),
        Method::ConnectionUpdateSecretOk(_) => {
            AMQPMethod::UpdateSecretOk(connection::UpdateSecretOk {})
        }
        _ => panic!("not of this class: {method:?}"),
    }
}

pub(super) fn channel(method: &Method<'_>) -> channel::AMQPMethod {
    use channel::AMQPMethod;
    match *method {
        Method::ChannelOpen(_) => AMQPMethod::Open(channel::Open {}),
        Method::ChannelOpenOk(_) => AMQPMethod::OpenOk(channel::OpenOk {}),
        Method::ChannelFlow(m) => AMQPMethod::Flow(channel::Flow { active: m.active }),
        Method::ChannelFlowOk(m) => AMQPMethod::FlowOk(channel::FlowOk { active: m.active }),
        Method::ChannelClose(m) => AMQPMethod::Close(channel::Close {
            reply_code: m.reply_code,
            reply_text: m.reply_text.into(),
            class_id: m.class_id,
            method_id: m.method_id,
        }),
        Method::ChannelCloseOk(_) => AMQPMethod::CloseOk(channel::CloseOk {}),
        _ => panic!("not of this class: {method:?}"),
    }
}

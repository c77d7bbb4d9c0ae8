//! The table of a node's settings.

use service::config::Setting;

use super::DmqConfig;

/// What most rows have in common.
const ROW: Setting<DmqConfig> = Setting {
    name: "",
    also: &[],
    section: "",
    value: "NUMBER",
    field: |c| &mut c.ping_interval,
    secret: false,
    fallback_variable: None,
    doc: "",
};

const BUS: Setting<DmqConfig> = Setting { section: "The bus", ..ROW };
const MESSAGES: Setting<DmqConfig> = Setting { section: "Messages", ..ROW };
const SAFETY: Setting<DmqConfig> = Setting { section: "Safety", ..ROW };
const PEERS: Setting<DmqConfig> = Setting { section: "Peers", value: "NAME", ..ROW };
const BRIDGE: Setting<DmqConfig> = Setting { section: "Bridge", ..ROW };
const OPERATION: Setting<DmqConfig> = Setting { section: "Operation", ..ROW };

pub(super) const TABLE: &[Setting<DmqConfig>] = &[
    Setting {
        name: "server_address",
        value: "URI",
        field: |c| &mut c.server_address,
        doc: "Who this node is, as `sip:192.0.2.1:5060`, with `;transport=tcp` or `;transport=tls` \
              for a stream. The other nodes list it and answer to it: an address of this machine \
              that they reach, or a name that all of them can resolve. Needed.",
        ..BUS
    },
    Setting {
        name: "server_socket",
        value: "HOST:PORT",
        field: |c| &mut c.server_socket,
        doc: "Where to listen, if that is not the address and port of `server_address`; the \
              transport may stand before it, as in `udp:192.0.2.1:5060`.",
        ..BUS
    },
    Setting {
        name: "notification_address",
        value: "URI",
        field: |c| &mut c.notification_address,
        doc: "A node that is asked for the others, never this one; several are a list. Without one \
              the node waits until others name it.",
        ..BUS
    },
    Setting {
        name: "multi_notify",
        value: "BOOL",
        field: |c| &mut c.multi_notify,
        doc: "Whether the first `notification_address` is a name that stands for several nodes: \
              its SRV, A and AAAA records, 30 at most. The others are not used then.",
        ..BUS
    },
    Setting {
        name: "notification_channel",
        value: "NAME",
        field: |c| &mut c.notification_channel,
        doc: "The peer by which nodes tell of each other; the same on all nodes.",
        ..BUS
    },
    Setting {
        name: "ping_interval",
        value: "SECONDS",
        field: |c| &mut c.ping_interval,
        doc: "How often every node is pinged, from 1 to 3600.",
        ..BUS
    },
    Setting {
        name: "ping_timeout_ms",
        value: "MS",
        field: |c| &mut c.ping_timeout_ms,
        doc: "How long a ping waits for its answer.",
        ..BUS
    },
    Setting {
        name: "remove_inactive",
        value: "BOOL",
        field: |c| &mut c.remove_inactive,
        doc: "Whether a disabled node is forgotten after two pings and `fr_timer_ms` without a \
              word. `false` keeps it on the list, and pings it on. Nodes of \
              `notification_address` are never forgotten.",
        ..BUS
    },
    Setting {
        name: "fail_count_threshold_not_active",
        field: |c| &mut c.fail_count_threshold_not_active,
        doc: "After more pings in a row without an answer a node is not active: it gets no \
              broadcasts, and is pinged again at once.",
        ..BUS
    },
    Setting {
        name: "fail_count_threshold_disabled",
        field: |c| &mut c.fail_count_threshold_disabled,
        doc: "After more pings in a row without an answer a node is disabled; one of \
              `notification_address` only stays not active.",
        ..BUS
    },
    Setting {
        name: "nodes_max",
        field: |c| &mut c.nodes_max,
        doc: "How many nodes may be on the list.",
        ..BUS
    },
    Setting {
        name: "leave_timeout_ms",
        value: "MS",
        field: |c| &mut c.leave_timeout_ms,
        doc: "How long a stop waits for the other nodes to hear that this one leaves.",
        ..BUS
    },
    Setting {
        name: "num_workers",
        field: |c| &mut c.num_workers,
        doc: "How many requests may be under way to one node at the same time. What must stay in \
              order does.",
        ..MESSAGES
    },
    Setting {
        name: "worker_usleep",
        value: "MICROSECONDS",
        field: |c| &mut c.worker_usleep,
        doc: "Has no effect here: nothing waits by sleeping. It may stay in a configuration that \
              comes from Kamailio.",
        ..MESSAGES
    },
    Setting {
        name: "queue_messages_max",
        field: |c| &mut c.queue_messages_max,
        doc: "How many messages may wait for one node; more are not sent to it, which the sender \
              is told.",
        ..MESSAGES
    },
    Setting {
        name: "fr_timer_ms",
        also: &["fr_timer"],
        value: "MS",
        field: |c| &mut c.fr_timer_ms,
        doc: "How long a message waits for a node's answer. This name, and those beside the next \
              two, are of Kamailio's module tm.",
        ..MESSAGES
    },
    Setting {
        name: "t1_ms",
        also: &["retr_timer1"],
        value: "MS",
        field: |c| &mut c.t1_ms,
        doc: "After what time a request by UDP is sent again; each pause is twice the one before \
              (T1 of RFC 3261).",
        ..MESSAGES
    },
    Setting {
        name: "t2_ms",
        also: &["retr_timer2"],
        value: "MS",
        field: |c| &mut c.t2_ms,
        doc: "The longest of these pauses (T2 of RFC 3261).",
        ..MESSAGES
    },
    Setting {
        name: "allow",
        value: "NETWORK",
        field: |c| &mut c.allow,
        doc: "Who may send to this node, by address: networks such as `10.0.0.0/8`. Others get \
              403, unless they show a certificate that `tls_ca_file` and `tls_names` allow. The \
              bus itself knows no passwords.",
        ..SAFETY
    },
    Setting {
        name: "body_bytes_max",
        value: "SIZE",
        field: |c| &mut c.body_bytes_max,
        doc: "The size of a message's body at most; a larger one is answered 413, and not sent. By \
              UDP none has more than 60000 bytes.",
        ..SAFETY
    },
    Setting {
        name: "tls_ca_file",
        value: "FILE",
        field: |c| &mut c.tls_ca_file,
        doc: "Authorities that sign certificates of nodes, as PEM. A node that connects with such a \
              certificate may send whatever its address is. Without it none is asked for, and \
              nodes that are connected to need one that the system trusts.",
        ..SAFETY
    },
    Setting {
        name: "tls_cert_file",
        value: "FILE",
        field: |c| &mut c.tls_cert_file,
        doc: "This node's certificate chain, as PEM. Needed for `;transport=tls`.",
        ..SAFETY
    },
    Setting {
        name: "tls_key_file",
        value: "FILE",
        field: |c| &mut c.tls_key_file,
        doc: "Its private key, as PEM, not encrypted.",
        ..SAFETY
    },
    Setting {
        name: "tls_names",
        value: "NAME",
        field: |c| &mut c.tls_names,
        doc: "Names of certificates. If there are any, a node that connects needs one of them to be \
              let in by its certificate, and one that is connected to may have one in the place of \
              the host in its URI.",
        ..SAFETY
    },
    Setting {
        name: "peers",
        field: |c| &mut c.peers,
        doc: "Peers that are always known: messages for them are answered 200 although nobody \
              listens. Others are known while somebody does, or by `bridge_peers`.",
        ..PEERS
    },
    Setting {
        name: "replicated_peer",
        field: |c| &mut c.replicated_peer,
        doc: "The peer to which SIP requests go that a node replicates (`dmq_t_replicate`), as \
              `message/sip`. Empty: requests other than KDMQ are answered 405.",
        ..PEERS
    },
    Setting {
        name: "htable",
        value: "TABLE",
        field: |c| &mut c.htable,
        doc: "Kamailio's hash tables that this node keeps as well, by name; `*` is any that it \
              hears of. What expires by itself there has to be told here too, as there: \
              `calls=>autoexpire=3600;updateexpire=0`. An empty list: no part in hash tables.",
        ..PEERS
    },
    Setting {
        name: "htable_bytes_max",
        value: "SIZE",
        field: |c| &mut c.htable_bytes_max,
        doc: "How much memory all tables together may take; what has no room is answered 500.",
        ..PEERS
    },
    Setting {
        name: "bridge_peers",
        value: "NAME",
        field: |c| &mut c.bridge_peers,
        doc: "Peers whose messages are published to `bridge_exchange`; `*` is any. Without one \
              there is no bridge, in either direction.",
        ..BRIDGE
    },
    Setting {
        name: "bridge_broker",
        value: "URL",
        field: |c| &mut c.bridge_broker,
        doc: "The broker, as `amqp://user:password@host:port/vhost`, or `amqps://…` with TLS; \
              several brokers of a cluster parted by commas. A password is better kept in a file \
              of its own: `bridge_broker_file` names one that holds the URL. A node inside the \
              broker uses that broker.",
        ..BRIDGE
    },
    Setting {
        name: "bridge_exchange",
        value: "EXCHANGE",
        field: |c| &mut c.bridge_exchange,
        doc: "The topic exchange, made when it is missing. Routing keys are the peer and the \
              sender's address, as in `presence.192.0.2.1:5060`.",
        ..BRIDGE
    },
    Setting {
        name: "bridge_queue",
        value: "QUEUE",
        field: |c| &mut c.bridge_queue,
        doc: "The queue whose messages are sent to the bus, made when it is missing and bound to \
              the exchange for routing keys that are the name of a peer. Empty: nothing goes out.",
        ..BRIDGE
    },
    Setting {
        name: "bridge_confirm",
        value: "BOOL",
        field: |c| &mut c.bridge_confirm,
        doc: "Whether a message is answered 200 when the broker has confirmed it; if not, at once.",
        ..BRIDGE
    },
    Setting {
        name: "bridge_timeout_ms",
        value: "MS",
        field: |c| &mut c.bridge_timeout_ms,
        doc: "How long the confirm may take; then the message is answered 503.",
        ..BRIDGE
    },
    Setting {
        name: "bridge_prefetch",
        field: |c| &mut c.bridge_prefetch,
        doc: "How many messages of the queue may be on their way to nodes.",
        ..BRIDGE
    },
    Setting {
        name: "bridge_waiting_max",
        field: |c| &mut c.bridge_waiting_max,
        doc: "How many messages may wait for the broker; more are answered 503.",
        ..BRIDGE
    },
    Setting {
        name: "listen",
        value: "HOST:PORT",
        field: |c| &mut c.listen,
        doc: "Where page, API, metrics and health are served, without a login. Empty: nowhere.",
        ..OPERATION
    },
    Setting {
        name: "log_level",
        value: "LEVEL",
        field: |c| &mut c.log_level,
        doc: "What is logged to stderr: error, warn, info, debug, trace or off, or directives such \
              as `info,dmq=debug`.",
        ..OPERATION
    },
    Setting {
        name: "log_format",
        value: "text|json",
        field: |c| &mut c.log_format,
        doc: "How it is logged: text, or one JSON object a line.",
        ..OPERATION
    },
];

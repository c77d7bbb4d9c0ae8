//! What is measured: runs of the load generator, the figures taken from them, and what the first
//! version must reach.

/// One run of the load generator.
pub(crate) struct Scenario {
    pub name: &'static str,
    /// Runs that only make the state that is measured.
    pub before: &'static [&'static str],
    /// Arguments of the load generator.
    pub run: &'static str,
    /// Kills the broker after `before`, and measures its start.
    pub restarts: bool,
    pub figures: &'static [Figure],
}

/// A number of a run's result.
pub(crate) struct Figure {
    pub title: &'static str,
    /// The key in the generator's result.
    pub key: &'static str,
    /// The printed number is the result times this.
    pub times: f64,
    pub unit: &'static str,
    /// The first version's target, where there is one.
    pub target: &'static str,
}

const fn cpu(title: &'static str, target: &'static str) -> Figure {
    Figure { title, key: "broker_cpu_s_per_M", times: 1.0, unit: "s/M", target }
}

const fn figure(
    title: &'static str,
    key: &'static str,
    unit: &'static str,
    target: &'static str,
) -> Figure {
    Figure { title, key, times: 1.0, unit, target }
}

const fn thousandth(
    title: &'static str,
    key: &'static str,
    unit: &'static str,
    target: &'static str,
) -> Figure {
    Figure { title, key, times: 0.001, unit, target }
}

/// A scenario without preparation.
const fn plain(name: &'static str, run: &'static str, figures: &'static [Figure]) -> Scenario {
    Scenario { name, before: &[], run, restarts: false, figures }
}

/// All scenarios, in the order in which they run on a broker that began empty.
pub(crate) const SCENARIOS: &[Scenario] = &[
    plain(
        "idle",
        "idle --conns 5000 --hold 5",
        &[
            thousandth("resident memory, idle", "rss_kib_before", "MB", "15"),
            figure("per idle connection with one channel", "rss_kib_per_conn", "KiB", "15"),
        ],
    ),
    plain(
        "unroutable",
        "pub --unroutable --n 2M --size 16",
        &[cpu("publish 16 B, unroutable", "0.30")],
    ),
    plain(
        "publish",
        "pub --durable --n 1M --size 16",
        &[cpu("publish only, 16 B, transient", "0.45")],
    ),
    plain(
        "pubcon",
        "pubcon --durable --n 1M --size 16",
        &[cpu("publish and consume, 16 B, auto-ack", "0.75")],
    ),
    plain(
        "pubcon-1k",
        "pubcon --durable --n 500k --size 1024",
        &[cpu("publish and consume, 1 KiB, auto-ack", "2.5")],
    ),
    plain(
        "persistent",
        "pubcon --durable --persistent --confirm 1000 --ack --size 1024 --n 300k",
        &[cpu("persistent 1 KiB, confirms (1,000 in flight), acks", "5.0")],
    ),
    plain(
        "persistent-publish",
        "pub --durable --persistent --confirm 1000 --size 1024 --n 300k",
        &[cpu("the same, publishing only", "3.5")],
    ),
    Scenario {
        name: "drain",
        before: &["pub --durable --persistent --size 1024 --n 1M --keep --queue drain"],
        run: "drain --ack --n 1M --queue drain --durable",
        restarts: false,
        figures: &[cpu("drain 1 M waiting 1 KiB messages with acks", "1.65")],
    },
    plain(
        "many",
        "many --queues 1000 --rounds 200",
        &[cpu("one message to each of 1,000 queues", "4.0")],
    ),
    plain(
        "fanout",
        "fanout --queues 100 --n 10k --size 16",
        &[cpu("fanout of 16 B to 100 queues, per delivery", "0.60")],
    ),
    plain(
        "single",
        "rate --rate 5000 --secs 10 --burst 1 --size 16",
        &[cpu("5,000 single messages per second, 16 B", "40")],
    ),
    plain(
        "ping",
        "ping --size 16 --n 20k",
        &[
            figure("one message in flight, 16 B, publish to delivery, p50", "p50_us", "us", "50"),
            figure("the same, p99", "p99_us", "us", "100"),
        ],
    ),
    plain(
        "ping-confirm",
        "ping --durable --persistent --confirm 1 --size 1024 --n 10k",
        &[
            figure(
                "one in flight, 1 KiB persistent, publish to confirm, p50",
                "p50_us",
                "us",
                "200",
            ),
            figure("the same, p99", "p99_us", "us", "350"),
        ],
    ),
    plain(
        "rate-persistent",
        "rate --rate 5000 --secs 10 --durable --persistent --confirm 1 --ack --size 1024",
        &[thousandth("5,000/s persistent 1 KiB with confirm and ack, p99", "p99_us", "ms", "2.2")],
    ),
    plain(
        "rate-burst",
        "rate --rate 20000 --secs 10 --burst 20 --size 16",
        &[thousandth("20,000/s of 16 B in bursts of 20, p99", "p99_us", "ms", "0.3")],
    ),
    plain(
        "connections",
        "churn --what connection --threads 4 --n 4000",
        &[
            figure(
                "connections opened, used and closed per second by four clients",
                "rate",
                "/s",
                "10,000",
            ),
            thousandth("broker CPU each", "broker_cpu_s_per_M", "ms", "0.10"),
        ],
    ),
    plain(
        "channels",
        "churn --what channel --n 10k",
        &[figure("broker CPU per channel opened and closed", "broker_cpu_s_per_M", "us", "50")],
    ),
    plain(
        "queues",
        "many --queues 10000 --rounds 0 --durable",
        &[
            figure("durable queues declared per second", "declare_per_s", "/s", "1,500"),
            figure("per empty durable queue", "rss_kib_per_queue", "KiB", "2"),
        ],
    ),
    plain(
        "queue-churn",
        "churn --what queue --durable --n 2000",
        &[figure("durable queues declared and deleted per second", "rate", "/s", "1,000")],
    ),
    Scenario {
        name: "backlog",
        before: &[],
        run: "pub --durable --persistent --size 1024 --n 1M --keep --queue backlog",
        restarts: false,
        figures: &[thousandth("resident memory, 1 M x 1 KiB waiting", "rss_kib", "MB", "40")],
    },
    Scenario {
        name: "restart",
        before: &[],
        run: "wait --queue backlog --durable --expect 1M",
        restarts: true,
        figures: &[figure(
            "first message after kill -9 with them waiting",
            "first_message_s",
            "s",
            "1",
        )],
    },
];

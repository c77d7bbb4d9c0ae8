//! Other people's test suites, run against Leveret and against the oracle, test by test.
//!
//! The rule: what passes on RabbitMQ passes on Leveret, unless [`crate::known`] says why not.

mod amqp_tools;
mod celery;
pub(crate) mod certificates;
mod crates;
mod go;
mod java;
mod python;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::broker::{self, Broker, Clients, Kind, Tls, Wanted};
use crate::rounds::choose;
use crate::{known, namespace, peers, process};

/// One suite.
pub(crate) struct Suite {
    pub name: &'static str,
    /// Whose tests these are, for the report.
    pub what: &'static str,
    /// The product name that Leveret takes for it; `None` is the default.
    pub product: Option<&'static str>,
    /// Whether each test run asks the oracle again; the slow suites use the recorded answers.
    pub oracle_live: bool,
    /// Builds what needs the network or much time, outside the namespace.
    prepare: fn() -> Result<()>,
    /// Runs the tests against a broker on port 5672 of this namespace.
    run: fn(&Place) -> Result<Results>,
    user: Option<(&'static str, &'static str)>,
    /// Whether there is TLS, on port 5671.
    tls: Option<Clients>,
    limit: Duration,
}

/// What most suites have in common.
const PLAIN: Suite = Suite {
    name: "",
    what: "",
    product: None,
    oracle_live: false,
    prepare: || Ok(()),
    run: |_| Ok(Results(BTreeMap::new())),
    user: None,
    tls: None,
    limit: Duration::from_secs(300),
};

/// Every suite. Several run at once, and begin in this order: those that take longest first.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "java",
        what: "client, functional, server and TLS tests of RabbitMQ's Java client 5.0.0",
        prepare: java::prepare,
        run: java::run,
        tls: Some(Clients::MayShowCertificates),
        limit: Duration::from_secs(1500),
        ..PLAIN
    },
    Suite {
        name: "celery",
        what: "integration tests of celery 5.7.0's tasks and workers, with Redis for results",
        run: celery::run,
        limit: Duration::from_secs(1200),
        ..PLAIN
    },
    Suite {
        name: "amqp-tools",
        what: "amqp-publish, amqp-get, amqp-consume, amqp-declare-queue, amqp-delete-queue (rabbitmq-c)",
        oracle_live: true,
        run: amqp_tools::run,
        limit: Duration::from_secs(120),
        ..PLAIN
    },
    Suite {
        name: "lapin",
        what: "tests of the crate lapin 4.12.3",
        oracle_live: true,
        prepare: || crates::prepare("lapin"),
        run: |place| crates::run("lapin", place),
        limit: Duration::from_secs(240),
        ..PLAIN
    },
    Suite {
        name: "py-amqp",
        what: "integration tests of py-amqp 5.4.2, plain and TLS",
        oracle_live: true,
        prepare: certificates::prepare,
        run: python::py_amqp,
        tls: Some(Clients::ShowCertificates),
        limit: Duration::from_secs(240),
        ..PLAIN
    },
    Suite {
        name: "amqp091-go",
        what: "all tests of amqp091-go 1.5.0 with the tag integration",
        prepare: go::prepare,
        run: go::run,
        limit: Duration::from_secs(240),
        ..PLAIN
    },
    Suite {
        name: "kombu",
        what: "integration tests of kombu 5.7.0 over py-amqp",
        run: python::kombu,
        ..PLAIN
    },
    Suite {
        name: "kombu-leveret",
        what: "the same with a product name that clients have no special habits for",
        product: Some("Leveret"),
        run: python::kombu,
        ..PLAIN
    },
    Suite {
        name: "amqprs",
        what: "unit and integration tests of the crate amqprs 2.1.5",
        prepare: || crates::prepare("amqprs"),
        run: |place| crates::run("amqprs", place),
        user: Some(("user", "bitnami")),
        ..PLAIN
    },
    Suite {
        name: "celery-delays",
        what: "countdowns of celery 5.7.0 on quorum queues, by its 28 levels of queues",
        run: |place| python::delays(place, "test_celery_delays.py"),
        ..PLAIN
    },
    Suite {
        name: "nservicebus-delays",
        what: "the 28 levels of NServiceBus' delayed delivery, on quorum and on classic queues",
        run: |place| python::delays(place, "test_nservicebus_delays.py"),
        ..PLAIN
    },
];

/// Where a suite runs.
pub(crate) struct Place {
    /// A folder of its own, empty at first.
    pub dir: PathBuf,
    /// What the suite prints goes here.
    pub log: PathBuf,
    /// The suite's certificates, when it has any.
    pub certificates: PathBuf,
    /// A program that is `rabbitmqctl` for the broker.
    pub control: PathBuf,
    /// The broker's name for `rabbitmqctl -n`.
    pub node: String,
    pub limit: Duration,
}

/// How one test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Pass,
    Fail,
    Skip,
}

impl Outcome {
    pub(crate) const ALL: [Outcome; 3] = [Outcome::Pass, Outcome::Fail, Outcome::Skip];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::Skip => "skip",
        }
    }
}

/// Outcome by name of test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Results(pub BTreeMap<String, Outcome>);

impl Results {
    /// One line a test: the outcome, a space, the name.
    fn to_text(&self) -> String {
        self.0.iter().map(|(test, outcome)| format!("{} {test}\n", outcome.name())).collect()
    }

    fn parse(text: &str) -> Result<Self> {
        let mut results = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (word, test) = line.split_once(' ').with_context(|| format!("bad line {line}"))?;
            let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.name() == word);
            let outcome = outcome.with_context(|| format!("bad line {line}"))?;
            results.0.insert(test.to_owned(), outcome);
        }
        Ok(results)
    }

    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.0.values().filter(|o| **o == outcome).count()
    }
}

/// What came of one suite.
pub(crate) struct Verdict {
    pub suite: &'static str,
    pub results: Results,
    pub oracle: Results,
    pub seconds: f64,
    /// Where the oracle answers otherwise than is recorded, a line each.
    notes: Vec<String>,
    /// What fails the run, a line each.
    pub wrong: Vec<String>,
}

/// What `cargo xtask suite` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Suites; all without one.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Runs the oracle beside it, instead of using its recorded answers.
    #[arg(long)]
    oracle: bool,
}

/// `cargo xtask suite`.
pub(crate) fn run(options: &Options) -> Result<()> {
    let suites = choose(&options.names, SUITES, |suite| suite.name)?;
    peers::install()?;
    broker::build()?;
    let mut wrong = 0;
    for suite in suites {
        let verdict = verdict(suite, options.oracle)?;
        wrong += verdict.wrong.len();
        print!("{}", shown(&verdict));
    }
    if wrong > 0 {
        bail!("{wrong} differences");
    }
    Ok(())
}

/// `cargo xtask oracle --record`.
pub(crate) fn record(names: &[String]) -> Result<()> {
    let suites = choose(names, SUITES, |suite| suite.name)?;
    peers::install()?;
    for suite in suites {
        let from = Instant::now();
        let results = measure(suite, Kind::Oracle)?;
        let text = format!(
            "# {} on RabbitMQ 3.10.8; cargo xtask oracle --record {}\n{}",
            suite.what,
            suite.name,
            results.to_text()
        );
        std::fs::write(recorded_path(suite), text)?;
        println!("{}: {} in {:.0} s", suite.name, counts(&results), from.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Runs a suite on Leveret and holds it against the oracle.
pub(crate) fn verdict(suite: &'static Suite, oracle_too: bool) -> Result<Verdict> {
    let from = Instant::now();
    let recorded = recorded(suite)?;
    let results = measure(suite, Kind::Leveret)?;
    let mut notes = Vec::new();
    let mut oracle = recorded;
    if oracle_too {
        // A test that passed once on the oracle can pass, whatever the machine's load does now.
        for (test, now) in measure(suite, Kind::Oracle)?.0 {
            let before = oracle.0.get(&test).copied();
            if before != Some(now) {
                let before = before.map_or("nothing", Outcome::name);
                notes.push(format!("{test}: the oracle says {}, recorded is {before}", now.name()));
            }
            if now == Outcome::Pass || before.is_none() {
                oracle.0.insert(test, now);
            }
        }
    }
    let wrong = known::differences(suite.name, &results, &oracle);
    let seconds = from.elapsed().as_secs_f64();
    Ok(Verdict { suite: suite.name, results, oracle, seconds, notes, wrong })
}

/// A line of counts and a line for each difference.
pub(crate) fn shown(verdict: &Verdict) -> String {
    let mut text = format!(
        "{}: leveret {}; oracle {}; {:.0} s\n",
        verdict.suite,
        counts(&verdict.results),
        counts(&verdict.oracle),
        verdict.seconds
    );
    for (test, outcome) in &verdict.results.0 {
        let oracle = verdict.oracle.0.get(test);
        if oracle != Some(outcome) {
            let oracle = oracle.map_or("absent", |o| o.name());
            text.push_str(&format!("  leveret {}, oracle {oracle}: {test}\n", outcome.name()));
        }
    }
    for line in &verdict.notes {
        text.push_str(&format!("  note {line}\n"));
    }
    for line in &verdict.wrong {
        text.push_str(&format!("  WRONG {line}\n"));
    }
    text
}

fn counts(results: &Results) -> String {
    let each = Outcome::ALL.map(|o| format!("{} {}", results.count(o), o.name()));
    each.join(", ")
}

fn recorded_path(suite: &Suite) -> PathBuf {
    process::root().join("xtask/oracle").join(format!("{}.txt", suite.name))
}

fn recorded(suite: &Suite) -> Result<Results> {
    let path = recorded_path(suite);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} (cargo xtask oracle --record makes it)", path.display()))?;
    Results::parse(&text)
}

/// Runs a suite in a namespace of its own.
fn measure(suite: &Suite, kind: Kind) -> Result<Results> {
    (suite.prepare)()?;
    let dir = process::peers_dir().join("runs").join(format!("{}-{}", suite.name, kind.name()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)?;
    let args = [suite.name, kind.name(), &dir.to_string_lossy()];
    namespace::run("suite", &args, &dir.join("inner.log"), suite.limit)?;
    let text = std::fs::read_to_string(dir.join("results.txt"))?;
    let results = Results::parse(&text)?;
    if results.0.is_empty() {
        bail!("suite {} ran no test, see {}", suite.name, dir.display());
    }
    Ok(results)
}

/// The part of [`measure`] that runs in the namespace.
pub(crate) fn inside(args: &[String]) -> Result<()> {
    let [name, kind, dir] = args else { bail!("three arguments, not {args:?}") };
    let suite = choose(std::slice::from_ref(name), SUITES, |suite| suite.name)?[0];
    let dir = Path::new(dir);
    let certificates = certificates::dir();
    let wanted = Wanted {
        dir: dir.join("broker"),
        amqp: 5672,
        tls: suite.tls.map(|clients| Tls {
            port: 5671,
            certificates: certificates.clone(),
            clients,
        }),
        user: suite.user,
        product: suite.product.map(str::to_owned),
    };
    let broker = Broker::start(Kind::parse(kind)?, &wanted)?;
    let place = Place {
        dir: dir.to_path_buf(),
        log: dir.join("suite.log"),
        certificates,
        control: broker.control(dir)?,
        node: broker.node(),
        limit: suite.limit,
    };
    let results = (suite.run)(&place)?;
    std::fs::write(dir.join("results.txt"), results.to_text())?;
    drop(broker);
    Ok(())
}

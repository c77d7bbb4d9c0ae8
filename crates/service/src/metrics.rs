//! Prometheus' text format: a writer, and histograms whose bounds are spelled as dashboards want.
//! It keeps no registry: whoever owns a number hands it over when asked.

#[cfg(test)]
mod tests;

use std::fmt::{Display, Write};

/// The `Content-Type` of [`Text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What kind of number a family holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, and starts at 0 with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, a sum and a count.
    Histogram,
    /// Of no declared kind.
    Untyped,
}

/// A page of metrics as it grows.
#[derive(Debug, Default)]
pub struct Text {
    out: String,
}

impl Text {
    /// An empty page.
    pub fn new() -> Text {
        Text::default()
    }

    /// Starts the family `name`; its samples follow at once and stand together.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Untyped => "untyped",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        put(&mut self.out, format_args!("# TYPE {name} {kind}\n# HELP {name} {help}\n"));
        Family { name, out: &mut self.out }
    }

    /// A family of one counter without labels.
    pub fn counter(&mut self, name: &'static str, help: &str, value: u64) {
        self.family(name, Kind::Counter, help).sample(&[], value);
    }

    /// A family of one gauge without labels.
    pub fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, help).sample(&[], value);
    }

    /// The finished page.
    pub fn finish(self) -> String {
        self.out
    }
}

/// One family of a page; writes its samples.
#[derive(Debug)]
pub struct Family<'a> {
    name: &'static str,
    out: &'a mut String,
}

/// A sample's labels, as (name, value).
pub type Labels<'a> = [(&'a str, &'a str)];

impl Family<'_> {
    /// One sample. Values of labels may hold anything.
    pub fn sample(&mut self, labels: &Labels<'_>, value: impl Display) -> &mut Self {
        self.line("", labels, None, &value);
        self
    }

    /// A whole histogram.
    pub fn histogram(&mut self, labels: &Labels<'_>, histogram: &Histogram) -> &mut Self {
        self.buckets(labels, histogram, &histogram.sum)
    }

    /// A whole histogram of milliseconds, as seconds.
    pub fn histogram_ms(&mut self, labels: &Labels<'_>, histogram: &Histogram) -> &mut Self {
        self.buckets(labels, histogram, &(histogram.sum as f64 / 1e3))
    }

    fn buckets(
        &mut self,
        labels: &Labels<'_>,
        histogram: &Histogram,
        sum: &dyn Display,
    ) -> &mut Self {
        let mut seen = 0;
        for (bound, count) in histogram.bounds.iter().zip(&histogram.counts) {
            seen += count;
            self.line("_bucket", labels, Some(bound.1), &seen);
        }
        self.line("_bucket", labels, Some("+Inf"), &histogram.count());
        self.line("_sum", labels, None, sum);
        self.line("_count", labels, None, &histogram.count());
        self
    }

    fn line(&mut self, suffix: &str, labels: &Labels<'_>, le: Option<&str>, value: &dyn Display) {
        self.out.push_str(self.name);
        self.out.push_str(suffix);
        let mut open = '{';
        for (name, value) in labels.iter().copied().chain(le.map(|le| ("le", le))) {
            self.out.push(open);
            self.out.push_str(name);
            self.out.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => self.out.push_str("\\\\"),
                    '"' => self.out.push_str("\\\""),
                    '\n' => self.out.push_str("\\n"),
                    c => self.out.push(c),
                }
            }
            self.out.push('"');
            open = ',';
        }
        if open == ',' {
            self.out.push('}');
        }
        put(self.out, format_args!(" {value}\n"));
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes any text");
}

/// The upper bounds of a histogram's buckets, ascending, each with its literal `le` string:
/// dashboards match `le` as text. `+Inf` is implied.
pub type Bounds = &'static [(u64, &'static str)];

/// Message sizes in bytes, as RabbitMQ spells them.
pub const MESSAGE_SIZE_BOUNDS: Bounds = &[
    (100, "100.0"),
    (1_000, "1000.0"),
    (10_000, "10000.0"),
    (100_000, "100000.0"),
    (1_000_000, "1e+06"),
    (10_000_000, "1e+07"),
    (50_000_000, "5e+07"),
    (100_000_000, "1e+08"),
];

/// Counts values by size. Plain numbers: one owner observes, a copy goes to the page.
#[derive(Debug, Clone)]
pub struct Histogram {
    bounds: Bounds,
    /// One per bound, and one for what is above all bounds.
    counts: Vec<u64>,
    sum: u64,
}

impl Histogram {
    /// An empty histogram.
    pub fn new(bounds: Bounds) -> Histogram {
        Histogram { bounds, counts: vec![0; bounds.len() + 1], sum: 0 }
    }

    /// A histogram that was counted elsewhere: one count per bound, and one for what is above all bounds. Counts beyond
    /// that are ignored, missing ones are 0.
    pub fn counted(bounds: Bounds, counts: &[u64], sum: u64) -> Histogram {
        let mut histogram = Histogram::new(bounds);
        histogram.counts.iter_mut().zip(counts).for_each(|(own, count)| *own = *count);
        histogram.sum = sum;
        histogram
    }

    /// Counts `value`. No allocation; a handful of comparisons.
    pub fn observe(&mut self, value: u64) {
        let bucket = self.bounds.iter().position(|(bound, _)| value <= *bound);
        self.counts[bucket.unwrap_or(self.bounds.len())] += 1;
        self.sum = self.sum.wrapping_add(value);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

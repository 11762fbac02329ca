//! A strict reader of the text format of Prometheus: what it does not know it refuses.
//!
//! Beyond the grammar it wants what the conventions ask for: help and type before the first sample,
//! families in one piece, no series twice, counters ending in `_total`, buckets that add up.

use std::collections::{BTreeMap, BTreeSet};

/// What was read: every series with its value.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    /// Families with their types.
    pub(crate) kinds: BTreeMap<String, String>,
    /// Series as they stand in the text, with their values.
    pub(crate) series: BTreeMap<String, f64>,
    helped: BTreeSet<String>,
    closed: BTreeSet<String>,
    current: String,
}

impl Exposition {
    /// Reads `text`.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut read = Self::default();
        if !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        for line in text.lines().filter(|line| !line.is_empty()) {
            read.line(line).map_err(|why| format!("{why}: {line}"))?;
        }
        read.histograms()?;
        Ok(read)
    }

    /// The value of a series, 0 when it isn't there.
    pub(crate) fn value(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or_default()
    }

    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').ok_or("help without a text")?;
            self.enter(name)?;
            if text.trim().is_empty() || !self.helped.insert(name.to_owned()) {
                return Err("no help, or twice");
            }
            return Ok(());
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').ok_or("type without a name")?;
            self.enter(name)?;
            if !["counter", "gauge", "histogram"].contains(&kind) {
                return Err("an unknown type");
            }
            if (kind == "counter") != name.ends_with("_total") {
                return Err("counters end in _total, and nothing else does");
            }
            let twice = self.kinds.insert(name.to_owned(), kind.to_owned());
            return twice.map_or(Ok(()), |_| Err("a type twice"));
        }
        match line.starts_with('#') {
            true => Err("a comment of no known kind"),
            false => self.sample(line),
        }
    }

    fn enter(&mut self, name: &str) -> Result<(), &'static str> {
        if !is_name(name) {
            return Err("no name of a metric");
        }
        if self.current != name {
            self.closed
                .insert(std::mem::replace(&mut self.current, name.to_owned()));
        }
        match self.closed.contains(name) {
            true => Err("a family in two pieces"),
            false => Ok(()),
        }
    }

    fn sample(&mut self, line: &str) -> Result<(), &'static str> {
        let (series, value) = line.rsplit_once(' ').ok_or("no value")?;
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (
                name,
                labels.strip_suffix('}').ok_or("labels without an end")?,
            ),
            None => (series, ""),
        };
        let family = self.family(name).ok_or("a sample without its type")?;
        self.enter(&family)?;
        if !self.helped.contains(&family) {
            return Err("a sample without help");
        }
        check_labels(labels)?;
        let value = value.parse().map_err(|_| "no number")?;
        let twice = self.series.insert(series.to_owned(), value);
        twice.map_or(Ok(()), |_| Err("a series twice"))
    }

    fn family(&self, name: &str) -> Option<String> {
        if self.kinds.get(name).is_some_and(|kind| kind != "histogram") {
            return Some(name.to_owned());
        }
        let parts = ["_bucket", "_sum", "_count"];
        let family = parts.iter().find_map(|part| name.strip_suffix(part))?;
        (self.kinds.get(family)? == "histogram").then(|| family.to_owned())
    }

    /// Buckets only grow, the last is +Inf and holds all.
    fn histograms(&self) -> Result<(), String> {
        let mut buckets: BTreeMap<(String, String), Vec<(f64, f64)>> = BTreeMap::new();
        for (series, count) in &self.series {
            let Some((family, rest)) = series.split_once("_bucket{") else {
                continue;
            };
            let (labels, bound) = rest
                .rsplit_once("le=\"")
                .ok_or("a bucket without its bound")?;
            let bound = bound.trim_end_matches("\"}");
            let bound = bound.parse().map_err(|_| format!("no bound: {bound}"))?;
            let labels = labels.trim_end_matches(',').to_owned();
            buckets
                .entry((family.to_owned(), labels))
                .or_default()
                .push((bound, *count));
        }
        for ((family, labels), mut of) in buckets {
            of.sort_by(|a, b| a.0.total_cmp(&b.0));
            let grows = of.windows(2).all(|pair| pair[0].1 <= pair[1].1);
            let labels = if labels.is_empty() {
                labels
            } else {
                format!("{{{labels}}}")
            };
            let all = self.value(&format!("{family}_count{labels}"));
            let last = of.last().copied();
            if !grows || last != Some((f64::INFINITY, all)) {
                return Err(format!("the buckets of {family}{labels} don't add up"));
            }
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    starts
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// `a="b",c="d"`: names of labels, and values in quotes without anything to escape.
fn check_labels(labels: &str) -> Result<(), &'static str> {
    for pair in labels.split(',').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or("a label without a value")?;
        let value = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        let plain = value.is_some_and(|value| !value.contains(['"', '\\', '\n']));
        if !is_name(name) || !plain {
            return Err("a label that is none");
        }
    }
    Ok(())
}

#[test]
fn the_reader_refuses_what_prometheus_would() {
    let good = "# HELP a_total Sum.\n# TYPE a_total counter\na_total{k=\"v\"} 1\na_total 2\n";
    assert!(Exposition::read(good).is_ok());
    for bad in [
        "a_total 1\n",
        "# TYPE a_total counter\na_total 1\n",
        "# HELP a Sum.\n# TYPE a counter\na 1\n",
        "# HELP a Sum.\n# TYPE a gauge\na 1\na 1\n",
        "# HELP a Sum.\n# TYPE a gauge\na one\n",
        "# HELP a Sum.\n# TYPE a gauge\na{k=v} 1\n",
        "# HELP a Sum.\n# TYPE a gauge\na 1",
        "# HELP a S.\n# TYPE a gauge\na 1\n# HELP b S.\n# TYPE b gauge\nb 1\na{x=\"y\"} 1\n",
        "# HELP a S.\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n",
    ] {
        assert!(Exposition::read(bad).is_err(), "{bad}");
    }
}

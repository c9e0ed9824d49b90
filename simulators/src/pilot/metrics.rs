//! Latency by stage, out of what the switch's metrics page says.

/// Stages in the order of a request's way: name on the page, name for people.
const STAGES: [(&str, &str); 8] = [
    ("read", "waiting to be taken"),
    ("find", "look-up"),
    ("verify", "chip and registry"),
    ("intent_sync", "INTENT durable"),
    ("bank", "bank"),
    ("outcome_sync", "OUTCOME durable"),
    ("write", "answer written"),
    ("total", "request to answer"),
];

/// Median and 99th percentile of each stage in microseconds, from the page's cumulative buckets or quantiles in seconds.
/// A stage that the page does not have is left out.
pub(crate) fn stages(page: &str) -> Vec<(String, f64, f64)> {
    let stages = STAGES.iter().filter_map(|(key, name)| {
        let quantile = |wanted: &str| {
            let line = page.lines().find(|line| {
                line.contains(&format!("stage=\"{key}\"")) && line.contains(&format!("quantile=\"{wanted}\""))
            })?;
            line.rsplit(' ').next()?.parse::<f64>().ok().map(|seconds| seconds * 1e6)
        };
        Some((
            (*name).to_owned(),
            quantile("0.5").or_else(|| bucketed(page, key, 0.5))?,
            quantile("0.99").or_else(|| bucketed(page, key, 0.99))?,
        ))
    });
    stages.collect()
}

/// The upper bound of the bucket in which a quantile lies, over all label sets of a stage.
fn bucketed(page: &str, stage: &str, quantile: f64) -> Option<f64> {
    let mut buckets: std::collections::BTreeMap<u64, f64> = std::collections::BTreeMap::new();
    let mut all = 0.0;
    for line in
        page.lines().filter(|line| line.contains("_bucket{") && line.contains(&format!("stage=\"{stage}\"")))
    {
        let bound = line.split("le=\"").nth(1)?.split('"').next()?;
        let count: f64 = line.rsplit(' ').next()?.parse().ok()?;
        match bound.parse::<f64>() {
            Ok(seconds) if seconds.is_finite() => {
                *buckets.entry((seconds * 1e9) as u64).or_default() += count
            }
            _ => all += count,
        }
    }
    let wanted = all * quantile;
    buckets.into_iter().find(|(_, count)| *count >= wanted).map(|(bound_ns, _)| bound_ns as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_buckets_are_read() {
        let page = "\
x{stage=\"bank\",quantile=\"0.5\"} 0.002\nx{stage=\"bank\",quantile=\"0.99\"} 0.004\n\
y_bucket{kind=\"a\",stage=\"total\",le=\"0.001\"} 5\ny_bucket{kind=\"a\",stage=\"total\",le=\"0.002\"} 10\n\
y_bucket{kind=\"a\",stage=\"total\",le=\"+Inf\"} 10\n";
        assert_eq!(
            stages(page),
            [("bank".to_owned(), 2000.0, 4000.0), ("request to answer".to_owned(), 1000.0, 2000.0)]
        );
    }
}

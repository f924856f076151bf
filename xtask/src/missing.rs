//! Tasks that are promised and not there yet.

/// Says what is missing, and fails: nothing that checks nothing may pass.
pub(crate) fn run(task: &str) -> Result<(), String> {
    let missing = match task {
        "bench" => "there are no benchmarks yet, so no number of the design is measured",
        "fuzz" => {
            "there are no fuzz targets yet; parsers are tested with generated garbage by `cargo xtask test --fast`"
        }
        _ => "it does nothing yet",
    };
    Err(format!("cargo xtask {task}: {missing}"))
}

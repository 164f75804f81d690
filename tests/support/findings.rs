//! What `check` tells, held against what it should.

/// That a check ended with this status, told findings with these beginnings, and no other warnings or errors.
#[track_caller]
pub(crate) fn assert_findings(code: i32, lines: &[String], status: i32, expected: &[&str]) {
    let told = lines.join("\n");
    for line in expected {
        assert!(lines.iter().any(|own| own.starts_with(line)), "{line:?} is not in:\n{told}");
    }
    for line in lines {
        let is_bad = line.starts_with("warning") || line.starts_with("error");
        assert!(!is_bad || expected.iter().any(|own| line.starts_with(own)), "{line:?} is in:\n{told}");
    }
    assert_eq!(code, status, "{told}");
}

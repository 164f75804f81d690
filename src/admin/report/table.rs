//! Counts by key, in bounded memory: of very many different keys, those with the fewest messages are added up.

use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::cells::push_printable;

/// So many keys are kept for certain; twice as many, before the rarest go.
const KEPT: usize = 10_000;
/// Parts a key in parts: no printable text holds it.
const SEPARATOR: char = '\n';

/// What is known of a key.
#[derive(Clone, Debug)]
pub(super) struct Count {
    pub(super) count: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// What the last line said besides.
    pub(super) note: String,
}

/// Counts by key.
pub(super) struct Table {
    rows: HashMap<String, Count>,
    /// The key that is looked for: it is copied only if it is new.
    key: String,
    kept: usize,
    /// Messages of the keys that went.
    pub(super) others: u64,
}

impl Default for Table {
    fn default() -> Self {
        Self { rows: HashMap::new(), key: String::new(), kept: KEPT, others: 0 }
    }
}

impl Table {
    /// Counts a message. A key that went begins anew.
    pub(super) fn add(&mut self, at: Timestamp, key: &[&str], note: &str) {
        self.key.clear();
        for part in key {
            push_printable(&mut self.key, part);
            self.key.push(SEPARATOR);
        }
        if let Some(row) = self.rows.get_mut(&self.key) {
            row.count += 1;
            row.first = row.first.min(at);
            if at >= row.last {
                row.last = at;
                row.note.clear();
                push_printable(&mut row.note, note);
            }
            return;
        }
        let mut shown = String::new();
        push_printable(&mut shown, note);
        self.rows.insert(self.key.clone(), Count { count: 1, first: at, last: at, note: shown });
        if self.rows.len() > 2 * self.kept {
            self.prune();
        }
    }

    /// Half of the keys go: somebody who makes up thousands does not drive out those that matter.
    fn prune(&mut self) {
        let mut counts: Vec<_> = self.rows.values().map(|row| (row.count, row.last)).collect();
        let rank = counts.len().saturating_sub(self.kept);
        let (_, least, _) = counts.select_nth_unstable(rank);
        let least = *least;
        let others = &mut self.others;
        self.rows.retain(|_, row| {
            let stays = (row.count, row.last) > least;
            *others += if stays { 0 } else { row.count };
            stays
        });
    }

    /// The rows, those with the most messages first, and then by key.
    pub(super) fn rows(&self) -> Vec<(Vec<&str>, &Count)> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_unstable_by(|(key, row), (other, than)| than.count.cmp(&row.count).then(key.cmp(other)));
        rows.into_iter().map(|(key, row)| (key.split_terminator(SEPARATOR).collect(), row)).collect()
    }

    /// The messages of all keys.
    pub(super) fn sum(&self) -> u64 {
        self.rows.values().map(|row| row.count).sum::<u64>() + self.others
    }
}

/// Rows of cells as lines, each column as wide as its widest cell; numbers stand at the right.
pub(super) fn aligned(text: &mut String, head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::len);
        cells.chain(head.get(column).map(|name| name.len())).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let head = head.iter().map(|name| name.to_uppercase()).collect();
    for row in [&head].into_iter().chain(rows) {
        let mut line = String::from(" ");
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Writing to a string does not fail.
            let _ =
                if column == 0 { write!(line, " {cell:>width$}") } else { write!(line, "  {cell:<width$}") };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn who_is_there_often_stays() {
        let mut table = Table { kept: 10, ..Table::default() };
        for second in 0..1000 {
            table.add(at(second), &["often", ""], "note");
            table.add(at(second), &["x", &second.to_string()], "");
        }
        let rows = table.rows();
        assert!(rows.len() <= 20, "{}", rows.len());
        let (key, row) = &rows[0];
        assert_eq!((&key[..], row.count, row.first, row.last), (&["often", ""][..], 1000, at(0), at(999)));
        assert_eq!(table.sum(), 2000);
        assert!(table.others >= 900);
    }

    #[test]
    fn a_value_is_one_part_of_its_key() {
        let mut table = Table::default();
        table.add(at(0), &["a\nb", "c"], "\u{1b}[2J");
        table.add(at(0), &["a", "b\nc"], "");
        let rows = table.rows();
        let keys: Vec<_> = rows.iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(keys, [["a", "b\\nc"], ["a\\nb", "c"]]);
        assert_eq!(rows[1].1.note, "\\u{1b}[2J");
    }
}
